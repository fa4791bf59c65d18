/* fake_redis.h - a Redis in a thread of the test, that answers what the test says.
 *
 * It reads commands and asks the test's function for the reply, as raw bytes, so it
 * can answer what no real server would at that point. All requests are written
 * down: when, on which connection, and what. Whatever goes wrong here ends the
 * process with a message.
 */
#ifndef PAWL_TEST_FAKE_REDIS_H
#define PAWL_TEST_FAKE_REDIS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"

#define FAKE_REQUESTS_MOST 20000

struct fake_request {
    int64_t at_ns;     /* of clock_mono_ns() */
    int connection;    /* from 1 on, in the order they came */
    int number;        /* of this connection's requests, from 1 on */
    char name[24];     /* the first word, as it came; "" : a connection came */
    /* Only while the answer is made: */
    int argc;
    const char **argv;
    const size_t *sizes;
};

enum fake_next { FAKE_GO_ON, FAKE_CUT }; /* FAKE_CUT: after what is in `reply` */

/* Add the reply to `request` to `reply`; nothing: stay silent. With the name "": a
 * connection came; mostly there is nothing to say yet. */
typedef enum fake_next fake_answer_fn(void *context, const struct fake_request *request,
                                      struct buf *reply);

struct fake_link;

struct fake_redis {
    int port;
    char url[64]; /* redis://127.0.0.1:PORT/0 */
    /* private */
    int listener, wake[2];
    fake_answer_fn *answer;
    void *context;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the requests, and is held by `answer` */
    struct fake_link *links;
    int connections;
    struct fake_request *requests;
    int count;
    bool ending;
};

void fake_redis_start(struct fake_redis *fake, fake_answer_fn *answer, void *context);
/* Safe on a zeroed one. */
void fake_redis_stop(struct fake_redis *fake);

/* Change what the answer goes by: no answer is made in between. */
void fake_redis_lock(struct fake_redis *fake);
void fake_redis_unlock(struct fake_redis *fake);

/* Is it one of the commands that begin a connection? If so a master's usual reply is
 * added: of version 7.0.15, standalone. */
bool fake_redis_greet(const struct fake_request *request, struct buf *reply);

/* How many requests of that name (NULL: connections) there were since `since_ns`. */
int fake_redis_count(struct fake_redis *fake, const char *name, int64_t since_ns);
/* The most of them that came within any `window_ms`. */
int fake_redis_rate(struct fake_redis *fake, const char *name, int64_t since_ns,
                    int window_ms);
/* How many there are in all. */
int fake_redis_total(struct fake_redis *fake);
/* The latest one of that name; false: there is none. */
bool fake_redis_latest(struct fake_redis *fake, const char *name,
                       struct fake_request *out);

#endif
