/* bench_pair.c - the modes with a producer and a worker that are processes of
 * their own, side by side on one store, and the two roles. */
#include "bench_child.h"

#include <stdlib.h>
#include <time.h>

#include "util/clock.h"

/* --- the roles ------------------------------------------------------------------- */

static int64_t role_until(const struct bench *bench)
{
    long seconds = bench->set.seconds;
    return seconds > 0 ? clock_mono_ns() + seconds * INT64_C(1000000000) : 0;
}

static void role_answer(struct bench *bench, const struct bench_span *span)
{
    json_object_set_new(bench->out, "count", json_integer(span->count));
    json_object_set_new(bench->out, "from_ns", json_integer(span->from_ns));
    json_object_set_new(bench->out, "to_ns", json_integer(span->to_ns));
}

int bench_role_produce(struct bench *bench)
{
    struct bench_load load = bench_load_of(bench);
    struct bench_span span;
    struct pawl_error err = {0};
    int code = bench_child_ready(bench);
    if (code != CLI_DONE)
        return code;
    load.until_ns = role_until(bench);
    enum pawl_status status = bench_load(bench->cli->pawl, &load, &span, &err);
    if (status != PAWL_OK)
        return cli_error(bench->cli, status, &err);
    role_answer(bench, &span);
    return CLI_DONE;
}

static int role_drain(struct bench *bench, int64_t *delays_ns)
{
    struct bench_drain drain = {.queue = BENCH_QUEUE,
                                .jobs = bench->set.jobs,
                                .concurrency = (int)bench->set.concurrency,
                                .delays_ns = delays_ns};
    struct bench_span span;
    struct pawl_error err = {0};
    int code = bench_child_ready(bench);
    if (code != CLI_DONE)
        return code;
    drain.until_ns = role_until(bench);
    enum pawl_status status = bench_drain(bench->cli->pawl, &drain, &span, &err);
    if (status != PAWL_OK)
        return cli_error(bench->cli, status, &err);
    role_answer(bench, &span);
    return CLI_DONE;
}

int bench_role_work(struct bench *bench)
{
    return role_drain(bench, NULL);
}

static int role_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int bench_role_measure(struct bench *bench)
{
    size_t jobs = (size_t)bench->set.jobs;
    int64_t *delays_ns = calloc(jobs, sizeof *delays_ns);
    if (!delays_ns)
        return cli_failed(bench->cli, "out of memory");
    int code = role_drain(bench, delays_ns);
    if (code == CLI_DONE) {
        qsort(delays_ns, jobs, sizeof *delays_ns, role_compare);
        bench_figure(bench, "p50_us", (double)delays_ns[jobs / 2] / 1000);
        bench_figure(bench, "p99_us", (double)delays_ns[jobs * 99 / 100] / 1000);
    }
    free(delays_ns);
    return code;
}

/* --- producer and worker ------------------------------------------------------------ */

struct pair {
    struct bench_child producer, worker;
    struct bench_answer made, done;
};

/* A worker that has nothing to do is asleep when the first job comes. */
static void pair_settle(void)
{
    const struct timespec pause = {.tv_nsec = 300000000};
    nanosleep(&pause, NULL);
}

/* Both roles from the first job to the last. */
static int pair_run(struct bench *bench, const char *worker, struct pair *pair)
{
    const struct bench_settings *set = &bench->set;
    int code = bench_preload(bench, BENCH_BACKLOG_QUEUE, 5, set->backlog);
    if (code == CLI_DONE)
        code = bench_child_start(bench, worker, set, &pair->worker);
    if (code == CLI_DONE)
        code = bench_child_start(bench, "@produce", set, &pair->producer);
    if (code == CLI_DONE) {
        bench_child_go(&pair->worker);
        pair_settle();
        bench_child_go(&pair->producer);
        code = bench_child_end(bench, &pair->producer, &pair->made);
    }
    if (code == CLI_DONE)
        code = bench_child_end(bench, &pair->worker, &pair->done);
    bench_child_kill(&pair->producer);
    bench_child_kill(&pair->worker);
    return code;
}

int bench_cycle(struct bench *bench)
{
    struct pair pair = {0};
    int code = pair_run(bench, "@work", &pair);
    if (code != CLI_DONE)
        return code;
    struct bench_span whole = pair.done.span;
    whole.from_ns = pair.made.span.from_ns;
    bench_figure(bench, "jobs_per_s", bench_rate(&whole));
    bench_figure(bench, "producer_jobs_per_s", bench_rate(&pair.made.span));
    return CLI_DONE;
}

int bench_latency(struct bench *bench)
{
    struct pair pair = {0};
    int code = pair_run(bench, "@measure", &pair);
    if (code != CLI_DONE)
        return code;
    bench_figure(bench, "p50_us", pair.done.p50_us);
    bench_figure(bench, "p99_us", pair.done.p99_us);
    return CLI_DONE;
}

/* --- side by side ---------------------------------------------------------------------- */

static int side_alone(struct bench *bench, const char *role,
                      const struct bench_settings *set, struct bench_answer *out)
{
    struct bench_child child = {0};
    int code = bench_child_start(bench, role, set, &child);
    if (code == CLI_DONE) {
        bench_child_go(&child);
        code = bench_child_end(bench, &child, out);
    }
    bench_child_kill(&child);
    return code;
}

static int side_both(struct bench *bench, const struct bench_settings *produce,
                     const struct bench_settings *work, struct pair *pair)
{
    int code = bench_child_start(bench, "@work", work, &pair->worker);
    if (code == CLI_DONE)
        code = bench_child_start(bench, "@produce", produce, &pair->producer);
    if (code == CLI_DONE) {
        bench_child_go(&pair->worker);
        bench_child_go(&pair->producer);
        code = bench_child_end(bench, &pair->producer, &pair->made);
    }
    if (code == CLI_DONE)
        code = bench_child_end(bench, &pair->worker, &pair->done);
    bench_child_kill(&pair->producer);
    bench_child_kill(&pair->worker);
    return code;
}

/* Each role alone for some seconds, then both at once. Before each part that
 * works, set.jobs more are waiting, so that the worker does not run dry. */
int bench_side(struct bench *bench)
{
    struct bench_settings produce = bench->set, work = bench->set;
    struct bench_answer made = {0}, done = {0};
    struct pair pair = {0};
    produce.jobs = BENCH_JOBS_MAX;
    int code = side_alone(bench, "@produce", &produce, &made);
    if (code == CLI_DONE)
        code = bench_preload(bench, BENCH_QUEUE, 5, bench->set.jobs);
    if (code == CLI_DONE)
        code = side_alone(bench, "@work", &work, &done);
    if (code == CLI_DONE)
        code = bench_preload(bench, BENCH_QUEUE, 5, bench->set.jobs);
    if (code == CLI_DONE)
        code = side_both(bench, &produce, &work, &pair);
    if (code != CLI_DONE)
        return code;
    double producer = bench_rate(&made.span), worker = bench_rate(&done.span);
    double producer_beside = bench_rate(&pair.made.span);
    double worker_beside = bench_rate(&pair.done.span);
    bench_figure(bench, "producer_alone_per_s", producer);
    bench_figure(bench, "worker_alone_per_s", worker);
    bench_figure(bench, "producer_beside_per_s", producer_beside);
    bench_figure(bench, "worker_beside_per_s", worker_beside);
    bench_figure(bench, "producer_keeps_percent",
                 producer > 0 ? 100 * producer_beside / producer : 0);
    bench_figure(bench, "worker_keeps_percent",
                 worker > 0 ? 100 * worker_beside / worker : 0);
    return CLI_DONE;
}
