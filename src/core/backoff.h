/* backoff.h - how long to wait before the next attempt. A pure function. */
#ifndef PAWL_CORE_BACKOFF_H
#define PAWL_CORE_BACKOFF_H

#include "pawl/job.h"

#define BACKOFF_DEFAULT_DELAY 2000
#define BACKOFF_DEFAULT_CAP (INT64_C(86400) * 1000)

/* The wait after the `failures`-th failed attempt (from 1). `random` spreads it
 * over the last `jitter` percent: a wait is never longer than without jitter. */
pawl_duration backoff_delay(const struct pawl_backoff *backoff, int failures,
                            uint64_t random);

#endif
