/* fake_redis.c - see fake_redis.h. One thread polls the listener and all
 * connections; replies are small, so they are written as if that never blocked. */
#include "fake_redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"

#define LINKS_MOST 500
#define REPLY_MAX (4u << 20)

struct fake_link {
    struct fake_link *next;
    int fd, connection, number;
    redisReader *reader;
    bool ended;
};

static void fail(const char *what)
{
    fprintf(stderr, "fake redis: %s: %s\n", what, strerror(errno));
    abort();
}

/* --- what came ---------------------------------------------------------------------- */

static struct fake_request *write_down(struct fake_redis *fake,
                                       const struct fake_link *link, const char *name)
{
    struct fake_request *request;

    if (fake->count == FAKE_REQUESTS_MOST)
        fail("too many requests to remember");
    request = &fake->requests[fake->count++];
    request->at_ns = clock_mono_ns();
    request->connection = link->connection;
    request->number = link->number;
    snprintf(request->name, sizeof request->name, "%s", name);
    return request;
}

static void send_all(struct fake_link *link, const char *bytes, size_t size)
{
    ssize_t n;

    while (size > 0) {
        n = send(link->fd, bytes, size, MSG_NOSIGNAL);
        if (n <= 0) {
            link->ended = true;
            return;
        }
        bytes += n;
        size -= (size_t)n;
    }
}

static void answer(struct fake_redis *fake, struct fake_link *link,
                   const redisReply *words)
{
    size_t count = words ? words->elements : 0;
    const char **argv = calloc(count + 1, sizeof *argv);
    size_t *sizes = calloc(count + 1, sizeof *sizes);
    struct fake_request request;
    struct buf reply;

    if (!argv || !sizes)
        fail("no memory");
    for (size_t i = 0; i < count; i++) {
        argv[i] = words->element[i]->str;
        sizes[i] = (size_t)words->element[i]->len;
    }
    buf_init(&reply, REPLY_MAX);
    pthread_mutex_lock(&fake->mutex);
    request = *write_down(fake, link, count > 0 ? argv[0] : "");
    request.argc = (int)count;
    request.argv = argv;
    request.sizes = sizes;
    if (fake->answer(fake->context, &request, &reply) == FAKE_CUT)
        link->ended = true;
    pthread_mutex_unlock(&fake->mutex);
    if (reply.len > 0)
        send_all(link, reply.data, reply.len);
    buf_clear(&reply);
    free(argv);
    free(sizes);
}

static void hear(struct fake_redis *fake, struct fake_link *link)
{
    char bytes[65536];
    ssize_t n = recv(link->fd, bytes, sizeof bytes, 0);
    void *words = NULL;

    if (n <= 0) {
        link->ended = true;
        return;
    }
    redisReaderFeed(link->reader, bytes, (size_t)n);
    while (!link->ended) {
        if (redisReaderGetReply(link->reader, &words) != REDIS_OK)
            fail("what came is no request");
        if (!words)
            return;
        link->number++;
        answer(fake, link, words);
        freeReplyObject(words);
        words = NULL;
    }
}

/* --- connections ---------------------------------------------------------------------- */

static void link_come(struct fake_redis *fake)
{
    struct fake_link *link = calloc(1, sizeof *link);

    if (!link)
        fail("no memory");
    link->fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);
    if (link->fd < 0)
        fail("accept");
    link->reader = redisReaderCreate();
    link->connection = ++fake->connections;
    link->next = fake->links;
    fake->links = link;
    answer(fake, link, NULL);
}

static void link_free(struct fake_link *link)
{
    char rest[4096];

    /* What was not read would make close() reset the connection, and the client
     * lose the reply with it. */
    shutdown(link->fd, SHUT_WR);
    while (recv(link->fd, rest, sizeof rest, MSG_DONTWAIT) > 0)
        ;
    close(link->fd);
    redisReaderFree(link->reader);
    free(link);
}

static void links_sweep(struct fake_redis *fake, bool all)
{
    struct fake_link **at = &fake->links, *link;

    while ((link = *at)) {
        if (all || link->ended) {
            *at = link->next;
            link_free(link);
        } else {
            at = &link->next;
        }
    }
}

static void *run(void *arg)
{
    struct fake_redis *fake = arg;
    struct pollfd polls[LINKS_MOST + 2];
    struct fake_link *links[LINKS_MOST + 2];

    for (;;) {
        nfds_t count = 2;

        polls[0] = (struct pollfd){ .fd = fake->wake[0], .events = POLLIN };
        polls[1] = (struct pollfd){ .fd = fake->listener, .events = POLLIN };
        for (struct fake_link *l = fake->links; l; l = l->next) {
            if (count == LINKS_MOST + 2)
                fail("too many connections");
            links[count] = l;
            polls[count++] = (struct pollfd){ .fd = l->fd, .events = POLLIN };
        }
        if (poll(polls, count, -1) < 0 && errno != EINTR)
            fail("poll");
        if (polls[0].revents)
            break;
        for (nfds_t i = 2; i < count; i++)
            if (polls[i].revents)
                hear(fake, links[i]);
        if (polls[1].revents)
            link_come(fake);
        links_sweep(fake, false);
    }
    links_sweep(fake, true);
    return NULL;
}

void fake_redis_start(struct fake_redis *fake, fake_answer_fn *answer_fn, void *context)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof address;

    *fake = (struct fake_redis){ .answer = answer_fn, .context = context };
    fake->requests = calloc(FAKE_REQUESTS_MOST, sizeof *fake->requests);
    fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!fake->requests || fake->listener < 0 || pipe(fake->wake) != 0 ||
        bind(fake->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(fake->listener, 128) != 0 ||
        getsockname(fake->listener, (struct sockaddr *)&address, &size) != 0)
        fail("cannot listen");
    fake->port = ntohs(address.sin_port);
    snprintf(fake->url, sizeof fake->url, "redis://127.0.0.1:%d/0", fake->port);
    pthread_mutex_init(&fake->mutex, NULL);
    if (pthread_create(&fake->thread, NULL, run, fake) != 0)
        fail("no thread");
}

void fake_redis_stop(struct fake_redis *fake)
{
    if (!fake->requests)
        return;
    if (write(fake->wake[1], "", 1) != 1)
        fail("cannot stop");
    pthread_join(fake->thread, NULL);
    close(fake->listener);
    close(fake->wake[0]);
    close(fake->wake[1]);
    pthread_mutex_destroy(&fake->mutex);
    free(fake->requests);
    *fake = (struct fake_redis){ 0 };
}

void fake_redis_lock(struct fake_redis *fake)
{
    pthread_mutex_lock(&fake->mutex);
}

void fake_redis_unlock(struct fake_redis *fake)
{
    pthread_mutex_unlock(&fake->mutex);
}

/* --- answers and counts ----------------------------------------------------------------- */

bool fake_redis_greet(const struct fake_request *request, struct buf *reply)
{
    static const char info[] = "# Server\r\nredis_version:7.0.15\r\n"
                               "redis_mode:standalone\r\n"
                               "run_id:0123456789abcdef0123456789abcdef01234567\r\n";

    if (strcasecmp(request->name, "AUTH") == 0 ||
        strcasecmp(request->name, "SELECT") == 0 ||
        strcasecmp(request->name, "CLIENT") == 0)
        buf_str(reply, "+OK\r\n");
    else if (strcasecmp(request->name, "INFO") == 0)
        buf_printf(reply, "$%zu\r\n%s\r\n", strlen(info), info);
    else if (strcasecmp(request->name, "ROLE") == 0)
        buf_str(reply, "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
    else
        return false;
    return true;
}

static bool is_named(const struct fake_request *request, const char *name)
{
    return strcasecmp(request->name, name ? name : "") == 0;
}

int fake_redis_count(struct fake_redis *fake, const char *name, int64_t since_ns)
{
    int count = 0;

    pthread_mutex_lock(&fake->mutex);
    for (int i = 0; i < fake->count; i++)
        count += fake->requests[i].at_ns >= since_ns &&
                 is_named(&fake->requests[i], name);
    pthread_mutex_unlock(&fake->mutex);
    return count;
}

int fake_redis_rate(struct fake_redis *fake, const char *name, int64_t since_ns,
                    int window_ms)
{
    int64_t window = window_ms * INT64_C(1000000);
    int most = 0, count, i, j;

    pthread_mutex_lock(&fake->mutex);
    for (i = 0; i < fake->count; i++) {
        if (fake->requests[i].at_ns < since_ns)
            continue;
        count = 0;
        for (j = i; j < fake->count; j++)
            count += is_named(&fake->requests[j], name) &&
                     fake->requests[j].at_ns - fake->requests[i].at_ns < window;
        most = count > most ? count : most;
    }
    pthread_mutex_unlock(&fake->mutex);
    return most;
}

int fake_redis_total(struct fake_redis *fake)
{
    int count;

    pthread_mutex_lock(&fake->mutex);
    count = fake->count;
    pthread_mutex_unlock(&fake->mutex);
    return count;
}

bool fake_redis_latest(struct fake_redis *fake, const char *name,
                       struct fake_request *out)
{
    bool found = false;

    pthread_mutex_lock(&fake->mutex);
    for (int i = fake->count - 1; i >= 0 && !found; i--) {
        found = is_named(&fake->requests[i], name);
        if (found)
            *out = fake->requests[i];
    }
    pthread_mutex_unlock(&fake->mutex);
    return found;
}
