/* sqlite_claim.c - see sqlite_claim.h. */
#include "sqlite_claim.h"

#include <stdlib.h>

#include "sqlite_owner.h"

#define EXPIRED_PER_CLAIM 100 /* so that one call cannot meet a million */

/* What was read from the head of the lanes. */
struct found {
    int64_t *expired; /* places */
    size_t expired_count;
    size_t claimed;
    int64_t last_rank; /* of the last one claimed */
};

static enum pawl_status add_expired(struct sqlite_call *call,
                                    struct found *found, int64_t place)
{
    size_t n = found->expired_count;
    int64_t *more;

    if (n % 64 == 0) {
        more = realloc(found->expired, (n + 64) * sizeof *more);
        if (!more)
            return pawl_error_set(call->err, PAWL_ENOMEM,
                                  "out of memory for expired jobs");
        found->expired = more;
    }
    found->expired[found->expired_count++] = place;
    return PAWL_OK;
}

static void mark_claimed(struct pawl_job *job, const struct pawl_exchange *in,
                         pawl_time now)
{
    job->state = PAWL_PROCESSING;
    job->attempt++;
    job->epoch++;
    job->started_at = now;
    job->cancel_requested = false;
    job->owner = in->owner;
}

/* A damaged job is claimed and not handed out, so that it stops nobody: its lease
 * will end, and in time it is dead, where somebody looks at it. */
static enum pawl_status read_jobs(struct sqlite_call *call,
                                  const struct pawl_exchange *in,
                                  struct pawl_exchange_reply *out,
                                  struct found *found)
{
    sqlite3_stmt *stmt = sql(call->db, SQL_CLAIMABLE);
    enum pawl_status status = PAWL_OK;
    struct sqlite_row row;
    bool more;

    order_bind(stmt, call->queue.n, PAWL_PENDING, 0, ORDER_RANK_MAX);
    sqlite3_bind_int64(stmt, 3, (int64_t)(in->claim_max + EXPIRED_PER_CLAIM));
    while (status == PAWL_OK && out->job_count < in->claim_max) {
        struct pawl_job **job = &out->jobs[out->job_count];
        status = sql_next(call->db, stmt, &more, call->err);
        if (status != PAWL_OK || !more)
            break;
        row_head(stmt, &row);
        if (row_expired(&row, call->now)) {
            status = add_expired(call, found, row.place);
            continue;
        }
        status = row_job_if_whole(call->db, stmt, &row, call->queue_name, job,
                                  call->err);
        if (status != PAWL_OK)
            break;
        found->claimed++;
        found->last_rank = row.rank;
        if (*job) {
            mark_claimed(*job, in, call->now);
            out->job_count++;
        }
    }
    sqlite3_reset(stmt);
    out->more = out->job_count < in->claim_max &&
                found->claimed + found->expired_count >=
                    in->claim_max + EXPIRED_PER_CLAIM;
    return status;
}

/* Whatever is pending up to the last one read was read: the expired are no
 * longer pending, and nobody else writes. */
static enum pawl_status change_jobs(struct sqlite_call *call,
                                    const struct pawl_exchange *in,
                                    size_t count, int64_t last_rank)
{
    const struct pawl_clock *clock = &call->storage->clock;
    enum pawl_status status;
    sqlite3_stmt *stmt;
    int64_t owner;

    status = owner_enter(call, &in->owner, &owner);
    if (status != PAWL_OK)
        return status;
    stmt = sql(call->db, SQL_CLAIM);
    order_bind(stmt, call->queue.n, PAWL_PENDING, 0, last_rank);
    sqlite3_bind_int64(stmt, 3,
                       order_time(clock->steady(clock->context) + in->lease));
    sqlite3_bind_int64(stmt, 4, owner);
    sqlite3_bind_int64(stmt, 5, call->now);
    status = sql_run(call->db, stmt, call->err);
    if (status == PAWL_OK && (size_t)sqlite3_changes(call->db->handle) != count)
        status = pawl_error_set(
            call->err, PAWL_EINTERNAL,
            "%zu jobs were to be claimed and %d were changed", count,
            sqlite3_changes(call->db->handle));
    return status;
}

enum pawl_status claim_jobs(struct sqlite_call *call,
                            const struct pawl_exchange *in,
                            struct pawl_exchange_reply *out)
{
    struct found found = { .expired = NULL };
    enum pawl_status status;
    struct sqlite_row row;

    if (in->claim_max == 0)
        return PAWL_OK;
    status = read_jobs(call, in, out, &found);
    for (size_t i = 0; i < found.expired_count && status == PAWL_OK; i++) {
        status = row_load(call->db, found.expired[i], &row, call->err);
        if (status == PAWL_OK)
            status = move_to_expired(call, &row);
    }
    if (status == PAWL_OK && found.claimed > 0)
        status = change_jobs(call, in, found.claimed, found.last_rank);
    free(found.expired);
    return status;
}

void claim_undo(struct pawl_exchange_reply *out)
{
    while (out->job_count > 0)
        pawl_job_free(out->jobs[--out->job_count]);
}
