/* redis_failover.c - kill -9 of the master that sentinels watch over, or of one of a
 * Cluster's that has a replica.
 *
 * Workers and producers go on with the new one, and none of them is started again.
 * Replication is asynchronous, so what the old master had accepted a moment before
 * may be gone: that is counted and printed, and it is nothing where replication had
 * caught up. What the new master has is worked off, and completed once.
 *
 * $PAWL_FAILOVERS: how many in a row; 2, or 20 in a --long run.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis_cluster.h"
#include "redis_crew.h"
#include "redis_sentinels.h"

enum { WORKERS = 2 };

static struct redis_sentinels house;
static struct redis_cluster cluster;
static struct redis_server replica; /* of the cluster */

static void stop_all(void)
{
    redis_sentinels_stop(&house);
    redis_server_stop(&replica);
    redis_cluster_stop(&cluster);
}

/* Kill the master; returns it when there is another. */
static struct redis_server *fail_over(void)
{
    struct redis_server *old = redis_sentinels_master(&house);
    redis_server_kill(old);
    redis_sentinels_await(&house, old);
    return old;
}

struct follower {
    struct redis_server *master, *replica;
};

static bool follows(void *context)
{
    struct follower *f = context;
    return redis_server_info_is(f->replica, "role", "slave") &&
           redis_server_info_is(f->replica, "master_link_status", "up") &&
           redis_server_info_is(f->master, "connected_slaves", "1");
}

/* The old master comes back and becomes the replica. The sentinels would see to that,
 * after ten seconds: that is waited for where a stopped master returns. */
static void take_back(struct redis_server *old)
{
    struct follower f = { redis_sentinels_master(&house), old };
    redis_server_again(old);
    redis_server_do(old, "REPLICAOF 127.0.0.1 %d", f.master->port);
    redis_await(follows, &f, "the old master follows the new one");
}

/* What is lost is counted, and whoever forgot a claim made it again. */
static void end(struct crew *crew, const char *what)
{
    struct crew_rules rules = { .may_lose = true, .epochs_go_back = true,
                                .again_most = SIZE_MAX };
    crew_stop_producing(crew);
    crew_stop_working(crew);
    crew_settle();
    crew_check(&rules, what);
}

START_TEST(work_goes_on_with_the_new_master)
{
    int rounds = (int)env_number("PAWL_FAILOVERS", 2, 20);
    struct crew crew = crew_usual(WORKERS);
    redis_sentinels_start(&house, NULL);
    crew_store_at(house.url, CREW_OPTIONS);
    crew_start(&crew);
    crew_goes_on(&crew, "the start");
    for (int i = 0; i < rounds; i++) {
        struct redis_server *old = fail_over();
        say("everybody went on %lld ms after the failover (target %d)",
            (long long)crew_goes_on(&crew, "a failover"), CREW_TARGET);
        if (i + 1 < rounds)
            take_back(old);
    }
    end(&crew, "failover");
}
END_TEST

/* How much of the stream of writes a node has. */
static long long offset_of(struct redis_server *node)
{
    long long offset = -1;
    redisReply *reply = redis_server_ask(node, "INFO replication");
    const char *at = strstr(reply->str, "master_repl_offset:");
    if (at)
        offset = atoll(at + strlen("master_repl_offset:"));
    freeReplyObject(reply);
    return offset;
}

struct goal {
    struct redis_server *replica;
    long long offset;
};

static bool has_caught_up(void *context)
{
    struct goal *goal = context;
    return offset_of(goal->replica) >= goal->offset;
}

/* Nobody enqueues, the replica has it all, and workers are at it. */
START_TEST(what_was_replicated_is_not_lost)
{
    enum { JOBS = 4000 };
    struct actor producer;
    struct crew crew = { .worker_count = WORKERS,
                         .worker_words = { "concurrency=4", "least_us=10000",
                                           "lease=5000" } };
    redis_sentinels_start(&house, NULL);
    crew_store_at(house.url, CREW_OPTIONS);
    store_actor(&store_under_test, &producer, "produce", "threads=8", "count=500",
                NULL);
    ck_assert_int_eq(actor_wait(&producer, 10 * ACTOR_PATIENCE), 0);
    struct redis_server *master = redis_sentinels_master(&house);
    struct goal goal = { &house.node[master == &house.node[0]], offset_of(master) };
    redis_await(has_caught_up, &goal, "the replica has caught up");
    crew_start(&crew);
    crew_goes_on(&crew, "the start");
    fail_over();
    crew_goes_on(&crew, "a failover");
    crew_stop_working(&crew);
    crew_settle();
    struct crew_rules rules = { .epochs_go_back = true, .again_most = SIZE_MAX };
    struct crew_findings found = crew_check(&rules, "failover, caught up");
    ck_assert_uint_eq(found.stored, JOBS);
}
END_TEST

/* The old master comes back to life beside the new one, with requests in its
 * sockets, and is made a replica. */
START_TEST(a_master_that_was_only_stopped)
{
    struct crew crew = crew_usual(WORKERS);
    redis_sentinels_start(&house, NULL);
    crew_store_at(house.url, CREW_OPTIONS);
    crew_start(&crew);
    crew_goes_on(&crew, "the start");
    struct redis_server *old = redis_sentinels_master(&house);
    redis_server_signal(old, SIGSTOP);
    struct follower f = { redis_sentinels_await(&house, old), old };
    int64_t first = crew_goes_on(&crew, "a failover");
    redis_server_signal(old, SIGCONT);
    redis_await(follows, &f, "the old master follows the new one");
    int64_t second = crew_goes_on(&crew, "the old master's return");
    say("everybody went on after %lld and %lld ms (target %d)", (long long)first,
        (long long)second, CREW_TARGET);
    end(&crew, "stopped master");
}
END_TEST

/* The master that has the queue is killed: the other two make its replica a master. */
START_TEST(a_replica_of_a_cluster_takes_over)
{
    struct crew crew = crew_usual(WORKERS);
    redis_cluster_start(&cluster, NULL);
    int slot = redis_cluster_slot(&cluster, "{" STORE_QUEUE "}");
    int owner = redis_cluster_owner(&cluster, slot);
    redis_cluster_add_replica(&cluster, owner, &replica);
    crew_store_at(cluster.url, CREW_OPTIONS);
    crew_start(&crew);
    crew_goes_on(&crew, "the start");
    redis_server_kill(&cluster.node[owner]);
    redis_cluster_await_promotion(&cluster, owner, &replica);
    say("everybody went on %lld ms after the promotion (target %d)",
        (long long)crew_goes_on(&crew, "a promotion"), CREW_TARGET);
    end(&crew, "promotion");
}
END_TEST

int main(void)
{
    const struct lane_test tests[] = {
        { a_master_that_was_only_stopped }, /* the longest first */
        { work_goes_on_with_the_new_master },
        { a_replica_of_a_cluster_takes_over },
        { what_was_replicated_is_not_lost },
    };
    return crew_run_lanes("redis-failover", tests, 4, 4, 600, stop_all);
}
