/* test_redis_cut.c - a connection that is cut after any byte of its first words or
 * of a command, with and without TLS: it is never believed to be whole, nothing
 * hangs, nothing crashes, and the failure is one that may be tried again. And one
 * over a slow link, which is not cut. */
#include "redis_peer.h"

#include "program.h"
#include "proxy.h"
#include "redis_server.h"
#include "storage/redis/redis_conn.h"

#define CUTS 120 /* for each side and way of cutting */
#define LARGE (5u << 20)
#define PAUSE_MS 25 /* after each of the 80 pieces and more that it comes in */
#define PATIENCE_MS 1000

static struct redis_server plain, secure;
static struct redis_settings settings;
static struct proxy proxy;
static struct pawl_error err;

static void setup(int loop)
{
    settings = plain_settings();
    settings.tls.on = loop == 1;
    snprintf(settings.tls.ca_file, sizeof settings.tls.ca_file, "%.200s/ca.crt",
             secure.folder);
    if (loop == 1)
        snprintf(settings.login.password, sizeof settings.login.password, "tls-secret");
    proxy_start(&proxy, loop == 1 ? secure.port : plain.port);
}

/* Open and ask, as far as it goes. */
static enum pawl_status open_and_ask(bool *opened)
{
    struct redis_address address = loopback(proxy.port);
    struct redis_conn *conn = NULL;
    redisReply *reply = NULL;
    enum pawl_status status = redis_conn_open(&address, &settings, &settings.login, 2,
                                              in_ms(20000), &conn, &err);
    *opened = status == PAWL_OK;
    if (status == PAWL_OK)
        status = redis_conn_ask(conn, in_ms(20000), &reply, &err, "ECHO", "some words",
                                (const char *)NULL);
    if (status == PAWL_OK) {
        ck_assert_str_eq(reply->str, "some words");
        freeReplyObject(reply);
    }
    redis_conn_close(conn);
    return status;
}

static void cut_at(enum proxy_side side, uint64_t after, bool reset)
{
    bool opened = false;
    proxy_arm(&proxy, side, after, reset);
    enum pawl_status status = open_and_ask(&opened);
    /* The last bytes of a TLS session may not matter to us any more. */
    if (status == PAWL_OK)
        return;
    ck_assert_msg(status == PAWL_EUNREACHABLE, "after %lu: %d, %s",
                  (unsigned long)after, status, err.message);
    ck_assert_ptr_nonnull(strstr(err.message, "redis at 127.0.0.1:"));
}

START_TEST(cut_anywhere)
{
    bool opened = false;
    int failed = 0;
    setup(_i);
    proxy_count(&proxy);
    ck_assert_msg(open_and_ask(&opened) == PAWL_OK, "%s", err.message);
    for (int i = 0; i < 2; i++) {
        enum proxy_side side = i == 0 ? PROXY_REQUEST : PROXY_REPLY;
        uint64_t all = proxy_bytes(&proxy, side);
        ck_assert_uint_gt(all, 100);
        for (uint64_t k = 0; k < CUTS; k++) {
            uint64_t before = proxy_cuts(&proxy);
            cut_at(side, (all - 20) * k / CUTS, k % 2 == 1);
            failed += proxy_cuts(&proxy) > before;
        }
    }
    ck_assert_int_eq(failed, 2 * CUTS);
    proxy_count(&proxy);
    ck_assert_int_eq(open_and_ask(&opened), PAWL_OK);
    proxy_stop(&proxy);
}
END_TEST

/* Ask for what is large, through a link that takes some seconds for it. */
static struct redis_conn *ask_slowly(void)
{
    struct redis_address address = loopback(proxy.port);
    struct redis_conn *conn = NULL;
    const char *words[] = { "GET", "large" };
    size_t sizes[] = { 3, 5 };
    ck_assert_msg(redis_conn_open(&address, &settings, &settings.login, 0, in_ms(20000),
                                  &conn, &err) == PAWL_OK, "%s", err.message);
    proxy_slow(&proxy, PAUSE_MS);
    ck_assert_int_eq(redis_conn_send(conn, 2, words, sizes, in_ms(20000), NULL, &err),
                     PAWL_OK);
    return conn;
}

/* A reply that takes longer than the patience arrives, since it is never silent for so
 * long. At the deadline it is over all the same. */
START_TEST(slow_link)
{
    struct redis_conn *conn;
    redisReply *reply = NULL;
    setup(_i);
    redis_server_do(_i == 1 ? &secure : &plain, "SETRANGE large %u x", LARGE - 1);
    conn = ask_slowly();
    int64_t begin = clock_mono_ns();
    enum pawl_status status =
        redis_conn_hear(conn, PATIENCE_MS, in_ms(60000), &reply, &err);
    ck_assert_msg(status == PAWL_OK, "%s", err.message);
    ck_assert_int_gt(clock_mono_ns() - begin, PATIENCE_MS * MS);
    ck_assert_uint_eq(reply->len, LARGE);
    freeReplyObject(reply);
    redis_conn_close(conn);
    proxy_slow(&proxy, 0);

    conn = ask_slowly();
    begin = clock_mono_ns();
    ck_assert_int_eq(redis_conn_hear(conn, PATIENCE_MS, in_ms(500), &reply, &err),
                     PAWL_ETIMEOUT);
    ck_assert_ptr_nonnull(strstr(err.message, "the rest of its answer"));
    ck_assert_int_lt(clock_mono_ns() - begin, PATIENCE_MS * MS);
    redis_conn_close(conn);
    proxy_stop(&proxy);
}
END_TEST

/* Silence ends the patience, before the deadline. */
START_TEST(silent_link)
{
    struct redis_address address;
    struct redis_conn *conn = NULL;
    redisReply *reply = NULL;
    const char *words[] = { "BLPOP", "nothing", "0" };
    size_t sizes[] = { 5, 7, 1 };
    setup(_i);
    address = loopback(proxy.port);
    ck_assert_int_eq(redis_conn_open(&address, &settings, &settings.login, 0,
                                     in_ms(20000), &conn, &err), PAWL_OK);
    ck_assert_int_eq(redis_conn_send(conn, 3, words, sizes, in_ms(20000), NULL, &err),
                     PAWL_OK);
    int64_t begin = clock_mono_ns();
    ck_assert_int_eq(redis_conn_hear(conn, 50, in_ms(60000), &reply, &err),
                     PAWL_ETIMEOUT);
    ck_assert_ptr_nonnull(strstr(err.message, "no answer within 50 ms"));
    ck_assert_int_ge(clock_mono_ns() - begin, 50 * MS);
    ck_assert_int_lt(clock_mono_ns() - begin, 30000 * MS);
    redis_conn_close(conn);
    proxy_stop(&proxy);
}
END_TEST

int main(void)
{
    redis_server_start(&plain, NULL);
    redis_tls_start(&secure, false, NULL);
    Suite *suite = suite_create("redis_cut");
    TCase *t = tcase_create("redis_cut");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, cut_anywhere, 0, 2);
    tcase_add_loop_test(t, slow_link, 0, 2);
    tcase_add_loop_test(t, silent_link, 0, 2);
    suite_add_tcase(suite, t);
    int status = program_run(suite);
    redis_server_stop(&secure);
    redis_server_stop(&plain);
    return status;
}
