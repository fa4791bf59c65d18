/* sweep.c - housekeeping: rules 51 to 55. */
#include "suite.h"

/* Due at run_at, not a ms before (rule 51). */
START_TEST(due_to_the_millisecond)
{
    struct pawl_id id = put_ok((struct pawl_new_job){ .delay = 100 });
    pass(99);
    assert_count(sweep().promoted, 0);
    assert_state(id, PAWL_SCHEDULED);
    pass(1);
    assert_count(sweep().promoted, 1);
    assert_state(id, PAWL_PENDING);
}
END_TEST

/* A failed job runs again at its time, attempt and errors kept (rule 51). */
START_TEST(failed_is_promoted)
{
    struct pawl_id id = put_in(PAWL_FAILED, (struct pawl_new_job){ 0 });
    pass(59999);
    assert_count(sweep().promoted, 0);
    pass(1);
    assert_count(sweep().promoted, 1);
    const struct pawl_job *job = look(id);
    ck_assert_str_eq(pawl_state_name(job->state), "pending");
    ck_assert_int_eq(job->attempt, 1);
    assert_time(job->run_at, START + 60000);
}
END_TEST

/* A job that comes due after its ttl is cancelled as expired (rule 51). */
START_TEST(expired_before_due)
{
    struct pawl_id over =
        put_ok((struct pawl_new_job){ .delay = 100, .ttl = 100 });
    struct pawl_id good =
        put_ok((struct pawl_new_job){ .delay = 100, .ttl = 101 });
    pass(100);
    struct pawl_sweep_reply reply = sweep();
    assert_count(reply.promoted, 1);
    assert_count(reply.expired, 1);
    assert_state(good, PAWL_PENDING);
    const struct pawl_job *job = look(over);
    ck_assert_str_eq(pawl_state_name(job->state), "cancelled");
    assert_time(job->finished_at, START + 100);
    assert_count(job->error_count, 1);
    ck_assert_str_eq(job->errors[0].message, "expired");
}
END_TEST

/* A ttl that is over before run_at waits for run_at (rule 51). */
START_TEST(expiry_waits_for_run_at)
{
    struct pawl_id id = put_ok((struct pawl_new_job){ .delay = 100, .ttl = 10 });
    pass(50);
    assert_count(sweep().expired, 0);
    assert_state(id, PAWL_SCHEDULED);
    pass(50);
    assert_count(sweep().expired, 1);
}
END_TEST

/* Every kind of work in one call, each counted (rules 51 to 55). */
START_TEST(everything_in_one_call)
{
    retention.completed.count = 1;
    put_in(PAWL_COMPLETED, (struct pawl_new_job){ 0 });
    put_in(PAWL_DEAD, (struct pawl_new_job){ 0 });
    put_plain();
    claim_one();
    put_ok((struct pawl_new_job){ .delay = 5 });
    put_ok((struct pawl_new_job){ .delay = 6, .ttl = 3 });
    put_ok((struct pawl_new_job){ .delay = 7 * LEASE });
    retention.dead.age = 1000;
    pass(LEASE);
    struct pawl_sweep_reply reply = sweep();
    assert_count(reply.promoted, 1);
    assert_count(reply.expired, 1);
    assert_count(reply.recovered, 1);
    assert_count(reply.killed, 0);
    assert_count(reply.removed, 1);
    ck_assert(!reply.more);
    assert_time(reply.next_at, START + 7 * LEASE);
}
END_TEST

/* A second sweep at the same time finds nothing (rule 55). */
START_TEST(second_sweep_does_nothing)
{
    put_ok((struct pawl_new_job){ .delay = 5 });
    put_in(PAWL_PROCESSING, (struct pawl_new_job){ 0 });
    pass(LEASE);
    sweep();
    struct pawl_sweep_reply reply = sweep();
    assert_count(reply.promoted + reply.recovered + reply.killed +
                     reply.expired + reply.removed, 0);
    ck_assert(!reply.more);
    assert_time(reply.next_at, 0);
}
END_TEST

/* The limit bounds promotion; more says so, and going on does the rest (rule
 * 54). */
START_TEST(promotion_is_bounded)
{
    for (int i = 0; i < 25; i++)
        put_ok((struct pawl_new_job){ .delay = 5 });
    pass(5);
    struct pawl_sweep_reply reply = sweep_some(10);
    ck_assert_uint_ge(reply.promoted, 1);
    ck_assert_uint_lt(reply.promoted, 25);
    ck_assert(reply.more);
    size_t promoted = reply.promoted;
    while (reply.more) {
        reply = sweep_some(10);
        promoted += reply.promoted;
    }
    assert_count(promoted, 25);
    assert_count(count_in(PAWL_PENDING), 25);
}
END_TEST

/* So is taking back (rule 54). */
START_TEST(recovery_is_bounded)
{
    put_many(25, NULL);
    assert_count(claim(owner_a, 25).count, 25);
    pass(LEASE);
    struct pawl_sweep_reply reply = sweep_some(10);
    ck_assert(reply.more);
    size_t recovered = reply.recovered;
    while (reply.more) {
        reply = sweep_some(10);
        recovered += reply.recovered;
    }
    assert_count(recovered, 25);
    assert_count(count_in(PAWL_PENDING), 25);
}
END_TEST

/* So is removing (rule 54). */
START_TEST(removal_is_bounded)
{
    put_many(25, NULL);
    struct claims claims = claim(owner_a, 25);
    for (size_t i = 0; i < claims.count; i++)
        write_kind(claims.jobs[i], PAWL_OUTCOME_DEAD);
    retention.dead.age = 10;
    pass(10);
    struct pawl_sweep_reply reply = sweep_some(10);
    ck_assert(reply.more);
    size_t removed = reply.removed;
    while (reply.more) {
        reply = sweep_some(10);
        removed += reply.removed;
    }
    assert_count(removed, 25);
    assert_count(count_in(PAWL_DEAD), 0);
}
END_TEST

/* A queue that does not exist is swept without a word, and not made (rule 6). */
START_TEST(unknown_queue)
{
    struct pawl_sweep_reply reply = sweep();
    ck_assert(!reply.more);
    assert_time(reply.next_at, 0);
    assert_count(stats_all()->queue_count, 0);
}
END_TEST

/* Another queue's jobs are left alone (rule 1). */
START_TEST(one_queue_only)
{
    struct pawl_id id = put_ok((struct pawl_new_job){ .queue = "other", .delay = 5 });
    put_plain();
    pass(5);
    assert_count(sweep().promoted, 0);
    assert_state(id, PAWL_SCHEDULED);
}
END_TEST

/* A paused queue is swept like any other (rules 30, 51). */
START_TEST(paused_is_swept)
{
    put_ok((struct pawl_new_job){ .delay = 5 });
    alter((struct pawl_alter){ .kind = PAWL_ALTER_PAUSE });
    pass(5);
    assert_count(sweep().promoted, 1);
}
END_TEST

TCase *topic_sweep(void)
{
    TCase *t = topic("sweep");
    tcase_add_test(t, due_to_the_millisecond);
    tcase_add_test(t, failed_is_promoted);
    tcase_add_test(t, expired_before_due);
    tcase_add_test(t, expiry_waits_for_run_at);
    tcase_add_test(t, everything_in_one_call);
    tcase_add_test(t, second_sweep_does_nothing);
    tcase_add_test(t, promotion_is_bounded);
    tcase_add_test(t, recovery_is_bounded);
    tcase_add_test(t, removal_is_bounded);
    tcase_add_test(t, unknown_queue);
    tcase_add_test(t, one_queue_only);
    tcase_add_test(t, paused_is_swept);
    return t;
}
