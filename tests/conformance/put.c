/* put.c - storing new jobs: rules 6 to 12. */
#include "suite.h"

#include <string.h>

/* Without a delay a job is pending at once, with run_at and enqueued_at = now
 * (rule 8). */
START_TEST(due_now_is_pending)
{
    const struct pawl_job *job = look(put_plain());
    ck_assert_str_eq(pawl_state_name(job->state), "pending");
    assert_time(job->run_at, START);
    assert_time(job->enqueued_at, START);
    assert_time(job->expires_at, 0);
}
END_TEST

/* With a delay it is scheduled for now + delay (rule 8). */
START_TEST(delay_is_scheduled)
{
    const struct pawl_job *job =
        look(put_ok((struct pawl_new_job){ .delay = 1 }));
    ck_assert_str_eq(pawl_state_name(job->state), "scheduled");
    assert_time(job->run_at, START + 1);
}
END_TEST

/* A run_at after now is scheduled (rule 8). */
START_TEST(later_instant_is_scheduled)
{
    const struct pawl_job *job =
        look(put_ok((struct pawl_new_job){ .run_at = START + 1 }));
    ck_assert_str_eq(pawl_state_name(job->state), "scheduled");
    assert_time(job->run_at, START + 1);
}
END_TEST

/* A run_at that is now is pending, not scheduled (rule 8). */
START_TEST(instant_now_is_pending)
{
    assert_state(put_ok((struct pawl_new_job){ .run_at = START }), PAWL_PENDING);
}
END_TEST

/* A run_at in the past is pending and is shown as given (rule 8). */
START_TEST(past_instant_is_pending)
{
    const struct pawl_job *job =
        look(put_ok((struct pawl_new_job){ .run_at = START - 5000 }));
    ck_assert_str_eq(pawl_state_name(job->state), "pending");
    assert_time(job->run_at, START - 5000);
    assert_time(job->enqueued_at, START);
}
END_TEST

/* A ttl becomes an instant: now + ttl (rule 8). */
START_TEST(ttl_is_an_instant)
{
    assert_time(look(put_ok((struct pawl_new_job){ .ttl = 700 }))->expires_at,
                START + 700);
}
END_TEST

/* Every field of a new job comes back from get, and the rest is zero (rules 4,
 * 69). */
START_TEST(fields_come_back)
{
    struct pawl_id id = put_ok((struct pawl_new_job){
        .type = "send",
        .payload = "hello",
        .payload_size = 5,
        .priority = 2,
        .max_attempts = 7,
        .timeout = 1234,
        .key = "k",
        .key_mode = PAWL_KEY_THROTTLE,
        .key_ttl = 99,
        .group = "tenant" });
    const struct pawl_job *job = look(id);
    assert_id(job->id, id);
    ck_assert_str_eq(job->queue, QUEUE);
    ck_assert_str_eq(job->type, "send");
    ck_assert_str_eq(job->key, "k");
    ck_assert_str_eq(job->group, "tenant");
    ck_assert_int_eq(job->key_mode, PAWL_KEY_THROTTLE);
    ck_assert_int_eq(job->priority, 2);
    ck_assert_int_eq(job->max_attempts, 7);
    assert_time(job->timeout, 1234);
    assert_time(job->key_ttl, 99);
    assert_count(job->payload_size, 5);
    ck_assert_mem_eq(job->payload, "hello", 5);
    ck_assert_int_eq(job->attempt, 0);
    ck_assert_int_eq(job->crashes, 0);
    assert_count(job->epoch, 0);
    ck_assert(!job->cancel_requested);
    assert_time(job->started_at, 0);
    assert_time(job->finished_at, 0);
    assert_count(job->result_size, 0);
    assert_count(job->error_count, 0);
}
END_TEST

/* What is not given is "" and not NULL (rule 69). */
START_TEST(unset_texts_are_empty)
{
    const struct pawl_job *job = look(put_plain());
    ck_assert_str_eq(job->type, "");
    ck_assert_str_eq(job->key, "");
    ck_assert_str_eq(job->group, "");
    assert_count(job->payload_size, 0);
}
END_TEST

/* A backoff comes back whole, its list of delays too (rule 69). */
START_TEST(backoff_comes_back)
{
    struct pawl_backoff backoff = { .kind = PAWL_BACKOFF_LIST,
                                    .cap = 5000,
                                    .jitter = 30,
                                    .delay_count = 3,
                                    .delays = { 10, 0, PAWL_DURATION_MAX } };
    const struct pawl_job *job =
        look(put_ok((struct pawl_new_job){ .backoff = backoff }));
    ck_assert_int_eq(job->backoff.kind, PAWL_BACKOFF_LIST);
    assert_time(job->backoff.cap, 5000);
    ck_assert_int_eq(job->backoff.jitter, 30);
    ck_assert_int_eq(job->backoff.delay_count, 3);
    for (int i = 0; i < 3; i++)
        assert_time(job->backoff.delays[i], backoff.delays[i]);

    backoff = (struct pawl_backoff){ .kind = PAWL_BACKOFF_LINEAR, .delay = 77 };
    job = look(put_ok((struct pawl_new_job){ .backoff = backoff }));
    ck_assert_int_eq(job->backoff.kind, PAWL_BACKOFF_LINEAR);
    assert_time(job->backoff.delay, 77);
}
END_TEST

/* The same id again is DUPLICATE and leaves the first job as it was (rule
 * 10). */
START_TEST(same_id_is_duplicate)
{
    struct pawl_id id = put_ok((struct pawl_new_job){ .type = "first" });
    struct pawl_put_result again =
        put((struct pawl_new_job){ .id = id, .type = "second" });
    assert_status(again.status, PAWL_DUPLICATE);
    assert_id(again.id, id);
    ck_assert_str_eq(look(id)->type, "first");
    assert_count(count_in(PAWL_PENDING), 1);
}
END_TEST

/* An id is taken in every state, finished ones too (rule 10). */
START_TEST(id_is_taken_in_every_state)
{
    static const enum pawl_state states[] = {
        PAWL_SCHEDULED, PAWL_PROCESSING, PAWL_FAILED,
        PAWL_COMPLETED, PAWL_DEAD,       PAWL_CANCELLED,
    };
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        struct pawl_id id = put_in(states[i], (struct pawl_new_job){ 0 });
        assert_status(put((struct pawl_new_job){ .id = id }).status,
                      PAWL_DUPLICATE);
        assert_state(id, states[i]);
    }
}
END_TEST

/* The id of a removed job is free again (rule 10). */
START_TEST(removed_id_is_free)
{
    struct pawl_id id = put_plain();
    assert_status(alter_one(PAWL_ALTER_REMOVE, id), PAWL_OK);
    assert_status(put((struct pawl_new_job){ .id = id }).status, PAWL_OK);
    assert_state(id, PAWL_PENDING);
}
END_TEST

/* A duplicate is not looked at further: its key is not taken (rule 10). */
START_TEST(duplicate_takes_no_key)
{
    struct pawl_id id = put_plain();
    assert_status(put((struct pawl_new_job){ .id = id, .key = "k" }).status,
                  PAWL_DUPLICATE);
    assert_status(put((struct pawl_new_job){ .key = "k" }).status, PAWL_OK);
}
END_TEST

/* Within one put the first with an id or a key wins (rule 11). */
START_TEST(first_in_the_array_counts)
{
    struct pawl_new_job jobs[4] = {
        normal((struct pawl_new_job){ .type = "first", .key = "k" }),
        normal((struct pawl_new_job){ .key = "k" }),
        normal((struct pawl_new_job){ .type = "plain" }),
        normal((struct pawl_new_job){ .type = "twin" }),
    };
    struct pawl_put_result results[4];
    jobs[3].id = jobs[0].id;
    struct pawl_session session = { { 1 } };
    assert_status(put_as(session, 1, jobs, 4, results), PAWL_OK);
    assert_status(results[0].status, PAWL_OK);
    assert_status(results[1].status, PAWL_KEY_TAKEN);
    assert_id(results[1].id, jobs[0].id);
    assert_status(results[2].status, PAWL_OK);
    assert_status(results[3].status, PAWL_DUPLICATE);
    ck_assert_str_eq(look(jobs[0].id)->type, "first");
    assert_count(count_in(PAWL_PENDING), 2);
}
END_TEST

/* A put of many jobs stores each of them (rule 12). */
START_TEST(many_in_one_put)
{
    put_many(1000, NULL);
    assert_count(count_in(PAWL_PENDING), 1000);
}
END_TEST

/* A store that is not there is NOT_FOUND with must_exist, and is not made (rule
 * 7). */
START_TEST(must_exist_makes_nothing)
{
    struct pawl_error err = { 0 };
    assert_status(open_missing(&err), PAWL_NOT_FOUND);
    assert_status(open_missing(&err), PAWL_NOT_FOUND);
}
END_TEST

/* Another instance sees what was put through the first (rule 3). */
START_TEST(instances_share_the_store)
{
    struct pawl_storage *other = instance_open();
    struct pawl_put_result result = put_on(other, (struct pawl_new_job){ 0 });
    assert_status(result.status, PAWL_OK);
    assert_id(claim_one()->id, result.id);
}
END_TEST

/* Time does not go back within a store, though the clock does (rule 5). */
START_TEST(time_never_goes_back)
{
    put_plain();
    atomic_store(&test_clock.now, START - 60000);
    ck_assert_int_ge(look(put_plain())->enqueued_at, START);
}
END_TEST

TCase *topic_put(void)
{
    TCase *t = topic("put");
    tcase_add_test(t, due_now_is_pending);
    tcase_add_test(t, delay_is_scheduled);
    tcase_add_test(t, later_instant_is_scheduled);
    tcase_add_test(t, instant_now_is_pending);
    tcase_add_test(t, past_instant_is_pending);
    tcase_add_test(t, ttl_is_an_instant);
    tcase_add_test(t, fields_come_back);
    tcase_add_test(t, unset_texts_are_empty);
    tcase_add_test(t, backoff_comes_back);
    tcase_add_test(t, same_id_is_duplicate);
    tcase_add_test(t, id_is_taken_in_every_state);
    tcase_add_test(t, removed_id_is_free);
    tcase_add_test(t, duplicate_takes_no_key);
    tcase_add_test(t, first_in_the_array_counts);
    tcase_add_test(t, many_in_one_put);
    tcase_add_test(t, must_exist_makes_nothing);
    tcase_add_test(t, instances_share_the_store);
    tcase_add_test(t, time_never_goes_back);
    return t;
}
