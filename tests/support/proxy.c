/* proxy.c - see proxy.h.
 *
 * One thread, one poll() over all sockets, none of which blocks. A direction reads
 * only when what it read before has gone out, so that a cut after byte k is a cut
 * after byte k.
 */
#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actor.h"

#define LINKS_MOST 200
#define CHUNK 65536

/* What is on its way from one end to the other. */
struct flow {
    char data[CHUNK];
    size_t length, sent;
    bool ended;  /* its sender has closed */
    bool passed; /* ... and its receiver knows */
};

struct proxy_link {
    struct proxy_link *next;
    int ends[2]; /* by side: who sends requests, who sends replies */
    struct flow flows[2];
    bool cut; /* once what is in the flows has gone out */
    bool kept[2], answered;
};

/* Never blocks, never waits for more. */
static void be_quick(int fd)
{
    int on = 1;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* --- links ------------------------------------------------------------------ */

static void hang_up(int fd, bool reset)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    if (reset)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void link_end(struct proxy *p, struct proxy_link *link, bool reset)
{
    struct proxy_link **at = &p->links;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    if (p->kept == link)
        p->kept = NULL;
    hang_up(link->ends[PROXY_REQUEST], reset);
    hang_up(link->ends[PROXY_REPLY], reset);
    free(link);
}

static void link_begin(struct proxy *p)
{
    struct sockaddr_in address = loopback(p->target);
    int client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server < 0)
        give_up("proxy: socket: %s", strerror(errno));
    /* On loopback it is there at once, or refused: a stopped server's kernel
     * answers too. */
    if (connect(server, (struct sockaddr *)&address, sizeof address) < 0) {
        hang_up(client, true);
        close(server);
        return;
    }
    struct proxy_link *link = calloc(1, sizeof *link);
    if (!link)
        give_up("proxy: out of memory");
    be_quick(client);
    be_quick(server);
    link->ends[PROXY_REQUEST] = client;
    link->ends[PROXY_REPLY] = server;
    link->next = p->links;
    p->links = link;
}

/* --- bytes ------------------------------------------------------------------ */

/* Of `n` bytes that came, how many may go on; cuts the link where it should. */
static size_t admit(struct proxy *p, struct proxy_link *link, enum proxy_side side,
                    size_t n)
{
    uint64_t before = p->bytes[side];
    p->bytes[side] += n;
    if (!p->armed || p->side != side || before + n < p->after)
        return n;
    p->armed = false;
    p->cuts++;
    link->cut = true;
    return (size_t)(p->after - before);
}

static void flow_read(struct proxy *p, struct proxy_link *link,
                      enum proxy_side side)
{
    struct flow *flow = &link->flows[side];
    ssize_t n = recv(link->ends[side], flow->data + flow->length,
                     sizeof flow->data - flow->length, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        flow->ended = true;
        return;
    }
    if (p->keeping && side == p->keep_side) {
        p->keeping = false;
        p->kept = link;
        link->kept[side] = true;
    }
    flow->length += admit(p, link, side, (size_t)n);
    link->answered = link->answered || side == PROXY_REPLY;
}

static void flow_write(struct proxy_link *link, enum proxy_side side)
{
    struct flow *flow = &link->flows[side];
    int to = link->ends[!side];
    while (flow->sent < flow->length) {
        ssize_t n = send(to, flow->data + flow->sent, flow->length - flow->sent,
                         MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) {
            /* Nobody reads it any more. */
            flow->sent = flow->length;
            break;
        }
        flow->sent += (size_t)n;
    }
    flow->length = flow->sent = 0;
    if (flow->ended && !flow->passed) {
        shutdown(to, SHUT_WR);
        flow->passed = true;
    }
}

static bool flow_is_empty(const struct flow *flow)
{
    return flow->sent == flow->length;
}

/* What this flow waits for: 0 when it has nothing to do. */
static bool wants_to_read(const struct proxy_link *link, enum proxy_side side)
{
    const struct flow *flow = &link->flows[side];
    if (flow->ended || link->cut)
        return false;
    if (link->kept[side])
        return flow->length < sizeof flow->data;
    return flow_is_empty(flow);
}

static bool wants_to_write(const struct proxy_link *link, enum proxy_side side)
{
    const struct flow *flow = &link->flows[side];
    if (link->kept[side])
        return false;
    return !flow_is_empty(flow) || (flow->ended && !flow->passed);
}

/* True when it is over and gone. */
static bool link_is_over(struct proxy *p, struct proxy_link *link)
{
    const struct flow *out = &link->flows[PROXY_REQUEST];
    const struct flow *in = &link->flows[PROXY_REPLY];
    if (link->cut && flow_is_empty(out) && flow_is_empty(in)) {
        link_end(p, link, p->reset);
        return true;
    }
    if (link->kept[PROXY_REQUEST])
        return false;
    if (link->kept[PROXY_REPLY] && out->ended) {
        link_end(p, link, false);
        return true;
    }
    if (in->ended && in->passed) {
        link_end(p, link, false);
        return true;
    }
    return false;
}

/* --- the thread -------------------------------------------------------------- */

struct polled {
    struct pollfd fds[2 + 2 * LINKS_MOST];
    struct proxy_link *links[LINKS_MOST];
    nfds_t count;
    size_t link_count;
};

static void prepare(struct proxy *p, struct polled *polled)
{
    polled->fds[0] = (struct pollfd){ .fd = p->wake[0], .events = POLLIN };
    polled->fds[1] = (struct pollfd){ .fd = p->listener, .events = POLLIN };
    polled->count = 2;
    polled->link_count = 0;
    for (struct proxy_link *link = p->links; link; link = link->next) {
        if (polled->link_count == LINKS_MOST)
            give_up("proxy: over %d connections", LINKS_MOST);
        polled->links[polled->link_count++] = link;
        for (int end = 0; end < 2; end++) {
            enum proxy_side side = (enum proxy_side)end;
            short events = 0;
            if (wants_to_read(link, side))
                events |= POLLIN;
            if (wants_to_write(link, (enum proxy_side)!side))
                events |= POLLOUT;
            /* A hang-up of an end that we want nothing of would wake us for
             * ever. */
            polled->fds[polled->count++] = (struct pollfd){
                .fd = events ? link->ends[end] : -1,
                .events = events,
            };
        }
    }
}

static void serve(struct proxy *p, const struct polled *polled)
{
    char rest[64];
    if (polled->fds[0].revents & POLLIN &&
        read(p->wake[0], rest, sizeof rest) < 0 && errno != EAGAIN)
        give_up("proxy: %s", strerror(errno));
    for (size_t i = 0; i < polled->link_count; i++) {
        struct proxy_link *link = polled->links[i];
        const struct pollfd *fds = &polled->fds[2 + 2 * i];
        const short readable = POLLIN | POLLHUP | POLLERR;
        for (int end = 0; end < 2; end++) {
            enum proxy_side side = (enum proxy_side)end;
            if (fds[end].revents & readable && wants_to_read(link, side))
                flow_read(p, link, side);
            if (wants_to_write(link, side))
                flow_write(link, side);
        }
        link_is_over(p, link);
    }
    if (polled->fds[1].revents & POLLIN)
        link_begin(p);
}

/* Nothing at all goes through meanwhile. */
static void pause_after(struct proxy *p)
{
    long ms = p->pause_ms;
    if (ms == 0)
        return;
    pthread_mutex_unlock(&p->mutex);
    sleep_ms(ms);
    pthread_mutex_lock(&p->mutex);
}

static void *proxy_main(void *context)
{
    struct proxy *p = context;
    struct polled *polled = calloc(1, sizeof *polled);
    if (!polled)
        give_up("proxy: out of memory");
    pthread_mutex_lock(&p->mutex);
    while (!p->ending) {
        prepare(p, polled);
        pthread_mutex_unlock(&p->mutex);
        int n = poll(polled->fds, polled->count, -1);
        pthread_mutex_lock(&p->mutex);
        if (n < 0 && errno != EINTR)
            give_up("proxy: poll: %s", strerror(errno));
        if (n > 0)
            serve(p, polled);
        pause_after(p);
    }
    pthread_mutex_unlock(&p->mutex);
    free(polled);
    return NULL;
}

/* Have the thread look at everything again. */
static void nudge(struct proxy *p)
{
    if (write(p->wake[1], "", 1) < 0 && errno != EAGAIN)
        give_up("proxy: %s", strerror(errno));
}

void proxy_start(struct proxy *p, int target)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    *p = (struct proxy){ .target = target };
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->listener < 0 ||
        bind(p->listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(p->listener, 100) < 0 ||
        getsockname(p->listener, (struct sockaddr *)&address, &size) < 0 ||
        pipe2(p->wake, O_CLOEXEC | O_NONBLOCK) < 0)
        give_up("proxy: %s", strerror(errno));
    p->port = ntohs(address.sin_port);
    pthread_mutex_init(&p->mutex, NULL);
    if (pthread_create(&p->thread, NULL, proxy_main, p) != 0)
        give_up("proxy: cannot start a thread");
}

void proxy_stop(struct proxy *p)
{
    if (p->port == 0)
        return;
    pthread_mutex_lock(&p->mutex);
    p->ending = true;
    pthread_mutex_unlock(&p->mutex);
    nudge(p);
    pthread_join(p->thread, NULL);
    while (p->links)
        link_end(p, p->links, false);
    close(p->listener);
    close(p->wake[0]);
    close(p->wake[1]);
    pthread_mutex_destroy(&p->mutex);
    *p = (struct proxy){ 0 };
}

/* --- what the test asks for --------------------------------------------------- */

static void arm(struct proxy *p, bool armed, enum proxy_side side, uint64_t after,
                bool reset)
{
    pthread_mutex_lock(&p->mutex);
    p->bytes[PROXY_REQUEST] = p->bytes[PROXY_REPLY] = 0;
    p->armed = armed;
    p->side = side;
    p->after = after;
    p->reset = reset;
    pthread_mutex_unlock(&p->mutex);
}

void proxy_arm(struct proxy *p, enum proxy_side side, uint64_t after, bool reset)
{
    arm(p, true, side, after, reset);
}

void proxy_count(struct proxy *p)
{
    arm(p, false, PROXY_REQUEST, 0, false);
}

uint64_t proxy_bytes(struct proxy *p, enum proxy_side side)
{
    pthread_mutex_lock(&p->mutex);
    uint64_t bytes = p->bytes[side];
    pthread_mutex_unlock(&p->mutex);
    return bytes;
}

uint64_t proxy_cuts(struct proxy *p)
{
    pthread_mutex_lock(&p->mutex);
    uint64_t cuts = p->cuts;
    pthread_mutex_unlock(&p->mutex);
    return cuts;
}

void proxy_slow(struct proxy *p, long pause_ms)
{
    pthread_mutex_lock(&p->mutex);
    p->pause_ms = pause_ms;
    pthread_mutex_unlock(&p->mutex);
}

void proxy_cut_all(struct proxy *p)
{
    pthread_mutex_lock(&p->mutex);
    for (struct proxy_link *link = p->links; link; link = link->next)
        shutdown(link->ends[PROXY_REQUEST], SHUT_RDWR);
    pthread_mutex_unlock(&p->mutex);
    nudge(p);
}

void proxy_keep(struct proxy *p, enum proxy_side side)
{
    pthread_mutex_lock(&p->mutex);
    p->keeping = true;
    p->keep_side = side;
    pthread_mutex_unlock(&p->mutex);
}

bool proxy_kept_alone(struct proxy *p)
{
    pthread_mutex_lock(&p->mutex);
    bool alone = p->kept && p->kept->flows[PROXY_REQUEST].ended;
    pthread_mutex_unlock(&p->mutex);
    return alone;
}

/* Its client is gone, so the reply goes nowhere; that it came is what counts. */
static bool kept_is_answered(struct proxy *p)
{
    pthread_mutex_lock(&p->mutex);
    bool answered = !p->kept || p->kept->answered;
    pthread_mutex_unlock(&p->mutex);
    return answered;
}

size_t proxy_release(struct proxy *p)
{
    int64_t until = now_us() + ACTOR_PATIENCE * INT64_C(1000);
    pthread_mutex_lock(&p->mutex);
    if (!p->kept)
        give_up("proxy: nothing is kept");
    size_t size = p->kept->flows[PROXY_REQUEST].length;
    p->kept->kept[PROXY_REQUEST] = false;
    p->kept->answered = false;
    pthread_mutex_unlock(&p->mutex);
    nudge(p);
    while (!kept_is_answered(p)) {
        if (now_us() > until)
            give_up("proxy: no answer to what was kept");
        sleep_ms(1);
    }
    return size;
}
