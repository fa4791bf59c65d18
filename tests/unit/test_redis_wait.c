/* test_redis_wait.c - the waiter and what can befall it: a cut connection, a server
 * that is silent, gone, or another one. A wait must always come back within its
 * deadlines, and whatever happened, a later put must wake again. What must come is
 * waited for up to twenty seconds. */
#include "redis_cluster.h"
#include "redis_sentinels.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "direct.h"
#include "lanes.h"
#include "storage/storage.h"
#include "util/clock.h"
#include "util/random.h"

#define PATIENCE_NS INT64_C(20000000000)
#define LONG_MS     60000 /* a wait that only what the test does can end */

static struct redis_server server;
static struct redis_cluster cluster;
static struct redis_sentinels sentinels;
static struct pawl_storage *store, *other; /* who waits, and who puts */

/* --- the store ------------------------------------------------------------------ */

static void setup(void)
{
    redis_server_start(&server, NULL);
    store = direct_open(server.url, 5000);
    other = direct_open(server.url, 5000);
}

static void teardown(void)
{
    if (server.pid != 0)
        redis_server_signal(&server, SIGCONT);
    storage_close(store);
    storage_close(other);
    redis_server_stop(&server);
}

static void cluster_setup(void)
{
    redis_cluster_start(&cluster, NULL);
    store = direct_open(cluster.url, 5000);
    other = direct_open(cluster.url, 5000);
}

static void cluster_teardown(void)
{
    storage_close(store);
    storage_close(other);
    redis_cluster_stop(&cluster);
}

static void sentinels_setup(void)
{
    redis_sentinels_start(&sentinels, NULL);
    store = direct_open(sentinels.url, 5000);
    other = direct_open(sentinels.url, 5000);
}

static void sentinels_teardown(void)
{
    storage_close(store);
    storage_close(other);
    redis_sentinels_stop(&sentinels);
}

static void put_in(const char *queue)
{
    direct_put(other, queue);
}

/* --- waiting -------------------------------------------------------------------- */

#define QUEUES_MOST 300
#define FILES_MOST  200 /* fewer than queues */

struct sleeper {
    pthread_t thread;
    struct pawl_storage *instance;
    const char *queues[QUEUES_MOST];
    size_t count;
    pawl_duration time;
    enum pawl_status status;
    struct pawl_error error;
    atomic_bool awake;
};

static enum pawl_status wait_for(struct sleeper *s)
{
    struct pawl_wait in = { .queues = s->queues,
                            .queue_count = s->count,
                            .until = clock_boot_ms() + s->time };
    memset(&s->error, 0, sizeof s->error);
    return storage_wait(s->instance, &in, &s->error);
}

static void *sleep_once(void *arg)
{
    struct sleeper *s = arg;
    s->status = wait_for(s);
    atomic_store(&s->awake, true);
    return NULL;
}

static struct sleeper on(struct pawl_storage *instance, const char *queue,
                         pawl_duration time)
{
    return (struct sleeper){ .instance = instance,
                             .queues = { queue },
                             .count = 1,
                             .time = time };
}

static void fall_asleep(struct sleeper *s)
{
    atomic_store(&s->awake, false);
    ck_assert_int_eq(pthread_create(&s->thread, NULL, sleep_once, s), 0);
}

static void nap(void)
{
    struct timespec ms = { .tv_nsec = 1000000 };
    nanosleep(&ms, NULL);
}

/* The wait has come back; with what. */
static enum pawl_status woken(struct sleeper *s)
{
    int64_t end = clock_mono_ns() + PATIENCE_NS;
    while (!atomic_load(&s->awake) && clock_mono_ns() < end)
        nap();
    ck_assert_msg(atomic_load(&s->awake), "%s", "still asleep");
    pthread_join(s->thread, NULL);
    return s->status;
}

/* Wait until something comes, however often the server fails meanwhile. */
static void *sleep_long(void *arg)
{
    struct sleeper *s = arg;
    for (;;) {
        s->status = wait_for(s);
        if (s->status == PAWL_OK)
            break;
        nap(); /* the core pauses longer */
    }
    atomic_store(&s->awake, true);
    return NULL;
}

static void fall_asleep_for_long(struct sleeper *s)
{
    atomic_store(&s->awake, false);
    ck_assert_int_eq(pthread_create(&s->thread, NULL, sleep_long, s), 0);
}

static bool one_sleeps(void *context)
{
    return redis_server_info_is(context, "blocked_clients", "1");
}

static bool two_sleep(void *context)
{
    return redis_server_info_is(context, "blocked_clients", "2");
}

static void await_sleeper(void)
{
    redis_await(one_sleeps, &server, "a client that waits");
}

static bool is_marked(void *context)
{
    const char *queue = context;
    redisReply *reply = redis_server_ask(&server, "HGET pawl:{%s}:meta hungry", queue);
    bool marked = reply->type == REDIS_REPLY_STRING;
    freeReplyObject(reply);
    return marked;
}

/* Whoever sleeps on this queue has looked at it. */
static void await_look(char *queue)
{
    redis_await(is_marked, queue, "a queue that was looked at");
}

/* Wait for a moment, until that has left a question with the server. */
static void doze_off(struct sleeper *s)
{
    int64_t end = clock_mono_ns() + PATIENCE_NS;
    do
        ck_assert_int_eq(wait_for(s), PAWL_OK);
    while (!one_sleeps(&server) && clock_mono_ns() < end);
    ck_assert(one_sleeps(&server));
}

/* --- waking ---------------------------------------------------------------------- */

/* One put wakes everybody who sleeps on that queue, and the next one again. */
START_TEST(all_wake)
{
    struct pawl_storage *third = direct_open(server.url, 5000);
    struct sleeper a = on(store, "mail", LONG_MS), b = on(third, "mail", LONG_MS);
    for (int i = 0; i < 3; i++) {
        fall_asleep(&a);
        fall_asleep(&b);
        redis_await(two_sleep, &server, "two clients that wait");
        put_in("mail");
        ck_assert_int_eq(woken(&a), PAWL_OK);
        ck_assert_int_eq(woken(&b), PAWL_OK);
        wait_for(&a); /* neither has looked at that job yet: it ends one more wait */
        wait_for(&b);
    }
    storage_close(third);
}
END_TEST

/* Jobs that are there end one wait, and the next only when another arrives. */
START_TEST(old_news_is_none)
{
    struct sleeper s = on(store, "mail", LONG_MS);
    put_in("mail");
    ck_assert_int_eq(wait_for(&s), PAWL_OK);
    s.time = 50;
    int64_t until = clock_boot_ms() + s.time;
    ck_assert_int_eq(wait_for(&s), PAWL_OK);
    ck_assert_int_ge(clock_boot_ms(), until);
    s.time = LONG_MS;
    put_in("mail");
    ck_assert_int_eq(wait_for(&s), PAWL_OK);
}
END_TEST

static long long commands(void)
{
    redisReply *reply = redis_server_ask(&server, "INFO stats");
    const char *at = strstr(reply->str, "total_commands_processed:");
    long long count = -1;
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(sscanf(at, "total_commands_processed:%lld", &count), 1);
    freeReplyObject(reply);
    return count;
}

/* A wait that ends without news leaves its question with the server, and the next
 * one goes on with it; then news ends that one. */
START_TEST(goes_on_with_it)
{
    struct sleeper s = on(store, "mail", 1), longer = on(store, "mail", LONG_MS);
    doze_off(&s);
    long long first = commands(), of_asking = commands() - first;
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(wait_for(&s), PAWL_OK);
    ck_assert_int_eq(commands() - first, 2 * of_asking);
    fall_asleep(&longer);
    put_in("mail");
    ck_assert_int_eq(woken(&longer), PAWL_OK);
}
END_TEST

/* What comes while nobody waits ends the next wait, whose question is old. */
START_TEST(news_between_waits)
{
    struct sleeper s = on(store, "mail", 1), longer = on(store, "mail", LONG_MS);
    doze_off(&s);
    put_in("mail");
    ck_assert_int_eq(wait_for(&longer), PAWL_OK);
}
END_TEST

/* Other queues than in the wait before; one that is named twice; one that is not
 * there, and is not made. */
START_TEST(other_queues)
{
    struct sleeper a = on(store, "a", 1);
    struct sleeper more = { .instance = store,
                            .queues = { "b", "a", "b", "nowhere" },
                            .count = 4,
                            .time = LONG_MS };
    struct pawl_stats *stats = NULL;
    doze_off(&a);
    fall_asleep(&more);
    await_look("b");
    ck_assert_int_eq(storage_stats(store, NULL, &stats, NULL), PAWL_OK);
    ck_assert_uint_eq(stats->queue_count, 0);
    pawl_stats_free(stats);
    put_in("b");
    ck_assert_int_eq(woken(&more), PAWL_OK);
    wait_for(&more); /* the job in b ends one more wait */
    fall_asleep(&more);
    put_in("a");
    ck_assert_int_eq(woken(&more), PAWL_OK);
}
END_TEST

/* --- what befalls it -------------------------------------------------------------- */

/* A connection that is cut is made again, and the wait goes on. */
START_TEST(cut_connection)
{
    struct sleeper s = on(store, "mail", LONG_MS);
    fall_asleep(&s);
    await_sleeper();
    redis_server_do(&server, "CLIENT KILL TYPE normal");
    await_sleeper();
    ck_assert(!atomic_load(&s.awake));
    put_in("mail");
    ck_assert_int_eq(woken(&s), PAWL_OK);
}
END_TEST

/* A server that dies ends the wait with a failure that names it; until it is back,
 * so does each further wait; then a put wakes. */
START_TEST(server_restart)
{
    struct sleeper s = on(store, "mail", LONG_MS);
    char port[16];
    fall_asleep(&s);
    await_sleeper();
    redis_server_kill(&server);
    ck_assert_int_lt(woken(&s), 0);
    snprintf(port, sizeof port, ":%d", server.port);
    ck_assert_ptr_nonnull(strstr(s.error.message, port));
    fall_asleep(&s);
    ck_assert_int_lt(woken(&s), 0);
    fall_asleep_for_long(&s);
    redis_server_again(&server);
    await_sleeper();
    put_in("mail");
    ck_assert_int_eq(woken(&s), PAWL_OK);
}
END_TEST

/* A server that is silent keeps neither a kick nor `until` from ending a wait, and a
 * wait that would go on notices. When it speaks again, a put wakes. */
START_TEST(silent_server)
{
    struct sleeper s = on(store, "mail", LONG_MS);
    fall_asleep(&s);
    await_sleeper();
    redis_server_signal(&server, SIGSTOP);
    storage_kick(store);
    ck_assert_int_eq(woken(&s), PAWL_OK);
    s.time = 20;
    ck_assert_int_eq(wait_for(&s), PAWL_OK);
    s.time = LONG_MS;
    fall_asleep(&s);
    ck_assert_int_lt(woken(&s), 0);
    fall_asleep_for_long(&s);
    redis_server_signal(&server, SIGCONT);
    await_sleeper();
    put_in("mail");
    ck_assert_int_eq(woken(&s), PAWL_OK);
}
END_TEST

/* A store that is emptied under a sleeper has lost its mark. It is made again when
 * the question is asked anew. */
START_TEST(emptied_store)
{
    struct sleeper s = on(store, "mail", LONG_MS);
    fall_asleep(&s);
    await_sleeper();
    redis_server_do(&server, "FLUSHALL");
    put_in("mail");
    ck_assert_int_eq(woken(&s), PAWL_OK);
}
END_TEST

/* SCRIPT FLUSH between two waits. */
START_TEST(flushed_scripts)
{
    struct sleeper s = on(store, "a", 1), b = on(store, "b", LONG_MS);
    doze_off(&s);
    redis_server_do(&server, "SCRIPT FLUSH");
    fall_asleep(&b);
    await_look("b");
    put_in("b");
    ck_assert_int_eq(woken(&b), PAWL_OK);
}
END_TEST

/* --- in a Cluster ------------------------------------------------------------------ */

/* The first of the many queues is slept on. */
static bool first_is_slept_on(void *context)
{
    int slot = redis_cluster_slot(&cluster, "pawl:{q0}:wake");
    (void)context;
    return !redis_server_info_is(&cluster.node[redis_cluster_owner(&cluster, slot)],
                                 "blocked_clients", "0");
}

/* More queues than connections, and than the process may have files: news wakes from
 * each of them. */
START_TEST(many_queues)
{
    static char names[QUEUES_MOST][8];
    struct sleeper s = { .instance = store, .count = QUEUES_MOST, .time = LONG_MS };
    struct rlimit files;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = FILES_MOST;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    for (int i = 0; i < QUEUES_MOST; i++) {
        snprintf(names[i], sizeof names[i], "q%d", i);
        s.queues[i] = names[i];
    }
    for (int i = 0; i < QUEUES_MOST; i += QUEUES_MOST - 1) {
        fall_asleep(&s);
        redis_await(first_is_slept_on, NULL, "a client that waits for the first queue");
        put_in(names[i]);
        ck_assert_int_eq(woken(&s), PAWL_OK);
    }
}
END_TEST

static bool it_sleeps(void *context)
{
    const int *node = context;
    return redis_server_info_is(&cluster.node[*node], "blocked_clients", "1");
}

/* A queue that moves to another node takes its sleeper with it. */
START_TEST(moved_queue)
{
    struct sleeper s = on(store, "mail", LONG_MS);
    int slot = redis_cluster_slot(&cluster, "pawl:{mail}:wake");
    int node = redis_cluster_owner(&cluster, slot);
    put_in("mail");
    wait_for(&s);
    fall_asleep(&s);
    redis_await(it_sleeps, &node, "a client that waits at the first node");
    node = (node + 1) % CLUSTER_NODES;
    redis_cluster_move(&cluster, slot, node);
    redis_await(it_sleeps, &node, "a client that waits at the second node");
    put_in("mail");
    ck_assert_int_eq(woken(&s), PAWL_OK);
}
END_TEST

/* A node that dies does not keep those who sleep on another from waking. */
START_TEST(one_node_dies)
{
    static char names[2][16] = { "q0", "" };
    int slots[2] = { redis_cluster_slot(&cluster, "pawl:{q0}:wake") };
    struct sleeper s = { .instance = store, .count = 2, .time = LONG_MS };
    redis_cluster_stop(&cluster);
    static const char *const options[] = { "--cluster-require-full-coverage", "no",
                                           NULL };
    storage_close(store);
    storage_close(other);
    redis_cluster_start(&cluster, options);
    store = s.instance = direct_open(cluster.url, 5000);
    other = direct_open(cluster.url, 5000);
    int dead = redis_cluster_owner(&cluster, slots[0]), alive = dead;
    for (int i = 1; alive == dead; i++) {
        char key[32];
        snprintf(names[1], sizeof names[1], "q%d", i);
        snprintf(key, sizeof key, "pawl:{%s}:wake", names[1]);
        alive = redis_cluster_owner(&cluster, redis_cluster_slot(&cluster, key));
    }
    s.queues[0] = names[0];
    s.queues[1] = names[1];
    fall_asleep(&s);
    redis_await(it_sleeps, &alive, "a client that waits at the node that stays");
    redis_server_kill(&cluster.node[dead]);
    put_in(names[1]);
    ck_assert_int_eq(woken(&s), PAWL_OK);
}
END_TEST

/* --- with sentinels ---------------------------------------------------------------- */

static bool server_has_sleeper(void *context)
{
    return redis_server_info_is(context, "blocked_clients", "1");
}

static void move_master_under(struct sleeper *s, bool kill)
{
    struct redis_server *old = redis_sentinels_master(&sentinels);
    fall_asleep_for_long(s);
    redis_await(server_has_sleeper, old, "a client that waits at the old master");
    if (kill)
        redis_server_kill(old);
    else
        redis_server_do(&sentinels.sentinel[0], "SENTINEL FAILOVER %s",
                        sentinels.master);
    struct redis_server *new = redis_sentinels_await(&sentinels, old);
    if (!kill) /* the sentinels leave the old one alone for ten seconds more */
        redis_server_do(old, "REPLICAOF 127.0.0.1 %d", new->port);
    redis_await(server_has_sleeper, new, "a client that waits at the new master");
    put_in("mail");
    ck_assert_int_eq(woken(s), PAWL_OK);
}

/* A master that dies: whoever sleeps goes over to the next one. */
START_TEST(master_dies)
{
    struct sleeper s = on(store, "mail", LONG_MS);
    move_master_under(&s, true);
}
END_TEST

/* A master that becomes a replica, and lives. */
START_TEST(master_steps_down)
{
    struct sleeper s = on(store, "mail", LONG_MS);
    move_master_under(&s, false);
}
END_TEST

int main(void)
{
    const struct lane_test tests[] = {
        { all_wake },
        { old_news_is_none },
        { goes_on_with_it },
        { news_between_waits },
        { other_queues },
        { cut_connection },
        { server_restart },
        { silent_server },
        { emptied_store },
        { flushed_scripts },
        { many_queues, 0, cluster_setup, cluster_teardown },
        { moved_queue, 0, cluster_setup, cluster_teardown },
        { one_node_dies, 0, cluster_setup, cluster_teardown },
        { master_dies, 0, sentinels_setup, sentinels_teardown },
        { master_steps_down, 0, sentinels_setup, sentinels_teardown },
    };
    return lanes_run("redis_wait", tests, sizeof tests / sizeof *tests, 6, 100,
                     setup, teardown);
}
