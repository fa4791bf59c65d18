/* redis_route_internal.h - what is asked of sentinels and of a Cluster.
 *
 * Both only look: they are given addresses, connect on their own, and fill in what
 * they were told. What becomes of it is redis_discover.c's, and who may look when is
 * redis_route.c's.
 */
#ifndef PAWL_STORAGE_REDIS_ROUTE_INTERNAL_H
#define PAWL_STORAGE_REDIS_ROUTE_INTERNAL_H

#include "storage/redis/redis_pace.h"
#include "storage/redis/redis_route.h"

/* The sentinels known so far, the one that answered last in front. */
struct redis_sentinel_list {
    struct redis_address known[REDIS_HOSTS_MOST];
    int count;
};

/* The one in front has told nothing new: ask another one first next time. */
void redis_sentinel_doubt(struct redis_sentinel_list *sentinels);
/* Who is the master? More sentinels are learned on the way. EUNREACHABLE; EDENIED
 * and EFORMAT if the only ones that answer say so. */
enum pawl_status redis_sentinel_find(struct redis_sentinel_list *sentinels,
                                     const struct redis_settings *settings,
                                     int64_t deadline, struct redis_address *out,
                                     struct pawl_error *err);

struct redis_range {
    int first, last; /* slots */
    struct redis_address master;
};
struct redis_map {
    struct redis_range *ranges;
    int count;
};

/* The map of slots from the first of these nodes that gives one. */
enum pawl_status redis_cluster_map(const struct redis_address *nodes, int node_count,
                                   const struct redis_settings *settings,
                                   int64_t deadline, struct redis_map *out,
                                   struct pawl_error *err);
void redis_map_clear(struct redis_map *map);

/* The pace of a slot, that cannot be asked now while others of its server can. */
struct redis_pace *redis_route_slot_pace(struct redis_route *route, int slot);
/* The pace of the server that this pool, one of the route's, connects to. */
struct redis_pace *redis_route_pace(struct redis_route *route,
                                    const struct redis_pool *pool);

#endif
