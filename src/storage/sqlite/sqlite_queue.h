/* sqlite_queue.h - a row of the table queue.
 */
#ifndef PAWL_SQLITE_QUEUE_H
#define PAWL_SQLITE_QUEUE_H

#include "pawl/storage.h"
#include "sqlite_db.h"

struct sqlite_queue {
    int64_t n; /* 0: there is no such queue */
    bool paused;
    /* How many jobs ever entered each finished state (the ordinal of the
     * latest), and how many attempts failed. */
    int64_t entered[PAWL_STATE_COUNT];
    int64_t failed_total;
    bool has_retention;
    struct pawl_retention retention; /* if so, instead of the callers' */
    char name[PAWL_NAME_MAX + 1];
};

/* By name, or by number when name is NULL. queue->n is 0 when there is none. */
enum pawl_status queue_find(struct sqlite_db *db, const char *name, int64_t n,
                            struct sqlite_queue *queue, struct pawl_error *err);
/* Every queue in the order of names; *queues is the caller's, to free(). */
enum pawl_status queue_all(struct sqlite_db *db, struct sqlite_queue **queues,
                           size_t *count, struct pawl_error *err);
/* Make a queue that is not there; only n and name are filled in. */
enum pawl_status queue_add(struct sqlite_db *db, const char *name,
                           struct sqlite_queue *queue, struct pawl_error *err);

enum pawl_status queue_save_totals(struct sqlite_db *db,
                                   const struct sqlite_queue *queue,
                                   struct pawl_error *err);
enum pawl_status queue_save_paused(struct sqlite_db *db,
                                   const struct sqlite_queue *queue,
                                   struct pawl_error *err);
enum pawl_status queue_save_retention(struct sqlite_db *db,
                                      const struct sqlite_queue *queue,
                                      struct pawl_error *err);

/* How long jobs that finish in `state` stay: as set for the queue, else as
 * `passed` says, else (NULL) for ever. */
struct pawl_keep queue_keep(const struct sqlite_queue *queue,
                            const struct pawl_retention *passed,
                            enum pawl_state state);
/* When the next scheduled or failed job of queue n is due; 0: there is none. */
enum pawl_status queue_next_at(struct sqlite_db *db, int64_t n,
                               pawl_time *next_at, struct pawl_error *err);

/* --- the order ---------------------------------------------------------------
 * The index job_order is on one number: the queue, the state, and the rank of the
 * job within its state, in 15, 4 and 44 bits. */
#define ORDER_QUEUES 32767
#define ORDER_RANK_MAX ((INT64_C(1) << 44) - 1) /* in ms: the year 2527 */

static inline int64_t order_number(int64_t queue, enum pawl_state state,
                                   int64_t rank)
{
    return queue << 48 | (int64_t)state << 44 | rank;
}
static inline int64_t order_rank(int64_t number)
{
    return number & ORDER_RANK_MAX;
}
/* An instant as a rank. */
static inline int64_t order_time(int64_t at)
{
    return at < 0 ? 0 : at < ORDER_RANK_MAX ? at : ORDER_RANK_MAX;
}
/* Bind ?1 and ?2: ranks `from` to `to` of one state. */
void order_bind(sqlite3_stmt *stmt, int64_t queue, enum pawl_state state,
                int64_t from, int64_t to);

/* The rank of a pending job is its priority, then its place within that lane.
 * An empty lane begins in the middle, so that it can grow at both ends. */
#define LANE_BITS 40
#define LANE_MIDDLE (INT64_C(1) << (LANE_BITS - 1))
#define LANE_FIRST(priority) ((int64_t)(priority) << LANE_BITS)
#define LANE_LAST(priority) (LANE_FIRST((priority) + 1) - 1)

/* The first pending rank from `from` to `to`; 0: there is none. */
enum pawl_status queue_first_rank(struct sqlite_db *db, int64_t n, int64_t from,
                                  int64_t to, int64_t *rank,
                                  struct pawl_error *err);
/* The first or last rank of a lane, 0 if it is empty; counting the ranks that held
 * jobs had and may get again: so a released job never meets its rank taken. */
enum pawl_status queue_lane_head(struct sqlite_db *db, int64_t n, int priority,
                                 int64_t *rank, struct pawl_error *err);
enum pawl_status queue_lane_tail(struct sqlite_db *db, int64_t n, int priority,
                                 int64_t *rank, struct pawl_error *err);

#endif
