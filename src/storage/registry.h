/* registry.h - which storages there are. */
#ifndef PAWL_SRC_STORAGE_REGISTRY_H
#define PAWL_SRC_STORAGE_REGISTRY_H

#include <stddef.h>

#include "pawl/storage.h"

/* The storage whose scheme is the first `n` bytes of `scheme`; NULL if none. */
const struct pawl_storage_ops *registry_find(const char *scheme, size_t n);
/* Room for any URL that registry_default_url() makes. */
#define REGISTRY_URL_MAX 8192
/* The URL that a program gets which names none: what JOB_QUEUE_STORAGE chooses, else
 * the file of the user. It may hold a password: wipe it after use. EINVAL: a variable
 * of the environment makes no sense; the message names it. */
enum pawl_status registry_default_url(char *url, size_t size, struct pawl_error *err);
/* The URL of the usual spool for the primary that is at `where`: a file of this user,
 * and another one for each primary, so that jobs never go where they are not for.
 * NULL: only to look what lies in its folder, which is not made then.
 * EDENIED: this pawl has no storage for that. EINVAL: there is no folder for it. */
enum pawl_status registry_spool_url(const char *where, char *url, size_t size,
                                    struct pawl_error *err);
/* "memory:, sqlite:", for messages. */
void registry_names(char *text, size_t size);

#endif
