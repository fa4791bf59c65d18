/* migrate.c - a migrator is killed at each of its steps, and another goes on: nothing
 * is lost, nothing is there twice, and each job is what it was. And two at once, on one
 * host and on two.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/migrate_note.h"
#include "migrate_rig.h"
#include "util/clock.h"
#include "util/random.h"

#define STEPS_MOST 200

/* A clock by which waiting takes a hundredth. */
static pawl_time fast(void *context)
{
    (void)context;
    return clock_boot_ms() * 100;
}

static void assert_begins(const char *text, const char *with)
{
    ck_assert_msg(strncmp(text, with, strlen(with)) == 0, "'%s'", text);
}

/* --- at each step ------------------------------------------------------------------ */

/* Killed before and after each call of a storage, and run again at once. */
START_TEST(killed_at_each_move)
{
    bool from_redis = _i & 1, after = _i & 2, dies = true;
    long step = 1;
    for (; dies && step < STEPS_MOST; step++) {
        struct sides sides = sides_fresh(from_redis);
        struct inventory before = make_at(sides.from, 40);
        dies = migrator_dies(&sides, "move", step, after);
        if (dies)
            must_migrate(&sides, "move");
        assert_moved(&sides, &before);
    }
    ck_assert_int_gt(step, 15);
    ck_assert_int_lt(step, STEPS_MOST);
    say("%ld steps", step - 2);
}
END_TEST

/* A copy killed at each step and rolled back; a rollback killed at each step and run
 * again; and both with finalize. */
START_TEST(killed_at_each_settling)
{
    static const char *const actions[] = { "rollback", "finalize" };
    bool after = _i & 1, dies = true;
    const char *action = actions[_i >> 1];
    long step = 1;
    for (; dies && step < STEPS_MOST; step++) {
        struct sides sides = sides_fresh(step & 1);
        struct inventory before = make_at(sides.from, 25);
        must_migrate(&sides, "copy");
        dies = migrator_dies(&sides, action, step, after);
        if (dies) {
            /* Died after all was done but the lock: then there is no copy left. */
            struct pawl_error err = { 0 };
            enum pawl_status status = migrate_here(&sides, action, &err);
            ck_assert_msg(status == PAWL_OK ||
                          strncmp(err.message, "there is no copy to", 19) == 0, "%s",
                          err.message);
        }
        if (_i >> 1)
            assert_moved(&sides, &before);
        else
            assert_back(&sides, &before);
    }
    ck_assert_int_gt(step, 10);
    ck_assert_int_lt(step, STEPS_MOST);
}
END_TEST

/* Killed at any step of a copy, it can be copied on, and rolled back. */
START_TEST(killed_at_each_copy)
{
    bool after = _i & 1, dies = true;
    long step = 1;
    for (; dies && step < STEPS_MOST; step++) {
        struct sides sides = sides_fresh(step & 1);
        struct inventory before = make_at(sides.from, 25);
        dies = migrator_dies(&sides, "copy", step, after);
        if (dies)
            must_migrate(&sides, "copy");
        struct inventory there = count_at(sides.to);
        ck_assert_msg(jobs_same(&before, &there), "the copies are not what they were");
        must_migrate(&sides, "rollback");
        assert_back(&sides, &before);
    }
    ck_assert_int_gt(step, 15);
    ck_assert_int_lt(step, STEPS_MOST);
}
END_TEST

/* Where two batches are on their way at once, by two threads; also the order is what it
 * was, whether those that arrived are gone here or held. */
START_TEST(killed_with_two_batches)
{
    uint64_t kills = env_number("PAWL_STORM_KILLS", 24, 500), died = 0;
    for (uint64_t k = 0; k < kills; k++) {
        struct sides sides = sides_fresh(k & 1);
        struct inventory before = make_at(sides.from, 5000);
        const char *action = k & 2 ? "copy" : "move";
        long step = 35 + (long)(seeded(&migrate_seed) % 20);
        died += migrator_dies(&sides, action, step, k & 4);
        must_migrate(&sides, action);
        if (k & 2)
            must_migrate(&sides, "finalize");
        assert_moved(&sides, &before);
    }
    say("%" PRIu64 " of %" PRIu64 " died", died, kills);
    ck_assert_uint_gt(died, kills / 2);
}
END_TEST

static size_t list_pending(struct pawl_storage *storage, struct pawl_id ids[20])
{
    struct pawl_job *jobs[20];
    struct pawl_error err = { 0 };
    struct pawl_list in = { .queue = MIGRATE_QUEUE, .state = PAWL_PENDING, .limit = 20 };
    struct pawl_list_reply out = { .jobs = jobs };
    ck_assert_msg(storage_list(storage, &in, &out, &err) == PAWL_OK, "%s", err.message);
    for (size_t i = 0; i < out.job_count; i++) {
        ids[i] = jobs[i]->id;
        pawl_job_free(jobs[i]);
    }
    return out.job_count;
}

/* A copy died when some had arrived and two batches were under way, the first of them
 * under the second mark: it is sent before the other. */
START_TEST(two_batches_in_order)
{
    struct sides sides = sides_fresh(_i);
    struct pawl_storage *from = jobs_open(sides.from), *to = jobs_open(sides.to);
    struct pawl_clock clock = { migrate_wall, fast, NULL };
    struct migrate_note note = { .copy = true };
    struct pawl_error err = { 0 };
    struct pawl_id before[20], after[20];
    jobs_put(from, MIGRATE_QUEUE, 20);
    ck_assert_uint_eq(list_pending(from, before), 20);
    snprintf(note.to, sizeof note.to, "%s", to->where);
    ck_assert_msg(migrate_note_write(from, &clock, &note, &err) == PAWL_OK, "%s",
                  err.message);
    hold_as(from, note.mover, 1); /* arrived, as far as can be seen here */
    hold_as(from, note.mover, 4);
    hold_as(from, note.mover, 0);
    storage_close(from);
    must_migrate(&sides, "copy");
    ck_assert_uint_eq(list_pending(to, after), 15);
    ck_assert_mem_eq(after, before + 5, 15 * sizeof *after);
    storage_close(to);
}
END_TEST

/* --- two at once -------------------------------------------------------------------- */

/* The second is refused and told who the first is; when that is killed, it is not in
 * the way. */
START_TEST(two_migrators)
{
    struct sides sides = sides_fresh(_i);
    struct inventory before = make_at(sides.from, 200);
    struct actor first = { 0 }, second = { 0 };
    char line[400], want[200];
    migrator_halts(&first, &sides);
    actor_expect(&first, "working");
    actor_await_stop(&first);
    migrator_start(&second, &sides, "move", 0, false);
    ck_assert(actor_line(&second, line, sizeof line));
    snprintf(want, sizeof want,
             "failed another migration of this storage is running: process %d on '",
             (int)first.pid);
    assert_begins(line, want);
    ck_assert_int_eq(actor_wait(&second, ACTOR_PATIENCE), 0);
    actor_kill(&first);
    must_migrate(&sides, "move");
    assert_moved(&sides, &before);
}
END_TEST

/* --- on another host ------------------------------------------------------------------ */

/* As a migrator on another host leaves it when it dies, or has it while it lives: until
 * the storage is closed. */
static struct pawl_storage *lock_from_elsewhere(const char *url, pawl_duration lease)
{
    static const char queue[] = "\1migrate:lock";
    struct pawl_storage *storage = jobs_open(url);
    struct pawl_error err = { 0 };
    char who[200];
    pawl_time now = clock_wall_ms();
    struct pawl_new_job job = { .payload = who, .priority = 5, .max_attempts = 1,
                                .key = "lock", .id = pawl_id_new(queue, now) };
    struct pawl_put put = { .queue = queue, .seq = 1, .jobs = &job, .job_count = 1 };
    struct pawl_put_result stored;
    struct pawl_job *claimed = NULL;
    struct pawl_exchange in = { .queue = queue, .claim_max = 1, .lease = lease };
    struct pawl_exchange_reply out = { .jobs = &claimed };
    snprintf(who, sizeof who, "far.example\n12\n%" PRId64 "\nanother world\n",
             now - 50000);
    job.payload_size = strlen(who);
    random_bytes(put.session.b, sizeof put.session.b);
    random_bytes(in.owner.b, sizeof in.owner.b);
    ck_assert_msg(storage_put(storage, &put, &stored, &err) == PAWL_OK, "%s", err.message);
    ck_assert_msg(storage_exchange(storage, &in, &out, &err) == PAWL_OK, "%s",
                  err.message);
    ck_assert_uint_eq(out.job_count, 1);
    pawl_job_free(claimed);
    return storage;
}

/* It is waited for, which is said, and no longer than its lease. */
START_TEST(died_elsewhere)
{
    struct sides sides = sides_fresh(true);
    struct inventory before = make_at(sides.from, 200);
    char command[3000], line[400];
    const char *words[] = { "/bin/sh", "-c", command, NULL };
    struct actor actor = { 0 };
    snprintf(command, sizeof command,
             "exec \"$PAWL\" migrate --from '%s' --to '%s' --state scheduled --state "
             "pending --state failed --state completed --state dead --state cancelled "
             "2>&1 >/dev/null", sides.from, sides.to);
    struct pawl_storage *theirs = lock_from_elsewhere(sides.from, 1000);
    actor_start(&actor, words);
    ck_assert(actor_line(&actor, line, sizeof line));
    assert_begins(line, "{\"waiting\":{\"holder\":\"process 12 on 'far.example', begun 5");
    ck_assert_int_eq(actor_wait(&actor, ACTOR_PATIENCE), 0);
    assert_moved(&sides, &before);
    storage_close(theirs);
}
END_TEST

/* One whose lease does not end is at work: the plan says that it may be, and the run is
 * refused by name. */
START_TEST(lives_elsewhere)
{
    struct sides sides = sides_fresh(true);
    struct inventory before = make_at(sides.from, 20), after;
    struct pawl_clock clock = { migrate_wall, fast, NULL };
    struct pawl_migrate_options options = { .from = sides.from, .to = sides.to,
                                            .clock = &clock };
    struct pawl_migration *migration = NULL;
    struct pawl_error err = { 0 };
    struct pawl_storage *theirs = lock_from_elsewhere(sides.from, 3600000);
    ck_assert_msg(pawl_migrate_open(&options, &migration, &err) == PAWL_OK, "%s",
                  err.message);
    const struct pawl_migrate_plan *plan = pawl_migrate_plan(migration);
    ck_assert_uint_eq(plan->problem_count, 1);
    ck_assert(!plan->problems[0].is_fatal);
    assert_begins(plan->problems[0].text,
                  "another migration of this storage is running, or has died: process 12 "
                  "on 'far.example', begun 5");
    ck_assert_int_eq(pawl_migrate_run(migration, &err), PAWL_EDENIED);
    assert_begins(err.message, "another migration of this storage is running: process "
                               "12 on 'far.example', begun 5");
    pawl_migrate_close(migration);
    after = count_at(sides.from);
    ck_assert(jobs_same(&before, &after));
    storage_close(theirs);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("migrate");
    tcase_add_loop_test(t, killed_at_each_move, 0, 4);
    tcase_add_loop_test(t, killed_at_each_copy, 0, 2);
    tcase_add_loop_test(t, killed_at_each_settling, 0, 4);
    tcase_add_test(t, killed_with_two_batches);
    tcase_add_loop_test(t, two_batches_in_order, 0, 2);
    tcase_add_loop_test(t, two_migrators, 0, 2);
    tcase_add_test(t, died_elsewhere);
    tcase_add_test(t, lives_elsewhere);
    return migrate_run_tests("migrate", t);
}
