/* bench_load.h - the producer's side of a benchmark: jobs going in.
 *
 * The payload is JSON of an exact size that carries the job's number and the
 * instant of the enqueue call, so that a worker in another process can tell how
 * long the job was on its way.
 */
#ifndef PAWL_BENCH_LOAD_H
#define PAWL_BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "pawl.h"

/* What was done, and when, in ns of CLOCK_MONOTONIC: one clock for all the
 * processes of a machine. */
struct bench_span {
    long count;
    int64_t from_ns, to_ns;
};
double bench_rate(const struct bench_span *span);

struct bench_load {
    const char *queue;
    int priority; /* 0: the default */
    long jobs;
    size_t payload; /* bytes */
    int producers;  /* threads; 1 or more */
    int in_flight;  /* over 1: this many through pawl_submit, from one thread */
    int batch;      /* over 1: pawl_enqueue_many of so many */
    int64_t pace_ns;  /* one job each; 0: as fast as they go */
    int64_t until_ns; /* stop at this instant even when jobs are left; 0: no */
};

/* Enqueue, and answer when every job is durable. */
enum pawl_status bench_load(struct pawl *pawl, const struct bench_load *load,
                            struct bench_span *out, struct pawl_error *err);

/* The smallest payload that carries its instant. */
#define BENCH_PAYLOAD_MIN 64
/* When the job was enqueued; 0 if the payload does not tell. */
int64_t bench_payload_time(const void *payload, size_t size);

#endif
