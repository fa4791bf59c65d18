/* redis_info.c - one server's own account of itself.
 *
 * INFO needs no rights but its own. CONFIG GET tells what INFO does not, and is asked
 * for although most users may not: a refusal is no failure, and is not shown.
 */
#include "storage/redis/redis_info.h"

#include <stdio.h>
#include <string.h>

#include "storage/redis/redis_error.h"
#include "storage/redis/redis_handshake.h"
#include "util/clock.h"

#define PINGS 5

/* --- reading INFO ---------------------------------------------------------------- */

static int64_t info_number(const char *info, const char *field)
{
    char text[24];
    int64_t value = 0;

    redis_info_field(info, field, text, sizeof text);
    for (const char *p = text; *p >= '0' && *p <= '9' && value < INT64_MAX / 100; p++)
        value = value * 10 + (*p - '0');
    return value;
}

static bool info_is(const char *info, const char *field, const char *wanted)
{
    char text[64];

    redis_info_field(info, field, text, sizeof text);
    return strcmp(text, wanted) == 0;
}

/* A Valkey gives the Redis it is compatible with as redis_version. */
static void info_engine(const char *info, struct redis_info *out)
{
    char version[32];

    redis_info_field(info, "valkey_version", version, sizeof version);
    if (version[0]) {
        snprintf(out->engine, sizeof out->engine, "valkey %s", version);
    } else {
        redis_info_field(info, "redis_version", version, sizeof version);
        snprintf(out->engine, sizeof out->engine, "redis %s", version);
    }
    out->major = (int)(info_number(info, "redis_version") % 1000);
}

static void info_read(const char *info, struct redis_info *out)
{
    info_engine(info, out);
    redis_info_field(info, "run_id", out->run_id, sizeof out->run_id);
    redis_info_field(info, "maxmemory_policy", out->policy, sizeof out->policy);
    out->replica = !info_is(info, "role", "master");
    out->memory = info_number(info, "used_memory");
    out->memory_most = info_number(info, "maxmemory");
    out->replicas = info_number(info, "connected_slaves");
    out->clients = info_number(info, "connected_clients");
    out->clients_most = info_number(info, "maxclients");
    out->uptime = info_number(info, "uptime_in_seconds");
    out->aof = info_is(info, "aof_enabled", "1");
    out->snapshots = info_number(info, "rdb_saves") > 0;
    out->write_failed = info_is(info, "rdb_last_bgsave_status", "err") ||
                        (out->aof && (info_is(info, "aof_last_write_status", "err") ||
                                      info_is(info, "aof_last_bgrewrite_status", "err")));
}

/* --- asking -------------------------------------------------------------------------- */

static enum pawl_status ask_info(struct redis_conn *conn, int64_t deadline,
                                 struct redis_info *out, struct pawl_error *err)
{
    redisReply *reply = NULL;
    enum pawl_status status = redis_conn_ask(conn, deadline, &reply, err, "INFO", NULL);
    enum pawl_status refusal;

    if (status != PAWL_OK)
        return status;
    if (redis_error_action(reply, &refusal) != REDIS_FINE)
        status = redis_error_say(reply, refusal, redis_conn_address(conn), err);
    else if (reply->type != REDIS_REPLY_STRING)
        status = pawl_error_set(err, PAWL_EFORMAT, "redis at %s: its INFO is no text",
                                out->address);
    else
        info_read(reply->str, out);
    freeReplyObject(reply);
    return status;
}

/* The value behind `name` in a list of names and values; NULL: none. */
static const char *config_value(const redisReply *reply, const char *name)
{
    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        if (reply->element[i]->type == REDIS_REPLY_STRING &&
            reply->element[i + 1]->type == REDIS_REPLY_STRING &&
            strcmp(reply->element[i]->str, name) == 0)
            return reply->element[i + 1]->str;
    return NULL;
}

static enum pawl_status ask_config(struct redis_conn *conn, int64_t deadline,
                                   struct redis_info *out, struct pawl_error *err)
{
    redisReply *reply = NULL;
    enum pawl_status status = redis_conn_ask(conn, deadline, &reply, err, "CONFIG",
                                             "GET", "appendfsync", "save", NULL);

    if (status != PAWL_OK)
        return status;
    if (reply->type == REDIS_REPLY_ARRAY) {
        const char *fsync = config_value(reply, "appendfsync");
        const char *save = config_value(reply, "save");
        out->config_known = fsync && save;
        out->saves = save && save[0];
        snprintf(out->fsync, sizeof out->fsync, "%s", fsync ? fsync : "");
    }
    freeReplyObject(reply);
    return PAWL_OK;
}

static enum pawl_status ask_ping(struct redis_conn *conn, int64_t deadline, int *us,
                                 struct pawl_error *err)
{
    int64_t began = clock_mono_ns();
    redisReply *reply = NULL;
    enum pawl_status status = redis_conn_ask(conn, deadline, &reply, err, "PING", NULL);

    *us = (int)((clock_mono_ns() - began) / 1000);
    freeReplyObject(reply);
    return status;
}

static enum pawl_status ask_pings(struct redis_conn *conn, int64_t deadline,
                                  struct redis_info *out, struct pawl_error *err)
{
    int us[PINGS];

    for (int i = 0; i < PINGS; i++) {
        int now, at = i;
        enum pawl_status status = ask_ping(conn, deadline, &now, err);
        if (status != PAWL_OK)
            return status;
        for (; at > 0 && us[at - 1] > now; at--)
            us[at] = us[at - 1];
        us[at] = now;
    }
    out->ping_least = us[0];
    out->ping_median = us[PINGS / 2];
    out->ping_most = us[PINGS - 1];
    return PAWL_OK;
}

enum pawl_status redis_info_ask(struct redis_pool *pool, int64_t deadline,
                                struct redis_info *out, struct pawl_error *err)
{
    int tries = 1; /* to connect: health tells how it is now */
    struct pawl_error failed = { 0 };
    struct redis_conn *conn = NULL;
    enum pawl_status status;

    memset(out, 0, sizeof *out);
    redis_address_format(redis_pool_address(pool), out->address, sizeof out->address);
    status = redis_pool_take(pool, deadline, &tries, &conn, err);
    if (status != PAWL_OK)
        return status;
    status = ask_info(conn, deadline, out, &failed);
    if (status == PAWL_OK)
        status = ask_config(conn, deadline, out, &failed);
    if (status == PAWL_OK)
        status = ask_pings(conn, deadline, out, &failed);
    redis_pool_give(pool, conn, status == PAWL_OK ? NULL : &failed);
    if (status < 0 && err)
        *err = failed;
    return status;
}
