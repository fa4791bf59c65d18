/* bring.c - taking jobs over from another storage: rules 89 to 96. */
#include "handover.h"

/* A job keeps all that it was (rule 89). */
START_TEST(brought_whole)
{
    struct pawl_job_error errors[12];
    for (int i = 0; i < 12; i++)
        errors[i] = (struct pawl_job_error){ START - 100 + i, i, i < 11 ? "e" : "f" };
    struct pawl_job in = whole((struct pawl_job){
        .state = PAWL_FAILED, .type = "send", .key = "k", .group = "g",
        .key_ttl = 60000, .timeout = 77, .priority = 3, .attempt = 2,
        .max_attempts = 9, .crashes = 1, .epoch = 41, .cancel_requested = true,
        .backoff = { .kind = PAWL_BACKOFF_FIXED, .delay = 123, .cap = 456 },
        .enqueued_at = START - 1000, .run_at = START + 5, .started_at = START - 500,
        .expires_at = START + 9000, .payload = "p\0q", .payload_size = 3,
        .errors = errors, .error_count = 12 });
    bring_ok(in);
    const struct pawl_job *job = look(in.id);
    ck_assert_int_eq(job->state, PAWL_FAILED);
    ck_assert_str_eq(job->type, "send");
    ck_assert_str_eq(job->key, "k");
    ck_assert_str_eq(job->group, "g");
    assert_time(job->key_ttl, 60000);
    assert_time(job->timeout, 77);
    ck_assert_int_eq(job->priority, 3);
    ck_assert_int_eq(job->attempt, 2);
    ck_assert_int_eq(job->max_attempts, 9);
    ck_assert_int_eq(job->crashes, 1);
    assert_count(job->epoch, 41);
    ck_assert(!job->cancel_requested);
    ck_assert_int_eq(job->backoff.kind, PAWL_BACKOFF_FIXED);
    assert_time(job->backoff.delay, 123);
    assert_time(job->enqueued_at, START - 1000);
    assert_time(job->run_at, START + 5);
    assert_time(job->started_at, START - 500);
    assert_time(job->expires_at, START + 9000);
    ck_assert_mem_eq(job->payload, "p\0q", 3);
    assert_count(job->error_count, PAWL_ERRORS_KEPT);
    assert_time(job->errors[0].at, START - 98);
    ck_assert_str_eq(job->errors[9].message, "f");
}
END_TEST

/* Pending ones go to the tail of their lane in the order of the array, and run
 * on from where they were (rules 27, 90). */
START_TEST(brought_to_the_tail)
{
    struct pawl_id first = put_plain();
    struct pawl_put_result results[3];
    struct pawl_job jobs[3] = {
        whole((struct pawl_job){ .epoch = 7, .attempt = 1 }),
        whole((struct pawl_job){ 0 }),
        whole((struct pawl_job){ .priority = 1 }),
    };
    assert_status(bring_as(1, jobs, 3, results), PAWL_OK);
    run_next(jobs[2].id);
    run_next(first);
    const struct pawl_job *job = claim_one();
    assert_id(job->id, jobs[0].id);
    assert_count(job->epoch, 8);
    ck_assert_int_eq(job->attempt, 2);
    assert_status(write_kind(job, PAWL_OUTCOME_COMPLETED), PAWL_OK);
    run_next(jobs[1].id);
}
END_TEST

/* A finished one is the latest of its state, with result and time; the state's
 * total counts it, failed_total does not (rule 91). */
START_TEST(brought_finished)
{
    struct pawl_job *listed[CLAIMS_MOST];
    put_in(PAWL_DEAD, (struct pawl_new_job){ 0 });
    struct pawl_id dead = bring_ok((struct pawl_job){
        .state = PAWL_DEAD, .finished_at = START - 5000 });
    struct pawl_id done = bring_ok((struct pawl_job){ .state = PAWL_COMPLETED,
                                                      .finished_at = START - 9,
                                                      .result = "r",
                                                      .result_size = 1 });
    assert_count(list_all(QUEUE, PAWL_DEAD, NULL, 10, listed), 2);
    assert_id(listed[0]->id, dead);
    assert_time(look(dead)->finished_at, START - 5000);
    assert_count(look(done)->result_size, 1);
    assert_count(stats_of(QUEUE)->dead_total, 2);
    assert_count(stats_of(QUEUE)->completed_total, 1);
    assert_count(stats_of(QUEUE)->failed_total, 1);
}
END_TEST

/* The same call again gets the same replies, whatever became of the jobs (rules
 * 13, 92). */
START_TEST(bring_in_again)
{
    struct pawl_id holder = put_ok((struct pawl_new_job){ .key = "k" });
    struct pawl_put_result first[3], again[3];
    struct pawl_job jobs[3] = { whole((struct pawl_job){ 0 }),
                                whole((struct pawl_job){ .key = "k" }) };
    jobs[2] = jobs[0];
    assert_status(bring_as(1, jobs, 3, first), PAWL_OK);
    assert_status(first[0].status, PAWL_OK);
    assert_key_taken_by(first[1], holder);
    assert_status(first[2].status, PAWL_DUPLICATE);
    alter_one(PAWL_ALTER_REMOVE, jobs[0].id);
    alter_one(PAWL_ALTER_REMOVE, holder);
    store = instance_open();
    assert_status(bring_as(1, jobs, 3, again), PAWL_OK);
    for (int i = 0; i < 3; i++) {
        assert_status(again[i].status, first[i].status);
        assert_id(again[i].id, first[i].id);
    }
    assert_gone(jobs[0].id);
    assert_gone(jobs[1].id);
}
END_TEST

/* Puts and bringing in count as one (rules 14, 92). */
START_TEST(one_count_with_put)
{
    struct pawl_put_result result;
    struct pawl_job job = whole((struct pawl_job){ 0 });
    struct pawl_new_job other = normal((struct pawl_new_job){ .id = job.id });
    assert_status(bring_as(1, &job, 1, &result), PAWL_OK);
    alter_one(PAWL_ALTER_REMOVE, job.id);
    assert_status(put_as(mover_1, 1, &other, 1, &result), PAWL_OK);
    assert_status(result.status, PAWL_OK);
    assert_gone(job.id);
    for (uint64_t seq = 2; seq <= 40; seq++) {
        other = normal((struct pawl_new_job){ 0 });
        put_as(mover_1, seq, &other, 1, &result);
    }
    enum pawl_status status = bring_as(1, &job, 1, &result);
    if (status != PAWL_ETOOOLD)
        assert_status(status, PAWL_OK);
    assert_gone(job.id);
}
END_TEST

/* A live job takes its reject key, from its first enqueueing on (rule 93). */
START_TEST(brought_reject_key)
{
    struct pawl_job job = { .key = "k", .key_ttl = 100,
                            .enqueued_at = START - 60 };
    struct pawl_id id = bring_ok(job);
    assert_key_taken_by(bring(job), id);
    pass(39);
    assert_key_taken_by(put((struct pawl_new_job){ .key = "k" }), id);
    pass(1);
    struct pawl_id other = put_ok((struct pawl_new_job){ .key = "k" });
    /* Its time is over: it asks for nothing, and takes nothing. */
    bring_ok(job);
    assert_key_taken_by(put((struct pawl_new_job){ .key = "k" }), other);
}
END_TEST

/* A finished one needs no reject key (rule 93). */
START_TEST(brought_finished_takes_no_key)
{
    struct pawl_job job = { .state = PAWL_DEAD, .finished_at = START, .key = "k" };
    struct pawl_id id = bring_ok(job);
    struct pawl_id other = put_ok((struct pawl_new_job){ .key = "k" });
    bring_ok(job);
    assert_status(alter_one(PAWL_ALTER_RUN, id), PAWL_KEY_TAKEN);
    alter_one(PAWL_ALTER_REMOVE, other);
    assert_status(alter_one(PAWL_ALTER_RUN, id), PAWL_OK);
    assert_key_taken_by(put((struct pawl_new_job){ .key = "k" }), id);
}
END_TEST

/* A throttle runs from the first enqueueing, in any state (rule 94). */
START_TEST(brought_throttle)
{
    struct pawl_job job = { .state = PAWL_COMPLETED, .key = "k",
                            .key_mode = PAWL_KEY_THROTTLE, .key_ttl = 100,
                            .enqueued_at = START - 60, .finished_at = START };
    struct pawl_id id = bring_ok(job);
    assert_key_taken_by(bring(job), id);
    pass(39);
    assert_key_taken_by(put((struct pawl_new_job){ .key = "k" }), id);
    pass(1);
    put_ok((struct pawl_new_job){ .key = "k" });
    bring_ok(job);
}
END_TEST

/* A job that comes back finds the throttle it left behind its own (rule 94). */
START_TEST(back_again)
{
    struct pawl_id id = put_ok((struct pawl_new_job){
        .key = "k", .key_mode = PAWL_KEY_THROTTLE, .key_ttl = 100 });
    const struct pawl_job *job = hold(ANY, 10).jobs[0];
    assert_status(confirm(id), PAWL_OK);
    bring_ok(*job);
    assert_state(id, PAWL_PENDING);
    pass(99);
    assert_key_taken_by(put((struct pawl_new_job){ .key = "k" }), id);
    pass(1);
    put_ok((struct pawl_new_job){ .key = "k" });
}
END_TEST

TCase *topic_bring(void)
{
    TCase *t = topic("bring");
    tcase_add_test(t, brought_whole);
    tcase_add_test(t, brought_to_the_tail);
    tcase_add_test(t, brought_finished);
    tcase_add_test(t, bring_in_again);
    tcase_add_test(t, one_count_with_put);
    tcase_add_test(t, brought_reject_key);
    tcase_add_test(t, brought_finished_takes_no_key);
    tcase_add_test(t, brought_throttle);
    tcase_add_test(t, back_again);
    return t;
}
