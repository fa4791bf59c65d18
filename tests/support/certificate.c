/* certificate.c - see certificate.h. */
#include "certificate.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY (24 * 60 * 60)

/* Everything here must succeed. */
static void must(bool done, const char *what)
{
    char reason[256];
    if (done)
        return;
    ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
    dprintf(STDERR_FILENO, "# certificate: %s: %s\n", what, reason);
    _exit(1);
}

static FILE *open_part(const char *folder, const char *name, const char *part,
                       const char *mode)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.%s", folder, name, part);
    FILE *file = fopen(path, mode);
    must(file != NULL, path);
    return file;
}

static void write_both(const char *folder, const char *name, X509 *cert,
                       EVP_PKEY *key)
{
    FILE *file = open_part(folder, name, "crt", "we");
    must(PEM_write_X509(file, cert) == 1 && fclose(file) == 0, name);
    file = open_part(folder, name, "key", "we");
    must(fchmod(fileno(file), 0600) == 0, name);
    must(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
             fclose(file) == 0,
         name);
}

static void read_both(const char *folder, const char *name, X509 **cert,
                      EVP_PKEY **key)
{
    FILE *file = open_part(folder, name, "crt", "re");
    *cert = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    file = open_part(folder, name, "key", "re");
    *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    must(*cert != NULL && *key != NULL, name);
}

static void extend(X509 *cert, X509V3_CTX *context, int kind, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, kind, value);
    must(extension != NULL && X509_add_ext(cert, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

static void extend_all(X509 *cert, X509 *issuer, const struct certificate *what)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    bool ca = what->issuer == NULL;
    extend(cert, &context, NID_basic_constraints,
           ca ? "critical,CA:TRUE" : "CA:FALSE");
    extend(cert, &context, NID_key_usage,
           ca ? "critical,keyCertSign,cRLSign,digitalSignature"
              : "critical,digitalSignature");
    extend(cert, &context, NID_subject_key_identifier, "hash");
    if (!ca) {
        extend(cert, &context, NID_authority_key_identifier, "keyid");
        extend(cert, &context, NID_ext_key_usage, "serverAuth,clientAuth");
    }
    if (what->names != NULL)
        extend(cert, &context, NID_subject_alt_name, what->names);
}

void certificate_make(const char *folder, const struct certificate *what)
{
    EVP_PKEY *key = EVP_EC_gen("P-256"), *issuer_key = key;
    X509 *cert = X509_new(), *issuer = cert;
    long serial = 0;
    must(key != NULL && cert != NULL, "memory");
    must(RAND_bytes((unsigned char *)&serial, 4) == 1, "random");
    bool usual = what->from_day == 0 && what->to_day == 0;
    X509_NAME *name = X509_get_subject_name(cert);
    must(X509_set_version(cert, X509_VERSION_3) == 1 &&
             ASN1_INTEGER_set(X509_get_serialNumber(cert), serial | 1) == 1 &&
             X509_gmtime_adj(X509_getm_notBefore(cert),
                             DAY * (usual ? -1 : (long)what->from_day)) != NULL &&
             X509_gmtime_adj(X509_getm_notAfter(cert),
                             DAY * (usual ? 30 : (long)what->to_day)) != NULL &&
             X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                        (const unsigned char *)what->name, -1, -1,
                                        0) == 1 &&
             X509_set_pubkey(cert, key) == 1,
         what->name);
    if (what->issuer != NULL)
        read_both(folder, what->issuer, &issuer, &issuer_key);
    must(X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1,
         what->name);
    extend_all(cert, issuer, what);
    must(X509_sign(cert, issuer_key, EVP_sha256()) > 0, what->name);
    write_both(folder, what->name, cert, key);
    if (what->issuer != NULL) {
        X509_free(issuer);
        EVP_PKEY_free(issuer_key);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
}

void certificate_make_usual(const char *folder)
{
    static const struct certificate usual[] = {
        { .name = "ca" },
        { .name = "server",
          .issuer = "ca",
          .names = "DNS:localhost,IP:127.0.0.1,IP:::1" },
        { .name = "client", .issuer = "ca" },
    };
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        certificate_make(folder, &usual[i]);
}
