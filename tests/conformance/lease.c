/* lease.c - holding a job and losing it: rules 44 to 50. */
#include "suite.h"

static const struct pawl_job *claimed(void)
{
    put_plain();
    return claim_one();
}

/* Claim and lose the one job there is. */
static void crash_once(void)
{
    claim_one();
    pass(LEASE);
    sweep();
}

/* At the ms before its end the lease is held, at its end it is over (rule
 * 45). */
START_TEST(lease_to_the_millisecond)
{
    const struct pawl_job *job = claimed();
    pass(LEASE - 1);
    assert_count(sweep().recovered, 0);
    assert_state(job->id, PAWL_PROCESSING);
    pass(1);
    assert_count(sweep().recovered, 1);
    assert_state(job->id, PAWL_PENDING);
}
END_TEST

/* renew counts from now on (rule 44). */
START_TEST(renew_extends)
{
    const struct pawl_job *job = claimed();
    pass(LEASE - 1);
    assert_status(renew(job, 5000), PAWL_OK);
    pass(4999);
    assert_count(sweep().recovered, 0);
    pass(1);
    assert_count(sweep().recovered, 1);
}
END_TEST

/* renew can also shorten: the end is steady + lease, whatever it was (rule
 * 44). */
START_TEST(renew_sets_the_end)
{
    const struct pawl_job *job = claimed();
    assert_status(renew(job, 10), PAWL_OK);
    pass(10);
    assert_count(sweep().recovered, 1);
    assert_state(job->id, PAWL_PENDING);
}
END_TEST

/* A lease that is over, but not taken back, can still be renewed, and the
 * outcome counts (rule 45). */
START_TEST(late_renewal_counts)
{
    const struct pawl_job *job = claimed();
    pass(LEASE + 1);
    assert_status(renew(job, LEASE), PAWL_OK);
    assert_count(sweep().recovered, 0);
    pass(LEASE + 1);
    assert_status(write_kind(job, PAWL_OUTCOME_COMPLETED), PAWL_OK);
}
END_TEST

/* Renewing what is lost is STALE and does not bring it back (rule 44). */
START_TEST(renewing_the_lost_is_stale)
{
    const struct pawl_job *job = claimed();
    pass(LEASE);
    sweep();
    assert_status(renew(job, LEASE), PAWL_STALE);
    assert_state(job->id, PAWL_PENDING);
    claim(owner_b, 1);
    assert_status(renew(job, LEASE), PAWL_STALE);
}
END_TEST

/* Only that claim renews: another epoch, owner, job or queue is STALE (rules 6,
 * 44). */
START_TEST(only_the_holder_renews)
{
    const struct pawl_job *job = claimed();
    struct pawl_job other = *job;
    other.epoch = 2;
    assert_status(renew(&other, LEASE), PAWL_STALE);
    other = *job;
    other.owner = owner_b;
    assert_status(renew(&other, LEASE), PAWL_STALE);
    other = *job;
    other.id = new_id(QUEUE);
    assert_status(renew(&other, LEASE), PAWL_STALE);
    other = *job;
    other.queue = "unknown";
    assert_status(renew(&other, LEASE), PAWL_STALE);
}
END_TEST

/* A finished job is STALE to renew (rule 44). */
START_TEST(renewing_the_finished_is_stale)
{
    const struct pawl_job *job = claimed();
    write_kind(job, PAWL_OUTCOME_COMPLETED);
    assert_status(renew(job, LEASE), PAWL_STALE);
}
END_TEST

/* renew tells of a requested cancel, and extends all the same (rule 44). */
START_TEST(renew_tells_of_cancel)
{
    const struct pawl_job *job = claimed();
    assert_status(alter_one(PAWL_ALTER_CANCEL, job->id), PAWL_OK);
    pass(LEASE - 1);
    assert_status(renew(job, LEASE), PAWL_CANCEL_ASKED);
    pass(LEASE - 1);
    assert_count(sweep().recovered, 0);
    assert_state(job->id, PAWL_PROCESSING);
}
END_TEST

/* Several leases in one call are answered each for itself (rules 2, 44). */
START_TEST(renew_answers_each)
{
    put_many(3, NULL);
    struct claims claims = claim(owner_a, 3);
    write_kind(claims.jobs[1], PAWL_OUTCOME_COMPLETED);
    alter_one(PAWL_ALTER_CANCEL, claims.jobs[2]->id);
    struct pawl_lease_ref refs[3];
    for (int i = 0; i < 3; i++)
        refs[i] = (struct pawl_lease_ref){ claims.jobs[i]->id,
                                           claims.jobs[i]->epoch,
                                           claims.jobs[i]->origin };
    struct pawl_renew in = { .queue = QUEUE,
                             .owner = owner_a,
                             .leases = refs,
                             .lease_count = 3,
                             .lease = LEASE };
    enum pawl_status results[3];
    assert_status(storage_renew(store, &in, results, NULL), PAWL_OK);
    assert_status(results[0], PAWL_OK);
    assert_status(results[1], PAWL_STALE);
    assert_status(results[2], PAWL_CANCEL_ASKED);
}
END_TEST

/* The wall clock may jump: leases do not notice (rule 46). */
START_TEST(wall_clock_does_not_matter)
{
    const struct pawl_job *job = claimed();
    atomic_fetch_add(&test_clock.now, 86400000);
    assert_count(sweep().recovered, 0);
    assert_state(job->id, PAWL_PROCESSING);
    atomic_fetch_add(&test_clock.steady, LEASE);
    assert_count(sweep().recovered, 1);
}
END_TEST

/* When an instance is closed, the jobs claimed through it are taken back without
 * waiting for their leases (rules 47, 52). */
START_TEST(closed_instance_loses_its_jobs)
{
    struct pawl_storage *other = instance_open();
    put_many(2, NULL);
    struct claims theirs = exchange_on(other, QUEUE, owner_b, NULL, NULL, 0, 1);
    struct claims ours = claim(owner_a, 1);
    instance_close(other);
    assert_count(sweep().recovered, 1);
    assert_state(theirs.jobs[0]->id, PAWL_PENDING);
    ck_assert_int_eq(look(theirs.jobs[0]->id)->crashes, 1);
    assert_state(ours.jobs[0]->id, PAWL_PROCESSING);
}
END_TEST

/* ... unless outcomes are still on their way: then the leases of a remote storage run
 * out by themselves, and an outcome that comes in time counts (rule 47). */
START_TEST(closed_instance_keeps_its_leases)
{
    struct pawl_storage *other = instance_open();
    if (!other->ops->remote)
        return;
    put_many(2, NULL);
    struct claims theirs = exchange_on(other, QUEUE, owner_b, NULL, NULL, 0, 2);
    other->keep_leases = true;
    instance_close(other);
    assert_count(sweep().recovered, 0);
    assert_status(write_kind(theirs.jobs[0], PAWL_OUTCOME_COMPLETED), PAWL_OK);
    pass(LEASE);
    assert_count(sweep().recovered, 1);
    assert_state(theirs.jobs[1]->id, PAWL_PENDING);
}
END_TEST

/* Closing an instance that claimed nothing takes nothing from others (rule
 * 47). */
START_TEST(closed_idle_instance_loses_nothing)
{
    struct pawl_storage *other = instance_open();
    const struct pawl_job *job = claimed();
    instance_close(other);
    assert_count(sweep().recovered, 0);
    assert_state(job->id, PAWL_PROCESSING);
}
END_TEST

/* A lost job has its attempt back, one crash more, its epoch as it was, no owner
 * (rule 48). */
START_TEST(lost_job_has_its_attempt_back)
{
    const struct pawl_job *job = claimed();
    pass(LEASE);
    sweep();
    const struct pawl_job *seen = look(job->id);
    ck_assert_str_eq(pawl_state_name(seen->state), "pending");
    ck_assert_int_eq(seen->attempt, 0);
    ck_assert_int_eq(seen->crashes, 1);
    assert_count(seen->epoch, 1);
    assert_count(seen->error_count, 0);
    struct pawl_owner nobody = { { 0 } };
    ck_assert_mem_eq(&seen->owner, &nobody, sizeof nobody);
}
END_TEST

/* At max_crashes the job is dead as worker_lost (rule 49). */
START_TEST(too_many_crashes_kill)
{
    struct pawl_id id = put_plain();
    for (int i = 1; i < MAX_CRASHES; i++)
        crash_once();
    assert_state(id, PAWL_PENDING);
    claim_one();
    pass(LEASE);
    struct pawl_sweep_reply reply = sweep();
    assert_count(reply.killed, 1);
    assert_count(reply.recovered, 0);
    const struct pawl_job *job = look(id);
    ck_assert_str_eq(pawl_state_name(job->state), "dead");
    ck_assert_int_eq(job->crashes, MAX_CRASHES);
    ck_assert_int_eq(job->attempt, 0);
    assert_time(job->finished_at, now());
    assert_count(job->error_count, 1);
    ck_assert_str_eq(job->errors[0].message, "worker_lost");
    ck_assert_int_eq(job->errors[0].attempt, 1);
    assert_count(stats_of(QUEUE)->dead_total, 1);
    assert_count(stats_of(QUEUE)->failed_total, 0);
}
END_TEST

/* Crashes use up no attempt: after two of them the first outcome is attempt 1
 * (rule 48). */
START_TEST(crashes_use_no_attempt)
{
    put_plain();
    crash_once();
    crash_once();
    const struct pawl_job *job = claim_one();
    ck_assert_int_eq(job->attempt, 1);
    ck_assert_int_eq(job->crashes, 2);
    assert_count(job->epoch, 3);
}
END_TEST

/* A lost job that was to be cancelled is cancelled, at max_crashes too (rule
 * 50). */
START_TEST(lost_and_cancelled)
{
    struct pawl_id id = put_plain();
    for (int i = 1; i < MAX_CRASHES; i++)
        crash_once();
    claim_one();
    assert_status(alter_one(PAWL_ALTER_CANCEL, id), PAWL_OK);
    pass(LEASE);
    sweep();
    assert_state(id, PAWL_CANCELLED);
}
END_TEST

/* The outcome of a job that was taken back is STALE (rules 32, 45). */
START_TEST(outcome_after_loss_is_stale)
{
    const struct pawl_job *job = claimed();
    pass(LEASE);
    sweep();
    assert_status(write_kind(job, PAWL_OUTCOME_COMPLETED), PAWL_STALE);
    assert_state(job->id, PAWL_PENDING);
}
END_TEST

TCase *topic_lease(void)
{
    TCase *t = topic("lease");
    tcase_add_test(t, lease_to_the_millisecond);
    tcase_add_test(t, renew_extends);
    tcase_add_test(t, renew_sets_the_end);
    tcase_add_test(t, late_renewal_counts);
    tcase_add_test(t, renewing_the_lost_is_stale);
    tcase_add_test(t, only_the_holder_renews);
    tcase_add_test(t, renewing_the_finished_is_stale);
    tcase_add_test(t, renew_tells_of_cancel);
    tcase_add_test(t, renew_answers_each);
    tcase_add_test(t, wall_clock_does_not_matter);
    tcase_add_test(t, closed_instance_loses_its_jobs);
    tcase_add_test(t, closed_instance_keeps_its_leases);
    tcase_add_test(t, closed_idle_instance_loses_nothing);
    tcase_add_test(t, lost_job_has_its_attempt_back);
    tcase_add_test(t, too_many_crashes_kill);
    tcase_add_test(t, crashes_use_no_attempt);
    tcase_add_test(t, lost_and_cancelled);
    tcase_add_test(t, outcome_after_loss_is_stale);
    return t;
}
