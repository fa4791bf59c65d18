/* outage_drain.c - the way back, at real servers: one that falls silent meanwhile, and a
 * Cluster of which a master stays dead. Nobody who ends waits long for them. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outage.h"
#include "redis_cluster.h"

/* Longer than any test expects: with it, a call to a silent server takes 10 s. */
#define SPOOLED "timeout=20s&connect-timeout=20s&patience=1s&dwell=100ms&trial=80ms" \
                "&outage=spool&fallback=sqlite"

static struct redis_cluster cluster;

static void end(void)
{
    redis_cluster_stop(&cluster);
    outage_end();
}

static enum pawl_status enqueue(struct pawl *pawl, const char *queue)
{
    struct pawl_new_job job = { .queue = queue };
    struct pawl_error err = { 0 };
    enum pawl_status status = pawl_enqueue(pawl, &job, NULL, &err);
    if (status < 0)
        say("enqueue: %s: %s", pawl_status_name(status), err.message);
    return status;
}

/* At the servers, past any spool. */
static uint64_t pending_at(const char *url, const char *queue)
{
    char whole[1100];
    struct pawl_stats *stats = NULL;
    snprintf(whole, sizeof whole, "%.1000s?fallback=off", url);
    struct pawl *pawl = outage_open(whole);
    uint64_t pending = 0;
    if (pawl_stats(pawl, queue, &stats, NULL) == PAWL_OK)
        pending = stats->queues[0].jobs[PAWL_PENDING];
    pawl_stats_free(stats);
    pawl_close(pawl);
    return pending;
}

static void await_pending(const char *url, const char *queue, uint64_t count)
{
    int64_t until = now_us() + ACTOR_PATIENCE * INT64_C(1000);
    while (pending_at(url, queue) < count && now_us() < until)
        sleep_ms(20);
    ck_assert_uint_ge(pending_at(url, queue), count);
}

/* --- one server ------------------------------------------------------------------- */

/* It falls silent under a program that gives it its jobs: who ends then waits for the
 * call that is under way, and that has no more than the patience. */
START_TEST(it_falls_silent)
{
    enum { JOBS = 2000 };
    char url[sizeof store_under_test.url], bare[60];
    outage_begin();
    snprintf(bare, sizeof bare, "redis://127.0.0.1:%d/0", outage_server.port);
    snprintf(url, sizeof url, "%s?" SPOOLED ":%s/spool.db&drain-rate=1000", bare,
             outage_folder.path);
    store_make_at(&store_under_test, url);
    redis_server_kill(&outage_server);
    struct pawl *pawl = store_open(&store_under_test, 10000);
    for (int i = 0; i < JOBS; i++)
        ck_assert_int_eq(enqueue(pawl, STORE_QUEUE), PAWL_SPOOLED);
    redis_server_again(&outage_server);
    await_pending(bare, STORE_QUEUE, 1);
    redis_server_signal(&outage_server, SIGSTOP);
    sleep_ms(300); /* the next batch is on its way */
    int64_t began = now_us();
    pawl_close(pawl);
    int64_t took = (now_us() - began) / 1000;
    redis_server_signal(&outage_server, SIGCONT);
    say("closed within %lld ms", (long long)took);
    ck_assert_int_le(took, 5000);
    outage_drained(url);
    ck_assert_uint_eq(pending_at(bare, STORE_QUEUE), JOBS);
}
END_TEST

/* --- a Cluster ---------------------------------------------------------------------- */

/* A queue of this master, or of another one. */
static void find_queue(char name[20], int owner, bool of_it, int from)
{
    char key[24];
    int i = from;
    do {
        snprintf(name, 20, "q%d", i++);
        snprintf(key, sizeof key, "{%s}", name);
    } while ((redis_cluster_owner(&cluster, redis_cluster_slot(&cluster, key)) ==
              owner) != of_it);
}

static int64_t lone_enqueue(const char *queue)
{
    struct actor actor;
    int64_t began = now_us();
    store_command(&store_under_test, &actor, "enqueue", "-q", queue, "x", NULL);
    ck_assert_int_eq(actor_wait(&actor, ACTOR_PATIENCE), 0);
    return (now_us() - began) / 1000;
}

/* One master stays dead, and the others serve their slots: what is spooled for them goes
 * over, the queues of the dead one wait, and no command waits long for it. */
START_TEST(a_master_stays_dead)
{
    enum { COMMANDS = 3 };
    const char *const options[] = { "--cluster-require-full-coverage", "no", NULL };
    char url[sizeof store_under_test.url], dead[20], before[20], behind[20];
    temp_dir_make(&outage_folder);
    unsetenv("PAWL_FALLBACK");
    redis_cluster_start(&cluster, options);
    /* Those that have what is kept for all queues live: nothing begins without. */
    int lists = redis_cluster_owner(&cluster, redis_cluster_slot(&cluster, "pawl:queues"));
    int mark = redis_cluster_owner(&cluster, redis_cluster_slot(&cluster, "pawl:store"));
    int gone = CLUSTER_NODES - lists - mark;
    ck_assert_int_ne(lists, mark);
    find_queue(before, gone, false, 100);
    find_queue(dead, gone, true, 300); /* by name they are in this order */
    find_queue(behind, gone, false, 500);
    snprintf(url, sizeof url, "%.600s?" SPOOLED ":%s/spool.db", cluster.url,
             outage_folder.path);
    store_make_at(&store_under_test, url);
    struct pawl *pawl = store_open(&store_under_test, 10000);
    redis_server_kill(&cluster.node[gone]);
    ck_assert_int_eq(enqueue(pawl, dead), PAWL_SPOOLED);
    ck_assert_int_eq(enqueue(pawl, before), PAWL_SPOOLED);
    ck_assert_int_eq(enqueue(pawl, behind), PAWL_SPOOLED);
    await_pending(cluster.url, before, 1);
    await_pending(cluster.url, behind, 1);
    pawl_close(pawl);
    for (int i = 0; i < COMMANDS; i++) {
        int64_t took = lone_enqueue(behind);
        say("%lld ms", (long long)took);
        ck_assert_int_le(took, 5000);
    }
    await_pending(cluster.url, behind, 1 + COMMANDS);
    redis_server_again(&cluster.node[gone]);
    outage_drained(url);
    ck_assert_uint_eq(pending_at(cluster.url, dead), 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { it_falls_silent, a_master_stays_dead };
    return crew_run("outage-drain", tests, 2, 300, end);
}
