/* redis_health.c - how the server is, or the servers of a Cluster taken together.
 *
 * What is worse counts: the weakest durability, the slowest answer. Warnings name the
 * node where there are several; those that something happened for come first, since
 * there is room for a few only.
 */
#include "storage/redis/redis_health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/redis/redis_info.h"
#include "util/clock.h"

#define NODES_MOST 128
#define OLDEST_MAJOR 7
#define NEARLY_FULL 90 /* % */

struct nodes {
    int count;
    struct redis_info info[NODES_MOST]; /* of those that answered */
};

/* --- saying -------------------------------------------------------------------- */

/* `node`: the one that it is about, if there are others; else NULL. */
PAWL_PRINTF(4, 5)
static void health_warn(struct pawl_health *out, bool standing, const char *node,
                        const char *format, ...)
{
    struct pawl_health_warning *warning = &out->warnings[out->warning_count];
    size_t used = 0;
    va_list args;

    if (out->warning_count >= PAWL_HEALTH_WARNINGS)
        return;
    out->warning_count++;
    warning->standing = standing;
    if (node)
        used = (size_t)snprintf(warning->text, sizeof warning->text, "%.80s: ", node);
    va_start(args, format);
    vsnprintf(warning->text + used, sizeof warning->text - used, format, args);
    va_end(args);
}

PAWL_PRINTF(3, 4)
static void health_tell(struct pawl_health *out, const char *name, const char *format,
                        ...)
{
    struct pawl_health_detail *detail = &out->details[out->detail_count];
    va_list args;

    if (out->detail_count >= PAWL_HEALTH_DETAILS)
        return;
    out->detail_count++;
    snprintf(detail->name, sizeof detail->name, "%s", name);
    va_start(args, format);
    vsnprintf(detail->value, sizeof detail->value, format, args);
    va_end(args);
}

/* "1.5 MiB" */
static void health_bytes(char text[32], int64_t bytes)
{
    snprintf(text, 32, "%" PRId64 ".%" PRId64 " MiB", bytes >> 20,
             (bytes & 0xFFFFF) * 10 >> 20);
}

/* --- what it stands for ------------------------------------------------------------ */

/* Weakest first. */
static const char *const durabilities[] = { "memory", "aof", "everysec", "always" };

static int durability_of(const struct redis_info *info)
{
    if (!info->aof)
        return 0;
    for (int i = 2; i < 4; i++)
        if (strcmp(info->fsync, durabilities[i]) == 0)
            return i;
    return 1;
}

static const char *persistence_of(const struct redis_info *info)
{
    bool snapshots = info->config_known ? info->saves : info->snapshots;

    if (info->aof)
        return snapshots ? "append-only file and snapshots" : "append-only file";
    if (snapshots)
        return "snapshots";
    return info->config_known ? "none" : "no append-only file";
}

/* --- warnings ------------------------------------------------------------------------ */

static void warn_of_events(const struct redis_info *info, int replicas,
                           const char *node, struct pawl_health *out)
{
    char used[32], most[32];

    if (info->replicas < replicas)
        health_warn(out, false, node,
                    "replicas=%d, and %" PRId64 " are connected: no change is answered",
                    replicas, info->replicas);
    if (info->replica)
        health_warn(out, false, node, "the server is a replica: it takes no jobs");
    if (info->write_failed)
        health_warn(out, false, node, "the server's last write of its append-only file "
                                      "or snapshot failed: see its log and disk");
    if (info->memory_most > 0 &&
        info->memory >= info->memory_most / 100 * NEARLY_FULL) {
        health_bytes(used, info->memory);
        health_bytes(most, info->memory_most);
        health_warn(out, false, node,
                    "%s of %s of memory are used: at the limit no new jobs are accepted",
                    used, most);
    }
}

static void warn_of_settings(const struct redis_info *info, int replicas,
                             const char *node, struct pawl_health *out)
{
    if (info->replicas > 0 && replicas == 0)
        health_warn(out, true, node,
                    "a failover loses what no replica has yet; replicas=1 in the URL "
                    "waits for one");
    if (info->memory_most > 0 && strcmp(info->policy, "noeviction") != 0)
        health_warn(out, true, node,
                    "eviction policy %s: a full server deletes jobs; set "
                    "maxmemory-policy noeviction", info->policy);
    if (!info->aof)
        health_warn(out, true, node,
                    "persistence: %s, so jobs are lost when the server dies; appendonly "
                    "yes keeps them", persistence_of(info));
    if (info->major < OLDEST_MAJOR)
        health_warn(out, true, node, "old version: %s; pawl is made for %d.0 or later",
                    info->engine, OLDEST_MAJOR);
}

static void test_rights(struct redis_instance *self, struct pawl_health *out)
{
    struct pawl_error err = { 0 };
    char refused[128];

    if (redis_rights_missing(self, refused, sizeof refused, &err) < 0) {
        health_tell(out, "self-test", "failed");
        health_warn(out, false, NULL, "the self-test failed: %.160s", err.message);
    } else if (refused[0]) {
        health_tell(out, "self-test", "refused: %.110s", refused);
        health_warn(out, false, NULL,
                    "ACL rights missing: %.110s; see pawl doctor --acl", refused);
    } else {
        health_tell(out, "self-test", "passed");
    }
}

/* --- details --------------------------------------------------------------------------- */

static void tell_of_place(const struct redis_settings *settings,
                          const struct nodes *nodes, struct pawl_health *out)
{
    char text[128] = "";
    size_t used = 0;

    if (settings->kind == REDIS_SENTINEL)
        health_tell(out, "master", "%.60s at %.60s", settings->master,
                    nodes->info[0].address);
    for (int i = 0; i < nodes->count && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? " " : "",
                                 nodes->info[i].address);
    if (settings->kind == REDIS_CLUSTER)
        health_tell(out, "nodes", "%s", text);
    health_tell(out, "prefix", "%s", settings->prefix);
    health_tell(out, "tls", "%s",
                !settings->tls.on        ? "no"
                : settings->tls.insecure ? "yes, unverified"
                                         : "yes");
}

/* Sums, and what is worst of all nodes, in one. */
static struct redis_info together(const struct nodes *nodes)
{
    struct redis_info all = nodes->info[0];

    for (int i = 1; i < nodes->count; i++) {
        const struct redis_info *info = &nodes->info[i];
        all.memory += info->memory;
        all.memory_most += info->memory_most;
        all.clients += info->clients;
        all.clients_most += info->clients_most;
        if (durability_of(info) < durability_of(&all)) {
            all.aof = info->aof;
            memcpy(all.fsync, info->fsync, sizeof all.fsync);
        }
        if (strcmp(all.policy, "noeviction") == 0)
            memcpy(all.policy, info->policy, sizeof all.policy);
        all.uptime = info->uptime < all.uptime ? info->uptime : all.uptime;
        if (info->ping_median > all.ping_median) {
            all.ping_least = info->ping_least;
            all.ping_median = info->ping_median;
            all.ping_most = info->ping_most;
        }
    }
    return all;
}

static void tell_of_servers(const struct nodes *nodes, const struct redis_info *all,
                            struct pawl_health *out)
{
    char used[32], most[32];

    if (nodes->count > 1)
        health_tell(out, "role", "%d masters", nodes->count);
    else
        health_tell(out, "role", "%s", all->replica ? "replica" : "master");
    health_tell(out, "persistence", "%s", persistence_of(all));
    health_tell(out, "eviction", "%s", all->policy);
    health_bytes(used, all->memory);
    health_bytes(most, all->memory_most);
    if (all->memory_most > 0)
        health_tell(out, "memory", "%s of %s", used, most);
    else
        health_tell(out, "memory", "%s, no limit", used);
    health_tell(out, "clients", "%" PRId64 " of %" PRId64, all->clients,
                all->clients_most);
    health_tell(out, "latency", "%d us, %d to %d", all->ping_median, all->ping_least,
                all->ping_most);
    health_tell(out, "uptime", "%" PRId64 " h %" PRId64 " min", all->uptime / 3600,
                all->uptime / 60 % 60);
    if (nodes->count == 1)
        health_tell(out, "run id", "%s", all->run_id);
}

/* --- asking -------------------------------------------------------------------------------- */

/* Some answered: the others are a warning. None: why. */
static enum pawl_status ask_nodes(struct redis_instance *self, struct nodes *nodes,
                                  struct pawl_health *out, struct pawl_error *err)
{
    int64_t deadline = clock_mono_ns() + self->client.deadline * 1000000;
    struct redis_pool *pools[NODES_MOST];
    struct pawl_error failed = { 0 };
    int count = 0;
    enum pawl_status status =
        redis_route_all(self->client.route, deadline, pools, NODES_MOST, &count, err);

    for (int i = 0; i < count && status == PAWL_OK; i++) {
        struct redis_info *info = &nodes->info[nodes->count];
        if (redis_info_ask(pools[i], deadline, info, &failed) == PAWL_OK)
            nodes->count++;
        else
            health_warn(out, false, NULL, "%s", failed.message);
    }
    if (status == PAWL_OK && nodes->count == 0)
        return pawl_error_set(err, failed.status ? failed.status : PAWL_EUNREACHABLE,
                              "%s", failed.status ? failed.message : "no node is known");
    return status;
}

static void look(struct redis_instance *self, const struct nodes *nodes,
                 struct pawl_health *out)
{
    const struct redis_settings *settings = &self->client.settings;
    const struct redis_info all = together(nodes);

    snprintf(out->engine, sizeof out->engine, "%s", all.engine);
    snprintf(out->durability, sizeof out->durability, "%s",
             durabilities[durability_of(&all)]);
    out->round_trip_us = all.ping_median;
    out->size_bytes = all.memory;
    tell_of_servers(nodes, &all, out);
    tell_of_place(settings, nodes, out);
    test_rights(self, out);
    for (int i = 0; i < nodes->count; i++)
        warn_of_events(&nodes->info[i], settings->replicas,
                       nodes->count > 1 ? nodes->info[i].address : NULL, out);
    if (settings->tls.insecure)
        health_warn(out, true, NULL, "insecure=yes: the server's certificate is not "
                                     "verified, so anybody may be in between");
    for (int i = 0; i < nodes->count; i++)
        warn_of_settings(&nodes->info[i], settings->replicas,
                         nodes->count > 1 ? nodes->info[i].address : NULL, out);
}

enum pawl_status redis_health(struct pawl_storage *storage, struct pawl_health *out,
                              struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    const struct redis_settings *settings = &self->client.settings;
    struct nodes *nodes = calloc(1, sizeof *nodes);
    enum pawl_status status;

    if (!nodes)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    memset(out, 0, sizeof *out);
    snprintf(out->storage, sizeof out->storage, "redis");
    snprintf(out->where, sizeof out->where, "%s", settings->where);
    redis_rights_line(settings, out->rights, sizeof out->rights);
    status = ask_nodes(self, nodes, out, err);
    if (status == PAWL_OK)
        look(self, nodes, out);
    free(nodes);
    return status;
}
