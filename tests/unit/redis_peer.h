/* redis_peer.h - what stands at the other end of a connection under test: one
 * thread that accepts on a loopback port, answers the first words as it was told,
 * and every later command with the same bytes. Only what no real server does is
 * done with it. Include it in one file of a program.
 */
#ifndef PAWL_TEST_REDIS_PEER_H
#define PAWL_TEST_REDIS_PEER_H

#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "storage/redis/redis_conn.h"
#include "util/clock.h"

#define PEER_MOST 64
#define MS        INT64_C(1000000)

struct peer {
    /* Set before peer_start(). */
    const char *greeting; /* NULL: a good one; "": silence */
    const char *reply;    /* to each command after the greeting; NULL: silence */
    size_t reply_size;    /* 0: strlen() of it */
    bool unasked;         /* send the greeting without waiting for a word */
    bool hang_up;         /* after the greeting */
    bool hang_up_later;   /* after the first reply */
    bool slowly;          /* replies go out byte by byte */
    /* Its own. */
    int port, listener, stop;
    pthread_t thread;
    atomic_int accepted;
    int clients[PEER_MOST];
    bool greeted[PEER_MOST];
};

/* Five bytes of version: the size is said before. */
#define PEER_INFO(version)                                                     \
    "$83\r\n# Server\r\nredis_version:" version                                \
    "\r\nredis_mode:standalone\r\nrun_id:0123456789abcdef0123\r\n\r\n"
#define PEER_MASTER "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
#define PEER_GOOD   PEER_INFO("7.0.0") PEER_MASTER "+OK\r\n"

static inline void peer_send(const struct peer *peer, int fd, const char *bytes,
                      size_t size)
{
    size_t step = peer->slowly ? 1 : size;
    for (size_t done = 0; done < size; done += step)
        if (send(fd, bytes + done, step, MSG_NOSIGNAL) != (ssize_t)step)
            return;
}

static inline void peer_drop(struct peer *peer, int i)
{
    close(peer->clients[i]);
    peer->clients[i] = -1;
}

static inline void peer_greet(struct peer *peer, int i)
{
    const char *greeting = peer->greeting ? peer->greeting : PEER_GOOD;
    peer_send(peer, peer->clients[i], greeting, strlen(greeting));
    peer->greeted[i] = true;
    if (peer->hang_up)
        peer_drop(peer, i);
}

static inline void peer_accept(struct peer *peer)
{
    int i = 0, on = 1, fd = accept(peer->listener, NULL, NULL);
    while (i < PEER_MOST && peer->clients[i] >= 0)
        i++;
    if (fd < 0 || i == PEER_MOST)
        abort();
    atomic_fetch_add(&peer->accepted, 1);
    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    peer->clients[i] = fd;
    peer->greeted[i] = false;
    if (peer->unasked)
        peer_greet(peer, i);
}

static inline void peer_serve(struct peer *peer, int i)
{
    char bytes[4096];
    ssize_t n = recv(peer->clients[i], bytes, sizeof bytes, 0);
    if (n <= 0) {
        peer_drop(peer, i);
    } else if (!peer->greeted[i]) {
        peer_greet(peer, i);
    } else if (peer->reply) {
        peer_send(peer, peer->clients[i], peer->reply,
                  peer->reply_size ? peer->reply_size : strlen(peer->reply));
        if (peer->hang_up_later)
            peer_drop(peer, i);
    }
}

static inline void *peer_run(void *arg)
{
    struct peer *peer = arg;
    struct pollfd polls[PEER_MOST + 2];
    for (;;) {
        polls[PEER_MOST] = (struct pollfd){ .fd = peer->listener, .events = POLLIN };
        polls[PEER_MOST + 1] = (struct pollfd){ .fd = peer->stop, .events = POLLIN };
        for (int i = 0; i < PEER_MOST; i++)
            polls[i] = (struct pollfd){ .fd = peer->clients[i], .events = POLLIN };
        if (poll(polls, PEER_MOST + 2, -1) < 0)
            continue;
        if (polls[PEER_MOST + 1].revents)
            return NULL;
        for (int i = 0; i < PEER_MOST; i++)
            if (polls[i].revents)
                peer_serve(peer, i);
        if (polls[PEER_MOST].revents)
            peer_accept(peer);
    }
}

static inline void peer_start(struct peer *peer)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    for (int i = 0; i < PEER_MOST; i++)
        peer->clients[i] = -1;
    peer->stop = eventfd(0, EFD_CLOEXEC);
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(peer->listener, (struct sockaddr *)&at, size), 0);
    ck_assert_int_eq(listen(peer->listener, 128), 0);
    ck_assert_int_eq(getsockname(peer->listener, (struct sockaddr *)&at, &size), 0);
    peer->port = ntohs(at.sin_port);
    ck_assert_int_eq(pthread_create(&peer->thread, NULL, peer_run, peer), 0);
}

static inline void peer_stop(struct peer *peer)
{
    ck_assert_int_eq(eventfd_write(peer->stop, 1), 0);
    pthread_join(peer->thread, NULL);
    for (int i = 0; i < PEER_MOST; i++)
        if (peer->clients[i] >= 0)
            close(peer->clients[i]);
    close(peer->listener);
    close(peer->stop);
}

/* --- what every test here needs ------------------------------------------------- */

static inline int64_t in_ms(int64_t ms)
{
    return clock_mono_ns() + ms * MS;
}

static inline struct redis_address loopback(int port)
{
    struct redis_address address = { .host = "127.0.0.1", .port = port };
    return address;
}

static inline struct redis_settings plain_settings(void)
{
    struct redis_settings settings = { .pool_size = 3, .max_retries = -1,
                                       .connect_timeout = 10000,
                                       .reply_timeout = 10000 };
    return settings;
}

#endif
