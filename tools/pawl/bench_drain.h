/* bench_drain.h - the worker's side of a benchmark: jobs coming out. */
#ifndef PAWL_BENCH_DRAIN_H
#define PAWL_BENCH_DRAIN_H

#include "bench_load.h"

struct bench_drain {
    const char *queue;
    long jobs; /* end when so many are completed */
    int concurrency;
    int64_t until_ns; /* end at this instant even when jobs are left; 0: no */
    int64_t *delays_ns; /* NULL, or an array[jobs] to be filled with the time
                           from each job's enqueue call to its handler's start */
};

/* Run a worker whose handler does nothing, until the storage has accepted the
 * completions. */
enum pawl_status bench_drain(struct pawl *pawl, const struct bench_drain *drain,
                             struct bench_span *out, struct pawl_error *err);

#endif
