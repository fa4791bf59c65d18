/* order.c - who comes first: rules 23 to 26. */
#include "suite.h"

/* First in, first out (rule 23). */
START_TEST(first_in_first_out)
{
    struct pawl_id ids[5];
    for (int i = 0; i < 5; i++)
        ids[i] = put_plain();
    for (int i = 0; i < 5; i++)
        assert_id(claim_one()->id, ids[i]);
}
END_TEST

/* Priority comes before position, 1 first (rule 23). */
START_TEST(priority_first)
{
    struct pawl_id ids[11];
    for (int priority = 10; priority >= 1; priority--)
        ids[priority] = put_ok((struct pawl_new_job){ .priority = priority });
    for (int priority = 1; priority <= 10; priority++)
        assert_id(claim_one()->id, ids[priority]);
}
END_TEST

/* The order is that of putting, not that of the ids (rules 9, 23). */
START_TEST(position_not_id)
{
    struct pawl_id older = new_id(QUEUE);
    struct pawl_id newer = put_plain();
    put_ok((struct pawl_new_job){ .id = older });
    assert_id(claim_one()->id, newer);
    assert_id(claim_one()->id, older);
}
END_TEST

/* One put keeps the order of its array, lane by lane (rule 9). */
START_TEST(array_order)
{
    struct pawl_new_job jobs[6];
    struct pawl_put_result results[6];
    static const int priorities[6] = { 3, 1, 3, 2, 1, 3 };
    static const int run_order[6] = { 1, 4, 3, 0, 2, 5 };
    for (int i = 5; i >= 0; i--)
        jobs[i] = normal((struct pawl_new_job){ .priority = priorities[i] });
    struct pawl_session session = { { 1 } };
    assert_status(put_as(session, 1, jobs, 6, results), PAWL_OK);
    struct claims claims = claim(owner_a, 6);
    assert_count(claims.count, 6);
    for (int i = 0; i < 6; i++)
        assert_id(claims.jobs[i]->id, jobs[run_order[i]].id);
}
END_TEST

/* A released job is the next to be claimed (rule 24). */
START_TEST(released_goes_to_the_head)
{
    struct pawl_id first = put_plain();
    put_plain();
    const struct pawl_job *job = claim_one();
    assert_status(write_kind(job, PAWL_OUTCOME_RELEASED), PAWL_OK);
    assert_id(claim_one()->id, first);
}
END_TEST

/* ... of its own lane: a higher priority still comes before it (rules 23, 24). */
START_TEST(released_stays_in_its_lane)
{
    put_plain();
    const struct pawl_job *job = claim_one();
    struct pawl_id urgent = put_ok((struct pawl_new_job){ .priority = 1 });
    assert_status(write_kind(job, PAWL_OUTCOME_RELEASED), PAWL_OK);
    assert_id(claim_one()->id, urgent);
    assert_id(claim_one()->id, job->id);
}
END_TEST

/* Several released in one call keep the order of the outcomes (rule 25). */
START_TEST(released_together_keep_their_order)
{
    put_many(5, NULL);
    struct claims claims = claim(owner_a, 4);
    static const int order[4] = { 2, 0, 3, 1 };
    struct pawl_outcome outcomes[4];
    enum pawl_status results[4];
    for (int i = 0; i < 4; i++)
        outcomes[i] = outcome_of(claims.jobs[order[i]], PAWL_OUTCOME_RELEASED);
    exchange_on(store, QUEUE, owner_a, outcomes, results, 4, 0);
    struct claims again = claim(owner_a, 5);
    assert_count(again.count, 5);
    for (int i = 0; i < 4; i++)
        assert_id(again.jobs[i]->id, claims.jobs[order[i]]->id);
}
END_TEST

/* Released one call after the other, the last is at the head (rule 24). */
START_TEST(released_later_is_before)
{
    put_many(3, NULL);
    struct claims claims = claim(owner_a, 3);
    for (int i = 0; i < 3; i++)
        assert_status(write_kind(claims.jobs[i], PAWL_OUTCOME_RELEASED), PAWL_OK);
    for (int i = 2; i >= 0; i--)
        assert_id(claim_one()->id, claims.jobs[i]->id);
}
END_TEST

/* A new job goes behind one that was released (rule 24). */
START_TEST(tail_is_behind_the_head)
{
    put_plain();
    const struct pawl_job *job = claim_one();
    write_kind(job, PAWL_OUTCOME_RELEASED);
    struct pawl_id later = put_plain();
    assert_id(claim_one()->id, job->id);
    assert_id(claim_one()->id, later);
}
END_TEST

/* Jobs that come due enter behind those already pending (rule 24). */
START_TEST(promoted_goes_to_the_tail)
{
    struct pawl_id due = put_ok((struct pawl_new_job){ .delay = 10 });
    pass(10);
    struct pawl_id waiting = put_plain();
    sweep();
    assert_id(claim_one()->id, waiting);
    assert_id(claim_one()->id, due);
}
END_TEST

/* Jobs that come due together enter by run_at (rule 26). */
START_TEST(promoted_by_run_at)
{
    struct pawl_id late = put_ok((struct pawl_new_job){ .delay = 30 });
    struct pawl_id early = put_ok((struct pawl_new_job){ .delay = 10 });
    struct pawl_id middle = put_ok((struct pawl_new_job){ .delay = 20 });
    pass(100);
    sweep();
    assert_id(claim_one()->id, early);
    assert_id(claim_one()->id, middle);
    assert_id(claim_one()->id, late);
}
END_TEST

/* Those with the same run_at enter by id, whichever was put first (rule 26). */
START_TEST(promoted_by_id)
{
    struct pawl_id ids[4];
    static const int put_order[4] = { 2, 0, 3, 1 };
    for (int i = 0; i < 4; i++)
        ids[i] = new_id(QUEUE);
    for (int i = 0; i < 4; i++)
        put_ok((struct pawl_new_job){ .id = ids[put_order[i]], .delay = 10 });
    pass(10);
    sweep();
    for (int i = 0; i < 4; i++)
        assert_id(claim_one()->id, ids[i]);
}
END_TEST

/* Ids that several processes made in one ms are no exception, nor does a small
 * limit make one (rules 26, 54). */
START_TEST(promoted_by_id_of_one_moment)
{
    struct pawl_id ids[12];
    ids[0] = new_id(QUEUE);
    for (int i = 0; i < 12; i++) {
        ids[i] = ids[0];
        ids[i].b[8] = (uint8_t)(0x80 + i);
        ids[i].b[14] = (uint8_t)(7 * i);
        ids[i].b[15] = (uint8_t)(200 - 5 * i);
    }
    for (int i = 0; i < 12; i++)
        put_ok((struct pawl_new_job){ .id = ids[i * 5 % 12], .delay = 10 });
    pass(10);
    while (sweep_some(5).more)
        continue;
    for (int i = 0; i < 12; i++)
        assert_id(claim_one()->id, ids[i]);
}
END_TEST

/* Scheduled and failed jobs enter in one order over both (rule 26). */
START_TEST(promoted_from_both_states)
{
    struct pawl_id failed = put_plain();
    struct pawl_outcome retry = outcome_of(claim_one(), PAWL_OUTCOME_RETRY);
    struct pawl_id before = put_ok((struct pawl_new_job){ .delay = 10 });
    struct pawl_id after = put_ok((struct pawl_new_job){ .delay = 30 });
    retry.delay = 20;
    enum pawl_status result;
    exchange_on(store, QUEUE, owner_a, &retry, &result, 1, 0);
    pass(30);
    sweep();
    assert_id(claim_one()->id, before);
    assert_id(claim_one()->id, failed);
    assert_id(claim_one()->id, after);
}
END_TEST

/* The order holds when sweep takes several calls (rules 26, 54). */
START_TEST(promoted_in_small_steps)
{
    struct pawl_id ids[7];
    for (int i = 0; i < 7; i++)
        ids[i] = put_ok((struct pawl_new_job){ .delay = 10 - i });
    pass(10);
    while (sweep_some(2).more)
        continue;
    for (int i = 6; i >= 0; i--)
        assert_id(claim_one()->id, ids[i]);
}
END_TEST

/* A job whose worker was lost goes to the tail (rules 24, 48). */
START_TEST(recovered_goes_to_the_tail)
{
    struct pawl_id lost = put_plain();
    claim_one();
    struct pawl_id waiting = put_plain();
    pass(LEASE);
    sweep();
    assert_id(claim_one()->id, waiting);
    assert_id(claim_one()->id, lost);
}
END_TEST

TCase *topic_order(void)
{
    TCase *t = topic("order");
    tcase_add_test(t, first_in_first_out);
    tcase_add_test(t, priority_first);
    tcase_add_test(t, position_not_id);
    tcase_add_test(t, array_order);
    tcase_add_test(t, released_goes_to_the_head);
    tcase_add_test(t, released_stays_in_its_lane);
    tcase_add_test(t, released_together_keep_their_order);
    tcase_add_test(t, released_later_is_before);
    tcase_add_test(t, tail_is_behind_the_head);
    tcase_add_test(t, promoted_goes_to_the_tail);
    tcase_add_test(t, promoted_by_run_at);
    tcase_add_test(t, promoted_by_id);
    tcase_add_test(t, promoted_by_id_of_one_moment);
    tcase_add_test(t, promoted_from_both_states);
    tcase_add_test(t, promoted_in_small_steps);
    tcase_add_test(t, recovered_goes_to_the_tail);
    return t;
}
