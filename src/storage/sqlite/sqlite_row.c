/* sqlite_row.c - see sqlite_row.h.
 *
 * A job's place (its rowid) is made from its id, so that no index from id to row
 * is needed: such an index would cost every put another tree, about a quarter
 * of its speed. FORMAT.md has the numbers.
 */
#include "sqlite_row.h"

#include <string.h>

/* A UUIDv7 is 48 bits of ms, 4 of version, 12 that count within the ms, and
 * random ones. Of these 42, 12 and the last 9 make 63 bits, which rise with
 * time: new jobs are added at the end of the tree. */
int64_t row_place(struct pawl_id id)
{
    uint64_t ms = 0;
    uint64_t counter = (uint64_t)(id.b[6] & 0x0F) << 8 | id.b[7];
    uint64_t random = (uint64_t)(id.b[14] & 1) << 8 | id.b[15];
    uint64_t place;

    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id.b[i];
    place = (ms & ((UINT64_C(1) << 42) - 1)) << 21 | counter << 9 | random;
    if (place > INT64_MAX - ROW_SLOTS)
        place = INT64_MAX - ROW_SLOTS;
    return (int64_t)place;
}

/* --- binding -------------------------------------------------------------- */

void row_bind_bytes(sqlite3_stmt *stmt, int at, const void *bytes, size_t size)
{
    sqlite3_bind_blob64(stmt, at, size > 0 ? bytes : "", size, SQLITE_STATIC);
}

void row_bind_id(sqlite3_stmt *stmt, int at, const struct pawl_id *id)
{
    sqlite3_bind_blob(stmt, at, id->b, sizeof id->b, SQLITE_STATIC);
}

void row_bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    if (text && text[0])
        sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(stmt, at);
}

void row_bind_number(sqlite3_stmt *stmt, int at, int64_t value,
                     int64_t is_default)
{
    if (value == is_default)
        sqlite3_bind_null(stmt, at);
    else
        sqlite3_bind_int64(stmt, at, value);
}

/* --- the head ------------------------------------------------------------- */

/* A number that is never 0; NULL, which reads as 0, stands for `is_default`. */
static int64_t number_or(sqlite3_stmt *stmt, enum row_column c, int64_t is_default)
{
    int64_t number = sqlite3_column_int64(stmt, (int)c);

    return number != 0 ? number : is_default;
}

/* Not the bytes, but how many there are in the other table? */
static bool is_size(sqlite3_stmt *stmt, enum row_column c)
{
    return sqlite3_column_type(stmt, (int)c) == SQLITE_INTEGER;
}

static void read_text(sqlite3_stmt *stmt, enum row_column c, char *out, size_t max)
{
    const unsigned char *text = sqlite3_column_text(stmt, (int)c);
    size_t size = text ? (size_t)sqlite3_column_bytes(stmt, (int)c) : 0;

    if (size > max)
        size = max; /* only in a damaged file */
    if (size > 0)
        memcpy(out, text, size);
    out[size] = '\0';
}

static void read_id(sqlite3_stmt *stmt, struct pawl_id *id)
{
    const void *bytes = sqlite3_column_blob(stmt, C_ID);

    if (bytes && sqlite3_column_bytes(stmt, C_ID) == (int)sizeof id->b)
        memcpy(id->b, bytes, sizeof id->b);
    else
        memset(id->b, 0, sizeof id->b);
}

void row_head(sqlite3_stmt *stmt, struct sqlite_row *row)
{
    row->place = sqlite3_column_int64(stmt, C_PLACE);
    read_id(stmt, &row->id);
    row->queue = sqlite3_column_int64(stmt, C_QUEUE);
    row->state = (enum pawl_state)sqlite3_column_int(stmt, C_STATE);
    row->rank = sqlite3_column_int64(stmt, C_RANK);
    row->enqueued_at = sqlite3_column_int64(stmt, C_ENQUEUED_AT);
    row->session = sqlite3_column_int64(stmt, C_SESSION);
    row->put_seq = sqlite3_column_int64(stmt, C_PUT_SEQ);
    row->priority = (int)number_or(stmt, C_PRIORITY, ROW_PRIORITY);
    row->run_at = number_or(stmt, C_RUN_AT, row->enqueued_at);
    row->attempt = sqlite3_column_int(stmt, C_ATTEMPT);
    row->epoch = (uint32_t)sqlite3_column_int64(stmt, C_EPOCH);
    row->crashes = sqlite3_column_int(stmt, C_CRASHES);
    row->owner = sqlite3_column_int64(stmt, C_OWNER);
    row->cancel_requested = sqlite3_column_int(stmt, C_CANCEL_REQUESTED) != 0;
    row->started_at = sqlite3_column_int64(stmt, C_STARTED_AT);
    row->finished_at = sqlite3_column_int64(stmt, C_FINISHED_AT);
    row->errors = sqlite3_column_int(stmt, C_ERRORS);
    read_text(stmt, C_TYPE, row->type, PAWL_NAME_MAX);
    read_text(stmt, C_KEY, row->key, PAWL_KEY_MAX);
    options_unpack(sqlite3_column_blob(stmt, C_OPTIONS),
                   (size_t)sqlite3_column_bytes(stmt, C_OPTIONS),
                   &row->options);
    row->large_payload = is_size(stmt, C_PAYLOAD);
    row->large_result = is_size(stmt, C_RESULT);
}

/* Step a statement that finds one head or none, and read it. */
static enum pawl_status one_head(struct sqlite_db *db, sqlite3_stmt *stmt,
                                 struct sqlite_row *row, struct pawl_error *err)
{
    bool found;
    enum pawl_status status = sql_next(db, stmt, &found, err);

    if (status != PAWL_OK)
        return status;
    if (!found)
        return PAWL_NOT_FOUND;
    row_head(stmt, row);
    sqlite3_reset(stmt);
    return PAWL_OK;
}

enum pawl_status row_get(struct sqlite_db *db, int64_t place,
                         struct sqlite_row *row, struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_JOB_GET);

    sqlite3_bind_int64(stmt, 1, place);
    return one_head(db, stmt, row, err);
}

enum pawl_status row_find(struct sqlite_db *db, struct pawl_id id, int64_t hint,
                          struct sqlite_row *row, struct pawl_error *err)
{
    enum pawl_status status = PAWL_NOT_FOUND;
    sqlite3_stmt *stmt;

    if (hint > 0) {
        status = row_get(db, hint, row, err);
        if (status == PAWL_OK && memcmp(row->id.b, id.b, sizeof id.b) != 0)
            status = PAWL_NOT_FOUND;
    }
    if (status != PAWL_NOT_FOUND)
        return status;
    stmt = sql(db, SQL_JOB_FIND);
    sqlite3_bind_int64(stmt, 1, row_place(id));
    row_bind_id(stmt, 2, &id);
    return one_head(db, stmt, row, err);
}

enum pawl_status row_load(struct sqlite_db *db, int64_t place,
                          struct sqlite_row *row, struct pawl_error *err)
{
    enum pawl_status status = row_get(db, place, row, err);

    if (status == PAWL_NOT_FOUND)
        return pawl_error_set(err, PAWL_ECORRUPT,
                              "the file is damaged: index 'job_order' names "
                              "place %lld, where no job is",
                              (long long)place);
    return status;
}

enum pawl_status row_save(struct sqlite_db *db, const struct sqlite_row *row,
                          struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_JOB_SAVE);

    sqlite3_bind_int64(stmt, 1, row->place);
    sqlite3_bind_int64(stmt, 2, row->state);
    sqlite3_bind_int64(stmt, 3, row->rank);
    row_bind_number(stmt, 4, row->priority, ROW_PRIORITY);
    row_bind_number(stmt, 5, row->run_at, row->enqueued_at);
    row_bind_number(stmt, 6, row->attempt, 0);
    row_bind_number(stmt, 7, row->crashes, 0);
    row_bind_number(stmt, 8, row->cancel_requested, 0);
    row_bind_number(stmt, 9, row->finished_at, 0);
    row_bind_number(stmt, 10, row->errors, 0);
    return sql_run(db, stmt, err);
}
