/* redis_route.c - the servers a store ever met, and which of them has a slot.
 *
 * Where there is one server this is a list of one. Else one thread at a time looks
 * (redis_sentinel.c, redis_cluster.c) with no mutex held; those whose server is in
 * no doubt go on meanwhile, the others wait for what it finds. A look holds for a
 * while, also one that failed, so that doubt in many threads makes few looks. Where
 * there are sentinels they are asked once a second also when nobody doubts
 * (redis_watch.c); if none answers, all stays as it is.
 *
 * Servers stay in the list until the route is freed, since threads hold their
 * pools; one that is no master any more has its connections closed. */
#include "storage/redis/redis_route.h"

#include <stdlib.h>
#include <string.h>

#include "storage/redis/redis_route_internal.h"
#include "storage/redis/redis_watch.h"
#include "util/clock.h"
#include "util/thread.h"

#define NS_PER_MS INT64_C(1000000)
/* Least time between two looks. */
#define SENTINEL_GAP_NS (250 * NS_PER_MS)
#define CLUSTER_GAP_NS (500 * NS_PER_MS)
/* ... and after which the watch makes one; and how long that may take. */
#define WATCH_GAP_NS (1000 * NS_PER_MS)
#define WATCH_PATIENCE_NS (1000 * NS_PER_MS)
#define NODES_ASKED 64
#define SLOT_PACES 64

struct node {
    struct node *next;
    struct redis_pool *pool;
    struct redis_pace pace;
    int64_t doubted_ns; /* 0: never */
    bool in_use;        /* some slot leads here */
};

struct redis_route {
    const struct redis_settings *settings;
    struct redis_pace slot_paces[SLOT_PACES]; /* by slot, several sharing one */
    pthread_mutex_t mutex;
    pthread_cond_t looked; /* a look is over */
    struct node *nodes;
    struct node **slots; /* NULL: not known */
    int slot_count;      /* 1 where there is no Cluster */
    int64_t gap_ns;
    bool looking;
    int64_t look_ns;          /* when the latest look began; 0: never */
    int64_t seen_ns;          /* ... the latest one that found something */
    struct pawl_error failed; /* status < 0: why the latest one did not */
    struct redis_sentinel_list sentinels; /* of the thread that looks */
    struct redis_watch *watch; /* from the first look that found a master on */
};

/* --- servers ------------------------------------------------------------------ */

static bool same_address(const struct redis_address *a, const struct redis_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* Find it or make it; NULL: out of memory. */
static struct node *node_at(struct redis_route *route,
                            const struct redis_address *address)
{
    struct node *node;

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
    return &route->slot_paces[slot % SLOT_PACES];
}

struct redis_pace *redis_route_pace(struct redis_route *route,
                                    const struct redis_pool *pool)
{
    struct node *node;

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
    for (int i = 0; i < SLOT_PACES; i++)
        redis_pace_init(&route->slot_paces[i]);
    route->slot_count = settings->kind == REDIS_CLUSTER ? REDIS_SLOTS : 1;
    route->gap_ns = settings->kind == REDIS_CLUSTER ? CLUSTER_GAP_NS : SENTINEL_GAP_NS;
    pthread_mutex_init(&route->mutex, NULL);
    thread_cond_init(&route->looked);
    route->slots = calloc((size_t)route->slot_count, sizeof(struct node *));
    if (!route->slots)
        goto out;
    if (settings->kind == REDIS_SINGLE) {
        route->slots[0] = node_at(route, &settings->hosts[0]);
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
    struct node *node;

    if (!route)
        return;
    redis_watch_stop(route->watch);
    while ((node = route->nodes)) {
        route->nodes = node->next;
        redis_pool_free(node->pool);
        redis_pace_clear(&node->pace);
        free(node);
    }
    for (int i = 0; i < SLOT_PACES; i++)
        redis_pace_clear(&route->slot_paces[i]);
    free(route->slots);
    pthread_cond_destroy(&route->looked);
    pthread_mutex_destroy(&route->mutex);
    free(route);
}

/* --- looking ------------------------------------------------------------------ */

/* Servers that no slot leads to any more are left. */
static void leave_unused(struct redis_route *route)
{
    struct node *node;
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

static struct node **slot_at(struct redis_route *route, int slot)
{
    return &route->slots[slot % route->slot_count];
}

static bool in_doubt(const struct redis_route *route, const struct node *node)
{
    return !node || node->doubted_ns > route->seen_ns;
}

static enum pawl_status no_memory(struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_ENOMEM, "out of memory for the way to a server");
}

static enum pawl_status look_for_master(struct redis_route *route, int64_t deadline,
                                        struct pawl_error *err)
{
    struct redis_address master;
    enum pawl_status status;
    struct node *node = NULL;

    pthread_mutex_unlock(&route->mutex);
    status = redis_sentinel_find(&route->sentinels, route->settings, deadline, &master,
                                 err);
    pthread_mutex_lock(&route->mutex);
    if (status < 0)
        return status;
    node = node_at(route, &master);
    if (!node)
        return no_memory(err);
    /* It may be cut off from the others, and not know that they chose another. In no
     * doubt we stay with it: after a failover they learn of it one after the other,
     * and we would go to and fro. */
    if (route->slots[0] == node && in_doubt(route, node))
        redis_sentinel_doubt(&route->sentinels);
    route->slots[0] = node;
    return PAWL_OK;
}

/* Whom to ask for the map: nodes in use, best first those in no doubt; then those
 * the settings name. */
static int nodes_to_ask(struct redis_route *route, struct redis_address *out)
{
    const struct redis_settings *settings = route->settings;
    struct node *node;
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
    struct node *node;
    int i, slot;

    memset(route->slots, 0, (size_t)route->slot_count * sizeof(struct node *));
    for (i = 0; i < map->count; i++) {
        node = node_at(route, &map->ranges[i].master);
        if (!node)
            return no_memory(err);
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
        return no_memory(err);
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

/* The mutex is held, but not while others are asked. */
static void look(struct redis_route *route, int64_t deadline)
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
    leave_unused(route);
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
        look(route, now + WATCH_PATIENCE_NS);
    pthread_mutex_unlock(&route->mutex);
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

/* It is no harm if it cannot be had now: the next look tries again. */
static void start_watch(struct redis_route *route)
{
    if (route->settings->kind == REDIS_SENTINEL && route->seen_ns > 0 && !route->watch)
        route->watch = redis_watch_start(look_unasked, route);
}

enum pawl_status redis_route_to(struct redis_route *route, int slot, int64_t deadline,
                                struct redis_pool **out, struct pawl_error *err)
{
    struct node **at = slot_at(route, slot);
    enum pawl_status status = PAWL_OK;
    struct timespec until = clock_timespec(deadline);

    pthread_mutex_lock(&route->mutex);
    while (in_doubt(route, *at)) {
        if (route->looking) {
            if (pthread_cond_timedwait(&route->looked, &route->mutex, &until) != 0)
                break;
        } else if (route->look_ns == 0 ||
                   clock_mono_ns() - route->look_ns >= route->gap_ns) {
            look(route, deadline);
            start_watch(route);
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
    struct node *node;

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
    struct node *node;

    if (route->settings->kind != REDIS_CLUSTER)
        return pawl_error_set(err, PAWL_EFORMAT,
                              "%.150s is a node of a Cluster: use a redis-cluster:// url",
                              route->settings->where);
    pthread_mutex_lock(&route->mutex);
    node = node_at(route, to);
    pthread_mutex_unlock(&route->mutex);
    if (!node)
        return no_memory(err);
    *out = node->pool;
    return PAWL_OK;
}

enum pawl_status redis_route_moved(struct redis_route *route, int slot,
                                   const struct redis_address *to,
                                   struct redis_pool **out, struct pawl_error *err)
{
    enum pawl_status status = redis_route_ask(route, to, out, err);
    struct node *node, **at;

    if (status < 0)
        return status;
    pthread_mutex_lock(&route->mutex);
    at = slot_at(route, slot);
    node = node_at(route, to);
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
    struct node *node;

    *count = 0;
    pthread_mutex_lock(&route->mutex);
    if (status < 0 && route->seen_ns == 0) {
        pthread_mutex_unlock(&route->mutex);
        return status;
    }
    leave_unused(route);
    for (node = route->nodes; node; node = node->next)
        if (node->in_use && *count < most)
            out[(*count)++] = node->pool;
    pthread_mutex_unlock(&route->mutex);
    return PAWL_OK;
}
