/* redis_sentinels.h - a master, its replica, and three sentinels that watch over them.
 *
 * All is ready when start returns. The servers can be killed, stopped and asked one by
 * one; see redis_server.h. */
#ifndef PAWL_TEST_REDIS_SENTINELS_H
#define PAWL_TEST_REDIS_SENTINELS_H

#include "redis_door.h"

#define SENTINELS 3

struct redis_sentinels {
    struct redis_server node[2]; /* node[0] is the master at first */
    struct redis_server sentinel[SENTINELS];
    char master[16]; /* its name there */
    struct redis_door door;
    char url[1024];  /* redis-sentinel://...,...,.../NAME */
};

/* A master that is silent for 1.5 s is taken for down. `options` are the two
 * nodes'. */
void redis_sentinels_start(struct redis_sentinels *s, const char *const *options);
void redis_sentinels_start_behind(struct redis_sentinels *s,
                                  const struct redis_door *door,
                                  const char *const *options);
void redis_sentinels_stop(struct redis_sentinels *s);
/* Which node is the master by what the first sentinel says. */
struct redis_server *redis_sentinels_master(struct redis_sentinels *s);
/* Wait until the sentinels know a master that is not `old`, and it says so of
 * itself; it is returned. */
struct redis_server *redis_sentinels_await(struct redis_sentinels *s,
                                           const struct redis_server *old);

#endif
