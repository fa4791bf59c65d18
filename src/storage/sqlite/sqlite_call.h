/* sqlite_call.h - one write step on one queue: what its parts share, and the
 * moves of jobs from state to state.
 *
 * call_begin takes the gate and reads the queue's row once; the moves change it
 * in memory; call_end writes back what changed, commits, and wakes sleepers for
 * what became pending. Each move does all that belongs to it (order, key,
 * counters, retention), so that callers decide where a job goes and cannot
 * forget what follows from it.
 */
#ifndef PAWL_SQLITE_CALL_H
#define PAWL_SQLITE_CALL_H

#include "sqlite_queue.h"
#include "sqlite_row.h"
#include "sqlite_session.h"
#include "sqlite_storage.h"

#define CALL_PRIORITIES 16 /* 1..10 are used */

struct sqlite_call {
    struct sqlite_storage *storage;
    struct sqlite_db *db;
    struct pawl_error *err;
    const struct pawl_retention *retention; /* the caller's; NULL: for ever */
    pawl_time now;
    const char *queue_name;
    struct sqlite_queue queue; /* n is 0: there is none */
    bool totals_changed;
    /* Ends of the lanes, looked up when first needed; 0: not yet. */
    int64_t tails[CALL_PRIORITIES], heads[CALL_PRIORITIES];
    struct reply_notes notes; /* puts of the jobs deleted */
    size_t awaited;           /* jobs that became pending */
};

/* What a call does about a queue that is not there. A put needs no more than the
 * queue's number: only that is there then. */
enum call_queue { CALL_FIND, CALL_MAKE, CALL_MAKE_NUMBER };

/* Begin a step on the queue. After a failure there is nothing to end. */
enum pawl_status call_begin(struct sqlite_call *call, struct sqlite_storage *s,
                            enum sqlite_sync sync, const char *queue,
                            enum call_queue how, struct pawl_error *err);
/* Commit if status >= 0, else roll back. Returns `status`, or why the commit
 * failed. */
enum pawl_status call_end(struct sqlite_call *call, enum pawl_status status);

/* Rank behind the last of a lane; the next call gets the next. */
enum pawl_status call_tail(struct sqlite_call *call, int priority,
                           int64_t *rank);
/* Rank `ahead` places in front of the job that was the lane's first when this
 * was first called. */
enum pawl_status call_head(struct sqlite_call *call, int priority, size_t ahead,
                           int64_t *rank);

/* -> pending, at `rank`, or at the tail of its lane. */
enum pawl_status move_to_rank(struct sqlite_call *call, struct sqlite_row *row,
                              int64_t rank);
enum pawl_status move_to_tail(struct sqlite_call *call, struct sqlite_row *row);
/* -> scheduled or failed, until run_at. */
enum pawl_status move_to_time(struct sqlite_call *call, struct sqlite_row *row,
                              enum pawl_state state, pawl_time run_at);
/* -> completed, dead or cancelled; deleted at once when such jobs are not kept
 * at all. */
enum pawl_status move_to_finished(struct sqlite_call *call,
                                  struct sqlite_row *row,
                                  enum pawl_state state);
/* Its ttl is over: -> cancelled, with the error "expired". */
enum pawl_status move_to_expired(struct sqlite_call *call,
                                 struct sqlite_row *row);
bool row_expired(const struct sqlite_row *row, pawl_time now);

/* Keep an error of this attempt; the oldest of too many goes. Save or move the
 * row afterwards. */
enum pawl_status call_error(struct sqlite_call *call, struct sqlite_row *row,
                            const char *message);
/* Replace the job's result; size 0: drop it. */
enum pawl_status call_result(struct sqlite_call *call, struct sqlite_row *row,
                             const void *result, size_t size);

/* Delete a job with all that belongs to it; lets go of its reject key. */
enum pawl_status call_remove(struct sqlite_call *call,
                             const struct sqlite_row *row);
/* Delete the first jobs of a finished state as long as they are over count, or,
 * if `by_age`, over age; at most `limit`. *more: there are others. */
enum pawl_status call_trim(struct sqlite_call *call, enum pawl_state state,
                           bool by_age, size_t limit, size_t *removed,
                           bool *more);

#endif
