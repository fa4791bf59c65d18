/* redis_handover.c - jobs to another storage: held, then deleted or put back;
 * lua/take_out.lua does it. The other side is redis_bring_in.c.
 *
 * One call looks at a bounded number of jobs that others hold. When that was all it
 * did, the next one goes on behind them, since no job at all means that there is none. */
#include <string.h>

#include "storage/redis/redis_bytes.h"
#include "storage/redis/redis_storage.h"
#include "util/clock.h"

/* More would keep the server from everybody else for too long. */
#define HOLD_MOST 5000

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

/* `from`: where to go on; 0: there is no more. The script holds nothing that this could
 * not read (lua/lib/readable.lua). */
static enum pawl_status read_jobs(struct redis_instance *self,
                                  const struct pawl_take_out *in,
                                  const redisReply *reply,
                                  struct pawl_take_out_reply *out, int64_t *from,
                                  struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    size_t count = 0;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
        reply->elements - 1 > in->limit ||
        reply->element[0]->type != REDIS_REPLY_INTEGER)
        return bad_reply(self, in, err);
    *from = reply->element[0]->integer;
    for (; count < reply->elements - 1 && status == PAWL_OK; count++) {
        const redisReply *job = reply->element[1 + count];
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

/* --- the calls ------------------------------------------------------------------- */

static void begin(struct redis_instance *self, const struct redis_queue *queue,
                  const struct pawl_take_out *in, struct redis_call *call)
{
    static const char *const kinds[] = { [PAWL_TAKE_HOLD] = "hold",
                                         [PAWL_TAKE_CONFIRM] = "confirm",
                                         [PAWL_TAKE_RELEASE] = "release",
                                         [PAWL_TAKE_PASS] = "pass" };
    redis_begin(self, queue, &redis_script_take_out, false, call);
    redis_args_text(&call->args, kinds[in->kind]);
    redis_args_add(&call->args, &in->mover, sizeof in->mover);
}

static enum pawl_status hold(struct redis_instance *self,
                             const struct redis_queue *queue,
                             const struct pawl_take_out *in, int64_t *from,
                             struct pawl_take_out_reply *out, struct pawl_error *err)
{
    struct redis_call call;
    redisReply *reply = NULL;
    begin(self, queue, in, &call);
    redis_args_number(&call.args, in->from_states);
    redis_args_number(&call.args, in->limit < HOLD_MOST ? (int64_t)in->limit
                                                        : HOLD_MOST);
    redis_args_number(&call.args, *from);
    redis_args_text(&call.args, in->only_new ? "1" : "0");
    redis_args_number(&call.args, PAWL_HOLD_BYTES);
    call.repeatable = !in->only_new; /* held again is handed over again */
    enum pawl_status status = redis_call(&self->client, &call, &reply, err);
    if (status == PAWL_OK && read_jobs(self, in, reply, out, from, err) != PAWL_OK)
        status = redis_unread(err);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return status;
}

static enum pawl_status hold_some(struct redis_instance *self,
                                  const struct redis_queue *queue,
                                  const struct pawl_take_out *in,
                                  struct pawl_take_out_reply *out,
                                  struct pawl_error *err)
{
    int64_t end = clock_mono_ns() + self->client.deadline * 1000000, from = 0;
    enum pawl_status status;
    do {
        if (from != 0 && clock_mono_ns() > end)
            return pawl_error_set(err, PAWL_ETIMEOUT,
                                  "others hold so many jobs of '%s' that none of one's "
                                  "own was found in the time there is for a call",
                                  in->queue);
        status = hold(self, queue, in, &from, out, err);
    } while (status == PAWL_OK && out->job_count == 0 && from != 0);
    return status;
}

/* Confirmed again is NOT_FOUND, which is not what came of it: so it is not
 * repeatable. */
static enum pawl_status settle(struct redis_instance *self,
                               const struct redis_queue *queue,
                               const struct pawl_take_out *in,
                               struct pawl_take_out_reply *out, struct pawl_error *err)
{
    struct redis_call call;
    redisReply *reply = NULL;
    begin(self, queue, in, &call);
    redis_args_add(&call.args, in->ids, in->id_count * sizeof *in->ids);
    redis_add_digests(&call.args, in->digests, in->id_count);
    redis_args_add(&call.args, &in->heir, sizeof in->heir);
    enum pawl_status status = redis_call(&self->client, &call, &reply, err);
    if (status == PAWL_OK && read_results(self, in, reply, out, err) != PAWL_OK)
        status = redis_unread(err);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return status;
}

enum pawl_status redis_take_out(struct pawl_storage *storage,
                                const struct pawl_take_out *in,
                                struct pawl_take_out_reply *out,
                                struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    struct redis_queue *queue = redis_enter(self, in->queue, err);
    out->job_count = 0;
    if (queue == NULL)
        return PAWL_ENOMEM;
    return in->kind == PAWL_TAKE_HOLD ? hold_some(self, queue, in, out, err)
                                      : settle(self, queue, in, out, err);
}

/* --- tallies ----------------------------------------------------------------------- */

#define LANES      8
#define TALLY_SIZE (8 + 4 * LANES) /* count, sum */

#define HEADER_SIZE (4 + 4 * LANES) /* how many count, and their sum */

static uint8_t *write_digest(uint8_t *at, const struct pawl_digest *digest)
{
    for (int lane = 0; lane < LANES; lane++)
        at = redis_bytes_write(at, digest->lanes[lane], 4);
    return at;
}

void redis_add_digests(struct redis_args *args, const struct pawl_digest *digests,
                       size_t count)
{
    struct pawl_tally all = { 0 };
    if (digests == NULL) {
        redis_args_text(args, "");
        return;
    }
    uint8_t *at = redis_args_space(args, HEADER_SIZE + count * 4 * LANES);
    if (at == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        all.count += !pawl_digest_is_zero(&digests[i]);
        pawl_digest_add(&all.sum, &digests[i]);
    }
    at = redis_bytes_write(at, all.count, 4);
    at = write_digest(at, &all.sum);
    for (size_t i = 0; i < count; i++)
        at = write_digest(at, &digests[i]);
}

static enum pawl_status read_tally(const struct redis_instance *self,
                                   const char *queue, const redisReply *reply,
                                   struct pawl_tally *out, struct pawl_error *err)
{
    if (reply->type == REDIS_REPLY_STRING && reply->len == 0)
        return PAWL_OK;
    if (reply->type != REDIS_REPLY_STRING || reply->len != TALLY_SIZE)
        return pawl_error_set(err, PAWL_ECORRUPT,
                              "redis at %s keeps a damaged tally of '%s'",
                              self->client.settings.where, queue);
    const uint8_t *at = (const uint8_t *)reply->str;
    out->count = redis_bytes_read(at, 8);
    for (int lane = 0; lane < LANES; lane++)
        out->sum.lanes[lane] = (uint32_t)redis_bytes_read(at + 8 + 4 * lane, 4);
    return PAWL_OK;
}

enum pawl_status redis_tally(struct pawl_storage *storage, const char *name,
                             struct pawl_session mover, bool forget,
                             struct pawl_tally *out, struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    struct redis_queue *queue = redis_enter(self, name, err);
    struct redis_call call;
    redisReply *reply = NULL;
    if (queue == NULL)
        return PAWL_ENOMEM;
    redis_begin(self, queue, &redis_script_take_out, false, &call);
    redis_args_text(&call.args, forget ? "forget" : "tally");
    redis_args_add(&call.args, &mover, sizeof mover);
    call.repeatable = !forget;
    enum pawl_status status = redis_call(&self->client, &call, &reply, err);
    if (status == PAWL_OK)
        status = read_tally(self, name, reply, out, err);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return status;
}
