/* fake_clock.h - time that stands still until a test moves it. Any thread. */
#ifndef PAWL_TEST_FAKE_CLOCK_H
#define PAWL_TEST_FAKE_CLOCK_H

#include <stdatomic.h>

#include "pawl/storage.h"

struct fake_clock {
    _Atomic pawl_time now;    /* wall clock */
    _Atomic pawl_time steady; /* leases */
};

/* Start at `now`, and at another number for steady, so that taking one for the
 * other shows. */
void fake_clock_init(struct fake_clock *clock, pawl_time now);
/* Let time pass on both. */
void fake_clock_pass(struct fake_clock *clock, pawl_duration time);
/* What to hand to the code under test; `clock` must outlive it. */
struct pawl_clock fake_clock_as_clock(struct fake_clock *clock);

#endif
