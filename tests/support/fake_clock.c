/* fake_clock.c - see fake_clock.h. */
#include "fake_clock.h"

static pawl_time read_now(void *context)
{
    return atomic_load(&((struct fake_clock *)context)->now);
}

static pawl_time read_steady(void *context)
{
    return atomic_load(&((struct fake_clock *)context)->steady);
}

void fake_clock_init(struct fake_clock *clock, pawl_time now)
{
    atomic_store(&clock->now, now);
    atomic_store(&clock->steady, 5000000);
}

void fake_clock_pass(struct fake_clock *clock, pawl_duration time)
{
    atomic_fetch_add(&clock->now, time);
    atomic_fetch_add(&clock->steady, time);
}

struct pawl_clock fake_clock_as_clock(struct fake_clock *clock)
{
    return (struct pawl_clock){ read_now, read_steady, clock };
}
