/* test_redis_damage.c - records that somebody wrote over so that they look whole, and are
 * not. None of them stops a HOLD for those behind it: they stay where they are, and all
 * others are handed over. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "redis_store_fixture.h"

#define MANY  400
#define TYPE_AT 31 /* bytes of a body from 1 on, as FORMAT.md counts */

static const struct pawl_session mover = { { 3 } };
static uint64_t last_seq;

/* A job with all that a record can have, but a payload that would hide where it ends. */
static struct pawl_id bring(void)
{
    static const struct pawl_job_error errors[2] = { { START, 1, "broke" },
                                                     { START, 2, "broke again" } };
    struct pawl_job job = { .id = pawl_id_new(queue, START), .queue = queue,
                            .type = "send", .group = "them", .payload = "",
                            .result = "", .state = PAWL_FAILED, .priority = 5,
                            .attempt = 2, .max_attempts = 3, .enqueued_at = START,
                            .run_at = START, .timeout = 1000, .key_ttl = 60000,
                            .errors = errors, .error_count = 2,
                            .backoff = { .kind = PAWL_BACKOFF_LIST, .cap = 99,
                                         .delay_count = 2, .delays = { 1, 2 } } };
    const struct pawl_job *list[1] = { &job };
    struct pawl_bring_in in = { .queue = queue, .session = { { 7 } }, .seq = ++last_seq,
                                .jobs = list, .job_count = 1 };
    struct pawl_put_result result;
    struct pawl_error err = { 0 };
    char key[PAWL_ID_TEXT];
    pawl_id_format(job.id, key);
    job.key = key;
    must(storage_bring_in(store, &in, &result, &err), &err);
    ck_assert_int_eq(result.status, PAWL_OK);
    return job.id;
}

static struct pawl_id put(void)
{
    struct pawl_new_job job = { .id = pawl_id_new(queue, START), .queue = queue,
                                .type = "send", .priority = 5, .max_attempts = 3 };
    struct pawl_put in = { .queue = queue, .session = { { 7 } }, .seq = ++last_seq,
                           .jobs = &job, .job_count = 1 };
    struct pawl_put_result result;
    struct pawl_error err = { 0 };
    must(storage_put(store, &in, &result, &err), &err);
    return job.id;
}

/* Up to `limit` jobs; their ids. */
static size_t hold(size_t limit, struct pawl_id *ids)
{
    struct pawl_job *jobs[MANY];
    struct pawl_take_out in = { .queue = queue, .mover = mover, .kind = PAWL_TAKE_HOLD,
                                .from_states = PAWL_STATE_BIT(PAWL_PENDING) |
                                               PAWL_STATE_BIT(PAWL_FAILED),
                                .limit = limit };
    struct pawl_take_out_reply reply = { .jobs = jobs };
    struct pawl_error err = { 0 };
    must(storage_take_out(store, &in, &reply, &err), &err);
    for (size_t i = 0; i < reply.job_count; i++) {
        ids[i] = jobs[i]->id;
        pawl_job_free(jobs[i]);
    }
    return reply.job_count;
}

static void settle(enum pawl_take_kind kind, const struct pawl_id *ids, size_t count,
                   enum pawl_status expected)
{
    enum pawl_status results[MANY];
    struct pawl_take_out in = { .queue = queue, .mover = mover, .kind = kind, .ids = ids,
                                .id_count = count };
    struct pawl_take_out_reply reply = { .results = results };
    struct pawl_error err = { 0 };
    must(storage_take_out(store, &in, &reply, &err), &err);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(results[i], expected);
}

static long long size_of(const char *command, const char *key)
{
    return redis_server_number(&server, "%s pawl:{mail}:%s", command, key);
}

static bool same(struct pawl_id a, struct pawl_id b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* Overwrite bytes of a record, from `at` on, the first being 1; below 1: from the end. */
static void overwrite(const char *key, struct pawl_id id, int at, const char *bytes,
                      size_t size)
{
    static const char script[] =
        "local was = redis.call('HGET', KEYS[1], ARGV[1]) "
        "local at = tonumber(ARGV[2]) at = at < 1 and #was + at + 1 or at "
        "redis.call('HSET', KEYS[1], ARGV[1], string.sub(was, 1, at - 1) .. ARGV[3] .. "
        "string.sub(was, at + #ARGV[3])) return 1";
    redis_server_do(&server, "EVAL %s 1 pawl:{mail}:%s %b %d %b", script, key, id.b,
                    sizeof id.b, at, bytes, size);
}

static void cut(const char *key, struct pawl_id id, int bytes)
{
    redis_server_do(&server,
                    "EVAL %s 1 pawl:{mail}:%s %b %d",
                    "local was = redis.call('HGET', KEYS[1], ARGV[1]) "
                    "redis.call('HSET', KEYS[1], ARGV[1], "
                    "string.sub(was, 1, #was - ARGV[2])) return 1",
                    key, id.b, sizeof id.b, bytes);
}

/* --- one kind of damage at a time ----------------------------------------------------- */

static const struct damage {
    const char *key;
    int at, cut;
    const char *bytes;
    size_t size;
} damages[] = {
    { "jobs", 1, 0, "\2", 1 },              /* another format */
    { "jobs", TYPE_AT - 1, 0, "\xff", 1 },  /* a type longer than all */
    { "jobs", TYPE_AT + 1, 0, "\0", 1 },    /* and one that ends too early */
    { "jobs", TYPE_AT + 4, 0, "\xff\xff", 2 }, /* so of the key */
    { "jobs", TYPE_AT + 14, 0, "\0", 1 },
    { "jobs", 0, 1, NULL, 0 },              /* the backoff ends too early */
    { "jobs", 0, 14, NULL, 0 },
    { "jobs", 0, 30, NULL, 0 },
    { "jobs", 0, 34, NULL, 0 },
    { "jobs", 0, 42, NULL, 0 },
    { "jobs", -13, 0, "\xff", 1 },          /* with too many delays */
    { "jobs", -27, 0, "\xff", 1 },          /* of no kind there is */
    { "jobs", -28, 0, "\0", 1 },            /* the group */
    { "jobs", -32, 0, "\xff", 1 },
    { "heads", 1, 0, "\2", 1 },
    { "errors", 1, 0, "\xb", 1 },
    { "errors", 1, 0, "\1", 1 },
    { "errors", 10, 0, "\xff\xff", 2 },
    { "errors", 13, 0, "\0", 1 },
    { "errors", 0, 1, NULL, 0 },
    { "errors", 0, 12, NULL, 0 },
};

/* The first of three is damaged, and only one is wanted at a time. */
START_TEST(others_are_handed_over)
{
    const struct damage *how = &damages[_i];
    struct pawl_id all[3] = { bring(), bring(), bring() }, found;
    if (how->bytes != NULL)
        overwrite(how->key, all[0], how->at, how->bytes, how->size);
    else
        cut(how->key, all[0], how->cut);
    for (int i = 1; i < 3; i++) {
        ck_assert_uint_eq(hold(1, &found), 1);
        ck_assert(same(found, all[i]));
        settle(PAWL_TAKE_CONFIRM, &found, 1, PAWL_OK);
    }
    ck_assert_uint_eq(hold(1, &found), 0);
    ck_assert_int_eq(size_of("EXISTS", "holds"), 0);
    ck_assert_int_eq(size_of("ZCARD", "failed"), 1);
    ck_assert_int_eq(size_of("HLEN", "jobs"), 1);
}
END_TEST

/* What was held when it was damaged stays held, and is in nobody's way either. */
START_TEST(held_before)
{
    struct pawl_id all[3] = { put(), put(), put() }, found[3];
    ck_assert_uint_eq(hold(3, found), 3);
    if (_i == 0)
        overwrite("jobs", all[0], 1, "\2", 1);
    else if (_i == 1)
        cut("holds", all[0], 7);
    else
        overwrite("holds", all[0], 17, "\xff", 1);
    ck_assert_uint_eq(hold(1, found), 1);
    ck_assert(same(found[0], all[1]));
    settle(PAWL_TAKE_RELEASE, all, 1, _i == 0 ? PAWL_OK : PAWL_NOT_FOUND);
    settle(PAWL_TAKE_CONFIRM, all + 1, 2, PAWL_OK);
    ck_assert_uint_eq(hold(3, found), 0);
    ck_assert_int_eq(size_of("HLEN", "jobs"), 1);
}
END_TEST

/* --- any kind ------------------------------------------------------------------------- */

static uint64_t state;

/* A small generator of our own, so that a failure comes again. */
static unsigned next(unsigned below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % below;
}

static void damage_somehow(struct pawl_id id)
{
    static const char *const keys[] = { "jobs", "jobs", "jobs", "heads", "errors" };
    const char *key = keys[next(5)];
    char byte = next(3) == 0 ? (char)next(256) : (char)next(8);
    if (next(4) == 0)
        cut(key, id, 1 + (int)next(40));
    else
        overwrite(key, id, next(2) == 0 ? 1 + (int)next(40) : -(int)next(40), &byte, 1);
}

/* Whatever is wrong with half of them, the script and the reader agree on which are
 * whole: no HOLD fails, and each of the others comes. */
START_TEST(any_damage)
{
    static struct pawl_id whole[MANY], found[MANY];
    size_t count, others = 0;
    state = (uint64_t)_i + 1;
    for (int i = 0; i < MANY; i++) {
        damage_somehow(bring());
        whole[i] = bring();
    }
    for (int calls = 0; (count = hold(100, found)) > 0; calls++) {
        ck_assert_int_lt(calls, 2 * MANY);
        for (size_t i = 0; i < count; i++)
            for (int n = 0; n < MANY; n++)
                others += same(found[i], whole[n]);
        settle(PAWL_TAKE_CONFIRM, found, count, PAWL_OK);
    }
    ck_assert_uint_eq(others, MANY);
    ck_assert_int_eq(size_of("EXISTS", "holds"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_damage");
    TCase *t = tcase_create("damage");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 100);
    tcase_add_loop_test(t, others_are_handed_over, 0,
                        (int)(sizeof damages / sizeof *damages));
    tcase_add_loop_test(t, held_before, 0, 3);
    tcase_add_loop_test(t, any_damage, 0, 5);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
