/* redis_late.c - a request that is executed long after its client gave up on it
 * and sent it again.
 *
 * First with the server stopped, so that the request lies in its socket; then with
 * the request kept back by a proxy, while the job is run, finished and forgotten.
 * There is one job, it is claimed once, and what executes late claims nothing that
 * nobody would know of.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis_rig.h"

#define OPTIONS "prefix=pawl:&retries=0&timeout=200ms&connect-timeout=200ms"
#define TRIES_MOST 200

static struct {
    struct pawl_new_job jobs[2];
    struct pawl_put_result results[2];
    uint64_t seq;
} put;

static void new_put(void)
{
    put.seq = ++rig.seq;
    for (size_t i = 0; i < 2; i++)
        put.jobs[i] = rig_job();
}

static enum pawl_status put_once(struct pawl_error *err)
{
    struct pawl_put in = { .queue = RIG_QUEUE, .session = rig.session,
                           .seq = put.seq, .jobs = put.jobs, .job_count = 2 };
    return storage_put(rig.through, &in, put.results, err);
}

static struct {
    struct pawl_outcome outcome;
    enum pawl_status status;
    struct pawl_job *jobs[2];
    size_t job_count;
} exchange;

static enum pawl_status exchange_once(struct pawl_error *err)
{
    struct pawl_exchange in = { .queue = RIG_QUEUE, .owner = rig.owner,
                                .outcomes = &exchange.outcome, .outcome_count = 1,
                                .claim_max = 2, .lease = RIG_LEASE,
                                .retention = rig.retention };
    struct pawl_exchange_reply out = { .outcomes = &exchange.status,
                                       .jobs = exchange.jobs };
    enum pawl_status status = storage_exchange(rig.through, &in, &out, err);
    exchange.job_count = out.job_count;
    return status;
}

typedef enum pawl_status once_fn(struct pawl_error *err);

static void insist(once_fn *once, const char *what)
{
    struct pawl_error err = { 0 };
    enum pawl_status status = PAWL_EUNKNOWN;
    for (int i = 0; status < 0 && i < TRIES_MOST; i++) {
        status = once(&err);
        poll(NULL, 0, status < 0 ? 50 : 0); /* what was away is not asked at once */
    }
    ck_assert_msg(status == PAWL_OK, "%s: %s: %s", what, pawl_status_name(status),
                  err.message);
}

/* The first try may have arrived, and says so; those that find nobody to talk to
 * certainly did not. */
static void give_up_on(once_fn *once, int tries)
{
    struct pawl_error err = { 0 };
    enum pawl_status status = once(&err);
    ck_assert_msg(status == PAWL_EUNKNOWN, "%s: %s", pawl_status_name(status),
                  err.message);
    say("given up: %s", err.message);
    for (int i = 1; i < tries; i++) {
        status = once(&err);
        ck_assert_msg(status == PAWL_EUNREACHABLE || status == PAWL_ETIMEOUT,
                      "%s: %s", pawl_status_name(status), err.message);
    }
}

/* How many scripts the server has run. */
static long long scripts_run(void)
{
    long long calls = 0;
    redisReply *reply = redis_server_ask(&rig.server, "INFO commandstats");
    const char *at = strstr(reply->str, "cmdstat_evalsha:calls=");
    if (at)
        calls = atoll(at + strlen("cmdstat_evalsha:calls="));
    freeReplyObject(reply);
    return calls;
}

/* Both jobs are there once; run them, and forget them. */
static void run_and_forget(struct pawl_storage *by)
{
    struct pawl_job *jobs[3];
    struct pawl_outcome outcomes[2];
    ck_assert_uint_eq(rig_exchange(by, NULL, 0, 3, jobs), 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert(rig_same_id(jobs[i]->id, put.jobs[i].id));
        outcomes[i] = rig_outcome(jobs[i], PAWL_OUTCOME_COMPLETED);
    }
    rig.retention.completed.count = 0;
    rig_exchange(by, outcomes, 2, 0, NULL);
    rig.retention.completed.count = -1;
    rig_free(jobs, 2);
    ck_assert_uint_eq(rig_all(), 0);
}

static void prepare_exchange(void)
{
    struct pawl_job *jobs[1];
    rig_put(1, NULL);
    ck_assert_uint_eq(rig_exchange(rig.through, NULL, 0, 1, jobs), 1);
    exchange.outcome = rig_outcome(jobs[0], PAWL_OUTCOME_COMPLETED);
    rig_free(jobs, 1);
    rig_put(5, NULL);
}

/* One outcome counted, two jobs claimed and in the caller's hands. */
static void check_exchange(void)
{
    ck_assert_str_eq(pawl_status_name(exchange.status), "OK");
    ck_assert_uint_eq(exchange.job_count, 2);
    ck_assert_uint_eq(rig_stats().completed_total, 1);
    ck_assert_uint_eq(rig_count(PAWL_PROCESSING), 2);
    ck_assert_uint_eq(rig_count(PAWL_PENDING), 3);
    for (size_t i = 0; i < 2; i++)
        ck_assert_uint_eq(exchange.jobs[i]->epoch, 1);
}

static void finish_exchange(void)
{
    struct pawl_outcome outcomes[2];
    for (size_t i = 0; i < 2; i++)
        outcomes[i] = rig_outcome(exchange.jobs[i], PAWL_OUTCOME_COMPLETED);
    rig_exchange(rig.through, outcomes, 2, 0, NULL);
    rig_free(exchange.jobs, 2);
}

/* --- a stopped server -------------------------------------------------------------- */

START_TEST(a_put_in_the_socket_of_a_stopped_server)
{
    for (int round = 0; round < 3; round++) {
        new_put();
        rig_warm();
        long long before = scripts_run();
        redis_server_signal(&rig.server, SIGSTOP);
        give_up_on(put_once, 3);
        redis_server_signal(&rig.server, SIGCONT);
        insist(put_once, "put");
        /* It did execute twice, whatever it did. */
        ck_assert_int_ge(scripts_run() - before, 2);
        ck_assert_uint_eq(rig_all(), 2);
        run_and_forget(rig.beside);
    }
}
END_TEST

START_TEST(an_exchange_in_the_socket_of_a_stopped_server)
{
    prepare_exchange();
    rig_warm();
    redis_server_signal(&rig.server, SIGSTOP);
    give_up_on(exchange_once, 3);
    redis_server_signal(&rig.server, SIGCONT);
    insist(exchange_once, "exchange");
    check_exchange();
    finish_exchange();
    ck_assert_uint_eq(rig_stats().completed_total, 3);
}
END_TEST

/* --- a request kept back ------------------------------------------------------------ */

static bool kept_alone(void *context)
{
    return proxy_kept_alone(context);
}

static void lose_and_repeat(once_fn *once, const char *what)
{
    rig_warm();
    proxy_keep(&rig.proxy, PROXY_REQUEST);
    give_up_on(once, 1);
    redis_await(kept_alone, &rig.proxy, "the client hangs up");
    insist(once, what);
}

static void arrive_late(void)
{
    long long before = scripts_run();
    ck_assert_uint_gt(proxy_release(&rig.proxy), 100);
    ck_assert_int_gt(scripts_run(), before);
}

START_TEST(a_put_that_comes_after_its_jobs_are_forgotten)
{
    new_put();
    lose_and_repeat(put_once, "put");
    run_and_forget(rig.through);
    arrive_late();
    ck_assert_uint_eq(rig_all(), 0);
}
END_TEST

/* The session has gone on since then, beyond what is remembered of it. */
START_TEST(a_put_that_comes_twenty_puts_late)
{
    new_put();
    lose_and_repeat(put_once, "put");
    run_and_forget(rig.through);
    for (int i = 0; i < 20; i++) {
        new_put();
        insist(put_once, "a later put");
        run_and_forget(rig.through);
    }
    arrive_late();
    ck_assert_uint_eq(rig_all(), 0);
}
END_TEST

/* The lost try itself is the first that the server sees of this put. */
START_TEST(a_put_that_comes_before_it_is_repeated)
{
    new_put();
    rig_warm();
    proxy_keep(&rig.proxy, PROXY_REQUEST);
    give_up_on(put_once, 1);
    redis_await(kept_alone, &rig.proxy, "the client hangs up");
    arrive_late();
    ck_assert_uint_eq(rig_all(), 2);
    run_and_forget(rig.through);
    insist(put_once, "put");
    for (size_t i = 0; i < 2; i++)
        ck_assert_str_eq(pawl_status_name(put.results[i].status), "OK");
    ck_assert_uint_eq(rig_all(), 0);
}
END_TEST

START_TEST(an_exchange_that_comes_late_claims_nothing)
{
    prepare_exchange();
    lose_and_repeat(exchange_once, "exchange");
    check_exchange();
    arrive_late();
    check_exchange();
    finish_exchange();
    ck_assert_uint_eq(rig_count(PAWL_PROCESSING), 0);
    ck_assert_uint_eq(rig_count(PAWL_PENDING), 3);
    ck_assert_uint_eq(rig_stats().completed_total, 3);
}
END_TEST

/* The owner has claimed since then, so often that its turn is no more known. */
START_TEST(an_exchange_that_comes_many_turns_late_claims_nothing)
{
    struct pawl_job *jobs[1];
    struct pawl_outcome outcome;
    prepare_exchange();
    lose_and_repeat(exchange_once, "exchange");
    check_exchange();
    finish_exchange();
    for (int i = 0; i < 10; i++) {
        rig_put(1, NULL);
        ck_assert_uint_eq(rig_exchange(rig.through, NULL, 0, 1, jobs), 1);
        outcome = rig_outcome(jobs[0], PAWL_OUTCOME_COMPLETED);
        rig_free(jobs, 1);
        rig_exchange(rig.through, &outcome, 1, 0, NULL);
    }
    arrive_late();
    ck_assert_uint_eq(rig_count(PAWL_PROCESSING), 0);
    ck_assert_uint_eq(rig_count(PAWL_PENDING), 3);
    ck_assert_uint_eq(rig_stats().completed_total, 13);
}
END_TEST

/* A release that comes late must not give back what was claimed again. */
START_TEST(a_release_that_comes_late_changes_nothing)
{
    struct pawl_job *jobs[1];
    prepare_exchange();
    exchange.outcome.kind = PAWL_OUTCOME_RELEASED;
    rig_warm();
    proxy_keep(&rig.proxy, PROXY_REQUEST);
    give_up_on(exchange_once, 1);
    redis_await(kept_alone, &rig.proxy, "the client hangs up");
    /* Its owner is given up, another takes it over: epoch 2. */
    struct pawl_id id = exchange.outcome.id;
    rig_exchange(rig.through, &exchange.outcome, 1, 0, NULL);
    ck_assert_uint_eq(rig_exchange(rig.beside, NULL, 0, 1, jobs), 1);
    ck_assert(rig_same_id(jobs[0]->id, id));
    ck_assert_uint_eq(jobs[0]->epoch, 2);
    rig_free(jobs, 1);
    arrive_late();
    struct pawl_job *job = rig_get(id);
    ck_assert_str_eq(pawl_state_name(job->state), "processing");
    ck_assert_uint_eq(job->epoch, 2);
    pawl_job_free(job);
}
END_TEST

static bool two_are_claimed(void *context)
{
    (void)context;
    return rig_count(PAWL_PROCESSING) == 2;
}

static void *exchange_in_thread(void *context)
{
    (void)context;
    insist(exchange_once, "exchange");
    return NULL;
}

/* While one exchange waits for a reply that never comes, the same owner makes many
 * others: the claim is still its own when the request is sent again. */
START_TEST(a_claim_waits_for_its_owner_while_others_are_made)
{
    struct pawl_job *jobs[1];
    pthread_t thread;
    rig_reopen("prefix=pawl:&timeout=1s");
    prepare_exchange();
    rig_put(10, NULL);
    rig_warm();
    proxy_keep(&rig.proxy, PROXY_REPLY);
    ck_assert_int_eq(pthread_create(&thread, NULL, exchange_in_thread, NULL), 0);
    redis_await(two_are_claimed, NULL, "the exchange is executed");
    for (int i = 0; i < 10; i++) {
        ck_assert_uint_eq(rig_exchange(rig.through, NULL, 0, 1, jobs), 1);
        rig_free(jobs, 1);
    }
    pthread_join(thread, NULL);
    ck_assert_str_eq(pawl_status_name(exchange.status), "OK");
    ck_assert_uint_eq(exchange.job_count, 2);
    finish_exchange();
}
END_TEST

int main(void)
{
    const struct lane_test tests[] = {
        { a_put_in_the_socket_of_a_stopped_server },
        { an_exchange_in_the_socket_of_a_stopped_server },
        { a_put_that_comes_after_its_jobs_are_forgotten },
        { a_put_that_comes_twenty_puts_late },
        { a_put_that_comes_before_it_is_repeated },
        { an_exchange_that_comes_late_claims_nothing },
        { an_exchange_that_comes_many_turns_late_claims_nothing },
        { a_release_that_comes_late_changes_nothing },
        { a_claim_waits_for_its_owner_while_others_are_made },
    };
    return rig_run("redis-late", OPTIONS, tests, 9, 4, 300);
}
