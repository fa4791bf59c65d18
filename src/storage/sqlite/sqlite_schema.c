/* sqlite_schema.c - the format of the file.
 *
 * user_version is the number of upgrade files of schema/ that were run on it; a
 * new file runs them all, so there is one way only to any format. A file that
 * is neither empty nor marked as ours is never written to.
 */
#include "sqlite_schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What tells whose a file is. */
struct schema_marks {
    int64_t application, version, tables;
    bool wal;
};

static enum pawl_status schema_is_wal(struct sqlite_db *db, bool *wal,
                                      struct pawl_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->handle, "PRAGMA journal_mode", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    const char *mode = rc == SQLITE_ROW
                           ? (const char *)sqlite3_column_text(stmt, 0)
                           : NULL;
    *wal = mode && strcmp(mode, "wal") == 0;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? PAWL_OK
                            : sqlite_failure(db, rc, "journal mode", err);
}

/* One snapshot: between two reads another process may make the file ours. */
static enum pawl_status schema_read(struct sqlite_db *db, struct schema_marks *m,
                                    struct pawl_error *err)
{
    int rc = db_step(db, STEP_BEGIN_READ);
    if (rc != SQLITE_OK)
        return sqlite_failure(db, rc, "open", err);
    enum pawl_status status = db_number(
        db, "SELECT count(*) FROM sqlite_schema", &m->tables, err);
    if (status == PAWL_OK)
        status = db_number(db, "PRAGMA application_id", &m->application, err);
    if (status == PAWL_OK)
        status = db_number(db, "PRAGMA user_version", &m->version, err);
    if (status == PAWL_OK)
        status = schema_is_wal(db, &m->wal, err);
    if (!sqlite3_get_autocommit(db->handle))
        db_step(db, STEP_ROLLBACK);
    return status;
}

enum pawl_status schema_inspect(struct sqlite_db *db, const char *path,
                                bool *ready, struct pawl_error *err)
{
    struct schema_marks m = { 0 };
    *ready = false;
    enum pawl_status status = schema_read(db, &m, err);
    if (status < 0)
        return status;
    bool ours = m.application == SQLITE_APPLICATION_ID;
    bool empty = m.application == 0 && m.version == 0 && m.tables == 0;
    if (!ours && !empty)
        return pawl_error_set(err, PAWL_EFORMAT,
                              "'%s' is not a pawl database: it belongs to another "
                              "program", path);
    if (m.version > sqlite_schema_count)
        return pawl_error_set(err, PAWL_EFORMAT,
                              "'%s' has format %" PRId64 ", which is newer than "
                              "this pawl knows (%d): upgrade pawl", path,
                              m.version, sqlite_schema_count);
    *ready = ours && m.wal && m.version == sqlite_schema_count;
    return PAWL_OK;
}

/* Settings that only take before the first table, then WAL for ever. The page
 * size is small because a commit writes whole pages: one job's put touches three.
 * EXTRA brings the deletion of the rollback journal to the disk: one that came
 * back after a power cut would undo the file's making, and SQLite then drops the
 * WAL of what it takes for an empty file. */
static enum pawl_status schema_prepare_file(struct sqlite_db *db, const char *path,
                                            struct pawl_error *err)
{
    enum pawl_status status = db_exec(db,
                                      "PRAGMA synchronous = EXTRA;"
                                      "PRAGMA page_size = 2048;"
                                      "PRAGMA auto_vacuum = INCREMENTAL;"
                                      "PRAGMA journal_mode = WAL;",
                                      "make", err);
    bool wal = false;
    if (status == PAWL_OK)
        status = schema_is_wal(db, &wal, err);
    if (status == PAWL_OK && !wal)
        return pawl_error_set(err, PAWL_EDENIED,
                              "'%s': this file system does not support sqlite's "
                              "write-ahead log: use another folder", path);
    return status;
}

/* Upgrade number `version` (from 1) and the marks, all or nothing. */
static enum pawl_status schema_step(struct sqlite_db *db, int version,
                                    struct pawl_error *err)
{
    char marks[96], what[32];
    snprintf(what, sizeof what, "upgrade to format %d", version);
    snprintf(marks, sizeof marks,
             "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             SQLITE_APPLICATION_ID, version);
    int rc = db_step(db, STEP_BEGIN_WRITE);
    if (rc != SQLITE_OK)
        return sqlite_failure(db, rc, what, err);
    enum pawl_status status = db_exec(db, sqlite_schema[version - 1], what, err);
    if (status == PAWL_OK)
        status = db_exec(db, marks, what, err);
    if (status == PAWL_OK) {
        rc = db_step(db, STEP_COMMIT);
        if (rc != SQLITE_OK)
            status = sqlite_failure(db, rc, what, err);
    }
    if (!sqlite3_get_autocommit(db->handle))
        db_step(db, STEP_ROLLBACK);
    return status;
}

enum pawl_status schema_upgrade(struct sqlite_db *db, const char *path,
                                struct pawl_error *err)
{
    bool ready;
    int64_t version = 0;
    enum pawl_status status = schema_inspect(db, path, &ready, err);
    if (status < 0 || ready)
        return status;
    status = schema_prepare_file(db, path, err);
    if (status == PAWL_OK)
        status = db_exec(db, "PRAGMA synchronous = FULL", "make", err);
    if (status == PAWL_OK)
        status = db_number(db, "PRAGMA user_version", &version, err);
    for (int v = (int)version + 1; status == PAWL_OK && v <= sqlite_schema_count; v++)
        status = schema_step(db, v, err);
    return status;
}
