/* futex.c - see futex.h. glibc has no wrapper for the system call. */
#include "util/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/clock.h"

int futex_wait(const uint32_t *word, uint32_t expected, uint32_t bits,
               int64_t deadline_ns, bool shared)
{
    struct timespec until = clock_timespec(deadline_ns);
    int op = FUTEX_WAIT_BITSET | (shared ? 0 : FUTEX_PRIVATE_FLAG);

    if (syscall(SYS_futex, word, op, expected, &until, NULL, bits) == 0)
        return 0;
    return errno;
}

int futex_wake(const uint32_t *word, int count, uint32_t bits, bool shared)
{
    int op = FUTEX_WAKE_BITSET | (shared ? 0 : FUTEX_PRIVATE_FLAG);
    long woken = syscall(SYS_futex, word, op, count, NULL, NULL, bits);

    return woken < 0 ? 0 : (int)woken;
}
