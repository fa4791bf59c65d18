/* futex.h - sleeping on a word in memory, also between processes. */
#ifndef PAWL_UTIL_FUTEX_H
#define PAWL_UTIL_FUTEX_H

#include <stdbool.h>
#include <stdint.h>

#define FUTEX_ALL_BITS UINT32_MAX

/* Sleep while *word == expected, until woken with one of `bits` or until the
 * instant `deadline_ns` of clock_mono_ns(). `shared`: the word lies in memory
 * shared between processes. 0 woken; else ETIMEDOUT, EAGAIN (the word differs
 * already) or EINTR. Wakes may be spurious. */
int futex_wait(const uint32_t *word, uint32_t expected, uint32_t bits,
               int64_t deadline_ns, bool shared);
/* Wake at most `count` sleepers with one of `bits`; returns how many. */
int futex_wake(const uint32_t *word, int count, uint32_t bits, bool shared);

#endif
