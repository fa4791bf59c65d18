/* test_redis_pool.c - the connections to one server: never more than the bound, in
 * turn, found dead before they are lent, and few attempts while the server is away.
 * Bounds on time are wide: they tell a broken pool from a working one. */
#include "redis_peer.h"

#include <signal.h>

#include "program.h"
#include "redis_server.h"
#include "storage/redis/redis_pool.h"

static struct redis_server server;
static struct redis_settings settings;
static struct redis_pool *pool;

static const struct pawl_error cut = { .status = PAWL_EUNREACHABLE, .message = "cut" };

static void setup(void)
{
    struct redis_address address = loopback(server.port);
    settings = plain_settings();
    pool = redis_pool_new(&address, &settings);
    ck_assert_ptr_nonnull(pool);
}

static void teardown(void)
{
    redis_pool_free(pool);
}

static void use(int port)
{
    struct redis_address address = loopback(port);
    redis_pool_free(pool);
    pool = redis_pool_new(&address, &settings);
    ck_assert_ptr_nonnull(pool);
}

static struct redis_conn *take(void)
{
    struct pawl_error err = { 0 };
    struct redis_conn *conn = NULL;
    enum pawl_status status = redis_pool_take(pool, in_ms(20000), NULL, &conn, &err);
    ck_assert_msg(status == PAWL_OK, "%s", err.message);
    return conn;
}

static enum pawl_status try_take(int64_t ms, int tries, struct pawl_error *err)
{
    struct redis_conn *conn = NULL;
    enum pawl_status status = redis_pool_take(pool, in_ms(ms), &tries, &conn, err);
    if (status == PAWL_OK)
        redis_pool_give(pool, conn, NULL);
    return status;
}

static long long ask_id(struct redis_conn *conn)
{
    redisReply *reply = NULL;
    struct pawl_error err = { 0 };
    enum pawl_status status = redis_conn_ask(conn, in_ms(20000), &reply, &err, "CLIENT",
                                             "ID", (const char *)NULL);
    ck_assert_msg(status == PAWL_OK, "%s", err.message);
    long long id = reply->integer;
    freeReplyObject(reply);
    return id;
}

/* --- lending ------------------------------------------------------------------ */

/* One after the other, the same connection serves. */
START_TEST(reuses)
{
    struct redis_conn *first = take();
    redis_pool_give(pool, first, NULL);
    for (int i = 0; i < 100; i++) {
        struct redis_conn *conn = take();
        ck_assert_ptr_eq(conn, first);
        redis_pool_give(pool, conn, NULL);
    }
    ck_assert_int_eq(redis_pool_address(pool)->port, server.port);
}
END_TEST

static atomic_int lent, most_lent, turns;

static void *take_and_give(void *arg)
{
    int *mine = arg;
    for (int i = 0; i < 200; i++) {
        struct redis_conn *conn = take();
        int now = atomic_fetch_add(&lent, 1) + 1, seen = atomic_load(&most_lent);
        while (now > seen && !atomic_compare_exchange_weak(&most_lent, &seen, now))
            continue;
        ask_id(conn);
        atomic_fetch_sub(&lent, 1);
        redis_pool_give(pool, conn, i % 50 == 49 ? &cut : NULL);
        atomic_fetch_add(&turns, 1);
        (*mine)++;
    }
    return NULL;
}

/* 20 threads, 3 connections: never more than 3, and all get their turns, though
 * some of the connections break. */
START_TEST(bound_holds)
{
    pthread_t threads[20];
    int done[20] = { 0 };
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give, &done[i]), 0);
    for (int i = 0; i < 20; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(atomic_load(&turns), 4000);
    ck_assert_int_le(atomic_load(&most_lent), 3);
}
END_TEST

/* Who waits for a connection waits no longer than its deadline, and is told. */
START_TEST(all_in_use)
{
    struct redis_conn *conns[3] = { take(), take(), take() };
    struct pawl_error err = { 0 };
    int64_t begin = clock_mono_ns();
    ck_assert_int_eq(try_take(50, -1, &err), PAWL_ETIMEOUT);
    ck_assert_int_ge(clock_mono_ns() - begin, 50 * MS);
    ck_assert_ptr_nonnull(strstr(err.message, ": all 3 connections were in use for "));
    for (int i = 0; i < 3; i++)
        redis_pool_give(pool, conns[i], NULL);
    ck_assert_int_eq(try_take(0, -1, &err), PAWL_OK);
}
END_TEST

static void *take_later(void *arg)
{
    *(struct redis_conn **)arg = take();
    return NULL;
}

/* What is given back goes to who waits, at once. */
START_TEST(handed_on)
{
    struct redis_conn *conns[3] = { take(), take(), take() }, *got = NULL;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, take_later, &got), 0);
    poll(NULL, 0, 20);
    redis_pool_give(pool, conns[1], NULL);
    pthread_join(thread, NULL);
    ck_assert_ptr_eq(got, conns[1]);
    redis_pool_give(pool, got, NULL);
    redis_pool_give(pool, conns[0], NULL);
    redis_pool_give(pool, conns[2], NULL);
}
END_TEST

/* A connection beside the pool takes nobody's place, and is the caller's. */
START_TEST(extra)
{
    struct redis_conn *conns[3] = { take(), take(), take() }, *more = NULL;
    struct pawl_error err = { 0 };
    ck_assert_int_eq(redis_pool_extra(pool, in_ms(20000), &more, &err), PAWL_OK);
    ask_id(more);
    redis_conn_close(more);
    for (int i = 0; i < 3; i++)
        redis_pool_give(pool, conns[i], NULL);
}
END_TEST

/* --- dead connections ------------------------------------------------------------- */

/* After a drop nothing of what was there is lent again. */
START_TEST(drops)
{
    struct redis_conn *busy = take(), *idle = take();
    long long busy_id = ask_id(busy), idle_id = ask_id(idle);
    redis_pool_give(pool, idle, NULL);
    redis_pool_drop(pool);
    redis_pool_give(pool, busy, NULL);
    for (int i = 0; i < 3; i++) {
        struct redis_conn *conn = take();
        ck_assert_int_gt(ask_id(conn), busy_id);
        ck_assert_int_gt(ask_id(conn), idle_id);
        redis_pool_give(pool, conn, NULL);
    }
}
END_TEST

/* One that holds more than was asked for is not lent again: the next command would
 * get it for its answer. */
START_TEST(surplus)
{
    struct peer peer = { .greeting = PEER_GOOD "+who asked\r\n" };
    peer_start(&peer);
    use(peer.port);
    for (int i = 0; i < 3; i++) {
        redis_pool_give(pool, take(), NULL);
        ck_assert_int_eq(atomic_load(&peer.accepted), i + 1);
    }
    peer_stop(&peer);
}
END_TEST

/* When one breaks, the others that the same server cut are not lent any more. */
START_TEST(finds_the_dead)
{
    struct redis_conn *conns[3] = { take(), take(), take() };
    for (int i = 0; i < 3; i++)
        ask_id(conns[i]);
    for (int i = 0; i < 3; i++)
        redis_pool_give(pool, conns[i], NULL);
    redis_server_do(&server, "CLIENT KILL TYPE normal SKIPME yes");
    struct redis_conn *first = take();
    while (!redis_conn_readable(first))
        poll(NULL, 0, 1);
    redis_pool_give(pool, first, &cut);
    for (int i = 0; i < 3; i++)
        ask_id(conns[i] = take());
    for (int i = 0; i < 3; i++)
        redis_pool_give(pool, conns[i], NULL);
}
END_TEST

/* The server is killed and comes back: who waits gets a connection soon after. */
START_TEST(comes_back)
{
    struct redis_server own;
    struct redis_conn *conn = NULL;
    pthread_t thread;
    redis_server_start(&own, NULL);
    use(own.port);
    conn = take();
    redis_server_kill(&own);
    redis_pool_give(pool, conn, &cut);
    ck_assert_int_eq(try_take(20000, 2, NULL), PAWL_EUNREACHABLE);
    ck_assert_int_eq(pthread_create(&thread, NULL, take_later, &conn), 0);
    poll(NULL, 0, 50);
    redis_server_again(&own);
    pthread_join(thread, NULL);
    ask_id(conn);
    redis_pool_give(pool, conn, NULL);
    redis_server_stop(&own);
}
END_TEST

START_TEST(replica)
{
    struct pawl_error err = { 0 };
    struct peer peer = { .greeting = PEER_INFO("7.0.0")
                             "*1\r\n$5\r\nslave\r\n+OK\r\n" };
    peer_start(&peer);
    use(peer.port);
    ck_assert_int_eq(try_take(20000, -1, &err), PAWL_EUNREACHABLE);
    ck_assert_ptr_nonnull(strstr(err.message, "is a replica"));
    peer_stop(&peer);
}
END_TEST

/* --- a server that is away ------------------------------------------------------------ */

static atomic_bool enough;

static void *keep_trying(void *arg)
{
    struct redis_conn *conn = NULL;
    int tries = *(int *)arg;
    while (!atomic_load(&enough)) {
        if (redis_pool_take(pool, in_ms(300), &tries, &conn, NULL) == PAWL_OK)
            redis_pool_give(pool, conn, &cut); /* as for one that was cut */
        tries = *(int *)arg;
    }
    return NULL;
}

static const struct peer failing[] = {
    { .greeting = "", .unasked = true, .hang_up = true },
    { .greeting = "-LOADING wait\r\n" },
    { .greeting = "-NOAUTH Authentication required.\r\n" },
    { .greeting = PEER_INFO("7.0.0") "*1\r\n$5\r\nslave\r\n+OK\r\n" },
    { .greeting = NULL }, /* fine, and then useless: keep_trying() says broken */
};

/* However many threads want a server that fails, it sees ten attempts a second at
 * most, and never no more. */
START_TEST(few_attempts)
{
    struct peer peer = failing[_i];
    pthread_t threads[20];
    int tries[20];
    peer_start(&peer);
    use(peer.port);
    for (int i = 0; i < 20; i++) {
        tries[i] = i % 4 - 1;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, keep_trying, &tries[i]), 0);
    }
    int64_t begin = clock_mono_ns();
    while (clock_mono_ns() - begin < 2000 * MS)
        poll(NULL, 0, 10);
    int seen = atomic_load(&peer.accepted);
    double seconds = (double)(clock_mono_ns() - begin) / 1e9;
    atomic_store(&enough, true);
    for (int i = 0; i < 20; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_ge(seen, 2);
    ck_assert_int_le(seen, (int)(10 * seconds) + 1);
    peer_stop(&peer);
}
END_TEST

/* `tries_left` counts the attempts that failed. */
START_TEST(counts_tries)
{
    struct peer peer = { .greeting = "", .unasked = true, .hang_up = true };
    struct redis_conn *conn = NULL;
    struct pawl_error err = { 0 };
    int tries = 2;
    peer_start(&peer);
    use(peer.port);
    ck_assert_int_eq(redis_pool_take(pool, in_ms(20000), &tries, &conn, &err),
                     PAWL_EUNREACHABLE);
    ck_assert_int_eq(tries, 0);
    ck_assert_int_eq(atomic_load(&peer.accepted), 3);
    ck_assert_ptr_nonnull(strstr(err.message, "closed the connection"));
    peer_stop(&peer);
}
END_TEST

/* Whoever has no try left does not wait for the pause to be over, but is told at once
 * what the latest attempt met: else these would take minutes. */
START_TEST(no_try_left)
{
    struct peer peer = { .greeting = "-LOADING wait\r\n" };
    struct pawl_error err = { 0 };
    peer_start(&peer);
    use(peer.port);
    ck_assert_int_eq(try_take(20000, 1, &err), PAWL_EUNREACHABLE);
    for (int i = 0; i < 2000; i++) {
        err = (struct pawl_error){ 0 };
        ck_assert_int_eq(try_take(20000, 0, &err), PAWL_EUNREACHABLE);
        ck_assert_ptr_nonnull(strstr(err.message, "LOADING"));
    }
    peer_stop(&peer);
}
END_TEST

/* While the server is away a call lasts to its deadline and says what is wrong. */
START_TEST(deadline_passes)
{
    struct pawl_error err = { 0 };
    use(1);
    int64_t begin = clock_mono_ns();
    ck_assert_int_eq(try_take(200, -1, &err), PAWL_EUNREACHABLE);
    ck_assert_int_ge(clock_mono_ns() - begin, 200 * MS);
    ck_assert_ptr_nonnull(strstr(err.message, "connection refused"));
}
END_TEST

/* What more attempts cannot mend is told at once. */
START_TEST(final_failures)
{
    struct peer peer = { .greeting = "-WRONGPASS invalid\r\n" };
    struct pawl_error err = { 0 };
    peer_start(&peer);
    use(peer.port);
    ck_assert_int_eq(try_take(20000, -1, &err), PAWL_EDENIED);
    ck_assert_int_eq(atomic_load(&peer.accepted), 1);
    peer_stop(&peer);
}
END_TEST

/* Who fails because a connection was of no use is told why it was not. */
START_TEST(says_why)
{
    const struct pawl_error why = { .status = PAWL_EUNREACHABLE, .message = "no more" };
    struct pawl_error err = { 0 };
    struct redis_conn *conn;
    int none = 0;
    /* Until the pause lasts long enough to be met. */
    while (redis_pool_take(pool, in_ms(20000), &none, &conn, &err) == PAWL_OK)
        redis_pool_give(pool, conn, &why);
    ck_assert_str_eq(err.message, "no more");
}
END_TEST

/* A connection that served and then was cut is replaced without a pause. */
START_TEST(first_reconnect)
{
    for (int i = 0; i < 20; i++) {
        struct redis_conn *conn = take();
        redis_pool_give(pool, conn, NULL);
        conn = take();
        redis_pool_give(pool, conn, &cut);
        ck_assert_int_eq(try_take(20000, 0, NULL), PAWL_OK);
    }
}
END_TEST

int main(void)
{
    redis_server_start(&server, NULL);
    Suite *suite = suite_create("redis_pool");
    TCase *t = tcase_create("redis_pool");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, reuses);
    tcase_add_test(t, bound_holds);
    tcase_add_test(t, all_in_use);
    tcase_add_test(t, handed_on);
    tcase_add_test(t, extra);
    tcase_add_test(t, drops);
    tcase_add_test(t, surplus);
    tcase_add_test(t, finds_the_dead);
    tcase_add_test(t, comes_back);
    tcase_add_test(t, replica);
    tcase_add_loop_test(t, few_attempts, 0, (int)(sizeof failing / sizeof *failing));
    tcase_add_test(t, counts_tries);
    tcase_add_test(t, no_try_left);
    tcase_add_test(t, deadline_passes);
    tcase_add_test(t, final_failures);
    tcase_add_test(t, says_why);
    tcase_add_test(t, first_reconnect);
    suite_add_tcase(suite, t);
    int status = program_run(suite);
    redis_server_stop(&server);
    return status;
}
