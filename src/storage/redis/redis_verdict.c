/* redis_verdict.c - what became of one try, and what follows from it.
 *
 * An error reply says what it is by its first word (redis_error.c); the verdict on a
 * call is that, and what its earlier tries left in doubt, and what is worth it: the
 * same again, elsewhere, or an end. All declared in redis_try.h.
 */
#include "storage/redis/redis_try.h"

#include <errno.h>

#include "storage/redis/redis_error.h"
#include "storage/redis/redis_socket.h"
#include "util/clock.h"

#define REDIRECTS_MOST 5

static enum redis_verdict redirect(struct redis_tries *tries, const redisReply *reply,
                                   bool for_now, const struct redis_address *from)
{
    struct redis_client *client = tries->client;
    struct redis_address to;
    enum pawl_status status;
    int slot;

    if (!redis_error_redirect(reply, from, &slot, &to) ||
        tries->redirects++ >= REDIRECTS_MOST) {
        redis_route_doubt(client->route, tries->call->slot);
        return REDIS_AGAIN;
    }
    if (for_now)
        status = redis_route_ask(client->route, &to, &tries->sent_to, &tries->failed);
    else
        status = redis_route_moved(client->route, slot, &to, &tries->sent_to,
                                   &tries->failed);
    tries->asking = for_now;
    return status < 0 ? REDIS_FINAL : REDIS_ELSEWHERE;
}

enum redis_verdict redis_tries_judge(struct redis_tries *tries, const redisReply *reply,
                                     const struct redis_address *address, bool *broken)
{
    enum pawl_status status;
    enum redis_action action = redis_error_action(reply, &status);

    if (action == REDIS_FINE)
        return REDIS_ANSWERED;
    redis_error_say(reply, status, address, &tries->failed);
    tries->of_slot = action == REDIS_MOVED || action == REDIS_ASK ||
                     action == REDIS_SLOT_LATER;
    if (action == REDIS_BROKEN ||
        (action == REDIS_DAMAGED && !tries->call->looks_first))
        tries->partly = true;
    switch (action) {
    case REDIS_MOVED:
    case REDIS_ASK:
        return redirect(tries, reply, action == REDIS_ASK, address);
    case REDIS_RESOLVE:
        *broken = true;
        redis_route_doubt(tries->client->route, tries->call->slot);
        return REDIS_AGAIN;
    case REDIS_LATER:
    case REDIS_SLOT_LATER:
    case REDIS_RELOAD:
        return REDIS_AGAIN;
    default:
        return REDIS_FINAL;
    }
}

enum redis_verdict redis_tries_lost(struct redis_tries *tries, bool sent)
{
    const struct redis_call *call = tries->call;

    redis_route_doubt(tries->client->route, call->slot);
    if (sent)
        tries->maybe = true;
    if (tries->failed.status == PAWL_ENOMEM)
        return REDIS_FINAL;
    if (sent && !call->repeatable && !call->reads)
        return REDIS_FINAL;
    if (tries->pause > 0)
        return REDIS_AGAIN;
    tries->pause = REDIS_PAUSE_FIRST;
    return REDIS_AT_ONCE;
}

/* Another try finds it done, and asks for the replicas again. */
enum redis_verdict redis_tries_alone(struct redis_tries *tries,
                                     const struct redis_address *address, int count,
                                     pawl_duration ms)
{
    char name[REDIS_NAME_SIZE];

    redis_address_format(address, name, sizeof name);
    pawl_error_set(&tries->failed, PAWL_EUNREACHABLE,
                   "redis at %s: %d of %d replicas took the change within %lld ms", name,
                   count, tries->client->settings.replicas, (long long)ms);
    tries->maybe = true;
    return tries->call->repeatable ? REDIS_AGAIN : REDIS_FINAL;
}

enum redis_verdict redis_tries_unconnected(struct redis_tries *tries)
{
    enum pawl_status status = tries->failed.status;

    if (status != PAWL_EUNREACHABLE && status != PAWL_ETIMEOUT)
        return REDIS_FINAL;
    if (tries->client->opening && tries->failed.native != EAGAIN)
        return REDIS_FINAL;
    redis_route_doubt(tries->client->route, tries->call->slot);
    return REDIS_AGAIN;
}

/* Not one that is full: it works off jobs all the same. Nor one that only
 * moves a slot: its other queues must not wait for that one. */
bool redis_tries_is_failing(const struct redis_tries *tries,
                            enum redis_verdict verdict, bool broken)
{
    enum pawl_status status = tries->failed.status;

    if (broken)
        return status != PAWL_ENOMEM;
    if (tries->of_slot)
        return false;
    return verdict == REDIS_AGAIN ||
           (verdict == REDIS_FINAL && (status == PAWL_EDENIED || status == PAWL_EFORMAT ||
                                       status == PAWL_EIO));
}

enum pawl_status redis_tries_end(struct redis_tries *tries, struct pawl_error *err)
{
    double seconds = (double)(clock_mono_ns() - tries->started) / 1e9;

    if (seconds >= 0.1)
        pawl_error_prefix(&tries->failed, "tried for %.1f s", seconds);
    if ((tries->maybe || tries->partly) && !tries->call->reads) {
        tries->failed.status = PAWL_EUNKNOWN;
        pawl_error_prefix(&tries->failed, tries->maybe ? "no answer, maybe done"
                                                       : "maybe done in part");
        if (!tries->maybe)
            tries->failed.native = PAWL_NATIVE_ANSWERED;
    }
    if (err)
        *err = tries->failed;
    return tries->failed.status;
}
