/* sqlite_move.c - jobs from state to state; see sqlite_call.h. */
#include "sqlite_call.h"
#include "sqlite_key.h"

enum pawl_status move_to_rank(struct sqlite_call *call, struct sqlite_row *row,
                              int64_t rank)
{
    row->state = PAWL_PENDING;
    row->rank = rank;
    call->awaited++;
    return row_save(call->db, row, call->err);
}

enum pawl_status move_to_tail(struct sqlite_call *call, struct sqlite_row *row)
{
    enum pawl_status status;
    int64_t rank;

    status = call_tail(call, row->priority, &rank);
    return status == PAWL_OK ? move_to_rank(call, row, rank) : status;
}

enum pawl_status move_to_time(struct sqlite_call *call, struct sqlite_row *row,
                              enum pawl_state state, pawl_time run_at)
{
    row->state = state;
    row->rank = order_time(run_at);
    row->run_at = run_at;
    return row_save(call->db, row, call->err);
}

enum pawl_status move_to_finished(struct sqlite_call *call,
                                  struct sqlite_row *row, enum pawl_state state)
{
    struct pawl_keep keep = queue_keep(&call->queue, call->retention, state);
    enum pawl_status status = PAWL_OK;

    row->state = state;
    row->rank = ++call->queue.entered[state];
    row->finished_at = call->now;
    call->totals_changed = true;
    if (keep.age == 0 || keep.count == 0)
        return call_remove(call, row);
    if (row->key[0])
        status = key_release(call->db, call->queue.n, row->key, &row->id,
                             call->err);
    return status == PAWL_OK ? row_save(call->db, row, call->err) : status;
}

bool row_expired(const struct sqlite_row *row, pawl_time now)
{
    return row->options.expires_at != 0 && row->options.expires_at <= now;
}

enum pawl_status move_to_expired(struct sqlite_call *call,
                                 struct sqlite_row *row)
{
    enum pawl_status status = call_error(call, row, "expired");

    return status == PAWL_OK ? move_to_finished(call, row, PAWL_CANCELLED)
                             : status;
}

enum pawl_status call_error(struct sqlite_call *call, struct sqlite_row *row,
                            const char *message)
{
    sqlite3_stmt *stmt = sql(call->db, SQL_ERROR_ADD);
    enum pawl_status status;

    sqlite3_bind_int64(stmt, 1, row->place);
    sqlite3_bind_int64(stmt, 2, ++row->errors);
    sqlite3_bind_int64(stmt, 3, call->now);
    sqlite3_bind_int64(stmt, 4, row->attempt);
    sqlite3_bind_text(stmt, 5, message, -1, SQLITE_STATIC);
    status = sql_run(call->db, stmt, call->err);
    if (status != PAWL_OK || row->errors <= PAWL_ERRORS_KEPT)
        return status;
    stmt = sql(call->db, SQL_ERROR_TRIM);
    sqlite3_bind_int64(stmt, 1, row->place);
    sqlite3_bind_int64(stmt, 2, row->errors - PAWL_ERRORS_KEPT);
    return sql_run(call->db, stmt, call->err);
}

/* In the row when it is short; else its size is, and the bytes are elsewhere. */
enum pawl_status call_result(struct sqlite_call *call, struct sqlite_row *row,
                             const void *result, size_t size)
{
    enum pawl_status status = PAWL_OK;
    sqlite3_stmt *stmt;

    if (row->large_result) {
        stmt = sql(call->db, SQL_RESULT_REMOVE);
        sqlite3_bind_int64(stmt, 1, row->place);
        status = sql_run(call->db, stmt, call->err);
    }
    row->large_result = size > ROW_INLINE_MAX;
    if (status == PAWL_OK && row->large_result) {
        stmt = sql(call->db, SQL_RESULT_ADD);
        sqlite3_bind_int64(stmt, 1, row->place);
        row_bind_bytes(stmt, 2, result, size);
        status = sql_run(call->db, stmt, call->err);
    }
    if (status != PAWL_OK)
        return status;
    stmt = sql(call->db, SQL_JOB_RESULT);
    sqlite3_bind_int64(stmt, 1, row->place);
    if (row->large_result)
        sqlite3_bind_int64(stmt, 2, (int64_t)size);
    else if (size > 0)
        row_bind_bytes(stmt, 2, result, size);
    return sql_run(call->db, stmt, call->err);
}
