/* redis_sentinel.c - asking sentinels where the master is.
 *
 * The sentinels are asked in turn, with little patience for each; the one that
 * answers moves to the front, and the others that it knows are learned from it.
 * That the server it names is a master now is checked where each connection is made
 * (redis_dial.c refuses replicas): in the middle of a failover it is not, and then
 * all begins again with the next look.
 *
 * We do not subscribe to +switch-master. It is a hint that can be lost, so the way
 * is asked for anew whenever a connection fails, as clients have to in any case. That
 * alone would be too late after a planned failover: only ten seconds later is the old
 * master made a replica and closes its connections, and what it took until then is
 * lost. So the sentinels are asked once a second as well (redis_watch.c). */
#include "storage/redis/redis_route_internal.h"

#include <stdio.h>
#include <string.h>

#include "storage/redis/redis_error.h"
#include "util/buf.h"
#include "util/clock.h"

#define NS_PER_MS INT64_C(1000000)
#define PATIENCE_NS (300 * NS_PER_MS)
#define TRIED_MAX 120

/* One round of asking. */
struct round {
    const struct redis_settings *settings;
    int64_t deadline;
    struct buf tried;        /* the addresses that did not answer, for people */
    int unknowing;           /* how many answered that they know no such master */
    struct pawl_error other; /* the latest refusal: password, TLS, not a sentinel */
};

static bool read_port(const char *text, int *port)
{
    *port = 0;
    for (; *text >= '0' && *text <= '9' && *port < 65536; text++)
        *port = 10 * *port + (*text - '0');
    return *text == '\0' && *port > 0 && *port < 65536;
}

static bool read_address(const redisReply *host, const redisReply *port,
                         struct redis_address *out)
{
    if (host->type != REDIS_REPLY_STRING || port->type != REDIS_REPLY_STRING ||
        host->len < 1 || (size_t)host->len >= sizeof out->host)
        return false;
    memcpy(out->host, host->str, (size_t)host->len + 1);
    return read_port(port->str, &out->port);
}

static bool knows(const struct redis_sentinel_list *sentinels,
                  const struct redis_address *address)
{
    for (int i = 0; i < sentinels->count; i++)
        if (sentinels->known[i].port == address->port &&
            strcmp(sentinels->known[i].host, address->host) == 0)
            return true;
    return false;
}

void redis_sentinel_doubt(struct redis_sentinel_list *sentinels)
{
    struct redis_address first = sentinels->known[0];
    size_t rest = (size_t)sentinels->count - 1;

    memmove(sentinels->known, sentinels->known + 1, rest * sizeof first);
    sentinels->known[rest] = first;
}

/* The address of one element of SENTINEL SENTINELS: a list of fields and values. */
static bool read_fields(const redisReply *fields, struct redis_address *out)
{
    const redisReply *host = NULL, *port = NULL;

    if (fields->type != REDIS_REPLY_ARRAY)
        return false;
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        const redisReply *name = fields->element[i];

        if (name->type != REDIS_REPLY_STRING)
            return false;
        if (strcmp(name->str, "ip") == 0)
            host = fields->element[i + 1];
        else if (strcmp(name->str, "port") == 0)
            port = fields->element[i + 1];
    }
    return host && port && read_address(host, port, out);
}

/* That it does not work out is no failure: we know enough to go on. */
static void learn(struct redis_sentinel_list *sentinels, const struct round *round,
                  struct redis_conn *conn, int64_t deadline)
{
    struct redis_address address;
    redisReply *reply = NULL;

    if (redis_conn_ask(conn, deadline, &reply, NULL, "SENTINEL", "SENTINELS",
                       round->settings->master, NULL) < 0)
        return;
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
        if (read_fields(reply->element[i], &address) &&
            sentinels->count < REDIS_HOSTS_MOST && !knows(sentinels, &address))
            sentinels->known[sentinels->count++] = address;
    freeReplyObject(reply);
}

/* EUNREACHABLE: no answer. NOT_FOUND: it knows no such master. */
static enum pawl_status judge(const struct round *round, const redisReply *reply,
                              const struct redis_address *sentinel,
                              struct redis_address *out, struct pawl_error *err)
{
    char where[REDIS_TEXT_MAX + 10];
    enum pawl_status status;

    if (redis_error_action(reply, &status) == REDIS_LATER)
        return redis_error_say(reply, PAWL_EUNREACHABLE, sentinel, err);
    if (reply->type == REDIS_REPLY_NIL)
        return PAWL_NOT_FOUND;
    redis_address_format(sentinel, where, sizeof where);
    if (reply->type == REDIS_REPLY_ERROR && status == PAWL_EDENIED)
        return redis_error_say(reply, status, sentinel, err);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !read_address(reply->element[0], reply->element[1], out))
        return pawl_error_set(err, PAWL_EFORMAT,
                              "redis at %.100s is no sentinel, or hides where master "
                              "'%.80s' is", where, round->settings->master);
    return PAWL_OK;
}

static enum pawl_status ask_one(struct redis_sentinel_list *sentinels,
                                struct round *round, int at,
                                struct redis_address *out, struct pawl_error *err)
{
    const struct redis_settings *settings = round->settings;
    struct redis_address address = sentinels->known[at];
    int64_t until = clock_mono_ns() + PATIENCE_NS;
    struct redis_conn *conn = NULL;
    redisReply *reply = NULL;
    enum pawl_status status;

    if (until > round->deadline)
        until = round->deadline;
    status = redis_conn_open(&address, settings, &settings->sentinel_login, -1, until,
                             &conn, err);
    if (status == PAWL_OK)
        status = redis_conn_ask(conn, until, &reply, err, "SENTINEL",
                                "GET-MASTER-ADDR-BY-NAME", settings->master, NULL);
    if (status == PAWL_OK)
        status = judge(round, reply, &address, out, err);
    if (status == PAWL_OK) {
        memmove(sentinels->known + 1, sentinels->known,
                (size_t)at * sizeof *sentinels->known);
        sentinels->known[0] = address;
        learn(sentinels, round, conn, until);
    }
    freeReplyObject(reply);
    redis_conn_close(conn);
    return status;
}

/* What no sentinel could tell, from the most to the least certain. */
static enum pawl_status say(const struct round *round, struct pawl_error *err)
{
    const char *tried = round->tried.data ? round->tried.data : "none in time";

    if (round->unknowing > 0)
        return pawl_error_set(err, PAWL_EUNREACHABLE,
                              "the sentinels know no master '%.100s'",
                              round->settings->master);
    if (round->other.status < 0) {
        if (err)
            *err = round->other;
        return round->other.status;
    }
    return pawl_error_set(err, PAWL_EUNREACHABLE, "no sentinel answers (tried %s)",
                          tried);
}

enum pawl_status redis_sentinel_find(struct redis_sentinel_list *sentinels,
                                     const struct redis_settings *settings,
                                     int64_t deadline, struct redis_address *out,
                                     struct pawl_error *err)
{
    struct round round = { .settings = settings, .deadline = deadline };
    char where[REDIS_TEXT_MAX + 10];
    struct pawl_error error;
    enum pawl_status status = PAWL_EUNREACHABLE;

    buf_init(&round.tried, TRIED_MAX);
    for (int i = 0; i < sentinels->count && clock_mono_ns() < deadline; i++) {
        error = (struct pawl_error){ 0 };
        redis_address_format(&sentinels->known[i], where, sizeof where);
        status = ask_one(sentinels, &round, i, out, &error);
        if (status == PAWL_OK)
            goto out;
        if (status == PAWL_NOT_FOUND)
            round.unknowing++;
        else if (status == PAWL_EUNREACHABLE || status == PAWL_ETIMEOUT)
            buf_printf(&round.tried, "%s%s", round.tried.len ? ", " : "", where);
        else
            round.other = error;
    }
    status = say(&round, err);
out:
    buf_clear(&round.tried);
    return status;
}
