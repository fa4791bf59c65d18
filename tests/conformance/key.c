/* key.c - unique keys: rules 16 to 22. */
#include "suite.h"

static struct pawl_new_job reject(void)
{
    return (struct pawl_new_job){ .key = "k" };
}

static struct pawl_new_job reject_for(pawl_duration ttl)
{
    return (struct pawl_new_job){ .key = "k", .key_ttl = ttl };
}

static struct pawl_new_job throttle_for(pawl_duration ttl)
{
    return (struct pawl_new_job){
        .key = "k", .key_mode = PAWL_KEY_THROTTLE, .key_ttl = ttl
    };
}

static void assert_free(void)
{
    assert_status(put(reject()).status, PAWL_OK);
}

static void assert_taken_by(struct pawl_id holder)
{
    struct pawl_put_result result = put(reject());
    assert_status(result.status, PAWL_KEY_TAKEN);
    assert_id(result.id, holder);
}

/* A second job with the key is not stored and hears of the first (rule 16). */
START_TEST(taken_key_names_its_holder)
{
    struct pawl_id holder = put_ok(reject());
    assert_taken_by(holder);
    assert_count(count_in(PAWL_PENDING), 1);
}
END_TEST

/* A job scheduled for later holds its key already (rule 17). */
START_TEST(scheduled_holds)
{
    assert_taken_by(put_in(PAWL_SCHEDULED, reject()));
}
END_TEST

/* A processing job holds its key (rule 17). */
START_TEST(processing_holds)
{
    assert_taken_by(put_in(PAWL_PROCESSING, reject()));
}
END_TEST

/* A failed job holds its key (rule 17). */
START_TEST(failed_holds)
{
    assert_taken_by(put_in(PAWL_FAILED, reject()));
}
END_TEST

/* A completed job does not (rules 17, 42). */
START_TEST(completed_frees)
{
    put_in(PAWL_COMPLETED, reject());
    assert_free();
}
END_TEST

/* A dead job does not (rules 17, 42). */
START_TEST(dead_frees)
{
    put_in(PAWL_DEAD, reject());
    assert_free();
}
END_TEST

/* A job cancelled by its handler does not (rules 17, 42). */
START_TEST(cancelled_frees)
{
    put_in(PAWL_CANCELLED, reject());
    assert_free();
}
END_TEST

/* A job cancelled by an operator does not (rules 17, 64). */
START_TEST(cancel_by_operator_frees)
{
    struct pawl_id id = put_ok(reject());
    assert_status(alter_one(PAWL_ALTER_CANCEL, id), PAWL_OK);
    assert_free();
}
END_TEST

/* A removed job does not (rules 17, 65). */
START_TEST(removed_frees)
{
    struct pawl_id id = put_ok(reject());
    assert_status(alter_one(PAWL_ALTER_REMOVE, id), PAWL_OK);
    assert_free();
}
END_TEST

/* A job that expired at its claim does not (rules 17, 29). */
START_TEST(expired_frees)
{
    put_ok((struct pawl_new_job){ .key = "k", .ttl = 10 });
    pass(10);
    claim_none();
    assert_free();
}
END_TEST

/* A job that lost its last worker does not (rules 17, 49). */
START_TEST(worker_lost_frees)
{
    put_ok(reject());
    for (int i = 0; i < MAX_CRASHES; i++) {
        claim_one();
        pass(LEASE);
        sweep();
    }
    assert_count(count_in(PAWL_DEAD), 1);
    assert_free();
}
END_TEST

/* A snoozed and a released job keep it (rule 17). */
START_TEST(given_back_holds)
{
    struct pawl_id id = put_ok(reject());
    assert_status(write_kind(claim_one(), PAWL_OUTCOME_RELEASED), PAWL_OK);
    assert_taken_by(id);
    assert_status(write_kind(claim_one(), PAWL_OUTCOME_SNOOZED), PAWL_OK);
    assert_taken_by(id);
}
END_TEST

/* A reject key with a ttl is held until the ms before put + ttl, and free at it
 * (rule 18). */
START_TEST(reject_ttl_frees)
{
    struct pawl_id id = put_ok(reject_for(100));
    pass(99);
    assert_taken_by(id);
    pass(1);
    assert_free();
    assert_state(id, PAWL_PENDING);
}
END_TEST

/* A reject key with a ttl is free before that when its job ends (rules 17,
 * 18). */
START_TEST(reject_ttl_frees_at_the_end_too)
{
    put_in(PAWL_COMPLETED, reject_for(100));
    assert_free();
}
END_TEST

/* A job that lost its key to the ttl leaves the new holder's alone when it ends
 * (rule 21). */
START_TEST(only_the_holder_frees)
{
    put_ok(reject_for(100));
    const struct pawl_job *old = claim_one();
    pass(100);
    struct pawl_id holder = put_ok(reject());
    assert_status(write_kind(old, PAWL_OUTCOME_COMPLETED), PAWL_OK);
    assert_taken_by(holder);
    assert_status(alter_one(PAWL_ALTER_REMOVE, old->id), PAWL_OK);
    assert_taken_by(holder);
}
END_TEST

/* A throttle outlives the completion of its job, to the ms (rule 19). */
START_TEST(throttle_outlives_completion)
{
    struct pawl_id id = put_in(PAWL_COMPLETED, throttle_for(100));
    pass(99);
    assert_taken_by(id);
    pass(1);
    assert_free();
}
END_TEST

/* A throttle outlives the removal of its job (rule 19). */
START_TEST(throttle_outlives_removal)
{
    struct pawl_id id = put_ok(throttle_for(100));
    assert_status(alter_one(PAWL_ALTER_REMOVE, id), PAWL_OK);
    sweep();
    pass(99);
    assert_taken_by(id);
    pass(1);
    assert_free();
}
END_TEST

/* A throttle is over at its time though its job still waits (rule 19). */
START_TEST(throttle_ends_with_time)
{
    struct pawl_id id = put_ok(throttle_for(100));
    pass(100);
    assert_free();
    assert_state(id, PAWL_PENDING);
}
END_TEST

/* Two queues may hold the same key (rule 20). */
START_TEST(keys_belong_to_a_queue)
{
    put_ok(reject());
    struct pawl_new_job other = reject();
    other.queue = "other";
    assert_status(put(other).status, PAWL_OK);
}
END_TEST

/* Two keys are two keys, though one begins the other (rules 4, 16). */
START_TEST(keys_are_compared_whole)
{
    put_ok((struct pawl_new_job){ .key = "ab" });
    put_ok((struct pawl_new_job){ .key = "a" });
    put_ok((struct pawl_new_job){ .key = "AB" });
    assert_count(count_in(PAWL_PENDING), 3);
}
END_TEST

/* A dead job that is run again holds its key again (rule 22). */
START_TEST(run_takes_the_key_again)
{
    struct pawl_id id = put_in(PAWL_DEAD, reject());
    assert_status(alter_one(PAWL_ALTER_RUN, id), PAWL_OK);
    assert_taken_by(id);
}
END_TEST

/* If another holds it by then: KEY_TAKEN, and the job stays dead (rule 22). */
START_TEST(run_is_refused_when_taken)
{
    struct pawl_id id = put_in(PAWL_DEAD, reject());
    struct pawl_id holder = put_ok(reject());
    assert_status(alter_one(PAWL_ALTER_RUN, id), PAWL_KEY_TAKEN);
    assert_state(id, PAWL_DEAD);
    assert_taken_by(holder);
}
END_TEST

/* Of two dead jobs with one key, one can be run again (rules 22, 62). */
START_TEST(run_of_two_takes_one)
{
    struct pawl_id ids[2];
    ids[0] = put_in(PAWL_DEAD, reject());
    ids[1] = put_in(PAWL_DEAD, reject());
    struct pawl_alter what = { .kind = PAWL_ALTER_RUN,
                               .from_states = RETRY_FROM,
                               .ids = ids,
                               .id_count = 2 };
    struct pawl_alter_reply reply = alter(what);
    assert_status(reply.results[0], PAWL_OK);
    assert_status(reply.results[1], PAWL_KEY_TAKEN);
    assert_count(reply.changed, 1);
}
END_TEST

/* A failed job that is run now still holds its key, and that is fine (rule
 * 22). */
START_TEST(run_of_failed_keeps_the_key)
{
    struct pawl_id id = put_in(PAWL_FAILED, reject());
    assert_status(alter_one(PAWL_ALTER_RUN, id), PAWL_OK);
    assert_taken_by(id);
}
END_TEST

/* A key whose ttl is over is not taken again: another may have it, and if none
 * has it stays free (rules 18, 22). */
START_TEST(run_after_the_ttl_takes_nothing)
{
    struct pawl_id id = put_in(PAWL_DEAD, reject_for(100));
    pass(100);
    assert_status(alter_one(PAWL_ALTER_RUN, id), PAWL_OK);
    assert_free();

    id = put_in(PAWL_DEAD, (struct pawl_new_job){ .key = "l", .key_ttl = 100,
                                                  .priority = 1 });
    pass(100);
    put_ok((struct pawl_new_job){ .key = "l" });
    assert_status(alter_one(PAWL_ALTER_RUN, id), PAWL_OK);
}
END_TEST

/* A key taken again is held until put + ttl, as it was at first (rules 18,
 * 22). */
START_TEST(run_does_not_lengthen_the_ttl)
{
    struct pawl_id id = put_in(PAWL_DEAD, reject_for(100));
    pass(60);
    assert_status(alter_one(PAWL_ALTER_RUN, id), PAWL_OK);
    pass(39);
    assert_taken_by(id);
    pass(1);
    assert_free();
}
END_TEST

/* A throttle is not taken again by a retry, nor does one stand in its way (rule
 * 22). */
START_TEST(run_does_not_take_a_throttle)
{
    struct pawl_id id = put_in(PAWL_DEAD, throttle_for(100));
    pass(100);
    put_ok(reject());
    assert_status(alter_one(PAWL_ALTER_RUN, id), PAWL_OK);
}
END_TEST

TCase *topic_key(void)
{
    TCase *t = topic("key");
    tcase_add_test(t, taken_key_names_its_holder);
    tcase_add_test(t, scheduled_holds);
    tcase_add_test(t, processing_holds);
    tcase_add_test(t, failed_holds);
    tcase_add_test(t, completed_frees);
    tcase_add_test(t, dead_frees);
    tcase_add_test(t, cancelled_frees);
    tcase_add_test(t, cancel_by_operator_frees);
    tcase_add_test(t, removed_frees);
    tcase_add_test(t, expired_frees);
    tcase_add_test(t, worker_lost_frees);
    tcase_add_test(t, given_back_holds);
    tcase_add_test(t, reject_ttl_frees);
    tcase_add_test(t, reject_ttl_frees_at_the_end_too);
    tcase_add_test(t, only_the_holder_frees);
    tcase_add_test(t, throttle_outlives_completion);
    tcase_add_test(t, throttle_outlives_removal);
    tcase_add_test(t, throttle_ends_with_time);
    tcase_add_test(t, keys_belong_to_a_queue);
    tcase_add_test(t, keys_are_compared_whole);
    tcase_add_test(t, run_takes_the_key_again);
    tcase_add_test(t, run_is_refused_when_taken);
    tcase_add_test(t, run_of_two_takes_one);
    tcase_add_test(t, run_of_failed_keeps_the_key);
    tcase_add_test(t, run_after_the_ttl_takes_nothing);
    tcase_add_test(t, run_does_not_lengthen_the_ttl);
    tcase_add_test(t, run_does_not_take_a_throttle);
    return t;
}
