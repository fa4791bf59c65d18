/* redis_trust.c - see redis_trust.h.
 *
 * The server's chain is verified up to the authorities of the settings, or those of
 * the system, unless the settings say `insecure`; TLS 1.2 is the oldest that is
 * spoken. Nobody is asked anything: a key with a password is refused.
 */
#include "storage/redis/redis_trust.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "storage/redis/redis_socket.h"
#include "util/openssl.h"

const char *redis_trust_reason(void)
{
    const char *text = openssl.ERR_reason_error_string(openssl.ERR_peek_last_error());
    return text ? text : "unknown reason";
}

/* OpenSSL would ask for the password of a key on the terminal. */
static int no_password(char *text, int size, int writing, void *context)
{
    (void)text, (void)size, (void)writing, (void)context;
    return -1;
}

static enum pawl_status cannot_use(const char *what, const char *file,
                                   struct pawl_error *err)
{
    char reason[128];
    snprintf(reason, sizeof reason, "%s", redis_trust_reason());
    if (access(file, R_OK) != 0)
        redis_socket_reason(errno, reason, sizeof reason);
    return pawl_error_set(err, PAWL_EDENIED, "cannot use the %s in '%.100s': %s", what,
                          file, reason);
}

/* The system's authorities, read once: that takes 20 ms, a whole connection 2. */
static X509_STORE *system_store;
static pthread_once_t system_once = PTHREAD_ONCE_INIT;

static void load_system_store(void)
{
    system_store = openssl.X509_STORE_new();
    if (system_store && openssl.X509_STORE_set_default_paths(system_store) != 1) {
        openssl.X509_STORE_free(system_store);
        system_store = NULL;
    }
}

static enum pawl_status load_authorities(SSL_CTX *context, const char *file,
                                         struct pawl_error *err)
{
    if (file[0])
        return openssl.SSL_CTX_load_verify_file(context, file) == 1
                   ? PAWL_OK
                   : cannot_use("certificate authority", file, err);
    pthread_once(&system_once, load_system_store);
    if (!system_store)
        return pawl_error_set(err, PAWL_EDENIED,
                              "the system's certificate authorities cannot be read; "
                              "name a file of your own");
    openssl.SSL_CTX_set1_cert_store(context, system_store);
    return PAWL_OK;
}

static enum pawl_status load_files(SSL_CTX *context,
                                   const struct redis_tls_settings *settings,
                                   struct pawl_error *err)
{
    const char *cert = settings->cert_file;
    const char *key = settings->key_file[0] ? settings->key_file : cert;
    enum pawl_status status = PAWL_OK;
    if (!settings->insecure)
        status = load_authorities(context, settings->ca_file, err);
    if (status != PAWL_OK || !cert[0])
        return status;
    if (openssl.SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return cannot_use("client certificate", cert, err);
    if (openssl.SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return cannot_use("client key", key, err);
    return PAWL_OK;
}

SSL_CTX *redis_trust_context(const struct redis_tls_settings *settings,
                             struct pawl_error *err)
{
    SSL_CTX *context = openssl.SSL_CTX_new(openssl.TLS_client_method());
    if (!context || openssl.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION,
                                         TLS1_2_VERSION, NULL) != 1) {
        pawl_error_set(err, PAWL_ENOMEM, "cannot set up TLS: %s", redis_trust_reason());
        openssl.SSL_CTX_free(context);
        return NULL;
    }
    openssl.SSL_CTX_set_options(context,
                                SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    openssl.SSL_CTX_ctrl(context, SSL_CTRL_MODE,
                         SSL_MODE_ENABLE_PARTIAL_WRITE |
                             SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, NULL);
    openssl.SSL_CTX_ctrl(context, SSL_CTRL_SET_READ_AHEAD, 1, NULL);
    openssl.SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF,
                         NULL);
    openssl.SSL_CTX_set_default_passwd_cb(context, no_password);
    openssl.SSL_CTX_set_verify(
        context, settings->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (load_files(context, settings, err) == PAWL_OK)
        return context;
    openssl.SSL_CTX_free(context);
    return NULL;
}

/* An IP address stands in a certificate as such. */
bool redis_trust_expect(SSL *ssl, const char *name)
{
    unsigned char ip[16];
    X509_VERIFY_PARAM *param = openssl.SSL_get0_param(ssl);
    if (inet_pton(AF_INET, name, ip) == 1)
        return openssl.X509_VERIFY_PARAM_set1_ip(param, ip, 4) == 1;
    if (inet_pton(AF_INET6, name, ip) == 1)
        return openssl.X509_VERIFY_PARAM_set1_ip(param, ip, 16) == 1;
    openssl.X509_VERIFY_PARAM_set_hostflags(param,
                                            X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return openssl.X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
           openssl.SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                            (void *)(uintptr_t)name) == 1;
}
