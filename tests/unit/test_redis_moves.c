/* test_redis_moves.c - what sweep, alter and handing over do on Redis alone, beyond
 * the contract: long walks that go on over many calls, holes that go away, grace
 * after a restart, answers that are forgotten, damage that does not spread. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_clock.h"
#include "program.h"
#include "redis_server.h"
#include "storage/redis/redis_queue.h"
#include "storage/storage.h"
#include "util/clock.h"

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
static pawl_duration lease; /* of the next claim */
static bool last_more;      /* of the last one */

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
    lease = LEASE;
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
                                .claim_max = most, .lease = lease,
                                .retention = for_ever };
    struct pawl_exchange_reply reply = { .jobs = jobs };
    struct pawl_error err = { 0 };
    must(storage_exchange(instance, &in, &reply, &err), "exchange", &err);
    for (size_t i = 0; i < reply.job_count; i++)
        pawl_job_free(jobs[i]);
    last_more = reply.more;
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

/* The next call of a filter, as redis_alter.c makes it, from where `last` stopped;
 * frees that. */
static redisReply *reprioritise_on(redisReply *last)
{
    static const char *const words[] = { "1700000000000", "5000", "0", "3", "4", "0",
                                         "1", "-1 -1 -1 -1 -1 -1", "all", "", "0",
                                         "100000", "2", "0" };
    struct redis_args args = { 0 };
    struct redis_queues queues;
    redis_queues_init(&queues);
    const struct redis_queue *keys = redis_queue_at(&queues, "pawl:", queue);
    redis_args_text(&args, "EVAL");
    redis_args_text(&args, redis_script_alter.text);
    redis_args_number(&args, REDIS_KEY_COUNT);
    for (int i = 0; i < REDIS_KEY_COUNT; i++)
        redis_args_text(&args, keys->keys[i]);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        redis_args_text(&args, words[i]);
    redis_args_text(&args, last == NULL ? "0" : last->element[4]->str);
    redis_args_add(&args, last == NULL ? "" : last->element[5]->str,
                   last == NULL ? 0 : last->element[5]->len);
    redisContext *conn = redisConnectUnix(server.socket);
    redisReply *reply = redisCommandArgv(conn, args.count, args.argv, args.sizes);
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(reply->type == REDIS_REPLY_ARRAY, "%s", reply->str);
    redisFree(conn);
    redis_args_clear(&args);
    redis_queues_clear(&queues);
    freeReplyObject(last);
    return reply;
}

/* A job that the walk stopped at, and that got another time before it went on, takes
 * no other with it. */
START_TEST(filter_goes_on_without)
{
    struct pawl_new_job late = plain("send");
    late.delay = 1000;
    put_many(late, 5000, NULL);
    redisReply *reply = reprioritise_on(NULL);
    long long changed = reply->element[0]->integer;
    ck_assert_str_eq(reply->element[1]->str, "on");
    redis_server_do(&server, "ZADD pawl:{mail}:scheduled %lld %b", START + DAY,
                    reply->element[5]->str, (size_t)reply->element[5]->len);
    while (strcmp(reply->element[1]->str, "on") == 0) {
        reply = reprioritise_on(reply);
        changed += reply->element[0]->integer;
    }
    freeReplyObject(reply);
    ck_assert_int_eq(changed, 5000);
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

static long long calls_of(const char *command)
{
    char name[64];
    long long calls = 0;
    redisReply *reply = redis_server_ask(&server, "INFO commandstats");
    snprintf(name, sizeof name, "cmdstat_%s:", command);
    const char *at = strstr(reply->str, name);
    if (at != NULL)
        ck_assert_int_eq(sscanf(at + strlen(name), "calls=%lld", &calls), 1);
    freeReplyObject(reply);
    return calls;
}

/* Many holes are passed a bounded number at a time, each with few commands, and no
 * later lane overtakes the one they are in. */
START_TEST(many_holes_are_passed)
{
    static struct pawl_id ids[45000];
    struct pawl_new_job urgent = plain("send"), idle = plain("send");
    urgent.priority = 1;
    idle.priority = 9;
    put_many(urgent, 45000, ids);
    put_many(idle, 10, NULL);
    remove_ids(ids + 1, 44998);
    ck_assert_uint_eq(claim_by(store, 1), 1);
    long long reads = calls_of("lrange");
    size_t claimed = 0;
    int calls = 0;
    for (; claimed == 0; calls++) {
        ck_assert_int_lt(calls, 4);
        claimed = claim_by(store, 1);
        ck_assert(claimed == 1 || last_more);
        ck_assert_int_eq(size_of("LLEN", "pending:9"), 10);
    }
    ck_assert_int_gt(calls, 1);
    ck_assert_int_lt(calls_of("lrange") - reads, 150);
    ck_assert_int_eq(size_of("EXISTS", "pending:1"), 0);
    ck_assert_uint_eq(claim_by(store, 20), 10);
}
END_TEST

/* --- grace -------------------------------------------------------------------------- */

static void restart(void)
{
    redis_server_kill(&server);
    redis_server_again(&server);
}

/* The server was away, and nobody could renew: for one lease nothing is over. */
START_TEST(grace_after_restart)
{
    put_many(plain("send"), 2, NULL);
    ck_assert_uint_eq(claim_by(store, 2), 2);
    sweep();
    restart();
    fake_clock_pass(&test_clock, LEASE + 5);
    ck_assert_uint_eq(sweep().recovered, 0);
    fake_clock_pass(&test_clock, LEASE - 1);
    ck_assert_uint_eq(sweep().recovered, 0);
    fake_clock_pass(&test_clock, 1);
    ck_assert_uint_eq(sweep().recovered, 2);
}
END_TEST

static void claim_for(pawl_duration time)
{
    lease = time;
    ck_assert_uint_eq(claim_by(store, 1), 1);
    lease = LEASE;
}

/* For one of its own: a lease of a day beside it keeps no lost job back for a day. */
START_TEST(grace_of_its_own)
{
    put_many(plain("send"), 3, NULL);
    claim_for(DAY);
    claim_for(LEASE);
    claim_for(2 * LEASE);
    sweep();
    restart();
    ck_assert_uint_eq(sweep().recovered, 0);
    fake_clock_pass(&test_clock, LEASE - 1);
    ck_assert_uint_eq(sweep().recovered, 0);
    fake_clock_pass(&test_clock, 1);
    ck_assert_uint_eq(sweep().recovered, 1);
    fake_clock_pass(&test_clock, LEASE);
    ck_assert_uint_eq(sweep().recovered, 1);
    fake_clock_pass(&test_clock, DAY - 2 * LEASE - 1);
    ck_assert_uint_eq(sweep().recovered, 0);
    fake_clock_pass(&test_clock, 1);
    ck_assert_uint_eq(sweep().recovered, 1);
}
END_TEST

static enum pawl_status bring(struct pawl_job job);
static struct pawl_job whole(enum pawl_state state);

static void make_by_put(void)
{
    put_many(plain("send"), 1, NULL);
}

static void make_by_bring(void)
{
    ck_assert_int_eq(bring(whole(PAWL_PENDING)), PAWL_OK);
}

static void make_by_alter(void)
{
    alter((struct pawl_alter){ .kind = PAWL_ALTER_RESUME });
    make_by_put();
}

static void (*const makers[])(void) = { make_by_put, make_by_bring, make_by_alter };

/* Also when it went away before the first sweep: who makes a queue notes the server. */
START_TEST(grace_before_any_sweep)
{
    makers[_i]();
    ck_assert_uint_eq(claim_by(store, 2), 1);
    restart();
    fake_clock_pass(&test_clock, LEASE + 5);
    ck_assert_uint_eq(sweep().recovered, 0);
    fake_clock_pass(&test_clock, LEASE);
    ck_assert_uint_eq(sweep().recovered, 1);
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
    restart();
    ck_assert_uint_eq(sweep().recovered, 1);
}
END_TEST

/* The first sweep ever, on the server where the queue was made, has none either. */
START_TEST(no_grace_at_first)
{
    put_many(plain("send"), 1, NULL);
    ck_assert_uint_eq(claim_by(store, 1), 1);
    fake_clock_pass(&test_clock, LEASE);
    ck_assert_uint_eq(sweep().recovered, 1);
}
END_TEST

static long long in_meta(const char *field)
{
    return redis_server_number(&server, "EVAL %s 1 pawl:{mail}:meta %s",
                               "return tonumber(redis.call('HGET', KEYS[1], "
                               "ARGV[1]) or 0)", field);
}

/* A renewal keeps the time as other steps do: it does not go back behind it. */
START_TEST(renewal_keeps_time)
{
    struct pawl_lease_ref none = { .epoch = 1 };
    struct pawl_renew in = { .queue = queue, .owner = { { 9 } }, .lease = LEASE,
                             .leases = &none, .lease_count = 1 };
    enum pawl_status status;
    struct pawl_error err = { 0 };
    put_many(plain("send"), 1, NULL);
    fake_clock_pass(&test_clock, 1000);
    must(storage_renew(store, &in, &status, &err), "renew", &err);
    ck_assert_int_eq(status, PAWL_STALE);
    ck_assert_int_eq(in_meta("now"), START + 1000);
}
END_TEST

/* With the server's own clock. Time is made to pass by setting all that was written
 * back by as much. */
static void set_back(const char *field, long long time)
{
    long long was = in_meta(field);
    if (was != 0)
        redis_server_do(&server, "HSET pawl:{mail}:meta %s %lld", field, was - time);
}

static void let_pass(long long time)
{
    set_back("swept_at", time);
    redis_server_do(&server, "EVAL %s 1 pawl:{mail}:leases %lld",
                    "local all = redis.call('ZRANGE', KEYS[1], 0, -1) "
                    "for _, id in ipairs(all) do "
                    "redis.call('ZINCRBY', KEYS[1], -ARGV[1], id) end return 1", time);
}

static void use_own_clock(void)
{
    struct pawl_storage_config config = { .clock = fake_clock_as_clock(&test_clock),
                                          .deadline = 20000 };
    struct pawl_error err = { 0 };
    storage_close(store);
    must(storage_open(server.url, &config, NULL, &store, &err), "open", &err);
}

#define LONG_LEASE (INT64_C(1000) * LEASE) /* longer than any test */

static void claim_for_long(void)
{
    claim_for(LONG_LEASE);
}

/* A server that was frozen, or whose clock was set forward: nobody could renew. What
 * else is done before the first sweep does not hide it. */
START_TEST(grace_after_freeze)
{
    use_own_clock();
    put_many(plain("send"), 2, NULL);
    claim_for_long();
    ck_assert_uint_eq(sweep().recovered, 0);
    let_pass(2 * LONG_LEASE);
    put_many(plain("send"), 1, NULL);
    ck_assert_uint_eq(sweep().recovered, 0);
    let_pass(LONG_LEASE / 3);
    ck_assert_uint_eq(sweep().recovered, 0);
    let_pass(LONG_LEASE / 3);
    ck_assert_uint_eq(sweep().recovered, 0);
    let_pass(LONG_LEASE / 3);
    ck_assert_uint_eq(sweep().recovered, 1);
}
END_TEST

/* So short a time that a longer lease beside it can do without a grace. */
START_TEST(grace_beside_a_longer_lease)
{
    use_own_clock();
    put_many(plain("send"), 2, NULL);
    claim_for(10 * LONG_LEASE);
    claim_for_long();
    sweep();
    let_pass(2 * LONG_LEASE);
    ck_assert_uint_eq(sweep().recovered, 0);
    let_pass(LONG_LEASE / 3);
    sweep();
    let_pass(LONG_LEASE / 3);
    sweep();
    let_pass(LONG_LEASE / 3);
    ck_assert_uint_eq(sweep().recovered, 1);
    ck_assert_int_eq(size_of("ZCARD", "leases"), 1);
}
END_TEST

/* Who renewed in one grace has the next one as well; who did not is lost. */
START_TEST(grace_after_renewal)
{
    struct pawl_id ids[2];
    struct pawl_lease_ref ref = { .epoch = 1 };
    struct pawl_renew in = { .queue = queue, .owner = { { 9 } }, .lease = LONG_LEASE,
                             .leases = &ref, .lease_count = 1 };
    enum pawl_status status;
    struct pawl_error err = { 0 };
    use_own_clock();
    put_many(plain("send"), 2, ids);
    ref.id = ids[0];
    claim_for_long();
    claim_for_long();
    sweep();
    let_pass(2 * LONG_LEASE);
    ck_assert_uint_eq(sweep().recovered, 0);
    must(storage_renew(store, &in, &status, &err), "renew", &err);
    ck_assert_int_eq(status, PAWL_OK);
    let_pass(2 * LONG_LEASE);
    ck_assert_uint_eq(sweep().recovered, 1);
    ck_assert_int_eq(size_of("ZCARD", "leases"), 1);
    let_pass(2 * LONG_LEASE);
    ck_assert_uint_eq(sweep().recovered, 1);
}
END_TEST

/* Sweeps that are far apart, each a grace's beginning: what was over at the one before
 * is taken back. */
START_TEST(rare_sweeps_recover)
{
    use_own_clock();
    put_many(plain("send"), 1, NULL);
    ck_assert_uint_eq(sweep().recovered, 0);
    claim_for_long();
    let_pass(3 * LONG_LEASE / 4);
    sweep();
    let_pass(3 * LONG_LEASE / 4);
    ck_assert_uint_eq(sweep().recovered, 0);
    let_pass(3 * LONG_LEASE / 4);
    ck_assert_uint_eq(sweep().recovered, 1);
}
END_TEST

/* A clock that was a day ahead once: leases end by the clock as it is now. */
START_TEST(clock_was_ahead)
{
    use_own_clock();
    put_many(plain("send"), 1, NULL);
    redis_server_do(&server, "HSET pawl:{mail}:meta now %lld swept_at %lld",
                    (long long)(clock_wall_ms() + DAY),
                    (long long)(clock_wall_ms() + DAY));
    claim_for_long();
    sweep();
    let_pass(LONG_LEASE / 2 - 10000);
    sweep();
    let_pass(LONG_LEASE / 2 - 10000);
    sweep();
    let_pass(20000);
    ck_assert_uint_eq(sweep().recovered, 1);
}
END_TEST

/* One long lease of long ago does not make each later grace as long. */
START_TEST(long_lease_is_forgotten)
{
    put_many(plain("send"), 1, NULL);
    lease = DAY;
    ck_assert_uint_eq(claim_by(store, 1), 1);
    lease = LEASE;
    fake_clock_pass(&test_clock, DAY);
    ck_assert_uint_eq(sweep().recovered, 1);
    ck_assert_uint_eq(claim_by(store, 1), 1);
    sweep();
    restart();
    fake_clock_pass(&test_clock, LEASE);
    ck_assert_uint_eq(sweep().recovered, 0);
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

/* The more there are, the more go with each sweep. */
START_TEST(many_old_answers_go)
{
    put_many(plain("send"), 1, NULL);
    redis_server_do(&server, "EVAL %s 1 pawl:{mail}:sessions",
                    "for i = 1, 100000 do redis.call('HSET', KEYS[1], i, "
                    "string.rep('\\0', 18)) end return 1");
    for (int i = 0; i < 500; i++)
        sweep();
    ck_assert_int_lt(size_of("HLEN", "sessions"), 80000);
}
END_TEST

/* --- handing over ------------------------------------------------------------------- */

static size_t hold_by(uint8_t mover, size_t limit, struct pawl_id *ids)
{
    struct pawl_job *jobs[BATCH];
    struct pawl_take_out in = { .queue = queue, .mover = { { mover } },
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

static size_t hold(size_t limit, struct pawl_id *ids)
{
    return hold_by(3, limit, ids);
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

/* A reply has no more than some 8 MiB: large jobs come fewer at a time, and all of
 * them in the end. */
START_TEST(large_jobs_come_fewer)
{
    static char payload[1 << 20];
    struct pawl_new_job large = plain("send");
    struct pawl_id put[30], ids[BATCH];
    size_t count, total = 0;
    large.payload = payload;
    large.payload_size = sizeof payload;
    for (int i = 0; i < 30; i++)
        put_many(large, 1, &put[i]);
    while ((count = hold(100, ids)) > 0) {
        ck_assert_uint_lt(count, 30);
        ck_assert_mem_eq(ids, put + total, count * sizeof *ids);
        confirm(ids, count);
        total += count;
    }
    ck_assert_uint_eq(total, 30);
    ck_assert_int_eq(size_of("EXISTS", "jobs"), 0);
    ck_assert_int_eq(size_of("EXISTS", "held"), 0);
}
END_TEST

/* `count` jobs of this size that are due in a second. */
static void put_large(size_t count, size_t size)
{
    static char payload[9 << 20];
    struct pawl_new_job large = plain("send");
    large.delay = 1000;
    large.payload = payload;
    large.payload_size = size;
    for (size_t i = 0; i < count; i++)
        put_many(large, 1, NULL);
}

/* A filter reads a bounded number of bytes in a step, and all in the end. */
START_TEST(filter_of_large_jobs_takes_steps)
{
    put_large(80, 300000);
    redisReply *reply = reprioritise_on(NULL);
    long long changed = reply->element[0]->integer;
    ck_assert_str_eq(reply->element[1]->str, "on");
    ck_assert_int_gt(changed, 0);
    ck_assert_int_lt(changed, 80);
    while (strcmp(reply->element[1]->str, "on") == 0) {
        reply = reprioritise_on(reply);
        changed += reply->element[0]->integer;
    }
    freeReplyObject(reply);
    ck_assert_int_eq(changed, 80);
    long long calls = calls_of("evalsha");
    ck_assert_uint_eq(alter((struct pawl_alter){ .kind = PAWL_ALTER_REMOVE,
                                                 .from_states = ~0u })
                          .changed,
                      80);
    ck_assert_int_gt(calls_of("evalsha") - calls, 1);
    ck_assert_int_eq(size_of("EXISTS", "jobs"), 0);
}
END_TEST

/* So does a sweep, of what is due and of what was lost. */
START_TEST(sweep_of_large_jobs_takes_steps)
{
    struct pawl_sweep_reply reply;
    size_t promoted = 0, recovered = 0, sweeps = 0;
    put_large(80, 300000);
    fake_clock_pass(&test_clock, 1000);
    do {
        reply = sweep();
        promoted += reply.promoted;
        ck_assert_uint_lt(reply.promoted, 80);
    } while (reply.more && ++sweeps < 80);
    ck_assert_uint_eq(promoted, 80);
    while (claim_by(store, BATCH) > 0)
        continue;
    ck_assert_int_eq(size_of("ZCARD", "leases"), 80);
    fake_clock_pass(&test_clock, LEASE / 3);
    sweep(); /* one that is late would begin a grace */
    fake_clock_pass(&test_clock, LEASE / 3);
    sweep();
    fake_clock_pass(&test_clock, LEASE / 3);
    do {
        reply = sweep();
        recovered += reply.recovered;
        ck_assert_uint_lt(reply.recovered, 80);
    } while (reply.more && ++sweeps < 80);
    ck_assert_uint_eq(recovered, 80);
}
END_TEST

/* A job that has more bytes by itself than a step reads is still moved. */
START_TEST(one_very_large_job_moves)
{
    put_large(2, 9 << 20);
    fake_clock_pass(&test_clock, 1000);
    while (sweep().more)
        continue;
    ck_assert_int_eq(size_of("LLEN", "pending:5"), 2);
    ck_assert_uint_eq(alter((struct pawl_alter){ .kind = PAWL_ALTER_REMOVE,
                                                 .from_states = ~0u })
                          .changed,
                      2);
}
END_TEST

/* Damaged jobs in front, more than are wanted, keep none behind them from being handed
 * over: an answer without jobs would say that there are none left. */
START_TEST(damaged_jobs_hide_none)
{
    struct pawl_id put[30], ids[BATCH];
    put_many(plain("send"), 30, put);
    for (int i = 0; i < 25; i++)
        redis_server_do(&server, "HDEL pawl:{mail}:jobs %b", put[i].b,
                        sizeof put[i].b);
    ck_assert_uint_eq(hold(3, ids), 3);
    ck_assert_mem_eq(ids, put + 25, 3 * sizeof *ids);
    confirm(ids, 3);
    ck_assert_uint_eq(hold(3, ids), 2);
    ck_assert_mem_eq(ids, put + 28, 2 * sizeof *ids);
    confirm(ids, 2);
    ck_assert_uint_eq(hold(3, ids), 0);
}
END_TEST

/* Results count as well. */
START_TEST(large_results_come_fewer)
{
    static char result[1 << 20];
    struct pawl_id ids[BATCH];
    put_many(plain("send"), 80, ids);
    memset(result, 'r', sizeof result - 1);
    for (int i = 0; i < 80; i++)
        redis_server_do(&server, "HSET pawl:{mail}:results %b %s", ids[i].b,
                        sizeof ids[i].b, result);
    size_t count = hold(100, ids);
    ck_assert_uint_gt(count, 0);
    ck_assert_uint_lt(count, 80);
}
END_TEST

/* What others hold is passed over in several calls, and so are holes. */
START_TEST(others_hold_many)
{
    static struct pawl_id ids[45000];
    struct pawl_id mine[BATCH];
    put_many(plain("send"), 25000, NULL);
    for (uint8_t mover = 10; mover < 60; mover++)
        ck_assert_uint_eq(hold_by(mover, BATCH, mine), BATCH);
    put_many(plain("send"), 2, ids);
    long long calls = calls_of("evalsha");
    ck_assert_uint_eq(hold(1, mine), 1);
    ck_assert_mem_eq(mine, ids, sizeof *ids);
    ck_assert_int_eq(calls_of("evalsha") - calls, 2);
    ck_assert_uint_eq(hold(10, mine), 2);
    ck_assert_mem_eq(mine, ids, 2 * sizeof *ids);
    confirm(mine, 2);
    ck_assert_uint_eq(hold(10, mine), 0);
    put_many(plain("send"), 45000, ids);
    remove_ids(ids + 1, 44998);
    ck_assert_uint_eq(claim_by(store, 1), 1);
    ck_assert_uint_eq(hold(10, mine), 1);
    ck_assert_mem_eq(mine, ids + 44999, sizeof *ids);
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

#define FF "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"

static const struct damage {
    const char *key, *bytes;
    size_t size;
    bool nonsense; /* has the right size, and is not seen everywhere */
} damages[] = {
    { "jobs", "", 0, false },
    { "jobs", "\1", 1, false },
    { "jobs", FF FF, 26, false },
    { "jobs", FF FF FF FF, 52, false },
    { "heads", "", 0, false },
    { "heads", "\1\3", 2, false },
    { "heads", FF FF FF FF "x", 53, false },
    { "heads", FF FF FF FF, 52, true },
};

static void damage(const struct damage *how, struct pawl_id id)
{
    redis_server_do(&server, "HSET pawl:{mail}:%s %b %b", how->key, id.b, sizeof id.b,
                    how->bytes, how->size);
    if (how->size == 0 || how->bytes[0] == '\1')
        redis_server_do(&server, "HSET pawl:{mail}:errors %b %b", id.b, sizeof id.b,
                        "", (size_t)0);
}

static size_t list(enum pawl_state state, const char *type)
{
    struct pawl_job *jobs[BATCH];
    struct pawl_list in = { .queue = queue, .state = state, .type = type,
                            .limit = BATCH };
    struct pawl_list_reply reply = { .jobs = jobs };
    struct pawl_error err = { 0 };
    must(storage_list(store, &in, &reply, &err), "list", &err);
    for (size_t i = 0; i < reply.job_count; i++)
        pawl_job_free(jobs[i]);
    return reply.job_count;
}

static void look_at_all(void)
{
    struct pawl_stats *stats = NULL;
    struct pawl_error err = { 0 };
    must(storage_stats(store, queue, &stats, &err), "stats", &err);
    pawl_stats_free(stats);
    for (enum pawl_state s = PAWL_STATE_FIRST; s <= PAWL_STATE_LAST; s++) {
        list(s, NULL);
        list(s, "send");
    }
}

/* Claims until there is nothing more: `count` jobs that are whole. */
static void claim_all(const struct damage *how, size_t count)
{
    size_t found = 0;
    for (int i = 0; i < 5; i++)
        found += claim_by(store, 10);
    ck_assert_uint_ge(found, count);
    ck_assert_uint_le(found, count + how->nonsense);
}

/* A record that somebody wrote over stops nobody else's: not waiting, not claimed, not
 * finished, not moved. */
START_TEST(damaged_records_are_passed_over)
{
    const struct damage *how = &damages[_i];
    enum pawl_status results[3];
    struct pawl_id late[3], now[3], other[3], ids[BATCH];
    struct pawl_new_job in_time = plain("send");
    in_time.delay = 1000;
    put_many(in_time, 3, late);
    put_many(plain("send"), 3, now);
    damage(how, late[0]);
    damage(how, now[0]);
    ck_assert_uint_eq(list(PAWL_PENDING, NULL), 2);
    ck_assert_uint_eq(list(PAWL_SCHEDULED, "send"), 2);
    look_at_all();
    fake_clock_pass(&test_clock, 1000);
    struct pawl_sweep_reply swept = sweep();
    ck_assert_uint_ge(swept.promoted, 2);
    claim_all(how, 4);
    look_at_all();

    damage(how, now[1]); /* claimed */
    fake_clock_pass(&test_clock, LEASE);
    ck_assert_uint_ge(sweep().recovered, 3);
    ck_assert_int_eq(size_of("ZCARD", "leases"), 0);
    claim_all(how, 3);

    put_many(plain("send"), 3, other);
    damage(how, other[1]);
    struct pawl_alter cancel = { .queue = queue, .kind = PAWL_ALTER_CANCEL,
                                 .from_states = ~0u, .ids = other, .id_count = 3,
                                 .limit = 10 };
    struct pawl_alter_reply altered = { .results = results };
    struct pawl_error err = { 0 };
    must(storage_alter(store, &cancel, &altered, &err), "alter", &err);
    ck_assert_int_eq(results[0], PAWL_OK);
    ck_assert_int_ne(results[1], PAWL_OK);
    ck_assert_int_eq(results[2], PAWL_OK);
    damage(how, other[0]); /* finished */
    ck_assert_uint_eq(list(PAWL_CANCELLED, NULL), 1);
    sweep();

    put_many(plain("send"), 3, other);
    damage(how, other[0]);
    ck_assert_uint_eq(hold(10, ids), 2);
    look_at_all();
    alter((struct pawl_alter){ .kind = PAWL_ALTER_REMOVE, .from_states = ~0u });
    sweep();
    look_at_all();
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
    tcase_add_test(t, filter_goes_on_without);
    tcase_add_test(t, holes_in_front_go);
    tcase_add_test(t, holes_behind_go);
    tcase_add_test(t, many_holes_are_passed);
    tcase_add_test(t, grace_after_restart);
    tcase_add_test(t, grace_of_its_own);
    tcase_add_loop_test(t, grace_before_any_sweep, 0,
                        (int)(sizeof makers / sizeof *makers));
    tcase_add_test(t, no_grace_for_those_who_left);
    tcase_add_test(t, no_grace_at_first);
    tcase_add_test(t, renewal_keeps_time);
    tcase_add_test(t, grace_after_freeze);
    tcase_add_test(t, grace_beside_a_longer_lease);
    tcase_add_test(t, grace_after_renewal);
    tcase_add_test(t, rare_sweeps_recover);
    tcase_add_test(t, clock_was_ahead);
    tcase_add_test(t, long_lease_is_forgotten);
    tcase_add_test(t, old_answers_go);
    tcase_add_test(t, many_old_answers_go);
    tcase_add_test(t, large_jobs_come_fewer);
    tcase_add_test(t, damaged_jobs_hide_none);
    tcase_add_test(t, filter_of_large_jobs_takes_steps);
    tcase_add_test(t, sweep_of_large_jobs_takes_steps);
    tcase_add_test(t, one_very_large_job_moves);
    tcase_add_test(t, large_results_come_fewer);
    tcase_add_test(t, others_hold_many);
    tcase_add_test(t, untouched_stays_small);
    tcase_add_test(t, throttle_of_an_earlier_stay);
    tcase_add_test(t, vanished_jobs_are_passed_over);
    tcase_add_loop_test(t, damaged_records_are_passed_over, 0,
                        (int)(sizeof damages / sizeof *damages));
    suite_add_tcase(suite, t);
    return program_run(suite);
}
