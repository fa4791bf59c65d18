/* test_redis_half.c - a script that cannot go on because somebody overwrote a key of
 * the queue. What it wrote before stays, so a step that is sent again, when the key is
 * mended, must come out whole. A put finds it out before it writes. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "pawl.h"
#include "program.h"
#include "redis_store_fixture.h"
#include "util/clock.h"

#define JOBS 4

static long long number_of(const char *command, const char *key)
{
    return redis_server_number(&server, "%s pawl:{mail}:%s", command, key);
}

static void make_queue(void)
{
    struct pawl_alter in = { .queue = queue, .kind = PAWL_ALTER_RESUME };
    struct pawl_alter_reply out = { .results = NULL };
    ck_assert_int_eq(storage_alter(store, &in, &out, NULL), PAWL_OK);
}

static void overwrite(const char *key)
{
    make_queue();
    redis_server_do(&server, "SET pawl:{mail}:%s x", key);
}

static void mend(const char *key)
{
    redis_server_do(&server, "DEL pawl:{mail}:%s", key);
}

/* What of it was done cannot be told from the server's answer. */
static void assert_unknown(enum pawl_status status, const struct pawl_error *err)
{
    ck_assert_int_eq(pawl_status_class(status), PAWL_CLASS_UNKNOWN);
    ck_assert_msg(strstr(err->message, "overwritten by somebody else") != NULL, "%s",
                  err->message);
}

/* Nothing of it was done, and the same again does not help: that is damage. */
static void assert_damage(enum pawl_status status, const struct pawl_error *err)
{
    ck_assert_msg(status == PAWL_ECORRUPT, "%s: %s", pawl_status_name(status),
                  err->message);
    ck_assert_msg(strstr(err->message, "overwritten by somebody else") != NULL, "%s",
                  err->message);
}

/* All are found, and where their states say. */
static void assert_all_there(const struct pawl_put_result *results)
{
    static const char *const places[JOBS][2] = { { "LLEN", "pending:5" },
                                                 { "ZCARD", "scheduled" },
                                                 { "ZCARD", "failed" },
                                                 { "LLEN", "completed" } };
    ck_assert_int_eq(number_of("HLEN", "jobs"), JOBS);
    for (int i = 0; i < JOBS; i++) {
        ck_assert_int_eq(results[i].status, PAWL_OK);
        ck_assert_int_eq(number_of(places[i][0], places[i][1]), 1);
    }
}

static const char *const all_keys[] = { "pending:5", "scheduled", "failed", "completed",
                                        "heads", "errors", "results", "keys",
                                        "key_times" };

/* A job of each kind of place, under one number twice: what could not be written is, as
 * soon as it can. */
START_TEST(brought_in_whole)
{
    static const enum pawl_state states[JOBS] = { PAWL_PENDING, PAWL_SCHEDULED,
                                                  PAWL_FAILED, PAWL_COMPLETED };
    const struct pawl_job_error broke = { START, 1, "broke" };
    struct pawl_job jobs[JOBS];
    const struct pawl_job *list[JOBS];
    struct pawl_put_result results[JOBS];
    struct pawl_bring_in in = { .queue = queue, .session = { { 7 } }, .seq = 1,
                                .jobs = list, .job_count = JOBS };
    struct pawl_error err = { 0 };
    overwrite(all_keys[_i]);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct pawl_job){ .id = pawl_id_new(queue, START), .queue = queue,
                                     .type = "", .key = "", .group = "", .payload = "",
                                     .result = "", .state = states[i], .priority = 5,
                                     .max_attempts = 3, .enqueued_at = START,
                                     .run_at = START + 1000 };
        list[i] = &jobs[i];
    }
    jobs[0].key = "k";
    jobs[0].key_ttl = 1000;
    jobs[2].errors = &broke;
    jobs[2].error_count = 1;
    jobs[3].result = "done";
    jobs[3].result_size = 4;
    jobs[3].finished_at = START;
    assert_unknown(storage_bring_in(store, &in, results, &err), &err);
    ck_assert_int_eq(number_of("HLEN", "jobs"), 0);
    mend(all_keys[_i]);
    ck_assert_msg(storage_bring_in(store, &in, results, &err) == PAWL_OK, "%s",
                  err.message);
    assert_all_there(results);
}
END_TEST

static const char *const put_keys[] = { "jobs", "sessions", "pending:5", "scheduled",
                                        "keys", "key_times", "wake" };

/* Somebody sleeps, and is to be woken. */
static void make_hungry(void)
{
    redis_server_do(&server, "HSET pawl:{mail}:meta hungry 1");
}

static struct pawl_new_job new_job(void)
{
    return (struct pawl_new_job){ .id = pawl_id_new(queue, START), .queue = queue,
                                  .type = "t", .priority = 5, .max_attempts = 3 };
}

static void assert_nothing_put(void)
{
    static const char *const keys[] = { "jobs", "sessions", "pending:5", "scheduled",
                                        "keys", "key_times" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        ck_assert_int_eq(number_of("EXISTS", keys[i]), 0);
}

/* A put finds that out before it writes: it has certainly not stored anything, and says
 * so. */
START_TEST(put_whole)
{
    struct pawl_new_job jobs[2];
    struct pawl_put_result results[2];
    struct pawl_put in = { .queue = queue, .session = { { 7 } }, .seq = 1, .jobs = jobs,
                           .job_count = 2 };
    struct pawl_error err = { 0 };
    overwrite(put_keys[_i]);
    make_hungry();
    jobs[0] = jobs[1] = new_job();
    jobs[1].id = pawl_id_new(queue, START);
    jobs[0].key = "k";
    jobs[0].key_ttl = 1000;
    jobs[1].delay = 1000;
    assert_damage(storage_put(store, &in, results, &err), &err);
    mend(put_keys[_i]);
    assert_nothing_put();
    ck_assert_msg(storage_put(store, &in, results, &err) == PAWL_OK, "%s", err.message);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(results[i].status, PAWL_OK);
    ck_assert_int_eq(number_of("LLEN", "pending:5"), 1);
    ck_assert_int_eq(number_of("ZCARD", "scheduled"), 1);
    ck_assert_int_eq(number_of("ZCARD", "key_times"), 1);
}
END_TEST

static const char *const put_one_keys[] = { "jobs", "sessions", "pending:5", "wake" };

/* So does the put of a lone job, which has a script of its own. */
START_TEST(put_one_whole)
{
    struct pawl_new_job job = new_job();
    struct pawl_put_result result;
    struct pawl_put in = { .queue = queue, .session = { { 7 } }, .seq = 1, .jobs = &job,
                           .job_count = 1 };
    struct pawl_error err = { 0 };
    overwrite(put_one_keys[_i]);
    make_hungry();
    assert_damage(storage_put(store, &in, &result, &err), &err);
    mend(put_one_keys[_i]);
    assert_nothing_put();
    ck_assert_msg(storage_put(store, &in, &result, &err) == PAWL_OK, "%s", err.message);
    ck_assert_int_eq(result.status, PAWL_OK);
    ck_assert_int_eq(number_of("HLEN", "jobs"), 1);
    ck_assert_int_eq(number_of("LLEN", "pending:5"), 1);
}
END_TEST

#define PATIENCE 60000 /* ms; many times what a call takes */

/* An application is told at once, and not after it was tried again until its deadline. */
START_TEST(enqueue_fails_at_once)
{
    struct pawl_options options = PAWL_OPTIONS_INIT;
    struct pawl_new_job job = { .queue = queue, .payload = "x", .payload_size = 1 };
    struct pawl *pawl = NULL;
    struct pawl_error err = { 0 };
    char url[1100];
    overwrite(_i == 0 ? "pending:5" : "scheduled");
    snprintf(url, sizeof url, "%s?fallback=off", server.url);
    options.deadline = PATIENCE;
    ck_assert_msg(pawl_open(url, &options, &pawl, &err) == PAWL_OK, "%s", err.message);
    job.delay = _i == 0 ? 0 : 1000;
    int64_t begun = clock_mono_ns();
    assert_damage(pawl_enqueue(pawl, &job, NULL, &err), &err);
    ck_assert_int_lt((clock_mono_ns() - begun) / 1000000, PATIENCE / 4);
    ck_assert_int_eq(redis_server_number(&server, "SCARD pawl:queues"), 1);
    pawl_close(pawl);
}
END_TEST

static void claim_one(struct pawl_outcome *outcome)
{
    struct pawl_new_job new_job = { .id = pawl_id_new(queue, START), .queue = queue,
                                    .type = "t", .priority = 5, .max_attempts = 3 };
    struct pawl_put_result result;
    struct pawl_put put = { .queue = queue, .session = { { 7 } }, .seq = 1,
                            .jobs = &new_job, .job_count = 1 };
    struct pawl_job *job = NULL;
    struct pawl_exchange in = { .queue = queue, .owner = { { 9 } }, .claim_max = 1,
                                .lease = 30000 };
    struct pawl_exchange_reply reply = { .jobs = &job };
    ck_assert_int_eq(storage_put(store, &put, &result, NULL), PAWL_OK);
    ck_assert_int_eq(storage_exchange(store, &in, &reply, NULL), PAWL_OK);
    ck_assert_uint_eq(reply.job_count, 1);
    *outcome = (struct pawl_outcome){ .id = job->id, .epoch = job->epoch,
                                      .kind = PAWL_OUTCOME_RETRY, .delay = 1000,
                                      .error = "broke" };
    pawl_job_free(job);
}

/* An outcome of which a half was written, the lease's end: it is no refusal, and sent
 * again it is written whole. */
START_TEST(outcome_in_half)
{
    struct pawl_outcome outcome;
    enum pawl_status result;
    struct pawl_exchange in = { .queue = queue, .owner = { { 9 } }, .outcomes = &outcome,
                                .outcome_count = 1, .lease = 30000 };
    struct pawl_exchange_reply reply = { .outcomes = &result };
    struct pawl_error err = { 0 };
    claim_one(&outcome);
    overwrite("failed");
    assert_unknown(storage_exchange(store, &in, &reply, &err), &err);
    ck_assert_int_eq(number_of("ZCARD", "leases"), 0);
    mend("failed");
    ck_assert_msg(storage_exchange(store, &in, &reply, &err) == PAWL_OK, "%s",
                  err.message);
    ck_assert_int_eq(result, PAWL_OK);
    ck_assert_int_eq(number_of("ZCARD", "failed"), 1);
}
END_TEST

/* Who only looks is told what is wrong. */
START_TEST(looking)
{
    struct pawl_job *job = NULL;
    struct pawl_list in = { .queue = queue, .state = PAWL_FAILED, .limit = 1 };
    struct pawl_list_reply reply = { .jobs = &job };
    struct pawl_error err = { 0 };
    overwrite("failed");
    ck_assert_int_eq(storage_list(store, &in, &reply, &err), PAWL_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(err.message, "overwritten by somebody else"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_half");
    TCase *t = tcase_create("half");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, brought_in_whole, 0,
                        (int)(sizeof all_keys / sizeof *all_keys));
    tcase_add_loop_test(t, put_whole, 0, (int)(sizeof put_keys / sizeof *put_keys));
    tcase_add_loop_test(t, put_one_whole, 0,
                        (int)(sizeof put_one_keys / sizeof *put_one_keys));
    tcase_add_loop_test(t, enqueue_fails_at_once, 0, 2);
    tcase_add_test(t, outcome_in_half);
    tcase_add_test(t, looking);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
