/* redis_try.c - the loop around one call: find the server, send, hear, and again until
 * the deadline. What an answer means, or that none came, is redis_verdict.c's.
 *
 * Who waits for what: for a server that cannot be connected, the pool, if it is the
 * only one there is, else this loop, which asks for the way anew each time; for one
 * that answers "not now", this loop and the server's pace, which all threads share;
 * for a slot that is being moved, this loop alone, so that other queues go on.
 */
#include "storage/redis/redis_try.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/redis/redis_bytes.h"
#include "storage/redis/redis_error.h"
#include "storage/redis/redis_route_internal.h"
#include "util/clock.h"

#define NS_PER_MS INT64_C(1000000)
#define PAUSE_OF_SLOT 200 /* the first, where the server's pace is not kept */
#define PAUSE_MOST 1000
/* With less time than this left nothing is begun any more. */
#define LEAST_NS (20 * NS_PER_MS)

/* --- words -------------------------------------------------------------------- */

static void name_script(struct redis_tries *tries, bool by_text)
{
    const struct redis_script *script = tries->call->script;
    struct redis_words *words = &tries->words;

    if (!script)
        return;
    words->argv[0] = by_text ? "EVAL" : "EVALSHA";
    words->sizes[0] = strlen(words->argv[0]);
    words->argv[1] = by_text ? script->text : script->sha;
    words->sizes[1] = by_text ? script->size : strlen(script->sha);
}

enum pawl_status redis_tries_init(struct redis_tries *tries, struct redis_client *client,
                                  const struct redis_call *call, int64_t deadline,
                                  struct pawl_error *err)
{
    const struct redis_args *args = &call->args;
    struct redis_words *words = &tries->words;
    int head = call->script ? 3 : 0;
    size_t count = (size_t)(args->count + head);

    *tries = (struct redis_tries){ .client = client, .call = call,
                                   .started = clock_mono_ns(),
                                   .deadline = call->until ? call->until : deadline,
                                   .retries = client->settings.max_retries,
                                   .maybe = call->maybe };
    if (call->until && call->until - tries->started < LEAST_NS) {
        pawl_error_set(&tries->failed, PAWL_ETIMEOUT,
                       "no time is left to ask redis at %s", client->settings.where);
        return redis_tries_end(tries, err);
    }
    words->argv = args->failed ? NULL : malloc(count * sizeof *words->argv);
    words->sizes = args->failed ? NULL : malloc(count * sizeof *words->sizes);
    if (!words->argv || !words->sizes) {
        pawl_error_set(&tries->failed, PAWL_ENOMEM,
                       "out of memory for a request to redis");
        return redis_tries_end(tries, err);
    }
    words->count = (int)count;
    if (call->script) {
        const char *end = redis_digits_write(words->key_count,
                                             (uint64_t)call->key_count);
        name_script(tries, false);
        words->argv[2] = words->key_count;
        words->sizes[2] = (size_t)(end - words->key_count);
    }
    if (args->count > 0) {
        memcpy(words->argv + head, args->argv, (size_t)args->count * sizeof *args->argv);
        memcpy(words->sizes + head, args->sizes,
               (size_t)args->count * sizeof *args->sizes);
    }
    return PAWL_OK;
}

void redis_tries_clear(struct redis_tries *tries)
{
    free(tries->words.argv);
    free(tries->words.sizes);
    tries->words = (struct redis_words){ 0 };
}

void redis_tries_address(struct redis_tries *tries, const struct redis_conn *conn)
{
    const struct redis_call *call = tries->call;
    int at = call->run_id_word + (call->script ? 3 : 0);

    name_script(tries, false);
    if (call->run_id_word <= 0)
        return;
    tries->words.argv[at] = redis_conn_server(conn)->run_id;
    tries->words.sizes[at] = strlen(tries->words.argv[at]);
}

/* --- one try -------------------------------------------------------------------- */

static enum pawl_status hear(struct redis_tries *tries, struct redis_conn *conn,
                             redisReply **out)
{
    return redis_conn_hear(conn, tries->client->settings.reply_timeout, tries->deadline,
                           out, &tries->failed);
}

/* Send the words, after ASKING where the server has to be told that we know, and
 * take the reply. *sent: a byte of the words may have left. */
static enum pawl_status ask(struct redis_tries *tries, struct redis_conn *conn,
                            redisReply **out, bool *sent)
{
    struct redis_words *words = &tries->words;
    const char *asking = "ASKING";
    size_t asking_size = 6;
    redisReply *asked = NULL;
    enum pawl_status status = PAWL_OK;

    *sent = false;
    if (tries->asking)
        status = redis_conn_send(conn, 1, &asking, &asking_size, tries->deadline, NULL,
                                 &tries->failed);
    if (status == PAWL_OK)
        status = redis_conn_send(conn, words->count, words->argv, words->sizes,
                                 tries->deadline, sent, &tries->failed);
    if (status == PAWL_OK && tries->asking)
        status = hear(tries, conn, &asked);
    freeReplyObject(asked);
    if (status == PAWL_OK)
        status = hear(tries, conn, out);
    return status;
}

/* The reply is good; is the change safe from a failover, too? WAIT counts the replicas
 * that have all that this server did before, so it holds as well for a repeated call
 * that found its work done. */
static enum redis_verdict replicate(struct redis_tries *tries, struct redis_conn *conn,
                                    bool *broken)
{
    const struct redis_settings *settings = &tries->client->settings;
    int64_t left = (tries->deadline - clock_mono_ns()) / NS_PER_MS;
    enum redis_verdict verdict = REDIS_ANSWERED;
    pawl_duration ms; /* > 0, which would be for ever, and too short for the connection
                         to seem silent */
    char count[16], most[24];
    const char *words[3] = { "WAIT", count, most };
    size_t sizes[3] = { 4 };
    redisReply *reply = NULL;

    ms = (left < settings->reply_timeout ? left : settings->reply_timeout) / 2;
    ms = ms < 1 ? 1 : ms;
    sizes[1] = (size_t)snprintf(count, sizeof count, "%d", settings->replicas);
    sizes[2] = (size_t)snprintf(most, sizeof most, "%lld", (long long)ms);
    if (redis_conn_send(conn, 3, words, sizes, tries->deadline, NULL,
                        &tries->failed) < 0 || hear(tries, conn, &reply) < 0) {
        *broken = true;
        return redis_tries_lost(tries, true);
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        tries->maybe = true;
        verdict = redis_tries_judge(tries, reply, redis_conn_address(conn), broken);
    } else if (reply->integer < settings->replicas) {
        verdict = redis_tries_alone(tries, redis_conn_address(conn), (int)reply->integer,
                                    ms);
    }
    freeReplyObject(reply);
    return verdict;
}

static enum redis_verdict converse(struct redis_tries *tries, struct redis_conn *conn,
                                   redisReply **out, bool *broken)
{
    enum redis_verdict verdict;
    enum pawl_status status;
    redisReply *reply = NULL;
    bool sent;

    redis_tries_address(tries, conn);
    status = ask(tries, conn, &reply, &sent);
    if (status == PAWL_OK && tries->call->script &&
        redis_error_action(reply, &status) == REDIS_RELOAD) {
        freeReplyObject(reply);
        reply = NULL;
        name_script(tries, true);
        status = ask(tries, conn, &reply, &sent);
    } else if (reply) {
        status = PAWL_OK;
    }
    if (status < 0) {
        *broken = true;
        return redis_tries_lost(tries, sent);
    }
    verdict = redis_tries_judge(tries, reply, redis_conn_address(conn), broken);
    if (verdict == REDIS_ANSWERED && tries->client->settings.replicas > 0 &&
        !tries->call->reads && !tries->call->passing)
        verdict = replicate(tries, conn, broken);
    if (verdict == REDIS_ANSWERED)
        *out = reply;
    else
        freeReplyObject(reply);
    return verdict;
}

/* Where there is but one server, its pool waits for it to come back. Else the way
 * is to be asked for again after each failure, and soon: the pool would go on to
 * wait for a master that is dead. */
static enum pawl_status connect(struct redis_tries *tries, struct redis_pool *pool,
                                struct redis_conn **out)
{
    const struct redis_settings *settings = &tries->client->settings;
    int64_t until = clock_mono_ns() + settings->connect_timeout * NS_PER_MS;
    int none = 0;

    if (settings->kind == REDIS_SINGLE)
        return redis_pool_take(pool, tries->deadline,
                               tries->client->opening ? &none : &tries->retries, out,
                               &tries->failed);
    return redis_pool_take(pool, until < tries->deadline ? until : tries->deadline,
                           &none, out, &tries->failed);
}

static enum redis_verdict attempt(struct redis_tries *tries, redisReply **out)
{
    struct redis_route *route = tries->client->route;
    struct redis_pool *pool = tries->sent_to;
    enum redis_verdict verdict;
    struct redis_conn *conn;
    struct redis_pace *pace, *slot_pace;
    int64_t patience;
    bool broken = false;

    tries->sent_to = NULL;
    if (tries->failed.status < 0 && clock_mono_ns() > tries->deadline - LEAST_NS)
        return REDIS_FINAL;
    if (!pool && redis_route_to(route, tries->call->slot, tries->deadline, &pool,
                                &tries->failed) < 0)
        return redis_tries_unconnected(tries);
    pace = redis_route_pace(route, pool);
    /* What is sent in the last moment would only make us doubt whether it was done. */
    patience = tries->client->settings.max_retries == 0 ? 0 : tries->deadline - LEAST_NS;
    slot_pace = redis_route_slot_pace(route, tries->call->slot);
    if (redis_pace_turn(pace, patience, &tries->failed) < 0 ||
        redis_pace_turn(slot_pace, patience, &tries->failed) < 0)
        return REDIS_FINAL;
    tries->of_slot = false;
    if (connect(tries, pool, &conn) < 0)
        return redis_tries_unconnected(tries);
    verdict = converse(tries, conn, out, &broken);
    redis_pool_give(pool, conn, broken ? &tries->failed : NULL);
    if (broken && tries->failed.status == PAWL_ETIMEOUT)
        redis_pool_drop(pool); /* the others are as silent, most likely */
    if (redis_tries_is_failing(tries, verdict, broken))
        redis_pace_failed(pace, verdict != REDIS_AGAIN, &tries->failed);
    else
        redis_pace_worked(pace);
    if (tries->of_slot && verdict == REDIS_AGAIN)
        redis_pace_failed(slot_pace, false, &tries->failed);
    else if (verdict == REDIS_ANSWERED)
        redis_pace_worked(slot_pace);
    return verdict;
}

/* --- the loop ------------------------------------------------------------------- */

/* False: there is no time for another try. */
static bool pause_before(struct redis_tries *tries)
{
    int64_t left = tries->deadline - clock_mono_ns();
    pawl_duration pause;
    struct timespec ns;

    if (left < LEAST_NS)
        return false;
    if (tries->pause == 0)
        tries->pause = REDIS_PAUSE_FIRST;
    if (tries->of_slot && tries->pause < PAUSE_OF_SLOT)
        tries->pause = PAUSE_OF_SLOT;
    pause = redis_pace_jitter(tries->pause);
    if (pause > left / 2 / NS_PER_MS)
        pause = left / 2 / NS_PER_MS;
    ns.tv_sec = (time_t)(pause / 1000);
    ns.tv_nsec = (long)(pause % 1000 * NS_PER_MS);
    nanosleep(&ns, NULL);
    tries->pause = 2 * tries->pause < PAUSE_MOST ? 2 * tries->pause : PAUSE_MOST;
    tries->redirects = 0;
    return true;
}

enum pawl_status redis_tries_run(struct redis_tries *tries, redisReply **out,
                                 struct pawl_error *err)
{
    enum redis_verdict verdict;
    bool go_on;

    do {
        verdict = attempt(tries, out);
        if (verdict == REDIS_ANSWERED)
            return PAWL_OK;
        go_on = verdict == REDIS_ELSEWHERE ||
                (verdict != REDIS_FINAL && tries->retries != 0);
        if (go_on && verdict != REDIS_ELSEWHERE && tries->retries > 0)
            tries->retries--;
        if (go_on && verdict == REDIS_AGAIN)
            go_on = pause_before(tries);
        /* ASKING is for the one try that follows. */
        if (verdict != REDIS_ELSEWHERE)
            tries->asking = false;
    } while (go_on);
    return redis_tries_end(tries, err);
}
