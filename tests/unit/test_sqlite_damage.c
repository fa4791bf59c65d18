/* test_sqlite_damage.c - large bytes that are no longer there. Never an empty
 * payload to a handler; and one damaged job stops no other. */
#include "fake_clock.h"
#include "sqlite_fixture.h"
#include "storage/sqlite/sqlite_row.h"

#define LEASE 1000

static struct sqlite_storage store;
static struct fake_clock fake;
static struct pawl_error error;
static const struct pawl_retention for_ever = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
static const char large[ROW_INLINE_MAX + 1];

/* --- one line for each call ----------------------------------------------------- */

static void set_up(void)
{
    struct pawl_storage_config config = { .url = "sqlite:", .options = "" };

    fixture_setup();
    fake_clock_init(&fake, INT64_C(1700000000000));
    config.location = fixture_file;
    config.clock = fake_clock_as_clock(&fake);
    config.deadline = 5000;
    memset(&store, 0, sizeof store);
    store.base.ops = &sqlite_storage_ops;
    ck_assert_int_eq(store.base.ops->open(&store.base, &config, &error), PAWL_OK);
}

static void tear_down(void)
{
    fixture_close(&store);
    fixture_teardown();
}

static struct pawl_id put(size_t size)
{
    static uint64_t seq;
    struct pawl_new_job job = { .queue = "q", .type = "", .priority = 5,
                                .max_attempts = 3, .payload = large,
                                .payload_size = size,
                                .id = pawl_id_new("q", fake.now) };
    struct pawl_put in = { "q", { { 1 } }, ++seq, &job, 1 };
    struct pawl_put_result result = { 0 };

    ck_assert_int_eq(sqlite_put(&store.base, &in, &result, &error), PAWL_OK);
    ck_assert_int_eq(result.status, PAWL_OK);
    return job.id;
}

static void change(const char *text)
{
    ck_assert_int_eq(sqlite_write_begin(&store, SYNC_FULL, &error), PAWL_OK);
    ck_assert_int_eq(db_exec(&store.writer, text, "change", &error), PAWL_OK);
    ck_assert_int_eq(sqlite_write_end(&store, PAWL_OK, &error), PAWL_OK);
}

/* Claim up to `max`, and complete what was handed out with a result of `size`. */
static size_t work(size_t max, size_t size)
{
    struct pawl_job *jobs[10];
    struct pawl_outcome outcomes[10];
    enum pawl_status results[10];
    struct pawl_exchange in = { .queue = "q", .owner = { { 7 } }, .claim_max = max,
                                .lease = LEASE, .retention = for_ever,
                                .outcomes = outcomes };
    struct pawl_exchange_reply out = { .jobs = jobs, .outcomes = results };

    ck_assert_msg(sqlite_exchange(&store.base, &in, &out, &error) == PAWL_OK, "%s",
                  error.message);
    for (; in.outcome_count < out.job_count; in.outcome_count++) {
        struct pawl_job *job = jobs[in.outcome_count];
        outcomes[in.outcome_count] = (struct pawl_outcome){
            .id = job->id, .epoch = job->epoch, .origin = job->origin,
            .result = large, .result_size = size
        };
        ck_assert_uint_eq(job->payload_size, sizeof large);
        pawl_job_free(job);
    }
    in.claim_max = 0;
    ck_assert_int_eq(sqlite_exchange(&store.base, &in, &out, &error), PAWL_OK);
    return in.outcome_count;
}

/* --- what it says ------------------------------------------------------------------ */

static void must_be_lost(struct pawl_id id, const char *part)
{
    char text[120], name[PAWL_ID_TEXT];
    struct pawl_job *seen = NULL;

    pawl_id_format(id, name);
    snprintf(text, sizeof text, "the file is damaged: job %s has lost its %s",
             name, part);
    ck_assert_int_eq(sqlite_get(&store.base, NULL, id, &seen, &error),
                     PAWL_ECORRUPT);
    ck_assert_str_eq(error.message, text);
}

static size_t listed(enum pawl_state state)
{
    struct pawl_job *jobs[10];
    struct pawl_list in = { .queue = "q", .state = state, .limit = 10 };
    struct pawl_list_reply out = { .jobs = jobs };

    ck_assert_int_eq(sqlite_list(&store.base, &in, &out, &error), PAWL_OK);
    for (size_t i = 0; i < out.job_count; i++)
        pawl_job_free(jobs[i]);
    return out.job_count;
}

static uint64_t counted(enum pawl_state state)
{
    struct pawl_stats *stats = NULL;
    uint64_t count;

    ck_assert_int_eq(sqlite_stats(&store.base, "q", &stats, &error), PAWL_OK);
    count = stats->queues[0].jobs[state];
    pawl_stats_free(stats);
    return count;
}

/* A payload that is gone, or is not as long as it was: whoever asks for the job
 * hears of it, and it does not leave for another storage. */
START_TEST(payload_is_lost)
{
    struct pawl_job *jobs[3];
    struct pawl_take_out hold = { .queue = "q", .kind = PAWL_TAKE_HOLD,
                                  .from_states = PAWL_STATE_BIT(PAWL_PENDING),
                                  .limit = 3 };
    struct pawl_take_out_reply held = { .jobs = jobs };
    struct pawl_id gone = put(sizeof large), cut = put(sizeof large);

    put(sizeof large);
    change("DELETE FROM large_payload WHERE place = (SELECT min(place) FROM job)");
    change("UPDATE large_payload SET bytes = x'00' WHERE place = "
           "(SELECT min(place) FROM large_payload)");
    must_be_lost(gone, "payload");
    must_be_lost(cut, "payload");
    ck_assert_uint_eq(listed(PAWL_PENDING), 1);
    ck_assert_int_eq(sqlite_take_out(&store.base, &hold, &held, &error),
                     PAWL_ECORRUPT);
    ck_assert_uint_eq(counted(PAWL_PENDING), 3);
}
END_TEST

/* It is handed to no handler, but the one behind it is; in time it is dead. */
START_TEST(payload_is_not_handed_out)
{
    struct pawl_sweep in = { .queue = "q", .limit = 100, .max_crashes = 3,
                             .retention = for_ever };
    struct pawl_sweep_reply out;
    struct pawl_id gone = put(sizeof large);

    change("DELETE FROM large_payload");
    put(sizeof large);
    ck_assert_uint_eq(work(1, 0), 1);
    ck_assert_uint_eq(counted(PAWL_PROCESSING), 1);
    for (int crash = 0; crash < 3; crash++) {
        fake_clock_pass(&fake, LEASE);
        ck_assert_int_eq(sqlite_sweep(&store.base, &in, &out, &error), PAWL_OK);
        ck_assert_uint_eq(work(1, 0), 0);
    }
    ck_assert_uint_eq(counted(PAWL_DEAD), 1);
    ck_assert_uint_eq(counted(PAWL_COMPLETED), 1);
    must_be_lost(gone, "payload");
}
END_TEST

START_TEST(result_is_lost)
{
    struct pawl_id id = put(sizeof large);

    ck_assert_uint_eq(work(1, sizeof large), 1);
    change("DELETE FROM large_result");
    must_be_lost(id, "result");
    ck_assert_uint_eq(listed(PAWL_COMPLETED), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sqlite_damage");
    TCase *t = tcase_create("sqlite_damage");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, payload_is_lost);
    tcase_add_test(t, payload_is_not_handed_out);
    tcase_add_test(t, result_is_lost);
    suite_add_tcase(suite, t);
    return fixture_run(suite);
}
