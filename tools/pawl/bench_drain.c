/* bench_drain.c - see bench_drain.h.
 *
 * A job counts when its completion is stored, not when its handler ends: a
 * worker that runs ahead of its storage gains nothing here.
 */
#include "bench_drain.h"

#include <stdatomic.h>
#include <time.h>

#include "util/clock.h"

struct drain_run {
    const struct bench_drain *drain;
    atomic_long started;
};

static struct pawl_verdict drain_handle(void *context, const struct pawl_job *job,
                                        struct pawl_run *run)
{
    struct drain_run *d = context;
    (void)run;
    if (d->drain->delays_ns) {
        int64_t now = clock_mono_ns();
        long number = atomic_fetch_add(&d->started, 1);
        if (number < d->drain->jobs)
            d->drain->delays_ns[number] =
                now - bench_payload_time(job->payload, job->payload_size);
    }
    return pawl_done();
}

#define DRAIN_PATIENCE_NS INT64_C(60000000000)

/* Looks twice a millisecond, which costs nothing and is exact enough. False
 * when nothing was completed for a minute. */
static bool drain_watch(struct pawl_worker *worker,
                        const struct bench_drain *drain, struct bench_span *span)
{
    const struct timespec pause = {.tv_nsec = 500000};
    struct pawl_worker_counts counts;
    int64_t moved_ns = span->from_ns;
    for (;;) {
        pawl_worker_counts(worker, &counts);
        span->to_ns = clock_mono_ns();
        if ((long)counts.completed != span->count)
            moved_ns = span->to_ns;
        span->count = (long)counts.completed;
        if (span->count >= drain->jobs ||
            (drain->until_ns && span->to_ns >= drain->until_ns))
            return true;
        if (span->to_ns - moved_ns > DRAIN_PATIENCE_NS)
            return false;
        nanosleep(&pause, NULL);
    }
}

enum pawl_status bench_drain(struct pawl *pawl, const struct bench_drain *drain,
                             struct bench_span *out, struct pawl_error *err)
{
    struct drain_run run = {.drain = drain};
    struct pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
    struct pawl_worker *worker = NULL;
    struct bench_span span = {.from_ns = clock_mono_ns()};
    options.queues = &drain->queue;
    options.queue_count = 1;
    options.concurrency = drain->concurrency;
    options.handler = drain_handle;
    options.context = &run;
    enum pawl_status status = pawl_worker_open(pawl, &options, &worker, err);
    if (status != PAWL_OK)
        return status;
    bool moved = drain_watch(worker, drain, &span);
    pawl_worker_close(worker);
    if (!moved)
        return pawl_error_set(err, PAWL_ETIMEOUT,
                              "no job was completed for a minute, after %ld of "
                              "%ld",
                              span.count, drain->jobs);
    *out = span;
    return PAWL_OK;
}
