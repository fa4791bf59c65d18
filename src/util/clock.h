/* clock.h - the machine's time. The only place that asks the kernel for it;
 * everything else is handed a struct pawl_clock, so that a test can set it. */
#ifndef PAWL_UTIL_CLOCK_H
#define PAWL_UTIL_CLOCK_H

#include <stdint.h>
#include <time.h>

/* ms since the Unix epoch. */
int64_t clock_wall_ms(void);
/* ms since boot, counting suspended time: nobody can set it. */
int64_t clock_boot_ms(void);
/* ns on CLOCK_MONOTONIC, the clock of condition variables and futexes. */
int64_t clock_mono_ns(void);
/* An instant of clock_mono_ns() as pthread_cond_clockwait and futex want it. */
struct timespec clock_timespec(int64_t mono_ns);

#endif
