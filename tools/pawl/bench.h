/* bench.h - what the parts of `pawl bench` share.
 *
 * A mode measures one thing on one store and puts its figures into a JSON
 * object. Where it needs a producer and a worker that are processes of their
 * own, it runs this program again in a hidden mode (a *role*, "@produce",
 * "@work"), which says READY, waits for a line, works, and answers its span.
 */
#ifndef PAWL_BENCH_H
#define PAWL_BENCH_H

#include <jansson.h>

#include "bench_drain.h"
#include "bench_load.h"
#include "cli.h"

#define BENCH_QUEUE "bench"
#define BENCH_BACKLOG_QUEUE "bench-backlog"
#define BENCH_JOBS_MAX 100000000L

struct bench_settings {
    long jobs, payload, producers, in_flight, concurrency, batch, backlog;
    long seconds; /* end after so many; side: each of its three parts */
    long pace_ms; /* one job each; 0: as fast as they go */
};

struct bench {
    struct cli *cli; /* with the store open */
    struct bench_settings set;
    json_t *out; /* the figures */
};

/* --- bench_mode.c: each answers CLI_DONE, or an exit code after a message ---- */
int bench_enqueue(struct bench *bench);
int bench_bulk(struct bench *bench);
int bench_work(struct bench *bench);
int bench_memory(struct bench *bench);

/* --- bench_pair.c ------------------------------------------------------------- */
int bench_cycle(struct bench *bench);
int bench_latency(struct bench *bench);
int bench_side(struct bench *bench);
/* The roles: they answer on standard output. */
int bench_role_produce(struct bench *bench);
int bench_role_work(struct bench *bench);
int bench_role_measure(struct bench *bench); /* and the time of each job */

/* What bench_mode.c and bench_pair.c share. */
struct bench_load bench_load_of(const struct bench *bench);
/* `jobs` more waiting jobs, in batches, not measured. */
int bench_preload(struct bench *bench, const char *queue, int priority, long jobs);
/* Whole numbers: no run repeats more digits. */
void bench_figure(struct bench *bench, const char *name, double value);

/* --- bench_store.c -------------------------------------------------------------- */

/* A store for the length of the benchmark: `url` is filled with its URL. Also
 * gone when the process is told to end by INT, TERM or HUP. */
#define BENCH_URL_MAX 1200
int bench_store_make(const struct cli *cli, const char *durability,
                     char url[BENCH_URL_MAX]);
void bench_store_remove(void);
/* CLI_DONE when no job of any state is there. */
int bench_store_empty(const struct cli *cli);
/* Remove the benchmark's jobs from a store that is the user's. */
int bench_store_clean(const struct cli *cli);

#endif
