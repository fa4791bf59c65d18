/* test_redis_socket.c - getting connected: names that have several addresses, or
 * are looked up for ever, addresses that swallow what is sent there, and lines of
 * waiting connections that are full; and reading. getaddrinfo() is ours for names
 * under .test. */
#include "redis_peer.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <semaphore.h>
#include <sys/un.h>

#include "program.h"
#include "storage/redis/redis_socket.h"
#include "temp_dir.h"
#include "util/clock.h"

static struct pawl_error err;
static sem_t name_servers; /* posted once they answer again */

/* "slow.test" is known once `name_servers` is posted; "two.test" is 127.0.0.2 and
 * then 127.0.0.1. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **out)
{
    int (*real)(const char *, const char *, const struct addrinfo *,
                struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!strstr(host, ".test"))
        return real(host, port, hints, out);
    if (hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    if (strcmp(host, "slow.test") == 0) {
        while (sem_wait(&name_servers) != 0)
            continue;
        return real("127.0.0.1", port, hints, out);
    }
    int unknown = real("127.0.0.2", port, hints, out);
    return unknown != 0 ? unknown : real("127.0.0.1", port, hints, &(*out)->ai_next);
}

static enum pawl_status connect_to(const char *host, int port, int64_t ms)
{
    struct redis_address address = { .port = port };
    int fd = -1;
    snprintf(address.host, sizeof address.host, "%s", host);
    enum pawl_status status = redis_socket_open(&address, in_ms(ms), &fd, &err);
    if (status == PAWL_OK)
        close(fd);
    return status;
}

static void says(const char *words)
{
    ck_assert_msg(strstr(err.message, words) != NULL, "%s", err.message);
}

/* A listener that takes no more: who connects now hears nothing at all. */
struct full {
    int listener;
    int waiting[8];
};

static void full_start(struct full *full, const struct sockaddr *at, socklen_t size)
{
    full->listener = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(full->listener, at, size), 0);
    ck_assert_int_eq(listen(full->listener, 0), 0);
    for (int i = 0; i < 8; i++) {
        full->waiting[i] = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(full->waiting[i], at, size) != 0)
            ck_assert(errno == EINPROGRESS || errno == EAGAIN);
    }
}

static void full_stop(struct full *full)
{
    for (int i = 0; i < 8; i++)
        close(full->waiting[i]);
    close(full->listener);
}

static void full_start_at(struct full *full, int port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    inet_pton(AF_INET, "127.0.0.2", &at.sin_addr);
    full_start(full, (struct sockaddr *)&at, sizeof at);
}

/* The second address serves when the first refuses. */
START_TEST(tries_the_next)
{
    struct peer peer = { .greeting = NULL };
    peer_start(&peer);
    ck_assert_msg(connect_to("two.test", peer.port, 20000) == PAWL_OK, "%s",
                  err.message);
    peer_stop(&peer);
    ck_assert_int_eq(connect_to("two.test", 1, 20000), PAWL_EUNREACHABLE);
    says("redis at two.test:1: connection refused");
}
END_TEST

/* ... and when the first swallows what is sent to it, which must not use up all of
 * the time there is. */
START_TEST(shares_the_time)
{
    struct peer peer = { .greeting = NULL };
    struct full full;
    peer_start(&peer);
    full_start_at(&full, peer.port);
    int64_t begin = clock_mono_ns();
    ck_assert_msg(connect_to("two.test", peer.port, 1000) == PAWL_OK, "%s", err.message);
    ck_assert_int_ge(clock_mono_ns() - begin, 500 * MS);
    begin = clock_mono_ns();
    ck_assert_int_eq(connect_to("127.0.0.2", peer.port, 50), PAWL_ETIMEOUT);
    ck_assert_int_ge(clock_mono_ns() - begin, 50 * MS);
    says(": no connection within ");
    full_stop(&full);
    peer_stop(&peer);
}
END_TEST

/* Name servers that do not answer cost no more than the deadline, and what they
 * answer too late is nobody's loss. */
START_TEST(looks_up_in_time)
{
    struct peer peer = { .greeting = NULL };
    peer_start(&peer);
    sem_init(&name_servers, 0, 0);
    int64_t begin = clock_mono_ns();
    ck_assert_int_eq(connect_to("slow.test", peer.port, 50), PAWL_ETIMEOUT);
    ck_assert_int_ge(clock_mono_ns() - begin, 50 * MS);
    says("redis at slow.test:");
    says("what address the host has");
    sem_post(&name_servers); /* for the thread that was left behind */
    sem_post(&name_servers);
    ck_assert_msg(connect_to("slow.test", peer.port, 20000) == PAWL_OK, "%s",
                  err.message);
    peer_stop(&peer);
}
END_TEST

/* A unix socket that takes no more is asked again, until the deadline. */
START_TEST(full_unix_socket)
{
    struct temp_dir dir;
    struct full full;
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    temp_dir_make(&dir);
    snprintf(at.sun_path, sizeof at.sun_path, "%.90s/socket", dir.path);
    full_start(&full, (struct sockaddr *)&at, sizeof at);
    ck_assert_int_eq(connect_to(at.sun_path, 0, 50), PAWL_ETIMEOUT);
    says(": no connection within ");
    full_stop(&full);
    ck_assert_int_eq(connect_to(at.sun_path, 0, 20000), PAWL_EUNREACHABLE);
    says(": connection refused");
    temp_dir_remove(&dir);
}
END_TEST

/* Addresses as they stand in messages and as people write them. */
START_TEST(addresses)
{
    ck_assert_int_eq(connect_to("::1", 1, 20000), PAWL_EUNREACHABLE);
    says("redis at [::1]:1: ");
    ck_assert_int_eq(connect_to("nowhere.invalid", 1, 20000), PAWL_EUNREACHABLE);
    says("redis at nowhere.invalid:1: the host name is not known (");
    ck_assert_int_eq(connect_to("", 1, 20000), PAWL_EUNREACHABLE);
    ck_assert_int_eq(connect_to("a b\n", 1, 20000), PAWL_EUNREACHABLE);
    ck_assert_int_eq(connect_to("/", 0, 20000), PAWL_EUNREACHABLE);
}
END_TEST

/* Answers that were quick change nothing about one that is not: it is waited for up
 * to the deadline and no longer, and an end is an end. */
START_TEST(quick_and_slow_answers)
{
    struct redis_listening listening = { .patience_ms = 0 };
    int64_t deadline;
    char got[8];
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(write(ends[1], "quick", 5), 5);
        deadline = clock_mono_ns() + INT64_C(20000000000);
        ck_assert_int_eq(redis_socket_read_by(ends[0], got, sizeof got, deadline,
                                              &listening),
                         5);
    }
    listening.quick_answers = 1000; /* whatever the machine did meanwhile */
    deadline = clock_mono_ns() + 30 * INT64_C(1000000);
    ck_assert_int_eq(redis_socket_read_by(ends[0], got, sizeof got, deadline,
                                          &listening),
                     REDIS_IO_AGAIN);
    ck_assert_int_ge(clock_mono_ns(), deadline);
    ck_assert_int_eq(listening.quick_answers, 0);
    listening.quick_answers = 1000;
    close(ends[1]);
    ck_assert_int_eq(redis_socket_read_by(ends[0], got, sizeof got, deadline,
                                          &listening),
                     REDIS_IO_CLOSED);
    close(ends[0]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_socket");
    TCase *t = tcase_create("redis_socket");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, tries_the_next);
    tcase_add_test(t, shares_the_time);
    tcase_add_test(t, looks_up_in_time);
    tcase_add_test(t, full_unix_socket);
    tcase_add_test(t, addresses);
    tcase_add_test(t, quick_and_slow_answers);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
