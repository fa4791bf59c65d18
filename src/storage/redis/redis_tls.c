/* redis_tls.c - see redis_tls.h.
 *
 * OpenSSL reads and writes through a BIO of ours: its own would write() and so kill
 * a program by SIGPIPE when the server has gone. Reading ahead gets a whole record,
 * or several, with one recv() instead of two for each. Who may speak is
 * redis_trust.c's.
 *
 * There is no close_notify: replies say themselves where they end, and a forked
 * child that closes its copy would end its parent's session.
 */
#include "storage/redis/redis_tls.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/redis/redis_trust.h"
#include "util/clock.h"
#include "util/openssl.h"

struct redis_tls {
    SSL *ssl;
    int fd;
    ssize_t below; /* what the socket answered last */
    bool denied;
    char problem[128];
};

/* --- the socket as OpenSSL sees it ------------------------------------------- */

static BIO_METHOD *bio_method; /* made once, NULL when out of memory */
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static int bio_result(BIO *bio, struct redis_tls *tls, ssize_t result, int retry)
{
    openssl.BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    tls->below = result;
    if (result == REDIS_IO_AGAIN)
        openssl.BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    else if (result == REDIS_IO_FAILED)
        redis_socket_reason(errno, tls->problem, sizeof tls->problem);
    if (result >= 0)
        return (int)result;
    return result == REDIS_IO_CLOSED ? 0 : -1;
}

static int bio_read(BIO *bio, char *bytes, int size)
{
    struct redis_tls *tls = openssl.BIO_get_data(bio);
    short wants;
    return bio_result(bio, tls,
                      redis_socket_read(tls->fd, bytes, (size_t)size, &wants),
                      BIO_FLAGS_READ);
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
    struct redis_tls *tls = openssl.BIO_get_data(bio);
    short wants;
    return bio_result(bio, tls,
                      redis_socket_write(tls->fd, bytes, (size_t)size, &wants),
                      BIO_FLAGS_WRITE);
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH; /* nothing is held back */
}

static void make_bio_method(void)
{
    int type = openssl.BIO_get_new_index() | BIO_TYPE_SOURCE_SINK;
    bio_method = openssl.BIO_meth_new(type, "pawl");
    if (!bio_method)
        return;
    openssl.BIO_meth_set_read(bio_method, bio_read);
    openssl.BIO_meth_set_write(bio_method, bio_write);
    openssl.BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

static BIO *make_bio(struct redis_tls *tls)
{
    pthread_once(&bio_once, make_bio_method);
    BIO *bio = bio_method ? openssl.BIO_new(bio_method) : NULL;
    if (bio) {
        openssl.BIO_set_data(bio, tls);
        openssl.BIO_set_init(bio, 1);
    }
    return bio;
}

/* --- what went wrong --------------------------------------------------------------- */

static bool refuses_us(int reason)
{
    switch (reason) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE: /* TLS 1.2: no certificate sent */
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
        return true;
    default:
        return false;
    }
}

static ssize_t outcome(struct redis_tls *tls, int result, short *wants)
{
    if (result > 0)
        return result;
    switch (openssl.SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *wants = POLLIN;
        return REDIS_IO_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        *wants = POLLOUT;
        return REDIS_IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return REDIS_IO_CLOSED;
    default:
        break;
    }
    if (tls->below == REDIS_IO_CLOSED)
        return REDIS_IO_CLOSED;
    if (tls->below == REDIS_IO_FAILED)
        return REDIS_IO_FAILED; /* bio_result() wrote down why */
    tls->denied = refuses_us(ERR_GET_REASON(openssl.ERR_peek_last_error()));
    snprintf(tls->problem, sizeof tls->problem, "%s%s",
             tls->denied ? "the server refuses our certificate, or that there is "
                           "none: "
                         : "TLS failed: ",
             redis_trust_reason());
    return REDIS_IO_FAILED;
}

const char *redis_tls_problem(const struct redis_tls *tls, bool *denied)
{
    *denied = tls->denied;
    return tls->problem;
}

static enum pawl_status refuse_server(const struct redis_tls *tls, const char *name,
                                      const char *host, struct pawl_error *err)
{
    long verdict = openssl.SSL_get_verify_result(tls->ssl);
    if (verdict == X509_V_ERR_HOSTNAME_MISMATCH ||
        verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
        return pawl_error_set(
            err, PAWL_EDENIED,
            "redis at %s: host name '%s' does not match the certificate", name, host);
    return pawl_error_set(err, PAWL_EDENIED,
                          "redis at %s: certificate verify failed: %s", name,
                          openssl.X509_verify_cert_error_string(verdict));
}

/* Why there is no session; `result` as of outcome(). */
static enum pawl_status no_session(const struct redis_tls *tls, ssize_t result,
                                   const char *name, const char *host,
                                   struct pawl_error *err)
{
    if (openssl.SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE &&
        openssl.SSL_get_verify_result(tls->ssl) != X509_V_OK)
        return refuse_server(tls, name, host, err);
    if (result == REDIS_IO_CLOSED)
        return pawl_error_set(err, PAWL_EUNREACHABLE,
                              "redis at %s closed the connection when TLS was to "
                              "begin", name);
    if (tls->below == REDIS_IO_FAILED)
        return pawl_error_set(err, PAWL_EUNREACHABLE, "redis at %s: %s", name,
                              tls->problem);
    if (ERR_GET_REASON(openssl.ERR_peek_last_error()) == SSL_R_WRONG_VERSION_NUMBER)
        return pawl_error_set(err, PAWL_EFORMAT,
                              "redis at %s does not speak TLS on this port", name);
    return pawl_error_set(err, tls->denied ? PAWL_EDENIED : PAWL_EFORMAT,
                          "redis at %s: %s", name, tls->problem);
}

/* --- the door ------------------------------------------------------------------------ */

static struct redis_tls *new_tls(int fd, const char *host,
                                 const struct redis_tls_settings *settings,
                                 struct pawl_error *err)
{
    struct redis_tls *tls = calloc(1, sizeof *tls);
    SSL_CTX *context = tls ? redis_trust_context(settings, err) : NULL;
    if (tls && !context) {
        free(tls);
        return NULL;
    }
    if (tls) {
        tls->fd = fd;
        tls->ssl = openssl.SSL_new(context);
        openssl.SSL_CTX_free(context); /* the session keeps it */
    }
    BIO *bio = tls && tls->ssl ? make_bio(tls) : NULL;
    if (bio)
        openssl.SSL_set_bio(tls->ssl, bio, bio);
    if (bio && redis_trust_expect(tls->ssl, host))
        return tls;
    pawl_error_set(err, PAWL_ENOMEM, "out of memory for TLS");
    redis_tls_close(tls);
    return NULL;
}

enum pawl_status redis_tls_open(int fd, const struct redis_address *address,
                                const struct redis_tls_settings *settings,
                                int64_t deadline, struct redis_tls **out,
                                struct pawl_error *err)
{
    char name[REDIS_NAME_SIZE];
    const char *host = settings->name[0] ? settings->name : address->host;
    enum pawl_status status = PAWL_OK;
    struct pawl_error why = { .status = PAWL_OK };
    int64_t started = clock_mono_ns();
    redis_address_format(address, name, sizeof name);
    const char *problem = openssl_load();
    if (problem)
        return pawl_error_set(err, PAWL_EIO, "redis at %s: %s", name, problem);
    openssl.ERR_clear_error();
    struct redis_tls *tls = new_tls(fd, host, settings, &why);
    if (!tls) {
        if (err)
            *err = why;
        return why.status;
    }
    for (;;) {
        short wants = POLLIN;
        ssize_t result = outcome(tls, openssl.SSL_connect(tls->ssl), &wants);
        if (result > 0)
            break;
        if (result != REDIS_IO_AGAIN)
            status = no_session(tls, result, name, host, err);
        else if (redis_socket_wait(fd, wants, deadline) <= 0)
            status = pawl_error_set(err, PAWL_ETIMEOUT,
                                    "redis at %s: TLS did not begin within %ld ms",
                                    name, redis_socket_ms(started, deadline));
        if (status != PAWL_OK)
            break;
    }
    openssl.ERR_clear_error();
    if (status == PAWL_OK)
        *out = tls;
    else
        redis_tls_close(tls);
    return status;
}

void redis_tls_close(struct redis_tls *tls)
{
    if (!tls)
        return;
    openssl.SSL_free(tls->ssl);
    free(tls);
}

ssize_t redis_tls_read(struct redis_tls *tls, void *bytes, size_t size,
                       short *wants)
{
    openssl.ERR_clear_error();
    tls->below = 0;
    return outcome(tls, openssl.SSL_read(tls->ssl, bytes, (int)size), wants);
}

ssize_t redis_tls_write(struct redis_tls *tls, const void *bytes, size_t size,
                        short *wants)
{
    int most = size > INT32_MAX ? INT32_MAX : (int)size;
    openssl.ERR_clear_error();
    tls->below = 0;
    return outcome(tls, openssl.SSL_write(tls->ssl, bytes, most), wants);
}

bool redis_tls_pending(const struct redis_tls *tls)
{
    return openssl.SSL_has_pending(tls->ssl) == 1;
}
