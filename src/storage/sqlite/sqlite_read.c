/* sqlite_read.c - looking without changing anything: get, list, stats.
 *
 * All of it runs on the reader, on one snapshot, and never waits for a writer.
 * Nothing here may keep a statement open for long: a snapshot that is held keeps
 * checkpoints from finishing, and the -wal file grows.
 */
#include <stdlib.h>
#include <string.h>

#include "sqlite_queue.h"
#include "sqlite_row.h"
#include "sqlite_storage.h"

#define PASSED_OVER_MAX 10000 /* jobs of another type, in one page */
#define PRIORITY_LAST 10

/* --- get ------------------------------------------------------------------ */

/* Ids given by callers need not carry their queue's hash, so the queue is not
 * derived from the id: the place alone finds the job. */
static enum pawl_status get(struct sqlite_db *db, const char *queue_name,
                            struct pawl_id id, struct pawl_job **out,
                            struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(db, SQL_JOB_FIND);
    struct sqlite_queue queue;
    struct sqlite_row row;
    enum pawl_status status;
    bool found;

    sqlite3_bind_int64(stmt, 1, row_place(id));
    row_bind_id(stmt, 2, &id);
    status = sql_next(db, stmt, &found, err);
    if (status != PAWL_OK || !found)
        return status == PAWL_OK ? PAWL_NOT_FOUND : status;
    row_head(stmt, &row);
    status = queue_find(db, NULL, row.queue, &queue, err);
    if (status == PAWL_OK && queue_name && strcmp(queue_name, queue.name) != 0)
        status = PAWL_NOT_FOUND;
    if (status == PAWL_OK)
        status = row_job(db, stmt, &row, queue.name, out, err);
    sqlite3_reset(stmt);
    return status;
}

enum pawl_status sqlite_get(struct pawl_storage *self, const char *queue,
                            struct pawl_id id, struct pawl_job **out,
                            struct pawl_error *err)
{
    struct sqlite_storage *s = (struct sqlite_storage *)self;
    enum pawl_status status = sqlite_read_begin(s, err);

    if (status != PAWL_OK)
        return status;
    return sqlite_read_end(s, get(&s->reader, queue, id, out, err), err);
}

/* --- list ----------------------------------------------------------------- */

static sqlite3_stmt *list_statement(struct sqlite_db *db, int64_t queue,
                                    const struct pawl_list *in)
{
    bool down = state_is_finished(in->state); /* the newest first */
    sqlite3_stmt *stmt = sql(db, down ? SQL_LIST_DOWN : SQL_LIST_UP);
    int64_t from = 0, to = ORDER_RANK_MAX;
    int64_t place = down ? INT64_MAX : INT64_MIN;

    if (in->after.set) {
        if (down)
            to = in->after.rank;
        else
            from = in->after.rank;
        memcpy(&place, in->after.tie, sizeof place);
    }
    order_bind(stmt, queue, in->state, from, to);
    sqlite3_bind_int64(stmt, 3, place);
    return stmt;
}

static void page_ends(struct pawl_list_reply *out,
                      const struct sqlite_row *last)
{
    memset(&out->next, 0, sizeof out->next);
    out->next.set = true;
    out->next.rank = last->rank;
    memcpy(out->next.tie, &last->place, sizeof last->place);
}

/* Equal times come in the order of places; in a page, show them in that of ids.
 * They differ only for ids of several processes, or given by callers. */
static int by_time_and_id(const void *left, const void *right)
{
    const struct pawl_job *a = *(struct pawl_job *const *)left;
    const struct pawl_job *b = *(struct pawl_job *const *)right;

    if (a->run_at != b->run_at)
        return a->run_at < b->run_at ? -1 : 1;
    return memcmp(a->id.b, b->id.b, sizeof a->id.b);
}

static enum pawl_status list(struct sqlite_db *db, int64_t queue,
                             const struct pawl_list *in,
                             struct pawl_list_reply *out,
                             struct pawl_error *err)
{
    sqlite3_stmt *stmt = list_statement(db, queue, in);
    enum pawl_status status;
    struct sqlite_row row;
    size_t seen = 0;
    bool found;

    while ((status = sql_next(db, stmt, &found, err)) == PAWL_OK && found) {
        if (out->job_count == in->limit || seen == PASSED_OVER_MAX) {
            page_ends(out, &row); /* the last one seen */
            break;
        }
        seen++;
        row_head(stmt, &row);
        if (in->type && strcmp(in->type, row.type) != 0)
            continue;
        status = row_job_if_whole(db, stmt, &row, in->queue,
                                  &out->jobs[out->job_count], err);
        if (status != PAWL_OK)
            break;
        out->job_count += out->jobs[out->job_count] != NULL;
    }
    sqlite3_reset(stmt);
    if (status == PAWL_OK && out->job_count > 1 &&
        (in->state == PAWL_SCHEDULED || in->state == PAWL_FAILED))
        qsort(out->jobs, out->job_count, sizeof *out->jobs, by_time_and_id);
    return status;
}

enum pawl_status sqlite_list(struct pawl_storage *self,
                             const struct pawl_list *in,
                             struct pawl_list_reply *out,
                             struct pawl_error *err)
{
    struct sqlite_storage *s = (struct sqlite_storage *)self;
    enum pawl_status status = sqlite_read_begin(s, err);
    struct sqlite_queue queue;

    out->job_count = 0;
    memset(&out->next, 0, sizeof out->next);
    if (status != PAWL_OK)
        return status;
    status = queue_find(&s->reader, in->queue, 0, &queue, err);
    if (status == PAWL_OK && queue.n != 0)
        status = list(&s->reader, queue.n, in, out, err);
    status = sqlite_read_end(s, status, err);
    while (status != PAWL_OK && out->job_count > 0)
        pawl_job_free(out->jobs[--out->job_count]);
    return status;
}

/* --- stats ---------------------------------------------------------------- */

static enum pawl_status count_states(struct sqlite_db *db, int64_t queue,
                                     uint64_t jobs[PAWL_STATE_COUNT],
                                     struct pawl_error *err)
{
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++) {
        sqlite3_stmt *stmt = sql(db, SQL_STATE_COUNT);
        enum pawl_status status;
        bool found;

        order_bind(stmt, queue, (enum pawl_state)state, 0, ORDER_RANK_MAX);
        status = sql_next(db, stmt, &found, err);
        if (status != PAWL_OK)
            return status;
        jobs[state] = (uint64_t)sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
    }
    return PAWL_OK;
}

/* The age of the oldest of the jobs at the head of each lane. */
static enum pawl_status oldest_pending(struct sqlite_db *db, int64_t queue,
                                       pawl_time now, pawl_duration *oldest,
                                       struct pawl_error *err)
{
    *oldest = -1;
    for (int lane = 1; lane <= PRIORITY_LAST; lane++) {
        sqlite3_stmt *stmt = sql(db, SQL_TIMES_FIRST);
        enum pawl_status status;
        pawl_time since, run_at;
        bool found;

        order_bind(stmt, queue, PAWL_PENDING, LANE_FIRST(lane),
                   LANE_LAST(lane));
        status = sql_next(db, stmt, &found, err);
        if (status != PAWL_OK)
            return status;
        if (!found)
            continue;
        since = sqlite3_column_int64(stmt, 0);
        run_at = sqlite3_column_int64(stmt, 1); /* NULL, and so 0: as `since` */
        if (run_at > since)
            since = run_at;
        if (since > now)
            since = now; /* the clock was set back; -1 would say: none */
        if (now - since > *oldest)
            *oldest = now - since;
        sqlite3_reset(stmt);
    }
    return PAWL_OK;
}

static enum pawl_status queue_stats(struct sqlite_db *db,
                                    const struct sqlite_queue *queue,
                                    pawl_time now, struct pawl_queue_stats *out,
                                    struct pawl_error *err)
{
    enum pawl_status status;

    out->paused = queue->paused;
    out->completed_total = (uint64_t)queue->entered[PAWL_COMPLETED];
    out->dead_total = (uint64_t)queue->entered[PAWL_DEAD];
    out->failed_total = (uint64_t)queue->failed_total;
    out->has_keep = queue->has_retention;
    if (out->has_keep)
        out->keep = pawl_retention_as_keep(&queue->retention);
    status = count_states(db, queue->n, out->jobs, err);
    if (status == PAWL_OK)
        status = oldest_pending(db, queue->n, now, &out->oldest_pending, err);
    return status;
}

/* Room for the queues and their names, in one block, as pawl_stats_free() wants
 * it. */
static struct pawl_stats *stats_new(const struct sqlite_queue *queues,
                                    size_t count)
{
    size_t size = sizeof(struct pawl_stats);
    struct pawl_stats *stats;
    char *at;

    for (size_t i = 0; i < count; i++)
        size += sizeof *stats->queues + strlen(queues[i].name) + 1;
    stats = calloc(1, size);
    if (!stats)
        return NULL;
    stats->queues = (struct pawl_queue_stats *)(stats + 1);
    stats->queue_count = count;
    at = (char *)(stats->queues + count);
    for (size_t i = 0; i < count; i++) {
        size = strlen(queues[i].name) + 1;
        stats->queues[i].name = memcpy(at, queues[i].name, size);
        at += size;
    }
    return stats;
}

static enum pawl_status find_queues(struct sqlite_db *db, const char *name,
                                    struct sqlite_queue **queues, size_t *count,
                                    struct pawl_error *err)
{
    enum pawl_status status;

    if (!name)
        return queue_all(db, queues, count, err);
    *queues = malloc(sizeof **queues);
    if (!*queues)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory for stats");
    *count = 1;
    status = queue_find(db, name, 0, *queues, err);
    if (status == PAWL_OK && (*queues)->n == 0)
        return pawl_error_set(err, PAWL_NOT_FOUND, "there is no queue '%s'",
                              name);
    return status;
}

static enum pawl_status stats(struct sqlite_storage *s, const char *name,
                              struct pawl_stats **out, struct pawl_error *err)
{
    pawl_time now = s->clock.now(s->clock.context);
    struct sqlite_queue *queues = NULL;
    struct pawl_stats *all = NULL;
    enum pawl_status status;
    size_t count = 0;

    status = find_queues(&s->reader, name, &queues, &count, err);
    if (status == PAWL_OK) {
        all = stats_new(queues, count);
        if (!all)
            status = pawl_error_set(err, PAWL_ENOMEM,
                                    "out of memory for stats");
    }
    for (size_t i = 0; i < count && status == PAWL_OK; i++)
        status = queue_stats(&s->reader, &queues[i], now, &all->queues[i], err);
    free(queues);
    if (status == PAWL_OK)
        *out = all;
    else
        free(all);
    return status;
}

enum pawl_status sqlite_stats(struct pawl_storage *self, const char *queue,
                              struct pawl_stats **out, struct pawl_error *err)
{
    struct sqlite_storage *s = (struct sqlite_storage *)self;
    enum pawl_status status = sqlite_read_begin(s, err);

    if (status != PAWL_OK)
        return status;
    return sqlite_read_end(s, stats(s, queue, out, err), err);
}
