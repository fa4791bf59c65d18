/* test_redis_doubt.c - methods that make more than one call to the server. What an
 * earlier one may have done is not forgotten when a later one is refused: then it is
 * not known what was done. And where nothing can have been done, that is said, too. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fake_clock.h"
#include "fake_redis.h"
#include "program.h"
#include "storage/redis/redis_call.h"
#include "storage/storage.h"

#define START INT64_C(1700000000000)
#define STEPS 8
#define STORE "*2\r\n$1\r\n1\r\n$16\r\n0123456789abcdef\r\n"
#define FULL  "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
#define NIL   "*-1\r\n"

/* One request that comes, and its answer; NULL: the connection is cut instead. */
struct step {
    const char *script; /* its name; or a command */
    const char *answer;
};

struct story {
    struct step steps[STEPS];
    enum pawl_status status;
};

static struct fake_redis fake;
static struct pawl_storage *store;
static struct fake_clock test_clock;
static const struct step *at; /* NULL: the store is being opened */

static const char *name_of(const struct fake_request *request)
{
    static const struct redis_script *const scripts[] = {
        &redis_script_exchange_plain, &redis_script_exchange, &redis_script_put_one,
        &redis_script_put, &redis_script_take_out
    };
    if (strcasecmp(request->name, "EVALSHA") != 0)
        return request->name;
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        if (strcmp(request->argv[1], scripts[i]->sha) == 0)
            return scripts[i]->name;
    return "another";
}

static enum fake_next answer(void *context, const struct fake_request *request,
                             struct buf *reply)
{
    (void)context;
    if (request->name[0] == '\0' || fake_redis_greet(request, reply))
        return FAKE_GO_ON;
    if (at == NULL) {
        buf_str(reply, STORE);
        return FAKE_GO_ON;
    }
    if (at->script == NULL || strcmp(name_of(request), at->script) != 0) {
        buf_printf(reply, "-ERR %s was not to come here\r\n", name_of(request));
        return FAKE_GO_ON;
    }
    const struct step *step = at++;
    if (step->answer == NULL)
        return FAKE_CUT;
    buf_str(reply, step->answer);
    return FAKE_GO_ON;
}

static void setup(void)
{
    struct pawl_storage_config config = { .deadline = 20000 };
    struct pawl_error err = { 0 };
    char url[200];
    fake_clock_init(&test_clock, START);
    config.clock = fake_clock_as_clock(&test_clock);
    fake_redis_start(&fake, answer, NULL);
    snprintf(url, sizeof url, "%s?clock=caller&fallback=off", fake.url);
    enum pawl_status status = storage_open(url, &config, NULL, &store, &err);
    ck_assert_msg(status == PAWL_OK, "cannot open '%s': %s", url, err.message);
}

static void teardown(void)
{
    fake_redis_lock(&fake);
    at = NULL;
    fake_redis_unlock(&fake);
    store->keep_leases = true; /* there are none */
    storage_close(store);
    fake_redis_stop(&fake);
}

static void begin(const struct story *story)
{
    fake_redis_lock(&fake);
    at = story->steps;
    fake_redis_unlock(&fake);
}

/* The story's end: all its steps came, and the status is its own. */
static void end(const struct story *story, enum pawl_status status,
                const struct pawl_error *err)
{
    ck_assert_msg(status == story->status, "%s: %s", pawl_status_name(status),
                  err->message);
    fake_redis_lock(&fake);
    ck_assert_ptr_null(at->script);
    fake_redis_unlock(&fake);
    ck_assert_int_eq(err->status, status);
}

/* --- exchange ----------------------------------------------------------------------- */

static const struct story exchange_stories[] = {
    /* Done, and the answer lost; the same again is no plain one any more. */
    { { { "exchange_plain", NULL }, { "exchange_plain", NIL }, { "exchange", FULL } },
      PAWL_EUNKNOWN },
    { { { "exchange_plain", NIL }, { "exchange", FULL } }, PAWL_EFULL },
    { { { "exchange_plain", NIL }, { "exchange", NULL }, { "exchange", FULL } },
      PAWL_EUNKNOWN },
    { { { "exchange_plain", FULL } }, PAWL_EFULL },
    /* It was done, and nobody can say what. */
    { { { "exchange_plain", ":1\r\n" } }, PAWL_EUNKNOWN },
};

static enum pawl_status exchange(struct pawl_error *err)
{
    struct pawl_outcome outcome = { .id = { { 1 } }, .epoch = 1,
                                    .kind = PAWL_OUTCOME_COMPLETED };
    enum pawl_status result;
    struct pawl_job *jobs[2];
    struct pawl_exchange in = { .queue = "mail", .owner = { { 9 } }, .claim_max = 2,
                                .lease = 30000, .outcomes = &outcome,
                                .outcome_count = 1 };
    struct pawl_exchange_reply reply = { .jobs = jobs, .outcomes = &result };
    return storage_exchange(store, &in, &reply, err);
}

START_TEST(exchange_in_doubt)
{
    struct pawl_error err = { 0 };
    begin(&exchange_stories[_i]);
    enum pawl_status status = exchange(&err);
    end(&exchange_stories[_i], status, &err);
}
END_TEST

/* A server that answers nonsense is none that is away. */
START_TEST(answered_nonsense)
{
    static const struct story story = { { { "exchange_plain", "*2\r\n:1\r\n:1\r\n" } },
                                        PAWL_EUNKNOWN };
    struct pawl_error err = { 0 };
    begin(&story);
    enum pawl_status status = exchange(&err);
    end(&story, status, &err);
    ck_assert_int_eq(err.native, PAWL_NATIVE_ANSWERED);
    ck_assert_ptr_nonnull(strstr(err.message, "something else"));
}
END_TEST

/* --- put ------------------------------------------------------------------------------ */

static const struct story put_stories[] = {
    { { { "put_one", NULL }, { "put_one", ":2\r\n" }, { "put", FULL } }, PAWL_EUNKNOWN },
    { { { "put_one", ":2\r\n" }, { "put", FULL } }, PAWL_EFULL },
    /* The first may still be on its way when somebody else makes the queue. */
    { { { "put_one", NULL }, { "put_one", ":0\r\n" }, { "put", FULL } }, PAWL_EUNKNOWN },
    { { { "put_one", NULL }, { "put_one", ":0\r\n" }, { "put", "+NEW\r\n" },
        { "SADD", FULL } }, PAWL_EUNKNOWN },
    { { { "put_one", ":0\r\n" }, { "put", NULL }, { "put", "+NEW\r\n" },
        { "SADD", FULL } }, PAWL_EUNKNOWN },
    { { { "put_one", ":0\r\n" }, { "put", NULL }, { "put", "+NEW\r\n" },
        { "SADD", ":1\r\n" }, { "put", FULL } }, PAWL_EUNKNOWN },
    { { { "put_one", ":0\r\n" }, { "put", "+NEW\r\n" }, { "SADD", FULL } }, PAWL_EFULL },
    { { { "put_one", ":0\r\n" }, { "put", "+NEW\r\n" }, { "SADD", ":1\r\n" },
        { "put", FULL } }, PAWL_EFULL },
};

START_TEST(put_in_doubt)
{
    struct pawl_new_job job = { .id = pawl_id_new("mail", START), .queue = "mail",
                                .type = "t", .priority = 5, .max_attempts = 3 };
    struct pawl_put_result result;
    struct pawl_put in = { .queue = "mail", .session = { { 7 } }, .seq = 1, .jobs = &job,
                           .job_count = 1 };
    struct pawl_error err = { 0 };
    begin(&put_stories[_i]);
    enum pawl_status status = storage_put(store, &in, &result, &err);
    end(&put_stories[_i], status, &err);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_doubt");
    TCase *t = tcase_create("doubt");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, exchange_in_doubt, 0,
                        (int)(sizeof exchange_stories / sizeof *exchange_stories));
    tcase_add_test(t, answered_nonsense);
    tcase_add_loop_test(t, put_in_doubt, 0, (int)(sizeof put_stories / sizeof *put_stories));
    suite_add_tcase(suite, t);
    return program_run(suite);
}
