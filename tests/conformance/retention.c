/* retention.c - how long finished jobs stay: rules 56 to 61. */
#include "suite.h"

static struct pawl_id finish(enum pawl_state state)
{
    return put_in(state, (struct pawl_new_job){ 0 });
}

static const enum pawl_state finished[] = { PAWL_COMPLETED, PAWL_DEAD,
                                            PAWL_CANCELLED };

static struct pawl_keep *keep_of(enum pawl_state state)
{
    return state == PAWL_COMPLETED ? &retention.completed
           : state == PAWL_DEAD    ? &retention.dead
                                   : &retention.cancelled;
}

/* With -1 nothing is ever removed (rule 60). */
START_TEST(for_ever)
{
    struct pawl_id ids[3];
    for (int i = 0; i < 3; i++)
        ids[i] = finish(finished[i]);
    pass(PAWL_DURATION_MAX);
    assert_count(sweep().removed, 0);
    for (int i = 0; i < 3; i++)
        assert_state(ids[i], finished[i]);
}
END_TEST

/* Sweep removes at finished_at + age, not a ms before, in every state (rule
 * 57). */
START_TEST(age_to_the_millisecond)
{
    for (int i = 0; i < 3; i++) {
        struct pawl_id id = finish(finished[i]);
        keep_of(finished[i])->age = 1000;
        pass(999);
        assert_count(sweep().removed, 0);
        pass(1);
        assert_count(sweep().removed, 1);
        assert_gone(id);
    }
}
END_TEST

/* Sweep leaves the `count` latest of each state (rules 53, 56). */
START_TEST(count_leaves_the_latest)
{
    for (int i = 0; i < 3; i++) {
        struct pawl_id ids[5];
        for (int j = 0; j < 5; j++)
            ids[j] = finish(finished[i]);
        keep_of(finished[i])->count = 2;
        assert_count(sweep().removed, 3);
        for (int j = 0; j < 3; j++)
            assert_gone(ids[j]);
        assert_state(ids[3], finished[i]);
        assert_state(ids[4], finished[i]);
    }
}
END_TEST

/* The latest are those that finished last, not those put last (rule 56). */
START_TEST(count_goes_by_finishing)
{
    put_many(3, NULL);
    struct claims claims = claim(owner_a, 3);
    for (int i = 2; i >= 0; i--)
        write_kind(claims.jobs[i], PAWL_OUTCOME_COMPLETED);
    retention.completed.count = 1;
    sweep();
    assert_state(claims.jobs[0]->id, PAWL_COMPLETED);
    assert_gone(claims.jobs[1]->id);
    assert_gone(claims.jobs[2]->id);
}
END_TEST

/* A job is over count by what entered its state later, even if that is gone
 * (rule 56). */
START_TEST(removed_jobs_count_on)
{
    struct pawl_id old = finish(PAWL_DEAD);
    struct pawl_id next = finish(PAWL_DEAD);
    alter_one(PAWL_ALTER_REMOVE, next);
    retention.dead.count = 1;
    assert_count(sweep().removed, 1);
    assert_gone(old);
}
END_TEST

/* One completion removes at most two, the oldest (rule 58). */
START_TEST(completion_removes_two)
{
    struct pawl_id ids[6];
    for (int i = 0; i < 6; i++)
        ids[i] = finish(PAWL_COMPLETED);
    retention.completed.count = 1;
    struct pawl_id last = finish(PAWL_COMPLETED);
    assert_gone(ids[0]);
    assert_gone(ids[1]);
    assert_state(ids[2], PAWL_COMPLETED);
    assert_state(last, PAWL_COMPLETED);
    assert_count(count_in(PAWL_COMPLETED), 5);
}
END_TEST

/* Kept at `count` by completions alone, without sweep (rule 58). */
START_TEST(completions_hold_the_count)
{
    retention.completed.count = 3;
    for (int i = 0; i < 10; i++)
        finish(PAWL_COMPLETED);
    assert_count(count_in(PAWL_COMPLETED), 3);
}
END_TEST

/* Several completions in one call remove two each (rule 58). */
START_TEST(each_completion_removes_two)
{
    for (int i = 0; i < 10; i++)
        finish(PAWL_COMPLETED);
    put_many(3, NULL);
    struct claims claims = claim(owner_a, 3);
    struct pawl_outcome outcomes[3];
    enum pawl_status results[3];
    for (int i = 0; i < 3; i++)
        outcomes[i] = outcome_of(claims.jobs[i], PAWL_OUTCOME_COMPLETED);
    retention.completed.count = 2;
    exchange_on(store, QUEUE, owner_a, outcomes, results, 3, 0);
    assert_count(count_in(PAWL_COMPLETED), 7);
}
END_TEST

/* A completion does not look at age, nor at other states (rule 58). */
START_TEST(completion_leaves_the_rest)
{
    finish(PAWL_COMPLETED);
    finish(PAWL_DEAD);
    finish(PAWL_DEAD);
    retention.completed.age = 10;
    retention.dead.count = 1;
    pass(1000);
    finish(PAWL_COMPLETED);
    assert_count(count_in(PAWL_COMPLETED), 2);
    assert_count(count_in(PAWL_DEAD), 2);
}
END_TEST

/* Count 0 or age 0: gone in the step that finishes it, answered OK, counted in
 * the totals (rule 59). */
START_TEST(zero_removes_at_once)
{
    retention.completed.count = 0;
    retention.dead.age = 0;
    retention.cancelled.count = 0;
    for (int i = 0; i < 3; i++)
        assert_gone(finish(finished[i]));
    const struct pawl_queue_stats *stats = stats_of(QUEUE);
    assert_count(stats->completed_total, 1);
    assert_count(stats->dead_total, 1);
    assert_count(stats->failed_total, 1);
    for (int i = 0; i < 3; i++)
        assert_count(stats->jobs[finished[i]], 0);
}
END_TEST

/* The same for jobs that sweep finishes (rule 59). */
START_TEST(zero_in_sweep)
{
    retention.dead.count = 0;
    retention.cancelled.age = 0;
    struct pawl_id expired =
        put_ok((struct pawl_new_job){ .delay = 10, .ttl = 10 });
    struct pawl_id lost = put_plain();
    for (int i = 0; i < MAX_CRASHES; i++) {
        claim_one();
        pass(LEASE);
        sweep();
    }
    assert_gone(expired);
    assert_gone(lost);
    assert_count(stats_of(QUEUE)->dead_total, 1);
}
END_TEST

/* The same for jobs that expire at a claim (rules 29, 59). */
START_TEST(zero_at_claim)
{
    retention.cancelled.count = 0;
    struct pawl_id id = put_ok((struct pawl_new_job){ .ttl = 10 });
    pass(10);
    claim_none();
    assert_gone(id);
}
END_TEST

/* A queue's own retention is used instead of the callers' (rule 61). */
START_TEST(own_retention_counts)
{
    struct pawl_retention own = { { -1, 2 }, { -1, -1 }, { -1, 0 } };
    alter((struct pawl_alter){ .kind = PAWL_ALTER_RETENTION, .retention = own });
    retention.completed.count = 0;
    retention.dead.count = 0;
    for (int i = 0; i < 4; i++)
        finish(PAWL_COMPLETED);
    finish(PAWL_DEAD);
    finish(PAWL_CANCELLED);
    sweep();
    assert_count(count_in(PAWL_COMPLETED), 2);
    assert_count(count_in(PAWL_DEAD), 1);
    assert_count(count_in(PAWL_CANCELLED), 0);
}
END_TEST

/* A cancel by alter removes at once when the queue's own retention says 0 (rules
 * 59, 61). */
START_TEST(own_zero_for_cancel)
{
    struct pawl_id kept = put_plain();
    alter_one(PAWL_ALTER_CANCEL, kept);
    assert_state(kept, PAWL_CANCELLED);
    struct pawl_retention own = { { -1, -1 }, { -1, -1 }, { 0, -1 } };
    alter((struct pawl_alter){ .kind = PAWL_ALTER_RETENTION, .retention = own });
    struct pawl_id id = put_plain();
    assert_status(alter_one(PAWL_ALTER_CANCEL, id), PAWL_OK);
    assert_gone(id);
}
END_TEST

/* A removed job can be put again (rules 10, 53). */
START_TEST(removed_id_is_free)
{
    struct pawl_id id = finish(PAWL_COMPLETED);
    retention.completed.age = 1;
    pass(1);
    sweep();
    assert_status(put((struct pawl_new_job){ .id = id }).status, PAWL_OK);
}
END_TEST

TCase *topic_retention(void)
{
    TCase *t = topic("retention");
    tcase_add_test(t, for_ever);
    tcase_add_test(t, age_to_the_millisecond);
    tcase_add_test(t, count_leaves_the_latest);
    tcase_add_test(t, count_goes_by_finishing);
    tcase_add_test(t, removed_jobs_count_on);
    tcase_add_test(t, completion_removes_two);
    tcase_add_test(t, completions_hold_the_count);
    tcase_add_test(t, each_completion_removes_two);
    tcase_add_test(t, completion_leaves_the_rest);
    tcase_add_test(t, zero_removes_at_once);
    tcase_add_test(t, zero_in_sweep);
    tcase_add_test(t, zero_at_claim);
    tcase_add_test(t, own_retention_counts);
    tcase_add_test(t, own_zero_for_cancel);
    tcase_add_test(t, removed_id_is_free);
    return t;
}
