/* redis_options.h - what stands behind '?' in a Redis URL, and the values there.
 * For redis_settings.c and redis_env.c. */
#ifndef PAWL_STORAGE_REDIS_OPTIONS_H
#define PAWL_STORAGE_REDIS_OPTIONS_H

#include "storage/redis/redis_settings.h"

#define REDIS_DB_MAX 1000000
#define REDIS_POOL_MAX 1000
#define REDIS_RETRIES_MAX 1000
#define REDIS_REPLICAS_MAX 100

/* Read them into *out, which has what the URL said before them. Of a login, what is
 * "" was not given yet, and so is a db < 0. */
enum pawl_status redis_options_read(const char *options, struct redis_settings *out,
                                    struct pawl_error *err);

/* Percent-decode n bytes of text into out[size]; `what` names it in the message.
 * The text itself is never in a message: it may be a password. */
enum pawl_status redis_decode(const char *what, const char *text, size_t n, char *out,
                              size_t size, struct pawl_error *err);
/* Why it cannot be a prefix; NULL: it can. */
const char *redis_prefix_fault(const char *prefix);

#endif
