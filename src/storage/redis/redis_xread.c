/* redis_xread.c - a group of queues asleep on one connection: XREAD BLOCK, and what it
 * answers.
 *
 * A blocked connection that was cut off does not notice. So XREAD is for 5 s at
 * most, and has 2 s more to answer. When to sleep, and when a wait is over, is
 * redis_wait.c's.
 */
#include "storage/redis/redis_waiter.h"

#include <string.h>

#include "storage/redis/redis_error.h"
#include "util/clock.h"
#include "util/random.h"

#define NS_PER_MS   INT64_C(1000000)
#define BLOCK_MS    5000 /* of an XREAD */
#define SLACK_MS    2000 /* for its answer to come */
#define PAUSE_FIRST 50   /* after the second failure in a row */
#define PAUSE_MOST  1000
#define AGAIN_MOST  32 /* queues that are looked at anew every 5 s */

/* --- failures --------------------------------------------------------------------- */

void redis_group_close(struct redis_group *group)
{
    redis_conn_close(group->conn);
    group->conn = NULL;
    group->blocked = false;
    for (size_t i = 0; i < group->count; i++)
        group->sleepers[i].marked = false;
}

void redis_group_failed(struct redis_waiter *waiter, struct redis_group *group)
{
    uint64_t pause = PAUSE_FIRST;
    redis_group_close(group);
    redis_route_doubt(waiter->client.route, group->sleepers[0].queue->slot);
    for (int i = 1; i < group->failures && pause < PAUSE_MOST; i++)
        pause *= 2;
    if (pause > PAUSE_MOST)
        pause = PAUSE_MOST;
    pause = pause / 2 + random_u64() % (pause / 2);
    if (group->failures++ > 0)
        group->not_before = clock_mono_ns() + (int64_t)pause * NS_PER_MS;
}

/* --- falling asleep ----------------------------------------------------------------- */

/* The connection to where the queues are now; it may be another server than at the
 * last time, and then what was known is of no use. */
static enum pawl_status connect_group(struct redis_waiter *waiter,
                                      struct redis_group *group)
{
    int64_t deadline = clock_mono_ns() + waiter->client.deadline * NS_PER_MS;
    struct redis_pool *pool = NULL;
    enum pawl_status status =
        redis_route_to(waiter->client.route, group->sleepers[0].queue->slot,
                       deadline, &pool, &waiter->error);
    if (status != PAWL_OK || (group->conn != NULL && group->pool == pool))
        return status;
    if (group->conn != NULL)
        redis_group_close(group);
    group->pool = pool;
    return redis_pool_extra(pool, deadline, &group->conn, &waiter->error);
}

static bool all_marked(const struct redis_group *group)
{
    for (size_t i = 0; i < group->count; i++)
        if (!group->sleepers[i].marked)
            return false;
    return true;
}

static enum pawl_status send_xread(struct redis_waiter *waiter,
                                   struct redis_group *group)
{
    struct redis_args args = { 0 };
    redis_args_text(&args, "XREAD");
    redis_args_text(&args, "BLOCK");
    redis_args_number(&args, BLOCK_MS);
    redis_args_text(&args, "COUNT");
    redis_args_text(&args, "1");
    redis_args_text(&args, "STREAMS");
    for (size_t i = 0; i < group->count; i++) {
        const struct redis_queue *queue = group->sleepers[i].queue;
        redis_args_add(&args, queue->keys[REDIS_KEY_WAKE],
                       queue->key_sizes[REDIS_KEY_WAKE]);
    }
    for (size_t i = 0; i < group->count; i++)
        redis_args_text(&args, group->sleepers[i].last);
    int64_t now = clock_mono_ns();
    enum pawl_status status =
        args.failed ? pawl_error_set(&waiter->error, PAWL_ENOMEM,
                                     "out of memory for waiting")
                    : redis_conn_send(group->conn, args.count, args.argv,
                                      args.sizes, now + SLACK_MS * NS_PER_MS, NULL,
                                      &waiter->error);
    redis_args_clear(&args);
    group->blocked = status == PAWL_OK;
    group->answer_by = now + (BLOCK_MS + SLACK_MS) * NS_PER_MS;
    return status;
}

void redis_group_sleep(struct redis_waiter *waiter, struct redis_group *group)
{
    enum pawl_status status = connect_group(waiter, group);
    if (status == PAWL_OK && all_marked(group))
        status = send_xread(waiter, group);
    if (status != PAWL_OK)
        redis_group_failed(waiter, group);
}

/* --- waking ------------------------------------------------------------------------- */

/* The queue whose stream this is; NULL: none of the group's. */
static struct redis_sleeper *sleeper_of(struct redis_group *group,
                                        const redisReply *stream)
{
    const redisReply *key;
    if (stream->type != REDIS_REPLY_ARRAY || stream->elements == 0)
        return NULL;
    key = stream->element[0];
    for (size_t i = 0; i < group->count; i++) {
        const struct redis_queue *queue = group->sleepers[i].queue;
        if (key->type == REDIS_REPLY_STRING &&
            key->len == queue->key_sizes[REDIS_KEY_WAKE] &&
            memcmp(key->str, queue->keys[REDIS_KEY_WAKE], key->len) == 0)
            return &group->sleepers[i];
    }
    return NULL;
}

/* XREAD's answer: the streams that have a new entry; the other queues are marked as
 * before. Nil after its time: then some are looked at again, who knows what became of
 * the marks. True: there is news. */
static bool read_news(struct redis_waiter *waiter, struct redis_group *group,
                      const redisReply *reply)
{
    bool is_news = false;
    size_t again = reply->type == REDIS_REPLY_NIL ? AGAIN_MOST : 0;
    for (size_t i = 0; i < again && i < group->count; i++)
        group->sleepers[group->again++ % group->count].marked = false;
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        struct redis_sleeper *sleeper = sleeper_of(group, reply->element[i]);
        if (sleeper != NULL) {
            sleeper->marked = false;
            is_news = true;
        }
    }
    if (is_news || reply->type == REDIS_REPLY_NIL) {
        group->failures = 0;
        return is_news;
    }
    pawl_error_set(&waiter->error, PAWL_EFORMAT, "redis answered XREAD strangely");
    redis_group_failed(waiter, group);
    return false;
}

/* The server would not have us wait there. */
static void read_refusal(struct redis_waiter *waiter, struct redis_group *group,
                         const redisReply *reply)
{
    const struct redis_address *here = redis_conn_address(group->conn);
    enum pawl_status status;
    struct redis_address to;
    struct redis_pool *pool;
    int slot;
    if (redis_error_action(reply, &status) == REDIS_MOVED &&
        redis_error_redirect(reply, here, &slot, &to))
        redis_route_moved(waiter->client.route, slot, &to, &pool, NULL);
    redis_error_say(reply, status, here, &waiter->error);
    redis_group_failed(waiter, group);
}

bool redis_group_hear(struct redis_waiter *waiter, struct redis_group *group)
{
    int64_t deadline = clock_mono_ns() + SLACK_MS * NS_PER_MS;
    redisReply *reply = NULL;
    bool is_news = false;
    if (!redis_conn_readable(group->conn)) /* TLS has messages of its own */
        return false;
    if (redis_conn_receive(group->conn, deadline, &reply, &waiter->error) !=
        PAWL_OK) {
        redis_group_failed(waiter, group);
        return false;
    }
    group->blocked = false;
    if (reply->type == REDIS_REPLY_ERROR)
        read_refusal(waiter, group, reply);
    else
        is_news = read_news(waiter, group, reply);
    freeReplyObject(reply);
    return is_news;
}

void redis_group_give_up(struct redis_waiter *waiter, struct redis_group *group)
{
    char where[REDIS_TEXT_MAX + 16];
    redis_address_format(redis_conn_address(group->conn), where, sizeof where);
    pawl_error_set(&waiter->error, PAWL_EUNREACHABLE,
                   "%s is silent: no answer to a wait of %d ms", where, BLOCK_MS);
    redis_group_failed(waiter, group);
}
