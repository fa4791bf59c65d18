/* sqlite_queue.c - see sqlite_queue.h. */
#include "sqlite_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Columns of {queue_row} in statements.sql. */
enum column {
    C_N, C_PAUSED, C_COMPLETED, C_DEAD, C_CANCELLED, C_FAILED,
    C_COMPLETED_AGE, C_COMPLETED_COUNT, C_DEAD_AGE, C_DEAD_COUNT,
    C_CANCELLED_AGE, C_CANCELLED_COUNT, C_NAME
};

static struct pawl_keep read_keep(sqlite3_stmt *stmt, enum column age)
{
    return (struct pawl_keep){
        .age = sqlite3_column_int64(stmt, (int)age),
        .count = sqlite3_column_int64(stmt, (int)age + 1),
    };
}

static void queue_read(sqlite3_stmt *stmt, struct sqlite_queue *queue)
{
    const unsigned char *name = sqlite3_column_text(stmt, C_NAME);
    size_t size = name ? (size_t)sqlite3_column_bytes(stmt, C_NAME) : 0;

    memset(queue, 0, sizeof *queue);
    queue->n = sqlite3_column_int64(stmt, C_N);
    queue->paused = sqlite3_column_int(stmt, C_PAUSED) != 0;
    queue->entered[PAWL_COMPLETED] = sqlite3_column_int64(stmt, C_COMPLETED);
    queue->entered[PAWL_DEAD] = sqlite3_column_int64(stmt, C_DEAD);
    queue->entered[PAWL_CANCELLED] = sqlite3_column_int64(stmt, C_CANCELLED);
    queue->failed_total = sqlite3_column_int64(stmt, C_FAILED);
    queue->has_retention = sqlite3_column_type(stmt, C_COMPLETED_AGE) !=
                           SQLITE_NULL;
    queue->retention.completed = read_keep(stmt, C_COMPLETED_AGE);
    queue->retention.dead = read_keep(stmt, C_DEAD_AGE);
    queue->retention.cancelled = read_keep(stmt, C_CANCELLED_AGE);
    if (size > PAWL_NAME_MAX)
        size = PAWL_NAME_MAX; /* only in a damaged file */
    if (size > 0)
        memcpy(queue->name, name, size);
}

enum pawl_status queue_find(struct sqlite_db *db, const char *name, int64_t n,
                            struct sqlite_queue *queue, struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, name ? SQL_QUEUE_FIND : SQL_QUEUE_GET);
    enum pawl_status status;
    bool found;

    if (name)
        sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    else
        sqlite3_bind_int64(stmt, 1, n);
    queue->n = 0;
    queue->name[0] = '\0'; /* get() shows it, in a damaged file */
    status = sql_next(db, stmt, &found, err);
    if (status == PAWL_OK && found) {
        queue_read(stmt, queue);
        sqlite3_reset(stmt);
    }
    return status;
}

enum pawl_status queue_all(struct sqlite_db *db, struct sqlite_queue **queues,
                           size_t *count, struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_QUEUE_LIST);
    struct sqlite_queue *all = NULL, *more;
    size_t used = 0, room = 0;
    enum pawl_status status;
    bool found;

    while ((status = sql_next(db, stmt, &found, err)) == PAWL_OK && found) {
        if (used == room) {
            room = room ? 2 * room : 16;
            more = realloc(all, room * sizeof *all);
            if (!more) {
                sqlite3_reset(stmt);
                status = pawl_error_set(err, PAWL_ENOMEM,
                                        "out of memory for a list of queues");
                break;
            }
            all = more;
        }
        queue_read(stmt, &all[used++]);
    }
    if (status != PAWL_OK) {
        free(all);
        return status;
    }
    *queues = all;
    *count = used;
    return PAWL_OK;
}

enum pawl_status queue_add(struct sqlite_db *db, const char *name,
                           struct sqlite_queue *queue, struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_QUEUE_ADD);
    size_t size = strlen(name);
    enum pawl_status status;

    assert(size <= PAWL_NAME_MAX);
    sqlite3_bind_text(stmt, 1, name, (int)size, SQLITE_STATIC);
    sqlite3_bind_int(stmt, 2, pawl_queue_hash(name));
    status = sql_run(db, stmt, err);
    if (status != PAWL_OK)
        return status;
    memset(queue, 0, sizeof *queue);
    queue->n = sqlite3_last_insert_rowid(db->handle);
    memcpy(queue->name, name, size);
    if (queue->n > ORDER_QUEUES)
        return pawl_error_set(
            err, PAWL_EFULL,
            "no room for queue '%s': a file has at most %d queues", name,
            ORDER_QUEUES);
    return PAWL_OK;
}

enum pawl_status queue_save_totals(struct sqlite_db *db,
                                   const struct sqlite_queue *queue,
                                   struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_QUEUE_TOTALS);

    sqlite3_bind_int64(stmt, 1, queue->n);
    sqlite3_bind_int64(stmt, 2, queue->entered[PAWL_COMPLETED]);
    sqlite3_bind_int64(stmt, 3, queue->entered[PAWL_DEAD]);
    sqlite3_bind_int64(stmt, 4, queue->entered[PAWL_CANCELLED]);
    sqlite3_bind_int64(stmt, 5, queue->failed_total);
    return sql_run(db, stmt, err);
}

enum pawl_status queue_save_paused(struct sqlite_db *db,
                                   const struct sqlite_queue *queue,
                                   struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_QUEUE_PAUSE);

    sqlite3_bind_int64(stmt, 1, queue->n);
    sqlite3_bind_int(stmt, 2, queue->paused);
    return sql_run(db, stmt, err);
}

enum pawl_status queue_save_retention(struct sqlite_db *db,
                                      const struct sqlite_queue *queue,
                                      struct pawl_error *err)
{
    const struct pawl_retention *r = &queue->retention;
    const struct pawl_keep keeps[] = { r->completed, r->dead, r->cancelled };
    sqlite3_stmt *stmt = sql(db, SQL_QUEUE_KEEP);

    sqlite3_bind_int64(stmt, 1, queue->n);
    for (int i = 0; i < 3; i++) {
        sqlite3_bind_int64(stmt, 2 + 2 * i, keeps[i].age);
        sqlite3_bind_int64(stmt, 3 + 2 * i, keeps[i].count);
    }
    return sql_run(db, stmt, err);
}

struct pawl_keep queue_keep(const struct sqlite_queue *queue,
                            const struct pawl_retention *passed,
                            enum pawl_state state)
{
    const struct pawl_retention *r = queue->has_retention ? &queue->retention
                                                          : passed;

    if (!r)
        return (struct pawl_keep){ .age = -1, .count = -1 };
    if (state == PAWL_COMPLETED)
        return r->completed;
    return state == PAWL_DEAD ? r->dead : r->cancelled;
}

enum pawl_status queue_next_at(struct sqlite_db *db, int64_t n,
                               pawl_time *next_at, struct pawl_error *err)
{
    static const enum pawl_state states[] = { PAWL_SCHEDULED, PAWL_FAILED };
    pawl_time first = 0;

    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *stmt = sql(db, SQL_TIMES_FIRST);
        enum pawl_status status;
        pawl_time run_at;
        bool found;

        order_bind(stmt, n, states[i], 0, ORDER_RANK_MAX);
        status = sql_next(db, stmt, &found, err);
        if (status != PAWL_OK)
            return status;
        if (!found)
            continue;
        run_at = sqlite3_column_int64(stmt, 1);
        if (run_at == 0) /* NULL: as enqueued_at */
            run_at = sqlite3_column_int64(stmt, 0);
        if (first == 0 || run_at < first)
            first = run_at;
        sqlite3_reset(stmt);
    }
    *next_at = first;
    return PAWL_OK;
}

/* --- the order ------------------------------------------------------------ */

void order_bind(sqlite3_stmt *stmt, int64_t queue, enum pawl_state state,
                int64_t from, int64_t to)
{
    sqlite3_bind_int64(stmt, 1, order_number(queue, state, from));
    sqlite3_bind_int64(stmt, 2, order_number(queue, state, to));
}

static enum pawl_status end_rank(struct sqlite_db *db, enum sqlite_sql id,
                                 int64_t n, int64_t from, int64_t to,
                                 int64_t *rank, struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, id);
    enum pawl_status status;
    bool found;

    order_bind(stmt, n, PAWL_PENDING, from, to);
    status = sql_next(db, stmt, &found, err);
    if (status != PAWL_OK)
        return status;
    *rank = found ? order_rank(sqlite3_column_int64(stmt, 0)) : 0;
    sqlite3_reset(stmt);
    return PAWL_OK;
}

enum pawl_status queue_first_rank(struct sqlite_db *db, int64_t n, int64_t from,
                                  int64_t to, int64_t *rank,
                                  struct pawl_error *err)
{
    return end_rank(db, SQL_ORDER_FIRST, n, from, to, rank, err);
}

enum pawl_status queue_lane_head(struct sqlite_db *db, int64_t n, int priority,
                                 int64_t *rank, struct pawl_error *err)
{
    int64_t from = LANE_FIRST(priority), to = LANE_LAST(priority), held = 0;
    enum pawl_status status;

    status = end_rank(db, SQL_ORDER_FIRST, n, from, to, rank, err);
    if (status == PAWL_OK)
        status = end_rank(db, SQL_HELD_FIRST, n, from, to, &held, err);
    if (held != 0 && (*rank == 0 || held < *rank))
        *rank = held;
    return status;
}

enum pawl_status queue_lane_tail(struct sqlite_db *db, int64_t n, int priority,
                                 int64_t *rank, struct pawl_error *err)
{
    int64_t from = LANE_FIRST(priority), to = LANE_LAST(priority), held = 0;
    enum pawl_status status;

    status = end_rank(db, SQL_ORDER_LAST, n, from, to, rank, err);
    if (status == PAWL_OK)
        status = end_rank(db, SQL_HELD_LAST, n, from, to, &held, err);
    if (held > *rank)
        *rank = held;
    return status;
}
