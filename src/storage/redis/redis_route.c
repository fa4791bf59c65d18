/* redis_route.c - the servers a store ever met, and which of them has a slot.
 *
 * Where there is one server this is a list of one. Else, when it is not known which
 * server has a slot, or that one is in doubt, one thread at a time looks
 * (redis_discover.c), and those whose server is the one in doubt wait for what it
 * finds. A look holds for a while, also one that failed, so that doubt in many threads
 * makes few looks.
 *
 * Servers stay in the list until the route is freed, since threads hold their
 * pools; one that is no master any more has its connections closed. */
#include "storage/redis/redis_route.h"

#include <stdlib.h>
#include <string.h>

#include "storage/redis/redis_discover.h"
#include "storage/redis/redis_watch.h"
#include "util/clock.h"
#include "util/thread.h"

#define NS_PER_MS INT64_C(1000000)
/* Least time between two looks. */
#define SENTINEL_GAP_NS (250 * NS_PER_MS)
#define CLUSTER_GAP_NS (500 * NS_PER_MS)

/* --- servers ------------------------------------------------------------------ */

static bool same_address(const struct redis_address *a, const struct redis_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

struct redis_node *redis_route_node(struct redis_route *route,
                                    const struct redis_address *address)
{
    struct redis_node *node;

    for (node = route->nodes; node; node = node->next)
        if (same_address(redis_pool_address(node->pool), address))
            return node;
    node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    node->pool = redis_pool_new(address, route->settings);
    if (!node->pool) {
        free(node);
        return NULL;
    }
    redis_pace_init(&node->pace);
    node->next = route->nodes;
    route->nodes = node;
    return node;
}

struct redis_pace *redis_route_slot_pace(struct redis_route *route, int slot)
{
    return &route->slot_paces[slot % REDIS_SLOT_PACES];
}

struct redis_pace *redis_route_pace(struct redis_route *route,
                                    const struct redis_pool *pool)
{
    struct redis_node *node;

    pthread_mutex_lock(&route->mutex);
    for (node = route->nodes; node->pool != pool; node = node->next)
        ;
    pthread_mutex_unlock(&route->mutex);
    return &node->pace;
}

struct redis_route *redis_route_new(const struct redis_settings *settings)
{
    struct redis_route *route = calloc(1, sizeof *route);

    if (!route)
        return NULL;
    route->settings = settings;
    for (int i = 0; i < REDIS_SLOT_PACES; i++)
        redis_pace_init(&route->slot_paces[i]);
    route->slot_count = settings->kind == REDIS_CLUSTER ? REDIS_SLOTS : 1;
    route->gap_ns = settings->kind == REDIS_CLUSTER ? CLUSTER_GAP_NS : SENTINEL_GAP_NS;
    pthread_mutex_init(&route->mutex, NULL);
    thread_cond_init(&route->looked);
    route->slots = calloc((size_t)route->slot_count, sizeof(struct redis_node *));
    if (!route->slots)
        goto out;
    if (settings->kind == REDIS_SINGLE) {
        route->slots[0] = redis_route_node(route, &settings->hosts[0]);
        if (!route->slots[0])
            goto out;
    }
    memcpy(route->sentinels.known, settings->hosts, sizeof route->sentinels.known);
    route->sentinels.count = settings->host_count;
    return route;
out:
    redis_route_free(route);
    return NULL;
}

void redis_route_free(struct redis_route *route)
{
    struct redis_node *node;

    if (!route)
        return;
    redis_watch_stop(route->watch);
    while ((node = route->nodes)) {
        route->nodes = node->next;
        redis_pool_free(node->pool);
        redis_pace_clear(&node->pace);
        free(node);
    }
    for (int i = 0; i < REDIS_SLOT_PACES; i++)
        redis_pace_clear(&route->slot_paces[i]);
    free(route->slots);
    pthread_cond_destroy(&route->looked);
    pthread_mutex_destroy(&route->mutex);
    free(route);
}

/* --- the slots; with the mutex held ------------------------------------------------ */

static struct redis_node **slot_at(struct redis_route *route, int slot)
{
    return &route->slots[slot % route->slot_count];
}

void redis_route_leave_unused(struct redis_route *route)
{
    struct redis_node *node;
    bool before;
    int i;

    for (node = route->nodes; node; node = node->next) {
        before = node->in_use;
        node->in_use = false;
        for (i = 0; i < route->slot_count && !node->in_use; i++)
            node->in_use = route->slots[i] == node;
        if (before && !node->in_use)
            redis_pool_drop(node->pool);
    }
}

enum pawl_status redis_route_no_memory(struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_ENOMEM, "out of memory for the way to a server");
}

/* --- the way to a slot -------------------------------------------------------- */

static enum pawl_status no_way(struct redis_route *route, int slot,
                               struct pawl_error *err)
{
    if (route->failed.status < 0) {
        if (err)
            *err = route->failed;
        return route->failed.status;
    }
    return pawl_error_set(err, PAWL_EUNREACHABLE,
                          "no node of %.150s serves slot %d: see CLUSTER INFO",
                          route->settings->where, slot);
}

enum pawl_status redis_route_to(struct redis_route *route, int slot, int64_t deadline,
                                struct redis_pool **out, struct pawl_error *err)
{
    struct redis_node **at = slot_at(route, slot);
    enum pawl_status status = PAWL_OK;
    struct timespec until = clock_timespec(deadline);

    pthread_mutex_lock(&route->mutex);
    while (redis_node_in_doubt(route, *at)) {
        if (route->looking) {
            if (pthread_cond_timedwait(&route->looked, &route->mutex, &until) != 0)
                break;
        } else if (route->look_ns == 0 ||
                   clock_mono_ns() - route->look_ns >= route->gap_ns) {
            redis_discover(route, deadline);
            redis_discover_watch(route);
        } else {
            break;
        }
    }
    if (*at)
        *out = (*at)->pool;
    else if (route->looking)
        status = pawl_error_set(err, PAWL_ETIMEOUT, "%.150s: still looking for it",
                                route->settings->where);
    else
        status = no_way(route, slot, err);
    pthread_mutex_unlock(&route->mutex);
    return status;
}

void redis_route_doubt(struct redis_route *route, int slot)
{
    struct redis_node *node;

    if (route->settings->kind == REDIS_SINGLE)
        return;
    pthread_mutex_lock(&route->mutex);
    node = *slot_at(route, slot);
    if (node)
        node->doubted_ns = clock_mono_ns();
    pthread_mutex_unlock(&route->mutex);
}

enum pawl_status redis_route_ask(struct redis_route *route,
                                 const struct redis_address *to,
                                 struct redis_pool **out, struct pawl_error *err)
{
    struct redis_node *node;

    if (route->settings->kind != REDIS_CLUSTER)
        return pawl_error_set(err, PAWL_EFORMAT,
                              "%.150s is a node of a Cluster: use a redis-cluster:// url",
                              route->settings->where);
    pthread_mutex_lock(&route->mutex);
    node = redis_route_node(route, to);
    pthread_mutex_unlock(&route->mutex);
    if (!node)
        return redis_route_no_memory(err);
    *out = node->pool;
    return PAWL_OK;
}

enum pawl_status redis_route_moved(struct redis_route *route, int slot,
                                   const struct redis_address *to,
                                   struct redis_pool **out, struct pawl_error *err)
{
    enum pawl_status status = redis_route_ask(route, to, out, err);
    struct redis_node *node, **at;

    if (status < 0)
        return status;
    pthread_mutex_lock(&route->mutex);
    at = slot_at(route, slot);
    node = redis_route_node(route, to);
    if (*at && *at != node)
        (*at)->doubted_ns = clock_mono_ns();
    node->in_use = true;
    *at = node;
    pthread_mutex_unlock(&route->mutex);
    return PAWL_OK;
}

enum pawl_status redis_route_all(struct redis_route *route, int64_t deadline,
                                 struct redis_pool **out, int most, int *count,
                                 struct pawl_error *err)
{
    enum pawl_status status = redis_route_to(route, 0, deadline, &out[0], err);
    struct redis_node *node;

    *count = 0;
    pthread_mutex_lock(&route->mutex);
    if (status < 0 && route->seen_ns == 0) {
        pthread_mutex_unlock(&route->mutex);
        return status;
    }
    redis_route_leave_unused(route);
    for (node = route->nodes; node; node = node->next)
        if (node->in_use && *count < most)
            out[(*count)++] = node->pool;
    pthread_mutex_unlock(&route->mutex);
    return PAWL_OK;
}
