/* test_worker.c - jobs are run, again, later, stopped; through the public door, on
 * real threads. How a worker itself ends: test_worker_stop.c. */
#include "worker_fixture.h"

/* --- running -------------------------------------------------------------- */

/* Many threads run every job, each once, and a draining worker ends after it;
 * also where several exchanges are in flight. */
START_TEST(each_runs_once)
{
    int i;

    put_many(NULL, MANY);
    options.concurrency = _i;
    faulty_ops.exchanges_in_flight = 1 + _i % 3;
    drain();
    for (i = 0; i < MANY; i++)
        ck_assert_int_eq(atomic_load(&times_run[i]), 1);
    ck_assert_uint_eq(counts().started, MANY);
    ck_assert_uint_eq(counts().completed, MANY);
    ck_assert_int_eq(counts().running, 0);
    ck_assert_uint_eq(jobs_in(PAWL_COMPLETED), MANY);
}
END_TEST

/* One slot serves all its queues, and names given twice count once. */
START_TEST(several_queues)
{
    static const char *const queues[] = { "a", "b", "a", "c" };

    put_many("a", 200);
    put_many("b", 200);
    put_many("c", 200);
    options.queues = queues;
    options.queue_count = 4;
    options.concurrency = 1;
    drain();
    ck_assert_uint_eq(counts().completed, 600);
    ck_assert_int_eq(atomic_load(&times_run[199]), 3);
}
END_TEST

/* A failed attempt runs again after its backoff, and the last one is dead. */
START_TEST(fails_then_dead)
{
    struct pawl_id id = put("fail");

    drain();
    ck_assert_uint_eq(counts().failed, 2);
    ck_assert_uint_eq(counts().dead, 1);
    ck_assert_int_eq(atomic_load(&begun), 3);
    expect(id, PAWL_DEAD, "no. 3");
}
END_TEST

START_TEST(dead_at_once)
{
    struct pawl_id id = put("die");

    drain();
    ck_assert_uint_eq(counts().dead, 1);
    ck_assert_int_eq(atomic_load(&begun), 1);
    expect(id, PAWL_DEAD, "never");
}
END_TEST

/* A snoozed job comes again by itself and keeps its attempt. */
START_TEST(snoozes)
{
    struct pawl_id id = put(_i ? "backoff-once" : "snooze-once");

    options.poll = PATIENCE_MS; /* being due must wake the worker */
    start();
    until(counts().completed == 1);
    ck_assert_uint_eq(counts().snoozed, 1);
    ck_assert_int_eq(atomic_load(&seen_attempt), 1);
    expect(id, PAWL_COMPLETED, NULL);
}
END_TEST

/* A result is kept; one that is too long fails the attempt. */
START_TEST(results)
{
    struct pawl_id small = put("result"), big = put("big");
    struct pawl_job *job;

    drain();
    ck_assert_int_eq(pawl_get(pawl, small, &job, NULL), PAWL_OK);
    ck_assert_uint_eq(job->result_size, 2);
    ck_assert_mem_eq(job->result, "42", 2);
    pawl_job_free(job);
    expect(big, PAWL_DEAD, "result of 65537 bytes is longer than 65536");
}
END_TEST

/* A sleeping worker hears of a new job without polling, also when it is due
 * later, and also the second worker of a handle. */
START_TEST(wakes_up)
{
    static const char *const other[] = { "other" };
    struct pawl_new_job later = { .delay = 100 };
    struct pawl_worker *first;

    options.poll = 2 * PATIENCE_MS;
    start();
    first = worker;
    options.queues = other;
    options.queue_count = 1;
    start();
    usleep(100000);
    put_many("other", 1);
    until(counts().completed == 1);
    put("done");
    until(atomic_load(&returned) == 2);
    ck_assert_int_eq(pawl_enqueue(pawl, &later, NULL, NULL), PAWL_OK);
    until(atomic_load(&returned) == 3);
    pawl_worker_close(first);
}
END_TEST

/* A worker that is alone hears of each job in turn, with no more exchanges at a time
 * than its storage wants. While one lasts, another worker can come and work. */
START_TEST(wakes_up_alone)
{
    static const char *const other[] = { "other" };
    struct pawl_worker *first;
    struct pawl_worker_counts of_first;

    faulty_ops.exchanges_in_flight = 1;
    options.poll = 2 * PATIENCE_MS;
    start();
    for (uint64_t i = 1; i <= 200; i++) {
        put("done");
        until(counts().completed == i);
    }
    ck_assert_int_eq(atomic_load(&most_under_way), 1);
    first = worker;
    atomic_store(&hold_up, 1);
    put("done");
    until(atomic_load(&under_way) == 1);
    put_many("other", 1);
    options.queues = other;
    options.queue_count = 1;
    start();
    until(counts().completed == 1);
    ck_assert_int_eq(atomic_load(&under_way), 1);
    atomic_store(&hold_up, 0);
    until((pawl_worker_counts(first, &of_first), of_first.completed == 201));
    pawl_worker_close(first);
}
END_TEST

/* --- stopping attempts ---------------------------------------------------- */

START_TEST(times_out)
{
    struct pawl_new_job job = { .type = _i ? "done-although-stopped"
                                           : "until-stopped",
                                .max_attempts = 1, .timeout = 100 };
    struct pawl_id id;

    ck_assert_int_eq(pawl_enqueue(pawl, &job, &id, NULL), PAWL_OK);
    drain();
    if (!_i)
        ck_assert_int_eq(atomic_load(&stopped_by), PAWL_STOP_TIMEOUT);
    expect(id, PAWL_DEAD,
           _i ? "timed out after 100 ms" : "timed out after 100 ms: stopped");
}
END_TEST

/* An operator's cancel reaches a running handler. */
START_TEST(cancelled_while_running)
{
    struct pawl_id id = put(_i ? "done-although-stopped" : "until-stopped");

    start();
    until(counts().running == 1);
    cancel(id);
    until(counts().running == 0 && jobs_in(PAWL_PROCESSING) == 0);
    if (!_i)
        ck_assert_int_eq(atomic_load(&stopped_by), PAWL_STOP_CANCELLED);
    expect(id, _i ? PAWL_COMPLETED : PAWL_CANCELLED, _i ? NULL : "stopped");
}
END_TEST

static pawl_time now_plain(void *context)
{
    (void)context;
    return clock_wall_ms();
}

static pawl_time steady_ahead(void *context)
{
    (void)context;
    return clock_boot_ms() + 3600000;
}

/* A lease that another took stops the handler; what it answers is dropped. */
START_TEST(lease_lost)
{
    static const struct pawl_clock ahead = { now_plain, steady_ahead, NULL };
    struct pawl *other = open_handle(&ahead);
    struct pawl_sweep sweep = { "default", 10, 3, .retention = other->retention };
    struct pawl_sweep_reply reply;
    struct pawl_id id = put("until-stopped-once");

    options.lease = 1000;
    start();
    until(counts().running == 1);
    ck_assert_int_eq(storage_sweep(other->storage, &sweep, &reply, NULL), PAWL_OK);
    ck_assert_uint_eq(reply.recovered, 1);
    until(counts().completed == 1 && counts().lost == 1);
    until(atomic_load(&stopped_by) == PAWL_STOP_LOST);
    until(counts().running == 0);
    ck_assert_uint_eq(counts().failed, 0);
    expect(id, PAWL_COMPLETED, NULL);
    pawl_close(other);
}
END_TEST

/* A job longer than its lease keeps it. */
START_TEST(lease_renewed)
{
    struct pawl_id id = put("stubborn");

    options.lease = 1000;
    start();
    usleep(2500000);
    ck_assert_int_ge(atomic_load(&renewals), 4);
    atomic_store(&open_gate, 1);
    until(counts().completed == 1);
    ck_assert_uint_eq(counts().lost, 0);
    expect(id, PAWL_COMPLETED, NULL);
}
END_TEST

/* What was claimed ahead for quick slots is given back when they turn slow. */
START_TEST(hoards_nothing)
{
    int i;

    for (i = 0; i < 300; i++)
        put("done");
    put("stubborn");
    put("stubborn");
    for (i = 0; i < 300; i++)
        put("done");
    start();
    until(jobs_in(PAWL_PROCESSING) == 2 && jobs_in(PAWL_PENDING) == 300);
    usleep(100000);
    ck_assert_uint_eq(jobs_in(PAWL_PROCESSING), 2);
    atomic_store(&open_gate, 1);
    until(counts().completed == 602);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker");
    TCase *t = tcase_create("worker");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_runs_once, 1, 9);
    tcase_add_test(t, several_queues);
    tcase_add_test(t, fails_then_dead);
    tcase_add_test(t, dead_at_once);
    tcase_add_loop_test(t, snoozes, 0, 2);
    tcase_add_test(t, results);
    tcase_add_test(t, wakes_up);
    tcase_add_test(t, wakes_up_alone);
    tcase_add_loop_test(t, times_out, 0, 2);
    tcase_add_loop_test(t, cancelled_while_running, 0, 2);
    tcase_add_test(t, lease_lost);
    tcase_add_test(t, lease_renewed);
    tcase_add_test(t, hoards_nothing);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
