/* sqlite_alter.c - an operator's moves, on named jobs, on all that match, or on
 * the queue.
 *
 * What a storage can do to a job in which state is the table below; which of it
 * is allowed this time is the caller's in->from_states. No move leads into a
 * state that it is allowed from, or it is passed over when there is nothing left
 * to do: so repeating a call with a filter comes to an end.
 */
#include <stdlib.h>

#include "sqlite_call.h"
#include "sqlite_filter.h"
#include "sqlite_key.h"
#include "util/clock.h"

#define WAKE_ALL 1000000 /* of a queue that is claimed from again */
#define ALTERED_AT_ONCE 500 /* in one transaction, by a filter */

struct step {
    struct sqlite_call call;
    struct sqlite_storage *storage;
    struct pawl_error *err;
    int64_t begun_ns;
    const struct pawl_alter *in;
    struct pawl_alter_reply *out;
};

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
        !state_is_finished(row->state) ||
        (key.until != 0 && key.until <= call->now))
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

/* *result: OK (also when there was nothing to do), WRONG_STATE or KEY_TAKEN. */
static enum pawl_status alter_job(struct step *step, struct sqlite_row *row,
                                  enum pawl_status *result)
{
    enum pawl_status status;

    *result = filter_allows(step->in, row->state) ? PAWL_OK : PAWL_WRONG_STATE;
    if (*result != PAWL_OK || filter_is_done(step->in, row))
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

/* --- named jobs ----------------------------------------------------------- */

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

/* --- all that match -------------------------------------------------------- */

/* What was found is looked at again: others may have changed it since. */
static enum pawl_status alter_places(struct step *step, const int64_t *places,
                                     size_t count)
{
    struct sqlite_call *call = &step->call;
    enum pawl_status status = PAWL_OK, result;
    struct sqlite_row row;

    for (size_t i = 0; i < count && status == PAWL_OK; i++) {
        status = row_get(call->db, places[i], &row, call->err);
        if (status == PAWL_NOT_FOUND)
            status = PAWL_OK;
        else if (status == PAWL_OK && row.queue == call->queue.n &&
                 filter_matches(step->in, &row, call->now))
            status = alter_job(step, &row, &result);
    }
    return status;
}

/* One transaction. Of a queue that is not there it is what makes it. */
static enum pawl_status alter_some(struct step *step, const int64_t *places,
                                   size_t count)
{
    size_t before = step->out->changed;
    enum pawl_status status;

    status = call_begin(&step->call, step->storage, SYNC_FULL, step->in->queue,
                        CALL_MAKE, step->err);
    if (status != PAWL_OK)
        return status;
    status = alter_places(step, places, count);
    status = call_end(&step->call, status);
    if (status != PAWL_OK)
        step->out->changed = before;
    return status;
}

/* May another transaction follow? Each may have to wait at the gate. */
static bool goes_on(const struct step *step)
{
    return step->out->changed < step->in->limit &&
           (step->out->changed == 0 ||
            clock_mono_ns() - step->begun_ns < step->storage->deadline * 1000000);
}

/* The jobs of one look: if any is left over, there are more. */
static enum pawl_status alter_found(struct step *step,
                                    const struct filter_look *look)
{
    enum pawl_status status = PAWL_OK;
    size_t at = 0;

    while (at < look->count && status == PAWL_OK && goes_on(step)) {
        size_t count = step->in->limit - step->out->changed;
        if (count > ALTERED_AT_ONCE)
            count = ALTERED_AT_ONCE;
        if (count > look->count - at)
            count = look->count - at;
        status = alter_some(step, look->places + at, count);
        at += count;
    }
    step->out->more = at < look->count;
    return status;
}

/* What is done when a later transaction fails stays done: the caller hears of it
 * when it asks for more. */
static enum pawl_status alter_matching(struct step *step,
                                       struct pawl_error *err)
{
    struct filter_look look = { .in = step->in };
    struct pawl_error why = { 0 };
    enum pawl_status status;

    step->err = &why;
    step->begun_ns = clock_mono_ns();
    do {
        status = filter_look(step->storage, &look,
                             step->in->limit - step->out->changed, &why);
        if (status == PAWL_OK && look.queue == 0)
            status = alter_some(step, NULL, 0);
        else if (status == PAWL_OK)
            status = alter_found(step, &look);
    } while (status == PAWL_OK && !look.end && !step->out->more);
    free(look.places);
    if (status < PAWL_OK && status != PAWL_EUNKNOWN && step->out->changed > 0) {
        step->out->more = true;
        return PAWL_OK;
    }
    if (status < PAWL_OK && err)
        *err = why;
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
    struct step step = { .storage = (struct sqlite_storage *)self,
                         .in = in,
                         .out = out };
    enum pawl_status status;

    out->changed = 0;
    out->more = false;
    if (!in->ids && !is_queue_move(in->kind))
        return alter_matching(&step, err);
    status = call_begin(&step.call, step.storage, SYNC_FULL, in->queue,
                        CALL_MAKE, err);
    if (status != PAWL_OK)
        return status;
    if (is_queue_move(in->kind))
        status = alter_queue(&step);
    else
        status = alter_named(&step);
    return call_end(&step.call, status);
}
