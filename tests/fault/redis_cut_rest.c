/* redis_cut_rest.c - the connection is cut at about twenty places of each other
 * call: once repeated, it has done its work once, or shows what is there.
 */
#include <string.h>

#include "redis_trial.h"
#include "util/random.h"

#define CUTS 20
#define HOUR 3600000

/* What these trials have at hand. */
static struct {
    struct pawl_id ids[4];
    struct pawl_job *jobs[8];
    size_t job_count;
    enum pawl_status statuses[4];
    struct pawl_put_result results[4];
    struct pawl_stats *stats;
    struct pawl_session mover;
    struct pawl_queue_stats before;
} at;

static struct pawl_job *get_whole(struct pawl_id id)
{
    struct pawl_job *job = rig_get(id);
    ck_assert_ptr_nonnull(job);
    return job;
}

static void must_be(struct pawl_id id, enum pawl_state state)
{
    struct pawl_job *job = get_whole(id);
    ck_assert_str_eq(pawl_state_name(job->state), pawl_state_name(state));
    pawl_job_free(job);
}

static void three_pending(void)
{
    rig_empty();
    rig_put(3, at.ids);
    at.before = rig_stats();
}

static void end_processing(void)
{
    struct pawl_outcome outcome = rig_outcome(at.jobs[0], PAWL_OUTCOME_COMPLETED);
    rig_exchange(rig.through, &outcome, 1, 0, NULL);
    rig_free(at.jobs, 1);
}

/* --- renew ------------------------------------------------------------------------ */

static void renew_prepare(void)
{
    rig_empty();
    rig_put(1, at.ids);
    ck_assert_uint_eq(rig_exchange(rig.through, NULL, 0, 1, at.jobs), 1);
}

static enum pawl_status renew_call(struct pawl_error *err)
{
    struct pawl_lease_ref lease = { at.jobs[0]->id, at.jobs[0]->epoch,
                                    at.jobs[0]->origin };
    struct pawl_renew in = { .queue = RIG_QUEUE,
                             .owner = rig.owner,
                             .leases = &lease,
                             .lease_count = 1,
                             .lease = RIG_LEASE };
    return storage_renew(rig.through, &in, at.statuses, err);
}

static void renew_check(void)
{
    ck_assert_str_eq(pawl_status_name(at.statuses[0]), "OK");
    end_processing();
}

/* --- sweep: a job that is due ------------------------------------------------------- */

static struct pawl_id due;

static void sweep_prepare(void)
{
    struct pawl_job *jobs[1];
    struct pawl_outcome outcome;
    rig_empty();
    rig_put(1, &due);
    ck_assert_uint_eq(rig_exchange(rig.beside, NULL, 0, 1, jobs), 1);
    outcome = rig_outcome(jobs[0], PAWL_OUTCOME_RETRY);
    rig_exchange(rig.beside, &outcome, 1, 0, NULL);
    rig_free(jobs, 1);
    rig_put(2, NULL);
    must_be(due, PAWL_FAILED);
}

static enum pawl_status sweep_call(struct pawl_error *err)
{
    struct pawl_sweep_reply out = { 0 };
    struct pawl_sweep in = { .queue = RIG_QUEUE, .limit = 100, .max_crashes = 3,
                             .retention = rig.retention };
    return storage_sweep(rig.through, &in, &out, err);
}

/* Due now, so it may be the next sweep that sees it; but once. */
static void sweep_check(void)
{
    rig_sweep();
    must_be(due, PAWL_PENDING);
    ck_assert_uint_eq(rig_count(PAWL_PENDING), 3);
    ck_assert_uint_eq(rig_all(), 3);
}

/* --- alter ------------------------------------------------------------------------ */

static enum pawl_status alter_call(enum pawl_alter_kind kind, unsigned from,
                                   struct pawl_error *err)
{
    struct pawl_alter in = { .queue = RIG_QUEUE, .kind = kind,
                             .from_states = from, .ids = at.ids, .id_count = 2,
                             .fresh_start = true };
    struct pawl_alter_reply out = { .results = at.statuses };
    return storage_alter(rig.through, &in, &out, err);
}

static enum pawl_status cancel_call(struct pawl_error *err)
{
    return alter_call(PAWL_ALTER_CANCEL, PAWL_STATE_BIT(PAWL_PENDING), err);
}

static void cancel_check_undone(void)
{
    ck_assert_uint_eq(rig_count(PAWL_CANCELLED), 0);
}

/* A repeated one finds them cancelled: WRONG_STATE is the truth, too. */
static void cancel_check(void)
{
    for (size_t i = 0; i < 2; i++) {
        ck_assert(at.statuses[i] == PAWL_OK ||
                  at.statuses[i] == PAWL_WRONG_STATE);
        must_be(at.ids[i], PAWL_CANCELLED);
    }
    must_be(at.ids[2], PAWL_PENDING);
    ck_assert_uint_eq(rig_all(), 3);
}

static void run_prepare(void)
{
    struct pawl_error err = { 0 };
    struct pawl_alter in = { .queue = RIG_QUEUE, .kind = PAWL_ALTER_CANCEL,
                             .from_states = PAWL_STATE_BIT(PAWL_PENDING),
                             .ids = at.ids, .id_count = 2 };
    struct pawl_alter_reply out = { .results = at.statuses };
    three_pending();
    ck_assert_int_eq(storage_alter(rig.beside, &in, &out, &err), PAWL_OK);
}

static enum pawl_status run_call(struct pawl_error *err)
{
    return alter_call(PAWL_ALTER_RUN, PAWL_STATE_BIT(PAWL_CANCELLED), err);
}

static void run_check_undone(void)
{
    ck_assert_uint_eq(rig_count(PAWL_CANCELLED), 2);
}

/* Each at one place in the line: claimed once. */
static void run_check(void)
{
    struct pawl_job *jobs[4];
    struct pawl_outcome outcomes[3];
    ck_assert_uint_eq(rig_exchange(rig.through, NULL, 0, 4, jobs), 3);
    const size_t order[3] = { 2, 0, 1 };
    for (size_t i = 0; i < 3; i++) {
        ck_assert(rig_same_id(jobs[i]->id, at.ids[order[i]]));
        outcomes[i] = rig_outcome(jobs[i], PAWL_OUTCOME_COMPLETED);
    }
    rig_exchange(rig.through, outcomes, 3, 0, NULL);
    rig_free(jobs, 3);
}

static enum pawl_status remove_call(struct pawl_error *err)
{
    return alter_call(PAWL_ALTER_REMOVE, PAWL_STATE_BIT(PAWL_PENDING), err);
}

static void nothing_is_gone(void)
{
    ck_assert_uint_eq(rig_all(), 3);
}

static void remove_check(void)
{
    ck_assert_ptr_null(rig_get(at.ids[0]));
    ck_assert_ptr_null(rig_get(at.ids[1]));
    must_be(at.ids[2], PAWL_PENDING);
    ck_assert_uint_eq(rig_all(), 1);
}

/* --- looking ------------------------------------------------------------------------ */

static enum pawl_status get_call(struct pawl_error *err)
{
    return storage_get(rig.through, RIG_QUEUE, at.ids[1], at.jobs, err);
}

static void get_check(void)
{
    ck_assert(rig_same_id(at.jobs[0]->id, at.ids[1]));
    ck_assert_uint_eq(at.jobs[0]->payload_size, 5);
    ck_assert_mem_eq(at.jobs[0]->payload, "do it", 5);
    rig_free(at.jobs, 1);
}

static enum pawl_status list_call(struct pawl_error *err)
{
    struct pawl_list in = { .queue = RIG_QUEUE, .state = PAWL_PENDING, .limit = 8 };
    struct pawl_list_reply out = { .jobs = at.jobs };
    enum pawl_status status = storage_list(rig.through, &in, &out, err);
    at.job_count = out.job_count;
    return status;
}

static void list_check(void)
{
    ck_assert_uint_eq(at.job_count, 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert(rig_same_id(at.jobs[i]->id, at.ids[i]));
    rig_free(at.jobs, 3);
}

static enum pawl_status stats_call(struct pawl_error *err)
{
    return storage_stats(rig.through, NULL, &at.stats, err);
}

static void stats_check(void)
{
    ck_assert_uint_eq(at.stats->queue_count, 1);
    ck_assert_str_eq(at.stats->queues[0].name, RIG_QUEUE);
    ck_assert_uint_eq(at.stats->queues[0].jobs[PAWL_PENDING], 3);
    pawl_stats_free(at.stats);
    at.stats = NULL;
}

/* --- take_out ------------------------------------------------------------------------ */

static enum pawl_status take(struct pawl_storage *storage, enum pawl_take_kind kind,
                             size_t count, struct pawl_error *err)
{
    struct pawl_take_out in = { .queue = RIG_QUEUE, .mover = at.mover,
                                .kind = kind,
                                .from_states = PAWL_STATE_BIT(PAWL_PENDING),
                                .limit = count };
    struct pawl_take_out_reply out = { .jobs = at.jobs, .results = at.statuses };
    if (kind != PAWL_TAKE_HOLD) {
        in.ids = at.ids;
        in.id_count = count;
        in.limit = 0;
    }
    enum pawl_status status = storage_take_out(storage, &in, &out, err);
    at.job_count = out.job_count;
    return status;
}

static void hold_prepare(void)
{
    three_pending();
    random_bytes(&at.mover, sizeof at.mover);
}

static enum pawl_status hold_call(struct pawl_error *err)
{
    return take(rig.through, PAWL_TAKE_HOLD, 2, err);
}

static void hold_check_undone(void)
{
    ck_assert_uint_eq(rig_count(PAWL_HELD), 0);
}

static void let_go(void)
{
    struct pawl_error err = { 0 };
    ck_assert_int_eq(take(rig.beside, PAWL_TAKE_RELEASE, 2, &err), PAWL_OK);
}

static void hold_check(void)
{
    ck_assert_uint_eq(at.job_count, 2);
    ck_assert(rig_same_id(at.jobs[0]->id, at.ids[0]));
    ck_assert(rig_same_id(at.jobs[1]->id, at.ids[1]));
    rig_free(at.jobs, 2);
    ck_assert_uint_eq(rig_count(PAWL_HELD), 2);
    ck_assert_uint_eq(rig_all(), 3);
    let_go();
}

static void held_prepare(void)
{
    struct pawl_error err = { 0 };
    hold_prepare();
    ck_assert_int_eq(take(rig.beside, PAWL_TAKE_HOLD, 2, &err), PAWL_OK);
    rig_free(at.jobs, at.job_count);
}

static enum pawl_status confirm_call(struct pawl_error *err)
{
    return take(rig.through, PAWL_TAKE_CONFIRM, 2, err);
}

static void held_check_undone(void)
{
    ck_assert_uint_eq(rig_count(PAWL_HELD), 2);
}

static void confirm_check(void)
{
    for (size_t i = 0; i < 2; i++)
        ck_assert(at.statuses[i] == PAWL_OK || at.statuses[i] == PAWL_NOT_FOUND);
    ck_assert_uint_eq(rig_all(), 1);
    must_be(at.ids[2], PAWL_PENDING);
}

static enum pawl_status release_call(struct pawl_error *err)
{
    return take(rig.through, PAWL_TAKE_RELEASE, 2, err);
}

/* Back at their places. */
static void release_check(void)
{
    struct pawl_job *jobs[4];
    struct pawl_outcome outcomes[3];
    ck_assert_uint_eq(rig_exchange(rig.beside, NULL, 0, 4, jobs), 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert(rig_same_id(jobs[i]->id, at.ids[i]));
        outcomes[i] = rig_outcome(jobs[i], PAWL_OUTCOME_COMPLETED);
    }
    rig_exchange(rig.beside, outcomes, 3, 0, NULL);
    rig_free(jobs, 3);
}

/* --- bring_in -------------------------------------------------------------------------- */

static void bring_prepare(void)
{
    held_prepare();
    for (size_t i = 0; i < 2; i++)
        at.jobs[i] = get_whole(at.ids[i]);
    struct pawl_error err = { 0 };
    ck_assert_int_eq(take(rig.beside, PAWL_TAKE_CONFIRM, 2, &err), PAWL_OK);
    for (size_t i = 0; i < 2; i++)
        at.jobs[i]->state = PAWL_PENDING;
    rig.seq++;
}

static enum pawl_status bring_call(struct pawl_error *err)
{
    const struct pawl_job *const jobs[2] = { at.jobs[0], at.jobs[1] };
    struct pawl_bring_in in = { .queue = RIG_QUEUE, .session = rig.session,
                                .seq = rig.seq, .jobs = jobs, .job_count = 2 };
    return storage_bring_in(rig.through, &in, at.results, err);
}

static void bring_check_undone(void)
{
    ck_assert_uint_eq(rig_all(), 1);
}

static void bring_check(void)
{
    for (size_t i = 0; i < 2; i++)
        ck_assert_str_eq(pawl_status_name(at.results[i].status), "OK");
    rig_free(at.jobs, 2);
    ck_assert_uint_eq(rig_count(PAWL_PENDING), 3);
    ck_assert_uint_eq(rig_all(), 3);
}

/* --- tests ------------------------------------------------------------------------------ */

static const struct trial trials[] = {
    { "renew", renew_prepare, renew_call, NULL, renew_check },
    { "sweep", sweep_prepare, sweep_call, NULL, sweep_check },
    { "cancel", three_pending, cancel_call, cancel_check_undone, cancel_check },
    { "run", run_prepare, run_call, run_check_undone, run_check },
    { "remove", three_pending, remove_call, nothing_is_gone, remove_check },
    { "get", three_pending, get_call, NULL, get_check },
    { "list", three_pending, list_call, NULL, list_check },
    { "stats", three_pending, stats_call, NULL, stats_check },
    { "hold", hold_prepare, hold_call, hold_check_undone, hold_check },
    { "confirm", held_prepare, confirm_call, held_check_undone, confirm_check },
    { "release", held_prepare, release_call, held_check_undone, release_check },
    { "bring_in", bring_prepare, bring_call, bring_check_undone, bring_check },
};
#define TRIALS (sizeof trials / sizeof trials[0])

START_TEST(the_storage_repeats_any_call)
{
    for (size_t i = 0; i < TRIALS; i++)
        trial_some_cuts(&trials[i], CUTS, false);
}
END_TEST

START_TEST(a_caller_repeats_any_call)
{
    rig_reopen(TRIAL_SINGLE);
    for (size_t i = 0; i < TRIALS; i++)
        trial_some_cuts(&trials[i], CUTS, false);
}
END_TEST

START_TEST(any_script_is_loaded_over_a_cut_connection)
{
    rig_reopen(TRIAL_SINGLE);
    for (size_t i = 0; i < TRIALS; i++)
        trial_some_cuts(&trials[i], CUTS, true);
}
END_TEST

int main(void)
{
    const struct lane_test tests[] = {
        { the_storage_repeats_any_call },
        { a_caller_repeats_any_call },
        { any_script_is_loaded_over_a_cut_connection },
    };
    return rig_run("redis-cut-rest", TRIAL_REPEATING, tests, 3, 3, 600);
}
