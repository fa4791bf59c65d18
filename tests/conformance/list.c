/* list.c - looking at many: rules 69 to 72. */
#include "suite.h"

#include <string.h>

static struct pawl_job *jobs[CLAIMS_MOST];

/* Pending is listed as it will be claimed (rule 70). */
START_TEST(pending_in_run_order)
{
    struct pawl_id last = put_ok((struct pawl_new_job){ .priority = 9 });
    struct pawl_id a = put_plain();
    struct pawl_id b = put_plain();
    struct pawl_id first = put_ok((struct pawl_new_job){ .priority = 1 });
    assert_count(list_all(QUEUE, PAWL_PENDING, NULL, 2, jobs), 4);
    assert_id(jobs[0]->id, first);
    assert_id(jobs[1]->id, a);
    assert_id(jobs[2]->id, b);
    assert_id(jobs[3]->id, last);
}
END_TEST

/* A released job is listed at the head of its lane (rules 24, 70). */
START_TEST(released_is_listed_first)
{
    put_many(3, NULL);
    const struct pawl_job *job = claim_one();
    write_kind(job, PAWL_OUTCOME_RELEASED);
    assert_count(list_all(QUEUE, PAWL_PENDING, NULL, 1, jobs), 3);
    assert_id(jobs[0]->id, job->id);
}
END_TEST

/* Scheduled is listed by run_at, then id (rule 70). */
START_TEST(scheduled_by_time)
{
    struct pawl_id small = new_id(QUEUE), large = new_id(QUEUE);
    struct pawl_id late = put_ok((struct pawl_new_job){ .delay = 20 });
    put_ok((struct pawl_new_job){ .delay = 10, .id = large });
    put_ok((struct pawl_new_job){ .delay = 10, .id = small });
    assert_count(list_all(QUEUE, PAWL_SCHEDULED, NULL, 1, jobs), 3);
    assert_id(jobs[0]->id, small);
    assert_id(jobs[1]->id, large);
    assert_id(jobs[2]->id, late);
}
END_TEST

/* Failed likewise (rule 70). */
START_TEST(failed_by_time)
{
    static const pawl_duration delays[3] = { 30, 10, 20 };
    put_many(3, NULL);
    struct claims claims = claim(owner_a, 3);
    for (int i = 0; i < 3; i++) {
        struct pawl_outcome retry = outcome_of(claims.jobs[i], PAWL_OUTCOME_RETRY);
        retry.delay = delays[i];
        write_back(claims.jobs[i], retry);
    }
    assert_count(list_all(QUEUE, PAWL_FAILED, NULL, 2, jobs), 3);
    assert_id(jobs[0]->id, claims.jobs[1]->id);
    assert_id(jobs[1]->id, claims.jobs[2]->id);
    assert_id(jobs[2]->id, claims.jobs[0]->id);
}
END_TEST

/* Finished jobs are listed newest first, those of one ms too (rule 70). */
START_TEST(finished_newest_first)
{
    static const enum pawl_outcome_kind kinds[] = {
        PAWL_OUTCOME_COMPLETED, PAWL_OUTCOME_DEAD, PAWL_OUTCOME_CANCELLED
    };
    static const enum pawl_state states[] = { PAWL_COMPLETED, PAWL_DEAD,
                                              PAWL_CANCELLED };
    static const int order[4] = { 2, 0, 3, 1 };
    for (int k = 0; k < 3; k++) {
        put_many(4, NULL);
        struct claims claims = claim(owner_a, 4);
        for (int i = 0; i < 4; i++)
            write_kind(claims.jobs[order[i]], kinds[k]);
        assert_count(list_all(QUEUE, states[k], NULL, 3, jobs), 4);
        for (int i = 0; i < 4; i++)
            assert_id(jobs[i]->id, claims.jobs[order[3 - i]]->id);
    }
}
END_TEST

/* Processing is listed whole, in whatever order (rule 70). */
START_TEST(processing_is_listed)
{
    put_many(5, NULL);
    claim(owner_a, 5);
    assert_count(list_all(QUEUE, PAWL_PROCESSING, NULL, 2, jobs), 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_mem_eq(&jobs[i]->owner, &owner_a, sizeof owner_a);
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(id_text(jobs[i]->id), id_text(jobs[j]->id));
    }
}
END_TEST

/* A listed job is whole: payload, result, errors (rule 69). */
START_TEST(listed_jobs_are_whole)
{
    put_ok((struct pawl_new_job){ .payload = "in", .payload_size = 2, .type = "t" });
    const struct pawl_job *job = claim_one();
    struct pawl_outcome outcome = outcome_of(job, PAWL_OUTCOME_RETRY);
    outcome.error = "e";
    write_back(job, outcome);
    sweep();
    job = claim_one();
    outcome = outcome_of(job, PAWL_OUTCOME_COMPLETED);
    outcome.result = "out";
    outcome.result_size = 3;
    write_back(job, outcome);
    assert_count(list_all(QUEUE, PAWL_COMPLETED, NULL, 10, jobs), 1);
    assert_count(jobs[0]->payload_size, 2);
    ck_assert_mem_eq(jobs[0]->payload, "in", 2);
    assert_count(jobs[0]->result_size, 3);
    ck_assert_mem_eq(jobs[0]->result, "out", 3);
    assert_count(jobs[0]->error_count, 1);
    ck_assert_str_eq(jobs[0]->errors[0].message, "e");
    ck_assert_str_eq(jobs[0]->type, "t");
}
END_TEST

/* Every page size shows every job once (rule 71). */
START_TEST(pages_of_every_size)
{
    struct pawl_id ids[12];
    put_many(12, ids);
    for (size_t page = 1; page <= 13; page++) {
        assert_count(list_all(QUEUE, PAWL_PENDING, NULL, page, jobs), 12);
        for (int i = 0; i < 12; i++)
            assert_id(jobs[i]->id, ids[i]);
    }
}
END_TEST

/* A page goes on after its place though the jobs around it are gone (rule
 * 71). */
START_TEST(pages_survive_removal)
{
    struct pawl_id ids[6];
    put_many(6, ids);
    struct pawl_list in = { .queue = QUEUE, .state = PAWL_PENDING, .limit = 3 };
    struct pawl_list_reply reply = { .jobs = jobs };
    assert_status(storage_list(store, &in, &reply, NULL), PAWL_OK);
    assert_count(reply.job_count, 3);
    for (int i = 0; i < 3; i++)
        pawl_job_free(jobs[i]);
    alter_one(PAWL_ALTER_REMOVE, ids[2]);
    alter_one(PAWL_ALTER_REMOVE, ids[3]);
    ck_assert(reply.next.set);
    in.after = reply.next;
    assert_status(storage_list(store, &in, &reply, NULL), PAWL_OK);
    assert_count(reply.job_count, 2);
    assert_id(jobs[0]->id, ids[4]);
    assert_id(jobs[1]->id, ids[5]);
    for (int i = 0; i < 2; i++)
        pawl_job_free(jobs[i]);
}
END_TEST

/* A type filter shows that type alone, over all pages (rule 72). */
START_TEST(type_filter)
{
    for (int i = 0; i < 30; i++)
        put_ok((struct pawl_new_job){ .type = i % 10 == 9 ? "rare" : "common" });
    assert_count(list_all(QUEUE, PAWL_PENDING, "rare", 2, jobs), 3);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(jobs[i]->type, "rare");
    assert_count(list_all(QUEUE, PAWL_PENDING, "rar", 2, jobs), 0);
}
END_TEST

/* An empty state and an unknown queue are an empty page (rule 6). */
START_TEST(nothing_to_list)
{
    assert_count(list_all(QUEUE, PAWL_PENDING, NULL, 5, jobs), 0);
    put_plain();
    assert_count(list_all(QUEUE, PAWL_DEAD, NULL, 5, jobs), 0);
    assert_count(list_all(QUEUE, PAWL_WAITING, NULL, 5, jobs), 0);
    assert_count(list_all(QUEUE, PAWL_HELD, NULL, 5, jobs), 0);
}
END_TEST

/* Jobs of other queues are not listed (rule 70). */
START_TEST(one_queue_only)
{
    put_plain();
    put_ok((struct pawl_new_job){ .queue = "other" });
    assert_count(list_all(QUEUE, PAWL_PENDING, NULL, 5, jobs), 1);
    ck_assert_str_eq(jobs[0]->queue, QUEUE);
}
END_TEST

/* get finds a job by its queue and by its id alone, not by another queue (rule
 * 69). */
START_TEST(get_by_queue_and_alone)
{
    struct pawl_id id = put_plain();
    put_ok((struct pawl_new_job){ .queue = "other" });
    struct pawl_job *job = NULL;
    assert_status(storage_get(store, QUEUE, id, &job, NULL), PAWL_OK);
    assert_id(job->id, id);
    pawl_job_free(job);
    job = NULL;
    assert_status(storage_get(store, NULL, id, &job, NULL), PAWL_OK);
    ck_assert_str_eq(job->queue, QUEUE);
    pawl_job_free(job);
    job = NULL;
    assert_status(storage_get(store, "other", id, &job, NULL), PAWL_NOT_FOUND);
    assert_status(storage_get(store, "unknown", id, &job, NULL), PAWL_NOT_FOUND);
    ck_assert_ptr_null(job);
}
END_TEST

/* get of an id that was never there is NOT_FOUND, with and without queues (rules
 * 6, 69). */
START_TEST(get_of_nothing)
{
    struct pawl_job *job = NULL;
    struct pawl_id id = new_id(QUEUE);
    assert_status(storage_get(store, NULL, id, &job, NULL), PAWL_NOT_FOUND);
    put_plain();
    assert_status(storage_get(store, NULL, id, &job, NULL), PAWL_NOT_FOUND);
    assert_status(storage_get(store, QUEUE, id, &job, NULL), PAWL_NOT_FOUND);
}
END_TEST

TCase *topic_list(void)
{
    TCase *t = topic("list");
    tcase_add_test(t, pending_in_run_order);
    tcase_add_test(t, released_is_listed_first);
    tcase_add_test(t, scheduled_by_time);
    tcase_add_test(t, failed_by_time);
    tcase_add_test(t, finished_newest_first);
    tcase_add_test(t, processing_is_listed);
    tcase_add_test(t, listed_jobs_are_whole);
    tcase_add_test(t, pages_of_every_size);
    tcase_add_test(t, pages_survive_removal);
    tcase_add_test(t, type_filter);
    tcase_add_test(t, nothing_to_list);
    tcase_add_test(t, one_queue_only);
    tcase_add_test(t, get_by_queue_and_alone);
    tcase_add_test(t, get_of_nothing);
    return t;
}
