/* sqlite_handover.c - jobs to another storage: held, then deleted or put back.
 *
 * A held job is in state 9, where no other step looks; the row in `held` says
 * whose it is and where it was. Its rank there stays reserved (queue_lane_tail),
 * so a release puts it back exactly, between the neighbours it had. The other
 * side is sqlite_bring_in.c.
 */
#include <stdlib.h>
#include <string.h>

#include "sqlite_items.h"
#include "sqlite_tally.h"

#define C_STATE_BEFORE (C_PAYLOAD + 1) /* the column after {job} in HELD_OF */

struct step {
    struct sqlite_call call;
    const struct pawl_take_out *in;
    struct pawl_take_out_reply *out;
    int64_t ordinal; /* of the last job held */
    size_t bytes;    /* handed over */
};

/* --- hold ----------------------------------------------------------------- */

static bool is_full(const struct step *step)
{
    return step->out->job_count >= step->in->limit ||
           step->bytes >= PAWL_HOLD_BYTES;
}

static enum pawl_status hand_over(struct step *step, sqlite3_stmt *stmt,
                                  struct sqlite_row *row,
                                  enum pawl_state before)
{
    struct pawl_job **job = &step->out->jobs[step->out->job_count];
    const struct sqlite_call *call = &step->call;
    enum pawl_status status;

    row_head(stmt, row);
    status = row_job(call->db, stmt, row, call->queue_name, job, call->err);
    if (status != PAWL_OK)
        return status;
    (*job)->state = before;
    step->bytes += (*job)->payload_size + (*job)->result_size;
    step->out->job_count++;
    return PAWL_OK;
}

/* What the mover holds already, in the order it was held. */
static enum pawl_status hold_again(struct step *step)
{
    struct sqlite_call *call = &step->call;
    sqlite3_stmt *stmt = sql(call->db, SQL_HELD_OF);
    enum pawl_status status = PAWL_OK;
    struct sqlite_row row;
    bool found;

    order_bind(stmt, call->queue.n, PAWL_HELD, 0, ORDER_RANK_MAX);
    sqlite3_bind_int64(stmt, 3, (int64_t)step->in->limit);
    sqlite3_bind_blob(stmt, 4, step->in->mover.b, sizeof step->in->mover.b,
                      SQLITE_STATIC);
    while (status == PAWL_OK && !is_full(step)) {
        status = sql_next(call->db, stmt, &found, call->err);
        if (status != PAWL_OK || !found)
            break;
        status = hand_over(
            step, stmt, &row,
            (enum pawl_state)sqlite3_column_int(stmt, C_STATE_BEFORE));
    }
    sqlite3_reset(stmt);
    return status;
}

static enum pawl_status note_held(struct step *step,
                                  const struct sqlite_row *row)
{
    sqlite3_stmt *stmt = sql(step->call.db, SQL_HELD_ADD);

    sqlite3_bind_int64(stmt, 1, row->place);
    sqlite3_bind_blob(stmt, 2, step->in->mover.b, sizeof step->in->mover.b,
                      SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 3, row->queue);
    sqlite3_bind_int64(stmt, 4, row->state);
    sqlite3_bind_int64(stmt, 5, row->rank);
    return sql_run(step->call.db, stmt, step->call.err);
}

static enum pawl_status hold_one(struct step *step, enum pawl_state state,
                                 int64_t place)
{
    const struct sqlite_call *call = &step->call;
    sqlite3_stmt *stmt = sql(call->db, SQL_JOB_GET);
    enum pawl_status status;
    struct sqlite_row row;
    bool found;

    sqlite3_bind_int64(stmt, 1, place);
    status = sql_next(call->db, stmt, &found, call->err);
    if (status == PAWL_OK && !found)
        status = pawl_error_set(call->err, PAWL_ECORRUPT,
                                "the file is damaged: index 'job_order' names "
                                "place %lld, where no job is",
                                (long long)place);
    if (status == PAWL_OK)
        status = hand_over(step, stmt, &row, state);
    sqlite3_reset(stmt);
    if (status == PAWL_OK)
        status = note_held(step, &row);
    if (status != PAWL_OK)
        return status;
    row.state = PAWL_HELD;
    row.rank = ++step->ordinal;
    return row_save(call->db, &row, call->err);
}

static enum pawl_status hold_state(struct step *step, enum pawl_state state)
{
    struct items items = { .at = NULL };
    enum pawl_status status;

    status = items_gather(&step->call, state, ORDER_RANK_MAX,
                          step->in->limit - step->out->job_count, &items);
    items_sort(&items);
    for (size_t i = 0; i < items.count && status == PAWL_OK && !is_full(step); i++)
        status = hold_one(step, state, items.at[i].place);
    free(items.at);
    return status;
}

static enum pawl_status find_ordinal(struct step *step)
{
    sqlite3_stmt *stmt = sql(step->call.db, SQL_ORDER_LAST);
    enum pawl_status status;
    bool found;

    order_bind(stmt, step->call.queue.n, PAWL_HELD, 0, ORDER_RANK_MAX);
    status = sql_next(step->call.db, stmt, &found, step->call.err);
    if (status != PAWL_OK || !found)
        return status;
    step->ordinal = order_rank(sqlite3_column_int64(stmt, 0));
    sqlite3_reset(stmt);
    return PAWL_OK;
}

static enum pawl_status hold(struct step *step)
{
    const unsigned never = PAWL_STATE_BIT(PAWL_PROCESSING) |
                           PAWL_STATE_BIT(PAWL_HELD);
    unsigned from = step->in->from_states & ~never;
    enum pawl_status status = PAWL_OK;

    if (!step->in->only_new)
        status = hold_again(step);
    if (status == PAWL_OK)
        status = find_ordinal(step);
    for (int state = PAWL_STATE_FIRST;
         state <= PAWL_STATE_LAST && status == PAWL_OK && !is_full(step);
         state++) {
        if (from & PAWL_STATE_BIT(state))
            status = hold_state(step, (enum pawl_state)state);
    }
    return status;
}

/* --- confirm, release, pass ----------------------------------------------- */

/* Read where a job was before, if this mover holds it; else NOT_FOUND. */
static enum pawl_status read_held(struct step *step,
                                  const struct sqlite_row *row,
                                  enum pawl_state *state, int64_t *rank)
{
    const struct pawl_session *mover = &step->in->mover;
    sqlite3_stmt *stmt = sql(step->call.db, SQL_HELD_GET);
    enum pawl_status status;
    bool found;

    sqlite3_bind_int64(stmt, 1, row->place);
    status = sql_next(step->call.db, stmt, &found, step->call.err);
    if (status != PAWL_OK)
        return status;
    if (!found)
        return PAWL_NOT_FOUND;
    if (sqlite3_column_bytes(stmt, 0) != (int)sizeof mover->b ||
        memcmp(sqlite3_column_blob(stmt, 0), mover->b, sizeof mover->b) != 0)
        status = PAWL_NOT_FOUND;
    *state = (enum pawl_state)sqlite3_column_int(stmt, 1);
    *rank = sqlite3_column_int64(stmt, 2);
    sqlite3_reset(stmt);
    return status;
}

static enum pawl_status pass(struct sqlite_call *call,
                             const struct pawl_session *heir, int64_t place)
{
    sqlite3_stmt *stmt = sql(call->db, SQL_HELD_PASS);

    sqlite3_bind_int64(stmt, 1, place);
    sqlite3_bind_blob(stmt, 2, heir->b, sizeof heir->b, SQLITE_STATIC);
    return sql_run(call->db, stmt, call->err);
}

/* To NOT_FOUND where there is nothing for this mover to settle. */
static enum pawl_status settle_one(struct step *step, struct pawl_id id)
{
    struct sqlite_call *call = &step->call;
    struct sqlite_row row;
    enum pawl_status status = row_find(call->db, id, 0, &row, call->err);
    enum pawl_state state = PAWL_HELD;
    sqlite3_stmt *stmt;
    int64_t rank = 0;

    if (status == PAWL_OK &&
        (row.queue != call->queue.n || row.state != PAWL_HELD))
        return PAWL_NOT_FOUND;
    if (status == PAWL_OK)
        status = read_held(step, &row, &state, &rank);
    if (status != PAWL_OK)
        return status;
    if (step->in->kind == PAWL_TAKE_PASS)
        return pass(call, &step->in->heir, row.place);
    stmt = sql(call->db, SQL_HELD_REMOVE);
    sqlite3_bind_int64(stmt, 1, row.place);
    status = sql_run(call->db, stmt, call->err);
    if (status != PAWL_OK)
        return status;
    if (step->in->kind == PAWL_TAKE_CONFIRM)
        return call_remove(call, &row);
    row.state = state;
    row.rank = rank;
    if (!state_is_finished(state))
        call->awaited++; /* also when it is for later, as with a put */
    return row_save(call->db, &row, call->err);
}

static enum pawl_status settle(struct step *step)
{
    struct pawl_tally settled = { 0 };
    enum pawl_status status = PAWL_OK;

    for (size_t i = 0; i < step->in->id_count && status == PAWL_OK; i++) {
        status = settle_one(step, step->in->ids[i]);
        step->out->results[i] = status;
        if (status == PAWL_OK && step->in->digests)
            tally_add(&settled, &step->in->digests[i]);
        if (status == PAWL_NOT_FOUND)
            status = PAWL_OK;
    }
    return status == PAWL_OK ? tally_save(&step->call, step->in->mover, &settled)
                             : status;
}

enum pawl_status sqlite_take_out(struct pawl_storage *self,
                                 const struct pawl_take_out *in,
                                 struct pawl_take_out_reply *out,
                                 struct pawl_error *err)
{
    /* What is held is sent next, and what is passed on may be removed there next: after
     * a power cut it must still be so. That it arrived may be lost: then it is held, and
     * is sent again under its number. */
    bool binds = in->kind == PAWL_TAKE_HOLD || in->kind == PAWL_TAKE_PASS;
    enum sqlite_sync sync = binds ? SYNC_FULL : SYNC_NORMAL;
    struct step step = { .in = in, .out = out };
    enum pawl_status status;

    out->job_count = 0;
    status = call_begin(&step.call, (struct sqlite_storage *)self, sync, in->queue,
                        CALL_FIND, err);
    if (status != PAWL_OK)
        return status;
    if (in->kind != PAWL_TAKE_HOLD)
        status = settle(&step);
    else if (step.call.queue.n != 0)
        status = hold(&step);
    status = call_end(&step.call, status);
    while (status != PAWL_OK && out->job_count > 0)
        pawl_job_free(out->jobs[--out->job_count]);
    return status;
}
