/* test_core.c - the pure parts of the core: ids, backoff, statuses, states, and
 * the rules for a new job with the exact words of each refusal. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/backoff.h"
#include "core/core.h"
#include "core/job_state.h"
#include "core/new_job.h"
#include "program.h"

/* --- ids --------------------------------------------------------------------- */

/* An id reads back from its text, in either case and with look-alike letters. */
START_TEST(id_reads_back)
{
    struct pawl_id id = pawl_id_new("mail", 1700000000000), back;
    char text[PAWL_ID_TEXT], lower[PAWL_ID_TEXT];
    int i;

    pawl_id_format(id, text);
    ck_assert_uint_eq(strlen(text), 26);
    ck_assert(pawl_id_parse(text, &back));
    ck_assert_mem_eq(&id, &back, sizeof id);
    for (i = 0; i < PAWL_ID_TEXT; i++)
        lower[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    ck_assert(pawl_id_parse(lower, &back));
    ck_assert_mem_eq(&id, &back, sizeof id);
    ck_assert(pawl_id_parse("O1I0000000000000000000000L", &back));
    pawl_id_format(back, text);
    ck_assert_str_eq(text, "01100000000000000000000001");
}
END_TEST

/* What is not exactly one id is refused and leaves the output alone. */
START_TEST(id_refuses)
{
    static const char *const bad[] = {
        "", "0", "01J0000000000000000000000", "01J000000000000000000000000",
        "81J00000000000000000000000", "01J0000000000000000000000U",
        "01J000000000000000000000 0", "zzzzzzzzzzzzzzzzzzzzzzzzzz",
    };
    struct pawl_id id = { { 7 } };
    size_t i;

    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!pawl_id_parse(bad[i], &id), "'%s' was taken", bad[i]);
    ck_assert_int_eq(id.b[0], 7);
    ck_assert(pawl_id_parse("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", &id));
}
END_TEST

/* Ids of one process rise strictly, carry the version and their queue's hash. */
START_TEST(id_rises)
{
    struct pawl_id last = { { 0 } }, id;
    int i;

    for (i = 0; i < 10000; i++) {
        id = pawl_id_new("mail", 1700000000000);
        ck_assert(memcmp(&last, &id, sizeof id) < 0);
        ck_assert_int_eq(id.b[6] >> 4, 7);
        ck_assert_int_eq(id.b[8] >> 6, 2);
        ck_assert_uint_eq(pawl_id_queue_hash(id), pawl_queue_hash("mail"));
        last = id;
    }
    ck_assert(pawl_queue_hash("mail") != pawl_queue_hash("Mail"));
}
END_TEST

/* --- backoff ------------------------------------------------------------------- */

static pawl_duration wait(enum pawl_backoff_kind kind, pawl_duration delay,
                          pawl_duration cap, int failures)
{
    struct pawl_backoff b = { .kind = kind, .delay = delay, .cap = cap };

    return backoff_delay(&b, failures, 0);
}

/* Each kind follows its formula. */
START_TEST(backoff_kinds)
{
    struct pawl_backoff list = { .kind = PAWL_BACKOFF_LIST, .delay_count = 3,
                                 .delays = { 10, 20, 70 } };

    ck_assert_int_eq(wait(PAWL_BACKOFF_EXPONENTIAL, 0, 0, 1), 2000);
    ck_assert_int_eq(wait(PAWL_BACKOFF_EXPONENTIAL, 0, 0, 2), 4000);
    ck_assert_int_eq(wait(PAWL_BACKOFF_EXPONENTIAL, 0, 0, 3), 8000);
    ck_assert_int_eq(wait(PAWL_BACKOFF_FIXED, 700, 0, 9), 700);
    ck_assert_int_eq(wait(PAWL_BACKOFF_LINEAR, 700, 0, 3), 2100);
    ck_assert_int_eq(wait(PAWL_BACKOFF_POLY4, 0, 0, 1), 16000);
    ck_assert_int_eq(wait(PAWL_BACKOFF_POLY4, 0, 0, 3), 96000);
    ck_assert_int_eq(backoff_delay(&list, 1, 0), 10);
    ck_assert_int_eq(backoff_delay(&list, 3, 0), 70);
    ck_assert_int_eq(backoff_delay(&list, 4, 0), 70);
}
END_TEST

/* No number of failures passes the cap or overflows. */
START_TEST(backoff_saturates)
{
    ck_assert_int_eq(wait(PAWL_BACKOFF_EXPONENTIAL, 2000, 60000, 1000), 60000);
    ck_assert_int_eq(wait(PAWL_BACKOFF_EXPONENTIAL, 2000, 0, 1000), 86400000);
    ck_assert_int_eq(wait(PAWL_BACKOFF_LINEAR, PAWL_DURATION_MAX,
                          PAWL_DURATION_MAX, 1000), PAWL_DURATION_MAX);
    ck_assert_int_eq(wait(PAWL_BACKOFF_POLY4, 0, PAWL_DURATION_MAX, 1000000),
                     PAWL_DURATION_MAX);
    ck_assert_int_eq(wait(PAWL_BACKOFF_FIXED, 9000, 5000, 1), 5000);
}
END_TEST

/* Jitter only shortens, by at most its percentage. */
START_TEST(backoff_jitter)
{
    struct pawl_backoff b = { .kind = PAWL_BACKOFF_FIXED, .delay = 1000,
                              .jitter = 25 };
    uint64_t random;

    for (random = 0; random < 5000; random++) {
        pawl_duration d = backoff_delay(&b, 1, random * 7919);
        ck_assert_int_ge(d, 750);
        ck_assert_int_le(d, 1000);
    }
    b.jitter = 100;
    ck_assert_int_eq(backoff_delay(&b, 1, 1000), 0);
}
END_TEST

/* --- words ------------------------------------------------------------------------ */

/* Every state has a name that reads back; no other number or word is a state. */
START_TEST(state_names)
{
    int n;

    for (n = PAWL_STATE_FIRST; n <= PAWL_STATE_LAST; n++)
        ck_assert_int_eq(pawl_state_parse(pawl_state_name((enum pawl_state)n)), n);
    ck_assert_ptr_null(pawl_state_name((enum pawl_state)0));
    ck_assert_ptr_null(pawl_state_name((enum pawl_state)10));
    ck_assert_int_eq(pawl_state_parse("running"), 0);
    ck_assert_uint_eq(action_from_states(PAWL_ACTION_REMOVE) &
                      PAWL_STATE_BIT(PAWL_PROCESSING), 0);
}
END_TEST

/* Outcomes are not failures, and only EUNKNOWN may have been applied. */
START_TEST(status_classes)
{
    ck_assert_str_eq(pawl_status_name(PAWL_KEY_TAKEN), "KEY_TAKEN");
    ck_assert_str_eq(pawl_status_name((enum pawl_status)99), "?");
    ck_assert_int_eq(pawl_status_class(PAWL_STALE), PAWL_CLASS_OUTCOME);
    ck_assert_int_eq(pawl_status_class(PAWL_EFULL), PAWL_CLASS_REJECTED);
    ck_assert_int_eq(pawl_status_class(PAWL_EUNKNOWN), PAWL_CLASS_UNKNOWN);
}
END_TEST

/* A prefix goes in front and a message that no longer fits is cut. */
START_TEST(error_prefix)
{
    struct pawl_error err = { 0 };
    char long_text[400];

    ck_assert_int_eq(pawl_error_set(&err, PAWL_EIO, "cannot read '%s'", "x"), PAWL_EIO);
    pawl_error_prefix(&err, "queue '%s'", "mail");
    ck_assert_str_eq(err.message, "queue 'mail': cannot read 'x'");
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    pawl_error_prefix(&err, "%s", long_text);
    ck_assert_uint_eq(strlen(err.message), sizeof err.message - 1);
    pawl_error_set(NULL, PAWL_EIO, "nobody listens");
    pawl_error_prefix(NULL, "nobody");
}
END_TEST

/* --- new jobs ----------------------------------------------------------------------- */

static pawl_time at_1000(void *context)
{
    (void)context;
    return 1000;
}

static struct pawl plain = { .payload_max = PAWL_PAYLOAD_MAX,
                             .clock = { at_1000, at_1000, NULL } };
static char name128[129], name129[130], key513[514];

static const struct refusal {
    struct pawl_new_job job;
    const char *message;
} refusals[] = {
    { { .queue = "" }, "queue name is empty" },
    { { .queue = name129 },
      "queue name is 129 bytes long; at most 128 are allowed" },
    { { .queue = "a\nb" }, "queue name contains a control character" },
    { { .queue = "a\xc2\x85" }, "queue name contains a control character" },
    { { .queue = "\xff" }, "queue name is not valid UTF-8" },
    { { .queue = "\xed\xa0\x80" }, "queue name is not valid UTF-8" },
    { { .type = "\x7f" }, "type contains a control character" },
    { { .type = "a\xc3" }, "type is not valid UTF-8" },
    { { .key = "a\r\nb" }, "unique key contains a control character" },
    { { .key = "\xfe" }, "unique key is not valid UTF-8" },
    { { .group = "\xc0\x80" }, "group is not valid UTF-8" },
    { { .key = "" }, "unique key is empty" },
    { { .key = key513 }, "unique key is 513 bytes long; at most 512 are allowed" },
    { { .group = name129 }, "group is 129 bytes long; at most 128 are allowed" },
    { { .priority = 11 }, "priority 11 is not between 1 and 10" },
    { { .priority = -1 }, "priority -1 is not between 1 and 10" },
    { { .max_attempts = 1001 }, "max attempts 1001 is not between 1 and 1000" },
    { { .payload = "x", .payload_size = PAWL_PAYLOAD_MAX + 1 },
      "payload is 1048577 bytes long; at most 1048576 are allowed" },
    { { .payload_size = 1 }, "payload is NULL" },
    { { .delay = -1 }, "delay of -1 ms is not between 0 and ten years" },
    { { .delay = 1, .run_at = 5 },
      "both a delay and a time to run at were given" },
    { { .run_at = -5 }, "time to run at is not between 1970 and 9999" },
    { { .ttl = PAWL_DURATION_MAX + 1 },
      "ttl of 316224000001 ms is not between 0 and ten years" },
    { { .backoff = { .kind = (enum pawl_backoff_kind)9 } },
      "backoff kind 9 is unknown" },
    { { .backoff = { .jitter = 101 } },
      "backoff jitter 101 is not between 0 and 100" },
    { { .backoff = { .kind = PAWL_BACKOFF_LIST } },
      "backoff list of 0 delays; 1 to 16 are allowed" },
    { { .key_ttl = 5 }, "key mode or key ttl without a unique key" },
    { { .key = "k", .key_mode = PAWL_KEY_THROTTLE },
      "key mode 'throttle' needs a key ttl" },
    { { .key = "k", .key_mode = PAWL_KEY_DEBOUNCE },
      "key mode 'debounce' is not available in this version" },
};

/* Each wrong field is refused in its own words. */
START_TEST(new_job_refuses)
{
    const struct refusal *r = &refusals[_i];
    struct pawl_new_job out;
    struct pawl_error err = { 0 };

    ck_assert_int_eq(new_job_normalise(&plain, &r->job, &out, &err), PAWL_EINVAL);
    ck_assert_str_eq(err.message, r->message);
}
END_TEST

/* What is left at zero gets its default, and strange but lawful names pass. */
START_TEST(new_job_defaults)
{
    struct pawl_new_job in = PAWL_NEW_JOB_INIT, out;

    ck_assert_int_eq(new_job_normalise(&plain, &in, &out, NULL), PAWL_OK);
    ck_assert_str_eq(out.queue, "default");
    ck_assert_str_eq(out.type, "");
    ck_assert_int_eq(out.priority, 5);
    ck_assert_int_eq(out.max_attempts, 3);
    ck_assert(!pawl_id_is_zero(out.id));
    in.queue = name128;
    ck_assert_int_eq(new_job_normalise(&plain, &in, &out, NULL), PAWL_OK);
    in.queue = "flrts:tasks:create,{x}*% '\"\xf0\x9f\x90\xbe";
    ck_assert_int_eq(new_job_normalise(&plain, &in, &out, NULL), PAWL_OK);
    in.backoff.delay_count = 2; /* of no list: not looked at, not handed on */
    in.backoff.delays[1] = -1;
    ck_assert_int_eq(new_job_normalise(&plain, &in, &out, NULL), PAWL_OK);
    ck_assert_int_eq(out.backoff.delay_count, 0);
    ck_assert_int_eq(out.backoff.delays[1], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core");
    TCase *t = tcase_create("core");

    memset(name128, 'q', 128);
    memset(name129, 'q', 129);
    memset(key513, 'k', 513);
    tcase_add_test(t, id_reads_back);
    tcase_add_test(t, id_refuses);
    tcase_add_test(t, id_rises);
    tcase_add_test(t, backoff_kinds);
    tcase_add_test(t, backoff_saturates);
    tcase_add_test(t, backoff_jitter);
    tcase_add_test(t, state_names);
    tcase_add_test(t, status_classes);
    tcase_add_test(t, error_prefix);
    tcase_add_loop_test(t, new_job_refuses, 0,
                        (int)(sizeof refusals / sizeof *refusals));
    tcase_add_test(t, new_job_defaults);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
