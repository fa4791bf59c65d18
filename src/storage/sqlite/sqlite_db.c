/* sqlite_db.c - connections, statements, and what SQLite's answers mean.
 *
 * The settings here are the ones a connection has for itself; those that live in
 * the file (page size, WAL) are in sqlite_schema.c.
 */
#include "sqlite_db.h"

#include <errno.h>
#include <string.h>

/* No statement of ours needs a trigger, a view or a double-quoted string, so a
 * file that somebody prepared cannot make us run any. */
static const int db_switches[][2] = {
    { SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1 }, /* it would be outside the gate */
    { SQLITE_DBCONFIG_DEFENSIVE, 1 },
    { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
    { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
    { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
    { SQLITE_DBCONFIG_DQS_DML, 0 },
    { SQLITE_DBCONFIG_DQS_DDL, 0 },
};

static const char db_pragmas[] =
    "PRAGMA wal_autocheckpoint = 0;" /* ours are gated, sqlite_tx.c */
    "PRAGMA cache_size = -8192;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA mmap_size = 0;" /* one stray pointer would write into the file */
    "PRAGMA cell_size_check = ON;"
    "PRAGMA foreign_keys = OFF;"
    "PRAGMA secure_delete = FAST;" /* Debian's default, ON, costs a write more */
    "PRAGMA journal_size_limit = 67108864;";

static const char *const db_steps[STEP_COUNT] = {
    [STEP_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [STEP_BEGIN_READ] = "BEGIN",
    [STEP_COMMIT] = "COMMIT",
    [STEP_ROLLBACK] = "ROLLBACK",
};

static int db_frames(void *context, sqlite3 *handle, const char *name, int frames)
{
    (void)handle;
    (void)name;
    ((struct sqlite_db *)context)->frames = frames;
    return SQLITE_OK;
}

enum pawl_status db_open(struct sqlite_db *db, const char *path,
                         pawl_duration wait, struct pawl_error *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW;
    memset(db, 0, sizeof *db);
    if (sqlite3_threadsafe() == 0)
        return pawl_error_set(err, PAWL_EINTERNAL,
                              "this sqlite was built without threads");
    int rc = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_extended_result_codes(db->handle, 1);
        sqlite3_busy_timeout(db->handle, wait < INT32_MAX ? (int)wait : INT32_MAX);
    }
    for (size_t i = 0; i < sizeof db_switches / sizeof *db_switches; i++)
        if (rc == SQLITE_OK)
            rc = sqlite3_db_config(db->handle, db_switches[i][0],
                                   db_switches[i][1], NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db->handle, db_pragmas, NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_wal_hook(db->handle, db_frames, db);
        return PAWL_OK;
    }
    enum pawl_status status = sqlite_failure(db, rc, "open", err);
    if ((rc & 0xff) == SQLITE_NOTADB) /* the settings read the first page */
        status = pawl_error_set(err, PAWL_EFORMAT,
                                "'%s' is not a database: name another file", path);
    db_close(db);
    return status;
}

void db_close(struct sqlite_db *db)
{
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(db->statements[i]);
    for (int i = 0; i < STEP_COUNT; i++)
        sqlite3_finalize(db->steps[i]);
    sqlite3_close(db->handle);
    memset(db, 0, sizeof *db);
}

sqlite3_stmt *sql(struct sqlite_db *db, enum sqlite_sql id)
{
    sqlite3_stmt **stmt = &db->statements[id];
    if (*stmt) {
        sqlite3_reset(*stmt);
        sqlite3_clear_bindings(*stmt);
        return *stmt;
    }
    int rc = sqlite3_prepare_v3(db->handle, sqlite_sql_text[id], -1,
                                SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    if (rc != SQLITE_OK)
        db->prepare_failure = rc;
    return *stmt;
}

/* The name of a statement of ours, for messages. */
static const char *sql_name(const struct sqlite_db *db, const sqlite3_stmt *stmt)
{
    for (int i = 0; i < SQL_COUNT; i++)
        if (db->statements[i] == stmt && stmt)
            return sqlite_sql_names[i];
    return "statement";
}

enum pawl_status sql_next(struct sqlite_db *db, sqlite3_stmt *stmt, bool *row,
                          struct pawl_error *err)
{
    int rc = stmt ? sqlite3_step(stmt) : db->prepare_failure;
    *row = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW)
        return PAWL_OK;
    enum pawl_status status = PAWL_OK;
    if (rc != SQLITE_DONE)
        status = sqlite_failure(db, rc, sql_name(db, stmt), err);
    sqlite3_reset(stmt);
    return status;
}

enum pawl_status sql_run(struct sqlite_db *db, sqlite3_stmt *stmt,
                         struct pawl_error *err)
{
    bool row = true;
    enum pawl_status status = PAWL_OK;
    while (row && status == PAWL_OK)
        status = sql_next(db, stmt, &row, err);
    return status;
}

enum pawl_status db_exec(struct sqlite_db *db, const char *text, const char *what,
                         struct pawl_error *err)
{
    int rc = sqlite3_exec(db->handle, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? PAWL_OK : sqlite_failure(db, rc, what, err);
}

enum pawl_status db_number(struct sqlite_db *db, const char *text, int64_t *value,
                           struct pawl_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->handle, text, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    *value = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    enum pawl_status status = PAWL_OK;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        status = sqlite_failure(db, rc, text, err);
    sqlite3_finalize(stmt);
    return status;
}

int db_step(struct sqlite_db *db, enum sqlite_step step)
{
    sqlite3_stmt **stmt = &db->steps[step];
    int rc = SQLITE_OK;
    if (!*stmt)
        rc = sqlite3_prepare_v3(db->handle, db_steps[step], -1,
                                SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(*stmt);
    sqlite3_reset(*stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void db_settle(struct sqlite_db *db)
{
    for (int i = 0; i < SQL_COUNT; i++)
        if (db->statements[i] && sqlite3_stmt_busy(db->statements[i]))
            sqlite3_reset(db->statements[i]);
}

/* --- what a code means ------------------------------------------------------- */

static enum pawl_status db_status(int rc, int number)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
        return PAWL_OK;
    case SQLITE_BUSY:
    case SQLITE_PROTOCOL:
        return PAWL_ETIMEOUT;
    case SQLITE_FULL:
        return PAWL_EFULL;
    case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_NOMEM)
            return PAWL_ENOMEM;
        /* A sync that found no room has lost what it should have kept. */
        if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
            return PAWL_EIO;
        /* SQLite tells a full disk from other errors, but not a full quota. */
        return number == EDQUOT || number == ENOSPC ? PAWL_EFULL : PAWL_EIO;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return PAWL_ECORRUPT;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return PAWL_EDENIED;
    case SQLITE_NOMEM:
        return PAWL_ENOMEM;
    case SQLITE_TOOBIG:
        return PAWL_EINVAL;
    case SQLITE_NOLFS:
        return PAWL_EIO;
    default: /* ERROR, LOCKED, CONSTRAINT, MISUSE ...: our own mistake */
        return PAWL_EINTERNAL;
    }
}

/* What a person can do about it; "" when SQLite's own words must do. */
static const char *db_advice(enum pawl_status status, int rc)
{
    switch (status) {
    case PAWL_ETIMEOUT:
        return ": another program has it locked";
    case PAWL_EFULL:
        return ": disk full, make room";
    case PAWL_ECORRUPT:
        return ": the file is damaged; keep it with its -wal, and restore a backup";
    case PAWL_EDENIED:
        return rc == SQLITE_READONLY_DBMOVED ? ": the file was moved or deleted"
                                             : "";
    default:
        return "";
    }
}

enum pawl_status sqlite_failure(struct sqlite_db *db, int rc, const char *what,
                                struct pawl_error *err)
{
    const char *path = db->handle ? sqlite3_db_filename(db->handle, "main") : NULL;
    const char *text = db->handle ? sqlite3_errmsg(db->handle)
                                  : sqlite3_errstr(rc);
    int number = db->handle ? sqlite3_system_errno(db->handle) : 0;
    enum pawl_status status = db_status(rc, number);
    /* After these the connection's cache may hold what the disk does not. */
    int kind = rc & 0xff;
    if (status == PAWL_EIO || kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB ||
        kind == SQLITE_CANTOPEN || kind == SQLITE_READONLY)
        db->suspect = true;
    bool system = kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN;
    pawl_error_set(err, status, "sqlite, %s in '%s': %s%s%s%s", what,
                   path ? path : "?", text, system && number ? ": " : "",
                   system && number ? strerror(number) : "",
                   db_advice(status, rc));
    if (err)
        err->native = rc;
    return status;
}
