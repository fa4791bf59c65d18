/* redis_replicas.c - "replicas=N": what is answered, N replicas have.
 *
 * A server that has too few of them is one that cannot be reached; and with one that
 * follows, kill -9 of the master loses nothing that was answered, completes nothing
 * twice and forgets no claim.
 *
 * $PAWL_FAILOVERS: how many in a row; 2, or 20 in a --long run.
 */
#include <stdio.h>

#include "redis_caller.h"
#include "redis_crew.h"
#include "redis_sentinels.h"

#define DEADLINE 1500 /* ms of a call that fails */

/* --- too few -------------------------------------------------------------------------- */

static void open_asking(struct caller *caller, const char *reply, int times)
{
    caller_open(caller, (struct plan){ .name = "WAIT", .reply = reply, .times = times },
                LONG_DEADLINE);
    caller->client.settings.replicas = 2;
}

/* It is repeated, as what it did would be found done, until there are enough. */
START_TEST(waits_for_the_second)
{
    struct caller caller;
    struct fake_request wait;

    open_asking(&caller, ":2", -1);
    ck_assert_int_eq(caller_call(&caller), PAWL_OK);
    ck_assert_int_eq(caller_sent(&caller, "WAIT"), 1);
    ck_assert(fake_redis_latest(&caller.fake, "WAIT", &wait));
    ck_assert_int_eq(wait.connection, 1);
    caller_close(&caller);

    open_asking(&caller, ":1", -1);
    caller.client.deadline = DEADLINE;
    ck_assert_int_eq(caller_call(&caller), PAWL_EUNKNOWN);
    caller_says(&caller, "maybe done: tried for ");
    caller_says(&caller, ": 1 of 2 replicas took the change within ");
    ck_assert_int_ge(caller_sent(&caller, "EVALSHA"), 2);
    ck_assert_int_eq(caller_sent(&caller, "EVALSHA"), caller_sent(&caller, "WAIT"));
    ck_assert_int_le(fake_redis_rate(&caller.fake, "WAIT", 0, 1000), RATE_MOST);
    ck_assert_int_eq(caller_sent(&caller, NULL), 1);
    caller_close(&caller);
}
END_TEST

/* What must not be done twice is told at once; what changes nothing does not ask. */
START_TEST(asks_only_after_a_change)
{
    struct caller caller;

    open_asking(&caller, ":0", -1);
    caller.call.repeatable = false;
    ck_assert_int_eq(caller_call(&caller), PAWL_EUNKNOWN);
    ck_assert_int_eq(caller_sent(&caller, "WAIT"), 1);
    caller.call.reads = true;
    ck_assert_int_eq(caller_call(&caller), PAWL_OK);
    ck_assert_int_eq(caller_sent(&caller, "WAIT"), 1);
    caller_close(&caller);
}
END_TEST

START_TEST(may_not_ask)
{
    struct caller caller;

    open_asking(&caller, "NOPERM this user has no permissions to run the 'wait' command",
                -1);
    ck_assert_int_eq(caller_call(&caller), PAWL_EUNKNOWN);
    caller_says(&caller, "maybe done");
    caller_says(&caller, "doctor --acl");
    caller_close(&caller);
}
END_TEST

/* --- a failover ------------------------------------------------------------------------- */

static struct redis_sentinels house;

static void stop_all(void)
{
    redis_sentinels_stop(&house);
}

/* The new master has nobody to follow it until the old one is back: then all go on. */
static void fail_over(struct crew *crew)
{
    struct redis_server *old = redis_sentinels_master(&house);

    redis_server_kill(old);
    struct redis_server *master = redis_sentinels_await(&house, old);
    redis_server_again(old);
    redis_server_do(old, "REPLICAOF 127.0.0.1 %d", master->port);
    say("everybody went on %lld ms after the failover (target %d)",
        (long long)crew_goes_on(crew, "a failover"), CREW_TARGET);
}

START_TEST(what_was_answered_is_not_lost)
{
    int rounds = (int)env_number("PAWL_FAILOVERS", 2, 20);
    struct crew crew = {
        .worker_count = 2,
        .worker_words = { "concurrency=4", "least_us=500", "work_us=2000", "lease=5000" },
        .producer_count = 2,
        .producer_words = { "threads=4", "pause_us=2000", "stubborn=1" },
    };
    struct crew_rules rules = { .again_most = SIZE_MAX };

    redis_sentinels_start(&house, NULL);
    crew_store_at(house.url, CREW_OPTIONS "&replicas=1");
    crew_start(&crew);
    crew_goes_on(&crew, "the start");
    for (int i = 0; i < rounds; i++)
        fail_over(&crew);
    crew_stop_producing(&crew);
    crew_stop_working(&crew);
    crew_settle();
    crew_check(&rules, "failover, one replica");
}
END_TEST

int main(void)
{
    const struct lane_test tests[] = {
        { what_was_answered_is_not_lost },
        { waits_for_the_second },
        { asks_only_after_a_change },
        { may_not_ask },
    };
    return crew_run_lanes("redis-replicas", tests, 4, 2, 600, stop_all);
}
