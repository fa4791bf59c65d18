/* redis_cluster.c - see redis_cluster.h. */
#include "redis_cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODE_MS 3000  /* until a silent node is down */
#define MOVE_MS 10000 /* of one MIGRATE */

static bool cluster_ready(void *context)
{
    struct redis_cluster *c = context;
    bool ready = true;
    for (int i = 0; i < CLUSTER_NODES && ready; i++) {
        redisReply *info = redis_server_ask(&c->node[i], "CLUSTER INFO");
        redisReply *slots = redis_server_ask(&c->node[i], "CLUSTER SLOTS");
        ready = strstr(info->str, "cluster_state:ok\r") != NULL &&
                strstr(info->str, "cluster_slots_ok:16384\r") != NULL &&
                strstr(info->str, "cluster_known_nodes:3\r") != NULL &&
                slots->elements == CLUSTER_NODES;
        freeReplyObject(info);
        freeReplyObject(slots);
    }
    return ready;
}

static void run_node(const struct redis_cluster *c, struct redis_server *node,
                     const char *const *options)
{
    redis_server_prepare(node);
    redis_door_hang(&c->door, node, &c->node[0]);
    redis_door_admit(&c->door, node);
    if (c->door.tls)
        redis_server_config(node, "tls-cluster yes");
    redis_server_config(node, "cluster-enabled yes");
    redis_server_config(node, "cluster-port %d", node->bus_port);
    redis_server_config(node, "cluster-announce-ip 127.0.0.1");
    redis_server_config(node, "cluster-node-timeout %d", NODE_MS);
    redis_server_config(node, "repl-diskless-sync-delay 0");
    redis_server_options(node, options);
    redis_server_run(node);
}

static void start_node(struct redis_cluster *c, int i,
                       const char *const *options)
{
    struct redis_server *node = &c->node[i];
    run_node(c, node, options);
    redis_server_do(node, "CLUSTER SET-CONFIG-EPOCH %d", i + 1);
    redis_server_do(node, "CLUSTER ADDSLOTSRANGE %d %d",
                    CLUSTER_SLOTS * i / CLUSTER_NODES,
                    CLUSTER_SLOTS * (i + 1) / CLUSTER_NODES - 1);
    redisReply *reply = redis_server_ask(node, "CLUSTER MYID");
    snprintf(c->id[i], sizeof c->id[i], "%s", reply->str);
    freeReplyObject(reply);
}

void redis_cluster_start(struct redis_cluster *c, const char *const *options)
{
    redis_cluster_start_behind(c, &(struct redis_door){ .tls = false }, options);
}

void redis_cluster_start_behind(struct redis_cluster *c, const struct redis_door *door,
                                const char *const *options)
{
    memset(c, 0, sizeof *c);
    c->door = *door;
    for (int i = 0; i < CLUSTER_NODES; i++)
        start_node(c, i, options);
    /* Everybody to everybody: no waiting for gossip. */
    for (int i = 0; i < CLUSTER_NODES; i++) {
        for (int j = 0; j < i; j++)
            redis_server_do(&c->node[i], "CLUSTER MEET 127.0.0.1 %d %d",
                            c->node[j].port, c->node[j].bus_port);
    }
    redis_await(cluster_ready, c, "the nodes agree on the slots");
    snprintf(c->url, sizeof c->url,
             "redis-cluster://%s127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d",
             redis_door_login(door), c->node[0].port, c->node[1].port, c->node[2].port);
    redis_door_key(door, &c->node[0], c->url, sizeof c->url);
}

void redis_cluster_stop(struct redis_cluster *c)
{
    for (int i = 0; i < CLUSTER_NODES; i++)
        redis_server_stop(&c->node[i]);
}

int redis_cluster_slot(struct redis_cluster *c, const char *key)
{
    return (int)redis_server_number(&c->node[0], "CLUSTER KEYSLOT %s", key);
}

/* The port that a node's map has for a slot; 0: none. */
static int port_of_slot(struct redis_server *node, int slot)
{
    int port = 0;
    redisReply *map = redis_server_ask(node, "CLUSTER SLOTS");
    for (size_t i = 0; i < map->elements; i++) {
        const redisReply *range = map->element[i];
        if (range->element[0]->integer <= slot && slot <= range->element[1]->integer)
            port = (int)range->element[2]->element[1]->integer;
    }
    freeReplyObject(map);
    return port;
}

int redis_cluster_owner(struct redis_cluster *c, int slot)
{
    for (int i = 0; i < CLUSTER_NODES; i++) {
        if (c->node[i].pid != 0 &&
            port_of_slot(&c->node[i], slot) == c->node[i].port)
            return i;
    }
    return -1;
}

/* False: no keys are left to move. */
static bool move_some(struct redis_server *from, const struct redis_server *to,
                      int slot)
{
    redisReply *keys = redis_server_ask(from, "CLUSTER GETKEYSINSLOT %d 5", slot);
    bool some = keys->elements > 0;
    for (size_t i = 0; i < keys->elements; i++)
        redis_server_do(from, "MIGRATE 127.0.0.1 %d %b 0 %d", to->port,
                        keys->element[i]->str, (size_t)keys->element[i]->len,
                        MOVE_MS);
    freeReplyObject(keys);
    return some;
}

void redis_cluster_move(struct redis_cluster *c, int slot, int to)
{
    int from = redis_cluster_owner(c, slot);
    if (from == to || from < 0)
        return;
    redis_server_do(&c->node[to], "CLUSTER SETSLOT %d IMPORTING %s", slot,
                    c->id[from]);
    redis_server_do(&c->node[from], "CLUSTER SETSLOT %d MIGRATING %s", slot,
                    c->id[to]);
    while (move_some(&c->node[from], &c->node[to], slot))
        continue;
    /* First where it goes: were it lost there after leaving the other, nobody
     * would have the slot. */
    redis_server_do(&c->node[to], "CLUSTER SETSLOT %d NODE %s", slot, c->id[to]);
    redis_server_do(&c->node[from], "CLUSTER SETSLOT %d NODE %s", slot, c->id[to]);
    for (int i = 0; i < CLUSTER_NODES; i++) {
        if (i != to && i != from)
            redis_server_do(&c->node[i], "CLUSTER SETSLOT %d NODE %s", slot,
                            c->id[to]);
    }
}

/* --- its replicas -------------------------------------------------------------------- */

struct follower {
    struct redis_cluster *c;
    int of;
    struct redis_server *replica;
};

/* Gossip has told the new node of all others. */
static bool knows_all(void *context)
{
    struct follower *f = context;
    redisReply *info = redis_server_ask(f->replica, "CLUSTER INFO");
    bool all = strstr(info->str, "cluster_slots_assigned:16384\r") != NULL;
    freeReplyObject(info);
    return all;
}

static bool follows(void *context)
{
    struct follower *f = context;
    return redis_server_info_is(f->replica, "master_link_status", "up");
}

/* Every master knows it as the replica of that one: it would vote for it. */
static bool is_known(void *context)
{
    struct follower *f = context;
    char port[32];
    bool known = true;
    snprintf(port, sizeof port, "127.0.0.1:%d@", f->replica->port);
    for (int i = 0; i < CLUSTER_NODES && known; i++) {
        redisReply *list = redis_server_ask(&f->c->node[i], "CLUSTER REPLICAS %s",
                                            f->c->id[f->of]);
        known = list->elements == 1 && strstr(list->element[0]->str, port) != NULL;
        freeReplyObject(list);
    }
    return known;
}

void redis_cluster_add_replica(struct redis_cluster *c, int of,
                               struct redis_server *replica)
{
    struct follower f = { c, of, replica };
    run_node(c, replica, NULL);
    redis_server_do(replica, "CLUSTER MEET 127.0.0.1 %d %d", c->node[of].port,
                    c->node[of].bus_port);
    redis_await(knows_all, &f, "a new node knows the others");
    redis_server_do(replica, "CLUSTER REPLICATE %s", c->id[of]);
    redis_await(follows, &f, "a replica follows its master");
    redis_await(is_known, &f, "the masters know the replica");
}

static bool is_promoted(void *context)
{
    struct follower *f = context;
    int slot = CLUSTER_SLOTS * f->of / CLUSTER_NODES;
    for (int i = 0; i < CLUSTER_NODES; i++) {
        if (i != f->of && port_of_slot(&f->c->node[i], slot) != f->replica->port)
            return false;
    }
    return true;
}

void redis_cluster_await_promotion(struct redis_cluster *c, int of,
                                   const struct redis_server *replica)
{
    struct redis_server there = *replica;
    struct follower f = { c, of, &there };
    redis_await(is_promoted, &f, "a replica is promoted");
}
