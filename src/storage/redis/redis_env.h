/* redis_env.h - the REDIS_* variables of existing installations, as a URL. */
#ifndef PAWL_STORAGE_REDIS_ENV_H
#define PAWL_STORAGE_REDIS_ENV_H

#include <stddef.h>

#include "pawl/status.h"

/* What the variables say, into url[size]; docs/man/pawl.1 lists them. Without any:
 * redis://127.0.0.1:6379/0. The URL may hold a password: wipe it after use.
 * EINVAL: the message names the variable, and never shows the password. */
enum pawl_status redis_env_url(char *url, size_t size, struct pawl_error *err);

#endif
