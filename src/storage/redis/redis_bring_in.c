/* redis_bring_in.c - whole jobs from another storage; lua/bring_in.lua stores them.
 * The other side is redis_handover.c.
 *
 * A job goes as five words: id, state and the times of its body; its head without a
 * place, which the script gives it; the rest of its body; errors; result. One that
 * nothing has happened to yet goes without a head, and needs none here either.
 */
#include <string.h>

#include "storage/redis/redis_bytes.h"
#include "storage/redis/redis_session.h"
#include "storage/redis/redis_storage.h"

#define FIRST_SIZE 36 /* id, state, format, enqueued_at, run_at, expires_at */
#define FORMAT 1

enum head_flag { HAS_ERRORS = 2, HAS_RESULT = 4, HAS_REJECT_KEY = 8 };

static bool is_as_put(const struct pawl_job *job)
{
    return (job->state == PAWL_PENDING || job->state == PAWL_SCHEDULED) &&
           job->attempt == 0 && job->crashes == 0 && job->epoch == 0 &&
           job->started_at == 0 && job->finished_at == 0 && job->error_count == 0 &&
           job->result_size == 0;
}

static void add_first(struct redis_args *args, const struct pawl_job *job)
{
    uint8_t *at = redis_args_space(args, FIRST_SIZE);
    if (at == NULL)
        return;
    memcpy(at, &job->id, sizeof job->id);
    at += sizeof job->id;
    at = redis_bytes_write(at, (uint64_t)job->state, 1);
    at = redis_bytes_write(at, FORMAT, 1);
    at = redis_bytes_write(at, (uint64_t)job->enqueued_at, 6);
    at = redis_bytes_write(at, (uint64_t)job->run_at, 6);
    redis_bytes_write(at, (uint64_t)job->expires_at, 6);
}

static int head_flags(const struct pawl_job *job)
{
    int flags = 0;
    if (job->error_count > 0)
        flags |= HAS_ERRORS;
    if (job->result_size > 0)
        flags |= HAS_RESULT;
    if (job->key[0] != '\0' && job->key_mode != PAWL_KEY_THROTTLE)
        flags |= HAS_REJECT_KEY;
    return flags;
}

/* The request to cancel and the owner stay behind. */
static void add_head(struct redis_args *args, const struct pawl_job *job)
{
    uint8_t *at;
    if (is_as_put(job)) {
        redis_args_text(args, "");
        return;
    }
    at = redis_args_space(args, REDIS_HEAD_SIZE);
    if (at == NULL)
        return;
    memset(at, 0, REDIS_HEAD_SIZE);
    at = redis_bytes_write(at, FORMAT, 1);
    at = redis_bytes_write(at, (uint64_t)job->state, 1);
    at = redis_bytes_write(at, (uint64_t)job->priority, 1);
    at = redis_bytes_write(at, (uint64_t)head_flags(job), 1);
    at = redis_bytes_write(at, (uint64_t)job->attempt, 2);
    at = redis_bytes_write(at, (uint64_t)job->crashes, 2);
    at = redis_bytes_write(at, job->epoch, 4);
    at = redis_bytes_write(at, (uint64_t)job->run_at, 6);
    at = redis_bytes_write(at, 0, 6);
    at = redis_bytes_write(at, (uint64_t)job->started_at, 6);
    redis_bytes_write(at, (uint64_t)job->finished_at, 6);
}

static void add_job(struct redis_args *args, const struct pawl_job *job)
{
    add_first(args, job);
    add_head(args, job);
    redis_spec_add_whole(args, job);
    redis_errors_add(args, job);
    redis_args_add(args, job->result, job->result_size);
}

enum pawl_status redis_bring_in(struct pawl_storage *storage,
                                const struct pawl_bring_in *in,
                                struct pawl_put_result *results,
                                struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    struct redis_queue *queue = redis_enter(self, in->queue, err);
    struct redis_call call;
    redisReply *reply = NULL;
    if (queue == NULL)
        return PAWL_ENOMEM;

    redis_begin(self, queue, &redis_script_bring_in, true, &call);
    redis_session_add(&call.args, in->session, in->seq);
    redis_args_number(&call.args, (int64_t)in->job_count);
    redis_args_add(&call.args, &in->mover, sizeof in->mover);
    redis_add_digests(&call.args, in->digests, in->job_count);
    for (size_t i = 0; i < in->job_count; i++) {
        add_job(&call.args, in->jobs[i]);
        results[i].id = in->jobs[i]->id;
    }
    call.repeatable = true;

    enum pawl_status status = redis_call_making(self, queue, &call, &reply, err);
    if (status == PAWL_OK)
        status = redis_session_read(reply, in->queue, in->seq, results,
                                    in->job_count, err);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return status;
}
