/* test_redis_slices.c - how much of the jobs a script reads before it knows that it has
 * enough: small jobs in front do not make it read hundreds of large ones behind them.
 * What it read is seen in the memory of the server's Lua, which keeps it for a while. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "redis_store_fixture.h"

#define SMALL 64
#define LARGE 150
#define LARGE_SIZE ((size_t)300000)
#define MOST  500
#define CLAIM_BYTES ((size_t)4 << 20) /* with so many an exchange ends: FORMAT.md */
#define SLICE 16                      /* jobs that are read at once, at most */
#define TRIFLE ((size_t)4 << 20)      /* the scripts themselves, and small jobs */

static uint64_t last_seq;
static struct pawl_job *jobs[MOST];
static char large[LARGE_SIZE];

static void put(size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        struct pawl_new_job job = { .id = pawl_id_new(queue, START), .queue = queue,
                                    .type = "t", .priority = 5, .max_attempts = 3,
                                    .payload = large, .payload_size = size };
        struct pawl_put in = { .queue = queue, .session = { { 7 } }, .seq = ++last_seq,
                               .jobs = &job, .job_count = 1 };
        struct pawl_put_result result;
        struct pawl_error err = { 0 };
        must(storage_put(store, &in, &result, &err), &err);
    }
}

/* The server's Lua begins anew, with nothing in its memory. */
static void forget_scripts(void)
{
    redis_server_do(&server, "SCRIPT FLUSH SYNC");
}

static size_t lua_memory(void)
{
    redisReply *reply = redis_server_ask(&server, "INFO memory");
    const char *at = strstr(reply->str, "used_memory_lua:");
    ck_assert_ptr_nonnull(at);
    size_t size = (size_t)atoll(at + strlen("used_memory_lua:"));
    freeReplyObject(reply);
    return size;
}

/* Of these jobs no more was read than `bound`, and the few that are read before it is
 * known how large they are. Frees them. */
static void assert_bounded(size_t count, size_t bound)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += jobs[i]->payload_size;
        pawl_job_free(jobs[i]);
    }
    ck_assert_uint_gt(count, 0);
    ck_assert_uint_le(bytes, bound + SLICE * LARGE_SIZE);
    ck_assert_uint_le(lua_memory(), bound + SLICE * LARGE_SIZE + TRIFLE);
}

/* --- exchange ------------------------------------------------------------------------- */

static struct pawl_owner claimed_by; /* the latest exchange's */

static size_t exchange(struct pawl_outcome *outcome)
{
    static uint8_t owner; /* a new one has no turn of before */
    enum pawl_status result;
    struct pawl_exchange in = { .queue = queue, .owner = { { ++owner } },
                                .claim_max = MOST, .lease = 30000,
                                .outcomes = outcome, .outcome_count = outcome != NULL };
    struct pawl_exchange_reply reply = { .jobs = jobs, .outcomes = &result };
    struct pawl_error err = { 0 };
    if (outcome != NULL)
        in.owner = claimed_by;
    claimed_by = in.owner;
    must(storage_exchange(store, &in, &reply, &err), &err);
    return reply.job_count;
}

/* Claimed by exchange_plain.lua, and by exchange.lua, which an outcome other than a
 * completion needs. */
START_TEST(claims_are_bounded)
{
    struct pawl_outcome outcome = { .kind = PAWL_OUTCOME_RETRY, .delay = 1000 };
    if (_i == 1) {
        put(1, 1);
        ck_assert_uint_eq(exchange(NULL), 1);
        outcome.id = jobs[0]->id;
        outcome.epoch = jobs[0]->epoch;
        pawl_job_free(jobs[0]);
    }
    put(SMALL, 100);
    put(LARGE, LARGE_SIZE);
    forget_scripts();
    size_t total = 0, count = exchange(_i == 1 ? &outcome : NULL);
    while (count > 0) {
        total += count;
        assert_bounded(count, CLAIM_BYTES);
        forget_scripts();
        count = exchange(NULL);
    }
    ck_assert_uint_eq(total, SMALL + LARGE);
}
END_TEST

/* --- hold ----------------------------------------------------------------------------- */

/* And so is what one HOLD reads, not only what it hands over (rule 103). */
START_TEST(holds_are_bounded)
{
    struct pawl_take_out in = { .queue = queue, .mover = { { 3 } },
                                .kind = PAWL_TAKE_HOLD, .from_states = PAWL_STATE_BIT(PAWL_PENDING),
                                .limit = MOST, .only_new = true };
    size_t total = 0;
    struct pawl_take_out_reply reply = { .jobs = jobs };
    struct pawl_error err = { 0 };
    put(SMALL, 100);
    put(LARGE, LARGE_SIZE);
    do {
        forget_scripts();
        must(storage_take_out(store, &in, &reply, &err), &err);
        total += reply.job_count;
        if (reply.job_count > 0)
            assert_bounded(reply.job_count, PAWL_HOLD_BYTES);
    } while (reply.job_count > 0);
    ck_assert_uint_eq(total, SMALL + LARGE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_slices");
    TCase *t = tcase_create("slices");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 100);
    tcase_add_loop_test(t, claims_are_bounded, 0, 2);
    tcase_add_test(t, holds_are_bounded);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
