/* outage_kill.c - kill -9 of the process that drains: at each of its steps, and at
 * random moments. Whoever comes next goes on there; nothing is lost, nothing arrives
 * twice, though all that had arrived was worked off and forgotten in between.
 *
 * $PAWL_DRAIN_KILLS: how many random ones; 40, or 1,000 in a --long run.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "direct.h"
#include "outage.h"

enum { STEPS_LEAST = 20, STEPS_MOST = 400 };

static char there[200], here[400];
static uint64_t merged; /* at how many steps the key was still held */

/* --- the server, looked at directly --------------------------------------------- */

/* Run all that is pending, and forget it. */
static void work_off(struct pawl_storage *storage)
{
    struct pawl_job *jobs[100];
    struct pawl_outcome outcomes[100];
    enum pawl_status results[100];
    struct pawl_exchange in = { .queue = STORE_QUEUE, .owner = { { 7 } },
                                .outcomes = outcomes, .lease = 60000 };
    struct pawl_exchange_reply out = { .outcomes = results, .jobs = jobs };
    do {
        in.outcome_count = 0;
        in.claim_max = 100;
        ck_assert_int_eq(storage_exchange(storage, &in, &out, NULL), PAWL_OK);
        in.outcome_count = out.job_count;
        in.claim_max = 0;
        for (size_t i = 0; i < in.outcome_count; i++) {
            outcomes[i] = (struct pawl_outcome){ .id = jobs[i]->id,
                                                 .epoch = jobs[i]->epoch,
                                                 .origin = jobs[i]->origin };
            pawl_job_free(jobs[i]);
        }
        ck_assert_int_eq(storage_exchange(storage, &in, &out, NULL), PAWL_OK);
    } while (in.outcome_count > 0);
}

static void check_server(long step)
{
    struct pawl_storage *server = direct_open(there, 5000);
    struct pawl_stats *stats = NULL;
    work_off(server);
    ck_assert_int_eq(storage_stats(server, STORE_QUEUE, &stats, NULL), PAWL_OK);
    const struct pawl_queue_stats *queue = &stats->queues[0];
    uint64_t left = queue->jobs[PAWL_PENDING] + queue->jobs[PAWL_PROCESSING] +
                    queue->jobs[PAWL_FAILED] + queue->jobs[PAWL_HELD];
    /* The one that ran, the one with the key, the maybe sent one, four plain ones,
     * and the other one with the key: that is cancelled if the first still held it
     * when it came. Each ended once. */
    ck_assert_msg(queue->completed_total + queue->jobs[PAWL_CANCELLED] == 8 &&
                      queue->jobs[PAWL_CANCELLED] <= 1,
                  "step %ld: %llu completions, %llu cancelled", step,
                  (unsigned long long)queue->completed_total,
                  (unsigned long long)queue->jobs[PAWL_CANCELLED]);
    ck_assert_msg(left == 0 && queue->dead_total == 0, "step %ld: %llu left", step,
                  (unsigned long long)left);
    merged += queue->jobs[PAWL_CANCELLED];
    pawl_stats_free(stats);
    storage_close(server);
}

static void check_spool(long step)
{
    struct pawl_storage *spool = direct_open(here, 5000);
    struct pawl_stats *stats = NULL;
    ck_assert_int_eq(storage_stats(spool, NULL, &stats, NULL), PAWL_OK);
    for (size_t i = 0; i < stats->queue_count; i++)
        for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
            ck_assert_msg(stats->queues[i].jobs[state] == 0,
                          "step %ld: the spool has jobs that are %s", step,
                          pawl_state_name((enum pawl_state)state));
    pawl_stats_free(stats);
    storage_close(spool);
}

/* --- at each step --------------------------------------------------------------- */

/* One process drains; die_at 0: to the end. How it ended. */
static int drain(long die_at)
{
    char there_word[300], here_word[500], die_word[40];
    const char *const words[] = { there_word, here_word, die_word, NULL };
    struct actor actor;
    snprintf(there_word, sizeof there_word, "there=%s", there);
    snprintf(here_word, sizeof here_word, "here=%s", here);
    snprintf(die_word, sizeof die_word, "die_at=%ld", die_at);
    store_actor_with(&store_under_test, &actor, "outage_drain", words);
    return actor_wait(&actor, ACTOR_PATIENCE);
}

static void fill(void)
{
    char there_word[300], here_word[500];
    const char *const words[] = { there_word, here_word, NULL };
    struct actor actor;
    snprintf(there_word, sizeof there_word, "there=%s", there);
    snprintf(here_word, sizeof here_word, "here=%s", here);
    store_actor_with(&store_under_test, &actor, "outage_fill", words);
    ck_assert_int_eq(actor_wait(&actor, ACTOR_PATIENCE), 0);
}

START_TEST(at_each_step)
{
    long step = 0;
    int ended = 128 + SIGKILL;
    outage_begin();
    store_make_at(&store_under_test, "");
    snprintf(there, sizeof there, "redis://127.0.0.1:%d/0", outage_server.port);
    while (ended == 128 + SIGKILL && step++ < STEPS_MOST) {
        snprintf(here, sizeof here, "sqlite:%s/step%ld.db", outage_folder.path, step);
        redis_server_do(&outage_server, "FLUSHALL");
        fill();
        ended = drain(step);
        ck_assert_msg(ended == 0 || ended == 128 + SIGKILL, "step %ld: %d", step, ended);
        struct pawl_storage *server = direct_open(there, 5000);
        work_off(server);
        storage_close(server);
        ck_assert_int_eq(drain(0), 0);
        check_server(step);
        check_spool(step);
    }
    ck_assert_int_eq(ended, 0);
    say("killed at %ld steps", step - 1);
    ck_assert_int_gt(step, STEPS_LEAST);
    ck_assert_uint_gt(merged, 0);
}
END_TEST

/* --- at random moments ---------------------------------------------------------- */

START_TEST(at_random_moments)
{
    size_t kills = (size_t)env_number("PAWL_DRAIN_KILLS", 40, 1000), left = kills;
    struct crew crew = {
        .producer_count = 2,
        .producer_words = { "threads=4", "pause_us=1000" },
    };
    char url[sizeof store_under_test.url];
    outage_begin();
    outage_url(url, sizeof url, false, "spool", "drain-rate=2000&outage=spool");
    crew_store_at(url, "spool-jobs=100000000");
    while (left > 0) {
        redis_server_kill(&outage_server);
        crew_start(&crew);
        sleep_ms(1500);
        crew_stop_producing(&crew);
        redis_server_again(&outage_server);
        /* Until it is empty, or we are through. */
        for (int round = 0; left > 0 && round < 30; round++) {
            struct actor actor;
            store_actor(&store_under_test, &actor, "wait_drained", NULL);
            sleep_ms(30 + (long)(seeded(&crew.random) % 250));
            bool alive = actor_alive(&actor);
            actor_kill(&actor);
            if (!alive)
                break;
            left--;
        }
    }
    outage_drained(store_under_test.url);
    crew_settle();
    outage_drained(store_under_test.url);
    struct crew_rules rules = { .again_most = 0 };
    struct crew_findings found = crew_check(&rules, "drains");
    ck_assert_uint_eq(found.refused, 0);
    say("%zu kills", kills);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { at_each_step, at_random_moments };
    return crew_run("outage-kill", tests, 2, 1800, outage_end);
}
