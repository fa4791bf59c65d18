/* sqlite_db.h - one connection to the database file, and its statements.
 *
 * A connection has no lock of its own (NOMUTEX): whoever uses one is inside
 * sqlite_write_begin or sqlite_read_begin of sqlite_tx.h, or alone with it while
 * it is opened. Statements are the ones of statements.sql, by number; they are
 * prepared at first use and live as long as the connection.
 */
#ifndef PAWL_SQLITE_DB_H
#define PAWL_SQLITE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "pawl/job.h"
#include "sqlite_sql.h"

/* "pawl" in ASCII, in the header of every file of ours (bytes 68..71). */
#define SQLITE_APPLICATION_ID 0x7061776c

/* The connection's own statements, which no caller sees. */
enum sqlite_step { STEP_BEGIN_WRITE, STEP_BEGIN_READ, STEP_COMMIT, STEP_ROLLBACK,
                   STEP_COUNT };

struct sqlite_db {
    sqlite3 *handle;
    sqlite3_stmt *statements[SQL_COUNT];
    sqlite3_stmt *steps[STEP_COUNT];
    int prepare_failure; /* why the last sql() answered NULL */
    int synchronous;     /* what the connection is set to; 0: not known */
    int frames;          /* in the WAL after this connection's last commit */
    bool suspect;        /* its picture of the file may be wrong: reopen it */
};

/* Open a connection to an existing file and set it up; creates nothing. `wait`
 * is how long one lock of SQLite's is waited for. EFORMAT: it is no database. A
 * failed open leaves *db zeroed. */
enum pawl_status db_open(struct sqlite_db *db, const char *path,
                         pawl_duration wait, struct pawl_error *err);
/* A zeroed one is fine. */
void db_close(struct sqlite_db *db);

/* The statement, prepared, reset and with all its parameters NULL. NULL when it
 * cannot be prepared; sql_run and sql_next of that NULL then say why, so no
 * caller needs to check. */
sqlite3_stmt *sql(struct sqlite_db *db, enum sqlite_sql id);
/* Run to the end, passing over rows, and reset. */
enum pawl_status sql_run(struct sqlite_db *db, sqlite3_stmt *stmt,
                         struct pawl_error *err);
/* Step to the next row. *row is false at the end. The statement is reset at the
 * end and on failure; a caller that stops earlier resets it itself. */
enum pawl_status sql_next(struct sqlite_db *db, sqlite3_stmt *stmt, bool *row,
                          struct pawl_error *err);
/* Run fixed SQL once; only for opening and upgrading. */
enum pawl_status db_exec(struct sqlite_db *db, const char *text, const char *what,
                         struct pawl_error *err);
/* The first column of the first row of fixed SQL; *value is 0 without a row. */
enum pawl_status db_number(struct sqlite_db *db, const char *text, int64_t *value,
                           struct pawl_error *err);
/* Run one of the connection's own statements; a plain SQLite result code. */
int db_step(struct sqlite_db *db, enum sqlite_step step);
/* Reset what a caller left in the middle: it would hold the snapshot open and
 * keep every checkpoint from finishing. */
void db_settle(struct sqlite_db *db);

/* What a result code of SQLite means to a caller: sets *err (native: the
 * extended code), marks the connection as suspect where it is, and returns the
 * status. `what` names what was tried. */
enum pawl_status sqlite_failure(struct sqlite_db *db, int rc, const char *what,
                                struct pawl_error *err);

#endif
