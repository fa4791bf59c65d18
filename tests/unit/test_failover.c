/* test_failover.c - a primary that is away, and back: what becomes of new jobs, of
 * running ones and of their outcomes. */
#include "failover_fixture.h"
#include "program.h"

/* --- new jobs ------------------------------------------------------------------- */

/* All is well: nothing is in the spool, and the spool is not asked. */
START_TEST(passes_through)
{
    store = open_with("");
    struct pawl_new_job job = new_job();
    assert_status(put_job(job), PAWL_OK);
    ck_assert_int_eq(state_in(there, job.id), PAWL_PENDING);
    assert_status(complete(store, claim(store)), PAWL_OK);
    ck_assert_uint_eq(all_in(here), 0);
    ck_assert_int_eq(mode(), PAWL_MODE_PRIMARY);
    ck_assert_str_eq(told, "");
}
END_TEST

/* Away at the start: one loud line, work goes on, and all flows back. */
START_TEST(away_at_the_start)
{
    open_away("");
    ck_assert_uint_eq(
        times_told("falling-back: Faulty configured but not available, falling back to "
                   "Faulty at "), 1);
    struct pawl_id id = put_spooled();
    ck_assert_int_eq(mode(), PAWL_MODE_SPOOLING);
    ck_assert_int_eq(state_in(store, id), PAWL_PENDING);
    ck_assert_int_eq(state_in(there, id), 0);
    come_back();
    ck_assert_int_eq(state_in(there, id), PAWL_PENDING);
    ck_assert_int_eq(state_in(store, id), PAWL_PENDING);
    ck_assert_uint_eq(times_told("falling-back"), 1);
    ck_assert_uint_eq(times_told("event 0 spooling"), 0);
    ck_assert_uint_ge(times_told("event 0 primary"), 1);
}
END_TEST

/* Away later: said once, by log and event. */
START_TEST(away_later)
{
    store = open_with("");
    faulty_set(FAULTY_AWAY);
    uint64_t before = faulty_calls();
    for (int i = 0; i < 20; i++)
        put_spooled();
    /* One call met it; the others knew. The rest are probes. */
    ck_assert_uint_le(faulty_calls() - before, 10);
    ck_assert_uint_eq(times_told("mode-changed: faulty:memory:there is away "
                                 "(nobody is there): jobs are spooled at "), 1);
    ck_assert_uint_eq(times_told("event 0 spooling"), 1);
    come_back();
    ck_assert_uint_eq(stats_in(there).jobs[PAWL_PENDING], 20);
    ck_assert_uint_eq(times_told("event 0 primary"), 1);
}
END_TEST

/* Jobs arrive in their order, whole, with their id. */
START_TEST(in_order)
{
    struct pawl_id ids[50];
    open_away("outage=spool");
    for (int i = 0; i < 50; i++)
        ids[i] = put_spooled();
    come_back();
    for (int i = 0; i < 50; i++) {
        struct pawl_job *job = claim(there);
        ck_assert_mem_eq(&job->id, &ids[i], sizeof ids[i]);
        pawl_job_free(job);
    }
}
END_TEST

/* --- maybe sent ----------------------------------------------------------------- */

/* A put that was carried out and whose answer was lost: nobody runs it here, it is
 * found, and there is one job; also if that was done and forgotten long ago. */
START_TEST(reply_lost)
{
    store = open_with("");
    faulty_for(FAULTY_LOST_AFTER, 1);
    struct pawl_id id = put_spooled();
    ck_assert_int_eq(state_in(there, id), PAWL_PENDING);
    faulty_set(FAULTY_AWAY);
    ck_assert_ptr_null(claim(store));
    ck_assert_int_eq(state_in(store, id), PAWL_HELD);
    struct pawl_job *job = claim(there);
    struct pawl_outcome outcome = { .id = id, .epoch = job->epoch, .origin = job->origin,
                                    .kind = PAWL_OUTCOME_COMPLETED };
    struct pawl_exchange in = { .queue = QUEUE, .owner = owner, .outcomes = &outcome,
                                .outcome_count = 1, .lease = LEASE };
    enum pawl_status result;
    struct pawl_exchange_reply out = { .outcomes = &result };
    assert_status(storage_exchange(there, &in, &out, &err), PAWL_OK);
    ck_assert_uint_eq(all_in(there), 0);
    pawl_job_free(job);
    come_back();
    ck_assert_uint_eq(all_in(there), 0);
}
END_TEST

/* The request was lost: it arrives once. */
START_TEST(request_lost)
{
    store = open_with("");
    faulty_for(FAULTY_LOST_BEFORE, 1);
    struct pawl_id id = put_spooled();
    ck_assert_int_eq(state_in(there, id), 0);
    come_back();
    ck_assert_int_eq(state_in(there, id), PAWL_PENDING);
    ck_assert_uint_eq(all_in(there), 1);
}
END_TEST

/* However many puts go directly before the lost one is sent again, its number is
 * among those that the primary remembers. */
START_TEST(lost_long_ago)
{
    store = open_with("dwell=0ms&trial=0ms");
    struct failover *f = failover_of(store);
    struct pawl_put_result result;
    ck_assert(breaker_drain_begin(&f->breaker)); /* nobody drains meanwhile */
    faulty_for(FAULTY_LOST_AFTER, 1);
    struct pawl_id id = put_spooled();
    faulty_set(FAULTY_FINE);
    await_mode(PAWL_MODE_DRAINING);
    for (int i = 0; i < 40; i++) {
        struct pawl_new_job job = new_job();
        assert_status(put_as(++last_seq, &job, &result), PAWL_OK);
        assert_status(result.status, PAWL_OK);
    }
    breaker_drain_end(&f->breaker);
    come_back();
    ck_assert_uint_eq(all_in(there), 41);
    ck_assert_int_eq(state_in(there, id), PAWL_PENDING);
}
END_TEST

/* Kept calls go back no faster than jobs do. */
START_TEST(rate_of_calls)
{
    enum { COUNT = 60, RATE = 100, AT_ONCE = 24 }; /* thrice a batch */
    store = open_with("dwell=0ms&trial=0ms&drain-rate=100");
    struct failover *f = failover_of(store);
    ck_assert(breaker_drain_begin(&f->breaker)); /* nobody drains meanwhile */
    for (int i = 0; i < COUNT; i++) {
        faulty_for(FAULTY_LOST_BEFORE, 1);
        put_spooled();
        faulty_set(FAULTY_FINE);
        await_mode(PAWL_MODE_DRAINING);
    }
    int64_t begun = clock_mono_ns();
    breaker_drain_end(&f->breaker);
    faulty_set(FAULTY_FINE);
    while (mode() != PAWL_MODE_PRIMARY) {
        int64_t before = clock_mono_ns();
        uint64_t arrived = all_in(there);
        int64_t passed = clock_mono_ns() - begun;
        if (arrived == 0)
            begun = before;
        ck_assert_int_le((int64_t)arrived, AT_ONCE + passed * RATE / INT64_C(1000000000));
        nap();
    }
    come_back();
    ck_assert_uint_eq(all_in(there), COUNT);
}
END_TEST

/* Delays and lives are counted from the put, not from its arrival. */
START_TEST(times_go_on)
{
    store = open_with("");
    faulty_for(FAULTY_LOST_BEFORE, 1);
    struct pawl_new_job job = new_job();
    int64_t before = clock_wall_ms();
    job.delay = 100000;
    job.ttl = 300000;
    assert_status(put_job(job), PAWL_SPOOLED);
    int64_t after = clock_wall_ms();
    for (int i = 0; i < 300; i++)
        nap();
    come_back();
    struct pawl_job *found = NULL;
    assert_status(storage_get(there, QUEUE, job.id, &found, &err), PAWL_OK);
    ck_assert_int_ge(found->run_at, before + 100000);
    ck_assert_int_le(found->run_at, after + 100000 + 2);
    ck_assert_int_le(found->expires_at, after + 300000 + 50);
    pawl_job_free(found);
}
END_TEST

/* --- put again ------------------------------------------------------------------ */

static struct pawl_storage_ops patched;
static const struct pawl_storage_ops *usual;
static bool spool_does_it;

static enum pawl_status spool_lost(struct pawl_storage *self, const struct pawl_put *in,
                                   struct pawl_put_result *results,
                                   struct pawl_error *error)
{
    if (spool_does_it)
        usual->put(self, in, results, error);
    return pawl_error_set(error, PAWL_EUNKNOWN, "the disk is strange");
}

static void patch_spool(bool does_it)
{
    struct pawl_storage *spool = failover_of(store)->spool;
    spool_does_it = does_it;
    usual = spool->ops;
    patched = *usual;
    patched.put = spool_lost;
    spool->ops = &patched;
}

static void mend_spool(void)
{
    failover_of(store)->spool->ops = usual;
}

/* A put whose outcome in the spool is not known is repeated there, even if the primary
 * is back by then: there is one job. */
START_TEST(again_at_the_spool)
{
    struct pawl_put_result result;
    struct pawl_new_job job = new_job();
    open_away("");
    patch_spool(true);
    assert_status(put_as(++last_seq, &job, &result), PAWL_EUNKNOWN);
    mend_spool();
    come_back();
    struct pawl_job *found = claim(there);
    ck_assert_ptr_nonnull(found);
    complete(there, found);
    assert_status(put_as(last_seq, &job, &result), PAWL_OK);
    assert_status(result.status, PAWL_SPOOLED);
    await_mode(PAWL_MODE_PRIMARY);
    ck_assert_uint_eq(all_in(there), 1);
    ck_assert_int_eq(state_in(there, job.id), PAWL_COMPLETED);
}
END_TEST

/* A put that was maybe sent and could not be noted is UNKNOWN; repeated, it is noted,
 * or sent again as it was. */
START_TEST(again_at_the_primary)
{
    for (int back = 0; back < 2; back++) {
        struct pawl_put_result result;
        struct pawl_new_job job = new_job();
        store = open_with("");
        faulty_for(FAULTY_LOST_AFTER, 1);
        patch_spool(false);
        assert_status(put_as(++last_seq, &job, &result), PAWL_EUNKNOWN);
        ck_assert_msg(strstr(err.message, "maybe stored") != NULL, "%s", err.message);
        mend_spool();
        if (back)
            come_back();
        else
            faulty_set(FAULTY_AWAY);
        assert_status(put_as(last_seq, &job, &result), PAWL_OK);
        assert_status(result.status, back ? PAWL_OK : PAWL_SPOOLED);
        come_back();
        ck_assert_uint_eq(all_in(there), 1 + (uint64_t)back);
        storage_close(store);
        store = NULL;
    }
}
END_TEST

/* --- running here --------------------------------------------------------------- */

/* What was spooled runs on this host, and its end goes to the primary; it does not run
 * there again. */
START_TEST(runs_here)
{
    open_away("");
    struct pawl_id id = put_spooled();
    struct pawl_job *job = claim(store);
    ck_assert_ptr_nonnull(job);
    ck_assert_int_eq(job->epoch, 1);
    assert_status(complete(store, job), PAWL_OK);
    ck_assert_int_eq(state_in(store, id), PAWL_COMPLETED);
    come_back();
    ck_assert_int_eq(state_in(there, id), PAWL_COMPLETED);
    ck_assert_uint_eq(stats_in(there).completed_total, 1);
}
END_TEST

/* It still runs when the primary is back: its outcome counts, and then it goes over. */
START_TEST(ends_after_the_outage)
{
    open_away("");
    struct pawl_id id = put_spooled();
    struct pawl_job *job = claim(store);
    faulty_set(FAULTY_FINE);
    await_mode(PAWL_MODE_DRAINING);
    struct pawl_id direct = new_job().id;
    struct pawl_new_job next = new_job();
    next.id = direct;
    assert_status(put_job(next), PAWL_OK);
    struct pawl_job *second = claim(store); /* of the primary */
    ck_assert_mem_eq(&second->id, &direct, sizeof direct);
    struct pawl_outcome both[2] = {
        { .id = job->id, .epoch = job->epoch, .origin = job->origin,
          .kind = PAWL_OUTCOME_COMPLETED },
        { .id = second->id, .epoch = second->epoch, .origin = second->origin,
          .kind = PAWL_OUTCOME_COMPLETED },
    };
    enum pawl_status results[2];
    struct pawl_exchange in = { .queue = QUEUE, .owner = owner, .outcomes = both,
                                .outcome_count = 2, .lease = LEASE,
                                .retention = { { -1, -1 }, { -1, -1 }, { -1, -1 } } };
    struct pawl_exchange_reply out = { .outcomes = results };
    assert_status(storage_exchange(store, &in, &out, &err), PAWL_OK);
    assert_status(results[0], PAWL_OK);
    assert_status(results[1], PAWL_OK);
    come_back();
    ck_assert_int_eq(state_in(there, id), PAWL_COMPLETED);
    ck_assert_int_eq(state_in(there, direct), PAWL_COMPLETED);
    ck_assert_uint_eq(stats_in(there).completed_total, 2);
    pawl_job_free(job);
    pawl_job_free(second);
}
END_TEST

static void *complete_it(void *job)
{
    return complete(store, job) == PAWL_OK ? job : NULL;
}

/* The outage ends while an outcome of the spool is on its way: it stays the spool's.
 * A thread that is late makes this test say less, and not fail. */
START_TEST(ends_with_the_outage)
{
    pthread_t thread;
    void *done;
    open_away("dwell=1h");
    struct failover *f = failover_of(store);
    struct pawl_id id = put_spooled();
    struct pawl_job *job = claim(store);
    faulty_set(FAULTY_FINE);
    pthread_mutex_lock(&f->told_mutex);
    breaker_poke(&f->breaker); /* so that the thread stops at the mutex */
    ck_assert_int_eq(pthread_create(&thread, NULL, complete_it, job), 0);
    for (int i = 0; i < 50; i++)
        nap();
    ck_assert(breaker_answered(&f->breaker, true));
    pthread_mutex_unlock(&f->told_mutex);
    ck_assert_int_eq(pthread_join(thread, &done), 0);
    ck_assert_ptr_nonnull(done);
    come_back();
    ck_assert_int_eq(state_in(there, id), PAWL_COMPLETED);
    ck_assert_uint_eq(times_told("outcome-stale"), 0);
}
END_TEST

/* Per queue: kept and not run, or refused at once. */
START_TEST(policies)
{
    open_away("outage=run-local&outage=spool:mail&outage=fail:b%3Aills");
    put_spooled();
    ck_assert_ptr_null(claim(store));
    struct pawl_new_job job = new_job();
    job.queue = "b:ills";
    assert_status(put_job(job), PAWL_EUNREACHABLE);
    ck_assert_msg(strstr(err.message, "faulty:memory:there has been away for 0 s: nobody is "
                                      "there") != NULL, "%s", err.message);
    come_back();
    ck_assert_uint_eq(stats_in(there).jobs[PAWL_PENDING], 1);
}
END_TEST

/* What is paused at the primary does not run here either, and goes on with it. */
START_TEST(paused_here_too)
{
    struct pawl_alter pause = { .queue = QUEUE, .kind = PAWL_ALTER_PAUSE };
    struct pawl_alter_reply reply = { 0 };
    store = open_with("");
    assert_status(storage_alter(there, &pause, &reply, &err), PAWL_OK);
    ck_assert_ptr_null(claim(store)); /* hears of it */
    faulty_set(FAULTY_AWAY);
    put_spooled();
    ck_assert_ptr_null(claim(store));
    pause.kind = PAWL_ALTER_RESUME;
    assert_status(storage_alter(store, &pause, &reply, &err), PAWL_SPOOLED);
    struct pawl_job *job = claim(store);
    ck_assert_ptr_nonnull(job);
    complete(store, job);
    come_back();
    ck_assert(stats_in(there).paused);
}
END_TEST

/* --- the primary's jobs --------------------------------------------------------- */

static enum pawl_status renew(const struct pawl_job *job)
{
    struct pawl_lease_ref lease = { job->id, job->epoch, job->origin };
    struct pawl_renew in = { .queue = QUEUE, .owner = owner, .leases = &lease,
                             .lease_count = 1, .lease = LEASE };
    enum pawl_status result = PAWL_EINTERNAL;
    assert_status(storage_renew(store, &in, &result, &err), PAWL_OK);
    return result;
}

/* A handler that ran when the primary went: its lease counts as kept, its outcome is
 * taken and delivered. */
START_TEST(outcome_is_kept)
{
    store = open_with("");
    struct pawl_new_job job = new_job();
    assert_status(put_job(job), PAWL_OK);
    struct pawl_job *claimed = claim(store);
    faulty_set(FAULTY_AWAY);
    assert_status(renew(claimed), PAWL_OK);
    assert_status(complete(store, claimed), PAWL_OK);
    ck_assert_int_eq(state_in(there, job.id), PAWL_PROCESSING);
    come_back();
    ck_assert_int_eq(state_in(there, job.id), PAWL_COMPLETED);
    ck_assert_uint_eq(stats_in(there).completed_total, 1);
}
END_TEST

/* A worker that is stopped meanwhile, with the primary there again but not in use yet:
 * its leases do not end with it, or what it completed would come too late. */
START_TEST(outcome_outlives_its_worker)
{
    store = open_with("dwell=1h");
    struct pawl_new_job job = new_job();
    assert_status(put_job(job), PAWL_OK);
    struct pawl_job *claimed = claim(store);
    faulty_set(FAULTY_AWAY);
    assert_status(complete(store, claimed), PAWL_OK);
    faulty_set(FAULTY_FINE);
    storage_close(store);
    struct pawl_sweep sweep = { .queue = QUEUE, .limit = 10, .max_crashes = 3 };
    struct pawl_sweep_reply swept;
    assert_status(storage_sweep(there, &sweep, &swept, &err), PAWL_OK);
    ck_assert_uint_eq(swept.recovered, 0);
    store = open_with("");
    come_back();
    ck_assert_int_eq(state_in(there, job.id), PAWL_COMPLETED);
    ck_assert_uint_eq(times_told("outcome-stale"), 0);
}
END_TEST

/* The answer to an outcome was lost: it is delivered again, and counted once. */
START_TEST(outcome_sent_twice)
{
    store = open_with("");
    struct pawl_new_job job = new_job();
    assert_status(put_job(job), PAWL_OK);
    struct pawl_job *claimed = claim(store);
    faulty_for(FAULTY_LOST_AFTER, 1);
    assert_status(complete(store, claimed), PAWL_OK);
    come_back();
    ck_assert_int_eq(state_in(there, job.id), PAWL_COMPLETED);
    ck_assert_uint_eq(stats_in(there).completed_total, 1);
    ck_assert_uint_eq(times_told("outcome-stale"), 0);
}
END_TEST

/* Somebody else has the job by then: what was kept does not count, and that is said;
 * who still runs it is told at the next renewal. */
START_TEST(outcome_too_late)
{
    store = open_with("");
    struct pawl_new_job job = new_job();
    assert_status(put_job(job), PAWL_OK);
    struct pawl_job *claimed = claim(store), *copy = pawl_job_copy(claimed);
    faulty_set(FAULTY_AWAY);
    assert_status(complete(store, claimed), PAWL_OK);
    struct pawl_outcome release = { .id = job.id, .epoch = copy->epoch,
                                    .origin = copy->origin,
                                    .kind = PAWL_OUTCOME_RELEASED };
    struct pawl_job *others = exchange(there, owner, &release, NULL, 0);
    others = exchange(there, other_owner, NULL, NULL, 1);
    ck_assert_int_eq(others->epoch, 2);
    come_back();
    ck_assert_int_eq(state_in(there, job.id), PAWL_PROCESSING);
    ck_assert_uint_eq(times_told("outcome-stale: 1 outcomes in queue 'mail'"), 1);
    assert_status(renew(copy), PAWL_STALE);
    pawl_job_free(others);
    pawl_job_free(copy);
}
END_TEST

/* --- keys ----------------------------------------------------------------------- */

static void check_merged(struct pawl_id id, struct pawl_id holder)
{
    struct pawl_job *job = NULL;
    char text[PAWL_ID_TEXT];
    pawl_id_format(holder, text);
    assert_status(storage_get(there, QUEUE, id, &job, &err), PAWL_OK);
    ck_assert_int_eq(job->state, PAWL_CANCELLED);
    ck_assert_uint_eq(job->error_count, 1);
    ck_assert_msg(strstr(job->errors[0].message, text) != NULL, "%s",
                  job->errors[0].message);
    pawl_job_free(job);
    ck_assert_int_eq(state_in(there, holder), PAWL_PENDING);
    ck_assert_uint_eq(times_told("key-merged: queue 'mail': job "), 1);
    ck_assert_int_eq(last_event.kind == PAWL_EVENT_MODE ||
                     last_event.kind == PAWL_EVENT_KEY_MERGED, 1);
    ck_assert_uint_eq(times_told("event 1 "), 1);
}

/* The key was taken on both sides: the holder at the primary stays, the other is
 * cancelled and says why; whether it was never sent or maybe. */
START_TEST(key_on_both_sides)
{
    struct pawl_new_job first = new_job(), second = new_job();
    struct pawl_put in = { .queue = QUEUE, .session = { { 5 } }, .seq = 1,
                           .jobs = &first, .job_count = 1 };
    struct pawl_put_result result;
    first.key = second.key = "order-7";
    store = open_with("");
    assert_status(storage_put(there, &in, &result, &err), PAWL_OK);
    if (_i == 0)
        faulty_set(FAULTY_AWAY);
    else
        faulty_for(FAULTY_LOST_BEFORE, 1);
    assert_status(put_job(second), PAWL_SPOOLED);
    come_back();
    check_merged(second.id, first.id);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failover");
    TCase *t = tcase_create("failover");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, passes_through);
    tcase_add_test(t, away_at_the_start);
    tcase_add_test(t, away_later);
    tcase_add_test(t, in_order);
    tcase_add_test(t, reply_lost);
    tcase_add_test(t, request_lost);
    tcase_add_test(t, lost_long_ago);
    tcase_add_test(t, rate_of_calls);
    tcase_add_test(t, times_go_on);
    tcase_add_test(t, again_at_the_spool);
    tcase_add_test(t, again_at_the_primary);
    tcase_add_test(t, runs_here);
    tcase_add_test(t, ends_after_the_outage);
    tcase_add_test(t, ends_with_the_outage);
    tcase_add_test(t, policies);
    tcase_add_test(t, paused_here_too);
    tcase_add_test(t, outcome_is_kept);
    tcase_add_test(t, outcome_outlives_its_worker);
    tcase_add_test(t, outcome_sent_twice);
    tcase_add_test(t, outcome_too_late);
    tcase_add_loop_test(t, key_on_both_sides, 0, 2);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
