/* redis_trust.h - whom we believe, and by what others are to believe us: the
 * certificates of a TLS session, before it begins. */
#ifndef PAWL_STORAGE_REDIS_TRUST_H
#define PAWL_STORAGE_REDIS_TRUST_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "storage/redis/redis_settings.h"

/* What sessions by these settings are made of; the caller frees it. NULL: EDENIED, a
 * file cannot be used, and the message names it; or ENOMEM. */
SSL_CTX *redis_trust_context(const struct redis_tls_settings *settings,
                             struct pawl_error *err);
/* Whose certificate the server must show. False: out of memory. */
bool redis_trust_expect(SSL *ssl, const char *name);
/* Why OpenSSL's latest call failed. */
const char *redis_trust_reason(void);

#endif
