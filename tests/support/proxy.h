/* proxy.h - a TCP proxy in a thread of the test, which cuts connections at a
 * given byte or keeps a request back.
 *
 * It counts the bytes of all its connections together, from the moment it is
 * armed; so a test warms its connections up, arms, and makes one call. Whatever
 * goes wrong here ends the test with a message.
 */
#ifndef PAWL_TEST_PROXY_H
#define PAWL_TEST_PROXY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum proxy_side { PROXY_REQUEST, PROXY_REPLY };

struct proxy_link; /* one connection: the client's socket and the server's */

struct proxy {
    int port; /* where it listens, on 127.0.0.1 */
    /* private */
    int target, listener, wake[2];
    pthread_t thread;
    pthread_mutex_t mutex;
    struct proxy_link *links;
    uint64_t bytes[2]; /* that came since it was armed, by side */
    bool armed, reset;
    enum proxy_side side;
    uint64_t after;
    uint64_t cuts; /* since ever */
    bool keeping;
    enum proxy_side keep_side;
    struct proxy_link *kept;
    long pause_ms; /* after each piece */
    bool ending;
};

/* Forward to 127.0.0.1:`target`. */
void proxy_start(struct proxy *proxy, int target);
/* Safe on a zeroed one. */
void proxy_stop(struct proxy *proxy);

/* Count from zero again; as soon as `after` bytes of that side went through, cut
 * the connection that carried the last of them. 0: when the first byte comes,
 * and it goes nowhere. Happens once. `reset`: with RST instead of FIN. */
void proxy_arm(struct proxy *proxy, enum proxy_side side, uint64_t after,
               bool reset);
/* Count from zero, and cut nothing. */
void proxy_count(struct proxy *proxy);
uint64_t proxy_bytes(struct proxy *proxy, enum proxy_side side);
/* Connections that were cut because the proxy was armed. */
uint64_t proxy_cuts(struct proxy *proxy);
/* From now on a pause after each piece (64 KB at most): a slow link. 0: none. */
void proxy_slow(struct proxy *proxy, long pause_ms);
/* Cut all connections there are. */
void proxy_cut_all(struct proxy *proxy);

/* The next connection that sends something of that side is kept: what it sent stays
 * here, also when the client gives up on it. Other connections go through. A
 * request that is kept can be released, a reply goes nowhere. */
void proxy_keep(struct proxy *proxy, enum proxy_side side);
/* Is one kept, and its client gone? */
bool proxy_kept_alone(struct proxy *proxy);
/* Hand the request to the server: how many bytes. The server has read them, and has
 * answered, when this returns. */
size_t proxy_release(struct proxy *proxy);

#endif
