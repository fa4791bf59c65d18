/* redis_cluster.h - a Cluster of three masters, and replicas of them on demand.
 *
 * All is ready when start returns. The servers can be killed, stopped and asked one by
 * one; see redis_server.h. */
#ifndef PAWL_TEST_REDIS_CLUSTER_H
#define PAWL_TEST_REDIS_CLUSTER_H

#include "redis_door.h"

#define CLUSTER_NODES 3
#define CLUSTER_SLOTS 16384

struct redis_cluster {
    struct redis_server node[CLUSTER_NODES]; /* each a third of the slots */
    char id[CLUSTER_NODES][64];
    struct redis_door door;
    char url[1024]; /* redis-cluster://...,...,... */
};

void redis_cluster_start(struct redis_cluster *c, const char *const *options);
void redis_cluster_start_behind(struct redis_cluster *c, const struct redis_door *door,
                                const char *const *options);
void redis_cluster_stop(struct redis_cluster *c);
/* One node more, that follows the node with this number and stands in for it: it is
 * promoted when that one is away for 3 s. The caller stops it. */
void redis_cluster_add_replica(struct redis_cluster *c, int of,
                               struct redis_server *replica);
/* Wait until all other nodes say that `replica` has the slots of that node now. */
void redis_cluster_await_promotion(struct redis_cluster *c, int of,
                                   const struct redis_server *replica);
/* The slot of a key, and which node has it by what that node says. */
int redis_cluster_slot(struct redis_cluster *c, const char *key);
int redis_cluster_owner(struct redis_cluster *c, int slot);
/* Move a slot with all its keys, a few at a time, while it is in use. */
void redis_cluster_move(struct redis_cluster *c, int slot, int to);

#endif
