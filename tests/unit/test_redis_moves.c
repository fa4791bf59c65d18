/* test_redis_moves.c - what sweep, alter and handing over do on Redis alone, beyond
 * the contract: long walks that go on over many calls, holes that go away, grace
 * after a restart, answers that are forgotten, damage that does not spread. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_clock.h"
#include "redis_server.h"
#include "storage/storage.h"

#define START INT64_C(1700000000000)
#define LEASE 30000
#define DAY   (INT64_C(24) * 3600 * 1000)
#define BATCH 500

static const char queue[] = "mail";
static const struct pawl_retention for_ever = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
static struct redis_server server;
static struct pawl_storage *store;
static struct fake_clock test_clock;
static uint64_t last_seq;

/* --- the store ---------------------------------------------------------------------- */

static struct pawl_storage *open_again(void)
{
    struct pawl_storage_config config = { .clock = fake_clock_as_clock(&test_clock),
                                          .deadline = 20000 };
    struct pawl_storage *instance = NULL;
    struct pawl_error err = { 0 };
    char url[1100];
    snprintf(url, sizeof url, "%s?clock=caller", server.url);
    enum pawl_status status = storage_open(url, &config, NULL, &instance, &err);
    ck_assert_msg(status == PAWL_OK, "cannot open '%s': %s", url, err.message);
    return instance;
}

static void setup(void)
{
    static const char *const options[] = { "--appendonly", "yes", "--appendfsync",
                                           "always", NULL };
    fake_clock_init(&test_clock, START);
    redis_server_start(&server, options);
    store = open_again();
}

static void teardown(void)
{
    storage_close(store);
    redis_server_stop(&server);
}

static void must(enum pawl_status status, const char *what, const struct pawl_error *err)
{
    ck_assert_msg(status == PAWL_OK, "%s: %s: %s", what, pawl_status_name(status),
                  err->message);
}

static long long size_of(const char *command, const char *key)
{
    return redis_server_number(&server, "%s pawl:{mail}:%s", command, key);
}

/* --- steps -------------------------------------------------------------------------- */

static struct pawl_new_job plain(const char *type)
{
    return (struct pawl_new_job){ .queue = queue, .type = type, .priority = 5,
                                  .max_attempts = 3 };
}

/* `count` of the same kind; their ids, if wanted. */
static void put_many(struct pawl_new_job job, size_t count, struct pawl_id *ids)
{
    struct pawl_put_result results[BATCH];
    struct pawl_new_job jobs[BATCH];
    struct pawl_error err = { 0 };
    for (size_t at = 0; at < count;) {
        struct pawl_put in = { .queue = queue, .session = { { 7 } },
                               .seq = ++last_seq, .jobs = jobs };
        for (; at < count && in.job_count < BATCH; at++) {
            job.id = pawl_id_new(queue, START);
            jobs[in.job_count++] = job;
            if (ids != NULL)
                ids[at] = job.id;
        }
        must(storage_put(store, &in, results, &err), "put", &err);
    }
}

static struct pawl_sweep_reply sweep(void)
{
    struct pawl_sweep in = { .queue = queue, .limit = 1000, .max_crashes = 3,
                             .retention = for_ever };
    struct pawl_sweep_reply reply;
    struct pawl_error err = { 0 };
    must(storage_sweep(store, &in, &reply, &err), "sweep", &err);
    return reply;
}

static size_t claim_by(struct pawl_storage *instance, size_t most)
{
    struct pawl_job *jobs[BATCH];
    struct pawl_exchange in = { .queue = queue, .owner = { { 9 } },
                                .claim_max = most, .lease = LEASE,
                                .retention = for_ever };
    struct pawl_exchange_reply reply = { .jobs = jobs };
    struct pawl_error err = { 0 };
    must(storage_exchange(instance, &in, &reply, &err), "exchange", &err);
    for (size_t i = 0; i < reply.job_count; i++)
        pawl_job_free(jobs[i]);
    return reply.job_count;
}

static struct pawl_alter_reply alter(struct pawl_alter in)
{
    struct pawl_alter_reply reply = { .changed = 0 };
    struct pawl_error err = { 0 };
    in.queue = queue;
    in.limit = in.limit == 0 ? 100000 : in.limit;
    must(storage_alter(store, &in, &reply, &err), "alter", &err);
    return reply;
}

static void remove_ids(const struct pawl_id *ids, size_t count)
{
    enum pawl_status results[BATCH];
    struct pawl_error err = { 0 };
    for (size_t at = 0; at < count; at += BATCH) {
        struct pawl_alter_reply reply = { .results = results };
        struct pawl_alter in = { .queue = queue, .kind = PAWL_ALTER_REMOVE,
                                 .from_states = ~0u, .ids = ids + at };
        in.id_count = count - at < BATCH ? count - at : BATCH;
        must(storage_alter(store, &in, &reply, &err), "alter", &err);
        ck_assert_uint_eq(reply.changed, in.id_count);
    }
}

/* --- long walks --------------------------------------------------------------------- */

/* Few jobs among many that do not match are all found, in lanes and by time. */
START_TEST(filter_passes_over_many)
{
    struct pawl_new_job late = plain("send"), rare_late = plain("rare");
    late.delay = rare_late.delay = 1000;
    put_many(plain("send"), 5000, NULL);
    put_many(plain("rare"), 2, NULL);
    put_many(late, 5000, NULL); /* all of one run_at */
    put_many(rare_late, 3, NULL);
    late.priority = rare_late.priority = 9;
    late.delay = rare_late.delay = 0;
    put_many(late, 2500, NULL);
    put_many(rare_late, 1, NULL);
    struct pawl_alter cancel = { .kind = PAWL_ALTER_CANCEL, .from_states = ~0u,
                                 .type = "rare", .limit = 5 };
    struct pawl_alter_reply reply = alter(cancel);
    ck_assert_uint_eq(reply.changed, 5);
    ck_assert(reply.more);
    reply = alter(cancel);
    ck_assert_uint_eq(reply.changed, 1);
    ck_assert(!reply.more);
    ck_assert_int_eq(size_of("LLEN", "cancelled"), 6);
}
END_TEST

/* Jobs that stay where they are when they are changed are each changed once. */
START_TEST(filter_changes_in_place)
{
    struct pawl_new_job late = plain("send");
    struct pawl_alter to_first = { .kind = PAWL_ALTER_REPRIORITISE,
                                   .from_states = ~0u, .priority = 1,
                                   .limit = 4000 };
    late.delay = 1000;
    put_many(late, 5000, NULL);
    struct pawl_alter_reply reply = alter(to_first);
    ck_assert_uint_eq(reply.changed, 4000);
    ck_assert(reply.more);
    reply = alter(to_first);
    ck_assert_uint_eq(reply.changed, 1000);
    ck_assert(!reply.more);
    ck_assert_uint_eq(alter(to_first).changed, 0);
    ck_assert_int_eq(size_of("ZCARD", "scheduled"), 5000);
}
END_TEST

/* A filter that takes jobs out of a zset goes on behind those that stay. */
START_TEST(filter_takes_every_other)
{
    struct pawl_new_job late = plain("a"), other = plain("b");
    late.delay = other.delay = 1000;
    for (int i = 0; i < 40; i++) {
        put_many(late, 75, NULL);
        put_many(other, 75, NULL);
    }
    struct pawl_alter what = { .kind = PAWL_ALTER_REMOVE, .from_states = ~0u,
                               .type = "b" };
    ck_assert_uint_eq(alter(what).changed, 3000);
    ck_assert_int_eq(size_of("ZCARD", "scheduled"), 3000);
    what.type = "a";
    ck_assert_uint_eq(alter(what).changed, 3000);
    ck_assert_int_eq(size_of("EXISTS", "jobs"), 0);
}
END_TEST

/* --- holes -------------------------------------------------------------------------- */

/* What was removed from the front, or the whole of a line, leaves nothing. */
START_TEST(holes_in_front_go)
{
    struct pawl_id ids[3000];
    put_many(plain("send"), 3000, ids);
    remove_ids(ids + 1, 2998);
    ck_assert_int_eq(size_of("LLEN", "pending:5"), 3000);
    remove_ids(ids, 1);
    ck_assert_int_eq(size_of("LLEN", "pending:5"), 1);
    ck_assert_uint_eq(claim_by(store, 10), 1);
}
END_TEST

/* Holes behind the job that is claimed go with the next sweep. */
START_TEST(holes_behind_go)
{
    struct pawl_id ids[3000];
    put_many(plain("send"), 3000, ids);
    remove_ids(ids + 1, 2999);
    ck_assert_uint_eq(claim_by(store, 1), 1);
    sweep();
    ck_assert_int_eq(size_of("LLEN", "pending:5"), 0);
    put_many(plain("send"), 1, ids);
    ck_assert_uint_eq(claim_by(store, 10), 1);
}
END_TEST

/* --- grace -------------------------------------------------------------------------- */

/* The server was away, and nobody could renew: for one lease nothing is over. */
START_TEST(grace_after_restart)
{
    put_many(plain("send"), 2, NULL);
    ck_assert_uint_eq(claim_by(store, 2), 2);
    sweep();
    redis_server_kill(&server);
    redis_server_again(&server);
    fake_clock_pass(&test_clock, LEASE + 5);
    ck_assert_uint_eq(sweep().recovered, 0);
    fake_clock_pass(&test_clock, LEASE - 1);
    ck_assert_uint_eq(sweep().recovered, 0);
    fake_clock_pass(&test_clock, 1);
    ck_assert_uint_eq(sweep().recovered, 2);
}
END_TEST

/* But what its owner gave up is taken back at once. */
START_TEST(no_grace_for_those_who_left)
{
    struct pawl_storage *leaving = open_again();
    put_many(plain("send"), 1, NULL);
    ck_assert_uint_eq(claim_by(leaving, 1), 1);
    sweep();
    storage_close(leaving);
    redis_server_kill(&server);
    redis_server_again(&server);
    ck_assert_uint_eq(sweep().recovered, 1);
}
END_TEST

/* The first sweep ever has nothing to compare with, and no grace. */
START_TEST(no_grace_at_first)
{
    put_many(plain("send"), 1, NULL);
    ck_assert_uint_eq(claim_by(store, 1), 1);
    fake_clock_pass(&test_clock, LEASE);
    ck_assert_uint_eq(sweep().recovered, 1);
}
END_TEST

/* --- answers ------------------------------------------------------------------------ */

/* What was answered to puts and claims is forgotten after a week. */
START_TEST(old_answers_go)
{
    for (int i = 0; i < 16; i++)
        put_many(plain("send"), 1, NULL);
    claim_by(store, 1);
    ck_assert_int_eq(size_of("HLEN", "sessions"), 16);
    fake_clock_pass(&test_clock, 7 * DAY - 1);
    sweep();
    ck_assert_int_eq(size_of("HLEN", "sessions"), 16);
    ck_assert_int_eq(size_of("HLEN", "claims"), 1);
    fake_clock_pass(&test_clock, 1);
    sweep();
    ck_assert_int_eq(size_of("HLEN", "sessions"), 0);
    ck_assert_int_eq(size_of("HLEN", "claims"), 0);
}
END_TEST

/* --- handing over ------------------------------------------------------------------- */

static size_t hold(size_t limit, struct pawl_id *ids)
{
    struct pawl_job *jobs[BATCH];
    struct pawl_take_out in = { .queue = queue, .mover = { { 3 } },
                                .kind = PAWL_TAKE_HOLD,
                                .from_states = PAWL_STATE_BIT(PAWL_PENDING),
                                .limit = limit };
    struct pawl_take_out_reply reply = { .jobs = jobs };
    struct pawl_error err = { 0 };
    must(storage_take_out(store, &in, &reply, &err), "take out", &err);
    for (size_t i = 0; i < reply.job_count; i++) {
        ids[i] = jobs[i]->id;
        pawl_job_free(jobs[i]);
    }
    return reply.job_count;
}

static void confirm(const struct pawl_id *ids, size_t count)
{
    enum pawl_status results[BATCH];
    struct pawl_take_out in = { .queue = queue, .mover = { { 3 } },
                                .kind = PAWL_TAKE_CONFIRM, .ids = ids,
                                .id_count = count };
    struct pawl_take_out_reply reply = { .results = results };
    struct pawl_error err = { 0 };
    must(storage_take_out(store, &in, &reply, &err), "take out", &err);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(results[i], PAWL_OK);
}

/* A reply has no more than 64 MiB: large jobs come fewer at a time, and all of them
 * in the end. */
START_TEST(large_jobs_come_fewer)
{
    static char payload[1 << 20];
    struct pawl_new_job large = plain("send");
    struct pawl_id put[80], ids[BATCH];
    size_t count, total = 0;
    large.payload = payload;
    large.payload_size = sizeof payload;
    for (int i = 0; i < 80; i++)
        put_many(large, 1, &put[i]);
    while ((count = hold(100, ids)) > 0) {
        ck_assert_uint_lt(count, 80);
        ck_assert_mem_eq(ids, put + total, count * sizeof *ids);
        confirm(ids, count);
        total += count;
    }
    ck_assert_uint_eq(total, 80);
    ck_assert_int_eq(size_of("EXISTS", "jobs"), 0);
    ck_assert_int_eq(size_of("EXISTS", "held"), 0);
}
END_TEST

static enum pawl_status bring(struct pawl_job job)
{
    const struct pawl_job *jobs[1] = { &job };
    struct pawl_bring_in in = { .queue = queue, .session = { { 8 } },
                                .seq = ++last_seq, .jobs = jobs, .job_count = 1 };
    struct pawl_put_result result;
    struct pawl_error err = { 0 };
    must(storage_bring_in(store, &in, &result, &err), "bring in", &err);
    return result.status;
}

static struct pawl_job whole(enum pawl_state state)
{
    return (struct pawl_job){ .id = pawl_id_new(queue, START), .queue = queue,
                              .type = "send", .key = "", .group = "",
                              .state = state, .priority = 5, .max_attempts = 3,
                              .enqueued_at = START - 10, .run_at = START + 10,
                              .payload = "", .result = "" };
}

/* A job that nothing has happened to costs no head here either. */
START_TEST(untouched_stays_small)
{
    struct pawl_job tried = whole(PAWL_PENDING);
    tried.attempt = 1;
    tried.epoch = 1;
    ck_assert_int_eq(bring(whole(PAWL_PENDING)), PAWL_OK);
    ck_assert_int_eq(bring(whole(PAWL_SCHEDULED)), PAWL_OK);
    ck_assert_int_eq(size_of("HLEN", "heads"), 0);
    ck_assert_int_eq(bring(tried), PAWL_OK);
    ck_assert_int_eq(size_of("HLEN", "heads"), 1);
    ck_assert_uint_eq(claim_by(store, 10), 2);
    fake_clock_pass(&test_clock, 10);
    ck_assert_uint_eq(sweep().promoted, 1);
    ck_assert_uint_eq(claim_by(store, 10), 1);
}
END_TEST

/* A throttle that an id left behind is not let go when the same id, come back with
 * a reject key whose time is over, is removed (rules 19, 21). */
START_TEST(throttle_of_an_earlier_stay)
{
    struct pawl_new_job throttle = plain("send");
    struct pawl_job back = whole(PAWL_PENDING);
    throttle.key = "k";
    throttle.key_mode = PAWL_KEY_THROTTLE;
    throttle.key_ttl = 1000;
    put_many(throttle, 1, &back.id);
    remove_ids(&back.id, 1);
    back.key = "k";
    back.key_ttl = 5;
    ck_assert_int_eq(bring(back), PAWL_OK);
    remove_ids(&back.id, 1);
    back.id = pawl_id_new(queue, START);
    back.key_ttl = 0;
    ck_assert_int_eq(bring(back), PAWL_KEY_TAKEN);
    fake_clock_pass(&test_clock, 1000);
    ck_assert_int_eq(bring(back), PAWL_OK);
}
END_TEST

/* --- damage ------------------------------------------------------------------------- */

/* Somebody deleted a job behind our back: the others go on. */
START_TEST(vanished_jobs_are_passed_over)
{
    struct pawl_new_job late = plain("send");
    late.delay = 1000;
    put_many(late, 3, NULL);
    put_many(plain("send"), 2, NULL);
    ck_assert_uint_eq(claim_by(store, 1), 1);
    redis_server_do(&server, "DEL pawl:{mail}:jobs");
    put_many(late, 1, NULL);
    fake_clock_pass(&test_clock, LEASE);
    struct pawl_sweep_reply reply = sweep();
    ck_assert_uint_eq(reply.promoted, 1);
    ck_assert_uint_eq(reply.recovered, 0);
    ck_assert(!reply.more);
    ck_assert_int_eq(size_of("EXISTS", "scheduled"), 0);
    ck_assert_int_eq(size_of("EXISTS", "leases"), 0);
    struct pawl_alter what = { .kind = PAWL_ALTER_REMOVE, .from_states = ~0u };
    ck_assert_uint_eq(alter(what).changed, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_moves");
    TCase *t = tcase_create("redis_moves");
    tcase_set_timeout(t, 100);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, filter_passes_over_many);
    tcase_add_test(t, filter_changes_in_place);
    tcase_add_test(t, filter_takes_every_other);
    tcase_add_test(t, holes_in_front_go);
    tcase_add_test(t, holes_behind_go);
    tcase_add_test(t, grace_after_restart);
    tcase_add_test(t, no_grace_for_those_who_left);
    tcase_add_test(t, no_grace_at_first);
    tcase_add_test(t, old_answers_go);
    tcase_add_test(t, large_jobs_come_fewer);
    tcase_add_test(t, untouched_stays_small);
    tcase_add_test(t, throttle_of_an_earlier_stay);
    tcase_add_test(t, vanished_jobs_are_passed_over);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
