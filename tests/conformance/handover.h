/* handover.h - one line for each call that hands jobs over or takes them over. */
#ifndef PAWL_TEST_HANDOVER_H
#define PAWL_TEST_HANDOVER_H

#include "suite.h"

#define ANY                                                                     \
    (BIT(PAWL_SCHEDULED) | BIT(PAWL_PENDING) | BIT(PAWL_FAILED) |               \
     BIT(PAWL_COMPLETED) | BIT(PAWL_DEAD) | BIT(PAWL_CANCELLED))

extern const struct pawl_session mover_1, mover_2;

struct taken {
    struct pawl_job *jobs[100];
    size_t count;
};
struct taken hold_in(const char *queue, struct pawl_session mover,
                     unsigned from_states, size_t limit);
/* By mover_1, in QUEUE; so are those below. */
struct taken hold(unsigned from_states, size_t limit);
enum pawl_status settle(enum pawl_take_kind kind, struct pawl_session mover,
                        struct pawl_id id);
enum pawl_status confirm(struct pawl_id id);
enum pawl_status release(struct pawl_id id);

/* A whole job, with defaults for what is zero. */
struct pawl_job whole(struct pawl_job job);
/* At most 20, under the seq given; the jobs must be whole. */
enum pawl_status bring_as(uint64_t seq, const struct pawl_job *jobs, size_t count,
                          struct pawl_put_result *results);
struct pawl_put_result bring(struct pawl_job job);
/* It must be stored. */
struct pawl_id bring_ok(struct pawl_job job);

void assert_key_taken_by(struct pawl_put_result result, struct pawl_id id);
/* The next wait must return, though no time passes. */
void assert_wakes(void);
/* Claim one: it must be this. */
void run_next(struct pawl_id id);

#endif
