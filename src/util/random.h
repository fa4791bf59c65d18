/* random.h - unpredictable bytes from the kernel. */
#ifndef PAWL_UTIL_RANDOM_H
#define PAWL_UTIL_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fill `out`. Never fails: a machine without random bytes is aborted on, since
 * an id made of anything else could be another job's. Small requests are served
 * from a page per thread, which a forked child never shares. */
void random_bytes(void *out, size_t n);
uint64_t random_u64(void);

#endif
