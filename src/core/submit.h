/* submit.h - enqueueing without waiting.
 *
 * Submitted jobs are copied into a line. One thread, started with the first of
 * them, takes the whole line, puts it queue by queue through the combiner, and
 * calls the callbacks; meanwhile the next line forms. So one thread of the
 * program with 50 jobs in flight has 50 jobs in each commit.
 */
#ifndef PAWL_CORE_SUBMIT_H
#define PAWL_CORE_SUBMIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct submission;

struct submitter {
    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t arrived; /* for the thread */
    pthread_cond_t left;    /* for callers: room, or a flush that ended */
    struct submission *first, *last;
    size_t bytes;               /* in flight */
    uint64_t submitted, finished; /* jobs, since ever */
    uint64_t settled; /* the first so many have their outcome: a line finishes
                         queue by queue, not in the order of submission */
    struct batch *batch; /* the thread's */
    pthread_t thread;
    bool started, sleeping, stopping;
};

void submitter_init(struct submitter *s);
/* Finish what was submitted and end the thread. */
void submitter_clear(struct submitter *s);

#endif
