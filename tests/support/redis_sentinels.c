/* redis_sentinels.c - see redis_sentinels.h. */
#include "redis_sentinels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Until a silent master is down. A sentinel connects to one server once a second: with
 * less than that it takes a master it has just made for down, and makes another. */
#define PATIENT_MS 1500
#define INFO_MS 1000   /* between two looks of a sentinel at a node */

static bool replica_in_step(void *context)
{
    struct redis_sentinels *s = context;
    return redis_server_info_is(&s->node[1], "master_link_status", "up") &&
           redis_server_info_is(&s->node[0], "connected_slaves", "1");
}

static void start_nodes(struct redis_sentinels *s, const char *const *options)
{
    for (int i = 0; i < 2; i++) {
        struct redis_server *node = &s->node[i];
        redis_server_prepare(node);
        redis_door_hang(&s->door, node, &s->node[0]);
        redis_door_admit(&s->door, node);
        redis_server_config(node, "repl-diskless-sync-delay 0");
        redis_server_config(node, "repl-ping-replica-period 1");
        redis_server_config(node, "repl-diskless-sync-delay 0");
        if (i == 1)
            redis_server_config(node, "replicaof 127.0.0.1 %d", s->node[0].port);
        redis_server_options(node, options);
        redis_server_run(node);
    }
    redis_await(replica_in_step, s, "the replica follows its master");
}

/* Sentinels find each other by what they publish every 2 s; told of each other
 * in their files they need not look. What a node has become they see in its INFO,
 * which they would read every 10 s. */
static void start_sentinels(struct redis_sentinels *s)
{
    for (int i = 0; i < SENTINELS; i++) {
        redis_server_prepare(&s->sentinel[i]);
        s->sentinel[i].sentinel = true;
    }
    for (int i = 0; i < SENTINELS; i++) {
        struct redis_server *one = &s->sentinel[i];
        redis_door_hang(&s->door, one, &s->node[0]);
        redis_server_config(one, "sentinel myid %040d", i + 1);
        redis_server_config(one, "sentinel monitor %s 127.0.0.1 %d 2", s->master,
                            s->node[0].port);
        redis_server_config(one, "sentinel down-after-milliseconds %s %d",
                            s->master, PATIENT_MS);
        redis_server_config(one, "sentinel failover-timeout %s 3000", s->master);
        redis_server_config(one, "sentinel known-replica %s 127.0.0.1 %d",
                            s->master, s->node[1].port);
        for (int j = 0; j < SENTINELS; j++) {
            if (j != i)
                redis_server_config(
                    one, "sentinel known-sentinel %s 127.0.0.1 %d %040d",
                    s->master, s->sentinel[j].port, j + 1);
        }
        redis_server_run(one);
        redis_server_do(one, "SENTINEL DEBUG INFO-PERIOD %d", INFO_MS);
    }
}

/* The value of a field in an array of names and values; "" if it has none. */
static const char *field(const redisReply *reply, const char *name)
{
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        if (strcmp(reply->element[i]->str, name) == 0)
            return reply->element[i + 1]->str;
    }
    return "";
}

/* Each sentinel sees the other two, and a replica it could promote. */
static bool sentinels_ready(void *context)
{
    struct redis_sentinels *s = context;
    bool ready = true;
    for (int i = 0; i < SENTINELS && ready; i++) {
        redisReply *master =
            redis_server_ask(&s->sentinel[i], "SENTINEL MASTER %s", s->master);
        redisReply *replicas =
            redis_server_ask(&s->sentinel[i], "SENTINEL REPLICAS %s", s->master);
        redisReply *quorum =
            redis_server_try(&s->sentinel[i], "SENTINEL CKQUORUM %s", s->master);
        ready = strcmp(field(master, "flags"), "master") == 0 &&
                strcmp(field(master, "num-other-sentinels"), "2") == 0 &&
                quorum->type != REDIS_REPLY_ERROR && replicas->elements == 1 &&
                strcmp(field(replicas->element[0], "flags"), "slave") == 0 &&
                strcmp(field(replicas->element[0], "master-link-status"), "ok") == 0;
        freeReplyObject(master);
        freeReplyObject(replicas);
        freeReplyObject(quorum);
    }
    return ready;
}

void redis_sentinels_start(struct redis_sentinels *s, const char *const *options)
{
    redis_sentinels_start_behind(s, &(struct redis_door){ .tls = false }, options);
}

void redis_sentinels_start_behind(struct redis_sentinels *s,
                                  const struct redis_door *door,
                                  const char *const *options)
{
    memset(s, 0, sizeof *s);
    s->door = *door;
    snprintf(s->master, sizeof s->master, "pawl-test");
    start_nodes(s, options);
    start_sentinels(s);
    redis_await(sentinels_ready, s, "the sentinels know each other");
    snprintf(s->url, sizeof s->url,
             "redis-sentinel://%s127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/%s",
             redis_door_login(door), s->sentinel[0].port, s->sentinel[1].port,
             s->sentinel[2].port, s->master);
    redis_door_key(door, &s->node[0], s->url, sizeof s->url);
}

void redis_sentinels_stop(struct redis_sentinels *s)
{
    for (int i = 0; i < SENTINELS; i++)
        redis_server_stop(&s->sentinel[i]);
    for (int i = 0; i < 2; i++)
        redis_server_stop(&s->node[i]);
}

static struct redis_server *master_by(struct redis_sentinels *s,
                                      struct redis_server *sentinel)
{
    struct redis_server *found = NULL;
    redisReply *reply = redis_server_ask(
        sentinel, "SENTINEL GET-MASTER-ADDR-BY-NAME %s", s->master);
    for (int i = 0; i < 2 && reply->elements == 2; i++) {
        if (atoi(reply->element[1]->str) == s->node[i].port)
            found = &s->node[i];
    }
    freeReplyObject(reply);
    return found;
}

struct redis_server *redis_sentinels_master(struct redis_sentinels *s)
{
    return master_by(s, &s->sentinel[0]);
}

struct other_master {
    struct redis_sentinels *s;
    const struct redis_server *old;
    struct redis_server *found;
};

static bool other_master_reigns(void *context)
{
    struct other_master *other = context;
    for (int i = 0; i < SENTINELS; i++) {
        struct redis_server *sentinel = &other->s->sentinel[i];
        if (sentinel->pid == 0)
            continue;
        other->found = master_by(other->s, sentinel);
        if (other->found == NULL || other->found == other->old)
            return false;
    }
    return other->found != NULL && other->found->pid != 0 &&
           redis_server_info_is(other->found, "role", "master");
}

struct redis_server *redis_sentinels_await(struct redis_sentinels *s,
                                           const struct redis_server *old)
{
    struct other_master other = { .s = s, .old = old };
    redis_await(other_master_reigns, &other, "the sentinels name another master");
    return other.found;
}
