/* redis_discover.h - a route from inside: what redis_route.c and redis_discover.c share.
 *
 * The first has the way to a slot by what is known, the second finds out what there
 * is. All functions want the route's mutex held.
 */
#ifndef PAWL_STORAGE_REDIS_DISCOVER_H
#define PAWL_STORAGE_REDIS_DISCOVER_H

#include "storage/redis/redis_route_internal.h"

#define REDIS_SLOT_PACES 64

/* A server. */
struct redis_node {
    struct redis_node *next;
    struct redis_pool *pool;
    struct redis_pace pace;
    int64_t doubted_ns; /* 0: never */
    bool in_use;        /* some slot leads here */
};

struct redis_route {
    const struct redis_settings *settings;
    struct redis_pace slot_paces[REDIS_SLOT_PACES]; /* by slot, several sharing one */
    pthread_mutex_t mutex;
    pthread_cond_t looked; /* a look is over */
    struct redis_node *nodes;
    struct redis_node **slots; /* NULL: not known */
    int slot_count;            /* 1 where there is no Cluster */
    int64_t gap_ns;
    bool looking;
    int64_t look_ns;          /* when the latest look began; 0: never */
    int64_t seen_ns;          /* ... the latest one that found something */
    struct pawl_error failed; /* status < 0: why the latest one did not */
    struct redis_sentinel_list sentinels; /* of the thread that looks */
    struct redis_watch *watch; /* from the first look that found a master on */
};

/* --- redis_route.c ------------------------------------------------------------- */
/* Find it or make it; NULL: out of memory. */
struct redis_node *redis_route_node(struct redis_route *route,
                                    const struct redis_address *address);
/* Servers that no slot leads to any more are left. */
void redis_route_leave_unused(struct redis_route *route);
enum pawl_status redis_route_no_memory(struct pawl_error *err);

static inline bool redis_node_in_doubt(const struct redis_route *route,
                                       const struct redis_node *node)
{
    return !node || node->doubted_ns > route->seen_ns;
}

/* --- redis_discover.c ------------------------------------------------------------ */
/* Ask sentinels or nodes now, without the mutex; what came of it is in the route. */
void redis_discover(struct redis_route *route, int64_t deadline);
/* From now on also unasked, where that is of use. */
void redis_discover_watch(struct redis_route *route);

#endif
