/* wait.c - sleeping and waking: rules 77 to 79. What must come is waited for up
 * to ten seconds of real time; the clock of the storage stands still meanwhile,
 * so that only what the test does can end a wait. */
#include "suite.h"

#include <pthread.h>
#include <stdatomic.h>

#include "util/clock.h"

#define NEVER (INT64_C(1) << 40)

struct sleeper {
    pthread_t thread;
    struct pawl_storage *instance;
    const char *queues[2];
    pawl_time until;
    atomic_bool awake;
};

static void *sleep_in_wait(void *arg)
{
    struct sleeper *sleeper = arg;
    struct pawl_wait in = { .queues = sleeper->queues,
                            .queue_count = 2,
                            .until = sleeper->until };
    struct pawl_error err = { 0 };
    enum pawl_status status = storage_wait(sleeper->instance, &in, &err);
    atomic_store(&sleeper->awake, status == PAWL_OK);
    return NULL;
}

static void fall_asleep(struct sleeper *sleeper, struct pawl_storage *instance,
                        pawl_time until)
{
    sleeper->instance = instance;
    sleeper->queues[0] = "unknown";
    sleeper->queues[1] = QUEUE;
    sleeper->until = until;
    atomic_store(&sleeper->awake, false);
    ck_assert_int_eq(pthread_create(&sleeper->thread, NULL, sleep_in_wait, sleeper),
                     0);
}

static void nap(void)
{
    struct timespec ms = { .tv_nsec = 2000000 };
    nanosleep(&ms, NULL);
}

static void must_wake(struct sleeper *sleeper)
{
    int64_t end = clock_mono_ns() + INT64_C(10000000000);
    while (!atomic_load(&sleeper->awake) && clock_mono_ns() < end)
        nap();
    ck_assert_msg(atomic_load(&sleeper->awake), "%s", "still asleep after 10 s");
    pthread_join(sleeper->thread, NULL);
}

/* Let this instance see what there is, so that it sleeps at all. */
static void look_around(struct pawl_storage *instance)
{
    exchange_on(instance, QUEUE, owner_b, NULL, NULL, 0, 1);
}

/* A time that has come ends the wait at once (rule 79). */
START_TEST(until_has_passed)
{
    struct sleeper sleeper;
    fall_asleep(&sleeper, store, atomic_load(&test_clock.steady));
    must_wake(&sleeper);
}
END_TEST

/* The wait ends when steady reaches `until` (rule 79). */
START_TEST(until_is_reached)
{
    struct sleeper sleeper;
    fall_asleep(&sleeper, store, atomic_load(&test_clock.steady) + 1000);
    nap();
    pass(1000);
    must_wake(&sleeper);
}
END_TEST

/* kick wakes the waiter (rule 78). */
START_TEST(kick_wakes)
{
    struct sleeper sleeper;
    fall_asleep(&sleeper, store, NEVER);
    nap();
    storage_kick(store);
    must_wake(&sleeper);
}
END_TEST

/* A kick before the wait is not lost (rule 78). */
START_TEST(kick_before_wait)
{
    struct sleeper sleeper;
    storage_kick(store);
    fall_asleep(&sleeper, store, NEVER);
    must_wake(&sleeper);
}
END_TEST

/* A put through the same instance wakes (rule 77). */
START_TEST(put_wakes)
{
    struct sleeper sleeper;
    look_around(store);
    fall_asleep(&sleeper, store, NEVER);
    nap();
    put_plain();
    must_wake(&sleeper);
}
END_TEST

/* A put through another instance wakes (rule 77). */
START_TEST(put_elsewhere_wakes)
{
    struct sleeper sleeper;
    struct pawl_storage *other = instance_open();
    look_around(store);
    fall_asleep(&sleeper, store, NEVER);
    nap();
    put_on(other, (struct pawl_new_job){ 0 });
    must_wake(&sleeper);
}
END_TEST

/* What came after the last look and before the wait is not missed (rule 77). */
START_TEST(put_before_wait)
{
    struct sleeper sleeper;
    struct pawl_storage *other = instance_open();
    look_around(store);
    put_on(other, (struct pawl_new_job){ 0 });
    fall_asleep(&sleeper, store, NEVER);
    must_wake(&sleeper);
}
END_TEST

/* A released job wakes another instance (rule 77). */
START_TEST(release_wakes)
{
    struct sleeper sleeper;
    struct pawl_storage *other = instance_open();
    put_plain();
    const struct pawl_job *job = claim_one();
    look_around(other);
    fall_asleep(&sleeper, other, NEVER);
    nap();
    write_kind(job, PAWL_OUTCOME_RELEASED);
    must_wake(&sleeper);
}
END_TEST

/* A sweep that promotes wakes (rule 77). */
START_TEST(promotion_wakes)
{
    struct sleeper sleeper;
    struct pawl_storage *other = instance_open();
    put_ok((struct pawl_new_job){ .delay = 5 });
    look_around(other);
    fall_asleep(&sleeper, other, NEVER);
    nap();
    pass(5);
    sweep();
    must_wake(&sleeper);
}
END_TEST

/* A retry by an operator wakes (rule 77). */
START_TEST(run_wakes)
{
    struct sleeper sleeper;
    struct pawl_storage *other = instance_open();
    struct pawl_id id = put_in(PAWL_DEAD, (struct pawl_new_job){ 0 });
    look_around(other);
    fall_asleep(&sleeper, other, NEVER);
    nap();
    alter_one(PAWL_ALTER_RUN, id);
    must_wake(&sleeper);
}
END_TEST

/* Resuming a queue that has pending jobs wakes (rule 77). */
START_TEST(resume_wakes)
{
    struct sleeper sleeper;
    struct pawl_storage *other = instance_open();
    alter((struct pawl_alter){ .kind = PAWL_ALTER_PAUSE });
    put_plain();
    look_around(other);
    storage_kick(other);
    fall_asleep(&sleeper, other, NEVER); /* uses up the put and the kick */
    must_wake(&sleeper);
    fall_asleep(&sleeper, other, NEVER);
    nap();
    alter((struct pawl_alter){ .kind = PAWL_ALTER_RESUME });
    must_wake(&sleeper);
}
END_TEST

/* Resuming ends a wait also when the pause came and went between two waits, with an
 * exchange in it that found nothing to claim (rule 77). */
START_TEST(resume_between_waits)
{
    struct sleeper sleeper;
    struct pawl_storage *other = instance_open();
    put_plain();
    fall_asleep(&sleeper, other, NEVER); /* uses up the put */
    must_wake(&sleeper);
    alter((struct pawl_alter){ .kind = PAWL_ALTER_PAUSE });
    look_around(other);
    alter((struct pawl_alter){ .kind = PAWL_ALTER_RESUME });
    fall_asleep(&sleeper, other, NEVER);
    must_wake(&sleeper);
}
END_TEST

/* A wait does not keep other threads from working (rule 3). */
START_TEST(waiting_blocks_nobody)
{
    struct sleeper sleeper;
    look_around(store);
    fall_asleep(&sleeper, store, NEVER);
    nap();
    put_ok((struct pawl_new_job){ .queue = "other" });
    exchange_on(store, "other", owner_a, NULL, NULL, 0, 1);
    assert_count(stats_of("other")->jobs[PAWL_PROCESSING], 1);
    storage_kick(store);
    must_wake(&sleeper);
}
END_TEST

TCase *topic_wait(void)
{
    TCase *t = topic("wait");
    tcase_add_test(t, until_has_passed);
    tcase_add_test(t, until_is_reached);
    tcase_add_test(t, kick_wakes);
    tcase_add_test(t, kick_before_wait);
    tcase_add_test(t, put_wakes);
    tcase_add_test(t, put_elsewhere_wakes);
    tcase_add_test(t, put_before_wait);
    tcase_add_test(t, release_wakes);
    tcase_add_test(t, promotion_wakes);
    tcase_add_test(t, run_wakes);
    tcase_add_test(t, resume_wakes);
    tcase_add_test(t, resume_between_waits);
    tcase_add_test(t, waiting_blocks_nobody);
    return t;
}
