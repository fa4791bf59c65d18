/* migrate_jobs.h - jobs in all states with every field random, and what a storage
 * has of them: so much of each state, with one digest, and in which order.
 */
#ifndef PAWL_TEST_MIGRATE_JOBS_H
#define PAWL_TEST_MIGRATE_JOBS_H

#include "actor.h"
#include "storage/storage.h"

#define MOVABLE_STATES                                                          \
    (PAWL_STATE_BIT(PAWL_SCHEDULED) | PAWL_STATE_BIT(PAWL_PENDING) |            \
     PAWL_STATE_BIT(PAWL_FAILED) | PAWL_STATE_BIT(PAWL_COMPLETED) |             \
     PAWL_STATE_BIT(PAWL_DEAD) | PAWL_STATE_BIT(PAWL_CANCELLED))

struct inventory {
    struct pawl_tally states[PAWL_STATE_COUNT];
    uint64_t orders[PAWL_STATE_COUNT]; /* a hash of the ids as list has them */
};

/* Must succeed. */
struct pawl_storage *jobs_open(const char *url);
/* Put `count` of them into the queue. */
void jobs_make(struct pawl_storage *storage, const char *queue, size_t count,
               uint64_t *random);
/* Pending ones with a payload of a few bytes, as fast as it goes. */
void jobs_put(struct pawl_storage *storage, const char *queue, size_t count);
uint64_t jobs_pending(struct pawl_storage *storage, const char *queue);
/* A queue that does not exist has none. */
struct inventory jobs_count(struct pawl_storage *storage, const char *queue);
bool jobs_same(const struct inventory *a, const struct inventory *b);
uint64_t jobs_all(const struct inventory *inventory);

#endif
