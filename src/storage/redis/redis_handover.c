/* redis_handover.c - jobs to another storage: held, then deleted or put back;
 * lua/take_out.lua does it. The other side is redis_bring_in.c. */
#include <string.h>

#include "storage/redis/redis_storage.h"

#define PARTS 5 /* of a job that is handed over: id, head, body, errors, result */

static enum pawl_status bad_reply(const struct redis_instance *self,
                                  const struct pawl_take_out *in,
                                  struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_ECORRUPT,
                          "redis at %s answers the handing over of jobs of '%s' "
                          "with something else", self->client.settings.where,
                          in->queue);
}

static enum pawl_status read_jobs(struct redis_instance *self,
                                  const struct pawl_take_out *in,
                                  const redisReply *reply,
                                  struct pawl_take_out_reply *out,
                                  struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    size_t count = 0;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements > in->limit)
        return bad_reply(self, in, err);
    for (; count < reply->elements && status == PAWL_OK; count++) {
        const redisReply *job = reply->element[count];
        if (job->type != REDIS_REPLY_ARRAY || job->elements != PARTS) {
            status = bad_reply(self, in, err);
            break;
        }
        struct redis_job_parts parts = { job->element[0], job->element[1],
                                         job->element[2], job->element[3],
                                         job->element[4] };
        status = redis_job_read(in->queue, &parts, &out->jobs[count], err);
        if (status != PAWL_OK)
            break;
    }
    if (status == PAWL_OK) {
        out->job_count = count;
        return PAWL_OK;
    }
    while (count > 0)
        pawl_job_free(out->jobs[--count]);
    return status;
}

static enum pawl_status read_results(struct redis_instance *self,
                                     const struct pawl_take_out *in,
                                     const redisReply *reply,
                                     struct pawl_take_out_reply *out,
                                     struct pawl_error *err)
{
    if (reply->type != REDIS_REPLY_STRING || reply->len != in->id_count)
        return bad_reply(self, in, err);
    for (size_t i = 0; i < in->id_count; i++)
        out->results[i] = reply->str[i] == 'o' ? PAWL_OK : PAWL_NOT_FOUND;
    return PAWL_OK;
}

enum pawl_status redis_take_out(struct pawl_storage *storage,
                                const struct pawl_take_out *in,
                                struct pawl_take_out_reply *out,
                                struct pawl_error *err)
{
    static const char *const kinds[] = { [PAWL_TAKE_HOLD] = "hold",
                                         [PAWL_TAKE_CONFIRM] = "confirm",
                                         [PAWL_TAKE_RELEASE] = "release" };
    struct redis_instance *self = (struct redis_instance *)storage;
    struct redis_queue *queue = redis_enter(self, in->queue, err);
    struct redis_call call;
    redisReply *reply = NULL;
    out->job_count = 0;
    if (queue == NULL)
        return PAWL_ENOMEM;

    redis_begin(self, queue, &redis_script_take_out, false, &call);
    redis_args_text(&call.args, kinds[in->kind]);
    redis_args_add(&call.args, &in->mover, sizeof in->mover);
    if (in->kind == PAWL_TAKE_HOLD) {
        redis_args_number(&call.args, in->from_states);
        redis_args_number(&call.args, (int64_t)in->limit);
    } else {
        redis_args_add(&call.args, in->ids, in->id_count * sizeof *in->ids);
    }
    /* Held again is handed over again; confirmed again is NOT_FOUND, which is not
     * what came of it. */
    call.repeatable = in->kind == PAWL_TAKE_HOLD;

    enum pawl_status status = redis_call(&self->client, &call, &reply, err);
    if (status == PAWL_OK)
        status = in->kind == PAWL_TAKE_HOLD ? read_jobs(self, in, reply, out, err)
                                            : read_results(self, in, reply, out, err);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return status;
}
