/* test_sqlite_rows.c - what the tables hold, which no caller sees but which must
 * be right for years: places that collide, bytes kept apart, replies that are
 * written down and forgotten, options that are damaged. What callers see is in
 * tests/conformance. */
#include "fake_clock.h"
#include "sqlite_fixture.h"
#include "storage/sqlite/sqlite_options.h"
#include "storage/sqlite/sqlite_queue.h"
#include "storage/sqlite/sqlite_row.h"

#define START INT64_C(1700000000000)
#define DAY INT64_C(86400000)

static struct sqlite_storage store;
static struct fake_clock fake;
static struct pawl_error error;
static struct pawl_retention retention;
static const struct pawl_owner owner = { { 7 } };

static void set_up(void)
{
    struct pawl_storage_config config = { .url = "sqlite:", .options = "" };

    fixture_setup();
    fake_clock_init(&fake, START);
    config.location = fixture_file;
    config.clock = fake_clock_as_clock(&fake);
    config.deadline = 5000;
    memset(&store, 0, sizeof store);
    store.base.ops = &sqlite_storage_ops;
    ck_assert_int_eq(store.base.ops->open(&store.base, &config, &error),
                     PAWL_OK);
    retention.completed = (struct pawl_keep){ -1, -1 };
    retention.dead = retention.cancelled = retention.completed;
}

static void tear_down(void)
{
    fixture_close(&store);
    fixture_teardown();
}

/* --- one line for each call -------------------------------------------------- */

static struct pawl_session session(uint8_t n)
{
    return (struct pawl_session){ { n } };
}

static struct pawl_id new_id(void)
{
    return pawl_id_new("q", START);
}

static struct pawl_new_job plain(struct pawl_id id)
{
    return (struct pawl_new_job){
        .queue = "q", .type = "", .priority = 5, .max_attempts = 3, .id = id
    };
}

static void put_many(size_t count)
{
    static struct pawl_new_job jobs[1000];
    static struct pawl_put_result results[1000];
    static uint64_t seq;
    struct pawl_put in = { "q", { { 9 } }, 0, jobs, 1000 };

    for (size_t done = 0; done < count; done += 1000) {
        for (size_t i = 0; i < 1000; i++)
            jobs[i] = plain(new_id());
        in.seq = ++seq;
        ck_assert_int_eq(sqlite_put(&store.base, &in, results, &error), PAWL_OK);
    }
}

static enum pawl_status put(const char *queue, struct pawl_session session,
                            uint64_t seq, struct pawl_new_job job)
{
    struct pawl_put in = { queue, session, seq, &job, 1 };
    struct pawl_put_result result = { 0 };
    enum pawl_status status = sqlite_put(&store.base, &in, &result, &error);

    return status == PAWL_OK ? result.status : status;
}

/* Claim what is there, and complete it with this result. */
static size_t work(const void *result, size_t size)
{
    static struct pawl_job *jobs[200];
    static struct pawl_outcome outcomes[200];
    static enum pawl_status results[200];
    struct pawl_exchange in = { .queue = "q",
                                .owner = owner,
                                .claim_max = 200,
                                .lease = 1000,
                                .retention = retention,
                                .outcomes = outcomes };
    struct pawl_exchange_reply out = { .jobs = jobs, .outcomes = results };
    size_t count;

    ck_assert_int_eq(sqlite_exchange(&store.base, &in, &out, &error), PAWL_OK);
    count = in.outcome_count = out.job_count;
    for (size_t i = 0; i < count; i++) {
        outcomes[i] = (struct pawl_outcome){ .id = jobs[i]->id,
                                             .epoch = jobs[i]->epoch,
                                             .origin = jobs[i]->origin,
                                             .result = result,
                                             .result_size = size };
        pawl_job_free(jobs[i]);
    }
    in.claim_max = 0;
    ck_assert_int_eq(sqlite_exchange(&store.base, &in, &out, &error), PAWL_OK);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(results[i], PAWL_OK);
    return count;
}

static enum pawl_status alter(enum pawl_alter_kind kind, struct pawl_id id)
{
    enum pawl_status result = PAWL_OK;
    struct pawl_alter in = { .queue = "q",
                             .kind = kind,
                             .from_states = ~0u,
                             .ids = &id,
                             .id_count = 1 };
    struct pawl_alter_reply out = { .results = &result };

    ck_assert_int_eq(sqlite_alter(&store.base, &in, &out, &error), PAWL_OK);
    return result;
}

static struct pawl_sweep_reply sweep(void)
{
    struct pawl_sweep in = {
        .queue = "q", .limit = 100, .max_crashes = 3, .retention = retention
    };
    struct pawl_sweep_reply out;

    ck_assert_int_eq(sqlite_sweep(&store.base, &in, &out, &error), PAWL_OK);
    return out;
}

static int64_t number(const char *text)
{
    int64_t value = -1;

    ck_assert_int_eq(sqlite_read_begin(&store, &error), PAWL_OK);
    ck_assert_int_eq(db_number(&store.reader, text, &value, &error), PAWL_OK);
    ck_assert_int_eq(sqlite_read_end(&store, PAWL_OK, &error), PAWL_OK);
    return value;
}

static int64_t rows(const char *table)
{
    char text[80];
    struct pawl_job *job = NULL;

    /* The reader is opened with the first read. */
    sqlite_get(&store.base, NULL, new_id(), &job, &error);
    snprintf(text, sizeof text, "SELECT count(*) FROM %s", table);
    return number(text);
}

/* --- places ------------------------------------------------------------------ */

/* The n-th of many ids that all want the same place. */
static struct pawl_id crowded(uint8_t n)
{
    struct pawl_id id = { { 1, 2, 3, 4, 5, 6, 0x70, 8, 0x80 } };

    id.b[12] = n;
    return id;
}

/* A place rises with time, with the counter, and stays positive. */
START_TEST(places_rise)
{
    struct pawl_id id = { { 0 } };
    int64_t first = row_place(id), second, last;

    ck_assert_int_eq(first, 0);
    id.b[7] = 1;
    second = row_place(id);
    ck_assert_int_gt(second, first + ROW_SLOTS);
    id.b[5] = 1;
    ck_assert_int_gt(row_place(id), second);
    memset(&id, 0xFF, sizeof id);
    last = row_place(id);
    ck_assert_int_gt(last, 0);
    ck_assert_int_le(last, INT64_MAX - ROW_SLOTS);
}
END_TEST

/* 64 ids that want one place are all stored and found; the next is refused, by
 * name and with advice, and works once there is room. */
START_TEST(places_run_out)
{
    struct pawl_job *job = NULL;

    for (int i = 0; i < ROW_SLOTS; i++)
        ck_assert_int_eq(
            put("q", session(1), (uint64_t)i + 1, plain(crowded((uint8_t)i))),
            PAWL_OK);
    for (int i = 0; i < ROW_SLOTS; i++) {
        ck_assert_int_eq(
            sqlite_get(&store.base, "q", crowded((uint8_t)i), &job, &error),
            PAWL_OK);
        ck_assert_mem_eq(&job->id, &(struct pawl_id[]){ crowded((uint8_t)i) },
                         16);
        pawl_job_free(job);
    }
    ck_assert_int_eq(put("q", session(1), 100, plain(crowded(100))),
                     PAWL_EINTERNAL);
    ck_assert_ptr_nonnull(strstr(error.message, "the 64 places for id "));
    ck_assert_int_eq(alter(PAWL_ALTER_REMOVE, crowded(3)), PAWL_OK);
    ck_assert_int_eq(put("q", session(1), 101, plain(crowded(100))), PAWL_OK);
}
END_TEST

/* A job that was stored beside its place is a duplicate also when its own place
 * has become free. */
START_TEST(gap_is_not_the_end)
{
    put("q", session(1), 1, plain(crowded(1)));
    put("q", session(1), 2, plain(crowded(2)));
    ck_assert_int_eq(alter(PAWL_ALTER_REMOVE, crowded(1)), PAWL_OK);
    ck_assert_int_eq(put("q", session(2), 1, plain(crowded(2))),
                     PAWL_DUPLICATE);
    ck_assert_int_eq(rows("job"), 1);
}
END_TEST

/* --- bytes kept apart -------------------------------------------------------- */

/* More than 1,024 bytes are elsewhere, come back whole, and go with the job. */
START_TEST(large_bytes)
{
    static char payload[ROW_INLINE_MAX + 1], result[ROW_INLINE_MAX + 1];
    struct pawl_id id = new_id();
    struct pawl_new_job job = plain(id);
    struct pawl_job *seen = NULL;

    memset(payload, 'p', sizeof payload);
    memset(result, 'r', sizeof result);
    job.payload = payload;
    job.payload_size = sizeof payload;
    ck_assert_int_eq(put("q", session(1), 1, job), PAWL_OK);
    ck_assert_uint_eq(work(result, sizeof result), 1);
    ck_assert_int_eq(rows("large_payload"), 1);
    ck_assert_int_eq(rows("large_result"), 1);
    ck_assert_int_eq(number("SELECT payload + result FROM job"),
                     2 * (ROW_INLINE_MAX + 1));
    ck_assert_int_eq(sqlite_get(&store.base, NULL, id, &seen, &error), PAWL_OK);
    ck_assert_uint_eq(seen->payload_size, sizeof payload);
    ck_assert_mem_eq(seen->payload, payload, sizeof payload);
    ck_assert_uint_eq(seen->result_size, sizeof result);
    ck_assert_mem_eq(seen->result, result, sizeof result);
    pawl_job_free(seen);
    retention.completed.count = 0;
    ck_assert_uint_eq(sweep().removed, 1);
    ck_assert_int_eq(rows("large_payload") + rows("large_result"), 0);
}
END_TEST

/* --- puts written down ------------------------------------------------------- */

/* Of each session the newest 16 puts whose jobs are gone are kept, and they, but
 * no older ones, are still told apart. */
START_TEST(replies_are_few)
{
    struct pawl_id ids[40];

    for (int i = 0; i < 40; i++) {
        ids[i] = new_id();
        put("q", session(1), (uint64_t)i + 1, plain(ids[i]));
    }
    retention.completed.count = 0;
    ck_assert_uint_eq(work(NULL, 0), 40);
    ck_assert_int_eq(rows("job"), 0);
    ck_assert_int_eq(rows("reply"), 16);
    ck_assert_int_eq(put("q", session(1), 25, plain(ids[24])), PAWL_OK);
    ck_assert_int_eq(put("q", session(1), 24, plain(ids[23])), PAWL_ETOOOLD);
    ck_assert_int_eq(rows("job"), 0);
}
END_TEST

/* Session and number are those of one queue: the same in another is another put. */
START_TEST(queues_count_apart)
{
    struct pawl_id id = new_id();

    ck_assert_int_eq(put("q", session(1), 1, plain(id)), PAWL_OK);
    ck_assert_int_eq(put("q", session(1), 1, plain(id)), PAWL_OK);
    ck_assert_int_eq(put("other", session(1), 1, plain(id)), PAWL_DUPLICATE);
}
END_TEST

/* A session unused for a week is forgotten with its replies, and a job of it
 * that goes later leaves none behind. */
START_TEST(sessions_are_forgotten)
{
    struct pawl_id first = new_id(), second = new_id();

    put("q", session(1), 1, plain(first));
    put("q", session(1), 2, plain(second));
    ck_assert_int_eq(alter(PAWL_ALTER_REMOVE, first), PAWL_OK);
    ck_assert_int_eq(rows("reply"), 1);
    fake_clock_pass(&fake, 8 * DAY);
    put("q", session(2), 1, plain(new_id()));
    sweep();
    ck_assert_int_eq(rows("session"), 1);
    ck_assert_int_eq(rows("reply"), 0);
    ck_assert_int_eq(alter(PAWL_ALTER_REMOVE, second), PAWL_OK);
    ck_assert_int_eq(rows("reply"), 0);
    /* It comes back under a number never used before. */
    put("q", session(1), 3, plain(new_id()));
    ck_assert_int_eq(number("SELECT max(n) FROM session"), 3);
}
END_TEST

/* One that is used stays, however long it lives. */
START_TEST(sessions_in_use_stay)
{
    for (uint64_t day = 1; day <= 20; day++) {
        put("q", session(1), day, plain(new_id()));
        fake_clock_pass(&fake, DAY);
        sweep();
    }
    ck_assert_int_eq(rows("session"), 1);
    ck_assert_int_eq(number("SELECT max(n) FROM session"), 1);
}
END_TEST

/* --- the order --------------------------------------------------------------- */

/* Instants that do not fit in the order are told and kept as they are. */
START_TEST(far_future)
{
    struct pawl_new_job job = plain(new_id());
    struct pawl_job *seen = NULL;

    job.run_at = INT64_C(253402300799999); /* the end of the year 9999 */
    ck_assert_int_eq(put("q", session(1), 1, job), PAWL_OK);
    ck_assert_int_eq(sweep().next_at, job.run_at);
    ck_assert_int_eq(sqlite_get(&store.base, "q", job.id, &seen, &error),
                     PAWL_OK);
    ck_assert_int_eq(seen->run_at, job.run_at);
    ck_assert_int_eq(seen->state, PAWL_SCHEDULED);
    pawl_job_free(seen);
}
END_TEST

/* The order has 15 bits for the queue; the next one is refused, not mixed up. */
START_TEST(too_many_queues)
{
    ck_assert_int_eq(sqlite_write_begin(&store, SYNC_NORMAL, &error), PAWL_OK);
    ck_assert_int_eq(db_exec(&store.writer,
                             "INSERT INTO queue (n, name, hash) "
                             "VALUES (32766, 'x', 0)",
                             "test", &error),
                     PAWL_OK);
    ck_assert_int_eq(sqlite_write_end(&store, PAWL_OK, &error), PAWL_OK);
    ck_assert_int_eq(put("last", session(1), 1, plain(new_id())), PAWL_OK);
    ck_assert_int_eq(put("more", session(1), 1, plain(new_id())), PAWL_EFULL);
    ck_assert_str_eq(error.message,
                     "no room for queue 'more': a file has at most "
                     "32767 queues");
    ck_assert_int_eq(rows("queue"), 2);
}
END_TEST

/* --- options ------------------------------------------------------------------ */

static struct pawl_new_job full(void)
{
    struct pawl_new_job job = { .max_attempts = 1000,
                                .timeout = 60000,
                                .key_ttl = PAWL_DURATION_MAX,
                                .key_mode = PAWL_KEY_THROTTLE,
                                .group = "tenant" };

    job.backoff = (struct pawl_backoff){ PAWL_BACKOFF_LIST,     1,    2, 100,
                                         PAWL_BACKOFF_LIST_MAX, { 0 } };
    for (int i = 0; i < PAWL_BACKOFF_LIST_MAX; i++)
        job.backoff.delays[i] = PAWL_DURATION_MAX - i;
    return job;
}

/* Defaults need no bytes; everything else comes back as it was. */
START_TEST(options_come_back)
{
    struct pawl_new_job job = { .max_attempts = 3 };
    struct sqlite_options options;
    uint8_t bytes[OPTIONS_MAX];
    size_t size;

    ck_assert_uint_eq(options_pack(&job, 0, bytes), 0);
    job = full();
    size = options_pack(&job, START, bytes);
    options_unpack(bytes, size, &options);
    ck_assert_int_eq(options.max_attempts, job.max_attempts);
    ck_assert_int_eq(options.timeout, job.timeout);
    ck_assert_int_eq(options.key_ttl, job.key_ttl);
    ck_assert_int_eq(options.key_mode, job.key_mode);
    ck_assert_int_eq(options.expires_at, START);
    ck_assert_str_eq(options.group, job.group);
    ck_assert_mem_eq(&options.backoff, &job.backoff, sizeof job.backoff);
}
END_TEST

/* The longest there are fit. */
START_TEST(options_fit)
{
    struct pawl_new_job job = full();
    char group[PAWL_NAME_MAX + 1];
    uint8_t bytes[OPTIONS_MAX];

    memset(group, 'g', PAWL_NAME_MAX);
    group[PAWL_NAME_MAX] = '\0';
    job.group = group;
    job.timeout = job.backoff.delay = job.backoff.cap = PAWL_DURATION_MAX;
    ck_assert_uint_lt(options_pack(&job, INT64_MAX, bytes), OPTIONS_MAX);
}
END_TEST

/* Bytes that are cut off or wrong are read up to there, and no further. */
START_TEST(options_are_damaged)
{
    struct pawl_new_job job = full();
    struct sqlite_options options;
    uint8_t bytes[OPTIONS_MAX];
    size_t size = options_pack(&job, START, bytes);

    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *exact = malloc(cut + 1); /* a read past it is found by ASan */
        memcpy(exact, bytes, cut);
        options_unpack(exact, cut, &options);
        ck_assert_int_eq(options.max_attempts, cut < 3 ? 3 : 1000);
        ck_assert_str_eq(options.group, "");
        free(exact);
    }
    for (int value = 0; value < 256; value++) {
        for (size_t at = 0; at < size; at++) {
            uint8_t was = bytes[at];
            bytes[at] = (uint8_t)value;
            options_unpack(bytes, size, &options);
            ck_assert_int_le(options.backoff.delay_count,
                             PAWL_BACKOFF_LIST_MAX);
            bytes[at] = was;
        }
    }
}
END_TEST

/* After a great backlog sweep gives the file's free pages back, call by call. */
START_TEST(file_shrinks_again)
{
    struct pawl_alter in = { .queue = "q",
                             .kind = PAWL_ALTER_REMOVE,
                             .from_states = ~0u,
                             .limit = 200000 };
    struct pawl_alter_reply out = { .results = NULL };
    int64_t full, before, after;

    put_many(100000);
    full = number("PRAGMA page_count");
    sweep();
    ck_assert_int_eq(number("PRAGMA page_count"), full);
    ck_assert_int_eq(sqlite_alter(&store.base, &in, &out, &error), PAWL_OK);
    ck_assert_uint_eq(out.changed, 100000);
    do {
        before = number("PRAGMA page_count");
        sweep();
        after = number("PRAGMA page_count");
        ck_assert_int_le(before - after, 600);
    } while (after < before);
    ck_assert_int_lt(after, full);
    ck_assert_int_lt(number("PRAGMA freelist_count"), 4096);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sqlite_rows");
    TCase *t = tcase_create("sqlite_rows");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, places_rise);
    tcase_add_test(t, places_run_out);
    tcase_add_test(t, gap_is_not_the_end);
    tcase_add_test(t, large_bytes);
    tcase_add_test(t, replies_are_few);
    tcase_add_test(t, queues_count_apart);
    tcase_add_test(t, sessions_are_forgotten);
    tcase_add_test(t, sessions_in_use_stay);
    tcase_add_test(t, far_future);
    tcase_add_test(t, too_many_queues);
    tcase_add_test(t, file_shrinks_again);
    tcase_add_test(t, options_come_back);
    tcase_add_test(t, options_fit);
    tcase_add_test(t, options_are_damaged);
    suite_add_tcase(suite, t);
    return fixture_run(suite);
}
