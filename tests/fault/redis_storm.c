/* redis_storm.c - kill -9 of workers on Redis at random moments.
 *
 * Leases are short here, for they are all that tells of a worker's death: nothing
 * is lost or completed twice, and what runs again was in the hands of somebody who
 * was killed.
 *
 * $PAWL_STORM_KILLS: how many; 20, or 500 in a --long run.
 */
#include <signal.h>
#include <stdio.h>

#include "redis_crew.h"
#include "redis_server.h"

enum {
    WORKERS = 4,
    CONCURRENCY = 4,
    /* What one worker may have started without a stored outcome: its threads, and
     * what they finished since the last exchange. */
    IN_HAND = CONCURRENCY + 60,
};

static struct redis_server server;

static void stop_server(void)
{
    redis_server_stop(&server);
}

START_TEST(workers_are_killed)
{
    size_t kills = (size_t)env_number("PAWL_STORM_KILLS", 20, 500);
    struct crew crew = {
        .worker_count = WORKERS,
        .worker_words = { "concurrency=4", "work_us=3000", "lease=2000" },
        .producer_count = 2,
        .producer_words = { "threads=2", "pause_us=4000" },
    };
    redis_server_start(&server, NULL);
    crew_store_at(server.url, CREW_OPTIONS);
    crew_start(&crew);
    crew_goes_on(&crew, "the start");
    for (size_t k = 0; k < kills; k++) {
        size_t i = seeded(&crew.random) % WORKERS;
        sleep_ms(20 + (long)(seeded(&crew.random) % 300));
        ck_assert_msg(actor_alive(&crew.workers[i]), "worker %zu gave up", i);
        actor_kill(&crew.workers[i]);
        crew_start_worker(&crew, i);
        actor_expect(&crew.workers[i], "ready");
    }
    crew_goes_on(&crew, "the storm");
    crew_stop_producing(&crew);
    crew_stop_working(&crew);
    crew_settle();
    struct crew_rules rules = { .again_most = kills * IN_HAND };
    struct crew_findings found = crew_check(&rules, "storm");
    ck_assert_uint_eq(found.refused, 0);
    say("%zu kills", kills);
    ck_assert_msg(found.accepted > kills, "the storm was too weak to show anything");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { workers_are_killed };
    return crew_run("redis-storm", tests, 1, 1800, stop_server);
}
