/* test_worker_rules.c - the pure parts of the worker: what a verdict comes to,
 * what is made of error texts, how far ahead to claim; and which options are
 * refused, in which words. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/worker_pace.h"
#include "core/worker_verdict.h"
#include "pawl.h"
#include "program.h"
#include "util/utf8.h"

#define MS INT64_C(1000000)

/* --- verdicts ------------------------------------------------------------- */

static struct ending ending;
static int releases;

static void on_release(void *data)
{
    (void)data;
    releases++;
}

/* End attempt `attempt` of three; the backoff is 100 ms. */
static void end(struct pawl_verdict verdict, enum pawl_stop_reason stopped,
                int attempt)
{
    struct pawl_job job = { .attempt = attempt, .max_attempts = 3, .epoch = 7,
                            .origin = 9, .id = { { 1 } },
                            .backoff = { PAWL_BACKOFF_FIXED, .delay = 100 } };

    ending_clear(&ending);
    verdict_end(&job, &verdict, stopped, 500, 0, &ending);
}

static void end_clear(void)
{
    ending_clear(&ending);
}

static const struct {
    enum pawl_verdict_kind verdict;
    enum pawl_stop_reason stopped;
    enum pawl_outcome_kind first, last; /* of the first and the last attempt */
} rules[] = {
    { PAWL_VERDICT_DONE, PAWL_STOP_NONE,
      PAWL_OUTCOME_COMPLETED, PAWL_OUTCOME_COMPLETED },
    { PAWL_VERDICT_FAILED, PAWL_STOP_NONE, PAWL_OUTCOME_RETRY, PAWL_OUTCOME_DEAD },
    { PAWL_VERDICT_DEAD, PAWL_STOP_NONE, PAWL_OUTCOME_DEAD, PAWL_OUTCOME_DEAD },
    { PAWL_VERDICT_SNOOZE, PAWL_STOP_NONE,
      PAWL_OUTCOME_SNOOZED, PAWL_OUTCOME_SNOOZED },
    { (enum pawl_verdict_kind)77, PAWL_STOP_NONE,
      PAWL_OUTCOME_RETRY, PAWL_OUTCOME_DEAD },
    { PAWL_VERDICT_DONE, PAWL_STOP_TIMEOUT,
      PAWL_OUTCOME_RETRY, PAWL_OUTCOME_DEAD },
    { PAWL_VERDICT_FAILED, PAWL_STOP_TIMEOUT,
      PAWL_OUTCOME_RETRY, PAWL_OUTCOME_DEAD },
    { PAWL_VERDICT_DEAD, PAWL_STOP_TIMEOUT,
      PAWL_OUTCOME_RETRY, PAWL_OUTCOME_DEAD },
    { PAWL_VERDICT_SNOOZE, PAWL_STOP_TIMEOUT,
      PAWL_OUTCOME_RETRY, PAWL_OUTCOME_DEAD },
    { PAWL_VERDICT_DONE, PAWL_STOP_CANCELLED,
      PAWL_OUTCOME_COMPLETED, PAWL_OUTCOME_COMPLETED },
    { PAWL_VERDICT_FAILED, PAWL_STOP_CANCELLED,
      PAWL_OUTCOME_CANCELLED, PAWL_OUTCOME_CANCELLED },
    { PAWL_VERDICT_DEAD, PAWL_STOP_CANCELLED,
      PAWL_OUTCOME_CANCELLED, PAWL_OUTCOME_CANCELLED },
    { PAWL_VERDICT_SNOOZE, PAWL_STOP_CANCELLED,
      PAWL_OUTCOME_CANCELLED, PAWL_OUTCOME_CANCELLED },
    { PAWL_VERDICT_DONE, PAWL_STOP_SHUTDOWN,
      PAWL_OUTCOME_COMPLETED, PAWL_OUTCOME_COMPLETED },
    { PAWL_VERDICT_FAILED, PAWL_STOP_SHUTDOWN,
      PAWL_OUTCOME_RELEASED, PAWL_OUTCOME_RELEASED },
    { PAWL_VERDICT_DEAD, PAWL_STOP_SHUTDOWN,
      PAWL_OUTCOME_RELEASED, PAWL_OUTCOME_RELEASED },
    { PAWL_VERDICT_SNOOZE, PAWL_STOP_SHUTDOWN,
      PAWL_OUTCOME_RELEASED, PAWL_OUTCOME_RELEASED },
};
#define RULE_COUNT (int)(sizeof rules / sizeof *rules)

/* Each verdict, however stopped, comes to what worker.h says, for the claim it
 * belongs to, and its data is released once. */
START_TEST(outcome_kinds)
{
    struct pawl_verdict verdict = { .kind = rules[_i].verdict, .data = "why",
                                    .size = 3, .release = on_release };
    const struct pawl_outcome *o = &ending.outcome;

    end(verdict, rules[_i].stopped, 1);
    ck_assert_int_eq((int)o->kind, (int)rules[_i].first);
    ck_assert_int_eq(o->delay, o->kind == PAWL_OUTCOME_RETRY ? 100 : 0);
    ck_assert_int_eq(o->id.b[0], 1);
    ck_assert_uint_eq(o->epoch, 7);
    ck_assert_uint_eq(o->origin, 9);
    end(verdict, rules[_i].stopped, 3);
    ck_assert_int_eq((int)o->kind, (int)rules[_i].last);
    end_clear();
    end_clear();
    ck_assert_int_eq(releases, 2);
}
END_TEST

/* A snooze is as long as asked, within the limits, or the job's own backoff. */
START_TEST(snooze_delays)
{
    end(pawl_snooze(1234), PAWL_STOP_NONE, 1);
    ck_assert_int_eq(ending.outcome.delay, 1234);
    end(pawl_snooze(-1), PAWL_STOP_NONE, 1);
    ck_assert_int_eq(ending.outcome.delay, 100);
    end(pawl_snooze(INT64_MAX), PAWL_STOP_NONE, 1);
    ck_assert_int_eq(ending.outcome.delay, PAWL_DURATION_MAX);
}
END_TEST

/* --- results and error texts ---------------------------------------------- */

/* A result goes as it is, without a copy, and stays until it is written back. */
START_TEST(result_is_handed_on)
{
    static char data[PAWL_RESULT_MAX + 1];
    struct pawl_verdict verdict = { .data = data, .size = PAWL_RESULT_MAX,
                                    .release = on_release };

    end(verdict, PAWL_STOP_NONE, 1);
    ck_assert_ptr_eq(ending.outcome.result, data);
    ck_assert_uint_eq(ending.outcome.result_size, PAWL_RESULT_MAX);
    ck_assert_int_eq(releases, 0);
    verdict.size++;
    end(verdict, PAWL_STOP_NONE, 1);
    ck_assert_int_eq(releases, 2);
    ck_assert_str_eq(ending.outcome.error,
                     "result of 65537 bytes is longer than 65536");
    end_clear();
}
END_TEST

static const struct {
    const char *said;
    size_t size;
    enum pawl_stop_reason stopped;
    const char *error;
} texts[] = {
    { "plain", 5, PAWL_STOP_NONE, "plain" },
    { "tab\tand\nline", 12, PAWL_STOP_NONE, "tab\tand\nline" },
    { "a\0b", 3, PAWL_STOP_NONE, "a\xEF\xBF\xBD" "b" },
    { "a\xFF" "b\xC3", 4, PAWL_STOP_NONE, "a\xEF\xBF\xBD" "b\xEF\xBF\xBD" },
    { "\xC3\xA9t\xC3\xA9", 5, PAWL_STOP_NONE, "\xC3\xA9t\xC3\xA9" },
    { "", 0, PAWL_STOP_NONE, "" },
    { NULL, 0, PAWL_STOP_NONE, "" },
    { "", 0, PAWL_STOP_TIMEOUT, "timed out after 500 ms" },
    { "late", 4, PAWL_STOP_TIMEOUT, "timed out after 500 ms: late" },
    { "so?", 3, PAWL_STOP_CANCELLED, "so?" },
};
#define TEXT_COUNT (int)(sizeof texts / sizeof *texts)

/* Whatever a handler says becomes text. */
START_TEST(error_texts)
{
    struct pawl_verdict verdict = { .kind = PAWL_VERDICT_FAILED,
                                    .data = texts[_i].said,
                                    .size = texts[_i].size };

    end(verdict, texts[_i].stopped, 1);
    ck_assert_str_eq(ending.outcome.error, texts[_i].error);
    end_clear();
}
END_TEST

/* A long text loses its front, never half a character, and stays in bounds
 * although what is no text grows. */
START_TEST(long_error_texts)
{
    static char said[3 * PAWL_ERROR_MAX];
    struct pawl_verdict verdict = { .kind = PAWL_VERDICT_FAILED, .data = said,
                                    .size = sizeof said };
    size_t i;

    memset(said, 'x', sizeof said);
    memcpy(said + sizeof said - 4, "end.", 4);
    end(verdict, PAWL_STOP_NONE, 1);
    ck_assert_uint_eq(strlen(ending.outcome.error), PAWL_ERROR_MAX);
    ck_assert_str_eq(ending.outcome.error + PAWL_ERROR_MAX - 5, "xend.");
    end(verdict, PAWL_STOP_TIMEOUT, 1);
    ck_assert_uint_eq(strlen(ending.outcome.error), PAWL_ERROR_MAX);
    ck_assert_ptr_nonnull(strstr(ending.outcome.error, "500 ms: xxx"));

    for (i = 0; i + 3 <= sizeof said; i += 3)
        memcpy(said + i, "\xE2\x82\xAC", 3);
    end(verdict, PAWL_STOP_NONE, 1);
    ck_assert_uint_eq(strlen(ending.outcome.error), PAWL_ERROR_MAX / 3 * 3);
    memset(said, 0xFF, sizeof said);
    end(verdict, PAWL_STOP_NONE, 1);
    ck_assert_uint_eq(strlen(ending.outcome.error), PAWL_ERROR_MAX / 3 * 3);
    ck_assert(utf8_valid(ending.outcome.error, strlen(ending.outcome.error)));
    end_clear();
}
END_TEST

/* The ready-made verdicts format and free their text. */
START_TEST(ready_made)
{
    end(pawl_failed("%s %d", "code", 3), PAWL_STOP_NONE, 1);
    ck_assert_str_eq(ending.outcome.error, "code 3");
    end(pawl_dead("%d%%", 100), PAWL_STOP_NONE, 1);
    ck_assert_int_eq((int)ending.outcome.kind, PAWL_OUTCOME_DEAD);
    ck_assert_str_eq(ending.outcome.error, "100%");
    end(pawl_done(), PAWL_STOP_NONE, 1);
    ck_assert_uint_eq(ending.outcome.result_size, 0);
    end_clear();
}
END_TEST

/* --- pace ----------------------------------------------------------------- */

/* What finished within the last 10 ms counts, and nothing older. */
START_TEST(pace_forgets)
{
    struct pace pace = { 0 };
    int64_t now = 5000 * MS;

    pace_update(&pace, 0, now);
    ck_assert_uint_eq(pace_update(&pace, 100, now + 1 * MS), 100);
    ck_assert_uint_eq(pace_update(&pace, 150, now + 5 * MS), 150);
    ck_assert_uint_eq(pace_update(&pace, 150, now + 10 * MS), 150);
    ck_assert_uint_eq(pace_update(&pace, 150, now + 11 * MS), 50);
    ck_assert_uint_eq(pace_update(&pace, 160, now + 15 * MS), 10);
    ck_assert_uint_eq(pace_update(&pace, 160, now + 60 * MS), 0);
}
END_TEST

/* After a gap its share counts: a slow worker claims nothing ahead. */
START_TEST(pace_after_a_gap)
{
    struct pace pace = { 0 };

    pace_update(&pace, 0, 1000 * MS);
    ck_assert_uint_eq(pace_update(&pace, 10, 2000 * MS), 0);
    ck_assert_uint_eq(pace_update(&pace, 30, 2020 * MS), 10);
}
END_TEST

/* --- options -------------------------------------------------------------- */

static struct pawl_verdict handle(void *context, const struct pawl_job *job,
                                  struct pawl_run *run)
{
    (void)context;
    (void)job;
    (void)run;
    return pawl_done();
}

static const char *const bad_queues[] = { "good", "not\ngood" };
#define GOOD .version = PAWL_WORKER_OPTIONS_VERSION, .handler = handle

static const struct {
    struct pawl_worker_options options;
    const char *message;
} refused[] = {
    { { .handler = handle }, "pawl_worker_options version 0 is not 1" },
    { { .version = 1 }, "worker has no handler" },
    { { GOOD, .concurrency = -1 }, "concurrency -1 is not between 1 and 1024" },
    { { GOOD, .concurrency = 1025 }, "concurrency 1025 is not between" },
    { { GOOD, .lease = 999 }, "lease of 999 ms is not between 1000 and 3600000" },
    { { GOOD, .timeout = -5 }, "timeout of -5 ms is not between 1 and" },
    { { GOOD, .grace = -2 }, "grace of -2 ms is not between 1 and" },
    { { GOOD, .poll = -1 }, "poll of -1 ms is not between 1 and" },
    { { GOOD, .queues = bad_queues }, "worker has no queues" },
    { { GOOD, .queues = bad_queues, .queue_count = 2 }, "queue" },
};
#define REFUSED_COUNT (int)(sizeof refused / sizeof *refused)

START_TEST(options_refused)
{
    struct pawl_worker *worker = NULL;
    struct pawl_error err = { 0 };
    struct pawl *pawl = NULL;

    ck_assert_int_eq(pawl_open("memory:rules", NULL, &pawl, NULL), PAWL_OK);
    ck_assert_int_eq(pawl_worker_open(pawl, &refused[_i].options, &worker, &err),
                     PAWL_EINVAL);
    ck_assert_msg(strstr(err.message, refused[_i].message) == err.message, "%s",
                  err.message);
    ck_assert_ptr_null(worker);
    ck_assert_int_eq(pawl_worker_open(pawl, NULL, &worker, &err), PAWL_EINVAL);
    ck_assert_int_eq(pawl_worker_wait(NULL, &err), PAWL_EINVAL);
    pawl_worker_stop(NULL);
    pawl_worker_close(NULL);
    pawl_close(pawl);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_rules");
    TCase *t = tcase_create("worker_rules");

    tcase_add_loop_test(t, outcome_kinds, 0, RULE_COUNT);
    tcase_add_test(t, snooze_delays);
    tcase_add_test(t, result_is_handed_on);
    tcase_add_loop_test(t, error_texts, 0, TEXT_COUNT);
    tcase_add_test(t, long_error_texts);
    tcase_add_test(t, ready_made);
    tcase_add_test(t, pace_forgets);
    tcase_add_test(t, pace_after_a_gap);
    tcase_add_loop_test(t, options_refused, 0, REFUSED_COUNT);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
