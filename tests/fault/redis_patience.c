/* redis_patience.c - a worker whose server answers errors for a while: few requests,
 * one line in the log when it begins and one when it is over. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lanes.h"
#include "pawl.h"
#include "redis_caller.h"
#include "redis_server.h"
#include "util/clock.h"
#include "util/thread.h"

#define PATIENCE_NS INT64_C(30000000000)
#define WATCH_NS INT64_C(2500000000)

/* --- a worker ------------------------------------------------------------------------- */

/* All is handed to a real server, but for what the plan wants. Blocking commands stay
 * unanswered, as if nothing happened. */
struct relay {
    const char *reply; /* to scripts; NULL: none, it works */
    redisContext *upstream;
    int scripts; /* that were refused */
};

static void add_reply(struct buf *out, const redisReply *reply)
{
    switch (reply->type) {
    case REDIS_REPLY_INTEGER:
        buf_printf(out, ":%lld\r\n", reply->integer);
        break;
    case REDIS_REPLY_STATUS:
        buf_printf(out, "+%s\r\n", reply->str);
        break;
    case REDIS_REPLY_ERROR:
        buf_printf(out, "-%s\r\n", reply->str);
        break;
    case REDIS_REPLY_STRING:
        buf_printf(out, "$%zu\r\n", (size_t)reply->len);
        buf_add(out, reply->str, (size_t)reply->len);
        buf_str(out, "\r\n");
        break;
    case REDIS_REPLY_ARRAY:
        buf_printf(out, "*%zu\r\n", reply->elements);
        for (size_t i = 0; i < reply->elements; i++)
            add_reply(out, reply->element[i]);
        break;
    default:
        buf_str(out, "$-1\r\n");
    }
}

static enum fake_next relay_answer(void *context, const struct fake_request *request,
                                   struct buf *reply)
{
    struct relay *relay = context;
    redisReply *real;

    if (!request->name[0] || strncasecmp(request->name, "XREAD", 5) == 0)
        return FAKE_GO_ON;
    if (relay->reply && strncasecmp(request->name, "EVAL", 4) == 0) {
        relay->scripts++;
        buf_printf(reply, "-%s\r\n", relay->reply);
        return FAKE_GO_ON;
    }
    real = redisCommandArgv(relay->upstream, request->argc, (const char **)request->argv,
                            request->sizes);
    ck_assert_ptr_nonnull(real);
    add_reply(reply, real);
    freeReplyObject(real);
    return FAKE_GO_ON;
}

struct heard {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    /* Read by the test without the mutex when the worker has ended. */
    int failing, back, other; /* lines */
    int done;                 /* jobs */
    char last[256];           /* line that is a warning */
};

static void hear(void *context, enum pawl_log_level level, const char *id,
                 const char *text)
{
    struct heard *heard = context;

    pthread_mutex_lock(&heard->mutex);
    if (strcmp(id, "storage-failing") == 0)
        heard->failing++;
    else if (strcmp(id, "storage-back") == 0)
        heard->back++;
    else if (level >= PAWL_LOG_WARN)
        heard->other++;
    if (level >= PAWL_LOG_WARN)
        snprintf(heard->last, sizeof heard->last, "%s: %s", id, text);
    pthread_cond_broadcast(&heard->more);
    pthread_mutex_unlock(&heard->mutex);
}

static void await(struct heard *heard, const int *count, int least)
{
    struct timespec until = clock_timespec(clock_mono_ns() + PATIENCE_NS);

    pthread_mutex_lock(&heard->mutex);
    while (*count < least)
        ck_assert_msg(pthread_cond_timedwait(&heard->more, &heard->mutex, &until) == 0,
                      "%d of %d: %s", *count, least, heard->last);
    pthread_mutex_unlock(&heard->mutex);
}

/* For so long nothing is to be logged. */
static void await_nothing(struct heard *heard)
{
    struct timespec until = clock_timespec(clock_mono_ns() + WATCH_NS);
    int before;

    pthread_mutex_lock(&heard->mutex);
    before = heard->failing + heard->back + heard->other;
    while (pthread_cond_timedwait(&heard->more, &heard->mutex, &until) == 0)
        ck_assert_msg(heard->failing + heard->back + heard->other == before, "%s",
                      heard->last);
    pthread_mutex_unlock(&heard->mutex);
}

static struct pawl_verdict count_job(void *context, const struct pawl_job *job,
                                     struct pawl_run *run)
{
    struct heard *heard = context;

    (void)job;
    (void)run;
    pthread_mutex_lock(&heard->mutex);
    heard->done++;
    pthread_cond_broadcast(&heard->more);
    pthread_mutex_unlock(&heard->mutex);
    return pawl_done();
}

static void relay_say(struct fake_redis *fake, struct relay *relay, const char *reply)
{
    fake_redis_lock(fake);
    relay->reply = reply;
    fake_redis_unlock(fake);
}

static int relay_refused(struct fake_redis *fake, const struct relay *relay)
{
    int count;

    fake_redis_lock(fake);
    count = relay->scripts;
    fake_redis_unlock(fake);
    return count;
}

static void start_worker(struct fake_redis *fake, struct heard *heard,
                         struct pawl **pawl, struct pawl_worker **worker)
{
    struct pawl_options options = PAWL_OPTIONS_INIT;
    struct pawl_worker_options how = PAWL_WORKER_OPTIONS_INIT;
    struct pawl_error err = { 0 };

    options.deadline = 1000;
    options.log = hear;
    options.log_context = heard;
    how.handler = count_job;
    how.context = heard;
    how.lease = 5000;
    ck_assert_msg(pawl_open(fake->url, &options, pawl, &err) == PAWL_OK, "%s",
                  err.message);
    ck_assert_msg(pawl_worker_open(*pawl, &how, worker, &err) == PAWL_OK, "%s",
                  err.message);
}

/* Sees to it that the worker is at work. */
static void work_one(struct pawl *pawl, struct heard *heard)
{
    struct pawl_new_job job = { .type = "t" };
    struct pawl_error err = { 0 };
    int before;

    pthread_mutex_lock(&heard->mutex);
    before = heard->done;
    pthread_mutex_unlock(&heard->mutex);
    ck_assert_msg(pawl_enqueue(pawl, &job, NULL, &err) == PAWL_OK, "%s", err.message);
    await(heard, &heard->done, before + 1);
}

/* Whatever the error, if it is not one that ends a worker. */
START_TEST(one_line)
{
    const struct redis_row *row = &redis_rows[_i];
    struct heard heard = { .mutex = PTHREAD_MUTEX_INITIALIZER };
    struct relay relay = { 0 };
    struct redis_server server;
    struct pawl_worker *worker = NULL;
    struct fake_redis fake;
    struct pawl *pawl = NULL;
    int64_t failing;

    if (row->status == PAWL_ECORRUPT || row->status == PAWL_EFORMAT)
        return;
    thread_cond_init(&heard.more);
    redis_server_start(&server, NULL);
    relay.upstream = redisConnectUnix(server.socket);
    ck_assert(relay.upstream && !relay.upstream->err);
    fake_redis_start(&fake, relay_answer, &relay);
    start_worker(&fake, &heard, &pawl, &worker);
    work_one(pawl, &heard);

    relay_say(&fake, &relay, row->reply);
    failing = clock_mono_ns();
    await(&heard, &heard.failing, 1);
    await_nothing(&heard);
    ck_assert_int_ge(relay_refused(&fake, &relay), 2);
    relay_say(&fake, &relay, NULL);
    await(&heard, &heard.back, 1);
    work_one(pawl, &heard);
    ck_assert_int_le(fake_redis_rate(&fake, "EVALSHA", failing, 1000), RATE_MOST);
    pawl_worker_close(worker);
    pawl_close(pawl);
    ck_assert_msg(heard.failing == 1 && heard.back == 1 && heard.other == 0,
                  "%d failing, %d back, %d others: %s", heard.failing, heard.back,
                  heard.other, heard.last);
    ck_assert_ptr_nonnull(strstr(heard.last, row->says));
    fake_redis_stop(&fake);
    redisFree(relay.upstream);
    redis_server_stop(&server);
}
END_TEST

int main(void)
{
    const struct lane_test tests[] = { { one_line, redis_row_count } };
    return lanes_run("redis_patience", tests, 1, 8, 120, NULL, NULL);
}
