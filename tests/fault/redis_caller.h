/* redis_caller.h - redis_call() on a fake server that answers by a plan, and the
 * errors it can be told to answer.
 *
 * Files that use it have `caller` in their loops over `redis_rows`.
 */
#ifndef PAWL_FAULT_REDIS_CALLER_H
#define PAWL_FAULT_REDIS_CALLER_H

#include <check.h>

#include "../support/fake_redis.h"
#include "storage/redis/redis_call.h"
#include "storage/redis/redis_error.h"

#define LONG_DEADLINE 30000 /* ms; of calls that are to work */
/* Ten a second, and the one that found it failing. */
#define RATE_MOST 11

/* An error reply, and what is to follow. */
struct redis_row {
    const char *reply;
    enum redis_action action;
    enum pawl_status status; /* of a call that writes */
    const char *says;        /* in the message */
};
/* Whatever the server says, the same request may work later. */
static inline bool redis_row_waits(const struct redis_row *row)
{
    return row->action == REDIS_LATER || row->action == REDIS_SLOT_LATER ||
           row->action == REDIS_RESOLVE;
}
extern const struct redis_row redis_rows[];
extern const int redis_row_count;

/* When `name` comes it answers `reply` (an error; or a number, as ":1"), `times` times,
 * else OK. */
struct plan {
    const char *name, *reply;
    int times;           /* < 0: for ever */
    bool at_connect;     /* to all that begins a connection, instead */
    bool cut;            /* and the connection is closed */
    const char *at_once; /* to a new connection, before it says anything */
};

struct caller {
    struct plan plan;
    struct fake_redis fake;
    struct redis_client client;
    struct redis_call call; /* EVALSHA of a script with one key */
    struct pawl_error err;
    redisReply *reply;
};

void caller_open(struct caller *caller, struct plan plan, pawl_duration deadline);
/* For a server that the test has. */
void caller_connect(struct caller *caller, const char *url, pawl_duration deadline);
void caller_close(struct caller *caller);
enum pawl_status caller_call(struct caller *caller);
/* Change how often the plan's answer still comes. */
void caller_replan(struct caller *caller, int times);
/* The latest message has this text, and no password. */
void caller_says(const struct caller *caller, const char *text);
/* How many requests of that name came; NULL: connections. */
int caller_sent(struct caller *caller, const char *name);

#endif
