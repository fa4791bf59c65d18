/* redis_resolve.h - a host's name into addresses, by a deadline. */
#ifndef PAWL_STORAGE_REDIS_RESOLVE_H
#define PAWL_STORAGE_REDIS_RESOLVE_H

#include <netdb.h>
#include <stdint.h>

#define REDIS_RESOLVE_LATE 1 /* EAI_* are below 0 */

/* 0: *out is to be freed by freeaddrinfo(); an EAI_* number (EAI_SYSTEM: errno
 * says it); REDIS_RESOLVE_LATE: `deadline` (ns of clock_mono_ns()) passed. */
int redis_resolve(const char *host, int port, int64_t deadline,
                  struct addrinfo **out);

#endif
