/* outcome.c - writing back: rules 32 to 43. */
#include "suite.h"

#include <stdio.h>
#include <string.h>

static const struct pawl_job *claimed(void)
{
    put_plain();
    return claim_one();
}

static const enum pawl_outcome_kind all_kinds[] = {
    PAWL_OUTCOME_COMPLETED, PAWL_OUTCOME_RETRY,    PAWL_OUTCOME_DEAD,
    PAWL_OUTCOME_SNOOZED,   PAWL_OUTCOME_RELEASED, PAWL_OUTCOME_CANCELLED,
};
#define KINDS (sizeof all_kinds / sizeof *all_kinds)

static struct pawl_outcome with_error(const struct pawl_job *job,
                                      enum pawl_outcome_kind kind,
                                      const char *error)
{
    struct pawl_outcome outcome = outcome_of(job, kind);
    outcome.error = error;
    return outcome;
}

/* COMPLETED: completed, with the result, finished now, without owner (rules 35,
 * 42). */
START_TEST(completed)
{
    const struct pawl_job *job = claimed();
    struct pawl_outcome outcome = outcome_of(job, PAWL_OUTCOME_COMPLETED);
    outcome.result = "a\0b";
    outcome.result_size = 3;
    pass(5);
    assert_status(write_back(job, outcome), PAWL_OK);
    const struct pawl_job *seen = look(job->id);
    ck_assert_str_eq(pawl_state_name(seen->state), "completed");
    assert_count(seen->result_size, 3);
    ck_assert_mem_eq(seen->result, "a\0b", 3);
    assert_time(seen->finished_at, START + 5);
    assert_time(seen->started_at, START);
    ck_assert_int_eq(seen->attempt, 1);
    struct pawl_owner nobody = { { 0 } };
    ck_assert_mem_eq(&seen->owner, &nobody, sizeof nobody);
}
END_TEST

/* RETRY: failed until now + delay, with the error, unfinished (rule 36). */
START_TEST(retry)
{
    const struct pawl_job *job = claimed();
    struct pawl_outcome outcome = with_error(job, PAWL_OUTCOME_RETRY, "broke");
    outcome.delay = 250;
    pass(5);
    assert_status(write_back(job, outcome), PAWL_OK);
    const struct pawl_job *seen = look(job->id);
    ck_assert_str_eq(pawl_state_name(seen->state), "failed");
    assert_time(seen->run_at, START + 255);
    assert_time(seen->finished_at, 0);
    ck_assert_int_eq(seen->attempt, 1);
    assert_count(seen->error_count, 1);
    ck_assert_str_eq(seen->errors[0].message, "broke");
    ck_assert_int_eq(seen->errors[0].attempt, 1);
    assert_time(seen->errors[0].at, START + 5);
}
END_TEST

/* DEAD: dead, with the error, finished now (rules 37, 42). */
START_TEST(dead)
{
    const struct pawl_job *job = claimed();
    pass(5);
    assert_status(write_back(job, with_error(job, PAWL_OUTCOME_DEAD, "no use")),
                  PAWL_OK);
    const struct pawl_job *seen = look(job->id);
    ck_assert_str_eq(pawl_state_name(seen->state), "dead");
    assert_time(seen->finished_at, START + 5);
    ck_assert_int_eq(seen->attempt, 1);
    assert_count(seen->error_count, 1);
    ck_assert_str_eq(seen->errors[0].message, "no use");
}
END_TEST

/* SNOOZED: scheduled for now + delay, the attempt given back, the epoch not
 * (rule 38). */
START_TEST(snoozed)
{
    const struct pawl_job *job = claimed();
    struct pawl_outcome outcome = outcome_of(job, PAWL_OUTCOME_SNOOZED);
    outcome.delay = 40;
    assert_status(write_back(job, outcome), PAWL_OK);
    const struct pawl_job *seen = look(job->id);
    ck_assert_str_eq(pawl_state_name(seen->state), "scheduled");
    assert_time(seen->run_at, START + 40);
    ck_assert_int_eq(seen->attempt, 0);
    assert_count(seen->epoch, 1);
    ck_assert_int_eq(seen->crashes, 0);
}
END_TEST

/* RELEASED: pending, the attempt given back, no crash counted (rule 39). */
START_TEST(released)
{
    const struct pawl_job *job = claimed();
    assert_status(write_kind(job, PAWL_OUTCOME_RELEASED), PAWL_OK);
    const struct pawl_job *seen = look(job->id);
    ck_assert_str_eq(pawl_state_name(seen->state), "pending");
    ck_assert_int_eq(seen->attempt, 0);
    assert_count(seen->epoch, 1);
    ck_assert_int_eq(seen->crashes, 0);
}
END_TEST

/* CANCELLED: cancelled, with an error if there is one (rule 40). */
START_TEST(cancelled)
{
    const struct pawl_job *job = claimed();
    assert_status(write_kind(job, PAWL_OUTCOME_CANCELLED), PAWL_OK);
    const struct pawl_job *seen = look(job->id);
    ck_assert_str_eq(pawl_state_name(seen->state), "cancelled");
    assert_time(seen->finished_at, START);
    assert_count(seen->error_count, 0);

    job = claimed();
    assert_status(write_back(job, with_error(job, PAWL_OUTCOME_CANCELLED, "why")),
                  PAWL_OK);
    seen = look(job->id);
    assert_count(seen->error_count, 1);
    ck_assert_str_eq(seen->errors[0].message, "why");
}
END_TEST

/* An outcome of another epoch is STALE and changes nothing (rule 32). */
START_TEST(wrong_epoch_is_stale)
{
    const struct pawl_job *job = claimed();
    for (size_t i = 0; i < KINDS; i++) {
        struct pawl_outcome outcome = outcome_of(job, all_kinds[i]);
        outcome.epoch = 0;
        assert_status(write_back(job, outcome), PAWL_STALE);
        outcome.epoch = 2;
        assert_status(write_back(job, outcome), PAWL_STALE);
    }
    assert_state(job->id, PAWL_PROCESSING);
}
END_TEST

/* An outcome by another owner is STALE and changes nothing (rule 32). */
START_TEST(wrong_owner_is_stale)
{
    const struct pawl_job *job = claimed();
    for (size_t i = 0; i < KINDS; i++) {
        struct pawl_outcome outcome = outcome_of(job, all_kinds[i]);
        enum pawl_status result = PAWL_OK;
        exchange_on(store, QUEUE, owner_b, &outcome, &result, 1, 0);
        assert_status(result, PAWL_STALE);
    }
    assert_state(job->id, PAWL_PROCESSING);
}
END_TEST

/* An outcome sent to another queue is STALE, there or not (rules 6, 32). */
START_TEST(wrong_queue_is_stale)
{
    const struct pawl_job *job = claimed();
    struct pawl_outcome outcome = outcome_of(job, PAWL_OUTCOME_COMPLETED);
    enum pawl_status result = PAWL_OK;
    exchange_on(store, "other", owner_a, &outcome, &result, 1, 0);
    assert_status(result, PAWL_STALE);
    put_ok((struct pawl_new_job){ .queue = "other" });
    exchange_on(store, "other", owner_a, &outcome, &result, 1, 0);
    assert_status(result, PAWL_STALE);
    assert_state(job->id, PAWL_PROCESSING);
}
END_TEST

/* An outcome of a job that is not there is STALE (rule 32). */
START_TEST(unknown_job_is_stale)
{
    const struct pawl_job *job = claimed();
    struct pawl_outcome outcome = outcome_of(job, PAWL_OUTCOME_COMPLETED);
    outcome.id = new_id(QUEUE);
    assert_status(write_back(job, outcome), PAWL_STALE);
}
END_TEST

/* After the job was claimed anew, the old outcome is STALE and the new one
 * counts (rule 32). */
START_TEST(old_claim_is_stale)
{
    const struct pawl_job *old = claimed();
    pass(LEASE);
    sweep();
    struct claims claims = claim(owner_b, 1);
    assert_count(claims.count, 1);
    assert_status(write_kind(old, PAWL_OUTCOME_COMPLETED), PAWL_STALE);
    assert_state(old->id, PAWL_PROCESSING);
    assert_status(write_kind(claims.jobs[0], PAWL_OUTCOME_COMPLETED), PAWL_OK);
}
END_TEST

/* Every kind of outcome is OK when it is sent again, and changes nothing (rule
 * 33). */
START_TEST(repeated_is_ok)
{
    for (size_t i = 0; i < KINDS; i++) {
        const struct pawl_job *job = claimed();
        struct pawl_outcome outcome = with_error(job, all_kinds[i], "e");
        outcome.delay = 60000;
        assert_status(write_back(job, outcome), PAWL_OK);
        const struct pawl_job *first = look(job->id);
        pass(10);
        assert_status(write_back(job, outcome), PAWL_OK);
        const struct pawl_job *again = look(job->id);
        ck_assert_str_eq(pawl_state_name(again->state),
                         pawl_state_name(first->state));
        assert_time(again->run_at, first->run_at);
        assert_time(again->finished_at, first->finished_at);
        ck_assert_int_eq(again->attempt, first->attempt);
        assert_count(again->error_count, first->error_count);
        alter_one(PAWL_ALTER_REMOVE, job->id);
    }
}
END_TEST

/* A repeated outcome is counted once in the totals (rules 33, 74). */
START_TEST(repeated_is_counted_once)
{
    const struct pawl_job *job = claimed();
    for (int i = 0; i < 3; i++)
        write_kind(job, PAWL_OUTCOME_COMPLETED);
    job = claimed();
    for (int i = 0; i < 3; i++)
        write_kind(job, PAWL_OUTCOME_DEAD);
    const struct pawl_queue_stats *stats = stats_of(QUEUE);
    assert_count(stats->completed_total, 1);
    assert_count(stats->dead_total, 1);
    assert_count(stats->failed_total, 1);
}
END_TEST

/* The same outcome twice in one array is one outcome (rules 33, 34). */
START_TEST(repeated_in_one_array)
{
    const struct pawl_job *job = claimed();
    struct pawl_outcome outcomes[2] = {
        with_error(job, PAWL_OUTCOME_RETRY, "e"),
        with_error(job, PAWL_OUTCOME_RETRY, "e"),
    };
    enum pawl_status results[2];
    exchange_on(store, QUEUE, owner_a, outcomes, results, 2, 0);
    assert_status(results[0], PAWL_OK);
    assert_status(results[1], PAWL_OK);
    assert_count(look(job->id)->error_count, 1);
    assert_count(stats_of(QUEUE)->failed_total, 1);
}
END_TEST

/* Another outcome than the one that counted is STALE (rule 33). */
START_TEST(another_outcome_is_stale)
{
    const struct pawl_job *job = claimed();
    assert_status(write_kind(job, PAWL_OUTCOME_COMPLETED), PAWL_OK);
    for (size_t i = 0; i < KINDS; i++) {
        if (all_kinds[i] != PAWL_OUTCOME_COMPLETED)
            assert_status(write_kind(job, all_kinds[i]), PAWL_STALE);
    }
    assert_state(job->id, PAWL_COMPLETED);
}
END_TEST

/* The same outcome by another owner is STALE (rule 33). */
START_TEST(repeated_by_another_is_stale)
{
    const struct pawl_job *job = claimed();
    struct pawl_outcome outcome = outcome_of(job, PAWL_OUTCOME_COMPLETED);
    assert_status(write_back(job, outcome), PAWL_OK);
    enum pawl_status result = PAWL_OK;
    exchange_on(store, QUEUE, owner_b, &outcome, &result, 1, 0);
    assert_status(result, PAWL_STALE);
}
END_TEST

/* Once the job went on, the repetition is STALE (rule 33). */
START_TEST(repeated_too_late_is_stale)
{
    const struct pawl_job *job = claimed();
    assert_status(write_kind(job, PAWL_OUTCOME_RETRY), PAWL_OK);
    sweep();
    assert_status(write_kind(job, PAWL_OUTCOME_RETRY), PAWL_STALE);
    assert_state(job->id, PAWL_PENDING);
}
END_TEST

/* Outcomes are answered each for itself (rule 2). */
START_TEST(each_has_its_own_result)
{
    put_many(3, NULL);
    struct claims claims = claim(owner_a, 3);
    struct pawl_outcome outcomes[3];
    enum pawl_status results[3];
    for (int i = 0; i < 3; i++)
        outcomes[i] = outcome_of(claims.jobs[i], PAWL_OUTCOME_COMPLETED);
    outcomes[1].epoch++;
    exchange_on(store, QUEUE, owner_a, outcomes, results, 3, 0);
    assert_status(results[0], PAWL_OK);
    assert_status(results[1], PAWL_STALE);
    assert_status(results[2], PAWL_OK);
    assert_state(claims.jobs[1]->id, PAWL_PROCESSING);
}
END_TEST

/* Outcomes come before claims: what is released is claimed in the same call
 * (rule 34). */
START_TEST(outcomes_before_claims)
{
    const struct pawl_job *job = claimed();
    struct pawl_outcome outcome = outcome_of(job, PAWL_OUTCOME_RELEASED);
    enum pawl_status result;
    struct claims claims =
        exchange_on(store, QUEUE, owner_a, &outcome, &result, 1, 1);
    assert_status(result, PAWL_OK);
    assert_count(claims.count, 1);
    assert_id(claims.jobs[0]->id, job->id);
    assert_count(claims.jobs[0]->epoch, 2);
}
END_TEST

/* A busy worker's call: outcomes in, the next jobs out (rule 34). */
START_TEST(outcomes_and_claims_in_one)
{
    put_many(6, NULL);
    struct claims claims = claim(owner_a, 3);
    struct pawl_outcome outcomes[3];
    enum pawl_status results[3];
    for (int i = 0; i < 3; i++)
        outcomes[i] = outcome_of(claims.jobs[i], PAWL_OUTCOME_COMPLETED);
    claims = exchange_on(store, QUEUE, owner_a, outcomes, results, 3, 3);
    assert_count(claims.count, 3);
    assert_count(count_in(PAWL_COMPLETED), 3);
    assert_count(count_in(PAWL_PROCESSING), 3);
}
END_TEST

/* With a cancel requested, RETRY, SNOOZED and RELEASED cancel; again they are
 * OK (rules 33, 41). */
START_TEST(cancel_wins_over_another_try)
{
    static const enum pawl_outcome_kind kinds[] = {
        PAWL_OUTCOME_RETRY, PAWL_OUTCOME_SNOOZED, PAWL_OUTCOME_RELEASED
    };
    for (int i = 0; i < 3; i++) {
        const struct pawl_job *job = claimed();
        assert_status(alter_one(PAWL_ALTER_CANCEL, job->id), PAWL_OK);
        assert_status(write_kind(job, kinds[i]), PAWL_OK);
        assert_state(job->id, PAWL_CANCELLED);
        assert_status(write_kind(job, kinds[i]), PAWL_OK);
    }
}
END_TEST

/* COMPLETED and DEAD win over the request (rule 41). */
START_TEST(done_wins_over_cancel)
{
    const struct pawl_job *job = claimed();
    assert_status(alter_one(PAWL_ALTER_CANCEL, job->id), PAWL_OK);
    assert_status(write_kind(job, PAWL_OUTCOME_COMPLETED), PAWL_OK);
    assert_state(job->id, PAWL_COMPLETED);

    job = claimed();
    assert_status(alter_one(PAWL_ALTER_CANCEL, job->id), PAWL_OK);
    assert_status(write_kind(job, PAWL_OUTCOME_DEAD), PAWL_OK);
    assert_state(job->id, PAWL_DEAD);
}
END_TEST

/* The last ten errors stay, oldest first, each with its attempt (rule 43). */
START_TEST(ten_errors_are_kept)
{
    struct pawl_id id = put_ok((struct pawl_new_job){ .max_attempts = 20 });
    char text[32];
    for (int i = 1; i <= 13; i++) {
        const struct pawl_job *job = claim_one();
        snprintf(text, sizeof text, "error %d", i);
        assert_status(write_back(job, with_error(job, PAWL_OUTCOME_RETRY, text)),
                      PAWL_OK);
        sweep();
    }
    const struct pawl_job *job = look(id);
    assert_count(job->error_count, PAWL_ERRORS_KEPT);
    for (int i = 0; i < PAWL_ERRORS_KEPT; i++) {
        snprintf(text, sizeof text, "error %d", i + 4);
        ck_assert_str_eq(job->errors[i].message, text);
        ck_assert_int_eq(job->errors[i].attempt, i + 4);
    }
}
END_TEST

/* A long error is kept whole (rule 43). */
START_TEST(long_error)
{
    static char text[PAWL_ERROR_MAX + 1];
    memset(text, 'e', PAWL_ERROR_MAX);
    const struct pawl_job *job = claimed();
    assert_status(write_back(job, with_error(job, PAWL_OUTCOME_DEAD, text)),
                  PAWL_OK);
    ck_assert_str_eq(look(job->id)->errors[0].message, text);
}
END_TEST

/* A retry without an error text adds none, but is a failed attempt (rules 43,
 * 74). */
START_TEST(no_error_text)
{
    const struct pawl_job *job = claimed();
    assert_status(write_kind(job, PAWL_OUTCOME_RETRY), PAWL_OK);
    assert_count(look(job->id)->error_count, 0);
    sweep();
    job = claim_one();
    assert_status(write_back(job, with_error(job, PAWL_OUTCOME_DEAD, "")), PAWL_OK);
    assert_count(look(job->id)->error_count, 0);
    assert_count(stats_of(QUEUE)->failed_total, 2);
}
END_TEST

/* The largest result comes back whole (rules 4, 35). */
START_TEST(largest_result)
{
    static unsigned char result[PAWL_RESULT_MAX];
    for (size_t i = 0; i < sizeof result; i++)
        result[i] = (unsigned char)(i * 7);
    const struct pawl_job *job = claimed();
    struct pawl_outcome outcome = outcome_of(job, PAWL_OUTCOME_COMPLETED);
    outcome.result = result;
    outcome.result_size = sizeof result;
    assert_status(write_back(job, outcome), PAWL_OK);
    const struct pawl_job *seen = look(job->id);
    assert_count(seen->result_size, sizeof result);
    ck_assert_int_eq(memcmp(seen->result, result, sizeof result), 0);
}
END_TEST

TCase *topic_outcome(void)
{
    TCase *t = topic("outcome");
    tcase_add_test(t, completed);
    tcase_add_test(t, retry);
    tcase_add_test(t, dead);
    tcase_add_test(t, snoozed);
    tcase_add_test(t, released);
    tcase_add_test(t, cancelled);
    tcase_add_test(t, wrong_epoch_is_stale);
    tcase_add_test(t, wrong_owner_is_stale);
    tcase_add_test(t, wrong_queue_is_stale);
    tcase_add_test(t, unknown_job_is_stale);
    tcase_add_test(t, old_claim_is_stale);
    tcase_add_test(t, repeated_is_ok);
    tcase_add_test(t, repeated_is_counted_once);
    tcase_add_test(t, repeated_in_one_array);
    tcase_add_test(t, another_outcome_is_stale);
    tcase_add_test(t, repeated_by_another_is_stale);
    tcase_add_test(t, repeated_too_late_is_stale);
    tcase_add_test(t, each_has_its_own_result);
    tcase_add_test(t, outcomes_before_claims);
    tcase_add_test(t, outcomes_and_claims_in_one);
    tcase_add_test(t, cancel_wins_over_another_try);
    tcase_add_test(t, done_wins_over_cancel);
    tcase_add_test(t, ten_errors_are_kept);
    tcase_add_test(t, long_error);
    tcase_add_test(t, no_error_text);
    tcase_add_test(t, largest_result);
    return t;
}
