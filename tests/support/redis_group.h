/* redis_group.h - several servers that belong together: a master with its replica
 * and sentinels, and a Cluster. Each is ready when its start returns. Their
 * servers can be killed, stopped and asked one by one; see redis_server.h. */
#ifndef PAWL_TEST_REDIS_GROUP_H
#define PAWL_TEST_REDIS_GROUP_H

#include "redis_server.h"

#define SENTINELS 3
#define CLUSTER_NODES 3
#define CLUSTER_SLOTS 16384

/* --- one master, one replica, three sentinels ---------------------------------- */
struct redis_sentinels {
    struct redis_server node[2]; /* node[0] is the master at first */
    struct redis_server sentinel[SENTINELS];
    char master[16]; /* its name there */
    char url[1024];  /* redis-sentinel://...,...,.../NAME */
};

/* A master that is silent for 600 ms is taken for down. `options` are the two
 * nodes'. */
void redis_sentinels_start(struct redis_sentinels *s, const char *const *options);
void redis_sentinels_stop(struct redis_sentinels *s);
/* Which node is the master by what the first sentinel says. */
struct redis_server *redis_sentinels_master(struct redis_sentinels *s);
/* Wait until the sentinels know a master that is not `old`, and it says so of
 * itself; it is returned. */
struct redis_server *redis_sentinels_await(struct redis_sentinels *s,
                                           const struct redis_server *old);

/* --- three masters --------------------------------------------------------------- */
struct redis_cluster {
    struct redis_server node[CLUSTER_NODES]; /* each a third of the slots */
    char id[CLUSTER_NODES][64];
    char url[1024]; /* redis-cluster://...,...,... */
};

void redis_cluster_start(struct redis_cluster *c, const char *const *options);
void redis_cluster_stop(struct redis_cluster *c);
/* The slot of a key, and which node has it by what that node says. */
int redis_cluster_slot(struct redis_cluster *c, const char *key);
int redis_cluster_owner(struct redis_cluster *c, int slot);
/* Move a slot with all its keys, a few at a time, while it is in use. */
void redis_cluster_move(struct redis_cluster *c, int slot, int to);

#endif
