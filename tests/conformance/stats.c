/* stats.c - counting: rules 73 to 76. */
#include "suite.h"

/* A store without queues has none (rule 73). */
START_TEST(empty_store)
{
    assert_count(stats_all()->queue_count, 0);
}
END_TEST

/* An unknown queue is NOT_FOUND (rule 6). */
START_TEST(unknown_queue)
{
    struct pawl_stats *stats = NULL;
    put_plain();
    assert_status(storage_stats(store, "other", &stats, NULL), PAWL_NOT_FOUND);
    ck_assert_ptr_null(stats);
}
END_TEST

/* Every state is counted (rule 73). */
START_TEST(counts_by_state)
{
    static const enum pawl_state states[] = {
        PAWL_SCHEDULED, PAWL_PROCESSING, PAWL_FAILED,  PAWL_COMPLETED,
        PAWL_DEAD,      PAWL_CANCELLED,  PAWL_PENDING,
    };
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < (states[i] == PAWL_PENDING ? 3 : i + 1); j++)
            put_in(states[i], (struct pawl_new_job){ 0 });
    const struct pawl_queue_stats *stats = stats_of(QUEUE);
    for (size_t i = 0; i < 7; i++)
        assert_count(stats->jobs[states[i]],
                     states[i] == PAWL_PENDING ? 3 : i + 1);
    assert_count(stats->jobs[PAWL_WAITING], 0);
    assert_count(stats->jobs[PAWL_HELD], 0);
}
END_TEST

/* Queues come sorted by name, as bytes (rule 73). */
START_TEST(queues_are_sorted)
{
    static const char *const names[] = { "b", "a", "ba", "B", "\xc3\xa4", "a b" };
    static const char *const sorted[] = { "B", "a", "a b", "b", "ba", "\xc3\xa4" };
    for (int i = 0; i < 6; i++)
        put_ok((struct pawl_new_job){ .queue = names[i] });
    const struct pawl_stats *stats = stats_all();
    assert_count(stats->queue_count, 6);
    for (int i = 0; i < 6; i++) {
        ck_assert_str_eq(stats->queues[i].name, sorted[i]);
        assert_count(stats->queues[i].jobs[PAWL_PENDING], 1);
    }
}
END_TEST

/* A queue stays when its last job is gone (rule 6). */
START_TEST(queue_outlives_its_jobs)
{
    alter_one(PAWL_ALTER_REMOVE, put_plain());
    assert_count(stats_of(QUEUE)->jobs[PAWL_PENDING], 0);
}
END_TEST

/* completed_total goes on when jobs are removed or run again (rule 74). */
START_TEST(totals_never_fall)
{
    retention.completed.count = 1;
    for (int i = 0; i < 5; i++)
        put_in(PAWL_COMPLETED, (struct pawl_new_job){ 0 });
    struct pawl_id dead = put_in(PAWL_DEAD, (struct pawl_new_job){ 0 });
    alter_one(PAWL_ALTER_RUN, dead);
    write_kind(claim_one(), PAWL_OUTCOME_DEAD);
    const struct pawl_queue_stats *stats = stats_of(QUEUE);
    assert_count(stats->completed_total, 5);
    assert_count(stats->jobs[PAWL_COMPLETED], 1);
    assert_count(stats->dead_total, 2);
    assert_count(stats->jobs[PAWL_DEAD], 1);
}
END_TEST

/* failed_total counts failed attempts: a RETRY and a DEAD are two (rule 74). */
START_TEST(failed_total_counts_attempts)
{
    put_plain();
    write_kind(claim_one(), PAWL_OUTCOME_RETRY);
    sweep();
    write_kind(claim_one(), PAWL_OUTCOME_DEAD);
    put_in(PAWL_COMPLETED, (struct pawl_new_job){ 0 });
    put_in(PAWL_CANCELLED, (struct pawl_new_job){ 0 });
    const struct pawl_queue_stats *stats = stats_of(QUEUE);
    assert_count(stats->failed_total, 2);
    assert_count(stats->dead_total, 1);
    assert_count(stats->completed_total, 1);
}
END_TEST

/* Nothing pending: oldest_pending is -1 (rule 75). */
START_TEST(oldest_of_none)
{
    put_in(PAWL_SCHEDULED, (struct pawl_new_job){ 0 });
    assert_time(stats_of(QUEUE)->oldest_pending, -1);
}
END_TEST

/* The age of the job that has waited longest at the head of a lane (rule 75). */
START_TEST(oldest_over_lanes)
{
    put_ok((struct pawl_new_job){ .priority = 9 });
    pass(70);
    put_ok((struct pawl_new_job){ .priority = 1 });
    pass(30);
    assert_time(stats_of(QUEUE)->oldest_pending, 100);
    assert_count(claim(owner_a, 1).count, 1);
    assert_time(stats_of(QUEUE)->oldest_pending, 100);
    assert_count(claim(owner_a, 1).count, 1);
    assert_time(stats_of(QUEUE)->oldest_pending, -1);
}
END_TEST

/* A job that had to wait for its time is as old as that time (rule 75). */
START_TEST(oldest_counts_from_run_at)
{
    put_ok((struct pawl_new_job){ .delay = 60 });
    pass(100);
    sweep();
    assert_time(stats_of(QUEUE)->oldest_pending, 40);
}
END_TEST

/* Another instance reads the same numbers (rules 3, 73). */
START_TEST(another_instance_agrees)
{
    put_many(3, NULL);
    claim(owner_a, 1);
    store = instance_open();
    assert_count(count_in(PAWL_PENDING), 2);
    assert_count(count_in(PAWL_PROCESSING), 1);
}
END_TEST

/* health says what and where the store is (rule 76). */
START_TEST(health)
{
    struct pawl_health out;
    struct pawl_error err = { 0 };
    put_plain();
    assert_status(storage_health(store, &out, &err), PAWL_OK);
    ck_assert_str_ne(out.storage, "");
    ck_assert_str_ne(out.where, "");
    ck_assert_str_ne(out.engine, "");
    ck_assert_str_ne(out.durability, "");
    ck_assert_int_gt(out.size_bytes, 0);
    ck_assert_int_ge(out.round_trip_us, 0);
    ck_assert_int_le(out.warning_count, PAWL_HEALTH_WARNINGS);
}
END_TEST

TCase *topic_stats(void)
{
    TCase *t = topic("stats");
    tcase_add_test(t, empty_store);
    tcase_add_test(t, unknown_queue);
    tcase_add_test(t, counts_by_state);
    tcase_add_test(t, queues_are_sorted);
    tcase_add_test(t, queue_outlives_its_jobs);
    tcase_add_test(t, totals_never_fall);
    tcase_add_test(t, failed_total_counts_attempts);
    tcase_add_test(t, oldest_of_none);
    tcase_add_test(t, oldest_over_lanes);
    tcase_add_test(t, oldest_counts_from_run_at);
    tcase_add_test(t, another_instance_agrees);
    tcase_add_test(t, health);
    return t;
}
