/* test_sqlite_alter.c - an alter with a filter: it looks outside the gate, looks
 * again inside, and lets others in between. What it does to jobs is in
 * tests/conformance. */
#include <pthread.h>

#include "sqlite_fixture.h"

#define JOBS 1200

static struct sqlite_storage store, other;
static struct pawl_error error;
static struct pawl_id ids[JOBS];

/* --- one line for each call ----------------------------------------------------- */

static void set_up(void)
{
    static struct pawl_new_job jobs[JOBS];
    static struct pawl_put_result results[JOBS];
    struct pawl_put in = { .queue = "q", .session = { { 1 } }, .seq = 1,
                           .jobs = jobs, .job_count = JOBS };

    fixture_setup();
    ck_assert_int_eq(fixture_open(&store, fixture_file, "", 5000, &error), PAWL_OK);
    ck_assert_int_eq(fixture_open(&other, fixture_file, "", 5000, &error), PAWL_OK);
    for (int i = 0; i < JOBS; i++) {
        ids[i] = pawl_id_new("q", clock_wall_ms());
        jobs[i] = (struct pawl_new_job){ .queue = "q", .type = "a", .priority = 5,
                                         .max_attempts = 3, .id = ids[i] };
    }
    ck_assert_int_eq(sqlite_put(&store.base, &in, results, &error), PAWL_OK);
}

static void tear_down(void)
{
    fixture_close(&other);
    fixture_close(&store);
    fixture_teardown();
}

static enum pawl_status cancel(const char *type, struct pawl_alter_reply *out)
{
    struct pawl_alter in = { .queue = "q", .kind = PAWL_ALTER_CANCEL,
                             .from_states = PAWL_STATE_BIT(PAWL_PENDING),
                             .type = type, .limit = 10000 };

    return sqlite_alter(&store.base, &in, out, &error);
}

static size_t cancelled(void)
{
    struct pawl_stats *stats = NULL;
    size_t count;

    ck_assert_int_eq(sqlite_stats(&store.base, "q", &stats, &error), PAWL_OK);
    count = (size_t)stats->queues[0].jobs[PAWL_CANCELLED];
    pawl_stats_free(stats);
    return count;
}

/* --- the gate ------------------------------------------------------------------- */

/* Who finds nothing to alter has not waited for those who write, nor kept them
 * waiting: a million jobs that do not match take a while. */
START_TEST(looks_outside_the_gate)
{
    struct pawl_alter_reply out = { 0 };

    store.deadline = 100;
    ck_assert_int_eq(sqlite_write_begin(&other, SYNC_NORMAL, &error), PAWL_OK);
    ck_assert_msg(cancel("b", &out) == PAWL_OK, "%s", error.message);
    ck_assert_uint_eq(out.changed, 0);
    ck_assert(!out.more);
    ck_assert_int_eq(cancel("a", &out), PAWL_ETIMEOUT);
    sqlite_write_end(&other, PAWL_OK, &error);
    ck_assert_uint_eq(cancelled(), 0);
}
END_TEST

static struct pawl_alter_reply late;

static void *cancel_late(void *arg)
{
    (void)arg;
    must(cancel("a", &late) == PAWL_OK);
    return NULL;
}

/* What changed between the look and the gate is left alone: here a job of another
 * type, one in another state, one of another queue, and one that is gone. */
START_TEST(looks_again_inside)
{
    static const char *const changes[] = {
        "UPDATE job SET type = 'b' WHERE place = (SELECT min(place) FROM job)",
        "UPDATE job SET state = 4 WHERE place = (SELECT max(place) FROM job)",
        "UPDATE job SET queue = 2 WHERE place = (SELECT place FROM job WHERE state "
        "= 3 ORDER BY place DESC LIMIT 1)",
        "DELETE FROM job WHERE place = (SELECT place FROM job WHERE type = 'a' "
        "ORDER BY place LIMIT 1)",
    };
    pthread_t thread;

    ck_assert_int_eq(sqlite_write_begin(&other, SYNC_NORMAL, &error), PAWL_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_late, NULL), 0);
    usleep(200000); /* it has looked, and waits at the gate; else it sees less */
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(db_exec(&other.writer, changes[i], "change", &error),
                         PAWL_OK);
    ck_assert_int_eq(sqlite_write_end(&other, PAWL_OK, &error), PAWL_OK);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(late.changed, JOBS - 4);
    ck_assert(!late.more);
    ck_assert_uint_eq(cancelled(), JOBS - 4);
}
END_TEST

/* --- in steps -------------------------------------------------------------------- */

static struct {
    int commits, most; /* rows that one of them changed, at most */
    int before;
    bool broken; /* after the first commit nothing can be changed */
    useconds_t takes; /* us, a commit */
} seen;

static int on_commit(void *arg)
{
    int rows = sqlite3_total_changes(store.writer.handle) - seen.before;

    (void)arg;
    seen.commits++;
    seen.most = rows > seen.most ? rows : seen.most;
    seen.before += rows;
    usleep(seen.takes);
    return 0;
}

static int on_progress(void *arg)
{
    (void)arg;
    return seen.broken && seen.commits > 0 &&
           sqlite3_total_changes(store.writer.handle) > seen.before;
}

static void watch(bool broken)
{
    memset(&seen, 0, sizeof seen);
    seen.broken = broken;
    seen.before = sqlite3_total_changes(store.writer.handle);
    sqlite3_commit_hook(store.writer.handle, on_commit, NULL);
    sqlite3_progress_handler(store.writer.handle, 1, on_progress, NULL);
}

/* Many jobs are altered in several transactions, so that nobody waits at the gate
 * for all of them. */
START_TEST(lets_others_in_between)
{
    struct pawl_alter_reply out = { 0 };

    watch(false);
    ck_assert_int_eq(cancel("a", &out), PAWL_OK);
    ck_assert_uint_eq(out.changed, JOBS);
    ck_assert(!out.more);
    ck_assert_int_eq(seen.commits, 3);
    ck_assert_int_le(seen.most, 501); /* and the queue's totals */
}
END_TEST

/* When a later one fails, what was done is told, and that there is more. */
START_TEST(tells_what_was_done)
{
    struct pawl_alter_reply out = { 0 };

    watch(true);
    ck_assert_int_eq(cancel("a", &out), PAWL_OK);
    ck_assert_uint_eq(out.changed, 500);
    ck_assert(out.more);
    ck_assert_uint_eq(cancelled(), 500);
    seen.broken = false;
    ck_assert_int_eq(cancel("a", &out), PAWL_OK);
    ck_assert_uint_eq(out.changed, JOBS - 500);
    ck_assert(!out.more);
}
END_TEST

/* A call takes no longer than its deadline allows, though the limit is not reached. */
START_TEST(ends_in_time)
{
    struct pawl_alter_reply out = { 0 };

    watch(false);
    store.deadline = 200;
    seen.takes = 250000;
    ck_assert_int_eq(cancel("a", &out), PAWL_OK);
    ck_assert_uint_eq(out.changed, 500);
    ck_assert(out.more);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sqlite_alter");
    TCase *t = tcase_create("sqlite_alter");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, looks_outside_the_gate);
    tcase_add_test(t, looks_again_inside);
    tcase_add_test(t, lets_others_in_between);
    tcase_add_test(t, tells_what_was_done);
    tcase_add_test(t, ends_in_time);
    suite_add_tcase(suite, t);
    return fixture_run(suite);
}
