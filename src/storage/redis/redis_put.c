/* redis_put.c - storing new jobs: one script for all of them.
 *
 * The body of each job is made here from the flags on; time and place, which only
 * the server knows, are put in front of it there. Ids are not copied.
 */
#include <string.h>

#include "storage/redis/redis_storage.h"

#define SESSION_SLOTS 16
#define PRIORITIES 10

/* The script's own keys, in its order: these, the lanes that are used, and those
 * that few puts need. Each key costs the server 0.1 us. */
static const enum redis_key keys_of_all[] = { REDIS_KEY_META, REDIS_KEY_JOBS,
                                              REDIS_KEY_SESSIONS, REDIS_KEY_WAKE };
static const enum redis_key keys_of_few[] = { REDIS_KEY_SCHEDULED, REDIS_KEY_UNIQUE,
                                              REDIS_KEY_UNIQUE_TIMES };
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* --- the words -------------------------------------------------------------- */

static void write_number(uint8_t *at, uint64_t number, int size)
{
    for (int i = size - 1; i >= 0; i--, number >>= 8)
        at[i] = (uint8_t)number;
}

static void add_key(struct redis_call *call, const struct redis_queue *queue,
                    int key)
{
    redis_args_add(&call->args, queue->keys[key], queue->key_sizes[key]);
    call->key_count++;
}

static void add_session(struct redis_args *args, const struct pawl_put *in)
{
    uint8_t *field = redis_args_space(args, sizeof in->session + 1);
    if (field != NULL) {
        memcpy(field, &in->session, sizeof in->session);
        field[sizeof in->session] = (uint8_t)(in->seq % SESSION_SLOTS);
    }
    uint8_t *seq = redis_args_space(args, 8);
    if (seq != NULL)
        write_number(seq, in->seq, 8);
}

static bool has_times(const struct pawl_new_job *job)
{
    return job->run_at != 0 || job->delay != 0 || job->ttl != 0;
}

/* Most jobs have no times of their own, and need nothing but their id. */
static void add_id(struct redis_args *args, const struct pawl_new_job *job)
{
    if (!has_times(job)) {
        redis_args_add(args, job->id.b, sizeof job->id.b);
        return;
    }
    uint8_t *word = redis_args_space(args, sizeof job->id.b + 18);
    if (word == NULL)
        return;
    memcpy(word, job->id.b, sizeof job->id.b);
    write_number(word + 16, (uint64_t)job->run_at, 6);
    write_number(word + 22, (uint64_t)job->delay, 6);
    write_number(word + 28, (uint64_t)job->ttl, 6);
}

static void build(struct redis_instance *self, const struct redis_queue *queue,
                  const struct pawl_put *in, struct redis_call *call)
{
    bool used[PRIORITIES + 1] = { false }, few = false;
    *call = (struct redis_call){ .script = &redis_script_put,
                                 .slot = queue->slot,
                                 .repeatable = true };
    for (size_t i = 0; i < in->job_count; i++) {
        used[in->jobs[i].priority] = true;
        few = few || in->jobs[i].key != NULL || has_times(&in->jobs[i]);
    }
    for (size_t i = 0; i < COUNT_OF(keys_of_all); i++)
        add_key(call, queue, (int)keys_of_all[i]);
    for (int lane = 1; lane <= PRIORITIES; lane++) {
        if (used[lane])
            add_key(call, queue, REDIS_KEY_LINE_FIRST + lane - 1);
    }
    for (size_t i = 0; few && i < COUNT_OF(keys_of_few); i++)
        add_key(call, queue, (int)keys_of_few[i]);
    redis_add_clock(self, &call->args);
    redis_args_text(&call->args, "0");
    add_session(&call->args, in);
    redis_args_number(&call->args, (int64_t)in->job_count);
    for (int lane = 1; lane <= PRIORITIES; lane++) {
        if (used[lane])
            redis_args_number(&call->args, lane);
    }
    for (size_t i = 0; i < in->job_count; i++) {
        add_id(&call->args, &in->jobs[i]);
        redis_spec_add(&call->args, &in->jobs[i]);
    }
}

/* --- the reply --------------------------------------------------------------- */

static bool is_status(const redisReply *reply, const char *text)
{
    return reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, text) == 0;
}

/* A byte for each job, and the holder's id where the key is taken. False: it is
 * something else. */
static bool read_codes(const redisReply *reply, const struct pawl_put *in,
                       struct pawl_put_result *results)
{
    static const enum pawl_status statuses[] = { PAWL_OK, PAWL_DUPLICATE,
                                                 PAWL_KEY_TAKEN };
    if (reply->type != REDIS_REPLY_STRING)
        return false;
    const char *at = reply->str, *end = reply->str + reply->len;
    for (size_t i = 0; i < in->job_count; i++) {
        uint8_t code = at == end ? UINT8_MAX : (uint8_t)*at++;
        if (code >= sizeof statuses / sizeof *statuses)
            return false;
        results[i].status = statuses[code];
        results[i].id = in->jobs[i].id;
        if (results[i].status != PAWL_KEY_TAKEN)
            continue;
        if (end - at < (ptrdiff_t)sizeof results[i].id)
            return false;
        memcpy(&results[i].id, at, sizeof results[i].id);
        at += sizeof results[i].id;
    }
    return at == end;
}

static enum pawl_status read_reply(const redisReply *reply,
                                   const struct pawl_put *in,
                                   struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    if (is_status(reply, "OK")) {
        for (size_t i = 0; i < in->job_count; i++)
            results[i] = (struct pawl_put_result){ PAWL_OK, in->jobs[i].id };
        return PAWL_OK;
    }
    if (is_status(reply, "TOOOLD"))
        return pawl_error_set(err, PAWL_ETOOOLD,
                              "put %llu into '%s' is older than those remembered",
                              (unsigned long long)in->seq, in->queue);
    if (reply->type == REDIS_REPLY_INTEGER)
        return pawl_error_set(err, PAWL_EINVAL,
                              "put %llu into '%s' was of %lld jobs, now of %zu",
                              (unsigned long long)in->seq, in->queue,
                              reply->integer, in->job_count);
    if (!read_codes(reply, in, results))
        return pawl_error_set(err, PAWL_ECORRUPT,
                              "redis keeps a damaged reply to put %llu into '%s'",
                              (unsigned long long)in->seq, in->queue);
    return PAWL_OK;
}

enum pawl_status redis_put(struct pawl_storage *storage, const struct pawl_put *in,
                           struct pawl_put_result *results, struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    struct redis_queue *queue = redis_enter(self, in->queue, err);
    struct redis_call call;
    redisReply *reply = NULL;
    if (queue == NULL)
        return PAWL_ENOMEM;
    build(self, queue, in, &call);
    enum pawl_status status = redis_call_making(self, queue, &call, &reply, err);
    if (status == PAWL_OK)
        status = read_reply(reply, in, results, err);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return status;
}
