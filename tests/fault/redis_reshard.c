/* redis_reshard.c - the slot of a busy queue goes from node to node of a Cluster
 * while producers and workers are at it: every job runs once, and nobody is started
 * again.
 *
 * $PAWL_MOVES: how many; 9, or 90 in a --long run.
 */
#include <stdio.h>

#include "redis_crew.h"
#include "redis_cluster.h"

static struct redis_cluster cluster;

static void stop_cluster(void)
{
    redis_cluster_stop(&cluster);
}

START_TEST(a_busy_slot_moves)
{
    int moves = (int)env_number("PAWL_MOVES", 9, 90);
    struct crew crew = {
        .worker_count = 2,
        .worker_words = { "concurrency=4", "work_us=1000" },
        .producer_count = 2,
        .producer_words = { "threads=8", "pause_us=2000", "stubborn=1" },
    };
    const char *const options[] = { "--appendonly", "yes", "--appendfsync", "always",
                                    NULL };
    int64_t slowest = 0;
    redis_cluster_start(&cluster, options);
    crew_store_at(cluster.url, CREW_OPTIONS);
    crew_start(&crew);
    crew_goes_on(&crew, "the start");
    int slot = redis_cluster_slot(&cluster, "{" STORE_QUEUE "}");
    for (int i = 0; i < moves; i++) {
        int from = redis_cluster_owner(&cluster, slot);
        /* There and back, and on to the third. */
        int to = (from + (i % 3 == 2 ? 2 : 1)) % CLUSTER_NODES;
        redis_cluster_move(&cluster, slot, to);
        ck_assert_int_eq(redis_cluster_owner(&cluster, slot), to);
        int64_t took = crew_goes_on(&crew, "a move");
        if (took > slowest)
            slowest = took;
        /* So that there is something to carry over. */
        sleep_ms(200);
    }
    crew_stop_producing(&crew);
    crew_stop_working(&crew);
    crew_settle();
    struct crew_rules rules = { .again_most = 0 };
    struct crew_findings found = crew_check(&rules, "resharding");
    ck_assert_uint_eq(found.refused, 0);
    say("%d moves; everybody went on within %lld ms (target %d)", moves,
        (long long)slowest, CREW_TARGET);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { a_busy_slot_moves };
    return crew_run("redis-reshard", tests, 1, 600, stop_cluster);
}
