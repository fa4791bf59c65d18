/* sqlite_job.c - a whole job, as row_job() of sqlite_row.h makes it: the head, the
 * bytes wherever they are, the owner, the errors.
 */
#include <string.h>

#include "sqlite_row.h"
#include "util/buf.h"

/* What a job points into until it is copied. */
struct parts {
    struct pawl_job_error errors[PAWL_ERRORS_KEPT];
    size_t error_count;
    struct buf text;            /* of the errors */
    sqlite3_stmt *elsewhere[2]; /* stay on their row as long as it is read */
};

static enum pawl_status read_errors(struct sqlite_db *db, int64_t place,
                                    struct parts *parts, struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_ERROR_LIST);
    size_t starts[PAWL_ERRORS_KEPT], n = 0;
    enum pawl_status status;
    bool found;

    sqlite3_bind_int64(stmt, 1, place);
    while ((status = sql_next(db, stmt, &found, err)) == PAWL_OK && found &&
           n < PAWL_ERRORS_KEPT) {
        const unsigned char *text = sqlite3_column_text(stmt, 2);
        parts->errors[n].at = sqlite3_column_int64(stmt, 0);
        parts->errors[n].attempt = sqlite3_column_int(stmt, 1);
        starts[n++] = parts->text.len;
        buf_add(&parts->text, text ? (const char *)text : "",
                (size_t)sqlite3_column_bytes(stmt, 2));
        buf_add(&parts->text, "", 1);
    }
    sqlite3_reset(stmt);
    if (status == PAWL_OK && parts->text.failed)
        return pawl_error_set(err, PAWL_ENOMEM,
                              "out of memory for a job's errors");
    for (size_t i = 0; i < n; i++)
        parts->errors[i].message = parts->text.data + starts[i];
    parts->error_count = n;
    return status;
}

/* Never an empty payload for one that is gone: a handler would take it for the
 * job's. */
static enum pawl_status bytes_are_lost(const struct sqlite_row *row,
                                       enum row_column c, struct pawl_error *err)
{
    char id[PAWL_ID_TEXT];

    pawl_id_format(row->id, id);
    return pawl_error_set(err, PAWL_ECORRUPT,
                          "the file is damaged: job %s has lost its %s", id,
                          c == C_PAYLOAD ? "payload" : "result");
}

/* Bytes that are in the row, or, as many as it says, in another table under the
 * same place. */
static enum pawl_status read_bytes(struct sqlite_db *db, sqlite3_stmt *stmt,
                                   enum row_column c, bool elsewhere,
                                   const struct sqlite_row *row,
                                   struct parts *parts, const void **bytes,
                                   size_t *size, struct pawl_error *err)
{
    enum pawl_status status;
    int64_t wanted;
    int at = (int)c;
    bool found;

    if (elsewhere) {
        wanted = sqlite3_column_int64(stmt, at);
        stmt = sql(db, c == C_PAYLOAD ? SQL_PAYLOAD_GET : SQL_RESULT_GET);
        parts->elsewhere[c == C_PAYLOAD] = stmt;
        sqlite3_bind_int64(stmt, 1, row->place);
        status = sql_next(db, stmt, &found, err);
        if (status != PAWL_OK)
            return status;
        at = 0;
        if (!found || sqlite3_column_bytes(stmt, at) != wanted)
            return bytes_are_lost(row, c, err);
    }
    *size = (size_t)sqlite3_column_bytes(stmt, at);
    *bytes = *size > 0 ? sqlite3_column_blob(stmt, at) : "";
    if (!*bytes)
        return pawl_error_set(err, PAWL_ENOMEM,
                              "out of memory for %zu bytes of a job", *size);
    return PAWL_OK;
}

static enum pawl_status read_owner(struct sqlite_db *db, int64_t n,
                                   struct pawl_owner *out,
                                   struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_OWNER_GET);
    enum pawl_status status;
    bool found;

    sqlite3_bind_int64(stmt, 1, n);
    status = sql_next(db, stmt, &found, err);
    if (status != PAWL_OK || !found)
        return status;
    if (sqlite3_column_bytes(stmt, 0) == (int)sizeof out->b)
        memcpy(out->b, sqlite3_column_blob(stmt, 0), sizeof out->b);
    sqlite3_reset(stmt);
    return PAWL_OK;
}

static void job_from_head(const struct sqlite_row *row, const char *queue,
                          struct pawl_job *job)
{
    const struct sqlite_options *options = &row->options;

    *job = (struct pawl_job){
        .id = row->id,
        .queue = queue,
        .type = row->type,
        .key = row->key,
        .group = options->group,
        .state = row->state,
        .key_mode = options->key_mode,
        .priority = row->priority,
        .attempt = row->attempt,
        .max_attempts = options->max_attempts,
        .crashes = row->crashes,
        .epoch = row->epoch,
        .cancel_requested = row->cancel_requested,
        .backoff = options->backoff,
        .timeout = options->timeout,
        .key_ttl = options->key_ttl,
        .enqueued_at = row->enqueued_at,
        .run_at = row->run_at,
        .started_at = row->started_at,
        .finished_at = row->finished_at,
        .expires_at = options->expires_at,
        .origin = (uint64_t)row->place,
    };
}

enum pawl_status row_job(struct sqlite_db *db, sqlite3_stmt *stmt,
                         const struct sqlite_row *row, const char *queue,
                         struct pawl_job **out, struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    struct pawl_job job, *copy;
    struct parts parts;

    parts.error_count = 0;
    parts.elsewhere[0] = parts.elsewhere[1] = NULL;
    buf_init(&parts.text, PAWL_ERRORS_KEPT * (PAWL_ERROR_MAX + 1));
    job_from_head(row, queue, &job);
    if (row->errors > 0)
        status = read_errors(db, row->place, &parts, err);
    job.errors = parts.errors;
    job.error_count = parts.error_count;
    if (status == PAWL_OK && row->state == PAWL_PROCESSING)
        status = read_owner(db, row->owner, &job.owner, err);
    if (status == PAWL_OK)
        status = read_bytes(db, stmt, C_PAYLOAD, row->large_payload, row,
                            &parts, &job.payload, &job.payload_size, err);
    if (status == PAWL_OK)
        status = read_bytes(db, stmt, C_RESULT, row->large_result, row, &parts,
                            &job.result, &job.result_size, err);
    if (status == PAWL_OK) {
        copy = pawl_job_copy(&job);
        if (copy)
            *out = copy;
        else
            status = pawl_error_set(err, PAWL_ENOMEM,
                                    "out of memory for a copy of a job");
    }
    for (int i = 0; i < 2; i++) /* sqlite3_reset(NULL) is fine */
        sqlite3_reset(parts.elsewhere[i]);
    buf_clear(&parts.text);
    return status;
}

enum pawl_status row_job_if_whole(struct sqlite_db *db, sqlite3_stmt *stmt,
                                  const struct sqlite_row *row,
                                  const char *queue, struct pawl_job **out,
                                  struct pawl_error *err)
{
    struct pawl_error why;
    enum pawl_status status = row_job(db, stmt, row, queue, out, &why);

    if (status == PAWL_OK)
        return PAWL_OK;
    *out = NULL;
    if (status == PAWL_ECORRUPT && !db->suspect) /* then it is the file */
        return PAWL_OK;
    if (err)
        *err = why;
    return status;
}
