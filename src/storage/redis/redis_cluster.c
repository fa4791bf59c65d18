/* redis_cluster.c - asking a Cluster which node has which slot.
 *
 * CLUSTER SLOTS, which all versions have: for each range of slots its master, then
 * its replicas. A node is written as its preferred endpoint, its port and, from 7.0
 * on, more names of it. An endpoint that is empty or nil means the host that was
 * asked; "?" that the node wants to be called by a host name and has none, and then
 * there is its IP among the other names. Over TLS the ports are those for TLS.
 *
 * The nodes are asked in turn until one has an answer: each knows the whole map. */
#include "storage/redis/redis_route_internal.h"

#include <stdlib.h>
#include <string.h>

#include "storage/redis/redis_error.h"
#include "util/clock.h"

#define NS_PER_MS INT64_C(1000000)

void redis_map_clear(struct redis_map *map)
{
    free(map->ranges);
    *map = (struct redis_map){ 0 };
}

static bool is_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
}

/* The IP among a node's other names; NULL: there is none. */
static const char *ip_of(const redisReply *node)
{
    const redisReply *names = node->elements > 3 ? node->element[3] : NULL;

    if (!names || names->type != REDIS_REPLY_ARRAY)
        return NULL;
    for (size_t i = 0; i + 1 < names->elements; i += 2)
        if (is_text(names->element[i]) && is_text(names->element[i + 1]) &&
            strcmp(names->element[i]->str, "ip") == 0)
            return names->element[i + 1]->str;
    return NULL;
}

static bool read_node(const redisReply *node, const struct redis_address *asked,
                      struct redis_address *out)
{
    const char *host = asked->host;

    if (node->type != REDIS_REPLY_ARRAY || node->elements < 2 ||
        node->element[1]->type != REDIS_REPLY_INTEGER || node->element[1]->integer < 1 ||
        node->element[1]->integer > 65535)
        return false;
    if (is_text(node->element[0]) && node->element[0]->len > 0)
        host = node->element[0]->str;
    if (strcmp(host, "?") == 0)
        host = ip_of(node);
    if (!host || strlen(host) >= sizeof out->host)
        return false;
    memcpy(out->host, host, strlen(host) + 1);
    out->port = (int)node->element[1]->integer;
    return true;
}

static bool read_slot(const redisReply *reply, int *slot)
{
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0 ||
        reply->integer >= REDIS_SLOTS)
        return false;
    *slot = (int)reply->integer;
    return true;
}

static bool read_range(const redisReply *reply, const struct redis_address *asked,
                       struct redis_range *out)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements >= 3 &&
           read_slot(reply->element[0], &out->first) &&
           read_slot(reply->element[1], &out->last) && out->first <= out->last &&
           read_node(reply->element[2], asked, &out->master);
}

static enum pawl_status read_map(const redisReply *reply,
                                 const struct redis_address *asked,
                                 struct redis_map *out, struct pawl_error *err)
{
    char where[REDIS_TEXT_MAX + 10];
    enum pawl_status status;
    struct redis_map map = { 0 };

    if (redis_error_action(reply, &status) != REDIS_FINE)
        return redis_error_say(reply, status, asked, err);
    redis_address_format(asked, where, sizeof where);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements > REDIS_SLOTS)
        return pawl_error_set(err, PAWL_EFORMAT, "redis at %s has no map of slots",
                              where);
    if (reply->elements == 0)
        return pawl_error_set(err, PAWL_EUNREACHABLE,
                              "redis at %s belongs to a Cluster that serves no slot yet",
                              where);
    map.ranges = calloc(reply->elements, sizeof *map.ranges);
    if (!map.ranges)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory for a map of slots");
    /* A range whose master has no name yet is left out: its slots are not known. */
    for (size_t i = 0; i < reply->elements; i++)
        if (read_range(reply->element[i], asked, &map.ranges[map.count]))
            map.count++;
    *out = map;
    return PAWL_OK;
}

static enum pawl_status ask_node(const struct redis_address *node,
                                 const struct redis_settings *settings,
                                 int64_t deadline, struct redis_map *out,
                                 struct pawl_error *err)
{
    int64_t until = clock_mono_ns() + settings->reply_timeout * NS_PER_MS;
    struct redis_conn *conn = NULL;
    redisReply *reply = NULL;
    enum pawl_status status;

    status = redis_conn_open(node, settings, &settings->login, -1, deadline, &conn, err);
    if (status == PAWL_OK)
        status = redis_conn_ask(conn, until < deadline ? until : deadline, &reply, err,
                                "CLUSTER", "SLOTS", NULL);
    if (status == PAWL_OK)
        status = read_map(reply, node, out, err);
    freeReplyObject(reply);
    redis_conn_close(conn);
    return status;
}

enum pawl_status redis_cluster_map(const struct redis_address *nodes, int node_count,
                                   const struct redis_settings *settings,
                                   int64_t deadline, struct redis_map *out,
                                   struct pawl_error *err)
{
    enum pawl_status status = PAWL_EUNREACHABLE, kept = PAWL_OK;
    struct pawl_error error = { 0 };

    for (int i = 0; i < node_count && clock_mono_ns() < deadline; i++) {
        status = ask_node(&nodes[i], settings, deadline, out, &error);
        if (status == PAWL_OK)
            return PAWL_OK;
        /* Of many failures, one that says what is wrong is the one to tell. */
        if (kept == PAWL_OK || (kept == PAWL_EUNREACHABLE && status != kept)) {
            kept = status;
            if (err)
                *err = error;
        }
    }
    if (kept == PAWL_OK)
        return pawl_error_set(err, PAWL_ETIMEOUT, "no time left to look for the nodes of "
                              "%.150s", settings->where);
    return kept;
}
