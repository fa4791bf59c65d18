/* sqlite_tally.c - see sqlite_tally.h. */
#include "sqlite_tally.h"

#define SUM_SIZE 32

static void pack(const struct pawl_digest *sum, uint8_t bytes[SUM_SIZE])
{
    for (int i = 0; i < SUM_SIZE; i++)
        bytes[i] = (uint8_t)(sum->lanes[i / 4] >> (24 - 8 * (i % 4)));
}

static void unpack(const uint8_t *bytes, struct pawl_digest *sum)
{
    *sum = (struct pawl_digest){ { 0 } };
    for (int i = 0; i < SUM_SIZE; i++)
        sum->lanes[i / 4] |= (uint32_t)bytes[i] << (24 - 8 * (i % 4));
}

static void bind(sqlite3_stmt *stmt, const struct sqlite_call *call,
                 const struct pawl_session *mover)
{
    sqlite3_bind_int64(stmt, 1, call->queue.n);
    sqlite3_bind_blob(stmt, 2, mover->b, sizeof mover->b, SQLITE_STATIC);
}

/* To zeroes when there is none. */
static enum pawl_status read_tally(const struct sqlite_call *call,
                                   const struct pawl_session *mover,
                                   struct pawl_tally *out)
{
    sqlite3_stmt *stmt = sql(call->db, SQL_TALLY_GET);
    enum pawl_status status;
    bool found;

    *out = (struct pawl_tally){ 0 };
    bind(stmt, call, mover);
    status = sql_next(call->db, stmt, &found, call->err);
    if (status != PAWL_OK || !found)
        return status;
    if (sqlite3_column_bytes(stmt, 1) != SUM_SIZE)
        status = pawl_error_set(call->err, PAWL_ECORRUPT,
                                "the file is damaged: a tally of '%s' has no sum",
                                call->queue_name);
    else
        unpack(sqlite3_column_blob(stmt, 1), &out->sum);
    out->count = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return status;
}

enum pawl_status tally_save(struct sqlite_call *call, struct pawl_session mover,
                            const struct pawl_tally *more)
{
    enum pawl_status status;
    struct pawl_tally tally;
    uint8_t sum[SUM_SIZE];
    sqlite3_stmt *stmt;

    if (more->count == 0)
        return PAWL_OK;
    status = read_tally(call, &mover, &tally);
    if (status != PAWL_OK)
        return status;
    tally.count += more->count;
    pawl_digest_add(&tally.sum, &more->sum);
    pack(&tally.sum, sum);
    stmt = sql(call->db, SQL_TALLY_SET);
    bind(stmt, call, &mover);
    sqlite3_bind_int64(stmt, 3, (int64_t)tally.count);
    sqlite3_bind_blob(stmt, 4, sum, sizeof sum, SQLITE_STATIC);
    return sql_run(call->db, stmt, call->err);
}

static enum pawl_status forget_tally(const struct sqlite_call *call,
                                     const struct pawl_session *mover)
{
    sqlite3_stmt *stmt = sql(call->db, SQL_TALLY_REMOVE);

    bind(stmt, call, mover);
    return sql_run(call->db, stmt, call->err);
}

/* As a write step also to read: it is a rare call, and of one path less. */
enum pawl_status sqlite_tally(struct pawl_storage *self, const char *queue,
                              struct pawl_session mover, bool forget,
                              struct pawl_tally *out, struct pawl_error *err)
{
    struct sqlite_call call;
    enum pawl_status status;

    status = call_begin(&call, (struct sqlite_storage *)self, SYNC_FULL, queue,
                        CALL_FIND, err);
    if (status != PAWL_OK)
        return status;
    if (call.queue.n != 0)
        status = read_tally(&call, &mover, out);
    if (status == PAWL_OK && forget && call.queue.n != 0)
        status = forget_tally(&call, &mover);
    return call_end(&call, status);
}
