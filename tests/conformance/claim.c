/* claim.c - taking jobs: rules 27 to 31. */
#include "suite.h"

#include <string.h>

/* A claim says all that it changed (rule 27). */
START_TEST(claim_marks_the_job)
{
    struct pawl_id id = put_plain();
    pass(7);
    const struct pawl_job *job = claim_one();
    assert_id(job->id, id);
    ck_assert_str_eq(pawl_state_name(job->state), "processing");
    ck_assert_int_eq(job->attempt, 1);
    assert_count(job->epoch, 1);
    assert_time(job->started_at, START + 7);
    ck_assert_mem_eq(&job->owner, &owner_a, sizeof owner_a);
}
END_TEST

/* What is handed out is the whole job, as get then shows it (rule 27). */
START_TEST(claim_hands_out_the_whole_job)
{
    put_ok((struct pawl_new_job){ .type = "t",
                                  .key = "k",
                                  .group = "g",
                                  .payload = "bytes",
                                  .payload_size = 5,
                                  .timeout = 9,
                                  .ttl = 1000 });
    const struct pawl_job *job = claim_one();
    const struct pawl_job *seen = look(job->id);
    ck_assert_str_eq(job->queue, seen->queue);
    ck_assert_str_eq(job->type, "t");
    ck_assert_str_eq(job->key, "k");
    ck_assert_str_eq(job->group, "g");
    assert_count(job->payload_size, 5);
    ck_assert_mem_eq(job->payload, "bytes", 5);
    ck_assert_mem_eq(seen->payload, "bytes", 5);
    assert_time(job->timeout, 9);
    assert_time(job->expires_at, START + 1000);
    ck_assert_int_eq(seen->attempt, job->attempt);
    assert_count(seen->epoch, job->epoch);
    assert_time(seen->started_at, job->started_at);
    ck_assert_mem_eq(&seen->owner, &job->owner, sizeof job->owner);
}
END_TEST

/* A second claim counts on: attempt 2, epoch 2, the earlier error there (rules
 * 27, 43). */
START_TEST(second_claim_counts_on)
{
    put_plain();
    struct pawl_outcome retry = outcome_of(claim_one(), PAWL_OUTCOME_RETRY);
    retry.error = "first";
    enum pawl_status result;
    exchange_on(store, QUEUE, owner_a, &retry, &result, 1, 0);
    sweep();
    const struct pawl_job *job = claim_one();
    ck_assert_int_eq(job->attempt, 2);
    assert_count(job->epoch, 2);
    assert_count(job->error_count, 1);
    ck_assert_str_eq(job->errors[0].message, "first");
}
END_TEST

/* A claimed job is not claimed again while its lease lasts (rule 27). */
START_TEST(claimed_is_not_claimed_again)
{
    put_plain();
    claim_one();
    claim_none();
    assert_count(claim(owner_b, 10).count, 0);
}
END_TEST

/* An empty queue gives nothing, and that is OK (rule 28). */
START_TEST(nothing_to_claim)
{
    put_in(PAWL_COMPLETED, (struct pawl_new_job){ 0 });
    struct claims claims = claim(owner_a, 5);
    assert_count(claims.count, 0);
    ck_assert(!claims.paused);
    assert_time(claims.next_at, 0);
}
END_TEST

/* A queue that does not exist gives nothing and is not made (rule 6). */
START_TEST(unknown_queue_is_empty)
{
    struct pawl_error err = { 0 };
    struct pawl_stats *stats = NULL;
    assert_count(claim(owner_a, 5).count, 0);
    assert_status(storage_stats(store, QUEUE, &stats, &err), PAWL_NOT_FOUND);
}
END_TEST

/* No more than claim_max are handed out, and they are the first (rule 28). */
START_TEST(claim_max_is_the_most)
{
    struct pawl_id ids[10];
    put_many(10, ids);
    struct claims claims = claim(owner_a, 4);
    assert_count(claims.count, 4);
    for (int i = 0; i < 4; i++)
        assert_id(claims.jobs[i]->id, ids[i]);
    assert_count(count_in(PAWL_PENDING), 6);
}
END_TEST

/* With claim_max 0 nothing is claimed (rule 28). */
START_TEST(claim_max_zero)
{
    put_plain();
    assert_count(claim(owner_a, 0).count, 0);
    assert_count(count_in(PAWL_PENDING), 1);
}
END_TEST

/* A large claim is served whole (rule 28). */
START_TEST(large_claim)
{
    put_many(1000, NULL);
    assert_count(claim(owner_a, CLAIMS_MOST).count, 1000);
}
END_TEST

/* Only pending jobs are claimed, also when others are due (rules 23, 51). */
START_TEST(due_is_not_claimed_before_sweep)
{
    put_ok((struct pawl_new_job){ .delay = 10 });
    claim_none();
    pass(10);
    sweep();
    claim_one();
}
END_TEST

/* A pending job is claimed until the ms before its ttl is over; at it, it is
 * cancelled with the error "expired" (rule 29). */
START_TEST(expiry_to_the_millisecond)
{
    struct pawl_id kept = put_ok((struct pawl_new_job){ .ttl = 100 });
    struct pawl_id over = put_ok((struct pawl_new_job){ .ttl = 100 });
    pass(99);
    assert_id(claim_one()->id, kept);
    pass(1);
    claim_none();
    const struct pawl_job *job = look(over);
    ck_assert_str_eq(pawl_state_name(job->state), "cancelled");
    assert_time(job->finished_at, START + 100);
    ck_assert_int_eq(job->attempt, 0);
    assert_count(job->error_count, 1);
    ck_assert_str_eq(job->errors[0].message, "expired");
    assert_time(job->errors[0].at, START + 100);
}
END_TEST

/* Expired jobs are passed over and do not count towards claim_max (rule 29). */
START_TEST(expired_are_passed_over)
{
    for (int i = 0; i < 20; i++)
        put_ok((struct pawl_new_job){ .ttl = 1 });
    struct pawl_id good = put_plain();
    pass(1);
    struct claims claims = claim(owner_a, 1);
    assert_count(claims.count, 1);
    assert_id(claims.jobs[0]->id, good);
    assert_count(count_in(PAWL_CANCELLED), 20);
}
END_TEST

/* A call looks at no more than claim_max + 100 jobs (rule 29). */
START_TEST(expired_are_bounded)
{
    struct pawl_new_job jobs[150];
    struct pawl_put_result results[150];
    for (int i = 0; i < 150; i++)
        jobs[i] = normal((struct pawl_new_job){ .ttl = 1 });
    struct pawl_session session = { { 1 } };
    assert_status(put_as(session, 1, jobs, 150, results), PAWL_OK);
    put_plain();
    pass(1);
    struct claims claims = claim(owner_a, 1);
    assert_count(claims.count, 0);
    ck_assert(claims.more); /* or an idle worker would wait for its poll */
    assert_count(count_in(PAWL_CANCELLED), 101);
    claims = claim(owner_a, 2);
    assert_count(claims.count, 1);
    ck_assert(!claims.more);
    assert_count(count_in(PAWL_CANCELLED), 150);
}
END_TEST

/* A paused queue says so and gives nothing, until it is resumed (rules 30,
 * 68). */
START_TEST(paused_gives_nothing)
{
    put_plain();
    alter((struct pawl_alter){ .kind = PAWL_ALTER_PAUSE });
    struct claims claims = claim(owner_a, 1);
    assert_count(claims.count, 0);
    ck_assert(claims.paused);
    alter((struct pawl_alter){ .kind = PAWL_ALTER_RESUME });
    claims = claim(owner_a, 1);
    assert_count(claims.count, 1);
    ck_assert(!claims.paused);
}
END_TEST

/* Outcomes count while the queue is paused, and leases are renewed (rule 30). */
START_TEST(paused_takes_outcomes)
{
    put_plain();
    const struct pawl_job *job = claim_one();
    alter((struct pawl_alter){ .kind = PAWL_ALTER_PAUSE });
    assert_status(renew(job, LEASE), PAWL_OK);
    assert_status(write_kind(job, PAWL_OUTCOME_COMPLETED), PAWL_OK);
    assert_state(job->id, PAWL_COMPLETED);
}
END_TEST

/* Pausing one queue leaves the others alone (rule 30). */
START_TEST(pause_is_of_one_queue)
{
    put_plain();
    alter((struct pawl_alter){ .kind = PAWL_ALTER_PAUSE, .queue = "other" });
    claim_one();
}
END_TEST

/* next_at is the earliest run_at of scheduled and failed jobs (rule 31). */
START_TEST(next_at_is_the_earliest)
{
    put_ok((struct pawl_new_job){ .delay = 50 });
    assert_time(claim(owner_a, 1).next_at, START + 50);
    put_plain();
    struct pawl_outcome retry = outcome_of(claim_one(), PAWL_OUTCOME_RETRY);
    retry.delay = 20;
    enum pawl_status result;
    struct claims claims =
        exchange_on(store, QUEUE, owner_a, &retry, &result, 1, 0);
    assert_time(claims.next_at, START + 20);
}
END_TEST

/* Jobs of another queue are not claimed (rule 28). */
START_TEST(claims_are_of_one_queue)
{
    put_ok((struct pawl_new_job){ .queue = "other" });
    put_plain();
    struct claims claims = claim(owner_a, 5);
    assert_count(claims.count, 1);
    ck_assert_str_eq(claims.jobs[0]->queue, QUEUE);
}
END_TEST

TCase *topic_claim(void)
{
    TCase *t = topic("claim");
    tcase_add_test(t, claim_marks_the_job);
    tcase_add_test(t, claim_hands_out_the_whole_job);
    tcase_add_test(t, second_claim_counts_on);
    tcase_add_test(t, claimed_is_not_claimed_again);
    tcase_add_test(t, nothing_to_claim);
    tcase_add_test(t, unknown_queue_is_empty);
    tcase_add_test(t, claim_max_is_the_most);
    tcase_add_test(t, claim_max_zero);
    tcase_add_test(t, large_claim);
    tcase_add_test(t, due_is_not_claimed_before_sweep);
    tcase_add_test(t, expiry_to_the_millisecond);
    tcase_add_test(t, expired_are_passed_over);
    tcase_add_test(t, expired_are_bounded);
    tcase_add_test(t, paused_gives_nothing);
    tcase_add_test(t, paused_takes_outcomes);
    tcase_add_test(t, pause_is_of_one_queue);
    tcase_add_test(t, next_at_is_the_earliest);
    tcase_add_test(t, claims_are_of_one_queue);
    return t;
}
