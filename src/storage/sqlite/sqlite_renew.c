/* sqlite_renew.c - extending leases. */
#include "sqlite_owner.h"

static enum pawl_status renew_one(struct sqlite_call *call, int64_t owner,
                                  const struct pawl_lease_ref *lease,
                                  pawl_time until, enum pawl_status *result)
{
    struct sqlite_row row;
    enum pawl_status status;
    sqlite3_stmt *stmt;

    *result = PAWL_STALE;
    status = row_find(call->db, lease->id, (int64_t)lease->origin, &row,
                      call->err);
    if (status == PAWL_NOT_FOUND)
        return PAWL_OK;
    if (status != PAWL_OK || row.queue != call->queue.n ||
        row.state != PAWL_PROCESSING || row.epoch != lease->epoch ||
        row.owner != owner)
        return status;
    stmt = sql(call->db, SQL_RENEW);
    sqlite3_bind_int64(stmt, 1, row.place);
    sqlite3_bind_int64(stmt, 2, order_time(until));
    *result = row.cancel_requested ? PAWL_CANCEL_ASKED : PAWL_OK;
    return sql_run(call->db, stmt, call->err);
}

enum pawl_status sqlite_renew(struct pawl_storage *self,
                              const struct pawl_renew *in,
                              enum pawl_status *results, struct pawl_error *err)
{
    struct sqlite_storage *s = (struct sqlite_storage *)self;
    struct sqlite_call call;
    enum pawl_status status;
    int64_t owner = 0;
    pawl_time until;

    status = call_begin(&call, s, SYNC_NORMAL, in->queue, CALL_FIND, err);
    if (status != PAWL_OK)
        return status;
    until = s->clock.steady(s->clock.context) + in->lease;
    if (call.queue.n != 0)
        status = owner_find(&call, &in->owner, &owner);
    for (size_t i = 0; i < in->lease_count && status == PAWL_OK; i++) {
        if (owner == 0)
            results[i] = PAWL_STALE;
        else
            status = renew_one(&call, owner, &in->leases[i], until,
                               &results[i]);
    }
    return call_end(&call, status);
}
