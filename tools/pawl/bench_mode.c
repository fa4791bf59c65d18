/* bench_mode.c - the modes of one process, and what all modes share. */
#include "bench.h"

#include <string.h>

struct bench_load bench_load_of(const struct bench *bench)
{
    const struct bench_settings *set = &bench->set;
    return (struct bench_load){.queue = BENCH_QUEUE,
                               .jobs = set->jobs,
                               .payload = (size_t)set->payload,
                               .producers = (int)set->producers,
                               .in_flight = (int)set->in_flight,
                               .batch = (int)set->batch,
                               .pace_ns = set->pace_ms * 1000000};
}

void bench_figure(struct bench *bench, const char *name, double value)
{
    json_object_set_new(bench->out, name, json_integer((json_int_t)(value + 0.5)));
}

int bench_preload(struct bench *bench, const char *queue, int priority, long jobs)
{
    struct bench_load load = {.queue = queue,
                              .priority = priority,
                              .jobs = jobs,
                              .payload = (size_t)bench->set.payload,
                              .producers = 1,
                              .batch = 1000};
    struct bench_span span;
    struct pawl_error err = {0};
    if (jobs == 0)
        return CLI_DONE;
    enum pawl_status status = bench_load(bench->cli->pawl, &load, &span, &err);
    return status == PAWL_OK ? CLI_DONE : cli_error(bench->cli, status, &err);
}

static int mode_put(struct bench *bench, const struct bench_load *load)
{
    struct bench_span span;
    struct pawl_error err = {0};
    /* The backlog waits behind the measured jobs, in the same queue. */
    int code = bench_preload(bench, BENCH_QUEUE, 10, bench->set.backlog);
    if (code != CLI_DONE)
        return code;
    enum pawl_status status = bench_load(bench->cli->pawl, load, &span, &err);
    if (status != PAWL_OK)
        return cli_error(bench->cli, status, &err);
    bench_figure(bench, "jobs_per_s", bench_rate(&span));
    return CLI_DONE;
}

int bench_enqueue(struct bench *bench)
{
    bench->set.batch = 1;
    struct bench_load load = bench_load_of(bench);
    return mode_put(bench, &load);
}

int bench_bulk(struct bench *bench)
{
    bench->set.in_flight = 1;
    struct bench_load load = bench_load_of(bench);
    return mode_put(bench, &load);
}

int bench_work(struct bench *bench)
{
    struct bench_drain drain = {.queue = BENCH_QUEUE,
                                .jobs = bench->set.jobs,
                                .concurrency = (int)bench->set.concurrency};
    struct bench_span span;
    struct pawl_error err = {0};
    int code = bench_preload(bench, BENCH_QUEUE, 5, bench->set.jobs);
    if (code == CLI_DONE)
        code = bench_preload(bench, BENCH_QUEUE, 10, bench->set.backlog);
    if (code != CLI_DONE)
        return code;
    enum pawl_status status = bench_drain(bench->cli->pawl, &drain, &span, &err);
    if (status != PAWL_OK)
        return cli_error(bench->cli, status, &err);
    bench_figure(bench, "jobs_per_s", bench_rate(&span));
    return CLI_DONE;
}

int bench_memory(struct bench *bench)
{
    struct pawl_health before, after;
    struct pawl_error err = {0};
    memset(&before, 0, sizeof before);
    enum pawl_status status = pawl_health(bench->cli->pawl, &before, &err);
    if (status != PAWL_OK)
        return cli_error(bench->cli, status, &err);
    int code = bench_preload(bench, BENCH_QUEUE, 5, bench->set.jobs);
    if (code != CLI_DONE)
        return code;
    status = pawl_health(bench->cli->pawl, &after, &err);
    if (status != PAWL_OK)
        return cli_error(bench->cli, status, &err);
    bench_figure(bench, "bytes_per_job",
                 (double)(after.size_bytes - before.size_bytes) /
                     (double)bench->set.jobs);
    return CLI_DONE;
}
