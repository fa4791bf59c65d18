/* redis_cut.c - the connection is cut after each byte of a put and an exchange, on
 * its way out and on its way back.
 *
 * Whoever repeats the call, the storage or its caller, there is no second job and
 * none is lost: a put stores its jobs once, an exchange counts its outcomes once
 * and hands out what it claimed. Also while the script has to be loaded.
 */
#include <stdlib.h>
#include <string.h>

#include "redis_trial.h"

#define HOUR 3600000

/* --- put ------------------------------------------------------------------------ */

#define PUT_JOBS 3

static struct {
    struct pawl_new_job jobs[PUT_JOBS];
    struct pawl_put_result results[PUT_JOBS];
} put;

static void put_prepare(void)
{
    rig_empty();
    rig.seq++;
    for (size_t i = 0; i < PUT_JOBS; i++)
        put.jobs[i] = rig_job();
    put.jobs[1].key = "only one";
    memset(put.results, 0xff, sizeof put.results);
}

static enum pawl_status put_by(struct pawl_storage *storage, struct pawl_error *err)
{
    struct pawl_put in = { .queue = RIG_QUEUE,
                           .session = rig.session,
                           .seq = rig.seq,
                           .jobs = put.jobs,
                           .job_count = PUT_JOBS };
    return storage_put(storage, &in, put.results, err);
}

static enum pawl_status put_call(struct pawl_error *err)
{
    return put_by(rig.through, err);
}

static void put_check_undone(void)
{
    ck_assert_uint_eq(rig_all(), 0);
}

static void put_check_results(void)
{
    for (size_t i = 0; i < PUT_JOBS; i++) {
        ck_assert_str_eq(pawl_status_name(put.results[i].status), "OK");
        ck_assert(rig_same_id(put.results[i].id, put.jobs[i].id));
    }
}

/* Stored once, in order; and the same put is known when the jobs are gone. */
static void put_check(void)
{
    struct pawl_error err = { 0 };
    struct pawl_job *jobs[PUT_JOBS + 1];
    struct pawl_outcome outcomes[PUT_JOBS];
    put_check_results();
    ck_assert_uint_eq(rig_all(), PUT_JOBS);
    ck_assert_uint_eq(rig_exchange(rig.beside, NULL, 0, PUT_JOBS + 1, jobs),
                      PUT_JOBS);
    for (size_t i = 0; i < PUT_JOBS; i++) {
        ck_assert(rig_same_id(jobs[i]->id, put.jobs[i].id));
        outcomes[i] = rig_outcome(jobs[i], PAWL_OUTCOME_COMPLETED);
    }
    rig.retention.completed.count = 0;
    rig_exchange(rig.beside, outcomes, PUT_JOBS, 0, NULL);
    rig.retention.completed.count = -1;
    rig_free(jobs, PUT_JOBS);
    ck_assert_uint_eq(rig_all(), 0);
    ck_assert_int_eq(put_by(rig.beside, &err), PAWL_OK);
    put_check_results();
    ck_assert_uint_eq(rig_all(), 0);
}

static const struct trial put_trial = { "put", put_prepare, put_call,
                                        put_check_undone, put_check };

/* --- exchange -------------------------------------------------------------------- */

#define MORE_JOBS 3
#define CLAIMS 2

static struct {
    struct pawl_outcome outcomes[2];
    enum pawl_status statuses[2];
    struct pawl_id more[MORE_JOBS];
    struct pawl_job *jobs[CLAIMS];
    size_t job_count;
    struct pawl_queue_stats before;
} exchange;

/* Two jobs are in hand, three more wait. */
static void exchange_prepare(void)
{
    struct pawl_job *jobs[2];
    rig_empty();
    rig_put(2, NULL);
    ck_assert_uint_eq(rig_exchange(rig.through, NULL, 0, 2, jobs), 2);
    exchange.outcomes[0] = rig_outcome(jobs[0], PAWL_OUTCOME_COMPLETED);
    exchange.outcomes[0].result = "done";
    exchange.outcomes[0].result_size = 4;
    exchange.outcomes[1] = rig_outcome(jobs[1], PAWL_OUTCOME_RETRY);
    exchange.outcomes[1].error = "not yet";
    exchange.outcomes[1].delay = HOUR;
    rig_free(jobs, 2);
    rig_put(MORE_JOBS, exchange.more);
    exchange.before = rig_stats();
}

static enum pawl_status exchange_call(struct pawl_error *err)
{
    struct pawl_exchange in = { .queue = RIG_QUEUE,
                                .owner = rig.owner,
                                .outcomes = exchange.outcomes,
                                .outcome_count = 2,
                                .claim_max = CLAIMS,
                                .lease = RIG_LEASE,
                                .retention = rig.retention };
    struct pawl_exchange_reply out = { .outcomes = exchange.statuses,
                                       .jobs = exchange.jobs };
    enum pawl_status status = storage_exchange(rig.through, &in, &out, err);
    exchange.job_count = out.job_count;
    return status;
}

static void exchange_check_undone(void)
{
    struct pawl_queue_stats now = rig_stats();
    ck_assert_mem_eq(now.jobs, exchange.before.jobs, sizeof now.jobs);
}

static void exchange_check_outcomes(void)
{
    struct pawl_queue_stats now = rig_stats();
    ck_assert_str_eq(pawl_status_name(exchange.statuses[0]), "OK");
    ck_assert_str_eq(pawl_status_name(exchange.statuses[1]), "OK");
    ck_assert_uint_eq(now.completed_total, exchange.before.completed_total + 1);
    ck_assert_uint_eq(now.failed_total, exchange.before.failed_total + 1);
    ck_assert_uint_eq(now.jobs[PAWL_COMPLETED], 1);
    ck_assert_uint_eq(now.jobs[PAWL_FAILED], 1);
    struct pawl_job *failed = rig_get(exchange.outcomes[1].id);
    ck_assert_uint_eq(failed->error_count, 1);
    ck_assert_int_eq(failed->attempt, 1);
    pawl_job_free(failed);
}

/* What was claimed was handed out, and the rest still waits. */
static void exchange_check(void)
{
    struct pawl_outcome outcomes[CLAIMS];
    struct pawl_job *last[1];
    exchange_check_outcomes();
    ck_assert_uint_eq(exchange.job_count, CLAIMS);
    ck_assert_uint_eq(rig_count(PAWL_PROCESSING), CLAIMS);
    ck_assert_uint_eq(rig_count(PAWL_PENDING), MORE_JOBS - CLAIMS);
    for (size_t i = 0; i < CLAIMS; i++) {
        ck_assert(rig_same_id(exchange.jobs[i]->id, exchange.more[i]));
        ck_assert_uint_eq(exchange.jobs[i]->epoch, 1);
        ck_assert_int_eq(exchange.jobs[i]->attempt, 1);
        ck_assert_int_eq(exchange.jobs[i]->crashes, 0);
        outcomes[i] = rig_outcome(exchange.jobs[i], PAWL_OUTCOME_COMPLETED);
    }
    rig_free(exchange.jobs, CLAIMS);
    ck_assert_uint_eq(rig_exchange(rig.through, outcomes, CLAIMS, 1, last), 1);
    ck_assert(rig_same_id(last[0]->id, exchange.more[MORE_JOBS - 1]));
    outcomes[0] = rig_outcome(last[0], PAWL_OUTCOME_COMPLETED);
    rig_free(last, 1);
    rig_exchange(rig.through, outcomes, 1, 0, NULL);
    ck_assert_uint_eq(rig_count(PAWL_PROCESSING), 0);
}

static const struct trial exchange_trial = { "exchange", exchange_prepare,
                                             exchange_call, exchange_check_undone,
                                             exchange_check };

/* --- tests ------------------------------------------------------------------------ */

/* The caller repeats what is not known: the same session and seq, the same
 * outcomes. */
START_TEST(a_caller_repeats_a_put)
{
    rig_reopen(TRIAL_SINGLE);
    trial_every_cut(&put_trial);
}
END_TEST

START_TEST(a_caller_repeats_an_exchange)
{
    rig_reopen(TRIAL_SINGLE);
    trial_every_cut(&exchange_trial);
}
END_TEST

START_TEST(the_storage_repeats_a_put)
{
    trial_every_cut(&put_trial);
}
END_TEST

START_TEST(the_storage_repeats_an_exchange)
{
    trial_every_cut(&exchange_trial);
}
END_TEST

START_TEST(scripts_are_loaded_over_a_cut_connection)
{
    trial_some_cuts(&put_trial, 40, true);
    trial_some_cuts(&exchange_trial, 40, true);
    rig_reopen(TRIAL_SINGLE);
    trial_some_cuts(&put_trial, 40, true);
    trial_some_cuts(&exchange_trial, 40, true);
}
END_TEST

/* --- with a replica that must have it, too ------------------------------------------ */

static struct redis_server replica;

static void replica_begin(void)
{
    rig_open(TRIAL_REPEATING);
    redis_server_start(&replica, NULL);
    redis_server_do(&rig.server, "CONFIG SET repl-diskless-sync-delay 0");
    redis_server_do(&replica, "REPLICAOF 127.0.0.1 %d", rig.server.port);
    ck_assert_int_eq(redis_server_number(&rig.server, "WAIT 1 20000"), 1);
    rig_reopen(TRIAL_SINGLE "&replicas=1");
}

static void replica_end(void)
{
    rig_close();
    redis_server_stop(&replica);
}

START_TEST(a_caller_repeats_a_replicated_put)
{
    trial_every_cut(&put_trial);
}
END_TEST

START_TEST(a_caller_repeats_a_replicated_exchange)
{
    trial_every_cut(&exchange_trial);
}
END_TEST

/* --- a claim ------------------------------------------------------------------------ */

/* The owner comes back with less room than it had when its claim was cut. */
START_TEST(a_lost_claim_comes_in_the_room_there_is)
{
    struct pawl_error err = { 0 };
    struct pawl_job *jobs[1];
    struct pawl_outcome outcome;
    rig_reopen(TRIAL_SINGLE);
    exchange_prepare();
    rig_warm();
    proxy_arm(&rig.proxy, PROXY_REPLY, 0, false);
    ck_assert_int_eq(exchange_call(&err), PAWL_EUNKNOWN);
    ck_assert_uint_eq(rig_count(PAWL_PROCESSING), CLAIMS);
    rig_warm();
    /* Only writing back, then one by one. */
    rig_exchange(rig.through, exchange.outcomes, 2, 0, NULL);
    for (size_t i = 0; i < MORE_JOBS; i++) {
        ck_assert_uint_eq(rig_exchange(rig.through, NULL, 0, 1, jobs), 1);
        ck_assert(rig_same_id(jobs[0]->id, exchange.more[i]));
        ck_assert_int_eq(jobs[0]->attempt, 1);
        ck_assert_int_eq(jobs[0]->crashes, 0);
        outcome = rig_outcome(jobs[0], PAWL_OUTCOME_COMPLETED);
        rig_free(jobs, 1);
        rig_exchange(rig.through, &outcome, 1, 0, NULL);
    }
    ck_assert_uint_eq(rig_count(PAWL_PROCESSING), 0);
    ck_assert_uint_eq(rig_stats().completed_total,
                      exchange.before.completed_total + 1 + MORE_JOBS);
}
END_TEST

int main(void)
{
    const struct lane_test tests[] = {
        { a_caller_repeats_a_put },
        { a_caller_repeats_an_exchange },
        { the_storage_repeats_a_put },
        { the_storage_repeats_an_exchange },
        { scripts_are_loaded_over_a_cut_connection },
        { a_caller_repeats_a_replicated_put, 0, replica_begin, replica_end },
        { a_caller_repeats_a_replicated_exchange, 0, replica_begin, replica_end },
        { a_lost_claim_comes_in_the_room_there_is },
    };
    return rig_run("redis-cut", TRIAL_REPEATING, tests, 8, 4, 600);
}
