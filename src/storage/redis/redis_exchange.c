/* redis_exchange.c - outcomes in, claimed jobs out; and leaving, which ends claims.
 *
 * Each claim has a turn, so that a request that is sent again, or whose answer
 * never came, claims the same jobs and no others: see redis_queue.h.
 */
#include <string.h>

#include "storage/redis/redis_bytes.h"
#include "storage/redis/redis_storage.h"
#include "util/clock.h"

#define JOB_WORDS 5 /* in the reply: id, head, body, errors, result */
#define FIRST_JOB 5 /* behind: letters, paused, next_at, rest, more */
#define LEAVE_MS 1000
#define UNPLAIN_FOR 30 /* exchanges of a queue after one that was not plain */
#define TIME_MAX ((INT64_C(1) << 48) - 1)

/* --- the words -------------------------------------------------------------- */

/* The claim's field in `claims`, and its turn. */
static void add_turn(struct redis_args *args, const struct pawl_owner *owner,
                     const struct redis_turn *turn)
{
    if (turn->number == 0) {
        redis_args_text(args, "");
        redis_args_text(args, "");
        return;
    }
    uint8_t *field = redis_args_space(args, sizeof *owner + 1);
    if (field != NULL) {
        memcpy(field, owner, sizeof *owner);
        field[sizeof *owner] = (uint8_t)(turn->number % REDIS_TURNS_KEPT);
    }
    uint8_t *word = redis_args_space(args, turn->from == 0 ? 8 : 12);
    if (word != NULL) {
        redis_bytes_write(word, turn->number, 8);
        if (turn->from != 0)
            redis_bytes_write(word + 8, turn->from, 4);
    }
}

static void add_outcome(struct redis_args *args, const struct pawl_outcome *o)
{
    bool plain = o->kind == PAWL_OUTCOME_COMPLETED;
    pawl_duration delay = o->delay < 0 ? 0 : o->delay > TIME_MAX ? TIME_MAX : o->delay;
    uint8_t *word = redis_args_space(args, plain ? 21 : 27);
    if (word != NULL) {
        memcpy(word, o->id.b, sizeof o->id.b);
        redis_bytes_write(word + 16, o->epoch, 4);
        word[20] = (uint8_t)o->kind;
        if (!plain)
            redis_bytes_write(word + 21, (uint64_t)delay, 6);
    }
    if (plain && o->result_size > 0)
        redis_args_add(args, o->result, o->result_size);
    else
        redis_args_text(args, plain || o->error == NULL ? "" : o->error);
}

static void build(struct redis_instance *self, const struct redis_queue *queue,
                  const struct pawl_exchange *in, const struct redis_turn *turn,
                  struct redis_call *call)
{
    redis_begin(self, queue, &redis_script_exchange, false, call);
    call->repeatable = true;
    call->until = redis_call_until(&self->client);
    redis_args_add(&call->args, in->owner.b, sizeof in->owner.b);
    add_turn(&call->args, &in->owner, turn);
    redis_add_retention(&call->args, &in->retention);
    redis_args_number(&call->args, in->lease);
    redis_args_number(&call->args, (int64_t)in->claim_max);
    for (size_t i = 0; i < in->outcome_count; i++)
        add_outcome(&call->args, &in->outcomes[i]);
}

/* --- the reply --------------------------------------------------------------- */

static bool read_letters(const redisReply *letters, const struct pawl_exchange *in,
                         enum pawl_status *outcomes)
{
    if (letters->type != REDIS_REPLY_STRING ||
        (letters->len != 0 && letters->len != in->outcome_count))
        return false;
    for (size_t i = 0; i < in->outcome_count; i++)
        outcomes[i] = letters->len == 0 || letters->str[i] == 'o' ? PAWL_OK
                                                                  : PAWL_STALE;
    return true;
}

static void free_jobs(struct pawl_exchange_reply *out)
{
    while (out->job_count > 0)
        pawl_job_free(out->jobs[--out->job_count]);
}

/* One damaged record must not stop the queue: that job is not handed out. Its
 * lease will end, and in time it is dead, where somebody looks at it. */
static enum pawl_status read_jobs(const redisReply *reply,
                                  const struct pawl_exchange *in,
                                  struct pawl_exchange_reply *out,
                                  struct pawl_error *err)
{
    for (size_t at = FIRST_JOB; at < reply->elements; at += JOB_WORDS) {
        redisReply **word = reply->element + at;
        struct redis_job_parts parts = { .id = word[0],
                                         .head = word[1],
                                         .body = word[2],
                                         .errors = word[3],
                                         .result = word[4] };
        struct pawl_error ignored = { 0 };
        enum pawl_status status =
            redis_job_read(in->queue, &parts, &out->jobs[out->job_count], &ignored);
        if (status == PAWL_OK)
            out->job_count++;
        else if (status == PAWL_ENOMEM)
            return pawl_error_set(err, status, "%s", ignored.message);
    }
    return PAWL_OK;
}

static enum pawl_status read_reply(const redisReply *reply,
                                   const struct pawl_exchange *in,
                                   struct pawl_exchange_reply *out, uint32_t *rest,
                                   struct pawl_error *err)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < FIRST_JOB ||
        (reply->elements - FIRST_JOB) % JOB_WORDS != 0 ||
        (reply->elements - FIRST_JOB) / JOB_WORDS > in->claim_max ||
        !read_letters(reply->element[0], in, out->outcomes))
        return pawl_error_set(err, PAWL_ECORRUPT,
                              "redis answered an exchange of queue '%s' with "
                              "something else", in->queue);
    out->paused = reply->element[1]->integer != 0;
    out->next_at = reply->element[2]->integer;
    *rest = (uint32_t)reply->element[3]->integer;
    out->more = *rest != 0 || reply->element[4]->integer != 0;
    return read_jobs(reply, in, out, err);
}

/* --- the call --------------------------------------------------------------- */

/* Is it worth asking exchange_plain.lua? Only it can tell; but a queue that was not
 * plain is likely not to be for a while. */
static bool likely_plain(struct redis_queue *queue, const struct pawl_exchange *in)
{
    int unplain = atomic_load_explicit(&queue->unplain, memory_order_relaxed);
    if (unplain > 0) {
        atomic_store_explicit(&queue->unplain, unplain - 1, memory_order_relaxed);
        return false;
    }
    for (size_t i = 0; i < in->outcome_count; i++) {
        if (in->outcomes[i].kind != PAWL_OUTCOME_COMPLETED)
            return false;
    }
    return true;
}

/* exchange_plain.lua answers nil when it has done nothing. But a try of it whose answer
 * was lost may have done all, which is why the next one is not plain: `call` remembers
 * that, and no refusal of exchange.lua is one of the whole. */
static enum pawl_status ask(struct redis_instance *self, struct redis_queue *queue,
                            const struct pawl_exchange *in, struct redis_call *call,
                            redisReply **reply, struct pawl_error *err)
{
    if (likely_plain(queue, in)) {
        call->script = &redis_script_exchange_plain;
        enum pawl_status status = redis_call(&self->client, call, reply, err);
        if (status < 0 || (*reply)->type != REDIS_REPLY_NIL)
            return status;
        freeReplyObject(*reply);
        *reply = NULL;
        atomic_store_explicit(&queue->unplain, UNPLAIN_FOR, memory_order_relaxed);
    }
    call->script = &redis_script_exchange;
    return redis_call(&self->client, call, reply, err);
}

enum pawl_status redis_exchange(struct pawl_storage *storage,
                                const struct pawl_exchange *in,
                                struct pawl_exchange_reply *out,
                                struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    struct redis_queue *queue = redis_enter(self, in->queue, err);
    struct redis_call call;
    redisReply *reply = NULL;
    struct redis_turn turn = { 0 };
    uint32_t rest = 0;
    out->job_count = 0;
    out->paused = false;
    out->next_at = 0;
    if (queue == NULL)
        return PAWL_ENOMEM;
    if (in->claim_max > 0 &&
        !redis_turn_begin(&self->queues, queue, in->owner, &turn))
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory for an owner");
    build(self, queue, in, &turn, &call);
    enum pawl_status status = ask(self, queue, in, &call, &reply, err);
    /* The turn is not over then, and the outcomes are sent again: nothing is lost. */
    if (status == PAWL_OK && read_reply(reply, in, out, &rest, err) != PAWL_OK)
        status = redis_unread(err);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    if (status < 0)
        free_jobs(out);
    if (in->claim_max > 0)
        redis_turn_end(&self->queues, queue, in->owner, &turn, status == PAWL_OK, rest);
    return status;
}

/* --- leaving ------------------------------------------------------------------ */

/* True: done, or given up. */
static bool leave_slice(struct redis_instance *self, struct redis_client *client,
                        const struct redis_queue *queue,
                        const struct pawl_owner *owner, int64_t *from)
{
    struct redis_call call;
    redisReply *reply = NULL;
    redis_begin(self, queue, &redis_script_leave, false, &call);
    call.repeatable = true;
    redis_args_add(&call.args, owner->b, sizeof owner->b);
    redis_args_number(&call.args, *from);
    bool done = redis_call(client, &call, &reply, NULL) != PAWL_OK ||
                reply->type != REDIS_REPLY_INTEGER || reply->integer <= *from;
    if (!done)
        *from = reply->integer;
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return done;
}

/* Whoever cannot be told now learns it when the leases end. */
void redis_leave(struct redis_instance *self)
{
    struct redis_client client = self->client;
    int64_t until = clock_mono_ns() + (int64_t)LEAVE_MS * 1000000;
    for (struct redis_queue *queue = self->queues.first; queue != NULL;
         queue = queue->next) {
        for (struct redis_owner_turns *owner = queue->owners; owner != NULL;
             owner = owner->next) {
            int64_t from = 0;
            do {
                client.deadline = (until - clock_mono_ns()) / 1000000;
                if (client.deadline <= 0)
                    return;
            } while (!leave_slice(self, &client, queue, &owner->owner, &from));
        }
    }
}
