/* sqlite_session.c - see sqlite_session.h. */
#include "sqlite_session.h"

#include <stdlib.h>
#include <string.h>

#define HOUR INT64_C(3600000)
#define IDLE_MAX (7 * 24 * HOUR)
#define REPLY_SIZE 17 /* bytes: minus the status, then an id */

/* --- sessions ------------------------------------------------------------- */

static size_t cache_place(const struct pawl_session *uuid)
{
    return (uuid->b[0] ^ uuid->b[15]) % CACHE_SESSIONS;
}

static enum pawl_status add(struct sqlite_db *db,
                            const struct pawl_session *uuid, pawl_time now,
                            int64_t *n, struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_SESSION_ADD);
    enum pawl_status status;

    sqlite3_bind_blob(stmt, 1, uuid->b, sizeof uuid->b, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, now);
    status = sql_run(db, stmt, err);
    if (status == PAWL_OK)
        *n = sqlite3_last_insert_rowid(db->handle);
    return status;
}

static enum pawl_status touch(struct sqlite_db *db, int64_t n, pawl_time now,
                              struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_SESSION_TOUCH);

    sqlite3_bind_int64(stmt, 1, n);
    sqlite3_bind_int64(stmt, 2, now);
    return sql_run(db, stmt, err);
}

/* Has its last use not been written down for an hour? Either way round: clocks
 * can be set back. */
static bool is_stale(pawl_time touched_at, pawl_time now)
{
    return now - touched_at > HOUR || touched_at - now > HOUR;
}

/* The row is read again, and touched, at least every hour of use, long before
 * it could be swept: so a number in the cache is a number in the table. */
enum pawl_status session_number(struct sqlite_db *db,
                                struct sqlite_cache *cache,
                                const struct pawl_session *uuid, pawl_time now,
                                int64_t *n, struct pawl_error *err)
{
    size_t place = cache_place(uuid);
    enum pawl_status status;
    sqlite3_stmt *stmt;
    pawl_time last_at;
    bool found;

    if (cache->sessions[place].n != 0 &&
        memcmp(&cache->sessions[place].uuid, uuid, sizeof *uuid) == 0 &&
        !is_stale(cache->sessions[place].touched_at, now)) {
        *n = cache->sessions[place].n;
        return PAWL_OK;
    }
    stmt = sql(db, SQL_SESSION_FIND);
    sqlite3_bind_blob(stmt, 1, uuid->b, sizeof uuid->b, SQLITE_STATIC);
    status = sql_next(db, stmt, &found, err);
    if (status != PAWL_OK)
        return status;
    if (!found)
        return add(db, uuid, now, n, err);
    *n = sqlite3_column_int64(stmt, 0);
    last_at = sqlite3_column_int64(stmt, 1);
    sqlite3_reset(stmt);
    if (is_stale(last_at, now)) {
        status = touch(db, *n, now, err);
        last_at = now;
    }
    cache->sessions[place].n = *n;
    cache->sessions[place].uuid = *uuid;
    cache->sessions[place].touched_at = last_at;
    return status;
}

static enum pawl_status forget(struct sqlite_db *db, struct sqlite_cache *cache,
                               int64_t n, struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_REPLY_REMOVE);
    enum pawl_status status;

    for (int i = 0; i < CACHE_SESSIONS; i++) {
        if (cache->sessions[i].n == n)
            cache->sessions[i].n = 0;
    }
    sqlite3_bind_int64(stmt, 1, n);
    status = sql_run(db, stmt, err);
    if (status != PAWL_OK)
        return status;
    stmt = sql(db, SQL_SESSION_REMOVE);
    sqlite3_bind_int64(stmt, 1, n);
    return sql_run(db, stmt, err);
}

enum pawl_status session_sweep(struct sqlite_db *db, struct sqlite_cache *cache,
                               pawl_time now, struct pawl_error *err)
{
    enum pawl_status status;
    int64_t idle[100];
    int count = 0;
    sqlite3_stmt *stmt;
    bool found;

    if (cache->sessions_swept_at != 0 &&
        !is_stale(cache->sessions_swept_at, now))
        return PAWL_OK;
    stmt = sql(db, SQL_SESSION_IDLE);
    sqlite3_bind_int64(stmt, 1, now - IDLE_MAX);
    while ((status = sql_next(db, stmt, &found, err)) == PAWL_OK && found &&
           count < 100)
        idle[count++] = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    for (int i = 0; i < count && status == PAWL_OK; i++)
        status = forget(db, cache, idle[i], err);
    if (count < 100) /* else there may be more: go on next time */
        cache->sessions_swept_at = now;
    return status;
}

/* --- replies -------------------------------------------------------------- */

static void unpack(const uint8_t *bytes, size_t size, const struct pawl_put *in,
                   struct pawl_put_result *results)
{
    for (size_t i = 0; i < in->job_count; i++) {
        results[i].status = PAWL_OK;
        results[i].id = in->jobs[i].id;
        if ((i + 1) * REPLY_SIZE > size)
            continue; /* NULL: all were stored */
        results[i].status = (enum pawl_status)bytes[i * REPLY_SIZE];
        memcpy(results[i].id.b, bytes + i * REPLY_SIZE + 1, 16);
    }
}

enum pawl_status reply_find(struct sqlite_db *db, int64_t session,
                            int64_t queue, const struct pawl_put *in,
                            struct pawl_put_result *results,
                            enum reply_found *found, struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_REPLY_FROM);
    enum pawl_status status;
    int later = 0;
    bool row;

    sqlite3_bind_int64(stmt, 1, session);
    sqlite3_bind_int64(stmt, 2, queue);
    sqlite3_bind_int64(stmt, 3, (int64_t)in->seq);
    *found = REPLY_NONE;
    while ((status = sql_next(db, stmt, &row, err)) == PAWL_OK && row) {
        if (sqlite3_column_int64(stmt, 0) == (int64_t)in->seq) {
            unpack(sqlite3_column_blob(stmt, 1),
                   (size_t)sqlite3_column_bytes(stmt, 1), in, results);
            sqlite3_reset(stmt);
            *found = REPLY_GIVEN;
            return PAWL_OK;
        }
        later++;
    }
    if (later >= SESSION_KEPT)
        *found = REPLY_TOO_OLD;
    return status;
}

static enum pawl_status add_reply(struct sqlite_db *db, int64_t session,
                                  int64_t queue, int64_t seq, const void *bytes,
                                  size_t size, struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_REPLY_ADD);

    sqlite3_bind_int64(stmt, 1, session);
    sqlite3_bind_int64(stmt, 2, queue);
    sqlite3_bind_int64(stmt, 3, seq);
    if (size > 0)
        sqlite3_bind_blob64(stmt, 4, bytes, size, SQLITE_STATIC);
    return sql_run(db, stmt, err);
}

static enum pawl_status trim(struct sqlite_db *db, int64_t session,
                             int64_t queue, struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_REPLY_TRIM);

    sqlite3_bind_int64(stmt, 1, session);
    sqlite3_bind_int64(stmt, 2, queue);
    return sql_run(db, stmt, err);
}

enum pawl_status reply_keep(struct sqlite_db *db, int64_t session,
                            int64_t queue, const struct pawl_put *in,
                            const struct pawl_put_result *results,
                            struct pawl_error *err)
{
    uint8_t *bytes = malloc(in->job_count * REPLY_SIZE);
    enum pawl_status status;

    if (!bytes)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory for %zu replies",
                              in->job_count);
    for (size_t i = 0; i < in->job_count; i++) {
        bytes[i * REPLY_SIZE] = (uint8_t)results[i].status;
        memcpy(bytes + i * REPLY_SIZE + 1, results[i].id.b, 16);
    }
    status = add_reply(db, session, queue, (int64_t)in->seq, bytes,
                       in->job_count * REPLY_SIZE, err);
    free(bytes);
    return status == PAWL_OK ? trim(db, session, queue, err) : status;
}

/* --- notes ---------------------------------------------------------------- */

static struct reply_note *note_of(struct reply_notes *notes, int64_t session)
{
    struct reply_note *more;

    /* Neighbours were mostly put by the same session. */
    if (notes->count > 0 && notes->notes[notes->last].session == session)
        return &notes->notes[notes->last];
    for (size_t i = 0; i < notes->count; i++) {
        if (notes->notes[i].session == session) {
            notes->last = i;
            return &notes->notes[i];
        }
    }
    if (notes->count == notes->room) {
        notes->room = notes->room ? 2 * notes->room : 8;
        more = realloc(notes->notes, notes->room * sizeof *more);
        if (!more) {
            notes->room = notes->count;
            return NULL;
        }
        notes->notes = more;
    }
    notes->last = notes->count++;
    notes->notes[notes->last] = (struct reply_note){ .session = session };
    return &notes->notes[notes->last];
}

enum pawl_status reply_note(struct reply_notes *notes, int64_t session,
                            int64_t seq, struct pawl_error *err)
{
    struct reply_note *note = note_of(notes, session);
    int at;

    if (!note)
        return pawl_error_set(err, PAWL_ENOMEM,
                              "out of memory for a reply to keep");
    for (at = note->count; at > 0 && note->seqs[at - 1] >= seq; at--) {
        if (note->seqs[at - 1] == seq)
            return PAWL_OK;
    }
    if (note->count < SESSION_KEPT) {
        memmove(note->seqs + at + 1, note->seqs + at,
                (size_t)(note->count - at) * sizeof *note->seqs);
        note->seqs[at] = seq;
        note->count++;
    } else if (at > 0) { /* the oldest goes */
        memmove(note->seqs, note->seqs + 1,
                (size_t)(at - 1) * sizeof *note->seqs);
        note->seqs[at - 1] = seq;
    }
    return PAWL_OK;
}

/* A session that was forgotten must not get replies: nobody would ever delete
 * them. */
static enum pawl_status is_there(struct sqlite_db *db, int64_t session,
                                 bool *there, struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_SESSION_IS_THERE);
    enum pawl_status status;

    sqlite3_bind_int64(stmt, 1, session);
    status = sql_next(db, stmt, there, err);
    sqlite3_reset(stmt);
    return status;
}

static enum pawl_status flush_note(struct sqlite_db *db,
                                   const struct reply_note *note, int64_t queue,
                                   struct pawl_error *err)
{
    bool there = false;
    enum pawl_status status = is_there(db, note->session, &there, err);

    if (status != PAWL_OK || !there)
        return status;
    for (int i = 0; i < note->count && status == PAWL_OK; i++)
        status = add_reply(db, note->session, queue, note->seqs[i], NULL, 0, err);
    return status == PAWL_OK ? trim(db, note->session, queue, err) : status;
}

enum pawl_status reply_notes_flush(struct sqlite_db *db,
                                   const struct reply_notes *notes,
                                   int64_t queue, struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;

    for (size_t i = 0; i < notes->count && status == PAWL_OK; i++)
        status = flush_note(db, &notes->notes[i], queue, err);
    return status;
}

void reply_notes_clear(struct reply_notes *notes)
{
    free(notes->notes);
    *notes = (struct reply_notes){ 0 };
}
