/* sqlite_tx.c - beginning, ending, and what happens when the end fails.
 *
 * A commit that failed is not a transaction that did not happen: once its last
 * frame may be in the WAL, a crash can bring it back. So only a lock or a full
 * disk make it certain that nothing was applied; all else is EUNKNOWN, and both
 * connections are opened anew.
 *
 * After a failed fsync a note to all processes stops every write until
 * sqlite_heal.c has made sure of the disk.
 */
#include "sqlite_tx.h"

#include <limits.h>

#include "sqlite_ballast.h"
#include "sqlite_checkpoint.h"
#include "sqlite_heal.h"
#include "sqlite_schema.h"
#include "sqlite_storage.h"
#include "util/clock.h"
#include "util/side_file.h"

#define TX_LOOK_NS 100000000 /* between two looks whether the files are there */
#define NS_PER_MS 1000000

static enum pawl_status tx_forked(struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_EFORKED,
                          "this handle was opened by the parent process: open "
                          "another one after the fork");
}

static int64_t tx_deadline(const struct sqlite_storage *s)
{
    int64_t now = clock_mono_ns();
    return s->deadline < (INT64_MAX - now) / NS_PER_MS
               ? now + s->deadline * NS_PER_MS
               : INT64_MAX;
}

/* How long SQLite may still wait for a lock of another program. */
static void tx_set_wait(struct sqlite_db *db, int64_t deadline_ns)
{
    int64_t left = (deadline_ns - clock_mono_ns()) / NS_PER_MS;
    sqlite3_busy_timeout(db->handle, left < 1         ? 1
                                     : left < INT_MAX ? (int)left
                                                      : INT_MAX);
}

/* --- what must be right before a transaction begins ----------------------- */

/* A file that was deleted or moved under us still takes writes, which nobody
 * will ever see. */
static enum pawl_status tx_look(struct sqlite_storage *s, struct pawl_error *err)
{
    int64_t now = clock_mono_ns();
    if (now - s->looked_at < TX_LOOK_NS)
        return PAWL_OK;
    int moved = 0;
    sqlite3_file_control(s->writer.handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (moved)
        return pawl_error_set(err, PAWL_EDENIED,
                              "'%s' was moved or deleted while in use: start again",
                              s->path);
    /* Without them others would write beside us, or take our workers for dead. */
    bool no_gate = side_file_is_gone(s->gate.fd);
    if (no_gate || side_file_is_gone(s->live.holder))
        return pawl_error_set(err, PAWL_EDENIED,
                              "'%s.%s' was deleted while in use: start again", s->path,
                              no_gate ? "gate" : "live");
    s->looked_at = now;
    return PAWL_OK;
}

/* The file may have become another one meanwhile, so look whose it is. */
static enum pawl_status tx_reopen(struct sqlite_db *db,
                                  const struct sqlite_storage *s,
                                  struct pawl_error *err)
{
    bool ready = false;
    db_close(db);
    enum pawl_status status = db_open(db, s->path, s->deadline, err);
    if (status == PAWL_OK)
        status = schema_inspect(db, s->path, &ready, err);
    if (status == PAWL_OK && !ready)
        status = pawl_error_set(err, PAWL_EFORMAT,
                                "'%s' changed while in use: start again", s->path);
    if (status < 0)
        db_close(db);
    return status;
}

static enum pawl_status tx_check_space(struct sqlite_storage *s,
                                       struct pawl_error *err)
{
    if (!ballast_keep(s->path))
        return pawl_error_set(err, PAWL_EFULL,
                              "the disk of '%s' is full: make room", s->path);
    gate_set(&s->gate, GATE_SPACE_LOW, false);
    return PAWL_OK;
}

static enum pawl_status tx_set_sync(struct sqlite_storage *s,
                                    enum sqlite_sync sync, struct pawl_error *err)
{
    struct sqlite_db *db = &s->writer;
    int level = s->normal || sync == SYNC_NORMAL ? SQLITE_SYNC_NORMAL
                                                 : SQLITE_SYNC_FULL;
    if (db->synchronous == level)
        return PAWL_OK;
    enum pawl_status status = db_exec(db,
                                      level == SQLITE_SYNC_FULL
                                          ? "PRAGMA synchronous = FULL"
                                          : "PRAGMA synchronous = NORMAL",
                                      "set durability", err);
    db->synchronous = status == PAWL_OK ? level : 0;
    return status;
}

static enum pawl_status tx_prepare(struct sqlite_storage *s, enum sqlite_sync sync,
                                   int64_t deadline_ns, struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    if (s->writer.suspect || !s->writer.handle) {
        status = tx_reopen(&s->writer, s, err);
        atomic_store(&s->reopen_reader, true);
    }
    if (status == PAWL_OK)
        status = tx_look(s, err);
    if (status < 0)
        return status;
    tx_set_wait(&s->writer, deadline_ns);
    if (gate_noted(&s->gate, GATE_SYNC_FAILED))
        status = sqlite_heal(s, err);
    if (status == PAWL_OK && sync == SYNC_ADDS &&
        gate_noted(&s->gate, GATE_SPACE_LOW))
        status = tx_check_space(s, err);
    if (status == PAWL_OK)
        status = tx_set_sync(s, sync, err);
    return status;
}

/* --- writing ------------------------------------------------------------------ */

static void tx_leave(struct sqlite_storage *s)
{
    gate_leave(&s->gate);
    line_leave(&s->write_line);
}

static enum pawl_status tx_enter(struct sqlite_storage *s, int64_t deadline_ns,
                                 struct pawl_error *err)
{
    if (!line_enter(&s->write_line, deadline_ns))
        return pawl_error_set(err, PAWL_ETIMEOUT,
                              "another thread of this process is writing to '%s'",
                              s->path);
    enum pawl_status status = gate_enter(&s->gate, deadline_ns, err);
    if (status < 0)
        line_leave(&s->write_line);
    return status;
}

enum pawl_status sqlite_write_begin(struct sqlite_storage *s,
                                    enum sqlite_sync sync, struct pawl_error *err)
{
    if (fork_crossed(&s->fork))
        return tx_forked(err);
    int64_t deadline_ns = tx_deadline(s);
    enum pawl_status status = tx_enter(s, deadline_ns, err);
    if (status < 0)
        return status;
    status = tx_prepare(s, sync, deadline_ns, err);
    if (status == PAWL_OK) {
        int rc = db_step(&s->writer, STEP_BEGIN_WRITE);
        if (rc != SQLITE_OK)
            status = sqlite_failure(&s->writer, rc, "begin", err);
    }
    if (status < 0)
        tx_leave(s);
    return status;
}

static void tx_rollback(struct sqlite_db *db)
{
    if (!sqlite3_get_autocommit(db->handle) &&
        db_step(db, STEP_ROLLBACK) != SQLITE_OK)
        db->suspect = true;
}

void sqlite_distrust(struct sqlite_storage *s, int rc)
{
    s->writer.suspect = true;
    atomic_store(&s->reopen_reader, true);
    if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC ||
        rc == SQLITE_IOERR_WRITE || rc == SQLITE_IOERR_TRUNCATE)
        gate_set(&s->gate, GATE_SYNC_FAILED, true);
}

/* Nothing was applied only if the last frame was certainly not written: there
 * was a lock or no room for it. (A full quota is an error of writing to SQLite.
 * No room for the WAL's index is another matter: the frames come before it.) */
static bool tx_is_certain(int rc, enum pawl_status status)
{
    int kind = rc & 0xff;
    return kind == SQLITE_BUSY || kind == SQLITE_READONLY || kind == SQLITE_FULL ||
           (rc == SQLITE_IOERR_WRITE && status == PAWL_EFULL);
}

static enum pawl_status tx_commit_failed(struct sqlite_storage *s, int rc,
                                         struct pawl_error *err)
{
    struct sqlite_db *db = &s->writer;
    struct pawl_error why = { 0 };
    enum pawl_status status = sqlite_failure(db, rc, "commit", &why);
    tx_rollback(db);
    if (!tx_is_certain(rc, status)) {
        sqlite_distrust(s, rc);
        status = PAWL_EUNKNOWN;
    }
    pawl_error_set(err, status, "%s", why.message);
    if (err)
        err->native = rc;
    return status;
}

static enum pawl_status tx_commit(struct sqlite_storage *s, struct pawl_error *err)
{
    struct sqlite_db *db = &s->writer;
    if (sqlite3_get_autocommit(db->handle))
        return pawl_error_set(err, PAWL_EINTERNAL,
                              "the transaction was gone before its commit");
    int rc = db_step(db, STEP_COMMIT);
    return rc == SQLITE_OK ? PAWL_OK : tx_commit_failed(s, rc, err);
}

enum pawl_status sqlite_write_end(struct sqlite_storage *s,
                                  enum pawl_status status, struct pawl_error *err)
{
    db_settle(&s->writer);
    if (status < 0) {
        tx_rollback(&s->writer);
    } else {
        enum pawl_status committed = tx_commit(s, err);
        if (committed < 0)
            status = committed;
        else
            checkpoint_if_due(s);
    }
    tx_leave(s);
    return status;
}

bool sqlite_make_room(struct sqlite_storage *s)
{
    if (tx_enter(s, tx_deadline(s), NULL) < 0)
        return false;
    gate_set(&s->gate, GATE_SPACE_LOW, true);
    ballast_spend(s->path);
    /* What fits into the database need not be in the WAL. After a failed sync only
     * sqlite_heal() may write it there. */
    if (s->writer.handle && !s->writer.suspect && !gate_noted(&s->gate, GATE_SYNC_FAILED))
        checkpoint_now(s);
    tx_leave(s);
    return true;
}

/* --- reading ------------------------------------------------------------------ */

enum pawl_status sqlite_read_begin(struct sqlite_storage *s, struct pawl_error *err)
{
    if (fork_crossed(&s->fork))
        return tx_forked(err);
    int64_t deadline_ns = tx_deadline(s);
    if (!line_enter(&s->read_line, deadline_ns))
        return pawl_error_set(err, PAWL_ETIMEOUT,
                              "another thread of this process is reading '%s'",
                              s->path);
    struct sqlite_db *db = &s->reader;
    enum pawl_status status = PAWL_OK;
    if (atomic_exchange(&s->reopen_reader, false) || db->suspect || !db->handle)
        status = tx_reopen(db, s, err);
    if (status == PAWL_OK) {
        tx_set_wait(db, deadline_ns);
        int rc = db_step(db, STEP_BEGIN_READ);
        if (rc != SQLITE_OK)
            status = sqlite_failure(db, rc, "begin", err);
    }
    if (status < 0)
        line_leave(&s->read_line);
    return status;
}

enum pawl_status sqlite_read_end(struct sqlite_storage *s, enum pawl_status status,
                                 struct pawl_error *err)
{
    (void)err; /* ending a read cannot fail in a way that matters */
    db_settle(&s->reader);
    tx_rollback(&s->reader);
    line_leave(&s->read_line);
    return status;
}

pawl_time sqlite_seen(struct sqlite_storage *s)
{
    pawl_time now = s->clock.now(s->clock.context);
    pawl_time last = atomic_load_explicit(&s->last_now, memory_order_relaxed);
    return now > last ? now : last;
}

pawl_time sqlite_now(struct sqlite_storage *s)
{
    pawl_time now = sqlite_seen(s);
    atomic_store_explicit(&s->last_now, now, memory_order_relaxed);
    return now;
}
