/* sqlite_alter.c - an operator's moves, on named jobs, on all that match, or on
 * the queue.
 *
 * What a storage can do to a job in which state is the table below; which of it
 * is allowed this time is the caller's in->from_states. No move leads into a
 * state that it is allowed from, or it is passed over when there is nothing left
 * to do: so repeating a call with a filter comes to an end.
 */
#include <string.h>

#include "sqlite_call.h"
#include "sqlite_key.h"

#define BIT(state) PAWL_STATE_BIT(state)
#define WAKE_ALL 1000000 /* of a queue that is claimed from again */
#define PAGE 256

struct step {
    struct sqlite_call call;
    const struct pawl_alter *in;
    struct pawl_alter_reply *out;
};

static bool is_finished(enum pawl_state state)
{
    return state == PAWL_COMPLETED || state == PAWL_DEAD ||
           state == PAWL_CANCELLED;
}

/* --- one job -------------------------------------------------------------- */

/* A finished job let go of its reject key; it needs it again, unless the key's
 * time is over. KEY_TAKEN: another job holds it. */
static enum pawl_status retake_key(struct step *step,
                                   const struct sqlite_row *row)
{
    struct sqlite_call *call = &step->call;
    pawl_duration ttl = row->options.key_ttl;
    struct sqlite_key key = {
        .queue = call->queue.n,
        .text = row->key,
        .id = &row->id,
        .mode = PAWL_KEY_REJECT,
        .until = ttl > 0 ? row->enqueued_at + ttl : 0,
    };
    struct pawl_id holder;
    enum pawl_status status;
    bool taken;

    if (!row->key[0] || row->options.key_mode != PAWL_KEY_REJECT ||
        !is_finished(row->state) || (key.until != 0 && key.until <= call->now))
        return PAWL_OK;
    status = key_take(call->db, &key, call->now, &taken, &holder, call->err);
    return status == PAWL_OK && !taken ? PAWL_KEY_TAKEN : status;
}

static enum pawl_status run(struct step *step, struct sqlite_row *row)
{
    enum pawl_status status = retake_key(step, row);

    if (status == PAWL_OK && row->state == PAWL_COMPLETED)
        status = call_result(&step->call, row, NULL, 0);
    if (status != PAWL_OK)
        return status;
    row->run_at = step->call.now;
    row->finished_at = 0;
    row->cancel_requested = false;
    if (step->in->fresh_start) {
        row->attempt = 0;
        row->crashes = 0;
    }
    return move_to_tail(&step->call, row);
}

static enum pawl_status cancel(struct step *step, struct sqlite_row *row)
{
    if (row->state != PAWL_PROCESSING)
        return move_to_finished(&step->call, row, PAWL_CANCELLED);
    row->cancel_requested = true;
    return row_save(step->call.db, row, step->call.err);
}

static enum pawl_status reprioritise(struct step *step, struct sqlite_row *row)
{
    row->priority = step->in->priority;
    if (row->state == PAWL_PENDING)
        return move_to_tail(&step->call, row);
    return row_save(step->call.db, row, step->call.err);
}

static bool allowed(const struct step *step, enum pawl_state state)
{
    return (step->in->from_states &
            BIT(state)) != 0;
}

/* Is the job already as this call would have it? */
static bool nothing_to_do(const struct step *step, const struct sqlite_row *row)
{
    if (step->in->kind == PAWL_ALTER_CANCEL)
        return row->cancel_requested && row->state == PAWL_PROCESSING;
    if (step->in->kind == PAWL_ALTER_REPRIORITISE)
        return row->priority == step->in->priority;
    return false;
}

/* *result: OK (also when there was nothing to do), WRONG_STATE or KEY_TAKEN. */
static enum pawl_status alter_job(struct step *step, struct sqlite_row *row,
                                  enum pawl_status *result)
{
    enum pawl_status status;

    *result = allowed(step, row->state) ? PAWL_OK : PAWL_WRONG_STATE;
    if (*result != PAWL_OK || nothing_to_do(step, row))
        return PAWL_OK;
    if (step->in->kind == PAWL_ALTER_RUN)
        status = run(step, row);
    else if (step->in->kind == PAWL_ALTER_CANCEL)
        status = cancel(step, row);
    else if (step->in->kind == PAWL_ALTER_REMOVE)
        status = call_remove(&step->call, row);
    else
        status = reprioritise(step, row);
    if (status < PAWL_OK)
        return status;
    *result = status;
    if (status == PAWL_OK)
        step->out->changed++;
    return PAWL_OK;
}

/* --- many jobs ------------------------------------------------------------ */

static enum pawl_status alter_named(struct step *step)
{
    const struct pawl_alter *in = step->in;
    struct sqlite_call *call = &step->call;
    enum pawl_status status = PAWL_OK;
    struct sqlite_row row;

    for (size_t i = 0; i < in->id_count && status == PAWL_OK; i++) {
        status = row_find(call->db, in->ids[i], 0, &row, call->err);
        if (status == PAWL_NOT_FOUND ||
            (status == PAWL_OK && row.queue != call->queue.n)) {
            step->out->results[i] = PAWL_NOT_FOUND;
            status = PAWL_OK;
        } else if (status == PAWL_OK) {
            status = alter_job(step, &row, &step->out->results[i]);
        }
    }
    return status;
}

static bool matches(const struct step *step, const struct sqlite_row *row)
{
    pawl_time since = is_finished(row->state) ? row->finished_at
                                              : row->enqueued_at;

    if (step->in->type && strcmp(step->in->type, row->type) != 0)
        return false;
    return step->in->older_than == 0 ||
           step->call.now - since >= step->in->older_than;
}

/* Where a walk through a state is, and the next jobs of it. */
struct walk {
    enum pawl_state state;
    int64_t rank, place; /* of the last one passed */
    int64_t places[PAGE];
    size_t count;
    bool end;
};

/* The next jobs that this call is for. They are only gathered here: changing a
 * row moves it in the very index that is read. */
static enum pawl_status walk_on(struct step *step, struct walk *walk)
{
    struct sqlite_call *call = &step->call;
    sqlite3_stmt *stmt = sql(call->db, SQL_LIST_UP);
    struct sqlite_row row;
    enum pawl_status status;
    bool found;

    order_bind(stmt, call->queue.n, walk->state, walk->rank, ORDER_RANK_MAX);
    sqlite3_bind_int64(stmt, 3, walk->place);
    walk->count = 0;
    while ((status = sql_next(call->db, stmt, &found, call->err)) == PAWL_OK &&
           found && walk->count < PAGE) {
        row_head(stmt, &row);
        walk->rank = row.rank;
        walk->place = row.place;
        if (matches(step, &row) && !nothing_to_do(step, &row))
            walk->places[walk->count++] = row.place;
    }
    walk->end = !found;
    sqlite3_reset(stmt);
    return status;
}

/* Each from its first job on, the finished ones oldest first. */
static enum pawl_status alter_state(struct step *step, enum pawl_state state)
{
    struct walk walk = { .state = state, .place = INT64_MIN };
    enum pawl_status status = PAWL_OK, result;
    struct sqlite_row row;

    while (!walk.end) {
        status = walk_on(step, &walk);
        for (size_t i = 0; i < walk.count && status == PAWL_OK; i++) {
            if (step->out->changed == step->in->limit) {
                step->out->more = true;
                return PAWL_OK;
            }
            status = row_load(step->call.db, walk.places[i], &row,
                              step->call.err);
            if (status == PAWL_OK)
                status = alter_job(step, &row, &result);
        }
        if (status != PAWL_OK)
            break;
    }
    return status;
}

static enum pawl_status alter_matching(struct step *step)
{
    enum pawl_status status = PAWL_OK;

    for (int state = PAWL_STATE_FIRST;
         state <= PAWL_STATE_LAST && status == PAWL_OK && !step->out->more;
         state++) {
        if (allowed(step, (enum pawl_state)state))
            status = alter_state(step, (enum pawl_state)state);
    }
    return status;
}

/* --- the queue ------------------------------------------------------------ */

static bool is_queue_move(enum pawl_alter_kind kind)
{
    return kind == PAWL_ALTER_PAUSE || kind == PAWL_ALTER_RESUME ||
           kind == PAWL_ALTER_RETENTION;
}

static enum pawl_status alter_queue(struct step *step)
{
    struct sqlite_call *call = &step->call;

    if (step->in->kind == PAWL_ALTER_RETENTION) {
        call->queue.retention = step->in->retention;
        return queue_save_retention(call->db, &call->queue, call->err);
    }
    call->queue.paused = step->in->kind == PAWL_ALTER_PAUSE;
    if (!call->queue.paused)
        call->awaited = WAKE_ALL;
    return queue_save_paused(call->db, &call->queue, call->err);
}

enum pawl_status sqlite_alter(struct pawl_storage *self,
                              const struct pawl_alter *in,
                              struct pawl_alter_reply *out,
                              struct pawl_error *err)
{
    struct step step = { .in = in, .out = out };
    enum pawl_status status;

    out->changed = 0;
    out->more = false;
    status = call_begin(&step.call, (struct sqlite_storage *)self, SYNC_FULL,
                        in->queue, CALL_MAKE, err);
    if (status != PAWL_OK)
        return status;
    if (is_queue_move(in->kind))
        status = alter_queue(&step);
    else if (in->ids)
        status = alter_named(&step);
    else
        status = alter_matching(&step);
    return call_end(&step.call, status);
}
