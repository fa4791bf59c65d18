/* idle.c - ten idle workers cost nothing, and a new job wakes one at once.
 *
 * These are real times on a machine that does other things, too, so each bound
 * is ten times the target; `pawl bench latency` judges the target itself.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store.h"

enum { WORKERS = 10, JOBS = 200 };
#define WATCHED_MS 3000
#define PICKUP_US 1000 /* the target: median from enqueue to handler */

/* What all threads of the process used of the CPU so far. */
static int64_t cpu_us(const struct actor *actor)
{
    clockid_t clock;
    struct timespec used;
    ck_assert_int_eq(clock_getcpuclockid(actor->pid, &clock), 0);
    ck_assert_int_eq(clock_gettime(clock, &used), 0);
    return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

START_TEST(ten_idle_workers_use_no_cpu)
{
    struct actor workers[WORKERS];
    int64_t before[WORKERS], most = 0, all = 0;
    pawl_close(store_open(&store_under_test, 0));
    for (int i = 0; i < WORKERS; i++)
        store_command(&store_under_test, &workers[i], "work", "-q", STORE_QUEUE,
                      "-c", "2", "--", "/bin/true", NULL);
    sleep_ms(1500);
    for (int i = 0; i < WORKERS; i++)
        before[i] = cpu_us(&workers[i]);
    sleep_ms(WATCHED_MS);
    for (int i = 0; i < WORKERS; i++) {
        int64_t used = cpu_us(&workers[i]) - before[i];
        all += used;
        most = used > most ? used : most;
    }
    say("ten idle workers used %lld us of CPU in %d ms, one of them %lld us at most",
        (long long)all, WATCHED_MS, (long long)most);
    ck_assert_int_le(most, WATCHED_MS * 1000 / 100); /* 1 % of a core each */
    struct pawl *pawl = store_open(&store_under_test, 0);
    store_enqueue(pawl);
    pawl_close(pawl);
    store_await(&store_under_test, PAWL_COMPLETED, 1);
    for (int i = 0; i < WORKERS; i++)
        actor_signal(&workers[i], SIGTERM);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(actor_wait(&workers[i], ACTOR_PATIENCE), 0);
}
END_TEST

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* When did the job with this id begin to run? */
static int64_t run_at(const struct history *history, struct pawl_id id)
{
    char text[PAWL_ID_TEXT];
    pawl_id_format(id, text);
    for (size_t i = 0; i < history->count; i++) {
        if (strcmp(history->events[i].id, text) == 0)
            return history->events[i].at;
    }
    ck_abort_msg("job %s never ran", text);
    return 0;
}

START_TEST(a_new_job_wakes_a_worker_of_another_process)
{
    struct actor workers[WORKERS];
    static struct pawl_id ids[JOBS];
    static int64_t began[JOBS], took[JOBS];
    struct history history;
    /* The time of a sync is the disk's, not ours. */
    snprintf(store_under_test.url, sizeof store_under_test.url,
             "sqlite:%s?durability=normal", store_under_test.file);
    for (int i = 0; i < WORKERS; i++)
        store_actor(&store_under_test, &workers[i], "work", NULL);
    for (int i = 0; i < WORKERS; i++)
        actor_expect(&workers[i], "ready");
    struct pawl *pawl = store_open(&store_under_test, 0);
    sleep_ms(300);
    for (int i = 0; i < JOBS; i++) {
        began[i] = now_us();
        ids[i] = store_enqueue(pawl);
        sleep_ms(10);
    }
    pawl_close(pawl);
    store_await(&store_under_test, PAWL_COMPLETED, JOBS);
    for (int i = 0; i < WORKERS; i++)
        actor_signal(&workers[i], SIGTERM);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(actor_wait(&workers[i], ACTOR_PATIENCE), 0);
    history_read(store_under_test.history, &history);
    ck_assert_uint_eq(history.count, JOBS);
    for (int i = 0; i < JOBS; i++)
        took[i] = run_at(&history, ids[i]) - began[i];
    qsort(took, JOBS, sizeof took[0], by_size);
    say("from enqueue to handler: median %lld us, 99th %lld us (target %d us)",
        (long long)took[JOBS / 2], (long long)took[JOBS * 99 / 100], PICKUP_US);
    ck_assert_int_le(took[JOBS / 2], 10 * PICKUP_US);
    history_clear(&history);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        ten_idle_workers_use_no_cpu,
        a_new_job_wakes_a_worker_of_another_process,
    };
    return store_run("idle", tests, 2, 120);
}
