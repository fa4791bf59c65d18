/* redis_call.c - one call, or many to one server in one round trip.
 *
 * Of many calls each has its own tries (redis_try.c). The first try of all of them
 * is made together: those that go to one server are written in one go on one of its
 * connections, then their replies are read. Whatever gets no good answer there goes
 * on alone from where it stands. */
#include "storage/redis/redis_call.h"

#include <stdlib.h>

#include "storage/redis/redis_error.h"
#include "storage/redis/redis_handshake.h"
#include "storage/redis/redis_route_internal.h"
#include "storage/redis/redis_try.h"
#include "util/clock.h"

#define NS_PER_MS INT64_C(1000000)
/* Calls written before their replies are read. */
#define CHUNK 64
#define CHUNK_BYTES (1u << 20)

int64_t redis_call_until(const struct redis_client *client)
{
    return clock_mono_ns() + client->deadline * NS_PER_MS;
}

enum pawl_status redis_call(struct redis_client *client, struct redis_call *call,
                            redisReply **out, struct pawl_error *err)
{
    struct redis_tries tries;
    enum pawl_status status;

    status = redis_tries_init(&tries, client, call, redis_call_until(client), err);
    if (status == PAWL_OK)
        status = redis_tries_run(&tries, out, err);
    call->maybe = tries.maybe;
    redis_tries_clear(&tries);
    return status;
}

/* --- many ----------------------------------------------------------------------- */

struct batch {
    struct redis_client *client;
    int count;
    redisReply **replies;
    enum pawl_status *statuses;
    enum pawl_status *first; /* failure, of this and earlier batches */
    struct pawl_error *err;  /* its message; may be NULL */
    struct redis_tries tries[CHUNK];
    struct redis_pool *pools[CHUNK]; /* where the first try goes; NULL: settled, or
                                        to go on alone */
    bool settled[CHUNK];
};

static void settle(struct batch *batch, int i, enum pawl_status status,
                   const struct pawl_error *error)
{
    batch->settled[i] = true;
    batch->statuses[i] = status;
    if (status < 0 && *batch->first == PAWL_OK) {
        *batch->first = status;
        if (batch->err)
            *batch->err = *error;
    }
}

static void settle_failed(struct batch *batch, int i)
{
    struct pawl_error error = { 0 };

    settle(batch, i, redis_tries_end(&batch->tries[i], &error), &error);
}

static void prepare(struct batch *batch, const struct redis_call *calls,
                    int64_t deadline)
{
    struct pawl_error error = { 0 };
    enum pawl_status status;

    for (int i = 0; i < batch->count; i++) {
        batch->replies[i] = NULL;
        status = redis_tries_init(&batch->tries[i], batch->client, &calls[i], deadline,
                                  &error);
        if (status < 0)
            settle(batch, i, status, &error);
        else if (redis_route_to(batch->client->route, calls[i].slot,
                                batch->tries[i].deadline, &batch->pools[i], NULL) < 0)
            batch->pools[i] = NULL;
    }
}

/* Write all that goes to this pool in one go. The last one is what sends them. */
static enum pawl_status send_together(struct batch *batch, struct redis_pool *pool,
                                      struct redis_conn *conn, int last, bool *sent,
                                      struct pawl_error *err)
{
    for (int i = 0; i <= last; i++) {
        struct redis_words *words = &batch->tries[i].words;

        if (batch->pools[i] != pool)
            continue;
        redis_tries_address(&batch->tries[i], conn);
        if (i == last)
            return redis_conn_send(conn, words->count, words->argv, words->sizes,
                                   batch->tries[i].deadline, sent, err);
        redis_conn_queue(conn, words->count, words->argv, words->sizes);
    }
    return PAWL_OK;
}

/* The reply to one of them. Errors that another try may help against are left to
 * that; it also has the patience. */
static enum pawl_status hear_one(struct batch *batch, int i, struct redis_conn *conn,
                                 bool *broken)
{
    struct redis_tries *tries = &batch->tries[i];
    pawl_duration patience = batch->client->settings.reply_timeout;
    enum redis_verdict verdict;
    redisReply *reply = NULL;
    enum pawl_status status;

    status = redis_conn_hear(conn, patience, tries->deadline, &reply, &tries->failed);
    if (status < 0)
        return status;
    verdict = redis_tries_judge(tries, reply, redis_conn_address(conn), broken);
    if (verdict == REDIS_ANSWERED) {
        batch->replies[i] = reply;
        settle(batch, i, PAWL_OK, NULL);
        return PAWL_OK;
    }
    freeReplyObject(reply);
    if (verdict == REDIS_FINAL)
        settle_failed(batch, i);
    return PAWL_OK;
}

/* What of it failed latest is in *error. */
static enum pawl_status converse_together(struct batch *batch, struct redis_pool *pool,
                                          struct redis_conn *conn, int last,
                                          bool *broken, struct pawl_error *error)
{
    bool sent = false;
    enum pawl_status status = send_together(batch, pool, conn, last, &sent, error);

    for (int i = 0; i <= last; i++) {
        struct redis_tries *tries = &batch->tries[i];

        if (batch->pools[i] != pool)
            continue;
        if (status == PAWL_OK) {
            status = hear_one(batch, i, conn, broken);
            if (tries->failed.status < 0)
                *error = tries->failed;
        }
        if (status == PAWL_OK)
            continue;
        *broken = true;
        tries->failed = *error;
        if (redis_tries_lost(tries, sent) == REDIS_FINAL)
            settle_failed(batch, i);
    }
    return status;
}

/* The first try of all calls that go where this one goes. Where the server is
 * failing, or cannot be connected, they are left to go alone. */
static void try_together(struct batch *batch, struct redis_pool *pool, int last)
{
    struct redis_pace *pace = redis_route_pace(batch->client->route, pool);
    struct pawl_error error = { 0 };
    enum pawl_status status;
    struct redis_conn *conn;
    bool broken = false;
    int none = 0;

    if (redis_pace_is_failing(pace))
        return;
    if (redis_pool_take(pool, batch->tries[last].deadline, &none, &conn, NULL) < 0)
        return;
    status = converse_together(batch, pool, conn, last, &broken, &error);
    redis_pool_give(pool, conn, broken ? &error : NULL);
    if (status < 0)
        redis_pace_failed(pace, true, &error);
}

static void run_batch(struct batch *batch)
{
    struct pawl_error error = { 0 };
    struct redis_pool *pool;
    enum pawl_status status;
    int i, last;

    for (i = 0; i < batch->count; i++) {
        if (!(pool = batch->pools[i]))
            continue;
        for (last = batch->count - 1; batch->pools[last] != pool; last--)
            ;
        if (last > i)
            try_together(batch, pool, last);
        for (last = i; last < batch->count; last++)
            if (batch->pools[last] == pool)
                batch->pools[last] = NULL;
    }
    for (i = 0; i < batch->count; i++) {
        if (batch->settled[i])
            continue;
        status = redis_tries_run(&batch->tries[i], &batch->replies[i], &error);
        settle(batch, i, status, &error);
    }
}

/* How many of the calls make one batch. */
static int batch_size(const struct redis_call *calls, int count)
{
    size_t bytes = 0;
    int n = 0;

    while (n < count && n < CHUNK && bytes < CHUNK_BYTES) {
        for (int i = 0; i < calls[n].args.count; i++)
            bytes += calls[n].args.sizes[i];
        n++;
    }
    return n;
}

enum pawl_status redis_call_all(struct redis_client *client,
                                const struct redis_call *calls, int count,
                                redisReply **replies, enum pawl_status *statuses,
                                struct pawl_error *err)
{
    int64_t deadline = redis_call_until(client);
    enum pawl_status first = PAWL_OK;
    struct batch *batch;
    int at, i;

    batch = malloc(sizeof *batch);
    for (i = 0; i < count && !batch; i++) {
        replies[i] = NULL;
        statuses[i] = PAWL_ENOMEM;
    }
    if (!batch)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory for requests to redis");
    for (at = 0; at < count; at += batch->count) {
        *batch = (struct batch){ .client = client, .replies = replies + at,
                                 .statuses = statuses + at, .first = &first,
                                 .err = err };
        batch->count = batch_size(calls + at, count - at);
        prepare(batch, calls + at, deadline);
        run_batch(batch);
        for (i = 0; i < batch->count; i++)
            redis_tries_clear(&batch->tries[i]);
    }
    free(batch);
    return first;
}
