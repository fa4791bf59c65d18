/* many.c - eight processes of four threads on one file, without any fault.
 *
 *   - all enqueue and work at once: every job runs exactly once, and no call
 *     answers anything but success
 *   - a lone thread runs jobs in exact order: priority, then first in, first out
 *   - eight workers of four threads keep to the priorities as far as anybody
 *     could tell: what they claim is in order, so a job that starts too early
 *     overtakes only what others hold claimed but not started
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum {
    PROCESSES = 8,
    THREADS = 4,
    PER_THREAD = 60,
    PER_PRIORITY = 150,
    /* Claimed and not started, per worker: one job per thread, and ahead what
     * its threads finished in 10 ms. A job takes 4 ms at least here. */
    CLAIMED = THREADS + 3 * THREADS,
};

static void check_exactly_once(size_t wanted)
{
    struct history history;
    size_t jobs = 0;
    history_read(store_under_test.history, &history);
    history_by_id(&history);
    for (size_t i = 0, next; i < history.count; i = next) {
        size_t runs = 0;
        next = history_next_id(&history, i);
        for (size_t k = i; k < next; k++) {
            const struct event *e = &history.events[k];
            runs += strcmp(e->what, "run") == 0;
            ck_assert_msg(strcmp(e->what, "refused") != 0 &&
                              strcmp(e->what, "unknown") != 0,
                          "an enqueue answered %s", e->text);
        }
        ck_assert_msg(runs == 1, "job %s ran %zu times", history.events[i].id,
                      runs);
        jobs++;
    }
    ck_assert_uint_eq(jobs, wanted);
    history_clear(&history);
}

START_TEST(eight_processes_share_one_file)
{
    const size_t jobs = PROCESSES * THREADS * PER_THREAD;
    struct actor actors[PROCESSES];
    char words[2][40];
    uint64_t seed = test_seed();
    int64_t began = now_us();
    snprintf(words[1], sizeof words[1], "count=%d", PER_THREAD);
    for (int i = 0; i < PROCESSES; i++) {
        snprintf(words[0], sizeof words[0], "seed=%u",
                 (unsigned)(seeded(&seed) >> 40));
        store_actor(&store_under_test, &actors[i], "both", "threads=4", "concurrency=4",
                    "priorities=1", "work_us=1000", words[0], words[1], NULL);
    }
    for (int i = 0; i < PROCESSES; i++) {
        actor_expect(&actors[i], "ready");
        actor_expect(&actors[i], "produced");
    }
    store_await(&store_under_test, PAWL_COMPLETED, jobs);
    for (int i = 0; i < PROCESSES; i++)
        actor_signal(&actors[i], SIGTERM);
    for (int i = 0; i < PROCESSES; i++)
        ck_assert_int_eq(actor_wait(&actors[i], ACTOR_PATIENCE), 0);
    say("%zu jobs by %d processes in %lld ms", jobs, PROCESSES,
        (long long)(now_us() - began) / 1000);
    check_exactly_once(jobs);
    struct pawl *pawl = store_open(&store_under_test, 0);
    ck_assert_uint_eq(store_totals(pawl).completed_total, jobs);
    pawl_close(pawl);
    store_must_be_sound(store_under_test.file);
}
END_TEST

/* `count` jobs of each priority, mixed, in one call; the ids in order. */
static void preload(int count, struct pawl_id *ids)
{
    struct pawl_error err = { 0 };
    int total = count * 10;
    struct pawl_new_job *jobs = calloc((size_t)total, sizeof *jobs);
    struct pawl_put_result *results = calloc((size_t)total, sizeof *results);
    ck_assert(jobs && results);
    for (int i = 0; i < total; i++) {
        jobs[i].queue = STORE_QUEUE;
        jobs[i].priority = i * 7 % 10 + 1;
    }
    struct pawl *pawl = store_open(&store_under_test, 0);
    enum pawl_status status =
        pawl_enqueue_many(pawl, jobs, (size_t)total, results, &err);
    ck_assert_msg(status == PAWL_OK, "enqueue_many: %s", err.message);
    pawl_close(pawl);
    for (int i = 0; ids && i < total; i++)
        ids[i] = results[i].id;
    free(jobs);
    free(results);
}

START_TEST(one_thread_runs_in_exact_order)
{
    enum { EACH = 30, TOTAL = EACH * 10 };
    static struct pawl_id ids[TOTAL];
    struct history history;
    struct actor worker;
    size_t at = 0;
    preload(EACH, ids);
    store_actor(&store_under_test, &worker, "work", "drain=1", "concurrency=1", NULL);
    ck_assert_int_eq(actor_wait(&worker, ACTOR_PATIENCE), 0);
    history_read(store_under_test.history, &history);
    ck_assert_uint_eq(history.count, TOTAL);
    for (int priority = 1; priority <= 10; priority++) {
        for (int i = 0; i < TOTAL; i++) {
            char id[PAWL_ID_TEXT];
            if (i * 7 % 10 + 1 != priority)
                continue;
            pawl_id_format(ids[i], id);
            ck_assert_msg(strcmp(history.events[at].id, id) == 0,
                          "job %zu to run was %s, not %s of priority %d", at + 1,
                          history.events[at].id, id, priority);
            at++;
        }
    }
    history_clear(&history);
}
END_TEST

START_TEST(many_threads_keep_to_the_priorities)
{
    struct actor workers[PROCESSES];
    struct history history;
    size_t behind[11] = { 0 }, most = 0; /* not yet started, by priority */
    preload(PER_PRIORITY, NULL);
    for (int i = 0; i < PROCESSES; i++)
        store_actor(&store_under_test, &workers[i], "work", "drain=1", "concurrency=4",
                    "least_us=4000", "work_us=1000", NULL);
    for (int i = 0; i < PROCESSES; i++)
        ck_assert_int_eq(actor_wait(&workers[i], ACTOR_PATIENCE), 0);
    history_read(store_under_test.history, &history);
    ck_assert_uint_eq(history.count, PER_PRIORITY * 10);
    for (int priority = 1; priority <= 10; priority++)
        behind[priority] = PER_PRIORITY;
    for (size_t i = 0; i < history.count; i++) {
        int priority = atoi(history.events[i].text);
        size_t overtaken = 0;
        ck_assert(priority >= 1 && priority <= 10);
        behind[priority]--;
        for (int p = 1; p < priority; p++)
            overtaken += behind[p];
        if (overtaken > most)
            most = overtaken;
    }
    say("a job overtook %zu better ones at most (bound %d)", most,
        PROCESSES * CLAIMED);
    ck_assert_uint_le(most, PROCESSES * CLAIMED);
    check_exactly_once(PER_PRIORITY * 10);
    history_clear(&history);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        eight_processes_share_one_file,
        one_thread_runs_in_exact_order,
        many_threads_keep_to_the_priorities,
    };
    return store_run("many", tests, 3, 300);
}
