/* backoff.c - see backoff.h. Every step saturates at the cap, so that no number
 * of failures overflows. */
#include "core/backoff.h"

static pawl_duration times(pawl_duration a, int64_t b, pawl_duration cap)
{
    pawl_duration product;

    if (__builtin_mul_overflow(a, b, &product) || product > cap)
        return cap;
    return product;
}

static pawl_duration exponential(pawl_duration delay, int failures,
                                 pawl_duration cap)
{
    int n;

    for (n = 1; n < failures && delay < cap; n++)
        delay = times(delay, 2, cap);
    return delay;
}

static pawl_duration poly4(int failures, pawl_duration cap)
{
    int64_t n = failures;
    pawl_duration seconds = times(times(times(n, n, cap), n, cap), n, cap);

    return times(seconds < cap ? seconds + 15 : cap, 1000, cap);
}

pawl_duration backoff_delay(const struct pawl_backoff *backoff, int failures,
                            uint64_t random)
{
    pawl_duration cap = backoff->cap ? backoff->cap : BACKOFF_DEFAULT_CAP;
    pawl_duration delay = backoff->delay ? backoff->delay : BACKOFF_DEFAULT_DELAY;
    pawl_duration spread;

    if (failures < 1)
        failures = 1;
    switch (backoff->kind) {
    case PAWL_BACKOFF_EXPONENTIAL:
        delay = exponential(delay, failures, cap);
        break;
    case PAWL_BACKOFF_FIXED:
        break;
    case PAWL_BACKOFF_LINEAR:
        delay = times(delay, failures, cap);
        break;
    case PAWL_BACKOFF_POLY4:
        delay = poly4(failures, cap);
        break;
    case PAWL_BACKOFF_LIST:
        if (failures > backoff->delay_count)
            failures = backoff->delay_count;
        delay = backoff->delays[failures - 1];
        break;
    }
    if (delay > cap)
        delay = cap;
    spread = delay / 100 * backoff->jitter + delay % 100 * backoff->jitter / 100;
    return spread > 0 ? delay - (pawl_duration)(random % (uint64_t)(spread + 1))
                      : delay;
}
