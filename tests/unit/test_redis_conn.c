/* test_redis_conn.c - one connection: finding a server, the first words, commands
 * and replies, and each way in which it ends. A real server where one will do, a
 * peer of our own for what no server does. */
#include "redis_peer.h"

#include <fcntl.h>
#include <signal.h>

#include "program.h"
#include "redis_server.h"
#include "storage/redis/redis_conn.h"

#define PASSWORD "acl-secret" /* of redis_acl_start() */

static struct redis_server server; /* all may do all */
static struct redis_server guarded;
static struct pawl_error err;

/* --- helpers ------------------------------------------------------------------- */

static enum pawl_status try_open(const struct redis_address *address,
                                 const struct redis_login *login, int db,
                                 struct redis_conn **out)
{
    struct redis_settings settings = plain_settings();
    static const struct redis_login nobody;
    return redis_conn_open(address, &settings, login ? login : &nobody, db,
                           in_ms(20000), out, &err);
}

static struct redis_conn *open_at(const struct redis_address *address, int db)
{
    struct redis_conn *conn = NULL;
    ck_assert_msg(try_open(address, NULL, db, &conn) == PAWL_OK, "%s", err.message);
    return conn;
}

static struct redis_conn *open_server(void)
{
    struct redis_address address = loopback(server.port);
    return open_at(&address, 0);
}

/* Opening must fail with this status and these words, none of them secret. */
static void refused_open(const struct redis_address *address,
                         const struct redis_login *login, int db,
                         enum pawl_status status, const char *words)
{
    struct redis_conn *conn = NULL;
    ck_assert_int_eq(try_open(address, login, db, &conn), status);
    ck_assert_ptr_null(conn);
    ck_assert_msg(strstr(err.message, words) != NULL, "%s", err.message);
    ck_assert_ptr_null(strstr(err.message, "secret"));
    ck_assert_int_eq(err.status, status);
}

static redisReply *ask1(struct redis_conn *conn, const char *word, const char *more)
{
    redisReply *reply = NULL;
    enum pawl_status status = redis_conn_ask(conn, in_ms(20000), &reply, &err, word,
                                             more, (const char *)NULL);
    ck_assert_msg(status == PAWL_OK, "%s", err.message);
    return reply;
}

static enum pawl_status receive(struct redis_conn *conn, int64_t ms)
{
    redisReply *reply = NULL;
    enum pawl_status status = redis_conn_receive(conn, in_ms(ms), &reply, &err);
    if (status == PAWL_OK)
        freeReplyObject(reply);
    return status;
}

static enum pawl_status send1(struct redis_conn *conn, const char *word, bool *sent)
{
    size_t size = strlen(word);
    return redis_conn_send(conn, 1, &word, &size, in_ms(20000), sent, &err);
}

/* --- opening -------------------------------------------------------------------- */

/* By address, by name, and by a unix socket; the server is known afterwards. */
START_TEST(opens)
{
    struct redis_address addresses[] = { loopback(server.port), loopback(server.port),
                                         { .port = 0 } };
    snprintf(addresses[1].host, REDIS_TEXT_MAX, "localhost");
    snprintf(addresses[2].host, REDIS_TEXT_MAX, "%.200s", server.socket);
    struct redis_conn *conn = open_at(&addresses[_i], 0);
    const struct redis_server_info *info = redis_conn_server(conn);
    ck_assert_uint_eq(strlen(info->run_id), 40);
    ck_assert_int_ge(info->version[0], '7');
    ck_assert_str_eq(info->mode, "standalone");
    ck_assert(!info->is_replica);
    ck_assert_str_eq(redis_conn_address(conn)->host, addresses[_i].host);
    redisReply *reply = ask1(conn, "CLIENT", "GETNAME");
    ck_assert_str_eq(reply->str, "pawl");
    freeReplyObject(reply);
    ck_assert(!redis_conn_readable(conn));
    redis_conn_close(conn);
}
END_TEST

START_TEST(selects)
{
    struct redis_address address = loopback(server.port);
    struct redis_conn *conn = open_at(&address, 3);
    redisReply *reply = ask1(conn, "CLIENT", "INFO");
    ck_assert_ptr_nonnull(strstr(reply->str, " db=3 "));
    freeReplyObject(reply);
    redis_conn_close(conn);
    refused_open(&address, NULL, 99, PAWL_EFORMAT, "index");
}
END_TEST

/* A replica opens: who wants a master looks at the info. */
START_TEST(replica)
{
    struct redis_server copy;
    char port[16];
    snprintf(port, sizeof port, "%d", server.port);
    const char *options[] = { "--replicaof", "127.0.0.1", port, NULL };
    redis_server_start(&copy, options);
    struct redis_address address = loopback(copy.port);
    struct redis_conn *conn = open_at(&address, 0);
    ck_assert(redis_conn_server(conn)->is_replica);
    redis_conn_close(conn);
    redis_server_stop(&copy);
}
END_TEST

START_TEST(nobody_there)
{
    struct redis_address address = loopback(1);
    refused_open(&address, NULL, 0, PAWL_EUNREACHABLE,
                 "redis at 127.0.0.1:1: connection refused");
    snprintf(address.host, sizeof address.host, "no-such-host.invalid");
    refused_open(&address, NULL, 0, PAWL_EUNREACHABLE,
                 "redis at no-such-host.invalid:1: the host name is not known");
    address = (struct redis_address){ .host = "/nowhere/redis.sock" };
    refused_open(&address, NULL, 0, PAWL_EUNREACHABLE,
                 "redis at /nowhere/redis.sock: no such file or directory");
    memset(address.host, 'x', 200);
    refused_open(&address, NULL, 0, PAWL_EUNREACHABLE, "file name too long");
}
END_TEST

/* Who we are is refused, in words that help and do not tell the password. */
START_TEST(logins)
{
    struct redis_address address = loopback(guarded.port);
    struct redis_login login = { .user = "pawl", .password = PASSWORD };
    struct redis_conn *conn = NULL;
    refused_open(&address, NULL, 0, PAWL_EDENIED, "wants a password");
    ck_assert_int_eq(try_open(&address, &login, 0, &conn), PAWL_OK);
    redis_conn_close(conn);
    snprintf(login.password, sizeof login.password, "wrong secret");
    refused_open(&address, &login, 0, PAWL_EDENIED, "refuses user or password");
    snprintf(login.user, sizeof login.user, "nobody");
    refused_open(&address, &login, 0, PAWL_EDENIED, "refuses user or password");
    login.user[0] = '\0';
    refused_open(&address, &login, 0, PAWL_EDENIED, "refuses user or password");
    address = loopback(server.port);
    refused_open(&address, &login, 0, PAWL_EDENIED, "has no password");
}
END_TEST

/* The right that is missing is named; a name for CLIENT LIST is not needed. */
START_TEST(rights)
{
    struct redis_address address = loopback(guarded.port);
    struct redis_login login = { .user = "pawl", .password = PASSWORD };
    struct redis_conn *conn = NULL;
    redis_server_do(&guarded, "ACL SETUSER pawl -@all +info +role +ping");
    ck_assert_int_eq(try_open(&address, &login, 0, &conn), PAWL_OK);
    freeReplyObject(ask1(conn, "PING", NULL));
    redis_conn_close(conn);
    redis_server_do(&guarded, "ACL SETUSER pawl -@all +role");
    refused_open(&address, &login, 0, PAWL_EDENIED,
                 "user 'pawl' has no right to INFO");
    redis_server_do(&guarded, "ACL SETUSER pawl -@all +info");
    refused_open(&address, &login, 0, PAWL_EDENIED,
                 "user 'pawl' has no right to ROLE");
    refused_open(&address, &login, 5, PAWL_EDENIED,
                 "user 'pawl' has no right to SELECT");
    redis_server_do(&guarded, "ACL SETUSER pawl +@all");
}
END_TEST

static const struct {
    const char *bytes;
    bool unasked, hang_up;
    enum pawl_status status; /* PAWL_OK: it opens */
    const char *words;
} greetings[] = {
    { PEER_GOOD, .status = PAWL_OK },
    { PEER_INFO("7.2.4") "*1\r\n$8\r\nsentinel\r\n+OK\r\n", .status = PAWL_OK },
    { PEER_INFO("8.0.1") PEER_MASTER "-NOPERM no\r\n", .status = PAWL_OK },
    { PEER_INFO("10.01") PEER_MASTER "-ERR unknown\r\n", .status = PAWL_OK },
    { PEER_INFO("6.2.7") PEER_MASTER "+OK\r\n", .status = PAWL_EFORMAT,
      .words = "is version 6.2.7; pawl needs 7.0 or later" },
    { "$5\r\nhello\r\n", .status = PAWL_EFORMAT, .words = "does not say that it is" },
    { "+OK\r\n+OK\r\n+OK\r\n", .status = PAWL_EFORMAT, .words = "does not say" },
    { PEER_INFO("7.0.0") ":1\r\n+OK\r\n", .status = PAWL_EFORMAT,
      .words = "ROLE has no role in it" },
    { PEER_INFO("7.0.0") "*1\r\n:1\r\n+OK\r\n", .status = PAWL_EFORMAT,
      .words = "ROLE has no role in it" },
    { "-LOADING Redis is loading the dataset in memory\r\n",
      .status = PAWL_EUNREACHABLE, .words = "LOADING" },
    { "-ERR max number of clients reached\r\n", .unasked = true, .hang_up = true,
      .status = PAWL_EUNREACHABLE, .words = "max number of clients" },
    { "-DENIED Redis is running in protected mode\r\n", .unasked = true,
      .hang_up = true, .status = PAWL_EDENIED, .words = "protected mode" },
    { "HTTP/1.1 400 Bad Request\r\n\r\n", .status = PAWL_EFORMAT,
      .words = "its answer cannot be read" },
    { "$9223372036854775807\r\n", .status = PAWL_EFORMAT, .words = "more than" },
    { "\x15\x03\x03", .status = PAWL_EFORMAT, .words = "cannot be read" },
    { "", .unasked = true, .hang_up = true, .status = PAWL_EUNREACHABLE,
      .words = "if it wants TLS" },
    { "$83\r\n# Ser", .hang_up = true, .status = PAWL_EUNREACHABLE,
      .words = "closed the connection" },
};

/* What may stand at the other end instead of a Redis, and what is said of it. */
START_TEST(greeted)
{
    struct peer peer = { .greeting = greetings[_i].bytes,
                         .unasked = greetings[_i].unasked,
                         .hang_up = greetings[_i].hang_up };
    struct redis_conn *conn = NULL;
    peer_start(&peer);
    struct redis_address address = loopback(peer.port);
    if (greetings[_i].status == PAWL_OK) {
        ck_assert_msg(try_open(&address, NULL, 0, &conn) == PAWL_OK, "%s",
                      err.message);
        redis_conn_close(conn);
    } else {
        refused_open(&address, NULL, 0, greetings[_i].status, greetings[_i].words);
    }
    peer_stop(&peer);
}
END_TEST

/* Opening ends in time: at a server that is stopped, and at one that never says
 * anything; by the connect timeout or by the caller's deadline. */
START_TEST(opens_in_time)
{
    struct redis_settings settings = plain_settings();
    struct redis_conn *conn = NULL;
    struct peer peer = { .greeting = "" };
    peer_start(&peer);
    struct redis_address address = loopback(peer.port);
    if (_i == 0) {
        settings.connect_timeout = 50;
    } else if (_i == 1) {
        address = loopback(server.port);
        redis_server_signal(&server, SIGSTOP);
    }
    int64_t begin = clock_mono_ns();
    ck_assert_int_eq(redis_conn_open(&address, &settings, &settings.login, 0,
                                     begin + (_i == 0 ? 20000 : 50) * MS, &conn, &err),
                     PAWL_ETIMEOUT);
    ck_assert_int_ge(clock_mono_ns() - begin, 50 * MS);
    ck_assert_int_lt(clock_mono_ns() - begin, 5000 * MS);
    ck_assert_ptr_nonnull(strstr(err.message, "no answer within "));
    redis_server_signal(&server, SIGCONT);
    peer_stop(&peer);
}
END_TEST

/* --- commands and replies -------------------------------------------------------- */

/* Words may hold any bytes. */
START_TEST(binary)
{
    struct redis_conn *conn = open_server();
    char value[256];
    for (int i = 0; i < 256; i++)
        value[i] = (char)i;
    const char *words[] = { "ECHO", value };
    size_t sizes[] = { 4, sizeof value };
    redisReply *reply = NULL;
    bool sent = false;
    ck_assert_int_eq(redis_conn_send(conn, 2, words, sizes, in_ms(20000), &sent, &err),
                     PAWL_OK);
    ck_assert(sent);
    ck_assert_int_eq(redis_conn_receive(conn, in_ms(20000), &reply, &err), PAWL_OK);
    ck_assert_uint_eq(reply->len, sizeof value);
    ck_assert_mem_eq(reply->str, value, sizeof value);
    freeReplyObject(reply);
    redis_conn_close(conn);
}
END_TEST

/* Commands sent together are answered in order. */
START_TEST(pipelined)
{
    struct redis_conn *conn = open_server();
    char number[16];
    for (int i = 0; i < 2000; i++) {
        const char *words[] = { "ECHO", number };
        size_t sizes[] = { 4, (size_t)snprintf(number, sizeof number, "%d", i) };
        ck_assert_int_eq(redis_conn_send(conn, 2, words, sizes, in_ms(20000), NULL, &err),
                         PAWL_OK);
    }
    for (int i = 0; i < 2000; i++) {
        redisReply *reply = NULL;
        snprintf(number, sizeof number, "%d", i);
        ck_assert_int_eq(redis_conn_receive(conn, in_ms(20000), &reply, &err), PAWL_OK);
        ck_assert_str_eq(reply->str, number);
        freeReplyObject(reply);
    }
    redis_conn_close(conn);
}
END_TEST

/* A request that is larger than all buffers between us, to a peer that reads no more
 * of it until we took its replies: neither waits for the other for ever. */
START_TEST(large_both_ways)
{
    struct peer peer = { .reply_size = 4096 };
    size_t size = 16u << 20;
    char *value = calloc(1, size), text[4096];
    const char *words[] = { "SET", "key", value };
    size_t sizes[] = { 3, 3, size };
    ck_assert_ptr_nonnull(value);
    memset(text, 'x', sizeof text);
    memcpy(text, "$4087\r\n", 7);
    memcpy(text + 4094, "\r\n", 2);
    peer.reply = text;
    peer_start(&peer);
    struct redis_address address = loopback(peer.port);
    struct redis_conn *conn = open_at(&address, 0);
    ck_assert_int_eq(redis_conn_send(conn, 3, words, sizes, in_ms(60000), NULL, &err),
                     PAWL_OK);
    for (int i = 0; i < 4096; i++) /* or some more, if it read smaller pieces */
        ck_assert_msg(receive(conn, 60000) == PAWL_OK, "%d: %s", i, err.message);
    redis_conn_close(conn);
    peer_stop(&peer);
    free(value);
}
END_TEST

/* 32 MiB there and back, from a real server. */
START_TEST(large)
{
    struct redis_conn *conn = open_server();
    size_t size = 32u << 20;
    char *value = malloc(size);
    const char *words[] = { "ECHO", value };
    size_t sizes[] = { 4, size };
    redisReply *replies[3];
    ck_assert_ptr_nonnull(value);
    for (size_t i = 0; i < size; i++)
        value[i] = (char)(i * 7 + i / 4096);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(redis_conn_send(conn, 2, words, sizes, in_ms(60000), NULL, &err),
                         PAWL_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(redis_conn_receive(conn, in_ms(60000), &replies[i], &err),
                         PAWL_OK);
        ck_assert_uint_eq(replies[i]->len, size);
        ck_assert(memcmp(replies[i]->str, value, size) == 0);
        freeReplyObject(replies[i]);
    }
    redis_conn_close(conn);
    free(value);
}
END_TEST

/* Replies that come byte by byte come. */
START_TEST(slow_replies)
{
    struct peer peer = { .reply = "*2\r\n$13\r\nslow but sure\r\n:7\r\n",
                         .slowly = true };
    peer_start(&peer);
    struct redis_address address = loopback(peer.port);
    struct redis_conn *conn = open_at(&address, 0);
    for (int i = 0; i < 20; i++) {
        redisReply *reply = ask1(conn, "ANYTHING", NULL);
        ck_assert_str_eq(reply->element[0]->str, "slow but sure");
        freeReplyObject(reply);
    }
    redis_conn_close(conn);
    peer_stop(&peer);
}
END_TEST

/* An error reply is a reply. */
START_TEST(error_reply)
{
    struct redis_conn *conn = open_server();
    redisReply *reply = ask1(conn, "NONSENSE", NULL);
    ck_assert_int_eq(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
    freeReplyObject(ask1(conn, "PING", NULL));
    redis_conn_close(conn);
}
END_TEST

/* --- ends -------------------------------------------------------------------------- */

/* Silence ends at the deadline, and the connection with it: the late reply must not
 * answer the next command. */
START_TEST(silence)
{
    struct redis_conn *conn = open_server();
    bool sent = true;
    const char *words[] = { "BLPOP", "nothing", "0" };
    size_t sizes[] = { 5, 7, 1 };
    ck_assert_int_eq(redis_conn_send(conn, 3, words, sizes, in_ms(20000), NULL, &err),
                     PAWL_OK);
    int64_t begin = clock_mono_ns();
    ck_assert_int_eq(receive(conn, 30), PAWL_ETIMEOUT);
    ck_assert_int_ge(clock_mono_ns() - begin, 30 * MS);
    ck_assert_ptr_nonnull(strstr(err.message, ": no answer within "));
    ck_assert_int_eq(receive(conn, 20000), PAWL_EUNREACHABLE);
    ck_assert_int_eq(send1(conn, "PING", &sent), PAWL_EUNREACHABLE);
    ck_assert(!sent);
    ck_assert(redis_conn_readable(conn));
    redis_conn_close(conn);
}
END_TEST

/* Reads and writes on what the server has cut fail, and raise no SIGPIPE. */
START_TEST(cut)
{
    struct redis_conn *conn = open_server();
    bool sent = false;
    ck_assert(!redis_conn_readable(conn));
    redis_server_do(&server, "CLIENT KILL TYPE normal SKIPME yes");
    while (!redis_conn_readable(conn))
        poll(NULL, 0, 1);
    enum pawl_status status = PAWL_OK;
    for (int i = 0; i < 10 && status == PAWL_OK; i++)
        status = send1(conn, "PING", &sent);
    if (status == PAWL_OK)
        status = receive(conn, 20000);
    ck_assert_int_eq(status, PAWL_EUNREACHABLE);
    ck_assert_ptr_nonnull(strstr(err.message, "redis at 127.0.0.1:"));
    redis_conn_close(conn);
}
END_TEST

static const struct {
    const char *reply;
    enum pawl_status status;
} endings[] = {
    { "$10\r\nhalf", PAWL_EUNREACHABLE },
    { "*2\r\n+one\r\n", PAWL_EUNREACHABLE },
    { "", PAWL_EUNREACHABLE },
    { "+", PAWL_EUNREACHABLE },
    { "nonsense\r\n", PAWL_EFORMAT },
    { "*2147483647\r\n", PAWL_EFORMAT },
    { "$99999999999\r\n", PAWL_EFORMAT },
};

/* A peer that answers half, or nonsense, and hangs up. */
START_TEST(bad_ends)
{
    struct peer peer = { .reply = endings[_i].reply, .hang_up_later = true };
    redisReply *reply = NULL;
    peer_start(&peer);
    struct redis_address address = loopback(peer.port);
    struct redis_conn *conn = open_at(&address, 0);
    ck_assert_int_eq(redis_conn_ask(conn, in_ms(20000), &reply, &err, "PING",
                                    (const char *)NULL),
                     endings[_i].status);
    ck_assert_ptr_null(reply);
    ck_assert_int_eq(receive(conn, 20000), PAWL_EUNREACHABLE);
    redis_conn_close(conn);
    peer_stop(&peer);
}
END_TEST

/* A reply that nobody asked for makes an idle connection readable. */
START_TEST(out_of_step)
{
    struct peer peer = { .reply = "+one\r\n+two\r\n" };
    peer_start(&peer);
    struct redis_address address = loopback(peer.port);
    struct redis_conn *conn = open_at(&address, 0);
    ck_assert(!redis_conn_readable(conn));
    redisReply *reply = ask1(conn, "PING", NULL);
    ck_assert_str_eq(reply->str, "one");
    freeReplyObject(reply);
    while (!redis_conn_readable(conn))
        poll(NULL, 0, 1);
    redis_conn_close(conn);
    peer_stop(&peer);
}
END_TEST

static void no_op(int number)
{
    (void)number;
}

static void *send_signals(void *arg)
{
    pthread_t *to = arg;
    for (int i = 0; i < 200; i++) {
        pthread_kill(*to, SIGUSR1);
        poll(NULL, 0, 1);
    }
    return NULL;
}

/* Signals neither shorten a wait nor end it. */
START_TEST(signals)
{
    struct sigaction action = { .sa_handler = no_op };
    pthread_t me = pthread_self(), thread;
    sigaction(SIGUSR1, &action, NULL);
    struct redis_conn *conn = open_server();
    ck_assert_int_eq(pthread_create(&thread, NULL, send_signals, &me), 0);
    int64_t begin = clock_mono_ns();
    ck_assert_int_eq(receive(conn, 100), PAWL_ETIMEOUT);
    ck_assert_int_ge(clock_mono_ns() - begin, 100 * MS);
    pthread_join(thread, NULL);
    redis_conn_close(conn);
}
END_TEST

static int count_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

/* No descriptor is left behind by success or failure, and none goes to a child. */
START_TEST(descriptors)
{
    struct redis_address nobody = loopback(1), somebody = loopback(server.port);
    struct redis_conn *conn = NULL;
    int before = count_fds();
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(try_open(&nobody, NULL, 0, &conn), PAWL_EUNREACHABLE);
        ck_assert_int_eq(try_open(&somebody, NULL, 99, &conn), PAWL_EFORMAT);
        conn = open_at(&somebody, 0);
        ck_assert(fcntl(redis_conn_fd(conn), F_GETFD) & FD_CLOEXEC);
        redis_conn_close(conn);
    }
    ck_assert_int_eq(count_fds(), before);
    redis_conn_close(NULL);
}
END_TEST

int main(void)
{
    redis_server_start(&server, NULL);
    redis_acl_start(&guarded, "~* &* +@all", NULL);
    Suite *suite = suite_create("redis_conn");
    TCase *t = tcase_create("redis_conn");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, opens, 0, 3);
    tcase_add_test(t, selects);
    tcase_add_test(t, replica);
    tcase_add_test(t, nobody_there);
    tcase_add_test(t, logins);
    tcase_add_test(t, rights);
    tcase_add_loop_test(t, greeted, 0, (int)(sizeof greetings / sizeof *greetings));
    tcase_add_loop_test(t, opens_in_time, 0, 3);
    tcase_add_test(t, binary);
    tcase_add_test(t, pipelined);
    tcase_add_test(t, large_both_ways);
    tcase_add_test(t, large);
    tcase_add_test(t, slow_replies);
    tcase_add_test(t, error_reply);
    tcase_add_test(t, silence);
    tcase_add_test(t, cut);
    tcase_add_loop_test(t, bad_ends, 0, (int)(sizeof endings / sizeof *endings));
    tcase_add_test(t, out_of_step);
    tcase_add_test(t, signals);
    tcase_add_test(t, descriptors);
    suite_add_tcase(suite, t);
    int status = program_run(suite);
    redis_server_stop(&guarded);
    redis_server_stop(&server);
    return status;
}
