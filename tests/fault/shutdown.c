/* shutdown.c - SIGTERM to `pawl work`, once, twice and in storms.
 *
 * The first lets running commands end, the second ends them. What is given back
 * can run at once and has used up nothing: no attempt, no crash.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum { JOBS = 5, AT_ONCE = 2, ROUNDS = 40, PER_ROUND = 6 };
#define IMMEDIATE_MS 1000 /* the target of a second SIGTERM */

static void enqueue(int count)
{
    struct pawl *pawl = store_open(&store_under_test, 0);
    for (int i = 0; i < count; i++)
        store_enqueue(pawl);
    pawl_close(pawl);
}

/* Every job of that state: what it has used up. */
static void check_used(enum pawl_state state, uint64_t count, int attempt)
{
    struct pawl_error err = { 0 };
    struct pawl_filter filter = { .queue = STORE_QUEUE, .state = state };
    struct pawl_page page = { 0 };
    struct pawl *pawl = store_open(&store_under_test, 0);
    enum pawl_status status = pawl_list(pawl, &filter, 500, NULL, &page, &err);
    ck_assert_msg(status == PAWL_OK, "list: %s", err.message);
    ck_assert_uint_eq(page.job_count, count);
    for (size_t i = 0; i < page.job_count; i++) {
        ck_assert_int_eq(page.jobs[i]->attempt, attempt);
        ck_assert_int_eq(page.jobs[i]->crashes, 0);
        ck_assert_uint_eq(page.jobs[i]->error_count, 0);
    }
    pawl_page_clear(&page);
    pawl_close(pawl);
}

/* A command that tells its pid, and then takes so many seconds. */
struct sleeper {
    char pids[300], script[360];
};

static struct sleeper sleeper_for(int seconds)
{
    struct sleeper s;
    snprintf(s.pids, sizeof s.pids, "%s/pids", store_under_test.folder.path);
    snprintf(s.script, sizeof s.script, "echo $$ >>%s; exec sleep %d", s.pids,
             seconds);
    return s;
}

/* How many commands have told their pids; the last ones in `pids`. */
static int read_pids(const struct sleeper *s, pid_t *pids, int most)
{
    char line[32];
    int count = 0;
    FILE *file = fopen(s->pids, "re");
    while (file && count < most && fgets(line, sizeof line, file))
        pids[count++] = (pid_t)strtol(line, NULL, 10);
    if (file)
        fclose(file);
    return count;
}

static void await_commands(const struct sleeper *s, int count)
{
    pid_t pids[AT_ONCE + 1];
    int64_t until = now_us() + ACTOR_PATIENCE * INT64_C(1000);
    while (read_pids(s, pids, AT_ONCE + 1) < count && now_us() < until)
        sleep_ms(5);
    ck_assert_int_eq(read_pids(s, pids, AT_ONCE + 1), count);
}

static void no_command_left(const struct sleeper *s, int count)
{
    pid_t pids[AT_ONCE + 1];
    ck_assert_int_eq(read_pids(s, pids, AT_ONCE + 1), count);
    for (int i = 0; i < count; i++) {
        ck_assert_int_gt(pids[i], 1);
        ck_assert_msg(kill(pids[i], 0) < 0 && errno == ESRCH,
                      "command %d lives on", (int)pids[i]);
    }
}

START_TEST(a_second_term_is_immediate)
{
    struct actor worker;
    struct sleeper sleeper = sleeper_for(300);
    enqueue(JOBS);
    store_command(&store_under_test, &worker, "work", "-q", STORE_QUEUE, "-c", "2",
                  "--grace", "60s", "--", "sh", "-c", sleeper.script, NULL);
    await_commands(&sleeper, AT_ONCE);
    actor_signal(&worker, SIGTERM);
    sleep_ms(500);
    ck_assert_msg(actor_alive(&worker), "it did not wait for its commands");
    store_await(&store_under_test, PAWL_PROCESSING, AT_ONCE);
    store_await(&store_under_test, PAWL_PENDING, JOBS - AT_ONCE);
    int64_t began = now_us();
    actor_signal(&worker, SIGTERM);
    int answer = actor_wait(&worker, 10 * IMMEDIATE_MS);
    say("ended %lld ms after the second SIGTERM (target %d), status %d",
        (long long)(now_us() - began) / 1000, IMMEDIATE_MS, answer);
    ck_assert_int_eq(answer, 0);
    check_used(PAWL_PENDING, JOBS, 0);
    no_command_left(&sleeper, AT_ONCE);
    store_drain(&store_under_test);
    check_used(PAWL_COMPLETED, JOBS, 1);
}
END_TEST

START_TEST(running_commands_may_end_within_the_grace)
{
    struct actor worker;
    struct sleeper sleeper = sleeper_for(1);
    enqueue(JOBS);
    store_command(&store_under_test, &worker, "work", "-q", STORE_QUEUE, "-c", "2",
                  "--", "sh", "-c", sleeper.script, NULL);
    /* One that is claimed but not started would be given back. */
    await_commands(&sleeper, AT_ONCE);
    actor_signal(&worker, SIGTERM);
    ck_assert_int_eq(actor_wait(&worker, ACTOR_PATIENCE), 0);
    check_used(PAWL_COMPLETED, AT_ONCE, 1);
    check_used(PAWL_PENDING, JOBS - AT_ONCE, 0);
}
END_TEST

START_TEST(storms_of_signals_cost_nothing)
{
    uint64_t random = test_seed();
    for (int round = 0; round < ROUNDS; round++) {
        struct actor worker;
        int signals = 0, answer;
        enqueue(PER_ROUND);
        store_command(&store_under_test, &worker, "work", "-q", STORE_QUEUE, "-c",
                      "3", "--", "sleep", "0.02", NULL);
        sleep_ms((long)(seeded(&random) % 60));
        do {
            actor_signal(&worker, seeded(&random) % 4 ? SIGTERM : SIGINT);
            signals++;
            answer = actor_wait(&worker, (int)(seeded(&random) % 30));
        } while (answer == ACTOR_TIMED_OUT && signals < 1000);
        /* Before it minds them, a signal ends it as it ends any program. */
        ck_assert_msg(answer == 0 || answer == 128 + SIGTERM ||
                          answer == 128 + SIGINT,
                      "round %d: status %d after %d signals", round, answer,
                      signals);
    }
    struct pawl *pawl = store_open(&store_under_test, 0);
    uint64_t completed = store_count(pawl, PAWL_COMPLETED);
    ck_assert_uint_eq(store_count(pawl, PAWL_PROCESSING), 0);
    pawl_close(pawl);
    say("%d rounds; %llu of %d jobs completed between the signals", ROUNDS,
        (unsigned long long)completed, ROUNDS * PER_ROUND);
    check_used(PAWL_PENDING, ROUNDS * PER_ROUND - completed, 0);
    store_drain(&store_under_test);
    check_used(PAWL_COMPLETED, ROUNDS * PER_ROUND, 1);
    pawl = store_open(&store_under_test, 0);
    ck_assert_uint_eq(store_totals(pawl).completed_total, ROUNDS * PER_ROUND);
    pawl_close(pawl);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_second_term_is_immediate,
        running_commands_may_end_within_the_grace,
        storms_of_signals_cost_nothing,
    };
    return store_run("shutdown", tests, 3, 240);
}
