/* redis_discover.c - which servers there are now: the master that the sentinels name,
 * or the nodes of a Cluster and their slots.
 *
 * One thread at a time looks (redis_sentinel.c, redis_cluster.c), with no mutex held;
 * those whose server is in no doubt go on meanwhile. What it finds replaces what the
 * route knew; where nobody answers all stays as it is. When to look is redis_route.c's
 * to say, or the watch's: where there are sentinels they are asked once a second also
 * when nobody doubts (redis_watch.c).
 *
 * All functions here want the route's mutex held.
 */
#include "storage/redis/redis_discover.h"

#include <stdlib.h>
#include <string.h>

#include "storage/redis/redis_watch.h"
#include "util/clock.h"

#define NS_PER_MS INT64_C(1000000)
/* After which the watch looks; and how long that may take. */
#define WATCH_GAP_NS (1000 * NS_PER_MS)
#define WATCH_PATIENCE_NS (1000 * NS_PER_MS)
#define NODES_ASKED 64

/* --- a master, by its sentinels --------------------------------------------------- */

static enum pawl_status look_for_master(struct redis_route *route, int64_t deadline,
                                        struct pawl_error *err)
{
    struct redis_address master;
    enum pawl_status status;
    struct redis_node *node = NULL;

    pthread_mutex_unlock(&route->mutex);
    status = redis_sentinel_find(&route->sentinels, route->settings, deadline, &master,
                                 err);
    pthread_mutex_lock(&route->mutex);
    if (status < 0)
        return status;
    node = redis_route_node(route, &master);
    if (!node)
        return redis_route_no_memory(err);
    /* It may be cut off from the others, and not know that they chose another. In no
     * doubt we stay with it: after a failover they learn of it one after the other,
     * and we would go to and fro. */
    if (route->slots[0] == node && redis_node_in_doubt(route, node))
        redis_sentinel_doubt(&route->sentinels);
    route->slots[0] = node;
    return PAWL_OK;
}

/* --- a map, by the nodes ------------------------------------------------------------ */

/* Whom to ask for the map: nodes in use, best first those in no doubt; then those
 * the settings name. */
static int nodes_to_ask(struct redis_route *route, struct redis_address *out)
{
    const struct redis_settings *settings = route->settings;
    struct redis_node *node;
    int count = 0, i;

    for (i = 0; i < 2; i++)
        for (node = route->nodes; node; node = node->next)
            if (node->in_use && (node->doubted_ns > route->seen_ns) == (i == 1) &&
                count < NODES_ASKED - REDIS_HOSTS_MOST)
                out[count++] = *redis_pool_address(node->pool);
    for (i = 0; i < settings->host_count; i++)
        out[count++] = settings->hosts[i];
    return count;
}

static enum pawl_status take_map(struct redis_route *route, const struct redis_map *map,
                                 struct pawl_error *err)
{
    struct redis_node *node;
    int i, slot;

    memset(route->slots, 0, (size_t)route->slot_count * sizeof(struct redis_node *));
    for (i = 0; i < map->count; i++) {
        node = redis_route_node(route, &map->ranges[i].master);
        if (!node)
            return redis_route_no_memory(err);
        for (slot = map->ranges[i].first; slot <= map->ranges[i].last; slot++)
            route->slots[slot] = node;
    }
    return PAWL_OK;
}

static enum pawl_status look_for_map(struct redis_route *route, int64_t deadline,
                                     struct pawl_error *err)
{
    struct redis_address *nodes = calloc(NODES_ASKED, sizeof *nodes);
    struct redis_map map = { 0 };
    enum pawl_status status;
    int count;

    if (!nodes)
        return redis_route_no_memory(err);
    count = nodes_to_ask(route, nodes);
    pthread_mutex_unlock(&route->mutex);
    status = redis_cluster_map(nodes, count, route->settings, deadline, &map, err);
    pthread_mutex_lock(&route->mutex);
    if (status == PAWL_OK)
        status = take_map(route, &map, err);
    redis_map_clear(&map);
    free(nodes);
    return status;
}

/* --- both ------------------------------------------------------------------------- */

void redis_discover(struct redis_route *route, int64_t deadline)
{
    struct pawl_error failed = { 0 };
    enum pawl_status status;

    route->looking = true;
    route->look_ns = clock_mono_ns();
    if (route->settings->kind == REDIS_CLUSTER)
        status = look_for_map(route, deadline, &failed);
    else
        status = look_for_master(route, deadline, &failed);
    route->failed = failed;
    route->failed.status = status;
    if (status == PAWL_OK)
        route->seen_ns = route->look_ns;
    redis_route_leave_unused(route);
    route->looking = false;
    pthread_cond_broadcast(&route->looked);
}

/* What the watch does. */
static void look_unasked(void *context)
{
    struct redis_route *route = context;
    int64_t now = clock_mono_ns();

    pthread_mutex_lock(&route->mutex);
    if (!route->looking && now - route->look_ns >= WATCH_GAP_NS)
        redis_discover(route, now + WATCH_PATIENCE_NS);
    pthread_mutex_unlock(&route->mutex);
}

/* It is no harm if it cannot be had now: the next look tries again. */
void redis_discover_watch(struct redis_route *route)
{
    if (route->settings->kind == REDIS_SENTINEL && route->seen_ns > 0 && !route->watch)
        route->watch = redis_watch_start(look_unasked, route);
}
