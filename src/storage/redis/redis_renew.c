/* redis_renew.c - extending the leases of one owner, all in one step. */
#include <string.h>

#include "storage/redis/redis_storage.h"

#define LEASE_WORD 20 /* id, epoch */

static void add_leases(struct redis_args *args, const struct pawl_renew *in)
{
    uint8_t *at = redis_args_space(args, LEASE_WORD * in->lease_count);
    for (size_t i = 0; at != NULL && i < in->lease_count; i++) {
        uint32_t epoch = in->leases[i].epoch;
        memcpy(at, in->leases[i].id.b, sizeof in->leases[i].id.b);
        at += sizeof in->leases[i].id.b;
        for (int shift = 24; shift >= 0; shift -= 8)
            *at++ = (uint8_t)(epoch >> shift);
    }
}

static enum pawl_status status_of(char letter)
{
    return letter == 'o' ? PAWL_OK : letter == 'c' ? PAWL_CANCEL_ASKED : PAWL_STALE;
}

enum pawl_status redis_renew(struct pawl_storage *storage,
                             const struct pawl_renew *in, enum pawl_status *results,
                             struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    struct redis_queue *queue = redis_enter(self, in->queue, err);
    struct redis_call call;
    redisReply *reply = NULL;
    if (queue == NULL)
        return PAWL_ENOMEM;
    redis_begin(self, queue, &redis_script_renew, false, &call);
    call.repeatable = call.passing = true;
    redis_args_add(&call.args, in->owner.b, sizeof in->owner.b);
    redis_args_number(&call.args, in->lease);
    add_leases(&call.args, in);
    enum pawl_status status = redis_call(&self->client, &call, &reply, err);
    if (status == PAWL_OK && (reply->type != REDIS_REPLY_STRING ||
                              reply->len != in->lease_count))
        status = pawl_error_set(err, PAWL_ECORRUPT,
                                "redis answered a renewal of queue '%s' with "
                                "something else", in->queue);
    for (size_t i = 0; status == PAWL_OK && i < in->lease_count; i++)
        results[i] = status_of(reply->str[i]);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return status;
}
