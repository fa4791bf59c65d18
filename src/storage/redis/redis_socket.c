/* redis_socket.c - see redis_socket.h.
 *
 * The kernel watches over silent connections for us: unanswered bytes break the
 * connection after 5 s (TCP_USER_TIMEOUT), and an idle one is probed after 10 s.
 * That finds machines that vanished; a server that lives but does not answer is
 * found by the deadlines of redis_stream.c.
 */
#include "storage/redis/redis_socket.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "storage/redis/redis_resolve.h"
#include "util/clock.h"

#define SILENT_MS     5000 /* unanswered bytes: the connection is dead */
#define PROBE_AFTER_S 10   /* idle: ask whether the other side is there */
#define PROBE_EVERY_S 3
#define PROBES        3
#define NS_PER_MS     1000000

const char *redis_socket_reason(int number, char *text, size_t size)
{
    snprintf(text, size, "%s", strerror(number));
    /* "I/O error" and the like stay as they are. */
    if (isupper((unsigned char)text[0]) && islower((unsigned char)text[1]))
        text[0] = (char)tolower((unsigned char)text[0]);
    return text;
}

long redis_socket_ms(int64_t from, int64_t to)
{
    return to <= from ? 0 : (long)((to - from + NS_PER_MS - 1) / NS_PER_MS);
}

int redis_socket_wait(int fd, short events, int64_t deadline)
{
    struct pollfd wait = { .fd = fd, .events = events };
    for (;;) {
        int64_t left = deadline - clock_mono_ns();
        if (left < 0)
            left = 0;
        struct timespec time = { .tv_sec = left / 1000000000,
                                 .tv_nsec = left % 1000000000 };
        int n = ppoll(&wait, 1, &time, NULL);
        if (n > 0)
            return wait.revents;
        if (n == 0 || errno != EINTR)
            return n;
    }
}

ssize_t redis_socket_read(int fd, void *bytes, size_t size, short *wants)
{
    ssize_t n;
    do
        n = recv(fd, bytes, size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return n;
    if (n == 0)
        return REDIS_IO_CLOSED;
    *wants = POLLIN;
    return errno == EAGAIN || errno == EWOULDBLOCK ? REDIS_IO_AGAIN
                                                   : REDIS_IO_FAILED;
}

/* The kernel's patience is in steps, so that calls that all wait equally long need
 * not set it anew for the microseconds by which they differ. */
#define PATIENCE_STEP_MS 50

static void set_patience(int fd, int64_t left_ns, long *set_ms)
{
    long steps = redis_socket_ms(0, left_ns) / PATIENCE_STEP_MS + 1;
    long ms = steps * PATIENCE_STEP_MS;
    if (ms == *set_ms)
        return;
    struct timeval time = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    *set_ms = ms;
}

/* A server on this machine answers sooner than a thread can fall asleep and be woken
 * again (25 us and more). So where answers came as soon as this, the next one is
 * looked for before sleeping, for no longer, which costs a processor little more than
 * sleeping would. Where the server is far away nobody looks; where others want the
 * processors, the server's among them, looking is in their way: so it begins after
 * some quick answers, and the first that is not quick ends it. */
#define QUICK_NS      60000
#define QUICK_ANSWERS 16

static ssize_t look_for_quick(int fd, void *bytes, size_t size, int64_t from)
{
    short wants;
    ssize_t n;
    do
        n = redis_socket_read(fd, bytes, size, &wants);
    while (n == REDIS_IO_AGAIN && clock_mono_ns() - from < QUICK_NS);
    return n;
}

static ssize_t sleep_and_read(int fd, void *bytes, size_t size, int64_t deadline,
                              long *patience_ms)
{
    for (;;) {
        int64_t left = deadline - clock_mono_ns();
        if (left <= 0)
            left = 0;
        else
            set_patience(fd, left, patience_ms);
        ssize_t n = recv(fd, bytes, size, left == 0 ? MSG_DONTWAIT : 0);
        if (n > 0)
            return n;
        if (n == 0)
            return REDIS_IO_CLOSED;
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return REDIS_IO_FAILED;
        if (left == 0 && errno != EINTR)
            return REDIS_IO_AGAIN;
    }
}

ssize_t redis_socket_read_by(int fd, void *bytes, size_t size, int64_t deadline,
                             struct redis_listening *listening)
{
    int64_t from = clock_mono_ns();
    ssize_t n = REDIS_IO_AGAIN;
    if (listening->quick_answers >= QUICK_ANSWERS)
        n = look_for_quick(fd, bytes, size, from);
    if (n == REDIS_IO_AGAIN)
        n = sleep_and_read(fd, bytes, size, deadline, &listening->patience_ms);
    if (clock_mono_ns() - from >= QUICK_NS)
        listening->quick_answers = 0;
    else if (listening->quick_answers < QUICK_ANSWERS)
        listening->quick_answers++;
    return n;
}

ssize_t redis_socket_write(int fd, const void *bytes, size_t size, short *wants)
{
    ssize_t n;
    do
        n = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    *wants = POLLOUT;
    if (errno == EPIPE)
        return REDIS_IO_CLOSED;
    return errno == EAGAIN || errno == EWOULDBLOCK ? REDIS_IO_AGAIN
                                                   : REDIS_IO_FAILED;
}

/* Options that fail to be set cost comfort, not correctness. */
static void tune(int fd)
{
    int on = 1, after = PROBE_AFTER_S, every = PROBE_EVERY_S, probes = PROBES;
    unsigned silent = SILENT_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &after, sizeof after);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent, sizeof silent);
}

/* Connect to one address; 0, or errno (ETIMEDOUT: `deadline` passed). */
static int connect_one(const struct sockaddr *to, socklen_t size,
                       int64_t deadline, int *out)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    if (to->sa_family != AF_UNIX)
        tune(fd);
    int error = connect(fd, to, size) == 0 ? 0 : errno;
    if (error == EINPROGRESS || error == EINTR) {
        int came = redis_socket_wait(fd, POLLOUT, deadline);
        socklen_t room = sizeof error;
        if (came < 0)
            error = errno;
        else if (came == 0)
            error = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &room) != 0)
            error = errno;
    }
    if (error == 0 && fcntl(fd, F_SETFL, 0) != 0)
        error = errno; /* from here on each call says whether it may wait */
    if (error != 0)
        close(fd);
    else
        *out = fd;
    return error;
}

static enum pawl_status refused(const struct redis_address *address, int error,
                                int64_t started, int64_t deadline,
                                struct pawl_error *err)
{
    char name[REDIS_NAME_SIZE], reason[128];
    enum pawl_status status = PAWL_EUNREACHABLE;
    redis_address_format(address, name, sizeof name);
    if (error == ETIMEDOUT && clock_mono_ns() >= deadline)
        return pawl_error_set(err, PAWL_ETIMEOUT,
                              "redis at %s: no connection within %ld ms", name,
                              redis_socket_ms(started, deadline));
    if (error == EACCES || error == EPERM)
        status = PAWL_EDENIED;
    pawl_error_set(err, status, "redis at %s: %s", name,
                   redis_socket_reason(error, reason, sizeof reason));
    if (err)
        err->native = error;
    return status;
}

/* A unix socket whose line of waiting connections is full says EAGAIN, and poll()
 * knows nothing of it: ask again soon. */
static int connect_unix(const struct redis_address *address, int64_t deadline,
                        int *fd)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    size_t size = strlen(address->host);
    if (size >= sizeof to.sun_path)
        return ENAMETOOLONG;
    memcpy(to.sun_path, address->host, size + 1);
    for (;;) {
        int error = connect_one((struct sockaddr *)&to, sizeof to, deadline, fd);
        if (error != EAGAIN)
            return error;
        if (clock_mono_ns() >= deadline)
            return ETIMEDOUT;
        poll(NULL, 0, 5);
    }
}

/* Each address has its share of the time that is left, so that one that swallows
 * packets does not use up all of it. */
static int connect_any(const struct addrinfo *first, int64_t deadline, int *fd)
{
    int left = 0, error = EHOSTUNREACH;
    for (const struct addrinfo *at = first; at; at = at->ai_next)
        left++;
    for (const struct addrinfo *at = first; at; at = at->ai_next, left--) {
        int64_t now = clock_mono_ns();
        int64_t until = now + (deadline - now) / left;
        error = connect_one(at->ai_addr, at->ai_addrlen, until, fd);
        if (error == 0)
            break;
    }
    return error;
}

static enum pawl_status connect_tcp(const struct redis_address *address,
                                    int64_t deadline, int *error, int *fd,
                                    struct pawl_error *err)
{
    struct addrinfo *found = NULL;
    char name[REDIS_NAME_SIZE];
    int unknown = redis_resolve(address->host, address->port, deadline, &found);
    if (unknown == 0) {
        *error = connect_any(found, deadline, fd);
        freeaddrinfo(found);
        return PAWL_OK;
    }
    redis_address_format(address, name, sizeof name);
    if (unknown == REDIS_RESOLVE_LATE)
        return pawl_error_set(err, PAWL_ETIMEOUT,
                              "redis at %s: no answer in time to what address the "
                              "host has", name);
    return pawl_error_set(err, PAWL_EUNREACHABLE,
                          "redis at %s: the host name is not known (%s)", name,
                          gai_strerror(unknown));
}

enum pawl_status redis_socket_open(const struct redis_address *address,
                                   int64_t deadline, int *fd,
                                   struct pawl_error *err)
{
    int64_t started = clock_mono_ns();
    int error = 0;
    if (address->port == 0) {
        error = connect_unix(address, deadline, fd);
    } else {
        enum pawl_status status = connect_tcp(address, deadline, &error, fd, err);
        if (status != PAWL_OK)
            return status;
    }
    return error == 0 ? PAWL_OK : refused(address, error, started, deadline, err);
}
