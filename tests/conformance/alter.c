/* alter.c - an operator's moves: rules 61 to 68. */
#include "suite.h"

static const struct pawl_new_job plain;

/* RUN of a dead job: pending, due now, counted from the start, its errors kept
 * (rule 63). */
START_TEST(run_starts_afresh)
{
    put_plain();
    const struct pawl_job *job = claim_one();
    struct pawl_outcome outcome = outcome_of(job, PAWL_OUTCOME_DEAD);
    outcome.error = "bad";
    write_back(job, outcome);
    pass(100);
    assert_status(alter_one(PAWL_ALTER_RUN, job->id), PAWL_OK);
    const struct pawl_job *seen = look(job->id);
    ck_assert_str_eq(pawl_state_name(seen->state), "pending");
    assert_time(seen->run_at, START + 100);
    assert_time(seen->finished_at, 0);
    ck_assert_int_eq(seen->attempt, 0);
    ck_assert_int_eq(seen->crashes, 0);
    assert_count(seen->epoch, 1);
    assert_count(seen->error_count, 1);
    const struct pawl_job *again = claim_one();
    ck_assert_int_eq(again->attempt, 1);
    assert_count(again->epoch, 2);
}
END_TEST

/* Without fresh_start attempt and crashes stay (rule 63). */
START_TEST(run_may_count_on)
{
    struct pawl_id id = put_plain();
    claim_one();
    pass(LEASE);
    sweep();
    write_kind(claim_one(), PAWL_OUTCOME_RETRY);
    struct pawl_alter what = { .kind = PAWL_ALTER_RUN,
                               .from_states = PROMOTE_FROM,
                               .ids = &id,
                               .id_count = 1 };
    assert_status(alter(what).results[0], PAWL_OK);
    const struct pawl_job *job = look(id);
    ck_assert_str_eq(pawl_state_name(job->state), "pending");
    ck_assert_int_eq(job->attempt, 1);
    ck_assert_int_eq(job->crashes, 1);
}
END_TEST

/* RUN drops the result of a completed job, where it is allowed (rule 63). */
START_TEST(run_drops_the_result)
{
    put_plain();
    const struct pawl_job *job = claim_one();
    struct pawl_outcome outcome = outcome_of(job, PAWL_OUTCOME_COMPLETED);
    outcome.result = "old";
    outcome.result_size = 3;
    write_back(job, outcome);
    struct pawl_alter what = { .kind = PAWL_ALTER_RUN,
                               .from_states = BIT(PAWL_COMPLETED),
                               .ids = &job->id,
                               .id_count = 1 };
    assert_status(alter(what).results[0], PAWL_OK);
    assert_count(look(job->id)->result_size, 0);
}
END_TEST

/* RUN goes to the tail (rules 24, 63). */
START_TEST(run_goes_to_the_tail)
{
    struct pawl_id dead = put_in(PAWL_DEAD, plain);
    struct pawl_id waiting = put_plain();
    assert_status(alter_one(PAWL_ALTER_RUN, dead), PAWL_OK);
    assert_id(claim_one()->id, waiting);
    assert_id(claim_one()->id, dead);
}
END_TEST

/* RUN in a state that is not named is WRONG_STATE and changes nothing (rule
 * 62). */
START_TEST(run_of_wrong_states)
{
    static const enum pawl_state states[] = { PAWL_PROCESSING, PAWL_COMPLETED,
                                              PAWL_SCHEDULED, PAWL_PENDING };
    for (int i = 0; i < 4; i++) {
        struct pawl_id id = put_in(states[i], plain);
        assert_status(alter_one(PAWL_ALTER_RUN, id), PAWL_WRONG_STATE);
        assert_state(id, states[i]);
    }
}
END_TEST

/* CANCEL from each waiting state: cancelled, finished now (rule 64). */
START_TEST(cancel)
{
    static const enum pawl_state states[] = { PAWL_SCHEDULED, PAWL_FAILED,
                                              PAWL_PENDING };
    for (int i = 0; i < 3; i++) {
        struct pawl_id id = put_in(states[i], plain);
        pass(1);
        assert_status(alter_one(PAWL_ALTER_CANCEL, id), PAWL_OK);
        const struct pawl_job *job = look(id);
        ck_assert_str_eq(pawl_state_name(job->state), "cancelled");
        assert_time(job->finished_at, now());
        assert_count(job->error_count, 0);
    }
}
END_TEST

/* CANCEL of a processing job asks: it goes on, and shows it (rule 64). */
START_TEST(cancel_asks)
{
    struct pawl_id id = put_in(PAWL_PROCESSING, plain);
    struct pawl_alter what = { .kind = PAWL_ALTER_CANCEL,
                               .from_states = CANCEL_FROM,
                               .ids = &id,
                               .id_count = 1 };
    struct pawl_alter_reply reply = alter(what);
    assert_status(reply.results[0], PAWL_OK);
    assert_count(reply.changed, 1);
    const struct pawl_job *job = look(id);
    ck_assert_str_eq(pawl_state_name(job->state), "processing");
    ck_assert(job->cancel_requested);
    reply = alter(what);
    assert_status(reply.results[0], PAWL_OK);
    assert_count(reply.changed, 0);
}
END_TEST

/* A request to cancel does not outlive its job: run again, it is gone, and a new
 * claim begins without it (rules 27, 63). */
START_TEST(request_ends_with_the_claim)
{
    struct pawl_id id = put_in(PAWL_PROCESSING, plain);
    alter_one(PAWL_ALTER_CANCEL, id);
    pass(LEASE);
    sweep();
    assert_state(id, PAWL_CANCELLED);
    assert_status(alter_one(PAWL_ALTER_RUN, id), PAWL_OK);
    ck_assert(!look(id)->cancel_requested);
    const struct pawl_job *job = claim_one();
    ck_assert(!job->cancel_requested);
    assert_status(renew(job, LEASE), PAWL_OK);
    assert_status(write_kind(job, PAWL_OUTCOME_RELEASED), PAWL_OK);
    assert_state(id, PAWL_PENDING);
}
END_TEST

/* CANCEL of a finished job is WRONG_STATE (rule 62). */
START_TEST(cancel_of_finished)
{
    static const enum pawl_state states[] = { PAWL_COMPLETED, PAWL_DEAD,
                                              PAWL_CANCELLED };
    for (int i = 0; i < 3; i++)
        assert_status(alter_one(PAWL_ALTER_CANCEL, put_in(states[i], plain)),
                      PAWL_WRONG_STATE);
}
END_TEST

/* REMOVE deletes from every state but processing (rule 65). */
START_TEST(remove_deletes)
{
    static const enum pawl_state states[] = {
        PAWL_SCHEDULED, PAWL_FAILED,    PAWL_COMPLETED,
        PAWL_DEAD,      PAWL_CANCELLED, PAWL_PENDING,
    };
    for (int i = 0; i < 6; i++) {
        struct pawl_id id = put_in(states[i], plain);
        assert_status(alter_one(PAWL_ALTER_REMOVE, id), PAWL_OK);
        assert_gone(id);
        assert_status(alter_one(PAWL_ALTER_REMOVE, id), PAWL_NOT_FOUND);
    }
    claim_none();
}
END_TEST

/* REMOVE never takes a processing job, even when told to (rule 65). */
START_TEST(remove_spares_the_processing)
{
    struct pawl_id id = put_in(PAWL_PROCESSING, plain);
    struct pawl_alter what = { .kind = PAWL_ALTER_REMOVE,
                               .from_states = ~0u,
                               .ids = &id,
                               .id_count = 1 };
    assert_status(alter(what).results[0], PAWL_WRONG_STATE);
    what.ids = NULL;
    what.id_count = 0;
    assert_count(alter(what).changed, 0);
    assert_state(id, PAWL_PROCESSING);
}
END_TEST

/* REPRIORITISE puts a pending job at the tail of the other lane (rule 66). */
START_TEST(reprioritise_pending)
{
    struct pawl_id first = put_plain();
    struct pawl_id moved = put_plain();
    struct pawl_id urgent = put_ok((struct pawl_new_job){ .priority = 2 });
    struct pawl_id last = put_plain();
    assert_status(reprioritise(moved, 2), PAWL_OK);
    ck_assert_int_eq(look(moved)->priority, 2);
    assert_id(claim_one()->id, urgent);
    assert_id(claim_one()->id, moved);
    assert_id(claim_one()->id, first);
    assert_id(claim_one()->id, last);
}
END_TEST

/* A job that has that priority already stays where it is (rule 66). */
START_TEST(reprioritise_to_the_same)
{
    struct pawl_id ids[2];
    put_many(2, ids);
    assert_status(reprioritise(ids[0], 5), PAWL_OK);
    assert_id(claim_one()->id, ids[0]);
}
END_TEST

/* A scheduled job takes the priority along (rule 66). */
START_TEST(reprioritise_scheduled)
{
    struct pawl_id id = put_in(PAWL_SCHEDULED, plain);
    assert_status(reprioritise(id, 1), PAWL_OK);
    assert_state(id, PAWL_SCHEDULED);
    put_plain();
    pass(60000);
    sweep();
    assert_id(claim_one()->id, id);
}
END_TEST

/* Every id is tried, each with its own answer (rule 62). */
START_TEST(every_id_is_tried)
{
    struct pawl_id ids[4];
    ids[0] = put_in(PAWL_DEAD, plain);
    ids[1] = new_id(QUEUE);
    ids[2] = put_in(PAWL_COMPLETED, plain);
    ids[3] = put_in(PAWL_DEAD, plain);
    struct pawl_alter what = { .kind = PAWL_ALTER_RUN,
                               .from_states = RETRY_FROM,
                               .ids = ids,
                               .id_count = 4 };
    struct pawl_alter_reply reply = alter(what);
    assert_status(reply.results[0], PAWL_OK);
    assert_status(reply.results[1], PAWL_NOT_FOUND);
    assert_status(reply.results[2], PAWL_WRONG_STATE);
    assert_status(reply.results[3], PAWL_OK);
    assert_count(reply.changed, 2);
}
END_TEST

/* A job of another queue is NOT_FOUND (rule 62). */
START_TEST(other_queue_is_not_found)
{
    struct pawl_id id = put_ok((struct pawl_new_job){ .queue = "other" });
    put_plain();
    assert_status(alter_one(PAWL_ALTER_CANCEL, id), PAWL_NOT_FOUND);
    assert_state(id, PAWL_PENDING);
}
END_TEST

/* A filter takes every job in the named states (rule 67). */
START_TEST(filter_by_state)
{
    put_in(PAWL_DEAD, plain);
    put_in(PAWL_CANCELLED, plain);
    put_in(PAWL_FAILED, plain);
    put_in(PAWL_COMPLETED, plain);
    struct pawl_alter what = { .kind = PAWL_ALTER_RUN,
                               .from_states = BIT(PAWL_DEAD) | BIT(PAWL_FAILED),
                               .fresh_start = true };
    struct pawl_alter_reply reply = alter(what);
    assert_count(reply.changed, 2);
    ck_assert(!reply.more);
    assert_count(count_in(PAWL_PENDING), 2);
    assert_count(count_in(PAWL_CANCELLED), 1);
    assert_count(alter(what).changed, 0);
}
END_TEST

/* A filter by type leaves the other types alone (rule 67). */
START_TEST(filter_by_type)
{
    struct pawl_id wanted = put_ok((struct pawl_new_job){ .type = "a" });
    struct pawl_id other = put_ok((struct pawl_new_job){ .type = "ab" });
    struct pawl_id none = put_plain();
    struct pawl_alter what = { .kind = PAWL_ALTER_CANCEL,
                               .from_states = CANCEL_FROM,
                               .type = "a" };
    assert_count(alter(what).changed, 1);
    assert_state(wanted, PAWL_CANCELLED);
    assert_state(other, PAWL_PENDING);
    assert_state(none, PAWL_PENDING);
}
END_TEST

/* older_than counts from finishing, else from enqueueing (rule 67). */
START_TEST(filter_by_age)
{
    struct pawl_id waiting = put_ok((struct pawl_new_job){ .delay = 100000 });
    put_plain();
    const struct pawl_job *job = claim_one();
    pass(1000);
    write_kind(job, PAWL_OUTCOME_COMPLETED);
    struct pawl_id young = put_ok((struct pawl_new_job){ .delay = 100000 });
    pass(500);
    struct pawl_alter what = { .kind = PAWL_ALTER_REMOVE,
                               .from_states = REMOVE_FROM,
                               .older_than = 1000 };
    assert_count(alter(what).changed, 1);
    assert_gone(waiting);
    assert_state(job->id, PAWL_COMPLETED);
    assert_state(young, PAWL_SCHEDULED);
    pass(500);
    assert_count(alter(what).changed, 2);
}
END_TEST

/* A filter goes on where its limit stopped it, until more is false (rule 67). */
START_TEST(filter_is_bounded)
{
    put_many(25, NULL);
    struct pawl_alter what = { .kind = PAWL_ALTER_REMOVE,
                               .from_states = REMOVE_FROM,
                               .limit = 10 };
    struct pawl_alter_reply reply = alter(what);
    assert_count(reply.changed, 10);
    ck_assert(reply.more);
    assert_count(count_in(PAWL_PENDING), 15);
    size_t changed = reply.changed;
    while (reply.more) {
        reply = alter(what);
        changed += reply.changed;
    }
    assert_count(changed, 25);
    assert_count(count_in(PAWL_PENDING), 0);
}
END_TEST

/* However large the limit is, that many are altered in one call, in order (rule
 * 67). */
START_TEST(filter_takes_many)
{
    struct pawl_id ids[700];
    put_many(700, NULL);
    put_many(700, ids);
    struct pawl_alter what = { .kind = PAWL_ALTER_REMOVE,
                               .from_states = REMOVE_FROM,
                               .limit = 1200 };
    struct pawl_alter_reply reply = alter(what);
    assert_count(reply.changed, 1200);
    ck_assert(reply.more);
    assert_gone(ids[499]);
    assert_id(claim_one()->id, ids[500]);
    reply = alter(what);
    assert_count(reply.changed, 199);
    ck_assert(!reply.more);
}
END_TEST

/* A few that match among many that do not are found, whatever the limit; the
 * others stay where they are (rule 67). */
START_TEST(filter_finds_the_few)
{
    struct pawl_id few[3];
    for (int i = 0; i < 3; i++) {
        put_many(500, NULL);
        few[i] = put_ok((struct pawl_new_job){ .type = "few" });
    }
    struct pawl_alter what = { .kind = PAWL_ALTER_CANCEL,
                               .from_states = REPRIORITISE_FROM,
                               .type = "few",
                               .limit = 2 };
    struct pawl_alter_reply reply = alter(what);
    assert_count(reply.changed, 2);
    ck_assert(reply.more);
    assert_state(few[1], PAWL_CANCELLED);
    assert_state(few[2], PAWL_PENDING);
    reply = alter(what);
    assert_count(reply.changed, 1);
    ck_assert(!reply.more);
    assert_state(few[2], PAWL_CANCELLED);
    assert_count(count_in(PAWL_PENDING), 1500);
}
END_TEST

/* A job whose key is taken stays as it is; the call goes on to the next, and it
 * does not count (rules 22, 67). */
START_TEST(filter_passes_over_the_taken)
{
    struct pawl_id first = put_in(PAWL_DEAD, (struct pawl_new_job){ .key = "k" });
    struct pawl_id second = put_in(PAWL_DEAD, plain);
    struct pawl_id third = put_in(PAWL_DEAD, plain);
    put_ok((struct pawl_new_job){ .key = "k" });
    struct pawl_alter what = { .kind = PAWL_ALTER_RUN,
                               .from_states = RETRY_FROM,
                               .fresh_start = true,
                               .limit = 1 };
    struct pawl_alter_reply reply = alter(what);
    assert_count(reply.changed, 1);
    ck_assert(reply.more);
    assert_state(first, PAWL_DEAD);
    assert_state(second, PAWL_PENDING);
    assert_state(third, PAWL_DEAD);
    assert_count(alter(what).changed, 1);
    reply = alter(what);
    assert_count(reply.changed, 0);
    ck_assert(!reply.more);
    assert_state(first, PAWL_DEAD);
}
END_TEST

/* Jobs that a filter promotes enter pending in (run_at, id) order (rules 24,
 * 67). */
START_TEST(filter_keeps_the_order)
{
    struct pawl_id late = put_ok((struct pawl_new_job){ .delay = 30 });
    struct pawl_id early = put_ok((struct pawl_new_job){ .delay = 10 });
    struct pawl_alter what = { .kind = PAWL_ALTER_RUN,
                               .from_states = PROMOTE_FROM };
    assert_count(alter(what).changed, 2);
    assert_id(claim_one()->id, early);
    assert_id(claim_one()->id, late);
}
END_TEST

/* Jobs that a filter retries enter pending in the order they finished (rules 24,
 * 67). */
START_TEST(filter_retries_oldest_first)
{
    put_many(3, NULL);
    struct claims claims = claim(owner_a, 3);
    static const int order[3] = { 1, 2, 0 };
    for (int i = 0; i < 3; i++)
        write_kind(claims.jobs[order[i]], PAWL_OUTCOME_DEAD);
    struct pawl_alter what = { .kind = PAWL_ALTER_RUN,
                               .from_states = RETRY_FROM,
                               .fresh_start = true };
    assert_count(alter(what).changed, 3);
    for (int i = 0; i < 3; i++)
        assert_id(claim_one()->id, claims.jobs[order[i]]->id);
}
END_TEST

/* Pausing makes the queue, so that it is paused when its first job comes (rule
 * 68). */
START_TEST(pause_before_the_first_job)
{
    alter((struct pawl_alter){ .kind = PAWL_ALTER_PAUSE });
    ck_assert(stats_of(QUEUE)->paused);
    put_plain();
    claim_none();
}
END_TEST

/* Pausing twice, resuming twice is fine (rule 68). */
START_TEST(pause_again)
{
    for (int i = 0; i < 2; i++)
        alter((struct pawl_alter){ .kind = PAWL_ALTER_PAUSE });
    for (int i = 0; i < 2; i++)
        alter((struct pawl_alter){ .kind = PAWL_ALTER_RESUME });
    ck_assert(!stats_of(QUEUE)->paused);
}
END_TEST

TCase *topic_alter(void)
{
    TCase *t = topic("alter");
    tcase_add_test(t, run_starts_afresh);
    tcase_add_test(t, run_may_count_on);
    tcase_add_test(t, run_drops_the_result);
    tcase_add_test(t, run_goes_to_the_tail);
    tcase_add_test(t, run_of_wrong_states);
    tcase_add_test(t, cancel);
    tcase_add_test(t, cancel_asks);
    tcase_add_test(t, request_ends_with_the_claim);
    tcase_add_test(t, cancel_of_finished);
    tcase_add_test(t, remove_deletes);
    tcase_add_test(t, remove_spares_the_processing);
    tcase_add_test(t, reprioritise_pending);
    tcase_add_test(t, reprioritise_to_the_same);
    tcase_add_test(t, reprioritise_scheduled);
    tcase_add_test(t, every_id_is_tried);
    tcase_add_test(t, other_queue_is_not_found);
    tcase_add_test(t, filter_by_state);
    tcase_add_test(t, filter_by_type);
    tcase_add_test(t, filter_by_age);
    tcase_add_test(t, filter_is_bounded);
    tcase_add_test(t, filter_takes_many);
    tcase_add_test(t, filter_finds_the_few);
    tcase_add_test(t, filter_passes_over_the_taken);
    tcase_add_test(t, filter_keeps_the_order);
    tcase_add_test(t, filter_retries_oldest_first);
    tcase_add_test(t, pause_before_the_first_job);
    tcase_add_test(t, pause_again);
    return t;
}
