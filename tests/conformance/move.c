/* move.c - handing jobs over to another storage: rules 80 to 88. */
#include "handover.h"

#include <string.h>

/* --- hold -------------------------------------------------------------------------- */

/* A held job is handed over as it was, and is nothing to workers (rules 80,
 * 83). */
START_TEST(held_is_out_of_reach)
{
    struct pawl_id id = put_plain();
    struct taken taken = hold(ANY, 10);
    assert_count(taken.count, 1);
    assert_id(taken.jobs[0]->id, id);
    ck_assert_int_eq(taken.jobs[0]->state, PAWL_PENDING);
    assert_state(id, PAWL_HELD);
    assert_count(count_in(PAWL_HELD), 1);
    assert_count(count_in(PAWL_PENDING), 0);
    claim_none();
}
END_TEST

/* The job comes with its past (rule 80). */
START_TEST(handed_over_whole)
{
    struct pawl_id id = put_ok((struct pawl_new_job){ .type = "send",
                                                      .payload = "a\0b",
                                                      .payload_size = 3,
                                                      .group = "g" });
    const struct pawl_job *claimed = claim_one();
    struct pawl_outcome outcome = outcome_of(claimed, PAWL_OUTCOME_RETRY);
    outcome.delay = 500;
    outcome.error = "broke";
    write_back(claimed, outcome);
    const struct pawl_job *job = hold(ANY, 1).jobs[0];
    assert_id(job->id, id);
    ck_assert_int_eq(job->state, PAWL_FAILED);
    ck_assert_int_eq(job->attempt, 1);
    assert_count(job->epoch, 1);
    ck_assert_str_eq(job->type, "send");
    ck_assert_str_eq(job->group, "g");
    ck_assert_mem_eq(job->payload, "a\0b", 3);
    assert_count(job->error_count, 1);
    ck_assert_str_eq(job->errors[0].message, "broke");
    assert_time(job->run_at, now() + 500);
    ck_assert(memcmp(&job->owner, &(struct pawl_owner){ 0 }, 16) == 0);
}
END_TEST

/* States go in the order of their numbers, each in list's, finished ones oldest
 * first; list of the held has the order of holding (rules 81, 84). */
START_TEST(order_of_holding)
{
    struct pawl_job *listed[CLAIMS_MOST];
    struct pawl_id want[8];
    want[4] = put_in(PAWL_COMPLETED, (struct pawl_new_job){ 0 });
    want[5] = put_in(PAWL_COMPLETED, (struct pawl_new_job){ 0 });
    want[7] = put_in(PAWL_CANCELLED, (struct pawl_new_job){ 0 });
    want[6] = put_in(PAWL_DEAD, (struct pawl_new_job){ 0 });
    want[3] = put_in(PAWL_FAILED, (struct pawl_new_job){ 0 });
    want[2] = put_ok((struct pawl_new_job){ .priority = 7 });
    want[1] = put_ok((struct pawl_new_job){ .priority = 2 });
    want[0] = put_in(PAWL_SCHEDULED, (struct pawl_new_job){ 0 });
    struct taken taken = hold(ANY, 100);
    assert_count(taken.count, 8);
    assert_count(list_all(QUEUE, PAWL_HELD, NULL, 3, listed), 8);
    for (int i = 0; i < 8; i++) {
        assert_id(taken.jobs[i]->id, want[i]);
        assert_id(listed[i]->id, want[i]);
    }
}
END_TEST

/* Only the states asked for (rule 81). */
START_TEST(hold_passes_over_other_states)
{
    struct pawl_id busy = put_in(PAWL_PROCESSING, (struct pawl_new_job){ 0 });
    struct pawl_id later = put_in(PAWL_SCHEDULED, (struct pawl_new_job){ 0 });
    struct pawl_id id = put_plain();
    struct taken taken = hold(BIT(PAWL_PENDING) | BIT(PAWL_FAILED), 10);
    assert_count(taken.count, 1);
    assert_id(taken.jobs[0]->id, id);
    assert_state(busy, PAWL_PROCESSING);
    assert_state(later, PAWL_SCHEDULED);
}
END_TEST

/* Asking again hands over the same first, in the same order, then more; within
 * the limit (rule 82). */
START_TEST(hold_again)
{
    struct pawl_id ids[4];
    put_many(4, ids);
    struct pawl_id first = put_ok((struct pawl_new_job){ .priority = 1 });
    hold(ANY, 1);
    hold(ANY, 3);
    struct taken taken = hold(ANY, 2);
    assert_count(taken.count, 2);
    assert_id(taken.jobs[0]->id, first);
    assert_id(taken.jobs[1]->id, ids[0]);
    assert_count(count_in(PAWL_HELD), 3);
    taken = hold(ANY, 4);
    assert_count(taken.count, 4);
    assert_id(taken.jobs[2]->id, ids[1]);
    assert_id(taken.jobs[3]->id, ids[2]);
    ck_assert_int_eq(taken.jobs[0]->state, PAWL_PENDING);
    /* Of what it has, also without naming a state. */
    assert_count(hold(0, 100).count, 4);
}
END_TEST

/* What one mover holds is nothing to another (rules 82, 85, 86). */
START_TEST(movers_are_apart)
{
    struct pawl_id id = put_plain();
    hold(ANY, 10);
    assert_count(hold_in(QUEUE, mover_2, ANY, 10).count, 0);
    assert_status(settle(PAWL_TAKE_CONFIRM, mover_2, id), PAWL_NOT_FOUND);
    assert_status(settle(PAWL_TAKE_RELEASE, mover_2, id), PAWL_NOT_FOUND);
    assert_state(id, PAWL_HELD);
    assert_status(release(id), PAWL_OK);
}
END_TEST

/* A queue that does not exist holds nothing, and is not made (rule 88). */
START_TEST(no_queue_no_jobs)
{
    put_plain();
    assert_count(hold_in("other", mover_1, ANY, 10).count, 0);
    assert_count(stats_all()->queue_count, 1);
}
END_TEST

/* Time does nothing to the held: they are not promoted, do not expire and are
 * not over age (rule 83). */
START_TEST(held_is_out_of_time)
{
    retention.completed.age = 100;
    struct pawl_id done = put_in(PAWL_COMPLETED, (struct pawl_new_job){ 0 });
    struct pawl_id later = put_ok((struct pawl_new_job){ .delay = 10 });
    struct pawl_id old = put_ok((struct pawl_new_job){ .ttl = 10 });
    assert_count(hold(ANY, 10).count, 3);
    pass(1000);
    struct pawl_sweep_reply reply = sweep();
    assert_count(reply.promoted + reply.expired + reply.removed, 0);
    assert_time(reply.next_at, 0);
    claim_none();
    assert_state(done, PAWL_HELD);
    assert_state(later, PAWL_HELD);
    assert_state(old, PAWL_HELD);
}
END_TEST

/* An operator cannot reach them either (rule 83). */
START_TEST(held_is_not_altered)
{
    static const enum pawl_alter_kind kinds[] = {
        PAWL_ALTER_RUN, PAWL_ALTER_CANCEL, PAWL_ALTER_REMOVE,
        PAWL_ALTER_REPRIORITISE
    };
    struct pawl_id id = put_plain();
    hold(ANY, 10);
    for (int i = 0; i < 4; i++) {
        struct pawl_alter what = { .kind = kinds[i],
                                   .from_states = ANY | BIT(PAWL_HELD),
                                   .priority = 1,
                                   .ids = &id,
                                   .id_count = 1 };
        assert_status(alter(what).results[0], PAWL_WRONG_STATE);
        what.ids = NULL;
        what.id_count = 0;
        assert_count(alter(what).changed, 0);
    }
    assert_state(id, PAWL_HELD);
}
END_TEST

/* A held job keeps its reject key, but no longer than its ttl (rules 18, 83). */
START_TEST(held_keeps_its_key)
{
    struct pawl_id id = put_ok((struct pawl_new_job){ .key = "k", .key_ttl = 100 });
    hold(ANY, 10);
    pass(99);
    assert_key_taken_by(put((struct pawl_new_job){ .key = "k" }), id);
    pass(1);
    put_ok((struct pawl_new_job){ .key = "k" });
}
END_TEST

/* A held job's id is there (rules 10, 83). */
START_TEST(held_is_a_duplicate)
{
    struct pawl_id id = put_plain();
    hold(ANY, 10);
    assert_status(put((struct pawl_new_job){ .id = id }).status, PAWL_DUPLICATE);
    assert_status(bring((struct pawl_job){ .id = id }).status, PAWL_DUPLICATE);
}
END_TEST

/* --- confirm ----------------------------------------------------------------------- */

/* The job is gone with its reject key; once more finds nothing (rule 85). */
START_TEST(confirm_deletes)
{
    struct pawl_id id = put_ok((struct pawl_new_job){ .key = "k" });
    hold(ANY, 10);
    assert_status(confirm(id), PAWL_OK);
    assert_gone(id);
    assert_status(confirm(id), PAWL_NOT_FOUND);
    put_ok((struct pawl_new_job){ .key = "k" });
}
END_TEST

/* A throttle outlives it (rules 19, 85). */
START_TEST(confirm_leaves_throttle)
{
    struct pawl_new_job job = { .key = "k", .key_mode = PAWL_KEY_THROTTLE,
                                .key_ttl = 100 };
    struct pawl_id id = put_ok(job);
    hold(ANY, 10);
    assert_status(confirm(id), PAWL_OK);
    pass(99);
    assert_key_taken_by(put(job), id);
    pass(1);
    put_ok(job);
}
END_TEST

/* Confirming leaves a key alone that another took after its ttl (rules 21,
 * 85). */
START_TEST(confirm_leaves_the_new_holder)
{
    struct pawl_id id = put_ok((struct pawl_new_job){ .key = "k", .key_ttl = 100 });
    hold(ANY, 10);
    pass(100);
    struct pawl_id other = put_ok((struct pawl_new_job){ .key = "k" });
    assert_status(confirm(id), PAWL_OK);
    assert_key_taken_by(put((struct pawl_new_job){ .key = "k" }), other);
}
END_TEST

/* The put of a job that has moved on, sent again, stores nothing (rules 13,
 * 85). */
START_TEST(confirmed_is_not_put_again)
{
    struct pawl_new_job job = normal((struct pawl_new_job){ 0 });
    struct pawl_put_result result;
    put_as(mover_2, 1, &job, 1, &result);
    hold(ANY, 10);
    assert_status(confirm(job.id), PAWL_OK);
    assert_status(put_as(mover_2, 1, &job, 1, &result), PAWL_OK);
    assert_status(result.status, PAWL_OK);
    assert_gone(job.id);
}
END_TEST

/* Neither finds what is not held (rules 85, 86). */
START_TEST(only_held_is_settled)
{
    struct pawl_id id = put_plain();
    assert_status(confirm(id), PAWL_NOT_FOUND);
    assert_status(release(id), PAWL_NOT_FOUND);
    assert_status(confirm(new_id(QUEUE)), PAWL_NOT_FOUND);
    assert_state(id, PAWL_PENDING);
}
END_TEST

/* --- release ----------------------------------------------------------------------- */

/* Pending jobs get back into their places, whoever came meanwhile and in
 * whichever order they come back (rule 86). */
START_TEST(released_pending_has_its_place)
{
    struct pawl_id ids[3];
    put_many(3, ids);
    hold(ANY, 2);
    struct pawl_id late = put_plain();
    assert_status(release(ids[1]), PAWL_OK);
    assert_status(release(ids[0]), PAWL_OK);
    assert_status(release(ids[0]), PAWL_NOT_FOUND);
    for (int i = 0; i < 3; i++)
        run_next(ids[i]);
    run_next(late);
}
END_TEST

/* Scheduled and failed ones have their time (rule 86). */
START_TEST(released_has_its_time)
{
    struct pawl_id failed = put_in(PAWL_FAILED, (struct pawl_new_job){ 0 });
    pass(1);
    struct pawl_id later = put_in(PAWL_SCHEDULED, (struct pawl_new_job){ 0 });
    hold(ANY, 10);
    release(later);
    release(failed);
    assert_state(later, PAWL_SCHEDULED);
    assert_state(failed, PAWL_FAILED);
    assert_time(sweep().next_at, now() - 1 + 60000);
    pass(60000);
    assert_count(sweep().promoted, 2);
    run_next(failed);
    run_next(later);
}
END_TEST

/* Finished ones are as old as they were, and are not counted again (rules 74,
 * 86). */
START_TEST(released_finished_is_not_newer)
{
    struct pawl_id first = put_in(PAWL_COMPLETED, (struct pawl_new_job){ 0 });
    hold(ANY, 10);
    struct pawl_id second = put_in(PAWL_COMPLETED, (struct pawl_new_job){ 0 });
    assert_status(release(first), PAWL_OK);
    assert_count(stats_of(QUEUE)->completed_total, 2);
    retention.completed.count = 1;
    assert_count(sweep().removed, 1);
    assert_gone(first);
    assert_state(second, PAWL_COMPLETED);
}
END_TEST

/* What is released or brought in wakes (rules 77, 96). */
START_TEST(release_and_bring_in_wake)
{
    struct pawl_id id = put_plain();
    hold(ANY, 10);
    claim_none();
    assert_wakes();
    assert_status(release(id), PAWL_OK);
    assert_wakes();
    bring_ok((struct pawl_job){ 0 });
    assert_wakes();
}
END_TEST

TCase *topic_move(void)
{
    TCase *t = topic("move");
    tcase_add_test(t, held_is_out_of_reach);
    tcase_add_test(t, handed_over_whole);
    tcase_add_test(t, order_of_holding);
    tcase_add_test(t, hold_passes_over_other_states);
    tcase_add_test(t, hold_again);
    tcase_add_test(t, movers_are_apart);
    tcase_add_test(t, no_queue_no_jobs);
    tcase_add_test(t, held_is_out_of_time);
    tcase_add_test(t, held_is_not_altered);
    tcase_add_test(t, held_keeps_its_key);
    tcase_add_test(t, held_is_a_duplicate);
    tcase_add_test(t, confirm_deletes);
    tcase_add_test(t, confirm_leaves_throttle);
    tcase_add_test(t, confirm_leaves_the_new_holder);
    tcase_add_test(t, confirmed_is_not_put_again);
    tcase_add_test(t, only_held_is_settled);
    tcase_add_test(t, released_pending_has_its_place);
    tcase_add_test(t, released_has_its_time);
    tcase_add_test(t, released_finished_is_not_newer);
    tcase_add_test(t, release_and_bring_in_wake);
    return t;
}
