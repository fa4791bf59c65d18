/* openssl.h - OpenSSL, loaded when something first needs it.
 *
 * Only TLS and the handing over of jobs do. Linked in the usual way it would be mapped
 * and relocated before each main(): 4 of the 8.4 ms that `pawl version` took, and as
 * much of every command in a shell script. So its functions are called through a table:
 *
 *     if (!openssl_load())
 *         ssl = openssl.SSL_new(context);
 *
 * OpenSSL's macros call functions by their plain names, which would link it again:
 * write out what they stand for.
 */
#ifndef PAWL_UTIL_OPENSSL_H
#define PAWL_UTIL_OPENSSL_H

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* X(name): what is called of libcrypto and libssl. */
#define OPENSSL_CALLS(X)                                                       \
    X(ERR_clear_error)                                                         \
    X(ERR_peek_last_error)                                                     \
    X(ERR_reason_error_string)                                                 \
    X(EVP_Digest)                                                              \
    X(EVP_DigestFinal_ex)                                                      \
    X(EVP_DigestInit_ex2)                                                      \
    X(EVP_DigestUpdate)                                                        \
    X(EVP_MD_CTX_free)                                                         \
    X(EVP_MD_CTX_new)                                                          \
    X(EVP_MD_fetch)                                                            \
    X(EVP_sha256)                                                              \
    X(BIO_clear_flags)                                                         \
    X(BIO_get_data)                                                            \
    X(BIO_get_new_index)                                                       \
    X(BIO_meth_new)                                                            \
    X(BIO_meth_set_ctrl)                                                       \
    X(BIO_meth_set_read)                                                       \
    X(BIO_meth_set_write)                                                      \
    X(BIO_new)                                                                 \
    X(BIO_set_data)                                                            \
    X(BIO_set_flags)                                                           \
    X(BIO_set_init)                                                            \
    X(X509_STORE_free)                                                         \
    X(X509_STORE_new)                                                          \
    X(X509_STORE_set_default_paths)                                            \
    X(X509_VERIFY_PARAM_set1_host)                                             \
    X(X509_VERIFY_PARAM_set1_ip)                                               \
    X(X509_VERIFY_PARAM_set_hostflags)                                         \
    X(X509_verify_cert_error_string)                                           \
    X(TLS_client_method)                                                       \
    X(SSL_CTX_ctrl)                                                            \
    X(SSL_CTX_free)                                                            \
    X(SSL_CTX_load_verify_file)                                                \
    X(SSL_CTX_new)                                                             \
    X(SSL_CTX_set1_cert_store)                                                 \
    X(SSL_CTX_set_default_passwd_cb)                                           \
    X(SSL_CTX_set_options)                                                     \
    X(SSL_CTX_set_verify)                                                      \
    X(SSL_CTX_use_PrivateKey_file)                                             \
    X(SSL_CTX_use_certificate_chain_file)                                      \
    X(SSL_connect)                                                             \
    X(SSL_ctrl)                                                                \
    X(SSL_free)                                                                \
    X(SSL_get0_param)                                                          \
    X(SSL_get_error)                                                           \
    X(SSL_get_verify_mode)                                                     \
    X(SSL_get_verify_result)                                                   \
    X(SSL_has_pending)                                                         \
    X(SSL_new)                                                                 \
    X(SSL_read)                                                                \
    X(SSL_set_bio)                                                             \
    X(SSL_write)

struct openssl {
#define X(name) __typeof__(name) *name;
    OPENSSL_CALLS(X)
#undef X
};

/* Written once, by openssl_load(); nothing in it may be called before that. */
extern struct openssl openssl;

/* Load it: NULL. Or else why it cannot be, for as long as this process lives; static.
 * Any thread; a few ms the first time, then nothing. It stays loaded. */
const char *openssl_load(void);

#endif
