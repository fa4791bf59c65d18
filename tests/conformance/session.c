/* session.c - the same call again: rules 13 to 15. */
#include "suite.h"

#include <string.h>

static const struct pawl_session session_1 = { { 1 } }, session_2 = { { 2 } };

static struct pawl_put_result put_seq(struct pawl_session session, uint64_t seq,
                                      struct pawl_new_job job)
{
    struct pawl_put_result result = { 0 };
    job = normal(job);
    assert_status(put_as(session, seq, &job, 1, &result), PAWL_OK);
    return result;
}

/* A put sent again gets OK again, and there is one job (rule 13). */
START_TEST(resend_gets_the_same_reply)
{
    struct pawl_new_job job = normal((struct pawl_new_job){ 0 });
    for (int i = 0; i < 3; i++) {
        struct pawl_put_result result = put_seq(session_1, 1, job);
        assert_status(result.status, PAWL_OK);
        assert_id(result.id, job.id);
    }
    assert_count(count_in(PAWL_PENDING), 1);
}
END_TEST

/* Sent again after the job was completed and removed, it is not stored a second
 * time (rule 13). */
START_TEST(resend_after_removal_stores_nothing)
{
    struct pawl_new_job job = normal((struct pawl_new_job){ 0 });
    put_seq(session_1, 1, job);
    assert_status(write_kind(claim_one(), PAWL_OUTCOME_COMPLETED), PAWL_OK);
    assert_status(alter_one(PAWL_ALTER_REMOVE, job.id), PAWL_OK);
    assert_status(put_seq(session_1, 1, job).status, PAWL_OK);
    assert_gone(job.id);
}
END_TEST

/* Every item gets its own reply again: OK, DUPLICATE, KEY_TAKEN with the holder
 * (rule 13). */
START_TEST(resend_repeats_every_item)
{
    struct pawl_id there = put_plain();
    struct pawl_id holder = put_ok((struct pawl_new_job){ .key = "k" });
    struct pawl_new_job jobs[3] = {
        normal((struct pawl_new_job){ 0 }),
        normal((struct pawl_new_job){ .id = there }),
        normal((struct pawl_new_job){ .key = "k" }),
    };
    struct pawl_put_result first[3], again[3];
    assert_status(put_as(session_1, 1, jobs, 3, first), PAWL_OK);
    alter_one(PAWL_ALTER_REMOVE, there);
    alter_one(PAWL_ALTER_REMOVE, holder);
    assert_status(put_as(session_1, 1, jobs, 3, again), PAWL_OK);
    for (int i = 0; i < 3; i++) {
        assert_status(again[i].status, first[i].status);
        assert_id(again[i].id, first[i].id);
    }
    assert_status(first[1].status, PAWL_DUPLICATE);
    assert_status(first[2].status, PAWL_KEY_TAKEN);
    assert_id(first[2].id, holder);
    assert_count(count_in(PAWL_PENDING), 1);
}
END_TEST

/* Through another instance it is the same call all the same (rule 13). */
START_TEST(resend_through_another_instance)
{
    struct pawl_new_job job = normal((struct pawl_new_job){ 0 });
    put_seq(session_1, 1, job);
    assert_status(alter_one(PAWL_ALTER_REMOVE, job.id), PAWL_OK);
    store = instance_open();
    assert_status(put_seq(session_1, 1, job).status, PAWL_OK);
    assert_gone(job.id);
}
END_TEST

/* The last 16 seqs are remembered (rule 14). */
START_TEST(sixteen_are_remembered)
{
    struct pawl_new_job jobs[16];
    for (int i = 0; i < 16; i++) {
        jobs[i] = normal((struct pawl_new_job){ 0 });
        put_seq(session_1, (uint64_t)i + 1, jobs[i]);
        alter_one(PAWL_ALTER_REMOVE, jobs[i].id);
    }
    for (int i = 0; i < 16; i++) {
        assert_status(put_seq(session_1, (uint64_t)i + 1, jobs[i]).status,
                      PAWL_OK);
        assert_gone(jobs[i].id);
    }
}
END_TEST

/* An older one is ETOOOLD or remembered; never a second job (rule 14). */
START_TEST(older_is_never_stored_again)
{
    struct pawl_new_job first = normal((struct pawl_new_job){ 0 });
    struct pawl_put_result result = put_seq(session_1, 1, first);
    for (uint64_t seq = 2; seq <= 40; seq++)
        put_seq(session_1, seq, (struct pawl_new_job){ 0 });
    alter_one(PAWL_ALTER_REMOVE, first.id);
    enum pawl_status status = put_as(session_1, 1, &first, 1, &result);
    if (status != PAWL_ETOOOLD) {
        assert_status(status, PAWL_OK);
        assert_status(result.status, PAWL_OK);
    }
    assert_gone(first.id);
}
END_TEST

/* Two sessions may use the same seq (rule 15). */
START_TEST(sessions_are_apart)
{
    put_seq(session_1, 1, (struct pawl_new_job){ 0 });
    put_seq(session_2, 1, (struct pawl_new_job){ 0 });
    assert_count(count_in(PAWL_PENDING), 2);
}
END_TEST

/* One session counts for each queue from 1 (rule 15). */
START_TEST(queues_are_apart)
{
    put_seq(session_1, 1, (struct pawl_new_job){ 0 });
    struct pawl_put_result result =
        put_seq(session_1, 1, (struct pawl_new_job){ .queue = "other" });
    assert_status(result.status, PAWL_OK);
    assert_count(stats_of("other")->jobs[PAWL_PENDING], 1);
}
END_TEST

/* Seqs that overtook each other are both stored, and both remembered (rule
 * 15). */
START_TEST(seqs_may_overtake)
{
    struct pawl_new_job early = normal((struct pawl_new_job){ 0 });
    struct pawl_new_job late = normal((struct pawl_new_job){ 0 });
    put_seq(session_1, 6, late);
    put_seq(session_1, 5, early);
    assert_count(count_in(PAWL_PENDING), 2);
    put_seq(session_1, 5, early);
    put_seq(session_1, 6, late);
    assert_count(count_in(PAWL_PENDING), 2);
}
END_TEST

/* A job put again under another seq is a DUPLICATE, not a repetition (rules 10,
 * 13). */
START_TEST(another_seq_is_another_call)
{
    struct pawl_new_job job = normal((struct pawl_new_job){ 0 });
    put_seq(session_1, 1, job);
    assert_status(put_seq(session_1, 2, job).status, PAWL_DUPLICATE);
}
END_TEST

TCase *topic_session(void)
{
    TCase *t = topic("session");
    tcase_add_test(t, resend_gets_the_same_reply);
    tcase_add_test(t, resend_after_removal_stores_nothing);
    tcase_add_test(t, resend_repeats_every_item);
    tcase_add_test(t, resend_through_another_instance);
    tcase_add_test(t, sixteen_are_remembered);
    tcase_add_test(t, older_is_never_stored_again);
    tcase_add_test(t, sessions_are_apart);
    tcase_add_test(t, queues_are_apart);
    tcase_add_test(t, seqs_may_overtake);
    tcase_add_test(t, another_seq_is_another_call);
    return t;
}
