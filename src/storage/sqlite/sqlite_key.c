/* sqlite_key.c - see sqlite_key.h. */
#include "sqlite_key.h"

#include <string.h>

#include "sqlite_row.h"

static enum pawl_status find_holder(struct sqlite_db *db,
                                    const struct sqlite_key *key, pawl_time now,
                                    bool *held, struct pawl_id *holder,
                                    struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_KEY_GET);
    enum pawl_status status;
    const void *id;
    pawl_time until;
    bool found;

    sqlite3_bind_int64(stmt, 1, key->queue);
    sqlite3_bind_text(stmt, 2, key->text, -1, SQLITE_STATIC);
    status = sql_next(db, stmt, &found, err);
    *held = false;
    if (status != PAWL_OK || !found)
        return status;
    until = sqlite3_column_int64(stmt, 1);
    id = sqlite3_column_blob(stmt, 0);
    if (id && sqlite3_column_bytes(stmt, 0) == (int)sizeof holder->b &&
        (until == 0 || until > now)) {
        *held = true;
        memcpy(holder->b, id, sizeof holder->b);
    }
    sqlite3_reset(stmt);
    return PAWL_OK;
}

enum pawl_status key_take(struct sqlite_db *db, const struct sqlite_key *key,
                          pawl_time now, bool *taken, struct pawl_id *holder,
                          struct pawl_error *err)
{
    enum pawl_status status;
    sqlite3_stmt *stmt;
    bool held;

    status = find_holder(db, key, now, &held, holder, err);
    if (held && key->again && memcmp(holder->b, key->id->b, sizeof holder->b) == 0)
        held = false;
    *taken = !held;
    if (status != PAWL_OK || held)
        return status;
    stmt = sql(db, SQL_KEY_TAKE);
    sqlite3_bind_int64(stmt, 1, key->queue);
    sqlite3_bind_text(stmt, 2, key->text, -1, SQLITE_STATIC);
    row_bind_id(stmt, 3, key->id);
    sqlite3_bind_int64(stmt, 4, key->until);
    sqlite3_bind_int(stmt, 5, (int)key->mode);
    return sql_run(db, stmt, err);
}

enum pawl_status key_release(struct sqlite_db *db, int64_t queue,
                             const char *text, const struct pawl_id *id,
                             struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_KEY_RELEASE);

    sqlite3_bind_int64(stmt, 1, queue);
    sqlite3_bind_text(stmt, 2, text, -1, SQLITE_STATIC);
    row_bind_id(stmt, 3, id);
    return sql_run(db, stmt, err);
}

enum pawl_status key_sweep(struct sqlite_db *db, int64_t queue, pawl_time now,
                           size_t limit, struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_KEY_EXPIRE);

    sqlite3_bind_int64(stmt, 1, queue);
    sqlite3_bind_int64(stmt, 2, now);
    sqlite3_bind_int64(stmt, 3, (int64_t)limit);
    return sql_run(db, stmt, err);
}
