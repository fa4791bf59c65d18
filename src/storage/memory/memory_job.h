/* memory_job.h - one job's record, and its moves from state to state.
 *
 * Invariant: a job is in exactly one of its queue's states, in the index that
 * job.state names. Only the moves below change the state; each does all that
 * belongs to it (order, owner, key, counters), so that callers decide where a
 * job goes and cannot forget what follows from it.
 */
#ifndef PAWL_STORAGE_MEMORY_JOB_H
#define PAWL_STORAGE_MEMORY_JOB_H

#include "storage/memory/memory_store.h"

/* The lease of an owner that is gone; renewing does not bring it back. */
#define MEMORY_LEASE_ENDED INT64_MIN

/* What a held job was, and is again when it is released. */
struct memory_hold {
    struct pawl_session mover; /* whose mark it is */
    enum pawl_state state;
    int64_t rank;
    uint8_t tie[16];
};

struct memory_job {
    struct memory_node by_id;    /* in the store */
    struct memory_node by_order; /* in queue->states[job.state] */
    int64_t rank;                /* with the tie after it in `order`: its place */
    uint8_t order[MEMORY_ORDER_SIZE];
    struct memory_queue *queue;
    struct memory_key *key; /* NULL: has none */
    struct pawl_job job;    /* as readers see it */
    struct pawl_owner last_owner; /* of the latest claim, also afterwards */
    pawl_time lease_until;        /* steady clock; while processing */
    struct memory_hold hold;      /* while held */
    size_t size;
    char bytes[]; /* payload and texts */
};

/* A record in no state yet: move it somewhere, or remove it. NULL: out of
 * memory. */
struct memory_job *memory_job_new(struct memory_queue *queue,
                                  const struct pawl_new_job *in, pawl_time now);
/* The same of a whole job that lived elsewhere, with all that it was but state,
 * owner and a request to cancel. Its key is not held yet. */
struct memory_job *memory_job_new_whole(struct memory_queue *queue,
                                        const struct pawl_job *in);
/* Delete the job; its key is let go unless it is a throttle. NULL is fine. */
void memory_job_remove(struct memory_job *job);

/* -> pending, last or at a given place of its lane. */
void memory_job_to_tail(struct memory_job *job);
void memory_job_to_position(struct memory_job *job, int64_t position);
/* -> scheduled or failed, until run_at. */
void memory_job_to_time(struct memory_job *job, enum pawl_state state,
                        pawl_time run_at);
/* -> processing, or on with it; until an instant of the steady clock. */
void memory_job_to_lease(struct memory_job *job, pawl_time until);
/* -> completed, dead or cancelled; removed at once when `keep` says not to keep
 * such jobs at all, and then gone when this returns. */
void memory_job_finish(struct memory_job *job, enum pawl_state state,
                       pawl_time now, struct pawl_keep keep);
/* -> completed, dead or cancelled as the latest there, and nothing else: for a
 * job that finished elsewhere. */
void memory_job_to_finished(struct memory_job *job, enum pawl_state state);
/* -> held, behind those held before; and back to the very place it had. */
void memory_job_hold(struct memory_job *job, struct pawl_session mover);
void memory_job_release(struct memory_job *job);
/* Its ttl is over: -> cancelled, with the error "expired". False, and nothing
 * was done: out of memory. */
bool memory_job_expire(struct memory_job *job, pawl_time now,
                       struct pawl_keep keep);
bool memory_job_expired(const struct memory_job *job, pawl_time now);
/* Is this finished job over its age or count? */
bool memory_job_is_over(const struct memory_job *job, pawl_time now,
                        struct pawl_keep keep);
/* The attempt does not count. */
void memory_job_give_back(struct memory_job *job);

/* The job's errors with one more, in one block; the oldest goes when there are
 * too many. NULL: out of memory. Made before a step so that the step itself
 * cannot fail; memory_job_set_errors() takes it. */
struct pawl_job_error *memory_job_errors_with(const struct memory_job *job,
                                              pawl_time now,
                                              const char *message);
void memory_job_set_errors(struct memory_job *job, struct pawl_job_error *errors);
/* `result` becomes the job's to free; NULL: none. */
void memory_job_set_result(struct memory_job *job, void *result, size_t size);

bool memory_state_finished(enum pawl_state state);

#endif
