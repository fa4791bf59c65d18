/* sqlite_sweep.c - housekeeping of one queue, bounded by in->limit for each kind
 * of work: what is due becomes pending, what its worker lost is taken back, what
 * is over age or count goes.
 *
 * Places are gathered first and their rows read one by one when their turn
 * comes, so that no statement stands on a row that changes.
 */
#include <stdlib.h>
#include <string.h>

#include "sqlite_items.h"
#include "sqlite_key.h"
#include "sqlite_owner.h"
#include "sqlite_shrink.h"

struct step {
    struct sqlite_call call;
    const struct pawl_sweep *in;
    struct pawl_sweep_reply *out;
};

/* --- what is due ---------------------------------------------------------- */

static enum pawl_status promote_one(struct step *step, int64_t place)
{
    struct sqlite_call *call = &step->call;
    struct sqlite_row row;
    enum pawl_status status = row_load(call->db, place, &row, call->err);

    if (status != PAWL_OK)
        return status;
    if (row_expired(&row, call->now)) {
        step->out->expired++;
        return move_to_expired(call, &row);
    }
    step->out->promoted++;
    return move_to_tail(call, &row);
}

static enum pawl_status promote(struct step *step)
{
    struct items items = { .at = NULL };
    enum pawl_status status;

    status = items_gather(&step->call, PAWL_SCHEDULED,
                          order_time(step->call.now), step->in->limit + 1,
                          &items);
    if (status == PAWL_OK)
        status = items_gather(&step->call, PAWL_FAILED,
                              order_time(step->call.now), step->in->limit + 1,
                              &items);
    items_sort(&items);
    for (size_t i = 0; i < items.count && status == PAWL_OK; i++) {
        if (i == step->in->limit) {
            step->out->more = true;
            break;
        }
        status = promote_one(step, items.at[i].place);
    }
    free(items.at);
    return status;
}

/* --- what was lost -------------------------------------------------------- */

static enum pawl_status recover_one(struct step *step, int64_t place)
{
    struct sqlite_call *call = &step->call;
    struct sqlite_row row;
    enum pawl_status status = row_load(call->db, place, &row, call->err);
    bool last;

    if (status != PAWL_OK)
        return status;
    last = row.crashes + 1 >= step->in->max_crashes;
    if (last && !row.cancel_requested)
        status = call_error(call, &row, "worker_lost");
    if (status != PAWL_OK)
        return status;
    row.crashes++;
    if (row.attempt > 0)
        row.attempt--;
    if (row.cancel_requested)
        return move_to_finished(call, &row, PAWL_CANCELLED);
    if (last) {
        step->out->killed++;
        return move_to_finished(call, &row, PAWL_DEAD);
    }
    step->out->recovered++;
    return move_to_tail(call, &row);
}

static bool is_among(const int64_t *numbers, size_t count, int64_t number)
{
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] == number)
            return true;
    }
    return false;
}

/* The claimed jobs of dead owners, as if their leases had ended long ago. */
static enum pawl_status gather_orphans(struct step *step, const int64_t *dead,
                                       size_t dead_count, struct items *items)
{
    sqlite3_stmt *stmt = sql(step->call.db, SQL_LEASES);
    enum pawl_status status;
    struct item item = { .rank = INT64_MIN };
    bool found;

    order_bind(stmt, step->call.queue.n, PAWL_PROCESSING, 0, ORDER_RANK_MAX);
    while ((status = sql_next(step->call.db, stmt, &found, step->call.err)) ==
               PAWL_OK &&
           found) {
        if (!is_among(dead, dead_count, sqlite3_column_int64(stmt, 2)))
            continue;
        item.place = sqlite3_column_int64(stmt, 0);
        if (sqlite3_column_bytes(stmt, 1) == (int)sizeof item.id.b)
            memcpy(item.id.b, sqlite3_column_blob(stmt, 1), sizeof item.id.b);
        status = items_add(&step->call, items, item);
        if (status != PAWL_OK)
            break;
    }
    sqlite3_reset(stmt);
    return status;
}

static enum pawl_status recover_items(struct step *step,
                                      const struct items *items, size_t *done)
{
    enum pawl_status status = PAWL_OK;

    for (size_t i = 0; i < items->count && status == PAWL_OK; i++) {
        if (*done == step->in->limit) {
            step->out->more = true;
            break;
        }
        status = recover_one(step, items->at[i].place);
        (*done)++;
    }
    return status;
}

/* Of owners that died: known at once, whatever their leases say. */
static enum pawl_status recover_orphans(struct step *step, size_t *done)
{
    struct items items = { .at = NULL };
    int64_t *dead = NULL;
    enum pawl_status status;
    size_t count = 0;

    status = owner_dead(&step->call, &dead, &count);
    if (status == PAWL_OK && count > 0)
        status = gather_orphans(step, dead, count, &items);
    items_sort(&items);
    if (status == PAWL_OK)
        status = recover_items(step, &items, done);
    /* Those of whom something is left are looked at again next time. */
    for (size_t i = 0; i < count && status == PAWL_OK && items.count <= *done;
         i++)
        status = owner_gone(&step->call, dead[i]);
    free(items.at);
    free(dead);
    return status;
}

static enum pawl_status recover(struct step *step)
{
    const struct pawl_clock *clock = &step->call.storage->clock;
    struct items items = { .at = NULL };
    enum pawl_status status;
    size_t done = 0;

    status = recover_orphans(step, &done);
    if (status == PAWL_OK)
        status = items_gather(&step->call, PAWL_PROCESSING,
                              order_time(clock->steady(clock->context)),
                              step->in->limit + 1, &items);
    items_sort(&items);
    if (status == PAWL_OK)
        status = recover_items(step, &items, &done);
    free(items.at);
    return status;
}

/* --- what is over --------------------------------------------------------- */

static enum pawl_status clean(struct step *step)
{
    static const enum pawl_state states[] = { PAWL_COMPLETED, PAWL_DEAD,
                                              PAWL_CANCELLED };
    enum pawl_status status = PAWL_OK;

    for (int i = 0; i < 3 && status == PAWL_OK; i++) {
        size_t removed;
        bool more;
        status = call_trim(&step->call, states[i], true,
                           step->in->limit - step->out->removed, &removed,
                           &more);
        step->out->removed += removed;
        step->out->more |= more;
    }
    return status;
}

static enum pawl_status sweep(struct step *step)
{
    struct sqlite_call *call = &step->call;
    enum pawl_status status;

    status = promote(step);
    if (status == PAWL_OK)
        status = recover(step);
    if (status == PAWL_OK)
        status = clean(step);
    if (status == PAWL_OK)
        status = key_sweep(call->db, call->queue.n, call->now, step->in->limit,
                           call->err);
    if (status == PAWL_OK)
        status = owner_sweep(call);
    if (status == PAWL_OK)
        status = session_sweep(call->db, &call->storage->cache, call->now,
                               call->err);
    if (status == PAWL_OK)
        status = shrink_file(call);
    if (status == PAWL_OK)
        status = queue_next_at(call->db, call->queue.n, &step->out->next_at,
                               call->err);
    return status;
}

enum pawl_status sqlite_sweep(struct pawl_storage *self,
                              const struct pawl_sweep *in,
                              struct pawl_sweep_reply *out,
                              struct pawl_error *err)
{
    struct step step = { .in = in, .out = out };
    enum pawl_status status;

    memset(out, 0, sizeof *out);
    status = call_begin(&step.call, (struct sqlite_storage *)self, SYNC_NORMAL,
                        in->queue, CALL_FIND, err);
    if (status != PAWL_OK)
        return status;
    step.call.retention = &in->retention;
    if (step.call.queue.n != 0)
        status = sweep(&step);
    return call_end(&step.call, status);
}
