/* test_redis_call.c - calls and the way to the right server: words, slots, scripts that
 * a server forgot, many calls at once, sentinels and a Cluster. */
#include "storage/redis/redis_call.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lanes.h"
#include "redis_cluster.h"
#include "redis_sentinels.h"
#include "storage/redis/redis_route_internal.h"
#include "util/clock.h"
#include "util/random.h"

#define MANY 200
#define SECOND_NS INT64_C(1000000000)

/* --- fixture ------------------------------------------------------------------ */

static void client_open(struct redis_client *client, const char *url,
                        pawl_duration deadline)
{
    char scheme[64], location[1024];
    struct pawl_storage_config config = { .url = url, .location = location,
                                          .options = "", .deadline = deadline };
    const char *colon = strchr(url, ':'), *question = strchr(url, '?');
    struct pawl_error err = { 0 };
    size_t size = question ? (size_t)(question - colon - 1) : strlen(colon + 1);

    *client = (struct redis_client){ .deadline = deadline };
    snprintf(scheme, sizeof scheme, "%.*s", (int)(colon - url), url);
    snprintf(location, sizeof location, "%.*s", (int)size, colon + 1);
    if (question)
        config.options = question + 1;
    ck_assert_msg(redis_settings_parse(scheme, &config, &client->settings, &err) ==
                      PAWL_OK, "%s", err.message);
    client->route = redis_route_new(&client->settings);
    ck_assert_ptr_nonnull(client->route);
}

static void client_close(struct redis_client *client)
{
    redis_route_free(client->route);
    redis_settings_clear(&client->settings);
}

/* A command as its words, in the slot of the second one. */
static void command(struct redis_call *call, const char *a, const char *b,
                    const char *c)
{
    *call = (struct redis_call){ .repeatable = true };
    redis_args_text(&call->args, a);
    if (b) {
        redis_args_text(&call->args, b);
        call->slot = redis_key_slot(b, strlen(b));
    }
    if (c)
        redis_args_text(&call->args, c);
}

static redisReply *done(struct redis_client *client, struct redis_call *call)
{
    struct pawl_error err = { 0 };
    redisReply *reply = NULL;

    ck_assert_msg(redis_call(client, call, &reply, &err) == PAWL_OK, "%s", err.message);
    ck_assert_ptr_nonnull(reply);
    return reply;
}

static void ask(struct redis_client *client, const char *a, const char *b,
                const char *c, const char *expected)
{
    struct redis_call call;
    redisReply *reply;

    command(&call, a, b, c);
    reply = done(client, &call);
    if (expected)
        ck_assert_str_eq(reply->str, expected);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
}

/* "return what was passed", under its own SHA-1, which the server tells. */
static struct redis_script echo = { .name = "echo", .text = "return ARGV[1]" };

static void learn_sha(struct redis_server *server)
{
    redisReply *reply = redis_server_ask(server, "SCRIPT LOAD %s", echo.text);

    echo.size = strlen(echo.text);
    memcpy(echo.sha, reply->str, sizeof echo.sha);
    freeReplyObject(reply);
}

static void echo_call(struct redis_call *call, const char *key, const char *text)
{
    *call = (struct redis_call){ .script = &echo, .key_count = 1, .repeatable = true,
                                 .slot = redis_key_slot(key, strlen(key)) };
    redis_args_text(&call->args, key);
    redis_args_text(&call->args, text);
}

static void echo_works(struct redis_client *client, const char *key)
{
    struct redis_call call;
    redisReply *reply;

    echo_call(&call, key, "hello");
    reply = done(client, &call);
    ck_assert_str_eq(reply->str, "hello");
    freeReplyObject(reply);
    redis_args_clear(&call.args);
}

/* --- words -------------------------------------------------------------------- */

/* What is kept in the words stays where it is while thousands more are added. */
START_TEST(words_stay)
{
    struct redis_args args = { 0 };
    char expected[32], filled[300], *at;
    int i;

    for (i = 0; i < 5000; i++) {
        redis_args_number(&args, (int64_t)i * 1000000007 - 3);
        at = redis_args_space(&args, (size_t)(i % 300));
        ck_assert_ptr_nonnull(at);
        memset(at, i % 256, (size_t)(i % 300));
        redis_args_text(&args, "borrowed");
    }
    at = redis_args_space(&args, 100000);
    memset(at, 7, 100000);
    redis_args_number(&args, INT64_MIN);
    ck_assert(!args.failed);
    ck_assert_int_eq(args.count, 15002);
    for (i = 0; i < 5000; i++) {
        snprintf(expected, sizeof expected, "%lld", (long long)i * 1000000007 - 3);
        ck_assert_uint_eq(args.sizes[3 * i], strlen(expected));
        ck_assert_mem_eq(args.argv[3 * i], expected, strlen(expected));
        ck_assert_uint_eq(args.sizes[3 * i + 1], (size_t)(i % 300));
        memset(filled, i % 256, sizeof filled);
        ck_assert_mem_eq(args.argv[3 * i + 1], filled, (size_t)(i % 300));
    }
    ck_assert_mem_eq(args.argv[15001], "-9223372036854775808", 20);
    redis_args_clear(&args);
    redis_args_clear(&args);
    ck_assert_int_eq(args.count, 0);
}
END_TEST

/* Words that found no room make no request. */
START_TEST(failed_words)
{
    struct redis_client client;
    struct redis_call call = { .repeatable = true };
    struct pawl_error err = { 0 };
    redisReply *reply = NULL;

    client_open(&client, "redis://127.0.0.1:1/0", 1000);
    call.args.failed = true;
    redis_args_text(&call.args, "PING");
    ck_assert_ptr_null(redis_args_space(&call.args, 10));
    ck_assert_int_eq(redis_call(&client, &call, &reply, &err), PAWL_ENOMEM);
    ck_assert_int_eq(redis_call_all(&client, &call, 1, &reply, &(enum pawl_status){ 0 },
                                    &err), PAWL_ENOMEM);
    redis_args_clear(&call.args);
    client_close(&client);
}
END_TEST

/* --- slots -------------------------------------------------------------------- */

/* Slots are those that the server reckons, for keys of all kinds of bytes. */
START_TEST(slots_agree)
{
    static const char *const fixed[] = {
        "",    "123456789",  "{",     "}",       "{}",       "{}x",    "a{b}c", "a{}b{c}",
        "{{}", "{a}{b}",     "}{",    "a}b{c}d", "{a",       "x{\xff}", "pawl:{mail}:jobs",
        "{ }", "foo{bar}zap"
    };
    static const char alphabet[] = "{}ab\n\r \xff\x80%:";
    struct redis_cluster group;
    struct redis_server *server = &group.node[0];
    char key[24];
    size_t size, i, j;

    redis_cluster_start(&group, NULL);
    ck_assert_int_eq(redis_key_slot("123456789", 9), 0x31c3);
    for (i = 0; i < sizeof fixed / sizeof *fixed; i++)
        ck_assert_int_eq(redis_key_slot(fixed[i], strlen(fixed[i])),
                         redis_server_number(server, "CLUSTER KEYSLOT %b", fixed[i],
                                             strlen(fixed[i])));
    for (i = 0; i < 500; i++) {
        size = random_u64() % sizeof key;
        for (j = 0; j < size; j++)
            key[j] = alphabet[random_u64() % sizeof alphabet];
        ck_assert_int_eq(redis_key_slot(key, size),
                         redis_server_number(server, "CLUSTER KEYSLOT %b", key, size));
    }
    redis_cluster_stop(&group);
}
END_TEST

/* --- one server ------------------------------------------------------------------ */

/* A server that forgot the scripts is sent the text, and then knows it again. */
START_TEST(forgotten_script)
{
    struct redis_server server;
    struct redis_client client;

    redis_server_start(&server, NULL);
    learn_sha(&server);
    client_open(&client, server.url, 5000);
    echo_works(&client, "k");
    redis_server_do(&server, "SCRIPT FLUSH");
    echo_works(&client, "k");
    redis_server_do(&server, "CONFIG RESETSTAT");
    echo_works(&client, "k");
    ck_assert(!redis_server_info_is(&server, "cmdstat_eval", ""));
    client_close(&client);
    redis_server_stop(&server);
}
END_TEST

/* The word that says to which server it goes is right at each try. */
START_TEST(run_id)
{
    struct redis_server server;
    struct redis_client client;
    struct redis_call call;
    redisReply *reply, *again;

    redis_server_start(&server, NULL);
    client_open(&client, server.url, 10000);
    command(&call, "ECHO", "?", NULL);
    call.run_id_word = 1;
    reply = done(&client, &call);
    ck_assert(redis_server_info_is(&server, "run_id", reply->str));
    redis_server_kill(&server);
    redis_server_again(&server);
    again = done(&client, &call);
    ck_assert(redis_server_info_is(&server, "run_id", again->str));
    ck_assert_str_ne(reply->str, again->str);
    freeReplyObject(reply);
    freeReplyObject(again);
    redis_args_clear(&call.args);
    client_close(&client);
    redis_server_stop(&server);
}
END_TEST

/* Many calls, of which some have a script that is not there, and one an error. */
START_TEST(many_calls)
{
    struct redis_server server;
    struct redis_client client;
    struct redis_call calls[MANY];
    redisReply *replies[MANY];
    enum pawl_status statuses[MANY];
    struct pawl_error err = { 0 };
    char text[32], *big;
    int i;

    redis_server_start(&server, NULL);
    learn_sha(&server);
    redis_server_do(&server, "SCRIPT FLUSH");
    redis_server_do(&server, "SET text x");
    client_open(&client, server.url, 10000);
    big = malloc(300000);
    memset(big, 'b', 300000);
    for (i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "%d", i);
        if (i == 77) {
            command(&calls[i], "HGET", "text", "f");
            calls[i].reads = true; /* else it would be unknown what was done */
        } else if (i % 2) {
            echo_call(&calls[i], "k", "unused");
            calls[i].args.count--;
            redis_args_number(&calls[i].args, i);
        } else {
            calls[i] = (struct redis_call){ .repeatable = true };
            redis_args_text(&calls[i].args, "ECHO");
            redis_args_add(&calls[i].args, big, (size_t)i * 1000);
        }
    }
    ck_assert_int_eq(redis_call_all(&client, calls, MANY, replies, statuses, &err),
                     PAWL_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(err.message, "WRONGTYPE"));
    for (i = 0; i < MANY; i++) {
        ck_assert_int_eq(statuses[i], i == 77 ? PAWL_ECORRUPT : PAWL_OK);
        snprintf(text, sizeof text, "%d", i);
        if (i == 77)
            ck_assert_ptr_null(replies[i]);
        else if (i % 2)
            ck_assert_str_eq(replies[i]->str, text);
        else
            ck_assert_uint_eq((size_t)replies[i]->len, (size_t)i * 1000);
        freeReplyObject(replies[i]);
        redis_args_clear(&calls[i].args);
    }
    ck_assert_int_eq(redis_call_all(&client, calls, 0, replies, statuses, &err), PAWL_OK);
    free(big);
    client_close(&client);
    redis_server_stop(&server);
}
END_TEST

/* Nobody there: a call takes no longer than it may, and tells of both. While a store
 * is opened it fails at once. */
START_TEST(nobody_there)
{
    struct redis_server server;
    struct redis_client client;
    struct redis_call call;
    struct pawl_error err = { 0 };
    redisReply *reply = NULL;
    int64_t started;

    redis_server_start(&server, NULL);
    redis_server_kill(&server); /* the port stays reserved */
    client_open(&client, server.url, 400);
    command(&call, "PING", NULL, NULL);
    started = clock_mono_ns();
    ck_assert_int_eq(redis_call(&client, &call, &reply, &err), PAWL_EUNREACHABLE);
    ck_assert_int_ge(clock_mono_ns() - started, SECOND_NS / 5);
    ck_assert_int_le(clock_mono_ns() - started, 4 * SECOND_NS);
    ck_assert_ptr_nonnull(strstr(err.message, "tried for 0."));
    ck_assert_ptr_nonnull(strstr(err.message, "127.0.0.1"));
    client_close(&client);

    client_open(&client, server.url, 600000);
    client.opening = true;
    ck_assert_int_eq(redis_call(&client, &call, &reply, &err), PAWL_EUNREACHABLE);
    client_close(&client);

    client_open(&client, server.url, 600000);
    client.settings.max_retries = 1;
    ck_assert_int_eq(redis_call(&client, &call, &reply, &err), PAWL_EUNREACHABLE);
    ck_assert_ptr_null(reply);
    redis_args_clear(&call.args);
    client_close(&client);
    redis_server_stop(&server);
}
END_TEST

/* A server that is stopped: who may have been heard is told so, who only reads and
 * who never got through are not. It comes back in the midst of another call. */
START_TEST(silent_server)
{
    struct redis_server server;
    struct redis_client client;
    struct redis_call call;
    struct pawl_error err = { 0 };
    redisReply *reply = NULL;

    redis_server_start(&server, NULL);
    client_open(&client, server.url, 1500);
    client.settings.reply_timeout = 300;
    ask(&client, "SET", "a", "1", "OK");
    redis_server_signal(&server, SIGSTOP);
    command(&call, "INCR", "a", NULL);
    call.repeatable = false;
    ck_assert_int_eq(redis_call(&client, &call, &reply, &err), PAWL_EUNKNOWN);
    ck_assert_ptr_nonnull(strstr(err.message, "maybe done"));
    /* The idle connection is closed now, and no other can be had. */
    call.maybe = false; /* it is another one */
    ck_assert_int_eq(redis_call(&client, &call, &reply, &err), PAWL_ETIMEOUT);
    redis_server_signal(&server, SIGCONT);
    ask(&client, "GET", "a", NULL, NULL);
    redis_server_signal(&server, SIGSTOP);
    redis_args_clear(&call.args);
    command(&call, "GET", "a", NULL);
    call.reads = true;
    ck_assert_int_eq(redis_call(&client, &call, &reply, &err), PAWL_ETIMEOUT);
    redis_server_signal(&server, SIGCONT);
    client.deadline = 30000;
    ask(&client, "GET", "a", NULL, "2");
    redis_args_clear(&call.args);
    client_close(&client);
    redis_server_stop(&server);
}
END_TEST

/* Calls that are given an end keep it, however much time a call may have; and once it
 * is over nothing is sent. */
START_TEST(ends_with_its_method)
{
    struct redis_server server;
    struct redis_client client;
    struct redis_call call;
    struct pawl_error err = { 0 };
    enum pawl_status statuses[2];
    redisReply *replies[2] = { NULL };
    int64_t started = clock_mono_ns();

    redis_server_start(&server, NULL);
    client_open(&client, server.url, 100000);
    client.settings.reply_timeout = 100000;
    ask(&client, "SET", "a", "1", "OK");
    command(&call, "INCR", "a", NULL);
    call.until = clock_mono_ns();
    ck_assert_int_eq(redis_call(&client, &call, &replies[0], &err), PAWL_ETIMEOUT);
    ck_assert_ptr_nonnull(strstr(err.message, "no time is left"));
    call.maybe = true; /* an earlier one's answer was lost */
    ck_assert_int_eq(redis_call(&client, &call, &replies[0], &err), PAWL_EUNKNOWN);
    ck_assert_ptr_nonnull(strstr(err.message, "maybe done: no time is left"));
    call.maybe = false;
    ck_assert_int_eq(redis_call_all(&client, &call, 1, replies, statuses, &err),
                     PAWL_ETIMEOUT);
    ck_assert_int_eq(statuses[0], PAWL_ETIMEOUT);
    call.until = redis_call_until(&client);
    ck_assert_int_gt(call.until, started + 90 * SECOND_NS);
    redis_args_clear(&call.args);
    ask(&client, "GET", "a", NULL, "1");

    redis_server_signal(&server, SIGSTOP);
    struct redis_call calls[2];
    for (int i = 0; i < 2; i++) {
        command(&calls[i], "GET", "a", NULL);
        calls[i].reads = true;
        calls[i].until = clock_mono_ns() + SECOND_NS / 5;
    }
    ck_assert_int_eq(redis_call_all(&client, calls, 2, replies, statuses, &err),
                     PAWL_ETIMEOUT);
    calls[0].until = clock_mono_ns() + SECOND_NS / 5;
    ck_assert_int_eq(redis_call(&client, &calls[0], replies, &err), PAWL_ETIMEOUT);
    ck_assert_int_lt(clock_mono_ns() - started, 50 * SECOND_NS);
    for (int i = 0; i < 2; i++)
        redis_args_clear(&calls[i].args);
    client_close(&client);
    redis_server_stop(&server);
}
END_TEST

/* --- sentinels ------------------------------------------------------------------ */

static void fails_with(struct redis_client *client, enum pawl_status status,
                       const char *text)
{
    struct pawl_error err = { 0 };
    struct redis_call call;
    redisReply *reply = NULL;

    command(&call, "PING", NULL, NULL);
    ck_assert_msg(redis_call(client, &call, &reply, &err) == status, "%s", err.message);
    ck_assert_msg(strstr(err.message, text) != NULL, "%s", err.message);
    redis_args_clear(&call.args);
}

/* The master is found, found again when it is another one, and what is wrong with
 * the sentinels is said. */
START_TEST(sentinels)
{
    struct redis_sentinels group;
    struct redis_client client;
    struct redis_server *master;
    struct redis_pool *pool = NULL;
    char url[1200];
    int count = 0;

    redis_sentinels_start(&group, NULL);
    client_open(&client, group.url, 30000);
    ask(&client, "SET", "a", "1", "OK");
    ck_assert_int_eq(redis_route_all(client.route, clock_mono_ns() + 9 * SECOND_NS,
                                     &pool, 1, &count, NULL), PAWL_OK);
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(redis_pool_address(pool)->port, group.node[0].port);
    redis_server_kill(&group.node[0]);
    ask(&client, "SET", "a", "2", "OK");
    master = redis_sentinels_await(&group, &group.node[0]);
    ck_assert_ptr_eq(master, &group.node[1]);
    client_close(&client);

    /* Two sentinels are gone, and the third is learned from whom we know. */
    snprintf(url, sizeof url, "redis-sentinel://127.0.0.1:%d/%s", group.sentinel[0].port,
             group.master);
    client_open(&client, url, 10000);
    ask(&client, "GET", "a", NULL, "2");
    redis_server_kill(&group.sentinel[0]);
    redis_server_kill(&group.sentinel[1]);
    redis_server_do(master, "CLIENT KILL TYPE normal");
    ask(&client, "GET", "a", NULL, "2");
    client_close(&client);

    snprintf(url, sizeof url, "redis-sentinel://127.0.0.1:%d,127.0.0.1:%d/%s",
             group.sentinel[0].port, group.sentinel[1].port, group.master);
    client_open(&client, url, 700);
    fails_with(&client, PAWL_EUNREACHABLE, "no sentinel answers (tried 127.0.0.1:");
    client_close(&client);
    snprintf(url, sizeof url, "redis-sentinel://127.0.0.1:%d,127.0.0.1:%d/nosuch",
             group.sentinel[0].port, group.sentinel[2].port);
    client_open(&client, url, 700);
    fails_with(&client, PAWL_EUNREACHABLE, "the sentinels know no master 'nosuch'");
    client_close(&client);
    redis_sentinels_stop(&group);
}
END_TEST

/* Sentinels have users and TLS of their own. `rights` are all that they need to give. */
START_TEST(locked_sentinel)
{
    static const char rights[] = "-@all +auth +info +role +client|setname "
                                 "+sentinel|get-master-addr-by-name +sentinel|sentinels";
    struct redis_server master, sentinel = { 0 };
    struct redis_client client;
    char url[2048];

    redis_tls_start(&master, false, NULL);
    redis_server_prepare(&sentinel);
    sentinel.sentinel = true;
    snprintf(sentinel.password, sizeof sentinel.password, "tester");
    redis_server_config(&sentinel, "port 0");
    redis_server_config(&sentinel, "tls-port %d", sentinel.port);
    redis_server_config(&sentinel, "tls-replication yes");
    redis_server_config(&sentinel, "tls-auth-clients no");
    redis_server_config(&sentinel, "tls-ca-cert-file %s/ca.crt", master.folder);
    redis_server_config(&sentinel, "tls-cert-file %s/server.crt", master.folder);
    redis_server_config(&sentinel, "tls-key-file %s/server.key", master.folder);
    redis_server_config(&sentinel, "user default off");
    redis_server_config(&sentinel, "user tester on >tester ~* &* +@all");
    redis_server_config(&sentinel, "user looker on >s3cret %s", rights);
    redis_server_config(&sentinel, "sentinel monitor m 127.0.0.1 %d 1", master.port);
    redis_server_config(&sentinel, "sentinel auth-user m tester");
    redis_server_config(&sentinel, "sentinel auth-pass m %s", master.password);
    redis_server_run(&sentinel);

    snprintf(url, sizeof url, "redis-sentinel://tester:%s@localhost:%d/m?tls=yes&ca=%s/ca.crt"
             "&sentinel-user=looker&sentinel-password=s3cret", master.password,
             sentinel.port, master.folder);
    client_open(&client, url, 10000);
    ask(&client, "SET", "a", "1", "OK");
    client_close(&client);
    snprintf(strstr(url, "s3cret"), 8, "wrong1");
    client_open(&client, url, 10000);
    fails_with(&client, PAWL_EDENIED, "refuses user or password");
    client_close(&client);
    redis_server_stop(&sentinel);
    redis_server_stop(&master);
}
END_TEST

/* --- a Cluster -------------------------------------------------------------------- */

static void cluster_call_all(struct redis_client *client)
{
    struct redis_call calls[MANY];
    redisReply *replies[MANY];
    enum pawl_status statuses[MANY];
    struct pawl_error err = { 0 };
    char key[16];
    int i;

    for (i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "key:%d", i);
        calls[i] = (struct redis_call){ .repeatable = true, .script = &echo,
                                        .key_count = 1,
                                        .slot = redis_key_slot(key, strlen(key)) };
        memcpy(redis_args_space(&calls[i].args, strlen(key)), key, strlen(key));
        redis_args_number(&calls[i].args, i);
    }
    ck_assert_msg(redis_call_all(client, calls, MANY, replies, statuses, &err) == PAWL_OK,
                  "%s", err.message);
    for (i = 0; i < MANY; i++) {
        ck_assert_int_eq(statuses[i], PAWL_OK);
        ck_assert_int_eq(strtol(replies[i]->str, NULL, 10), i);
        freeReplyObject(replies[i]);
        redis_args_clear(&calls[i].args);
    }
}

/* Each slot's call finds its node; a slot that moved is found again, whichever nodes
 * are asked; scripts come to each node that lacks them. */
START_TEST(cluster)
{
    struct redis_cluster group;
    struct redis_client client, stale;
    struct redis_pool *pools[8];
    char key[16];
    int count = 0, slot, owner;

    redis_cluster_start(&group, NULL);
    learn_sha(&group.node[0]);
    client_open(&client, group.url, 10000);
    client_open(&stale, group.url, 10000);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "key:%d", i);
        ask(&client, "SET", key, key, "OK");
        ask(&stale, "GET", key, NULL, key);
    }
    cluster_call_all(&client);
    ck_assert_int_eq(redis_route_all(client.route, clock_mono_ns() + 9 * SECOND_NS, pools,
                                     8, &count, NULL), PAWL_OK);
    ck_assert_int_eq(count, CLUSTER_NODES);

    slot = redis_cluster_slot(&group, "key:7");
    ck_assert_int_eq(slot, redis_key_slot("key:7", 5));
    owner = redis_cluster_owner(&group, slot);
    redis_cluster_move(&group, slot, (owner + 1) % CLUSTER_NODES);
    ask(&client, "GET", "key:7", NULL, "key:7");
    echo_works(&client, "key:7");
    cluster_call_all(&stale);
    ask(&stale, "GET", "key:7", NULL, "key:7");
    client_close(&client);
    client_close(&stale);

    /* One URL for all is enough, and so is a node that is not the first. */
    redis_server_signal(&group.node[0], SIGSTOP);
    client_open(&client, group.url, 20000);
    client.settings.connect_timeout = 200;
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "key:%d", i);
        slot = redis_key_slot(key, strlen(key));
        if (slot > CLUSTER_SLOTS / 2 && i != 7) /* which may be there now */
            ask(&client, "GET", key, NULL, key);
    }
    client_close(&client);
    redis_server_signal(&group.node[0], SIGCONT);
    redis_cluster_stop(&group);
}
END_TEST

/* The wrong kind of URL is told from the right one. */
START_TEST(wrong_kind)
{
    struct redis_server server;
    struct redis_cluster group;
    struct redis_client client;
    struct redis_call call;
    struct pawl_error err = { 0 };
    redisReply *reply = NULL;
    char url[128];

    redis_server_start(&server, NULL);
    snprintf(url, sizeof url, "redis-cluster://127.0.0.1:%d", server.port);
    client_open(&client, url, 3000);
    command(&call, "GET", "a", NULL);
    ck_assert_int_eq(redis_call(&client, &call, &reply, &err), PAWL_EFORMAT);
    ck_assert_msg(strstr(err.message, "is no Cluster: use a redis:// url") != NULL, "%s",
                  err.message);
    client_close(&client);
    redis_server_stop(&server);

    redis_cluster_start(&group, NULL);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d",
             group.node[(redis_cluster_owner(&group, redis_key_slot("a", 1)) + 1) % 3].port);
    client_open(&client, url, 3000);
    ck_assert_int_eq(redis_call(&client, &call, &reply, &err), PAWL_EFORMAT);
    ck_assert_msg(strstr(err.message, "use a redis-cluster:// url") != NULL, "%s",
                  err.message);
    redis_args_clear(&call.args);
    client_close(&client);
    redis_cluster_stop(&group);
}
END_TEST

int main(void)
{
    const struct lane_test tests[] = {
        { words_stay },
        { failed_words },
        { slots_agree },
        { forgotten_script },
        { run_id },
        { many_calls },
        { nobody_there },
        { silent_server },
        { ends_with_its_method },
        { sentinels },
        { locked_sentinel },
        { cluster },
        { wrong_kind },
    };
    return lanes_run("redis_call", tests, sizeof tests / sizeof *tests, 4, 110,
                     NULL, NULL);
}
