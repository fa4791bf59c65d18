/* redis_alter.c - an operator's moves; lua/alter.lua makes them.
 *
 * Named jobs, and the queue itself, are one call. A filter may pass over a million
 * jobs to find one, and the server does nothing else while a script runs: so one
 * call looks at a bounded number and tells where it stopped, and the next one goes
 * on there, until `limit` jobs are changed or all were looked at. What one call
 * changed stays changed when a later one fails: that is what `more` is for.
 */
#include <string.h>

#include "storage/redis/redis_storage.h"
#include "util/clock.h"

#define PLACE_WORDS 4 /* of where to go on: state, line, place or score, id */

struct walk {
    bool on;           /* not at its end */
    bool limit_reached;
    redisReply *reply; /* in which its place is; NULL: at the beginning */
};

static enum pawl_status bad_reply(const struct redis_instance *self,
                                  const struct pawl_alter *in, struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_ECORRUPT,
                          "redis at %s answers a change of jobs of '%s' with "
                          "something else", self->client.settings.where, in->queue);
}

static void begin(struct redis_instance *self, const struct redis_queue *queue,
                  const struct pawl_alter *in, struct redis_call *call)
{
    redis_begin(self, queue, &redis_script_alter, true, call);
    redis_args_number(&call->args, in->kind);
    redis_args_number(&call->args, in->from_states);
    redis_args_text(&call->args, in->fresh_start ? "1" : "0");
    redis_args_number(&call->args, in->priority);
    redis_add_retention(&call->args, &in->retention);
}

/* Every reply begins with the number of jobs changed. */
static bool read_changed(const redisReply *reply, size_t elements, size_t *changed)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < elements ||
        reply->element[0]->type != REDIS_REPLY_INTEGER)
        return false;
    *changed += (size_t)reply->element[0]->integer;
    return true;
}

/* --- the queue, and named jobs ----------------------------------------------------- */

static enum pawl_status alter_queue(struct redis_instance *self,
                                    const struct redis_queue *queue,
                                    const struct pawl_alter *in,
                                    struct pawl_error *err)
{
    struct redis_call call;
    redisReply *reply = NULL;
    begin(self, queue, in, &call);
    redis_args_text(&call.args, "queue");
    call.repeatable = true;
    enum pawl_status status = redis_call_making(self, queue, &call, &reply, err);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return status;
}

static bool read_results(const redisReply *reply, const struct pawl_alter *in,
                         struct pawl_alter_reply *out)
{
    const redisReply *letters;
    if (!read_changed(reply, 2, &out->changed))
        return false;
    letters = reply->element[1];
    if (letters->type != REDIS_REPLY_STRING || letters->len != in->id_count)
        return false;
    for (size_t i = 0; i < in->id_count; i++) {
        switch (letters->str[i]) {
        case 'o':
            out->results[i] = PAWL_OK;
            break;
        case 'n':
            out->results[i] = PAWL_NOT_FOUND;
            break;
        case 'w':
            out->results[i] = PAWL_WRONG_STATE;
            break;
        case 'k':
            out->results[i] = PAWL_KEY_TAKEN;
            break;
        default:
            return false;
        }
    }
    return true;
}

static enum pawl_status alter_named(struct redis_instance *self,
                                    const struct redis_queue *queue,
                                    const struct pawl_alter *in,
                                    struct pawl_alter_reply *out,
                                    struct pawl_error *err)
{
    struct redis_call call;
    redisReply *reply = NULL;
    begin(self, queue, in, &call);
    redis_args_text(&call.args, "ids");
    redis_args_add(&call.args, in->ids, in->id_count * sizeof *in->ids);
    enum pawl_status status = redis_call_making(self, queue, &call, &reply, err);
    if (status == PAWL_OK && !read_results(reply, in, out))
        status = bad_reply(self, in, err);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return status;
}

/* --- all that match ------------------------------------------------------------------ */

static void add_type(struct redis_args *args, const char *type)
{
    size_t size = type == NULL ? 0 : strlen(type);
    char *word;
    if (type == NULL) {
        redis_args_text(args, "");
        return;
    }
    word = redis_args_space(args, size + 1);
    if (word == NULL)
        return;
    word[0] = '=';
    memcpy(word + 1, type, size);
}

static void add_place(struct redis_args *args, const struct walk *walk)
{
    static const char *const beginning[PLACE_WORDS] = { "2", "0", "0", "" };
    char *word;
    for (size_t i = 0; i < PLACE_WORDS; i++) {
        const redisReply *part =
            walk->reply == NULL ? NULL : walk->reply->element[2 + i];
        if (part == NULL) {
            redis_args_text(args, beginning[i]);
        } else if (part->type == REDIS_REPLY_INTEGER) {
            redis_args_number(args, part->integer);
        } else {
            word = redis_args_space(args, part->len);
            if (word != NULL)
                memcpy(word, part->str, part->len);
        }
    }
}

static bool read_place(const redisReply *reply, struct walk *walk)
{
    const redisReply *word = reply->element[1];
    if (word->type != REDIS_REPLY_STRING)
        return false;
    walk->on = strcmp(word->str, "on") == 0;
    walk->limit_reached = strcmp(word->str, "more") == 0;
    if (!walk->on)
        return walk->limit_reached || strcmp(word->str, "done") == 0;
    if (reply->elements != 2 + PLACE_WORDS)
        return false;
    for (size_t i = 2; i < reply->elements; i++) {
        if (reply->element[i]->type != REDIS_REPLY_INTEGER &&
            reply->element[i]->type != REDIS_REPLY_STRING)
            return false;
    }
    return true;
}

/* One call's look at the queue, from where the one before stopped. */
static enum pawl_status walk_on(struct redis_instance *self,
                                const struct redis_queue *queue,
                                const struct pawl_alter *in, int64_t until,
                                struct walk *walk, struct pawl_alter_reply *out,
                                struct pawl_error *err)
{
    struct redis_call call;
    redisReply *reply = NULL;
    begin(self, queue, in, &call);
    call.until = until;
    redis_args_text(&call.args, "all");
    add_type(&call.args, in->type);
    redis_args_number(&call.args, in->older_than);
    redis_args_number(&call.args, (int64_t)(in->limit - out->changed));
    add_place(&call.args, walk);
    enum pawl_status status = redis_call_making(self, queue, &call, &reply, err);
    redis_args_clear(&call.args);
    if (status != PAWL_OK)
        return status;
    freeReplyObject(walk->reply);
    walk->reply = reply;
    if (!read_changed(reply, 2, &out->changed) || !read_place(reply, walk))
        return bad_reply(self, in, err);
    return PAWL_OK;
}

static enum pawl_status alter_matching(struct redis_instance *self,
                                       const struct redis_queue *queue,
                                       const struct pawl_alter *in,
                                       struct pawl_alter_reply *out,
                                       struct pawl_error *err)
{
    int64_t until = redis_call_until(&self->client);
    struct walk walk = { .on = true };
    enum pawl_status status = PAWL_OK;
    while (walk.on && status == PAWL_OK) {
        status = walk_on(self, queue, in, until, &walk, out, err);
        if (status == PAWL_OK && walk.on && clock_mono_ns() > until)
            status = pawl_error_set(err, PAWL_ETIMEOUT,
                                    "no job of '%s' was found that matches in the "
                                    "time there is for a call", in->queue);
    }
    out->more = walk.on || walk.limit_reached;
    if (status != PAWL_OK && status != PAWL_EUNKNOWN && out->changed > 0)
        status = PAWL_OK; /* so far; whoever asks for more will hear of it */
    freeReplyObject(walk.reply);
    return status;
}

enum pawl_status redis_alter(struct pawl_storage *storage,
                             const struct pawl_alter *in,
                             struct pawl_alter_reply *out, struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    struct redis_queue *queue = redis_enter(self, in->queue, err);
    out->changed = 0;
    out->more = false;
    if (queue == NULL)
        return PAWL_ENOMEM;
    if (in->kind == PAWL_ALTER_PAUSE || in->kind == PAWL_ALTER_RESUME ||
        in->kind == PAWL_ALTER_RETENTION)
        return alter_queue(self, queue, in, err);
    if (in->ids != NULL)
        return alter_named(self, queue, in, out, err);
    return alter_matching(self, queue, in, out, err);
}
