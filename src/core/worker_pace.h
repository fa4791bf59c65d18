/* worker_pace.h - how many short attempts a worker finished lately, which is how
 * many jobs it may claim ahead. A pure function of counts and times.
 *
 * Only attempts shorter than the window count: slots that are busy for longer
 * would leave what was claimed for them lying about. */
#ifndef PAWL_CORE_WORKER_PACE_H
#define PAWL_CORE_WORKER_PACE_H

#include <stddef.h>
#include <stdint.h>

#define PACE_WINDOW_MS 10
#define PACE_WINDOW_NS (INT64_C(1000000) * PACE_WINDOW_MS)

struct pace { /* zeroed: nothing finished so far */
    uint64_t seen;
    int64_t at_ms;
    uint64_t by_ms[PACE_WINDOW_MS];
};

/* `finished` short attempts since the worker began, at `now_ns`; returns those
 * of the last window. After a longer gap: its share of the gap. */
size_t pace_update(struct pace *pace, uint64_t finished, int64_t now_ns);

#endif
