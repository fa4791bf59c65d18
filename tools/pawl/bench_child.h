/* bench_child.h - this program again, as a producer or a worker. */
#ifndef PAWL_BENCH_CHILD_H
#define PAWL_BENCH_CHILD_H

#include <stdio.h>
#include <sys/types.h>

#include "bench.h"

struct bench_child {
    pid_t pid; /* 0: none */
    FILE *to, *from;
};
struct bench_answer {
    struct bench_span span;
    double p50_us, p99_us; /* of @measure */
};

/* Start `role` on the store and wait until it is ready. The settings travel as
 * options, and the child tells its own failures. */
int bench_child_start(const struct bench *bench, const char *role,
                      const struct bench_settings *set, struct bench_child *out);
/* Let it begin. */
void bench_child_go(struct bench_child *child);
/* Wait for its answer and its end. */
int bench_child_end(const struct bench *bench, struct bench_child *child,
                    struct bench_answer *out);
/* Kill it, if it is still there. */
void bench_child_kill(struct bench_child *child);

/* The child's side: say READY, wait for the word to begin. CLI_FAILED when the
 * parent is gone. */
int bench_child_ready(const struct bench *bench);

#endif
