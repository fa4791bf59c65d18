/* tally.c - the proof of a move, and marks that are passed on: rules 97 to 102. */
#include "handover.h"

#include <string.h>

static struct pawl_tally tally_of(struct pawl_session mover, bool forget)
{
    struct pawl_error err = { 0 };
    struct pawl_tally tally;
    assert_status(storage_tally(store, QUEUE, mover, forget, &tally, &err), PAWL_OK);
    return tally;
}

static void assert_tally(struct pawl_session mover, uint64_t count, uint32_t sum)
{
    struct pawl_tally tally = tally_of(mover, false);
    assert_count(tally.count, count);
    for (int lane = 0; lane < 8; lane++)
        assert_count(tally.sum.lanes[lane], (uint32_t)(sum + count * (uint64_t)lane));
}

/* In lane n it is number + n, so that mixed up lanes show. */
static struct pawl_digest digest(uint32_t number)
{
    struct pawl_digest digest;
    for (uint32_t lane = 0; lane < 8; lane++)
        digest.lanes[lane] = number + lane;
    return digest;
}

static void take(enum pawl_take_kind kind, const struct pawl_id *ids, size_t count,
                 const struct pawl_digest *digests, enum pawl_status *results)
{
    struct pawl_error err = { 0 };
    struct pawl_take_out in = { .queue = QUEUE,      .mover = mover_1,
                                .kind = kind,        .heir = mover_2,
                                .ids = ids,          .id_count = count,
                                .digests = digests };
    struct pawl_take_out_reply reply = { .results = results };
    assert_status(storage_take_out(store, &in, &reply, &err), PAWL_OK);
}

static void bring_proved(uint64_t seq, const struct pawl_job *jobs, size_t count,
                         const struct pawl_digest *digests,
                         struct pawl_put_result *results)
{
    const struct pawl_job *list[4];
    struct pawl_error err = { 0 };
    struct pawl_bring_in in = { .queue = QUEUE,        .session = mover_1,
                                .seq = seq,            .jobs = list,
                                .job_count = count,    .digests = digests,
                                .mover = mover_2 };
    for (size_t i = 0; i < count; i++)
        list[i] = &jobs[i];
    assert_status(storage_bring_in(store, &in, results, &err), PAWL_OK);
}

/* What is confirmed is added up, modulo 2^32; what is not there is not, nor is what
 * is confirmed again (rule 97). */
START_TEST(confirmed_is_added)
{
    struct pawl_id ids[3];
    enum pawl_status results[3];
    put_many(2, ids);
    ids[2] = new_id(QUEUE);
    hold(ANY, 10);
    assert_tally(mover_1, 0, 0);
    const struct pawl_digest digests[3] = { digest(0xfffffff0u), digest(0x20),
                                            digest(7) };
    take(PAWL_TAKE_CONFIRM, ids, 1, digests, results);
    assert_tally(mover_1, 1, 0xfffffff0u);
    take(PAWL_TAKE_CONFIRM, ids, 3, digests, results);
    assert_status(results[0], PAWL_NOT_FOUND);
    assert_status(results[1], PAWL_OK);
    assert_status(results[2], PAWL_NOT_FOUND);
    assert_tally(mover_1, 2, 0x10);
    assert_tally(mover_2, 0, 0);
}
END_TEST

/* Without a digest nothing is counted, nor is what is released (rule 97). */
START_TEST(without_digests)
{
    const struct pawl_digest none = { { 0 } };
    struct pawl_id ids[3];
    enum pawl_status results[3];
    put_many(3, ids);
    hold(ANY, 10);
    take(PAWL_TAKE_CONFIRM, ids, 1, NULL, results);
    take(PAWL_TAKE_CONFIRM, ids + 1, 1, &none, results);
    take(PAWL_TAKE_RELEASE, ids + 2, 1, NULL, results);
    assert_tally(mover_1, 0, 0);
}
END_TEST

/* What is brought in and stored is added up under the mover of the call, once
 * however often the call comes (rules 13, 98). */
START_TEST(brought_is_added)
{
    struct pawl_put_result results[3];
    struct pawl_id there = put_ok((struct pawl_new_job){ .key = "k" });
    struct pawl_job jobs[3] = { whole((struct pawl_job){ 0 }),
                                whole((struct pawl_job){ .key = "k" }),
                                whole((struct pawl_job){ .id = there }) };
    const struct pawl_digest digests[3] = { digest(5), digest(100), digest(200) };
    bring_proved(1, jobs, 3, digests, results);
    assert_status(results[0].status, PAWL_OK);
    assert_status(results[1].status, PAWL_KEY_TAKEN);
    assert_status(results[2].status, PAWL_DUPLICATE);
    assert_tally(mover_2, 1, 5);
    bring_proved(1, jobs, 3, digests, results);
    assert_tally(mover_2, 1, 5);
    jobs[0] = whole((struct pawl_job){ .state = PAWL_DEAD, .finished_at = START });
    bring_proved(2, jobs, 1, digests + 1, results);
    assert_tally(mover_2, 2, 105);
    jobs[0] = whole((struct pawl_job){ 0 });
    bring_proved(3, jobs, 1, NULL, results);
    assert_tally(mover_2, 2, 105);
    assert_tally(mover_1, 0, 0);
}
END_TEST

/* A tally is read by whoever asks, and outlives the instance; it is of one queue,
 * and gone when it is forgotten (rule 99). */
START_TEST(tally_is_kept_and_forgotten)
{
    struct pawl_put_result result;
    struct pawl_error err = { 0 };
    struct pawl_stats *stats = NULL;
    struct pawl_tally tally;
    struct pawl_job job = whole((struct pawl_job){ 0 });
    const struct pawl_digest one = digest(3);
    bring_proved(1, &job, 1, &one, &result);
    store = instance_open();
    assert_tally(mover_2, 1, 3);
    assert_status(storage_tally(store, "other", mover_2, true, &tally, &err), PAWL_OK);
    assert_count(tally.count, 0);
    assert_status(storage_stats(store, "other", &stats, &err), PAWL_NOT_FOUND);
    tally_of(mover_1, true);
    assert_count(tally_of(mover_2, true).count, 1);
    assert_tally(mover_2, 0, 0);
}
END_TEST

/* A job that is passed on is its heir's: held as before, where it was among the held
 * (rule 100). */
START_TEST(passed_on)
{
    struct pawl_id ids[3];
    enum pawl_status results[2];
    const struct pawl_digest digests[2] = { digest(1), digest(2) };
    put_many(3, ids);
    hold(ANY, 3);
    take(PAWL_TAKE_PASS, ids, 2, digests, results);
    assert_status(results[0], PAWL_OK);
    assert_tally(mover_1, 2, 3);
    assert_count(count_in(PAWL_HELD), 3);
    assert_count(hold(0, 10).count, 1);
    assert_status(confirm(ids[0]), PAWL_NOT_FOUND);
    take(PAWL_TAKE_PASS, ids, 2, digests, results);
    assert_status(results[0], PAWL_NOT_FOUND);
    assert_tally(mover_1, 2, 3);
    struct taken taken = hold_in(QUEUE, mover_2, 0, 10);
    assert_count(taken.count, 2);
    assert_id(taken.jobs[0]->id, ids[0]);
    ck_assert_int_eq(taken.jobs[0]->state, PAWL_PENDING);
    assert_status(settle(PAWL_TAKE_RELEASE, mover_2, ids[1]), PAWL_OK);
    assert_status(settle(PAWL_TAKE_CONFIRM, mover_2, ids[0]), PAWL_OK);
    run_next(ids[1]);
}
END_TEST

/* Only what is not held yet (rule 101). */
START_TEST(only_new_ones)
{
    struct pawl_id ids[3];
    struct pawl_error err = { 0 };
    struct pawl_job *jobs[2];
    struct pawl_take_out in = { .queue = QUEUE, .mover = mover_1,
                                .kind = PAWL_TAKE_HOLD, .from_states = ANY,
                                .limit = 2, .only_new = true };
    struct pawl_take_out_reply reply = { .jobs = jobs };
    put_many(3, ids);
    for (size_t at = 0; at < 4; at += 2) {
        assert_status(storage_take_out(store, &in, &reply, &err), PAWL_OK);
        assert_count(reply.job_count, at == 0 ? 2 : 1);
        for (size_t i = 0; i < reply.job_count; i++) {
            assert_id(jobs[i]->id, ids[at + i]);
            pawl_job_free(jobs[i]);
        }
    }
    assert_count(hold(ANY, 10).count, 3);
}
END_TEST

/* The digest is of all that moves, and of nothing else. */
START_TEST(digest_of_a_job)
{
    struct pawl_digest first, other;
    struct pawl_job job = whole((struct pawl_job){ .payload = "ab",
                                                   .payload_size = 2, .type = "c" });
    ck_assert(pawl_job_digest(&job, &first));
    job.cancel_requested = true;
    job.origin = 5;
    ck_assert(pawl_job_digest(&job, &other));
    ck_assert_mem_eq(&first, &other, sizeof first);
    job.payload_size = 1;
    ck_assert(pawl_job_digest(&job, &other));
    ck_assert_mem_ne(&first, &other, sizeof first);
    job.payload_size = 2;
    job.epoch = 1;
    ck_assert(pawl_job_digest(&job, &other));
    ck_assert_mem_ne(&first, &other, sizeof first);
}
END_TEST

/* What was put under this digest by whichever storage reads back under it. */
START_TEST(digest_reads_back)
{
    struct pawl_job_error errors[2] = { { START, 1, "broke" }, { START + 1, 2, "" } };
    struct pawl_job in = whole((struct pawl_job){
        .state = PAWL_DEAD, .type = "t", .key = "k", .group = "g", .key_ttl = 5,
        .key_mode = PAWL_KEY_THROTTLE, .timeout = 6, .priority = 9, .attempt = 2,
        .max_attempts = 4, .crashes = 2, .epoch = 0xfffffffeu, .run_at = START - 3,
        .enqueued_at = START - 9, .started_at = START - 2, .finished_at = START - 1,
        .expires_at = START + 9, .payload = "p\0q", .payload_size = 3, .result = "r",
        .result_size = 1, .errors = errors, .error_count = 2,
        .backoff = { .kind = PAWL_BACKOFF_LIST, .delay = 1, .cap = 7, .jitter = 9,
                     .delay_count = 2, .delays = { 4, 5 } } });
    struct pawl_digest want, got;
    ck_assert(pawl_job_digest(&in, &want));
    bring_ok(in);
    ck_assert(pawl_job_digest(look(in.id), &got));
    ck_assert_mem_eq(&want, &got, sizeof want);
    ck_assert(pawl_job_digest(hold(ANY, 1).jobs[0], &got));
    ck_assert_mem_eq(&want, &got, sizeof want);
}
END_TEST

/* Stats tell the retention that a queue has of its own (rule 102). */
START_TEST(stats_tell_retention)
{
    struct pawl_retention own = { .completed = { 1, 2 }, .dead = { -1, 0 },
                                  .cancelled = { 5, -1 } };
    put_plain();
    ck_assert(!stats_of(QUEUE)->has_keep);
    alter((struct pawl_alter){ .kind = PAWL_ALTER_RETENTION, .retention = own });
    const struct pawl_queue_stats *stats = stats_of(QUEUE);
    struct pawl_queue_keep want = pawl_retention_as_keep(&own);
    ck_assert(stats->has_keep);
    ck_assert_mem_eq(&stats->keep, &want, sizeof want);
}
END_TEST

TCase *topic_tally(void)
{
    TCase *t = topic("tally");
    tcase_add_test(t, confirmed_is_added);
    tcase_add_test(t, without_digests);
    tcase_add_test(t, brought_is_added);
    tcase_add_test(t, tally_is_kept_and_forgotten);
    tcase_add_test(t, passed_on);
    tcase_add_test(t, only_new_ones);
    tcase_add_test(t, digest_of_a_job);
    tcase_add_test(t, digest_reads_back);
    tcase_add_test(t, stats_tell_retention);
    return t;
}
