/* redis_wait.c - sleeping until something may be claimable, and waking at once.
 *
 * Before it sleeps the waiter looks at its queues (lua/doze.lua). A look that finds
 * something new to claim ends the wait. One that does not leaves a mark, `hungry`,
 * and brings back the last entry of the stream `wake`; whatever makes something
 * claimable after it finds the mark and adds an entry. So XREAD BLOCK from that
 * entry on sleeps without missing anything, and producers pay nothing while nobody
 * sleeps. XREAD's answer ends the wait: not a round trip more.
 *
 * Jobs that were there at the look before and still are end no wait: a queue that
 * nobody has hands for must not keep its neighbour's waiter from sleeping. The core
 * relies on no more than that.
 *
 * A wait that ends for another reason leaves its XREAD outstanding, and the next
 * wait goes on with it: its entries and marks are as right as they were.
 *
 * A blocked connection that was cut off does not notice. So XREAD is for 5 s at
 * most, and has 2 s more to answer.
 */
#include "storage/redis/redis_waiter.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "storage/redis/redis_error.h"
#include "util/clock.h"
#include "util/random.h"

#define NS_PER_MS     INT64_C(1000000)
#define BLOCK_MS      5000 /* of an XREAD */
#define SLACK_MS      2000 /* for its answer to come */
#define FAKE_CLOCK_MS 50   /* look at a clock that a test sets */
#define STEP_MS       60000
#define PAUSE_FIRST   50 /* after the second failure in a row */
#define PAUSE_MOST    1000
/* A Cluster blocks on one slot per connection, so each queue needs its own. The
 * queues beyond these are looked at once a second. */
#define CONNECTIONS_MOST 16
#define BEYOND_MS        1000
#define AGAIN_MOST 32 /* queues that are looked at anew every 5 s */

/* --- failures --------------------------------------------------------------------- */

static void close_group(struct redis_group *group)
{
    redis_conn_close(group->conn);
    group->conn = NULL;
    group->blocked = false;
    for (size_t i = 0; i < group->count; i++)
        group->sleepers[i].marked = false;
}

/* The connection is of no more use, nor is what was known through it. After the
 * first failure all is tried again at once: mostly a connection was cut, and the
 * server is there. */
static void group_failed(struct redis_waiter *waiter, struct redis_group *group)
{
    uint64_t pause = PAUSE_FIRST;
    close_group(group);
    redis_route_doubt(waiter->client.route, group->sleepers[0].queue->slot);
    for (int i = 1; i < group->failures && pause < PAUSE_MOST; i++)
        pause *= 2;
    if (pause > PAUSE_MOST)
        pause = PAUSE_MOST;
    pause = pause / 2 + random_u64() % (pause / 2);
    if (group->failures++ > 0)
        group->not_before = clock_mono_ns() + (int64_t)pause * NS_PER_MS;
}

/* Nobody sleeps, and nobody is about to: the worker had better know. While one of
 * several servers is away the others are slept on, and it is tried now and then. */
static bool all_failed(const struct redis_waiter *waiter)
{
    int64_t now = clock_mono_ns();
    for (size_t i = 0; i < waiter->group_count; i++) {
        const struct redis_group *group = &waiter->groups[i];
        if (group->blocked || group->failures == 0 || redis_group_awake(group, now))
            return false;
    }
    return waiter->group_count > 0;
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
        close_group(group);
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

static void fall_asleep(struct redis_waiter *waiter, struct redis_group *group)
{
    enum pawl_status status = connect_group(waiter, group);
    if (status == PAWL_OK && all_marked(group))
        status = send_xread(waiter, group);
    if (status != PAWL_OK)
        group_failed(waiter, group);
}

/* One that is awake, and was looked at. */
static void settle_group(struct redis_waiter *waiter, struct redis_group *group)
{
    if (group->missed) {
        group->missed = false;
        group->failures += group->failures == 0; /* it was tried again already */
        group_failed(waiter, group);
    } else if (group - waiter->groups < CONNECTIONS_MOST) {
        fall_asleep(waiter, group);
    } else {
        close_group(group);
        group->failures = 0;
        group->not_before = clock_mono_ns() + BEYOND_MS * NS_PER_MS;
    }
}

/* Bring all groups to sleep that are awake. True: the wait is over, since there is
 * something to claim. */
static bool lie_down(struct redis_instance *self)
{
    struct redis_waiter *waiter = self->waiter;
    int64_t now = clock_mono_ns();
    bool found = redis_waiter_look(self, now);
    for (size_t i = 0; i < waiter->group_count; i++) {
        struct redis_group *group = &waiter->groups[i];
        if (redis_group_awake(group, now) && (!found || group->missed))
            settle_group(waiter, group);
    }
    return found;
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
    group_failed(waiter, group);
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
    group_failed(waiter, group);
}

/* There is something to read. True: there is news. */
static bool hear(struct redis_waiter *waiter, struct redis_group *group)
{
    int64_t deadline = clock_mono_ns() + SLACK_MS * NS_PER_MS;
    redisReply *reply = NULL;
    bool is_news = false;
    if (!redis_conn_readable(group->conn)) /* TLS has messages of its own */
        return false;
    if (redis_conn_receive(group->conn, deadline, &reply, &waiter->error) !=
        PAWL_OK) {
        group_failed(waiter, group);
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

/* It did not answer in time. */
static void give_up(struct redis_waiter *waiter, struct redis_group *group)
{
    char where[REDIS_TEXT_MAX + 16];
    redis_address_format(redis_conn_address(group->conn), where, sizeof where);
    pawl_error_set(&waiter->error, PAWL_EUNREACHABLE,
                   "%s is silent: no answer to a wait of %d ms", where, BLOCK_MS);
    group_failed(waiter, group);
}

static bool drain_kick(struct redis_waiter *waiter)
{
    uint64_t kicks;
    return read(waiter->kick_fd, &kicks, sizeof kicks) > 0;
}

/* How long poll() may sleep, at most `left` ms: until the first group wants attention. */
static int time_to_sleep(const struct redis_waiter *waiter, int64_t left)
{
    int64_t now = clock_mono_ns();
    for (size_t i = 0; i < waiter->group_count; i++) {
        const struct redis_group *group = &waiter->groups[i];
        int64_t at = group->blocked ? group->answer_by : group->not_before;
        int64_t ms = at <= now ? 0 : (at - now + NS_PER_MS - 1) / NS_PER_MS;
        if (ms < left)
            left = ms;
    }
    return (int)left;
}

/* Sleep. True: the wait is over. Only the first groups ever have a connection to wait
 * for, and poll() refuses more entries than a process may have files. */
static bool sleep_on(struct redis_waiter *waiter, int64_t left)
{
    struct pollfd *polls = waiter->polls;
    size_t count = waiter->group_count < CONNECTIONS_MOST ? waiter->group_count
                                                          : CONNECTIONS_MOST;
    bool over = false;
    polls[0] = (struct pollfd){ .fd = waiter->kick_fd, .events = POLLIN };
    for (size_t i = 0; i < count; i++) {
        const struct redis_group *group = &waiter->groups[i];
        polls[i + 1] = (struct pollfd){
            .fd = group->blocked ? redis_conn_fd(group->conn) : -1,
            .events = POLLIN
        };
    }
    if (poll(polls, count + 1, time_to_sleep(waiter, left)) < 0)
        return false; /* a signal: all is looked at again */
    for (size_t i = 0; i < count; i++) {
        struct redis_group *group = &waiter->groups[i];
        if (polls[i + 1].revents != 0)
            over = hear(waiter, group) || over;
        else if (group->blocked && clock_mono_ns() >= group->answer_by)
            give_up(waiter, group);
    }
    return over || (polls[0].revents != 0 && drain_kick(waiter));
}

/* --- wait and kick -------------------------------------------------------------------- */

/* ms until `until`, or until that is to be asked again. */
static int64_t time_left(const struct redis_waiter *waiter, pawl_time until)
{
    const struct pawl_clock *clock = &waiter->client.clock;
    int64_t most = waiter->client.settings.caller_clock ? FAKE_CLOCK_MS : STEP_MS;
    int64_t left = until - clock->steady(clock->context);
    return left < most ? left : most;
}

enum pawl_status redis_wait(struct pawl_storage *storage, const struct pawl_wait *in,
                            struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    struct redis_waiter *waiter = self->waiter;
    enum pawl_status status = redis_waiter_learn(self, in, err);
    if (status != PAWL_OK || drain_kick(waiter))
        return status;
    for (;;) {
        int64_t left = time_left(waiter, in->until);
        if (left <= 0 || lie_down(self))
            return PAWL_OK;
        if (all_failed(waiter)) {
            if (err != NULL)
                *err = waiter->error;
            return waiter->error.status;
        }
        if (sleep_on(waiter, left))
            return PAWL_OK;
    }
}

void redis_kick(struct pawl_storage *storage)
{
    const struct redis_waiter *waiter = ((struct redis_instance *)storage)->waiter;
    uint64_t one = 1;
    while (write(waiter->kick_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}
