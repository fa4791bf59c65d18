/* sqlite_call.c - see sqlite_call.h: beginning and ending a step, and deleting.
 * The moves are in sqlite_move.c. */
#include "sqlite_call.h"

#include <stdlib.h>
#include <string.h>

#include "sqlite_key.h"

/* --- begin and end -------------------------------------------------------- */

/* A connection on which nothing was looked up yet has been opened anew, perhaps
 * to another file: then what we remember is of another time. */
static void check_cache(struct sqlite_storage *s)
{
    uint32_t live_byte = s->cache.live_byte;

    if (s->writer.statements[SQL_QUEUE_FIND])
        return;
    memset(&s->cache, 0, sizeof s->cache);
    s->cache.live_byte = live_byte;
}

/* Only the number, from the cache if it is there: the put path must not read
 * the queue's row every time. */
static enum pawl_status begin_number(struct sqlite_call *call, const char *name)
{
    size_t place = pawl_queue_hash(name) % CACHE_QUEUES;
    struct sqlite_cache *cache = &call->storage->cache;
    enum pawl_status status;

    if (cache->queues[place].n != 0 &&
        strcmp(cache->queues[place].name, name) == 0) {
        call->queue.n = cache->queues[place].n;
        return PAWL_OK;
    }
    status = queue_find(call->db, name, 0, &call->queue, call->err);
    if (status != PAWL_OK)
        return status;
    if (call->queue.n == 0)
        return queue_add(call->db, name, &call->queue, call->err);
    cache->queues[place].n = call->queue.n;
    memcpy(cache->queues[place].name, name, strlen(name) + 1);
    return PAWL_OK;
}

enum pawl_status call_begin(struct sqlite_call *call, struct sqlite_storage *s,
                            enum sqlite_sync sync, const char *queue,
                            enum call_queue how, struct pawl_error *err)
{
    enum pawl_status status = sqlite_write_begin(s, sync, err);

    if (status != PAWL_OK)
        return status;
    check_cache(s);
    memset(call, 0, sizeof *call);
    call->storage = s;
    call->db = &s->writer;
    call->err = err;
    call->now = sqlite_now(s);
    call->queue_name = queue;
    if (how == CALL_MAKE_NUMBER)
        status = begin_number(call, queue);
    else
        status = queue_find(call->db, queue, 0, &call->queue, err);
    if (status == PAWL_OK && call->queue.n == 0 && how == CALL_MAKE)
        status = queue_add(call->db, queue, &call->queue, err);
    return status == PAWL_OK ? PAWL_OK : sqlite_write_end(s, status, err);
}

enum pawl_status call_end(struct sqlite_call *call, enum pawl_status status)
{
    struct sqlite_storage *s = call->storage;
    enum pawl_status saved = PAWL_OK;

    if (status >= PAWL_OK && call->notes.count > 0)
        saved = reply_notes_flush(call->db, &call->notes, call->queue.n,
                                  call->err);
    if (status >= PAWL_OK && saved == PAWL_OK && call->totals_changed)
        saved = queue_save_totals(call->db, &call->queue, call->err);
    if (saved != PAWL_OK)
        status = saved;
    reply_notes_clear(&call->notes);
    status = sqlite_write_end(s, status, call->err);
    if (status >= PAWL_OK && call->awaited > 0)
        wake_signal(&s->wake, call->queue_name, call->awaited);
    return status;
}

/* --- lanes ---------------------------------------------------------------- */

enum pawl_status call_tail(struct sqlite_call *call, int priority,
                           int64_t *rank)
{
    int64_t *tail = &call->tails[priority % CALL_PRIORITIES];
    enum pawl_status status = PAWL_OK;

    if (*tail == 0) {
        status = queue_lane_tail(call->db, call->queue.n, priority, tail,
                                 call->err);
        if (*tail == 0)
            *tail = LANE_FIRST(priority) + LANE_MIDDLE;
    }
    *rank = ++*tail;
    return status;
}

enum pawl_status call_head(struct sqlite_call *call, int priority, size_t ahead,
                           int64_t *rank)
{
    int64_t *head = &call->heads[priority % CALL_PRIORITIES];
    enum pawl_status status = PAWL_OK;

    if (*head == 0) {
        status = queue_lane_head(call->db, call->queue.n, priority, head,
                                 call->err);
        if (*head == 0)
            *head = LANE_FIRST(priority) + LANE_MIDDLE;
    }
    *rank = *head - (int64_t)ahead;
    return status;
}

/* --- deleting ------------------------------------------------------------- */

static enum pawl_status run_at_place(struct sqlite_call *call,
                                     enum sqlite_sql id, int64_t place)
{
    sqlite3_stmt *stmt = sql(call->db, id);

    sqlite3_bind_int64(stmt, 1, place);
    return sql_run(call->db, stmt, call->err);
}

/* A job that is deleted: its row in the order of its state, and what it takes to
 * delete the rest of it. */
struct doomed {
    int64_t rank, place, session, put_seq;
    bool errors, large_payload, large_result;
};

/* What a job has beside its row. */
static enum pawl_status delete_rest(struct sqlite_call *call,
                                    const struct doomed *doomed)
{
    enum pawl_status status = PAWL_OK;

    if (doomed->errors)
        status = run_at_place(call, SQL_ERROR_REMOVE, doomed->place);
    if (status == PAWL_OK && doomed->large_payload)
        status = run_at_place(call, SQL_PAYLOAD_REMOVE, doomed->place);
    if (status == PAWL_OK && doomed->large_result)
        status = run_at_place(call, SQL_RESULT_REMOVE, doomed->place);
    if (status == PAWL_OK)
        status = reply_note(&call->notes, doomed->session, doomed->put_seq,
                            call->err);
    return status;
}

enum pawl_status call_remove(struct sqlite_call *call,
                             const struct sqlite_row *row)
{
    struct doomed doomed = { .place = row->place,
                             .session = row->session,
                             .put_seq = row->put_seq,
                             .errors = row->errors > 0,
                             .large_payload = row->large_payload,
                             .large_result = row->large_result };
    enum pawl_status status = PAWL_OK;

    if (row->key[0])
        status = key_release(call->db, call->queue.n, row->key, &row->id,
                             call->err);
    if (status == PAWL_OK)
        status = run_at_place(call, SQL_JOB_REMOVE, row->place);
    return status == PAWL_OK ? delete_rest(call, &doomed) : status;
}

/* --- trimming ------------------------------------------------------------- */

/* Read the doomed jobs of one page; *done when the first that may stay, or the
 * end, was met. */
static enum pawl_status read_doomed(struct sqlite_call *call,
                                    enum pawl_state state,
                                    struct pawl_keep keep, size_t limit,
                                    struct doomed *doomed, size_t *count,
                                    bool *done)
{
    sqlite3_stmt *stmt = sql(call->db, SQL_FINISHED);
    int64_t last_over = call->queue.entered[state] - keep.count;
    enum pawl_status status;
    bool found;

    order_bind(stmt, call->queue.n, state, 0, ORDER_RANK_MAX);
    sqlite3_bind_int64(stmt, 3, (int64_t)limit);
    *count = 0;
    while ((status = sql_next(call->db, stmt, &found, call->err)) == PAWL_OK &&
           found && *count < limit) {
        bool over = keep.count >= 0 &&
                    sqlite3_column_int64(stmt, 0) <= last_over;
        if (!over && keep.age >= 0)
            over = call->now - sqlite3_column_int64(stmt, 4) >= keep.age;
        if (!over)
            break;
        doomed[(*count)++] = (struct doomed){
            .rank = sqlite3_column_int64(stmt, 0),
            .place = sqlite3_column_int64(stmt, 1),
            .session = sqlite3_column_int64(stmt, 2),
            .put_seq = sqlite3_column_int64(stmt, 3),
            .errors = sqlite3_column_int(stmt, 5) != 0,
            .large_payload = sqlite3_column_type(stmt, 6) == SQLITE_INTEGER,
            .large_result = sqlite3_column_type(stmt, 7) == SQLITE_INTEGER,
        };
    }
    *done = *count < limit;
    sqlite3_reset(stmt);
    return status;
}

/* The rows of one page, which are all that the state has up to the last one. */
static enum pawl_status delete_page(struct sqlite_call *call,
                                    enum pawl_state state,
                                    const struct doomed *doomed, size_t count)
{
    sqlite3_stmt *stmt = sql(call->db, SQL_FINISHED_REMOVE);
    enum pawl_status status;

    order_bind(stmt, call->queue.n, state, 0, doomed[count - 1].rank);
    status = sql_run(call->db, stmt, call->err);
    if (status == PAWL_OK && (size_t)sqlite3_changes(call->db->handle) != count)
        status = pawl_error_set(
            call->err, PAWL_EINTERNAL,
            "%zu finished jobs were to be deleted and %d were", count,
            sqlite3_changes(call->db->handle));
    for (size_t i = 0; i < count && status == PAWL_OK; i++)
        status = delete_rest(call, &doomed[i]);
    return status;
}

#define TRIM_PAGE 256

enum pawl_status call_trim(struct sqlite_call *call, enum pawl_state state,
                           bool by_age, size_t limit, size_t *removed,
                           bool *more)
{
    struct pawl_keep keep = queue_keep(&call->queue, call->retention, state);
    struct doomed doomed[TRIM_PAGE];
    enum pawl_status status = PAWL_OK;
    bool done = false;
    size_t count;

    if (!by_age)
        keep.age = -1;
    *removed = 0;
    while (status == PAWL_OK && !done && *removed < limit) {
        size_t page = limit - *removed < TRIM_PAGE ? limit - *removed
                                                   : TRIM_PAGE;
        status = read_doomed(call, state, keep, page, doomed, &count, &done);
        if (status == PAWL_OK && count > 0)
            status = delete_page(call, state, doomed, count);
        *removed += count;
    }
    *more = false;
    if (status == PAWL_OK && !done) {
        status = read_doomed(call, state, keep, 1, doomed, &count, &done);
        *more = count > 0;
    }
    return status;
}
