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

static atomic_int slow_fails;

static enum pawl_status slow_exchange(struct pawl_storage *self,
                                      const struct pawl_exchange *in,
                                      struct pawl_exchange_reply *out,
                                      struct pawl_error *err)
{
    if (!atomic_load(&slow_fails))
        return memory_storage.exchange(self, in, out, err);
    usleep(500000); /* longer than it then waits to try that queue again */
    return pawl_error_set(err, PAWL_EUNREACHABLE, "as told to");
}

/* Nor for two queues of it, of which one is always due. */
START_TEST(stopped_while_two_are_away)
{
    static const char *const queues[] = { "one", "two" };
    struct pawl_new_job job = { .type = "stubborn" };
    struct pawl_error err = { 0 };

    for (int i = 0; i < 2; i++) {
        job.queue = queues[i];
        ck_assert_int_eq(pawl_enqueue(pawl, &job, NULL, &err), PAWL_OK);
    }
    atomic_store(&slow_fails, 0);
    faulty_ops.exchange = slow_exchange;
    faulty_ops.exchanges_in_flight = 1;
    options.queues = queues;
    options.queue_count = 2;
    options.grace = 20;
    start();
    until(counts().running == 2);
    atomic_store(&slow_fails, 1);
    atomic_store(&open_gate, 1);
    pawl_worker_stop(worker);
    ck_assert_int_eq(pawl_worker_wait(worker, &err), PAWL_EUNREACHABLE);
    ck_assert_str_eq(err.message,
                     "stopped with 2 outcomes not written back: as told to");
}
END_TEST

/* --- one of several queues fails ------------------------------------------ */

static const char *const two_queues[] = { "bad", "good" };
static atomic_int bad_fails, bad_hangs, bad_calls, hanging, renew_fails;

/* Exchanges of "bad" fail, or do not come back, while told to. */
static enum pawl_status half_exchange(struct pawl_storage *self,
                                      const struct pawl_exchange *in,
                                      struct pawl_exchange_reply *out,
                                      struct pawl_error *err)
{
    if (strcmp(in->queue, "bad") != 0)
        return memory_storage.exchange(self, in, out, err);
    atomic_fetch_add(&bad_calls, 1);
    atomic_fetch_add(&hanging, 1);
    while (atomic_load(&bad_hangs))
        usleep(500);
    atomic_fetch_sub(&hanging, 1);
    if (atomic_load(&bad_fails))
        return pawl_error_set(err, PAWL_EUNREACHABLE, "half is away");
    return memory_storage.exchange(self, in, out, err);
}

static enum pawl_status failing_renew(struct pawl_storage *self,
                                      const struct pawl_renew *in,
                                      enum pawl_status *results,
                                      struct pawl_error *err)
{
    if (!atomic_load(&renew_fails))
        return memory_storage.renew(self, in, results, err);
    atomic_fetch_add(&renewals, 1);
    return pawl_error_set(err, PAWL_EUNREACHABLE, "no renewal");
}

static void start_on(size_t queue_count)
{
    faulty_ops.exchange = half_exchange;
    faulty_ops.exchanges_in_flight = 2;
    atomic_store(&bad_fails, 1);
    options.queues = two_queues;
    options.queue_count = queue_count;
    options.poll = 2 * PATIENCE_MS; /* nothing is done by polling */
    start();
}

/* It is told once that a queue fails, however well another one works. */
START_TEST(half_away)
{
    uint64_t i;

    put_many("bad", 1);
    start_on(2);
    for (i = 1; i <= 50 || atomic_load(&bad_calls) < 4; i++) {
        put_many("good", 1);
        until(counts().completed == i);
    }
    ck_assert_int_eq(atomic_load(&failing_logs), 1);
    ck_assert_int_eq(atomic_load(&back_logs), 0);
    atomic_store(&bad_fails, 0);
    until(counts().completed == i);
    until(atomic_load(&back_logs) == 1);
    ck_assert_int_eq(atomic_load(&failing_logs), 1);
    ck_assert_uint_eq(counts().lost, 0);
}
END_TEST

/* A queue whose storage does not answer holds up no other: neither their claims
 * nor what they write back. */
START_TEST(half_hanging)
{
    int i;

    options.concurrency = 1;
    start_on(2);
    until(atomic_load(&failing_logs) == 1);
    atomic_store(&bad_hangs, 1);
    until(atomic_load(&hanging) == 1);
    for (i = 1; i <= 50; i++) {
        put_many("good", 1);
        until(counts().completed == (uint64_t)i);
    }
    put_many("good", 200);
    until(counts().completed == 250);
    ck_assert_int_eq(atomic_load(&hanging), 1);
    put_many("bad", 100);
    atomic_store(&bad_fails, 0);
    atomic_store(&bad_hangs, 0);
    until(counts().completed == 350);
    until(atomic_load(&back_logs) == 1);
    ck_assert_int_eq(atomic_load(&failing_logs), 1);
}
END_TEST

static atomic_int waits;

/* Always has news, which is allowed. */
static enum pawl_status restless_wait(struct pawl_storage *self,
                                      const struct pawl_wait *in,
                                      struct pawl_error *err)
{
    (void)self;
    (void)in;
    (void)err;
    atomic_fetch_add(&waits, 1);
    return PAWL_OK;
}

/* Nobody waits for news of a queue that fails: they could not be followed. */
START_TEST(failing_and_news)
{
    int before;

    faulty_ops.wait = restless_wait;
    start_on(1);
    until(atomic_load(&failing_logs) == 1);
    atomic_store(&bad_hangs, 1);
    until(atomic_load(&hanging) == 1);
    before = atomic_load(&waits);
    usleep(100000);
    ck_assert_int_le(atomic_load(&waits), before + 2);
    atomic_store(&bad_hangs, 0);
}
END_TEST

/* A renewal that failed is no news any more when nothing is left to renew. */
START_TEST(last_renewal_failed)
{
    int i;

    faulty_ops.renew = failing_renew;
    options.lease = 1000;
    atomic_store(&renew_fails, 1);
    start();
    for (i = 1; i <= 2; i++) {
        atomic_store(&open_gate, 0);
        atomic_store(&renewals, 0);
        put("stubborn");
        until(atomic_load(&renewals) >= 2);
        ck_assert_int_eq(atomic_load(&failing_logs), i);
        ck_assert_int_eq(atomic_load(&back_logs), i - 1);
        atomic_store(&open_gate, 1);
        until(atomic_load(&back_logs) == i);
    }
    ck_assert_uint_eq(counts().lost, 0);
}
END_TEST

static atomic_int sweeps, sweeps_since, sweeps_most;

/* Two of three queues are swept slowly, and in vain. */
static enum pawl_status slow_sweep(struct pawl_storage *self,
                                   const struct pawl_sweep *in,
                                   struct pawl_sweep_reply *out,
                                   struct pawl_error *err)
{
    if (strcmp(in->queue, "good") == 0)
        return memory_storage.sweep(self, in, out, err);
    usleep(500000); /* a renewal is due each third of a second */
    atomic_fetch_add(&sweeps, 1);
    if (atomic_fetch_add(&sweeps_since, 1) + 1 > atomic_load(&sweeps_most))
        atomic_store(&sweeps_most, atomic_load(&sweeps_since));
    *out = (struct pawl_sweep_reply){ 0 };
    return pawl_error_set(err, PAWL_EUNREACHABLE, "half is away");
}

static enum pawl_status timely_renew(struct pawl_storage *self,
                                      const struct pawl_renew *in,
                                      enum pawl_status *results, struct pawl_error *err)
{
    atomic_store(&sweeps_since, 0);
    return memory_storage.renew(self, in, results, err);
}

/* Sweeps that do not come back in time hold up no renewal of another queue. */
START_TEST(sweeps_do_not_end_leases)
{
    static const char *const queues[] = { "bad", "worse", "good" };
    struct pawl_new_job job = { .queue = "good", .type = "stubborn" };

    faulty_ops.sweep = slow_sweep;
    faulty_ops.renew = timely_renew;
    options.lease = 1000;
    options.queues = queues;
    options.queue_count = 3;
    ck_assert_int_eq(pawl_enqueue(pawl, &job, NULL, NULL), PAWL_OK);
    start();
    until(counts().running == 1);
    until(atomic_load(&sweeps) >= 2);
    atomic_store(&sweeps_most, 0);
    until(atomic_load(&sweeps) >= 10);
    ck_assert_int_le(atomic_load(&sweeps_most), 1);
    atomic_store(&open_gate, 1);
    until(counts().completed == 1);
    ck_assert_uint_eq(counts().lost, 0);
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
    tcase_add_test(t, stopped_while_two_are_away);
    tcase_add_test(t, half_away);
    tcase_add_test(t, half_hanging);
    tcase_add_test(t, failing_and_news);
    tcase_add_test(t, last_renewal_failed);
    tcase_add_test(t, sweeps_do_not_end_leases);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
