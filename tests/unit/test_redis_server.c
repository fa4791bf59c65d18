/* test_redis_server.c - what tests on Redis rely on: that their servers are their
 * own, can be killed and come back, and do not outlive them. */
#include "program.h"
#include "redis_cluster.h"
#include "redis_sentinels.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool has(struct redis_server *s, const char *key, const char *value)
{
    redisReply *reply = redis_server_ask(s, "GET %s", key);
    bool yes = reply->str != NULL && strcmp(reply->str, value) == 0;
    freeReplyObject(reply);
    return yes;
}

/* A killed server leaves its port free, but to nobody else, and comes back with
 * what its append-only file has. */
START_TEST(comes_back)
{
    static const char *const options[] = { "--appendonly", "yes", "--appendfsync",
                                           "always",       NULL };
    struct redis_server s;
    redis_server_start(&s, options);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)s.port),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    redis_server_do(&s, "SET name %s", "va lue");
    redis_server_kill(&s);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), -1);
    close(fd);
    redis_server_again(&s);
    ck_assert(has(&s, "name", "va lue"));
    redis_server_stop(&s);
}
END_TEST

/* Nothing is left of a stopped server, not even of one that was stopped by a
 * signal; and stopping it again is fine. */
START_TEST(leaves_nothing)
{
    struct redis_server s;
    struct stat info;
    redis_server_start(&s, NULL);
    char folder[sizeof s.folder];
    memcpy(folder, s.folder, sizeof folder);
    pid_t pid = s.pid;
    ck_assert_int_eq(stat(folder, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0700);
    redis_server_signal(&s, SIGSTOP);
    redis_server_stop(&s);
    ck_assert_int_ne(stat(folder, &info), 0);
    ck_assert_int_ne(kill(pid, 0), 0);
    redis_server_stop(&s);
}
END_TEST

static bool is_gone(void *context)
{
    const int *port = context;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)*port),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool gone = connect(fd, (struct sockaddr *)&address, sizeof address) != 0;
    close(fd);
    return gone;
}

/* A server goes with the process that started it, however that ends. */
START_TEST(dies_with_its_test)
{
    struct redis_server s;
    int tell[2];
    ck_assert_int_eq(pipe(tell), 0);
    pid_t child = fork();
    if (child == 0) {
        redis_server_start(&s, NULL);
        if (write(tell[1], &s, sizeof s) == sizeof s)
            pause();
        _exit(1);
    }
    ck_assert_int_eq(read(tell[0], &s, sizeof s), sizeof s);
    ck_assert(!is_gone(&s.port));
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    redis_await(is_gone, &s.port, "the server ends");

    struct temp_dir folder;
    snprintf(folder.path, sizeof folder.path, "%s", s.folder);
    temp_dir_remove(&folder);
}
END_TEST

/* A child of the process that started it may ask it, and cannot stop it. */
START_TEST(is_stopped_by_its_keeper)
{
    struct redis_server s;
    int status;
    redis_server_start(&s, NULL);
    pid_t child = fork();
    if (child == 0) {
        redis_server_do(&s, "SET from child");
        redis_server_stop(&s);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert(has(&s, "from", "child"));
    redis_server_stop(&s);
}
END_TEST

/* The user that redis_acl_start() makes is not the one that asks here. */
START_TEST(tester_may_do_all)
{
    struct redis_server s;
    redis_acl_start(&s, "~pawl:* -@all +get", NULL);
    redis_server_do(&s, "SET any thing");
    ck_assert(has(&s, "any", "thing"));
    redis_server_stop(&s);
    redis_tls_start(&s, true, NULL);
    ck_assert(redis_server_info_is(&s, "role", "master"));
    redis_server_stop(&s);
}
END_TEST

static bool has_arrived(void *context)
{
    return has(context, "name", "value");
}

/* A master that is killed has a successor, which has what arrived there. */
START_TEST(fails_over)
{
    struct redis_sentinels s;
    redis_sentinels_start(&s, NULL);
    struct redis_server *first = redis_sentinels_master(&s);
    ck_assert_ptr_eq(first, &s.node[0]);
    redis_server_do(first, "SET name value");
    redis_await(has_arrived, &s.node[1], "the replica has it too");
    redis_server_kill(first);
    struct redis_server *second = redis_sentinels_await(&s, first);
    ck_assert_ptr_eq(second, &s.node[1]);
    ck_assert(has(second, "name", "value"));
    redis_sentinels_stop(&s);
}
END_TEST

/* A slot goes to another node with all that is in it. */
START_TEST(moves_a_slot)
{
    struct redis_cluster c;
    redis_cluster_start(&c, NULL);
    int slot = redis_cluster_slot(&c, "pawl:{mail}:jobs");
    int from = redis_cluster_owner(&c, slot), to = (from + 1) % CLUSTER_NODES;
    for (int i = 0; i < 23; i++)
        redis_server_do(&c.node[from], "SET pawl:{mail}:%d value", i);
    redis_cluster_move(&c, slot, to);
    ck_assert_int_eq(redis_cluster_owner(&c, slot), to);
    ck_assert_int_eq(
        redis_server_number(&c.node[to], "CLUSTER COUNTKEYSINSLOT %d", slot), 23);
    ck_assert(has(&c.node[to], "pawl:{mail}:22", "value"));
    redis_cluster_stop(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_server");
    TCase *t = tcase_create("server");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, comes_back);
    tcase_add_test(t, leaves_nothing);
    tcase_add_test(t, dies_with_its_test);
    tcase_add_test(t, is_stopped_by_its_keeper);
    tcase_add_test(t, tester_may_do_all);
    tcase_add_test(t, fails_over);
    tcase_add_test(t, moves_a_slot);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
