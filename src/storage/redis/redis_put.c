/* redis_put.c - storing new jobs: one script for all of them.
 *
 * The body of each job is made here from the flags on; time and place, which only
 * the server knows, are put in front of it there. Ids are not copied.
 */
#include <string.h>

#include "storage/redis/redis_bytes.h"
#include "storage/redis/redis_session.h"
#include "storage/redis/redis_storage.h"

#define PRIORITIES 10

/* The script's own keys, in its order: these, the lanes that are used, and those
 * that few puts need. Each key costs the server 0.1 us. */
static const enum redis_key keys_of_all[] = { REDIS_KEY_META, REDIS_KEY_JOBS,
                                              REDIS_KEY_SESSIONS, REDIS_KEY_WAKE };
static const enum redis_key keys_of_few[] = { REDIS_KEY_SCHEDULED, REDIS_KEY_UNIQUE,
                                              REDIS_KEY_UNIQUE_TIMES };
/* Fields of meta, by priority. */
static const char *const bases[PRIORITIES + 1] = {
    "",       "base:1", "base:2", "base:3", "base:4", "base:5",
    "base:6", "base:7", "base:8", "base:9", "base:10",
};
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* --- the words -------------------------------------------------------------- */

static void add_key(struct redis_call *call, const struct redis_queue *queue,
                    int key)
{
    redis_args_add(&call->args, queue->keys[key], queue->key_sizes[key]);
    call->key_count++;
}

static bool has_times(const struct pawl_new_job *job)
{
    return job->run_at != 0 || job->delay != 0 || job->ttl != 0;
}

/* Does it need the keys of few? */
static bool needs_few(const struct pawl_new_job *job)
{
    return job->key != NULL || has_times(job);
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
    redis_bytes_write(word + 16, (uint64_t)job->run_at, 6);
    redis_bytes_write(word + 22, (uint64_t)job->delay, 6);
    redis_bytes_write(word + 28, (uint64_t)job->ttl, 6);
}

/* The queue is there: else put_one.lua leaves it to put.lua. */
static void build_one(struct redis_instance *self, const struct redis_queue *queue,
                      const struct pawl_put *in, int64_t until,
                      struct redis_call *call)
{
    const struct pawl_new_job *job = in->jobs;
    struct redis_args *args = &call->args;
    *call = (struct redis_call){ .script = &redis_script_put_one,
                                 .slot = queue->slot,
                                 .until = until,
                                 .repeatable = true,
                                 .looks_first = true };
    for (size_t i = 0; i < COUNT_OF(keys_of_all); i++)
        add_key(call, queue, (int)keys_of_all[i]);
    add_key(call, queue, REDIS_KEY_LINE_FIRST + job->priority - 1);
    redis_add_now(self, args);
    redis_session_add_field(args, in->session, in->seq);
    redis_args_number(args, (int64_t)in->seq);
    redis_args_text(args, bases[job->priority]);
    add_id(args, job);
    redis_spec_add(args, job);
}

static void build(struct redis_instance *self, const struct redis_queue *queue,
                  const struct pawl_put *in, int64_t until, struct redis_call *call)
{
    bool used[PRIORITIES + 1] = { false }, few = false;
    *call = (struct redis_call){ .script = &redis_script_put,
                                 .slot = queue->slot,
                                 .until = until,
                                 .repeatable = true,
                                 .looks_first = true };
    for (size_t i = 0; i < in->job_count; i++) {
        used[in->jobs[i].priority] = true;
        few = few || needs_few(&in->jobs[i]);
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
    redis_session_add(&call->args, in->session, in->seq);
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

/* --- the call --------------------------------------------------------------- */

enum one { ONE_STORED = 1, ONE_NO_QUEUE = 0, ONE_KNOWN = 2 }; /* put_one.lua */

static enum pawl_status put_one(struct redis_instance *self,
                                const struct redis_queue *queue,
                                const struct pawl_put *in, int64_t until,
                                long long *answer, bool *maybe,
                                struct pawl_error *err)
{
    struct redis_call call;
    redisReply *reply = NULL;
    build_one(self, queue, in, until, &call);
    enum pawl_status status = redis_call(&self->client, &call, &reply, err);
    if (status == PAWL_OK)
        *answer = reply->integer;
    *maybe = call.maybe;
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return status;
}

static enum pawl_status put_all(struct redis_instance *self,
                                const struct redis_queue *queue,
                                const struct pawl_put *in, int64_t until, bool maybe,
                                struct pawl_put_result *results,
                                struct pawl_error *err)
{
    struct redis_call call;
    redisReply *reply = NULL;
    build(self, queue, in, until, &call);
    call.maybe = maybe;
    enum pawl_status status = redis_call_making(self, queue, &call, &reply, err);
    if (status == PAWL_OK)
        status = redis_session_read(reply, in->queue, in->seq, results,
                                    in->job_count, err);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return status;
}

enum pawl_status redis_put(struct pawl_storage *storage, const struct pawl_put *in,
                           struct pawl_put_result *results, struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    const struct redis_queue *queue = redis_enter(self, in->queue, err);
    enum pawl_status status = PAWL_OK;
    int64_t until = redis_call_until(&self->client);
    long long answer = ONE_NO_QUEUE;
    bool maybe = false; /* stored by a try of put_one.lua whose reply was lost */
    if (queue == NULL)
        return PAWL_ENOMEM;
    for (size_t i = 0; i < in->job_count; i++)
        results[i] = (struct pawl_put_result){ PAWL_OK, in->jobs[i].id };
    if (in->job_count == 1 && !needs_few(in->jobs))
        status = put_one(self, queue, in, until, &answer, &maybe, err);
    if (status < 0 || answer == ONE_STORED)
        return status;
    return put_all(self, queue, in, until, maybe, results, err);
}
