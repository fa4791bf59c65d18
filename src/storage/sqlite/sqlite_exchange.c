/* sqlite_exchange.c - outcomes in, claimed jobs out.
 *
 * The plain completion is one statement: it finds the row at its origin, checks
 * everything and changes it, or changes nothing and the outcome is looked at in
 * full. Claims are read first and then changed by one statement over the range
 * that was read, which is up to twice as fast as UPDATE ... RETURNING.
 *
 * A worker with nothing to write back looks first through the reader whether
 * there is anything to claim, so that idle workers never queue at the gate.
 */
#include <string.h>

#include "sqlite_claim.h"
#include "sqlite_owner.h"

#define TRIMMED_PER_COMPLETION 2

struct step {
    struct sqlite_call call;
    const struct pawl_exchange *in;
    int64_t owner;
    size_t completed;
    bool fast; /* completed jobs stay for now: see complete_plain() */
};

/* --- one outcome ---------------------------------------------------------- */

static bool keeps_error(const struct pawl_outcome *o)
{
    return (o->kind == PAWL_OUTCOME_RETRY || o->kind == PAWL_OUTCOME_DEAD ||
            o->kind == PAWL_OUTCOME_CANCELLED) &&
           o->error && o->error[0];
}

/* The job is processing and the outcome counts. */
static enum pawl_status apply(struct step *step, struct sqlite_row *row,
                              const struct pawl_outcome *o)
{
    struct sqlite_call *call = &step->call;
    enum pawl_state to = pawl_outcome_state(o->kind, row->cancel_requested);
    enum pawl_status status = PAWL_OK;
    int64_t rank;

    if (keeps_error(o))
        status = call_error(call, row, o->error);
    if (status == PAWL_OK && to == PAWL_COMPLETED && o->result_size > 0)
        status = call_result(call, row, o->result, o->result_size);
    if (status != PAWL_OK)
        return status;
    if ((o->kind == PAWL_OUTCOME_SNOOZED || o->kind == PAWL_OUTCOME_RELEASED) &&
        row->attempt > 0)
        row->attempt--;
    if (o->kind == PAWL_OUTCOME_RETRY || o->kind == PAWL_OUTCOME_DEAD) {
        call->queue.failed_total++;
        call->totals_changed = true;
    }
    if (to == PAWL_COMPLETED)
        step->completed++;
    if (to == PAWL_SCHEDULED || to == PAWL_FAILED)
        return move_to_time(call, row, to, call->now + o->delay);
    if (to != PAWL_PENDING)
        return move_to_finished(call, row, to);
    /* The released keep their order at the head: the n-th outcome, if it is one,
     * gets the n-th of the places in front. */
    status = call_head(
        call, row->priority,
        step->in->outcome_count - (size_t)(o - step->in->outcomes), &rank);
    return status == PAWL_OK ? move_to_rank(call, row, rank) : status;
}

static enum pawl_status write_back(struct step *step,
                                   const struct pawl_outcome *o,
                                   enum pawl_status *result)
{
    const struct sqlite_call *call = &step->call;
    struct sqlite_row row;
    enum pawl_status status;

    *result = PAWL_STALE;
    status = row_find(call->db, o->id, (int64_t)o->origin, &row, call->err);
    if (status == PAWL_NOT_FOUND)
        return PAWL_OK;
    if (status != PAWL_OK || row.queue != call->queue.n ||
        row.epoch != o->epoch || row.owner != step->owner)
        return status;
    if (row.state == PAWL_PROCESSING) {
        *result = PAWL_OK;
        return apply(step, &row, o);
    }
    if (row.state == pawl_outcome_state(o->kind, row.cancel_requested))
        *result = PAWL_OK; /* the same outcome again */
    return PAWL_OK;
}

/* One statement for a completion where nothing else is to do. *done is false
 * when it found nothing to change; nothing was changed then. */
static enum pawl_status complete_plain(struct step *step,
                                       const struct pawl_outcome *o, bool *done)
{
    struct sqlite_call *call = &step->call;
    sqlite3_stmt *stmt = sql(call->db, SQL_COMPLETE);
    int64_t ordinal = call->queue.entered[PAWL_COMPLETED] + 1;
    enum pawl_status status;

    sqlite3_bind_int64(stmt, 1, (int64_t)o->origin);
    row_bind_id(stmt, 2, &o->id);
    sqlite3_bind_int64(stmt, 3, o->epoch);
    sqlite3_bind_int64(stmt, 4, step->owner);
    sqlite3_bind_int64(stmt, 5, ordinal);
    sqlite3_bind_int64(stmt, 6, call->now);
    if (o->result_size > 0)
        row_bind_bytes(stmt, 7, o->result, o->result_size);
    status = sql_run(call->db, stmt, call->err);
    if (status != PAWL_OK)
        return status;
    *done = sqlite3_changes(call->db->handle) == 1;
    if (*done) {
        call->queue.entered[PAWL_COMPLETED] = ordinal;
        call->totals_changed = true;
        step->completed++;
    }
    return PAWL_OK;
}

/* --- all outcomes --------------------------------------------------------- */

static bool is_plain(const struct step *step, const struct pawl_outcome *o)
{
    return step->fast && o->kind == PAWL_OUTCOME_COMPLETED &&
           o->result_size <= ROW_INLINE_MAX;
}

static enum pawl_status write_back_all(struct step *step,
                                       enum pawl_status *results)
{
    const struct pawl_exchange *in = step->in;
    enum pawl_status status = PAWL_OK;

    for (size_t i = 0; i < in->outcome_count && status == PAWL_OK; i++) {
        const struct pawl_outcome *o = &in->outcomes[i];
        bool done = false;
        results[i] = PAWL_OK;
        if (is_plain(step, o))
            status = complete_plain(step, o, &done);
        if (status == PAWL_OK && !done)
            status = write_back(step, o, &results[i]);
    }
    return status;
}

static enum pawl_status outcomes(struct step *step,
                                 struct pawl_exchange_reply *out)
{
    struct sqlite_call *call = &step->call;
    struct pawl_keep keep = queue_keep(&call->queue, call->retention,
                                       PAWL_COMPLETED);
    enum pawl_status status;
    size_t removed;
    bool more;

    for (size_t i = 0; i < step->in->outcome_count; i++)
        out->outcomes[i] = PAWL_STALE;
    if (call->queue.n == 0 || step->in->outcome_count == 0)
        return PAWL_OK;
    status = owner_find(call, &step->in->owner, &step->owner);
    if (status != PAWL_OK || step->owner == 0)
        return status;
    step->fast = keep.age != 0 && keep.count != 0;
    status = write_back_all(step, out->outcomes);
    if (status != PAWL_OK || step->completed == 0 || keep.count < 0)
        return status;
    return call_trim(call, PAWL_COMPLETED, false,
                     step->completed * TRIMMED_PER_COMPLETION, &removed, &more);
}

/* --- the method ----------------------------------------------------------- */

/* Is there nothing that an exchange could claim? Then *out is filled in. */
static enum pawl_status look(struct sqlite_storage *s,
                             const struct pawl_exchange *in,
                             struct pawl_exchange_reply *out, bool *nothing,
                             struct pawl_error *err)
{
    enum pawl_status status = sqlite_read_begin(s, err);
    struct sqlite_queue queue;
    int64_t rank = 0;

    if (status != PAWL_OK)
        return status;
    status = queue_find(&s->reader, in->queue, 0, &queue, err);
    if (status == PAWL_OK && queue.n != 0) {
        out->paused = queue.paused && in->claim_max > 0;
        if (!queue.paused && in->claim_max > 0)
            status = queue_first_rank(&s->reader, queue.n, 0, ORDER_RANK_MAX,
                                      &rank, err);
        if (status == PAWL_OK && rank == 0)
            status = queue_next_at(&s->reader, queue.n, &out->next_at, err);
    }
    *nothing = rank == 0;
    return sqlite_read_end(s, status, err);
}

enum pawl_status sqlite_exchange(struct pawl_storage *self,
                                 const struct pawl_exchange *in,
                                 struct pawl_exchange_reply *out,
                                 struct pawl_error *err)
{
    struct sqlite_storage *s = (struct sqlite_storage *)self;
    struct step step = { .in = in };
    enum pawl_status status;
    bool nothing = false;

    out->job_count = 0;
    out->paused = false;
    out->next_at = 0;
    if (in->outcome_count == 0) {
        status = look(s, in, out, &nothing, err);
        if (status != PAWL_OK || nothing)
            return status;
    }
    status = call_begin(&step.call, s, SYNC_NORMAL, in->queue, CALL_FIND, err);
    if (status != PAWL_OK)
        return status;
    step.call.retention = &in->retention;
    status = outcomes(&step, out);
    out->paused = step.call.queue.paused && in->claim_max > 0;
    if (status == PAWL_OK && step.call.queue.n != 0 && !out->paused)
        status = claim_jobs(&step.call, in, out);
    if (status == PAWL_OK && step.call.queue.n != 0)
        status = queue_next_at(step.call.db, step.call.queue.n, &out->next_at,
                               err);
    status = call_end(&step.call, status);
    if (status != PAWL_OK)
        claim_undo(out);
    return status;
}
