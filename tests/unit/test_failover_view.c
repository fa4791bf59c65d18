/* test_failover_view.c - what is seen and altered while the primary is away, the
 * limits of the spool, wrong settings, a primary that refuses or is another one. */
#include "failover_fixture.h"
#include "program.h"

#include <unistd.h>

/* --- looking -------------------------------------------------------------------- */

/* A spooled job is found; one of the primary is not known now, and that is said. */
START_TEST(get_a_job)
{
    store = open_with("");
    struct pawl_new_job old = new_job();
    struct pawl_job *job = NULL;
    assert_status(put_job(old), PAWL_OK);
    faulty_set(FAULTY_AWAY);
    struct pawl_id id = put_spooled();
    ck_assert_int_eq(state_in(store, id), PAWL_PENDING);
    assert_status(storage_get(store, QUEUE, old.id, &job, &err), PAWL_EUNREACHABLE);
    ck_assert_msg(strncmp(err.message, "faulty:memory:there has been away for ", 38) == 0,
                  "%s", err.message);
    come_back();
    ck_assert_int_eq(state_in(store, id), PAWL_PENDING);
    ck_assert_int_eq(state_in(store, old.id), PAWL_PENDING);
}
END_TEST

static size_t list(enum pawl_state state, enum pawl_status wanted)
{
    struct pawl_job *jobs[10];
    struct pawl_list in = { .queue = QUEUE, .state = state, .limit = 10 };
    struct pawl_list_reply out = { .jobs = jobs };
    assert_status(storage_list(store, &in, &out, &err), wanted);
    for (size_t i = 0; i < out.job_count; i++)
        pawl_job_free(jobs[i]);
    return out.job_count;
}

/* A list shows the spool, and says that this is not all. */
START_TEST(list_the_spool)
{
    open_away("");
    put_spooled();
    put_spooled();
    ck_assert_uint_eq(list(PAWL_PENDING, PAWL_SPOOLED), 2);
    ck_assert_uint_eq(list(PAWL_COMPLETED, PAWL_SPOOLED), 0);
    come_back();
    ck_assert_uint_eq(list(PAWL_PENDING, PAWL_OK), 2);
}
END_TEST

/* While it drains, the spool's page follows that of the primary: nothing is left out. */
START_TEST(list_while_draining)
{
    struct pawl_job *page[1], *running[2];
    struct pawl_list in = { .queue = QUEUE, .state = PAWL_PROCESSING, .limit = 1 };
    struct pawl_list_reply out = { .jobs = page };
    open_away("");
    put_spooled();
    running[1] = claim(store);
    faulty_set(FAULTY_FINE);
    await_mode(PAWL_MODE_DRAINING);
    struct pawl_new_job job = new_job();
    assert_status(put_job(job), PAWL_OK);
    running[0] = claim(store);
    size_t seen = 0;
    do {
        assert_status(storage_list(store, &in, &out, &err), PAWL_OK);
        for (size_t i = 0; i < out.job_count; i++) {
            ck_assert_uint_lt(seen, 2);
            ck_assert_mem_eq(&page[i]->id, &running[seen++]->id, sizeof page[i]->id);
            pawl_job_free(page[i]);
        }
        in.after = out.next;
    } while (out.next.set);
    ck_assert_uint_eq(seen, 2);
    for (int i = 0; i < 2; i++)
        assert_status(complete(store, running[i]), PAWL_OK);
    come_back();
}
END_TEST

static struct pawl_stats *stats(const char *queue, enum pawl_status wanted)
{
    struct pawl_stats *out = NULL;
    assert_status(storage_stats(store, queue, &out, &err), wanted);
    return out;
}

/* Counts: the spool's while away, of both while it drains, never of what is ours. */
START_TEST(count_jobs)
{
    store = open_with("");
    struct pawl_new_job job = new_job();
    assert_status(put_job(job), PAWL_OK);
    struct pawl_stats *s = stats(NULL, PAWL_OK);
    ck_assert(s->fallback && s->mode == PAWL_MODE_PRIMARY && s->spooled == 0);
    pawl_stats_free(s);
    faulty_for(FAULTY_LOST_BEFORE, 1);
    put_spooled(); /* maybe sent: kept as a call */
    faulty_set(FAULTY_AWAY);
    put_spooled();
    put_spooled();
    s = stats(NULL, PAWL_OK);
    ck_assert_uint_eq(s->queue_count, 1);
    ck_assert_str_eq(s->queues[0].name, QUEUE);
    ck_assert_uint_eq(s->queues[0].jobs[PAWL_PENDING], 2);
    ck_assert_uint_eq(s->queues[0].jobs[PAWL_HELD], 1);
    ck_assert_uint_eq(s->spooled, 3);
    pawl_stats_free(s);
    s = stats("unknown", PAWL_OK); /* it may be at the primary */
    ck_assert_uint_eq(s->queue_count, 1);
    ck_assert_int_eq(s->mode, PAWL_MODE_SPOOLING);
    pawl_stats_free(s);
    struct pawl_job *here_still = claim(store);
    faulty_set(FAULTY_FINE);
    await_mode(PAWL_MODE_DRAINING);
    int64_t end = clock_mono_ns() + PATIENCE_NS;
    /* What arrived is in both for a moment. */
    while ((stats_in(there).jobs[PAWL_PENDING] < 3 ||
            stats_in(here).jobs[PAWL_HELD] > 0) && clock_mono_ns() < end)
        nap();
    s = stats(QUEUE, PAWL_OK);
    ck_assert_uint_eq(s->queues[0].jobs[PAWL_PENDING], 3);
    ck_assert_uint_eq(s->queues[0].jobs[PAWL_PROCESSING], 1);
    ck_assert_uint_eq(s->spooled, 1);
    ck_assert_uint_eq(s->spooled_running, 1);
    pawl_stats_free(s);
    assert_status(complete(store, here_still), PAWL_OK);
    come_back();
    ck_assert_ptr_null(stats("unknown", PAWL_NOT_FOUND));
}
END_TEST

/* A call of many jobs that is kept counts as many, and they are listed page by page;
 * also of a queue of which the spool has nothing else. */
START_TEST(count_kept)
{
    enum { COUNT = 5 };
    struct pawl_new_job jobs[COUNT];
    struct pawl_put_result results[COUNT];
    struct pawl_job *page[2];
    store = open_with("");
    for (int i = 0; i < COUNT; i++)
        jobs[i] = new_job();
    jobs[3].type = "other";
    struct pawl_put put = { .queue = QUEUE, .session = session, .seq = 1, .jobs = jobs,
                            .job_count = COUNT };
    faulty_for(FAULTY_LOST_AFTER, 1);
    assert_status(storage_put(store, &put, results, &err), PAWL_OK);
    assert_status(results[0].status, PAWL_SPOOLED);
    struct pawl_stats *s = stats(QUEUE, PAWL_OK);
    ck_assert_uint_eq(s->queues[0].jobs[PAWL_HELD], COUNT);
    ck_assert_uint_eq(s->spooled, COUNT);
    pawl_stats_free(s);
    struct pawl_list in = { .queue = QUEUE, .state = PAWL_HELD, .type = "", .limit = 2 };
    struct pawl_list_reply out = { .jobs = page };
    static const int wanted[] = { 0, 1, 2, 4 };
    size_t seen = 0;
    do {
        assert_status(storage_list(store, &in, &out, &err), PAWL_SPOOLED);
        for (size_t i = 0; i < out.job_count; i++) {
            ck_assert_uint_lt(seen, 4);
            ck_assert_mem_eq(&page[i]->id, &jobs[wanted[seen++]].id, sizeof page[i]->id);
            pawl_job_free(page[i]);
        }
        in.after = out.next;
    } while (out.next.set);
    ck_assert_uint_eq(seen, 4);
    come_back();
    ck_assert_uint_eq(stats_in(there).jobs[PAWL_PENDING], COUNT);
}
END_TEST

/* Health tells since when and why, and where the spool is. */
START_TEST(health_tells)
{
    struct pawl_health health;
    open_away("");
    assert_status(storage_health(store, &health, &err), PAWL_OK);
    ck_assert_str_eq(health.storage, "faulty");
    ck_assert_str_eq(health.where, "faulty:memory:there");
    ck_assert_int_eq(health.mode, PAWL_MODE_SPOOLING);
    ck_assert_int_eq(health.warning_count, 1);
    ck_assert_msg(strncmp(health.warnings[0].text, "away since 20", 13) == 0 &&
                  strstr(health.warnings[0].text, "jobs are spooled: nobody is there"),
                  "%s", health.warnings[0].text);
    ck_assert_str_eq(health.details[0].name, "mode");
    ck_assert_str_eq(health.details[0].value, "spooling");
    ck_assert_str_eq(health.details[1].name, "spool");
    ck_assert_str_eq(health.details[1].value, "here");
    come_back();
    assert_status(storage_health(store, &health, &err), PAWL_OK);
    ck_assert_int_eq(health.mode, PAWL_MODE_PRIMARY);
    ck_assert_int_eq(health.warning_count, 0);
}
END_TEST

/* --- altering ------------------------------------------------------------------- */

/* Jobs in the spool are altered; of others it is said that their store is away. */
START_TEST(alter_jobs)
{
    store = open_with("");
    struct pawl_new_job old = new_job();
    assert_status(put_job(old), PAWL_OK);
    faulty_set(FAULTY_AWAY);
    struct pawl_id ids[2] = { put_spooled(), old.id };
    enum pawl_status results[2];
    struct pawl_alter in = { .queue = QUEUE, .kind = PAWL_ALTER_CANCEL, .ids = ids,
                             .id_count = 2, .from_states = ~0u };
    struct pawl_alter_reply out = { .results = results };
    assert_status(storage_alter(store, &in, &out, &err), PAWL_OK);
    assert_status(results[0], PAWL_OK);
    assert_status(results[1], PAWL_EUNREACHABLE);
    ck_assert_uint_eq(out.changed, 1);
    put_spooled();
    in = (struct pawl_alter){ .queue = QUEUE, .kind = PAWL_ALTER_REMOVE, .limit = 100,
                              .from_states = ~0u };
    assert_status(storage_alter(store, &in, &out, &err), PAWL_SPOOLED);
    ck_assert_uint_eq(out.changed, 2);
    in.kind = PAWL_ALTER_RETENTION;
    assert_status(storage_alter(store, &in, &out, &err), PAWL_EUNREACHABLE);
    come_back();
    ck_assert_uint_eq(all_in(there), 1);
}
END_TEST

/* --- limits --------------------------------------------------------------------- */

static void check_full(const char *text)
{
    struct pawl_new_job job = new_job();
    assert_status(put_job(job), PAWL_EFULL);
    ck_assert_msg(strcmp(err.message, text) == 0, "%s", err.message);
    ck_assert_int_eq(state_in(here, job.id), 0);
}

/* Each limit has its own word, and what is beyond it is refused, not dropped. */
START_TEST(limits)
{
    open_away("spool-jobs=2");
    put_spooled();
    put_spooled();
    check_full("faulty:memory:there is away, and the spool holds 2 jobs, with 1 more than "
               "its 2 (spool-jobs in the URL)");
    come_back();
    ck_assert_uint_eq(all_in(there), 2);
}
END_TEST

START_TEST(limit_of_bytes)
{
    char text[200];
    struct pawl_health health;
    open_away("spool-bytes=1");
    assert_status(storage_health(here, &health, &err), PAWL_OK);
    snprintf(text, sizeof text, "faulty:memory:there is away, and the spool has %lld bytes, "
             "with these more than its 1 (spool-bytes in the URL)",
             (long long)health.size_bytes);
    struct pawl_new_job job = new_job();
    job.payload = "two";
    job.payload_size = 3;
    assert_status(put_job(job), PAWL_EFULL);
    ck_assert_str_eq(err.message, text);
}
END_TEST

/* A file that was large once and is free inside has room. */
START_TEST(room_again)
{
    static char payload[100000];
    char folder[] = "/tmp/pawl-failover-XXXXXX", url[300];
    struct pawl_new_job job;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    faulty_set(FAULTY_AWAY);
    snprintf(url, sizeof url, "faulty:memory:there?fallback=sqlite:%s/spool.db&" TIMES
             "&spool-bytes=6000000", folder);
    store = open_url(url);
    for (int i = 0; i < 20; i++) {
        job = new_job();
        job.payload = payload;
        job.payload_size = sizeof payload;
        assert_status(put_job(job), PAWL_SPOOLED);
    }
    faulty_set(FAULTY_FINE);
    await_mode(PAWL_MODE_PRIMARY);
    struct pawl_health health;
    faulty_set(FAULTY_AWAY);
    put_spooled();
    struct pawl_storage *spool = failover_of(store)->spool;
    assert_status(storage_health(spool, &health, &err), PAWL_OK);
    ck_assert_int_ge(health.free_bytes, 20 * (int64_t)sizeof payload);
    atomic_store(&failover_of(store)->breaker.page->fill_counted, 0); /* count anew */
    put_spooled();
    ck_assert_uint_lt(atomic_load(&failover_of(store)->breaker.page->fill_bytes),
                      (uint64_t)(health.size_bytes - health.free_bytes) + 1000);
    storage_close(store);
    store = NULL;
    snprintf(url, sizeof url, "rm -r %s", folder);
    ck_assert_int_eq(system(url), 0);
}
END_TEST

START_TEST(limit_of_age)
{
    open_away("spool-age=20ms&outage=spool");
    put_spooled();
    for (int i = 0; i < 1100; i++) /* it is counted once a second */
        nap();
    check_full("faulty:memory:there is away, and the spool holds jobs for 1 s, longer than "
               "its 0 (spool-age in the URL)");
}
END_TEST

/* --- settings ------------------------------------------------------------------- */

/* Wrong options are told apart, and nothing is opened. */
START_TEST(wrong_options)
{
    static const struct {
        const char *options, *text;
    } wrong[] = {
        { "fallback=", "fallback has no value" },
        { "fallback=here", "fallback is 'off', or a URL like sqlite:PATH" },
        { "fallback=off&fallback=off", "fallback is given twice" },
        { "fallback=faulty:memory:x", "fallback: fallback is local, not 'faulty:'" },
        { "fallback=memory:x", "fallback: 'memory:' loses its jobs with the process: name a "
                               "file" },
        { "fallback=trace+memory:x", "fallback: 'memory:' loses its jobs with*" },
        { "fallback=nosuch:x", "fallback: 'nosuch' is not a storage*" },
        { "fallback=memory:%zz", "fallback is too long, or has a '%' without two hex "
                                 "digits behind it" },
        { "outage=maybe", "outage is run-local, spool or fail, or one of these with a "
                          "queue, as in spool:mail" },
        { "outage=fail:", "outage names a queue that has not 1 to 128 bytes" },
        { "dwell=5", "dwell is a length of time from 0s to 1h, like 500ms or 2s" },
        { "dwell=72h", "dwell is a length of time from 0s to 1h, like 500ms or 2s" },
        { "trial=61m", "trial is a length of time from 0s to 1h, like 500ms or 2s" },
        { "patience=0s", "patience is a length of time from 1ms to 1h, like 500ms or 2s" },
        { "patience=2h", "patience is a length of time from 1ms to 1h, like 500ms or 2s" },
        { "spool-age=9000h", "spool-age is a length of time from 1ms to 8784h, like 500ms "
                             "or 2s" },
        { "spool-jobs=0", "spool-jobs is a whole number from 1 on" },
        { "spool-bytes=1k", "spool-bytes is a whole number from 1 on" },
        { "drain-rate=-1", "drain-rate is a whole number from 0 on" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char url[200];
        struct pawl_storage *out = NULL;
        size_t n = strcspn(wrong[i].text, "*");
        snprintf(url, sizeof url, "faulty:memory:there?%s", wrong[i].options);
        assert_status(try_url(url, &out), PAWL_EINVAL);
        ck_assert_msg(strncmp(err.message, wrong[i].text, n) == 0 &&
                      (wrong[i].text[n] || err.message[n] == '\0'), "%s: %s",
                      wrong[i].options, err.message);
    }
}
END_TEST

/* A patience that is longer than calls may take is cut, and that is said. */
START_TEST(cut_patience)
{
    store = open_with("patience=30s");
    ck_assert_int_eq(failover_patience(failover_of(store)), 2000);
    ck_assert_uint_eq(times_told("patience-cut: patience is 30000 ms, but a call may take "
                                 "2000 ms (the program's deadline): that counts"), 1);
    storage_close(store);
    store = open_with("patience=2s");
    ck_assert_uint_eq(times_told("patience-cut"), 1);
}
END_TEST

/* Off: the storage alone. By the URL, by the environment, and by the program. */
START_TEST(turned_off)
{
    struct pawl_storage_config config = fixture_config();
    struct pawl_storage *out = NULL;
    faulty_set(FAULTY_AWAY);
    assert_status(try_url("faulty:memory:there?fallback=off&dwell=1s", &out),
                  PAWL_EUNREACHABLE);
    setenv("PAWL_FALLBACK", "off", 1);
    assert_status(try_url("faulty:memory:there", &out), PAWL_EUNREACHABLE);
    store = open_url("faulty:memory:there?fallback=" SPOOL); /* the URL wins */
    setenv("PAWL_FALLBACK", SPOOL, 1);
    config.bare = true;
    assert_status(storage_open("faulty:memory:there", &config, NULL, &out, &err),
                  PAWL_EUNREACHABLE);
    setenv("PAWL_FALLBACK", "nonsense", 1);
    assert_status(try_url("faulty:memory:there", &out), PAWL_EINVAL);
    ck_assert_str_eq(err.message,
                     "PAWL_FALLBACK: fallback is 'off', or a URL like sqlite:PATH");
}
END_TEST

/* A spool that cannot be used is no reason not to use the primary; but one must hear
 * of it. */
START_TEST(no_spool)
{
    char folder[] = "/tmp/pawl-failover-XXXXXX", url[200];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(url, sizeof url, "faulty:memory:there?fallback=sqlite:%s", folder);
    store = open_url(url); /* that is a folder */
    struct pawl_new_job job = new_job();
    assert_status(put_job(job), PAWL_OK);
    ck_assert_uint_eq(times_told("no-fallback: faulty:memory:there is used without a "
                                 "fallback: '/tmp/pawl-failover-"), 1);
    struct pawl_storage *out = NULL;
    faulty_set(FAULTY_AWAY); /* then both must be told */
    assert_status(try_url(url, &out), PAWL_EUNREACHABLE);
    ck_assert_int_eq(strncmp(err.message, "nobody is there; and the fallback cannot be used: "
                             "'/tmp/pawl-failover-", 70), 0);
    faulty_set(FAULTY_DENIED); /* that is no outage */
    assert_status(try_url(url, &out), PAWL_EDENIED);
    ck_assert_str_eq(err.message, "wrong password");
    rmdir(folder);
}
END_TEST

/* --- a primary that refuses, or is another -------------------------------------- */

/* Refused at the start is an error, not an outage. */
START_TEST(refused_at_the_start)
{
    struct pawl_storage *out = NULL;
    faulty_set(FAULTY_DENIED);
    assert_status(try_url("faulty:memory:there?fallback=" SPOOL, &out), PAWL_EDENIED);
    ck_assert_str_eq(err.message, "wrong password");
}
END_TEST

/* Refused after an outage: calls say so instead of being spooled for ever, it is said
 * loudly, and nothing is lost of what was spooled. */
START_TEST(refused_afterwards)
{
    open_away("");
    struct pawl_id id = put_spooled();
    faulty_set(FAULTY_DENIED);
    int64_t end = clock_mono_ns() + PATIENCE_NS;
    while (breaker_away(&failover_of(store)->breaker) && clock_mono_ns() < end)
        nap();
    struct pawl_new_job job = new_job();
    assert_status(put_job(job), PAWL_EDENIED);
    ck_assert_str_eq(err.message, "wrong password; 1 job waits in the spool at here");
    while (times_told("primary-refuses") == 0 && clock_mono_ns() < end)
        nap();
    ck_assert_uint_eq(times_told("primary-refuses: faulty:memory:there is back, but "
                                 "refuses: wrong password"), 1);
    ck_assert_uint_eq(times_told("event 0 draining: faulty:memory:there is back, but refuses "
                                 "(wrong password): what was spooled waits at here"), 1);
    ck_assert_uint_eq(times_told("is used, and gets"), 0);
    while (times_told("drain-refused") == 0 && clock_mono_ns() < end)
        nap();
    ck_assert_uint_eq(times_told("drain-refused: what is spooled at here cannot go to "
                                 "faulty:memory:there: wrong password; trying again"), 1);
    come_back();
    ck_assert_int_eq(state_in(there, id), PAWL_PENDING);
    ck_assert_uint_eq(times_told("drain-refused"), 1);
}
END_TEST

/* Whose password is wrong does not end the outage without a trial, for the others. */
START_TEST(refused_in_a_trial)
{
    open_away("trial=8s"); /* a probe in vain puts off the next for a quarter of it */
    put_spooled();
    faulty_set(FAULTY_DENIED);
    int64_t end = clock_mono_ns() + PATIENCE_NS;
    struct breaker *breaker = &failover_of(store)->breaker;
    while (breaker_state(breaker) == BREAKER_OPEN && clock_mono_ns() < end)
        nap();
    ck_assert_int_eq(breaker_state(breaker), BREAKER_TRIAL);
    put_spooled();
    ck_assert_uint_eq(times_told("primary-refuses"), 0);
}
END_TEST

/* It comes back as another store: said by log, event and health; what was spooled goes
 * to it. */
START_TEST(replaced)
{
    struct pawl_health health;
    store = open_with("");
    faulty_set(FAULTY_AWAY);
    struct pawl_id id = put_spooled();
    faulty_replace();
    come_back();
    ck_assert_int_eq(state_in(there, id), PAWL_PENDING);
    ck_assert_uint_eq(times_told("store-changed: faulty:memory:there is back as another "
                                 "store: it was emptied or replaced. "), 1);
    ck_assert_uint_eq(times_told("event 2 "), 1);
    assert_status(storage_health(store, &health, &err), PAWL_OK);
    ck_assert_int_eq(health.warning_count, 1);
    ck_assert_ptr_nonnull(strstr(health.warnings[0].text,
                                 "it was another store: emptied or replaced"));
}
END_TEST

/* A store that must exist, and comes back as a new one: no crash, and it is used. */
START_TEST(must_exist_and_is_new)
{
    struct pawl_storage_config config = fixture_config();
    config.must_exist = true;
    faulty_set(FAULTY_AWAY);
    assert_status(storage_open("faulty:memory:brand-new?fallback=" SPOOL "&" TIMES,
                               &config, NULL, &store, &err), PAWL_OK);
    put_spooled();
    come_back();
    ck_assert_uint_eq(stats_in(store).jobs[PAWL_PENDING], 1);
}
END_TEST

static enum pawl_status spool_times_out(struct pawl_storage *self, const char *queue,
                                        struct pawl_stats **out,
                                        struct pawl_error *error)
{
    (void)self;
    (void)queue;
    (void)out;
    return pawl_error_set(error, PAWL_ETIMEOUT, "the spool's disk is slow");
}

/* Trouble with the spool is none of the primary: that is used on. */
START_TEST(sick_spool)
{
    static struct pawl_storage_ops patched;
    store = open_with("");
    struct pawl_storage *spool = failover_of(store)->spool;
    const struct pawl_storage_ops *usual = spool->ops;
    patched = *usual;
    patched.stats = spool_times_out;
    spool->ops = &patched;
    breaker_refilled(&failover_of(store)->breaker);
    int64_t end = clock_mono_ns() + PATIENCE_NS;
    while (times_told("drain-refused") == 0 && clock_mono_ns() < end) {
        failover_heed(failover_of(store));
        nap();
    }
    ck_assert_uint_eq(times_told("drain-refused"), 1);
    ck_assert_int_eq(breaker_state(&failover_of(store)->breaker), BREAKER_DRAINING);
    struct pawl_new_job job = new_job();
    assert_status(put_job(job), PAWL_OK);
    spool->ops = usual;
    come_back();
}
END_TEST

/* A pause on this host ends with the outage. */
START_TEST(pause_ends_with_the_outage)
{
    struct pawl_alter pause = { .queue = QUEUE, .kind = PAWL_ALTER_PAUSE };
    struct pawl_alter_reply reply = { 0 };
    store = open_with("");
    struct pawl_new_job job = new_job();
    assert_status(put_job(job), PAWL_OK);
    complete(store, claim(store)); /* hears that it is not paused there */
    faulty_set(FAULTY_AWAY);
    put_spooled();
    assert_status(storage_alter(store, &pause, &reply, &err), PAWL_SPOOLED);
    ck_assert_ptr_null(claim(store));
    come_back();
    complete(store, claim(store));
    faulty_set(FAULTY_AWAY);
    put_spooled();
    struct pawl_job *claimed = claim(store);
    ck_assert_ptr_nonnull(claimed);
    complete(store, claimed);
    come_back();
}
END_TEST

/* --- urgent --------------------------------------------------------------------- */

/* Who is in a hurry does not wait for the times of the breaker. */
START_TEST(urgent)
{
    struct pawl_storage_config config = fixture_config();
    struct pawl_storage *first = NULL;
    faulty_set(FAULTY_AWAY);
    config.urgent = true;
    assert_status(storage_open("faulty:memory:there?fallback=" SPOOL "&dwell=1h&trial=1h",
                               &config, NULL, &first, &err), PAWL_OK);
    store = first;
    put_spooled();
    faulty_set(FAULTY_FINE);
    breaker_hurry(&failover_of(store)->breaker);
    breaker_poke(&failover_of(store)->breaker);
    come_back();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failover_view");
    TCase *t = tcase_create("failover_view");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, get_a_job);
    tcase_add_test(t, list_the_spool);
    tcase_add_test(t, list_while_draining);
    tcase_add_test(t, count_jobs);
    tcase_add_test(t, count_kept);
    tcase_add_test(t, health_tells);
    tcase_add_test(t, alter_jobs);
    tcase_add_test(t, limits);
    tcase_add_test(t, limit_of_bytes);
    tcase_add_test(t, room_again);
    tcase_add_test(t, limit_of_age);
    tcase_add_test(t, wrong_options);
    tcase_add_test(t, cut_patience);
    tcase_add_test(t, turned_off);
    tcase_add_test(t, no_spool);
    tcase_add_test(t, refused_at_the_start);
    tcase_add_test(t, refused_afterwards);
    tcase_add_test(t, refused_in_a_trial);
    tcase_add_test(t, replaced);
    tcase_add_test(t, must_exist_and_is_new);
    tcase_add_test(t, sick_spool);
    tcase_add_test(t, pause_ends_with_the_outage);
    tcase_add_test(t, urgent);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
