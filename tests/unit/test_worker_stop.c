/* test_worker_stop.c - how a worker ends, and how it takes a storage that fails;
 * through the public door, on real threads. */
#include <sys/wait.h>

#include "worker_fixture.h"

/* --- stopping the worker -------------------------------------------------- */

/* A stop lets handlers finish and starts no other job. */
START_TEST(stop_waits)
{
    int i;

    for (i = 0; i < 4; i++)
        put("stubborn");
    start();
    until(counts().running == 2);
    pawl_worker_stop(worker);
    usleep(50000);
    ck_assert_int_eq(counts().running, 2);
    atomic_store(&open_gate, 1);
    ck_assert_int_eq(pawl_worker_wait(worker, NULL), PAWL_OK);
    ck_assert_uint_eq(counts().completed, 2);
    ck_assert_uint_eq(jobs_in(PAWL_PENDING), 2);
    ck_assert_uint_eq(jobs_in(PAWL_PROCESSING), 0);
}
END_TEST

/* The second stop does not wait, and the jobs are as if never started. */
START_TEST(second_stop)
{
    struct pawl_id id = put("until-stopped");
    struct pawl_job *job;

    options.grace = -1;
    start();
    until(counts().running == 1);
    pawl_worker_stop(worker);
    usleep(50000);
    ck_assert_int_eq(counts().running, 1);
    pawl_worker_stop(worker);
    ck_assert_int_eq(pawl_worker_wait(worker, NULL), PAWL_OK);
    ck_assert_int_eq(atomic_load(&stopped_by), PAWL_STOP_SHUTDOWN);
    ck_assert_uint_eq(counts().released, 1);
    ck_assert_int_eq(pawl_get(pawl, id, &job, NULL), PAWL_OK);
    ck_assert_int_eq(job->state, PAWL_PENDING);
    ck_assert_int_eq(job->attempt, 0);
    ck_assert_int_eq(job->crashes, 0);
    pawl_job_free(job);
}
END_TEST

/* A handler that does not listen loses its job; only close waits for it. */
START_TEST(stubborn_handler)
{
    struct pawl_id id = put("stubborn");

    options.grace = 20;
    start();
    until(counts().running == 1);
    pawl_worker_stop(worker);
    ck_assert_int_eq(pawl_worker_wait(worker, NULL), PAWL_OK);
    ck_assert_int_eq(counts().running, 1);
    ck_assert_int_eq(atomic_load(&returned), 0);
    expect(id, PAWL_PENDING, NULL);
    atomic_store(&open_gate, 1);
    close_worker();
    ck_assert_int_eq(atomic_load(&returned), 1);
    expect(id, PAWL_PENDING, NULL);
}
END_TEST

/* Close is a stop too. */
START_TEST(close_stops)
{
    struct pawl_id id = put("until-stopped");

    options.grace = 20;
    start();
    until(counts().running == 1);
    close_worker();
    expect(id, PAWL_PENDING, NULL);
}
END_TEST

/* A forked child has nothing of its parent's worker, and does not hang. */
START_TEST(forked_child)
{
    struct pawl_worker_counts none;
    int status;
    pid_t child;

    start();
    child = fork();
    if (child == 0) {
        pawl_worker_stop(worker);
        pawl_worker_counts(worker, &none);
        pawl_worker_close(worker);
        _exit(pawl_worker_wait(worker, NULL) == PAWL_EFORKED ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    put("done");
    until(counts().completed == 1);
}
END_TEST

/* Draining an empty queue ends at once; a paused one with jobs does not. */
START_TEST(drains)
{
    drain();
    pawl_worker_close(worker);
    ck_assert_int_eq(pawl_pause(pawl, "default", NULL), PAWL_OK);
    put("done");
    start();
    usleep(300000);
    ck_assert_int_eq(atomic_load(&begun), 0);
    ck_assert_int_eq(pawl_resume(pawl, "default", NULL), PAWL_OK);
    ck_assert_int_eq(pawl_worker_wait(worker, NULL), PAWL_OK);
    ck_assert_uint_eq(counts().completed, 1);
}
END_TEST

/* --- a storage that fails ------------------------------------------------- */

/* A worker outlives a storage that is away, keeps its outcomes, and says so once. */
START_TEST(storage_away)
{
    struct pawl_id id = put("stubborn");

    start();
    until(counts().running == 1);
    atomic_store(&fail_with, PAWL_EUNREACHABLE);
    atomic_store(&open_gate, 1);
    usleep(300000);
    ck_assert_uint_eq(counts().completed, 0);
    atomic_store(&fail_with, 0);
    until(counts().completed == 1);
    ck_assert_uint_eq(counts().lost, 0);
    expect(id, PAWL_COMPLETED, NULL);
    until(atomic_load(&back_logs) == 1);
    ck_assert_int_eq(atomic_load(&failing_logs), 1);
}
END_TEST

/* An outcome whose answer was lost is sent again, and counts once. */
START_TEST(answer_lost)
{
    struct pawl_id id = put("done");

    atomic_store(&lose_answer, 3);
    start();
    until(counts().completed == 1);
    ck_assert_int_eq(atomic_load(&lose_answer), 0);
    ck_assert_uint_eq(counts().lost, 0);
    expect(id, PAWL_COMPLETED, NULL);
}
END_TEST

/* Damage ends the worker, and wait tells why. */
START_TEST(storage_damaged)
{
    struct pawl_error err = { 0 };

    put("until-stopped");
    start();
    until(counts().running == 1);
    atomic_store(&fail_with, PAWL_ECORRUPT);
    ck_assert_int_eq(pawl_worker_wait(worker, &err), PAWL_ECORRUPT);
    ck_assert_int_eq(err.status, PAWL_ECORRUPT);
    ck_assert_str_eq(err.message, "as told to");
    until(atomic_load(&stopped_by) == PAWL_STOP_SHUTDOWN);
}
END_TEST

/* A stopped worker does not wait for ever for a storage that is away. */
START_TEST(stopped_while_away)
{
    struct pawl_error err = { 0 };

    put("stubborn");
    options.grace = 20;
    start();
    until(counts().running == 1);
    atomic_store(&fail_with, PAWL_EUNREACHABLE);
    atomic_store(&open_gate, 1);
    pawl_worker_stop(worker);
    ck_assert_int_eq(pawl_worker_wait(worker, &err), PAWL_EUNREACHABLE);
    ck_assert_str_eq(err.message,
                     "stopped with 1 outcomes not written back: as told to");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_stop");
    TCase *t = tcase_create("worker_stop");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, stop_waits);
    tcase_add_test(t, second_stop);
    tcase_add_test(t, stubborn_handler);
    tcase_add_test(t, close_stops);
    tcase_add_test(t, forked_child);
    tcase_add_test(t, drains);
    tcase_add_test(t, storage_away);
    tcase_add_test(t, answer_lost);
    tcase_add_test(t, storage_damaged);
    tcase_add_test(t, stopped_while_away);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
