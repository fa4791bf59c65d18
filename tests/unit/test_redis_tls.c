/* test_redis_tls.c - TLS to a server: who is believed and who is not, what is said
 * of it, and that nothing goes on without TLS. */
#include "redis_peer.h"

#include "certificate.h"
#include "program.h"
#include "redis_server.h"
#include "storage/redis/redis_conn.h"

#define PASSWORD "tls-secret" /* of redis_tls_start() */

static struct redis_server server;  /* wants no certificate of us */
static struct redis_server strict;  /* does */
static struct redis_server plain;   /* has no TLS */
static struct redis_settings settings;
static struct pawl_error err;

static void set_file(char *out, const struct redis_server *of, const char *name)
{
    snprintf(out, REDIS_TEXT_MAX, "%.200s/%s", of->folder, name);
}

static void setup(void)
{
    settings = plain_settings();
    settings.tls.on = true;
    set_file(settings.tls.ca_file, &server, "ca.crt");
    snprintf(settings.login.password, sizeof settings.login.password, PASSWORD);
}

static void teardown(void)
{
}

static enum pawl_status try_open(const char *host, int port, struct redis_conn **out)
{
    struct redis_address address = { .port = port };
    snprintf(address.host, sizeof address.host, "%s", host);
    return redis_conn_open(&address, &settings, &settings.login, 0, in_ms(20000), out,
                           &err);
}

static struct redis_conn *open_at(const char *host, int port)
{
    struct redis_conn *conn = NULL;
    ck_assert_msg(try_open(host, port, &conn) == PAWL_OK, "%s", err.message);
    return conn;
}

static void refused_open(const char *host, int port, enum pawl_status status,
                         const char *words)
{
    struct redis_conn *conn = NULL;
    enum pawl_status answer = try_open(host, port, &conn);
    ck_assert_msg(answer == status, "%d: %s", answer, err.message);
    ck_assert_ptr_null(conn);
    ck_assert_msg(strstr(err.message, words) != NULL, "%s", err.message);
    ck_assert_ptr_null(strstr(err.message, PASSWORD));
}

static void pings(struct redis_conn *conn)
{
    redisReply *reply = NULL;
    enum pawl_status status = redis_conn_ask(conn, in_ms(20000), &reply, &err, "PING",
                                             (const char *)NULL);
    ck_assert_msg(status == PAWL_OK, "%s", err.message);
    ck_assert_str_eq(reply->str, "PONG");
    freeReplyObject(reply);
}

/* The server shows this certificate from now on. */
static void show(struct redis_server *s, const char *name)
{
    redis_server_do(s, "CONFIG SET tls-cert-file %s/%s.crt tls-key-file %s/%s.key",
                    s->folder, name, s->folder, name);
}

/* --- who is believed --------------------------------------------------------------- */

/* By name and by address, as they stand in the certificate. */
START_TEST(good)
{
    static const char *const hosts[] = { "localhost", "127.0.0.1" };
    struct redis_conn *conn = open_at(hosts[_i], server.port);
    for (int i = 0; i < 100; i++)
        pings(conn);
    ck_assert(!redis_conn_readable(conn));
    pings(conn);
    redis_conn_close(conn);
}
END_TEST

static const struct {
    struct certificate certificate;
    enum pawl_status status;
    const char *words;
} certificates[] = {
    { { .name = "self", .names = "DNS:localhost" }, PAWL_EDENIED,
      "certificate verify failed: self-signed certificate" },
    { { .name = "expired", .issuer = "ca", .names = "DNS:localhost", .from_day = -9,
        .to_day = -2 },
      PAWL_EDENIED, "certificate verify failed: certificate has expired" },
    { { .name = "early", .issuer = "ca", .names = "DNS:localhost", .from_day = 2,
        .to_day = 9 },
      PAWL_EDENIED, "certificate verify failed: certificate is not yet valid" },
    { { .name = "other", .issuer = "ca", .names = "DNS:redis.example.com" },
      PAWL_EDENIED, "host name 'localhost' does not match the certificate" },
    { { .name = "partial", .issuer = "ca", .names = "DNS:local*" }, PAWL_EDENIED,
      "host name 'localhost' does not match the certificate" },
    { { .name = "address", .issuer = "ca", .names = "IP:127.0.0.1" }, PAWL_EDENIED,
      "host name 'localhost' does not match the certificate" },
    { { .name = "many", .issuer = "ca", .names = "DNS:a.example.com,DNS:localhost" },
      PAWL_OK, NULL },
};

/* A certificate that does not show that this is the server is refused, and the
 * reason told; only `insecure` takes it. */
START_TEST(verified)
{
    const struct certificate *made = &certificates[_i].certificate;
    certificate_make(server.folder, made);
    show(&server, made->name);
    if (certificates[_i].status == PAWL_OK)
        redis_conn_close(open_at("localhost", server.port));
    else
        refused_open("localhost", server.port, certificates[_i].status,
                     certificates[_i].words);
    settings.tls.insecure = true;
    struct redis_conn *conn = open_at("localhost", server.port);
    pings(conn);
    redis_conn_close(conn);
    show(&server, "server");
}
END_TEST

/* The name to verify can be said apart from the host. */
START_TEST(other_name)
{
    struct certificate other = { .name = "other", .issuer = "ca",
                                 .names = "DNS:redis.example.com" };
    certificate_make(server.folder, &other);
    show(&server, "other");
    refused_open("127.0.0.1", server.port, PAWL_EDENIED,
                 "host name '127.0.0.1' does not match the certificate");
    snprintf(settings.tls.name, REDIS_TEXT_MAX, "redis.example.com");
    redis_conn_close(open_at("127.0.0.1", server.port));
    snprintf(settings.tls.name, REDIS_TEXT_MAX, "example.com");
    refused_open("127.0.0.1", server.port, PAWL_EDENIED,
                 "host name 'example.com' does not match the certificate");
    show(&server, "server");
}
END_TEST

/* A certificate authority of our own is the only one that counts; without one, the
 * system's do, which do not know this server. */
START_TEST(authorities)
{
    struct certificate stranger = { .name = "stranger" };
    certificate_make(server.folder, &stranger);
    set_file(settings.tls.ca_file, &server, "stranger.crt");
    refused_open("localhost", server.port, PAWL_EDENIED, "certificate verify failed: ");
    settings.tls.ca_file[0] = '\0';
    refused_open("localhost", server.port, PAWL_EDENIED, "certificate verify failed: ");
}
END_TEST

/* A server that wants our certificate gets it, and says so when it does not. */
START_TEST(client)
{
    struct certificate stranger = { .name = "stranger", .names = "DNS:localhost" };
    certificate_make(strict.folder, &stranger);
    set_file(settings.tls.ca_file, &strict, "ca.crt");
    refused_open("localhost", strict.port, PAWL_EDENIED,
                 "the server refuses our certificate, or that there is none");
    set_file(settings.tls.cert_file, &strict, "stranger.crt");
    set_file(settings.tls.key_file, &strict, "stranger.key");
    refused_open("localhost", strict.port, PAWL_EDENIED,
                 "the server refuses our certificate");
    set_file(settings.tls.cert_file, &strict, "client.crt");
    refused_open("localhost", strict.port, PAWL_EDENIED, "cannot use the client key");
    set_file(settings.tls.key_file, &strict, "client.key");
    struct redis_conn *conn = open_at("localhost", strict.port);
    pings(conn);
    redis_conn_close(conn);
    settings.tls.insecure = true; /* is about the server only */
    redis_conn_close(open_at("localhost", strict.port));
    redis_server_do(&strict, "CONFIG SET tls-protocols TLSv1.2");
    redis_conn_close(open_at("localhost", strict.port));
    settings.tls.cert_file[0] = '\0';
    refused_open("localhost", strict.port, PAWL_EDENIED,
                 "the server refuses our certificate, or that there is none");
    redis_server_do(&strict, "CONFIG SET tls-protocols %s", "TLSv1.2 TLSv1.3");
}
END_TEST

/* Files that cannot be used are named. */
START_TEST(files)
{
    set_file(settings.tls.cert_file, &server, "missing.crt");
    refused_open("localhost", server.port, PAWL_EDENIED,
                 "missing.crt': no such file or directory");
    set_file(settings.tls.cert_file, &server, "redis.conf");
    refused_open("localhost", server.port, PAWL_EDENIED,
                 "cannot use the client certificate in '");
    set_file(settings.tls.ca_file, &server, "missing.crt");
    refused_open("localhost", server.port, PAWL_EDENIED,
                 "cannot use the certificate authority in '");
}
END_TEST

/* --- no way around it ------------------------------------------------------------------ */

/* TLS 1.2 will do; what came before will not. */
START_TEST(versions)
{
    redis_server_do(&server, "CONFIG SET tls-protocols TLSv1.2");
    redis_conn_close(open_at("localhost", server.port));
    redis_server_do(&server, "CONFIG SET tls-protocols TLSv1.1 tls-ciphers %s",
                    "ALL:@SECLEVEL=0");
    refused_open("localhost", server.port, PAWL_EFORMAT, "protocol version");
    redis_server_do(&server, "CONFIG SET tls-protocols %s tls-ciphers DEFAULT",
                    "TLSv1.2 TLSv1.3");
    redis_conn_close(open_at("localhost", server.port));
}
END_TEST

/* A server without TLS gets no password, whatever it answers or does not. */
START_TEST(plain_server)
{
    settings.connect_timeout = 100;
    struct redis_conn *conn = NULL;
    int64_t begin = clock_mono_ns();
    enum pawl_status status = try_open("127.0.0.1", plain.port, &conn);
    /* Whether a real one answers depends on the line ends in random bytes. */
    ck_assert(status == PAWL_ETIMEOUT || status == PAWL_EFORMAT ||
              status == PAWL_EUNREACHABLE);
    ck_assert_ptr_null(conn);
    ck_assert_int_lt(clock_mono_ns() - begin, 5000 * MS);
}
END_TEST

static const struct {
    struct peer peer;
    enum pawl_status status;
    const char *words;
} strangers[] = {
    { { .greeting = "" }, PAWL_ETIMEOUT, "TLS did not begin within " },
    { { .greeting = "-ERR unknown command\r\n" }, PAWL_EFORMAT,
      "does not speak TLS on this port" },
    { { .greeting = "HTTP/1.1 400 Bad Request\r\n\r\n" }, PAWL_EFORMAT,
      "does not speak TLS on this port" },
    { { .greeting = "", .unasked = true, .hang_up = true }, PAWL_EUNREACHABLE,
      "redis at 127.0.0.1:" }, /* closed or reset, as it happens */
    { { .greeting = "", .hang_up = true }, PAWL_EUNREACHABLE, "redis at 127.0.0.1:" },
    { { .greeting = "\x16\x03\x03\x7f\xff garbage" }, PAWL_EFORMAT, "TLS failed" },
    { { .greeting = "\x15\x03\x03\x01", .hang_up = true }, PAWL_EUNREACHABLE,
      "redis at 127.0.0.1:" },
    { { .greeting = "\x16\x03\x03", .hang_up = false }, PAWL_ETIMEOUT,
      "TLS did not begin within " },
};

START_TEST(no_tls_there)
{
    struct peer peer = strangers[_i].peer;
    peer_start(&peer);
    settings.connect_timeout = strangers[_i].status == PAWL_ETIMEOUT ? 100 : 10000;
    refused_open("127.0.0.1", peer.port, strangers[_i].status, strangers[_i].words);
    ck_assert_int_eq(atomic_load(&peer.accepted), 1);
    peer_stop(&peer);
}
END_TEST

/* Without TLS at a port that wants it, the message says what to do. */
START_TEST(tls_wanted)
{
    settings.tls.on = false;
    refused_open("127.0.0.1", server.port, PAWL_EUNREACHABLE, "if it wants TLS");
}
END_TEST

/* --- as good as without --------------------------------------------------------------- */

/* Requests and replies of many records, several at once. */
START_TEST(large)
{
    struct redis_conn *conn = open_at("localhost", server.port);
    size_t size = 8u << 20;
    char *value = malloc(size);
    const char *words[] = { "ECHO", value };
    size_t sizes[] = { 4, size };
    ck_assert_ptr_nonnull(value);
    for (size_t i = 0; i < size; i++)
        value[i] = (char)(i * 11 + i / 4096);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(redis_conn_send(conn, 2, words, sizes, in_ms(60000), NULL, &err),
                         PAWL_OK);
    for (int i = 0; i < 3; i++) {
        redisReply *reply = NULL;
        enum pawl_status status = redis_conn_receive(conn, in_ms(60000), &reply, &err);
        ck_assert_msg(status == PAWL_OK, "%s", err.message);
        ck_assert_uint_eq(reply->len, size);
        ck_assert(memcmp(reply->str, value, size) == 0);
        freeReplyObject(reply);
    }
    ck_assert(!redis_conn_readable(conn));
    redis_conn_close(conn);
    free(value);
}
END_TEST

/* Silence ends at the deadline; what the server cut fails, and raises no SIGPIPE. */
START_TEST(ends)
{
    struct redis_conn *conn = open_at("localhost", server.port);
    redisReply *reply = NULL;
    int64_t begin = clock_mono_ns();
    ck_assert_int_eq(redis_conn_ask(conn, begin + 50 * MS, &reply, &err, "BLPOP", "nothing",
                                    "0", (const char *)NULL),
                     PAWL_ETIMEOUT);
    ck_assert_int_ge(clock_mono_ns() - begin, 50 * MS);
    redis_conn_close(conn);
    conn = open_at("localhost", server.port);
    redis_server_do(&server, "CLIENT KILL TYPE normal SKIPME yes");
    while (!redis_conn_readable(conn))
        poll(NULL, 0, 1);
    enum pawl_status status = PAWL_OK;
    for (int i = 0; i < 10 && status == PAWL_OK; i++) {
        const char *word = "PING";
        size_t size = 4;
        status = redis_conn_send(conn, 1, &word, &size, in_ms(20000), NULL, &err);
    }
    if (status == PAWL_OK)
        status = redis_conn_receive(conn, in_ms(20000), &reply, &err);
    ck_assert_int_eq(status, PAWL_EUNREACHABLE);
    redis_conn_close(conn);
}
END_TEST

static void *open_and_ping(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        struct redis_conn *conn = NULL;
        struct redis_address address = { .host = "localhost", .port = server.port };
        struct pawl_error why = { 0 };
        enum pawl_status status = redis_conn_open(&address, &settings, &settings.login,
                                                  0, in_ms(20000), &conn, &why);
        ck_assert_msg(status == PAWL_OK, "%s", why.message);
        redis_conn_close(conn);
        snprintf(address.host, sizeof address.host, "127.0.0.2");
        ck_assert_int_ne(redis_conn_open(&address, &settings, &settings.login, 0,
                                         in_ms(20000), &conn, &why), PAWL_OK);
    }
    return NULL;
}

/* Sessions are made in many threads at once, some of them refused. */
START_TEST(threads)
{
    pthread_t all[8];
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(pthread_create(&all[i], NULL, open_and_ping, NULL), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(all[i], NULL);
}
END_TEST

int main(void)
{
    redis_server_start(&plain, NULL);
    redis_tls_start(&server, false, NULL);
    redis_tls_start(&strict, true, NULL);
    Suite *suite = suite_create("redis_tls");
    TCase *t = tcase_create("redis_tls");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, good, 0, 2);
    tcase_add_loop_test(t, verified, 0,
                        (int)(sizeof certificates / sizeof *certificates));
    tcase_add_test(t, other_name);
    tcase_add_test(t, authorities);
    tcase_add_test(t, client);
    tcase_add_test(t, files);
    tcase_add_test(t, versions);
    tcase_add_test(t, plain_server);
    tcase_add_loop_test(t, no_tls_there, 0, (int)(sizeof strangers / sizeof *strangers));
    tcase_add_test(t, tls_wanted);
    tcase_add_test(t, large);
    tcase_add_test(t, ends);
    tcase_add_test(t, threads);
    suite_add_tcase(suite, t);
    int status = program_run(suite);
    redis_server_stop(&strict);
    redis_server_stop(&server);
    redis_server_stop(&plain);
    return status;
}
