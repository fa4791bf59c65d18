/* test_failover_drain.c - the way back: a queue that is in trouble, a primary that goes
 * again meanwhile, and who ends while he drains. */
#include "failover_fixture.h"
#include "program.h"

/* --- a queue in trouble --------------------------------------------------------- */

static struct pawl_id put_to(const char *queue)
{
    struct pawl_new_job job = new_job();
    job.queue = queue;
    job.id = pawl_id_new(queue, clock_wall_ms());
    assert_status(put_job(job), PAWL_SPOOLED);
    return job.id;
}

static struct pawl_id put_maybe_sent(const char *queue)
{
    faulty_for(FAULTY_LOST_BEFORE, 1);
    struct pawl_id id = put_to(queue);
    faulty_set(FAULTY_FINE);
    await_mode(PAWL_MODE_DRAINING);
    return id;
}

static uint64_t pending_there(const char *queue)
{
    struct pawl_stats *stats = NULL;
    uint64_t pending = 0;
    if (storage_stats(there, queue, &stats, &err) == PAWL_OK)
        pending = stats->queues[0].jobs[PAWL_PENDING];
    pawl_stats_free(stats);
    return pending;
}

static const struct trouble {
    enum faulty_damage how;
    const char *text;
} troubles[] = {
    { FAULTY_CORRUPT, "somebody wrote there" },
    { FAULTY_PARTLY, "maybe done in part: somebody wrote there" },
    { FAULTY_CUT_OFF, "its master is dead" },
};

/* A queue that is damaged at the primary keeps no other one waiting, neither with its
 * jobs nor with more kept calls than are delivered at once; is named; and keeps its
 * order. */
START_TEST(one_queue_is_stuck)
{
    enum { CALLS = 20 };
    struct pawl_id ids[CALLS + 1];
    char text[200];
    store = open_with("dwell=0ms&trial=0ms&outage=spool");
    struct failover *f = failover_of(store);
    ck_assert(breaker_drain_begin(&f->breaker)); /* nobody drains meanwhile */
    for (int i = 0; i < CALLS; i++)
        ids[i] = put_maybe_sent(QUEUE);
    put_maybe_sent("post");
    faulty_set(FAULTY_AWAY);
    ids[CALLS] = put_to(QUEUE);
    put_to("post");
    faulty_damage(QUEUE, troubles[_i].how);
    faulty_set(FAULTY_FINE);
    breaker_drain_end(&f->breaker);
    int64_t end = clock_mono_ns() + PATIENCE_NS;
    while ((pending_there("post") < 2 || times_told("drain-refused") == 0) &&
           clock_mono_ns() < end)
        nap();
    ck_assert_uint_eq(pending_there("post"), 2);
    snprintf(text, sizeof text, "drain-refused: what is spooled at here cannot go to "
             "faulty:memory:there: queue 'mail': %s; trying again", troubles[_i].text);
    ck_assert_uint_eq(times_told(text), 1);
    faulty_damage(NULL, FAULTY_CORRUPT);
    come_back();
    for (int i = 0; i <= CALLS; i++) {
        struct pawl_job *job = claim(there);
        ck_assert_mem_eq(&job->id, &ids[i], sizeof ids[i]);
        pawl_job_free(job);
    }
}
END_TEST

/* Each queue is named, though they say the same, and each once; and again when it is
 * damaged again. */
START_TEST(two_queues_are_stuck)
{
    open_away("dwell=0ms&trial=0ms&outage=spool");
    struct failover *f = failover_of(store);
    put_to(QUEUE);
    put_to("post");
    faulty_damage("*", FAULTY_CORRUPT);
    faulty_set(FAULTY_FINE);
    int64_t end = clock_mono_ns() + PATIENCE_NS;
    uint64_t before = faulty_calls();
    while (faulty_calls() < before + 20 && clock_mono_ns() < end) {
        breaker_poke(&f->breaker); /* it is tried at once */
        nap();
    }
    ck_assert_uint_eq(times_told("drain-refused: "), 2);
    ck_assert_uint_eq(times_told("queue 'mail': somebody wrote there; trying again"), 1);
    ck_assert_uint_eq(times_told("queue 'post': somebody wrote there; trying again"), 1);
    faulty_damage(NULL, FAULTY_CORRUPT);
    come_back();
    faulty_set(FAULTY_AWAY);
    put_to("post");
    faulty_damage("*", FAULTY_CORRUPT);
    faulty_set(FAULTY_FINE);
    while (times_told("drain-refused: ") < 3 && clock_mono_ns() < end)
        nap();
    ck_assert_uint_eq(times_told("queue 'post': somebody wrote there; trying again"), 2);
}
END_TEST

/* --- calls that cannot be made --------------------------------------------------- */

/* As if it had been kept. */
static struct pawl_id keep_bytes(const char *bytes, size_t size)
{
    static uint64_t seq;
    struct pawl_new_job job = { .queue = FAILOVER_SENT, .type = "", .priority = 1,
                                .max_attempts = 1, .payload = bytes, .payload_size = size,
                                .id = pawl_id_new(FAILOVER_SENT, clock_wall_ms()) };
    struct pawl_put in = { .queue = FAILOVER_SENT, .session = { { 77 } }, .seq = ++seq,
                           .jobs = &job, .job_count = 1 };
    struct pawl_put_result result;
    assert_status(storage_put(here, &in, &result, &err), PAWL_OK);
    return job.id;
}

static enum pawl_state state_of_call(struct pawl_id id)
{
    struct pawl_job *job = NULL;
    assert_status(storage_get(here, FAILOVER_SENT, id, &job, &err), PAWL_OK);
    enum pawl_state state = job->state;
    pawl_job_free(job);
    return state;
}

static struct pawl_stats *all_stats(void)
{
    struct pawl_stats *out = NULL;
    assert_status(storage_stats(store, NULL, &out, &err), PAWL_OK);
    return out;
}

/* One that is damaged is set aside, and shows as long as it is there: in stats, in
 * health, in the log. */
START_TEST(a_damaged_call)
{
    struct pawl_health health;
    char id[PAWL_ID_TEXT], text[200];
    struct pawl_id damaged = keep_bytes("\1what", 5);
    store = open_with("");
    await_mode(PAWL_MODE_PRIMARY);
    ck_assert_int_eq(state_of_call(damaged), PAWL_CANCELLED);
    pawl_id_format(damaged, id);
    snprintf(text, sizeof text, "spool-damaged: here: a call that was kept is damaged; it "
             "is set aside there, as job %s\n", id);
    ck_assert_uint_eq(times_told(text), 1);
    struct pawl_stats *s = all_stats();
    ck_assert_uint_eq(s->set_aside, 1);
    ck_assert_uint_eq(s->spooled, 0);
    pawl_stats_free(s);
    assert_status(storage_health(store, &health, &err), PAWL_OK);
    ck_assert_int_eq(health.warning_count, 1);
    snprintf(text, sizeof text, "calls that cannot be made are set aside in here: 1, the "
             "first as job %s", id);
    ck_assert_str_eq(health.warnings[0].text, text);
}
END_TEST

static bool is_here(const char *queue)
{
    struct pawl_stats *stats = NULL;
    uint64_t jobs = 0;
    if (storage_stats(here, queue, &stats, &err) == PAWL_OK)
        jobs = stats->queues[0].jobs[PAWL_PENDING] + stats->queues[0].jobs[PAWL_HELD];
    pawl_stats_free(stats);
    return jobs > 0;
}

/* One of a newer pawl waits for it, and says so; what comes behind it goes over. */
START_TEST(a_call_of_a_newer_pawl)
{
    struct pawl_id newer = keep_bytes("\2what", 5);
    open_away("dwell=0ms&trial=0ms&outage=spool");
    put_to(QUEUE);
    faulty_set(FAULTY_FINE);
    int64_t end = clock_mono_ns() + PATIENCE_NS;
    while ((pending_there(QUEUE) == 0 || is_here(QUEUE) ||
            times_told("drain-refused") == 0) &&
           clock_mono_ns() < end)
        nap();
    ck_assert_uint_eq(pending_there(QUEUE), 1);
    ck_assert_uint_eq(times_told("drain-refused: what is spooled at here cannot go to "
                                 "faulty:memory:there: a call that was kept is of a newer "
                                 "pawl; use that one; trying again"), 1);
    struct pawl_stats *s = all_stats();
    ck_assert_int_eq(s->mode, PAWL_MODE_DRAINING);
    ck_assert_uint_eq(s->spooled, 1);
    ck_assert_uint_eq(s->set_aside, 0);
    pawl_stats_free(s);
    ck_assert_int_ne(state_of_call(newer), PAWL_CANCELLED);
}
END_TEST

/* --- another store ------------------------------------------------------------- */

/* It is emptied when the prober has its connection already: the drain sees it. */
START_TEST(emptied_within_the_trial)
{
    open_away("dwell=0ms&trial=0ms");
    struct failover *f = failover_of(store);
    ck_assert(breaker_drain_begin(&f->breaker));
    put_to(QUEUE);
    faulty_set(FAULTY_FINE);
    await_mode(PAWL_MODE_DRAINING);
    ck_assert_uint_eq(times_told("store-changed"), 0);
    faulty_replace();
    breaker_drain_end(&f->breaker);
    come_back();
    ck_assert_uint_eq(times_told("store-changed: faulty:memory:there is back as another "
                                 "store: it was emptied or replaced. "), 1);
    ck_assert_uint_eq(times_told("event 2 "), 1);
}
END_TEST

/* --- who ends ------------------------------------------------------------------- */

static struct pawl_storage *open_brief(const char *more)
{
    struct pawl_storage_config config = fixture_config();
    struct pawl_storage *out = NULL;
    char url[200];
    config.brief = true; /* no thread before the next probe is due */
    snprintf(url, sizeof url, "faulty:memory:there?fallback=" SPOOL "&outage=spool&%s",
             more);
    assert_status(storage_open(url, &config, NULL, &out, &err), PAWL_OK);
    return out;
}

/* A command that is about to end gives over a batch of 200 all the same, and no more; or
 * as many as go in its 400 ms, where the machine is slow. */
START_TEST(one_batch_at_least)
{
    enum { JOBS = 1000 };
    faulty_set(FAULTY_AWAY);
    store = open_brief("dwell=1h");
    struct failover *f = failover_of(store);
    for (int i = 0; i < JOBS; i++)
        put_spooled();
    faulty_set(FAULTY_FINE);
    atomic_store(&f->stopping, true);
    ck_assert(breaker_answered(&f->breaker, true));
    int64_t began_ns = clock_mono_ns();
    failover_drain(f);
    bool in_time = clock_mono_ns() - began_ns < INT64_C(400000000);
    ck_assert_uint_ge(stats_in(there).jobs[PAWL_PENDING], in_time ? 200 : 1);
    ck_assert_uint_le(stats_in(there).jobs[PAWL_PENDING], 600);
}
END_TEST

/* Nor does it leave jobs that no longer move: they run here. */
START_TEST(nothing_to_move)
{
    open_away("dwell=0ms&trial=0ms");
    put_to(QUEUE);
    struct pawl_job *job = claim(store);
    faulty_set(FAULTY_FINE);
    await_mode(PAWL_MODE_DRAINING);
    int64_t began = clock_mono_ns();
    storage_close(store);
    ck_assert_int_le(clock_mono_ns() - began, INT64_C(5000000000));
    store = NULL;
    ck_assert_uint_eq(all_in(here), 1);
    pawl_job_free(job);
}
END_TEST

/* The command whose probe ends the outage drains as well, however soon it ends. */
START_TEST(ends_the_outage_and_itself)
{
    for (int i = 0; i < 20; i++) {
        faulty_set(FAULTY_AWAY);
        store = open_brief("dwell=1h&trial=0ms");
        put_spooled();
        faulty_set(FAULTY_FINE);
        breaker_hurry(&failover_of(store)->breaker);
        failover_heed(failover_of(store)); /* starts the thread */
        storage_close(store);
        store = NULL;
        ck_assert_uint_eq(all_in(here), 0);
        ck_assert_uint_eq(stats_in(there).jobs[PAWL_PENDING], (uint64_t)i + 1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failover_drain");
    TCase *t = tcase_create("failover_drain");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, one_queue_is_stuck, 0, sizeof troubles / sizeof *troubles);
    tcase_add_test(t, two_queues_are_stuck);
    tcase_add_test(t, a_damaged_call);
    tcase_add_test(t, a_call_of_a_newer_pawl);
    tcase_add_test(t, emptied_within_the_trial);
    tcase_add_test(t, one_batch_at_least);
    tcase_add_test(t, nothing_to_move);
    tcase_add_test(t, ends_the_outage_and_itself);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
