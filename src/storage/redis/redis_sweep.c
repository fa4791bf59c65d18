/* redis_sweep.c - housekeeping of one queue; lua/sweep.lua does it.
 *
 * The server's run_id goes along: from another one than last time the script sees
 * that there was a restart or a failover, after which nobody could renew. */
#include <string.h>

#include "storage/redis/redis_storage.h"

/* Longer would keep the server from everybody else for too long. */
#define LIMIT_MOST 5000

#define NUMBERS 7

static enum pawl_status read_reply(struct redis_instance *self, const char *queue,
                                   const redisReply *reply,
                                   struct pawl_sweep_reply *out,
                                   struct pawl_error *err)
{
    long long number[NUMBERS];
    bool whole = reply->type == REDIS_REPLY_ARRAY && reply->elements == NUMBERS;
    for (size_t i = 0; whole && i < NUMBERS; i++) {
        whole = reply->element[i]->type == REDIS_REPLY_INTEGER;
        number[i] = whole ? reply->element[i]->integer : 0;
    }
    if (!whole)
        return pawl_error_set(err, PAWL_ECORRUPT,
                              "redis at %s answers the sweep of '%s' with something "
                              "else", self->client.settings.where, queue);
    *out = (struct pawl_sweep_reply){ .promoted = (size_t)number[0],
                                      .recovered = (size_t)number[1],
                                      .killed = (size_t)number[2],
                                      .expired = (size_t)number[3],
                                      .removed = (size_t)number[4],
                                      .more = number[5] != 0,
                                      .next_at = number[6] };
    return PAWL_OK;
}

enum pawl_status redis_sweep(struct pawl_storage *storage,
                             const struct pawl_sweep *in,
                             struct pawl_sweep_reply *out, struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    struct redis_queue *queue = redis_enter(self, in->queue, err);
    struct redis_call call;
    redisReply *reply = NULL;
    memset(out, 0, sizeof *out);
    if (queue == NULL)
        return PAWL_ENOMEM;

    redis_begin(self, queue, &redis_script_sweep, false, &call);
    redis_args_number(&call.args, in->limit < LIMIT_MOST ? (int64_t)in->limit
                                                         : LIMIT_MOST);
    redis_args_number(&call.args, in->max_crashes);
    redis_add_retention(&call.args, &in->retention);
    call.run_id_word = call.args.count;
    redis_args_text(&call.args, "");
    call.repeatable = call.passing = true;

    enum pawl_status status = redis_call(&self->client, &call, &reply, err);
    if (status == PAWL_OK)
        status = read_reply(self, in->queue, reply, out, err);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return status;
}
