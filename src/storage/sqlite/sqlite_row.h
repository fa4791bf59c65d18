/* sqlite_row.h - a row of the table job: finding, reading, changing it.
 *
 * The head is all of a job but its payload and result; steps work on heads and
 * leave the bytes where they are. A whole job (struct pawl_job) is made only for
 * whoever asked to see one.
 */
#ifndef PAWL_SQLITE_ROW_H
#define PAWL_SQLITE_ROW_H

#include "pawl/job.h"
#include "sqlite_db.h"
#include "sqlite_options.h"

#define ROW_INLINE_MAX 1024 /* bytes of payload or result in the row itself */
#define ROW_SLOTS 64        /* places an id may have */
#define ROW_PRIORITY 5      /* what a NULL means; part of the format */

/* Columns of {job} in statements.sql. */
enum row_column {
    C_PLACE, C_ID, C_QUEUE, C_STATE, C_RANK, C_ENQUEUED_AT, C_SESSION, C_PUT_SEQ,
    C_PRIORITY, C_RUN_AT, C_ATTEMPT, C_EPOCH, C_CRASHES, C_OWNER,
    C_CANCEL_REQUESTED, C_STARTED_AT, C_FINISHED_AT, C_ERRORS, C_TYPE, C_KEY,
    C_OPTIONS, C_RESULT, C_PAYLOAD
};

struct sqlite_row {
    int64_t place, queue, rank, session, put_seq, owner;
    struct pawl_id id;
    enum pawl_state state;
    pawl_time enqueued_at, run_at, started_at, finished_at;
    int priority, attempt, crashes, errors;
    uint32_t epoch;
    bool cancel_requested, large_payload, large_result;
    char key[PAWL_KEY_MAX + 1]; /* "": none */
    char type[PAWL_NAME_MAX + 1];
    struct sqlite_options options;
};

static inline bool state_is_finished(enum pawl_state state)
{
    return state == PAWL_COMPLETED || state == PAWL_DEAD ||
           state == PAWL_CANCELLED;
}

/* The first of the ROW_SLOTS places where a job with this id can be. */
int64_t row_place(struct pawl_id id);

/* Read the head of the current row of a {job} statement. */
void row_head(sqlite3_stmt *stmt, struct sqlite_row *row);
/* Find a job by id; `hint` is a place to look at first, or 0. NOT_FOUND (without
 * a message) or a failure. */
enum pawl_status row_find(struct sqlite_db *db, struct pawl_id id, int64_t hint,
                          struct sqlite_row *row, struct pawl_error *err);
/* The job at a place. NOT_FOUND (without a message) or a failure. */
enum pawl_status row_get(struct sqlite_db *db, int64_t place,
                         struct sqlite_row *row, struct pawl_error *err);
/* The job at a place that is known to be taken. */
enum pawl_status row_load(struct sqlite_db *db, int64_t place,
                          struct sqlite_row *row, struct pawl_error *err);
/* Write back what of the head can change. */
enum pawl_status row_save(struct sqlite_db *db, const struct sqlite_row *row,
                          struct pawl_error *err);

/* The current row of a {job} statement as a job, with the errors and the bytes
 * that are elsewhere. `row` is its head; *out is the caller's. ECORRUPT: some of it
 * is lost. */
enum pawl_status row_job(struct sqlite_db *db, sqlite3_stmt *stmt,
                         const struct sqlite_row *row, const char *queue,
                         struct pawl_job **out, struct pawl_error *err);

/* The same where other jobs follow: they need not wait for one that is damaged. Of
 * such a job *out is NULL, and the answer is OK. */
enum pawl_status row_job_if_whole(struct sqlite_db *db, sqlite3_stmt *stmt,
                                  const struct sqlite_row *row,
                                  const char *queue, struct pawl_job **out,
                                  struct pawl_error *err);

/* Bind bytes that are never NULL, even when there are none. They, and bound
 * text, must stay where they are until the statement has run. */
void row_bind_bytes(sqlite3_stmt *stmt, int at, const void *bytes, size_t size);
/* The id must stay where it is until the statement has run. */
void row_bind_id(sqlite3_stmt *stmt, int at, const struct pawl_id *id);
/* Bind text; NULL and "" as NULL. */
void row_bind_text(sqlite3_stmt *stmt, int at, const char *text);
/* Bind a number; `is_default` as NULL. */
void row_bind_number(sqlite3_stmt *stmt, int at, int64_t value,
                     int64_t is_default);

#endif
