/* sqlite_bring_in.c - jobs from another storage, whole.
 *
 * They go the way of a put: the same replay, the same places (sqlite_put.h), but
 * with all that the job went through elsewhere. What they would be given here
 * alone is their place in the order: the tail of the lane, when they are due, or
 * the next ordinal of a finished state.
 */
#include <stdlib.h>

#include "sqlite_key.h"
#include "sqlite_put.h"
#include "sqlite_tally.h"

struct bringing {
    struct put_step put; /* first: store_whole() is given that */
    const struct pawl_bring_in *in;
    struct pawl_tally stored; /* by this call */
};

static bool is_finished(enum pawl_state state)
{
    return state == PAWL_COMPLETED || state == PAWL_DEAD ||
           state == PAWL_CANCELLED;
}

/* What of it is as in a new job. */
static struct pawl_new_job as_new(const struct pawl_job *job)
{
    return (struct pawl_new_job){
        .id = job->id,
        .type = job->type,
        .payload = job->payload,
        .payload_size = job->payload_size,
        .priority = job->priority,
        .max_attempts = job->max_attempts,
        .backoff = job->backoff,
        .timeout = job->timeout,
        .key = job->key,
        .key_mode = job->key_mode,
        .key_ttl = job->key_ttl,
        .group = job->group,
    };
}

/* A throttle key that this job held before it left, and still holds, is its own. */
static enum pawl_status take_key(struct sqlite_call *call,
                                 const struct pawl_job *job,
                                 struct pawl_put_result *result)
{
    struct sqlite_key key = {
        .queue = call->queue.n,
        .text = job->key,
        .id = &job->id,
        .mode = job->key_mode,
        .until = job->key_ttl > 0 ? job->enqueued_at + job->key_ttl : 0,
        .again = true,
    };
    struct pawl_id holder;
    enum pawl_status status;
    bool taken;

    if (!job->key || !job->key[0] ||
        (key.until != 0 && key.until <= call->now) ||
        (job->key_mode == PAWL_KEY_REJECT && is_finished(job->state)))
        return PAWL_OK;
    status = key_take(call->db, &key, call->now, &taken, &holder, call->err);
    if (status == PAWL_OK && !taken)
        *result = (struct pawl_put_result){ PAWL_KEY_TAKEN, holder };
    return status;
}

static enum pawl_status find_rank(struct sqlite_call *call,
                                  const struct pawl_job *job, int64_t *rank)
{
    if (!is_finished(job->state))
        call->awaited++;
    if (job->state == PAWL_PENDING)
        return call_tail(call, job->priority, rank);
    if (!is_finished(job->state)) {
        *rank = order_time(job->run_at);
    } else {
        *rank = ++call->queue.entered[job->state];
        call->totals_changed = true;
    }
    return PAWL_OK;
}

/* Bytes in the row, or their size when they are to be elsewhere. */
static void bind_or_size(sqlite3_stmt *stmt, int at, const void *bytes,
                         size_t size)
{
    if (size > ROW_INLINE_MAX)
        sqlite3_bind_int64(stmt, at, (int64_t)size);
    else
        row_bind_bytes(stmt, at, bytes, size);
}

static size_t errors_kept(const struct pawl_job *job)
{
    return job->error_count < PAWL_ERRORS_KEPT ? job->error_count
                                               : PAWL_ERRORS_KEPT;
}

static enum pawl_status insert(const struct bringing *bringing,
                               const struct pawl_job *job,
                               const struct pawl_new_job *as_put,
                               int64_t place, int64_t rank)
{
    const struct sqlite_call *call = &bringing->put.call;
    sqlite3_stmt *stmt = sql(call->db, SQL_JOB_ADD_WHOLE);
    uint8_t options[OPTIONS_MAX];
    size_t size = options_pack(as_put, job->expires_at, options);

    sqlite3_bind_int64(stmt, 1, place);
    row_bind_id(stmt, 2, &job->id);
    sqlite3_bind_int64(stmt, 3, call->queue.n);
    sqlite3_bind_int64(stmt, 4, job->state);
    sqlite3_bind_int64(stmt, 5, rank);
    sqlite3_bind_int64(stmt, 6, job->enqueued_at);
    sqlite3_bind_int64(stmt, 7, bringing->put.session);
    sqlite3_bind_int64(stmt, 8, (int64_t)bringing->in->seq);
    row_bind_number(stmt, 9, job->priority, ROW_PRIORITY);
    row_bind_number(stmt, 10, job->run_at, job->enqueued_at);
    row_bind_text(stmt, 11, job->type);
    row_bind_text(stmt, 12, job->key);
    if (size > 0)
        row_bind_bytes(stmt, 13, options, size);
    bind_or_size(stmt, 14, job->payload, job->payload_size);
    row_bind_number(stmt, 15, job->attempt, 0);
    row_bind_number(stmt, 16, job->epoch, 0);
    row_bind_number(stmt, 17, job->crashes, 0);
    row_bind_number(stmt, 18, job->started_at, 0);
    row_bind_number(stmt, 19, job->finished_at, 0);
    row_bind_number(stmt, 20, (int64_t)errors_kept(job), 0);
    if (job->result_size > 0)
        bind_or_size(stmt, 21, job->result, job->result_size);
    return sql_run(call->db, stmt, call->err);
}

static enum pawl_status insert_errors(const struct sqlite_call *call,
                                      const struct pawl_job *job, int64_t place)
{
    const struct pawl_job_error *error = job->errors + job->error_count -
                                         errors_kept(job);
    enum pawl_status status = PAWL_OK;

    for (size_t i = 0; i < errors_kept(job) && status == PAWL_OK; i++) {
        sqlite3_stmt *stmt = sql(call->db, SQL_ERROR_ADD);
        sqlite3_bind_int64(stmt, 1, place);
        sqlite3_bind_int64(stmt, 2, (int64_t)i + 1);
        sqlite3_bind_int64(stmt, 3, error[i].at);
        sqlite3_bind_int64(stmt, 4, error[i].attempt);
        sqlite3_bind_text(stmt, 5, error[i].message, -1, SQLITE_STATIC);
        status = sql_run(call->db, stmt, call->err);
    }
    return status;
}

static enum pawl_status insert_result(const struct sqlite_call *call,
                                      const struct pawl_job *job, int64_t place)
{
    sqlite3_stmt *stmt = sql(call->db, SQL_RESULT_ADD);

    sqlite3_bind_int64(stmt, 1, place);
    row_bind_bytes(stmt, 2, job->result, job->result_size);
    return sql_run(call->db, stmt, call->err);
}

static enum pawl_status store_whole(struct put_step *put, size_t i,
                                    int64_t place,
                                    struct pawl_put_result *result)
{
    struct bringing *bringing = (struct bringing *)put;
    const struct pawl_job *job = bringing->in->jobs[i];
    enum pawl_status status = take_key(&put->call, job, result);
    int64_t rank = 0;

    if (status != PAWL_OK || result->status != PAWL_OK)
        return status;
    status = find_rank(&put->call, job, &rank);
    if (status == PAWL_OK)
        status = insert(bringing, job, &put->in->jobs[i], place, rank);
    if (status == PAWL_OK && job->payload_size > ROW_INLINE_MAX)
        status = put_step_payload(put, place, &put->in->jobs[i]);
    if (status == PAWL_OK && job->result_size > ROW_INLINE_MAX)
        status = insert_result(&put->call, job, place);
    if (status == PAWL_OK && job->error_count > 0)
        status = insert_errors(&put->call, job, place);
    if (status == PAWL_OK && bringing->in->digests)
        tally_add(&bringing->stored, &bringing->in->digests[i]);
    return status;
}

enum pawl_status sqlite_bring_in(struct pawl_storage *self,
                                 const struct pawl_bring_in *in,
                                 struct pawl_put_result *results,
                                 struct pawl_error *err)
{
    struct pawl_new_job *jobs = calloc(in->job_count + 1, sizeof *jobs);
    struct pawl_put as_put = { in->queue, in->session, in->seq, jobs,
                               in->job_count };
    struct bringing bringing = { .put = { .in = &as_put, .store = store_whole,
                                          .keep_replies = true },
                                 .in = in };
    enum pawl_status status;

    if (!jobs)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory for %zu jobs",
                              in->job_count);
    for (size_t i = 0; i < in->job_count; i++)
        jobs[i] = as_new(in->jobs[i]);
    status = call_begin(&bringing.put.call, (struct sqlite_storage *)self,
                        SYNC_ADDS, in->queue, CALL_MAKE, err);
    if (status == PAWL_OK) {
        status = put_step_run(&bringing.put, results);
        if (status == PAWL_OK)
            status = tally_save(&bringing.put.call, in->mover, &bringing.stored);
        status = call_end(&bringing.put.call, status);
    }
    free(jobs);
    return status;
}
