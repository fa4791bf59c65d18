/* migrate_apart.c - what is run after a migrator that died is not what it had begun: for
 * other queues, another way of settling a copy, or when somebody has been at the
 * target since.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/migrate_note.h"
#include "migrate_rig.h"
#include "util/clock.h"
#include "util/random.h"

#define OTHER_QUEUE "other"
#define KEPT 1 /* marks: migrate_run.c, migrate_copy.c */
#define BACK 2

static const struct pawl_clock wall_clock = { migrate_wall, NULL, NULL };

static void must(enum pawl_status status, const struct pawl_error *err)
{
    ck_assert_msg(status >= 0, "%s", err->message);
}

/* A run over one queue leaves the note that the batch of another is found by. */
START_TEST(another_queue_first)
{
    struct sides sides = sides_fresh(_i & 1);
    struct pawl_storage *from = jobs_open(sides.from), *to = jobs_open(sides.to);
    struct migrate_note note = { .copy = false };
    struct pawl_error err = { 0 };
    const char *const queues[] = { OTHER_QUEUE };
    struct pawl_migrate_options options = { .from = sides.from, .to = sides.to,
                                            .queues = queues, .queue_count = 1 };
    struct pawl_migration *migration = NULL;
    jobs_put(from, MIGRATE_QUEUE, 20);
    jobs_put(from, OTHER_QUEUE, 3);
    snprintf(note.to, sizeof note.to, "%s", to->where);
    must(migrate_note_write(from, &wall_clock, &note, &err), &err);
    hold_as(from, note.mover, (uint8_t)(_i & 2 ? 4 : 0));

    must(pawl_migrate_open(&options, &migration, &err), &err);
    must(pawl_migrate_run(migration, &err), &err);
    ck_assert(pawl_migrate_plan(migration)->is_unfinished);
    pawl_migrate_close(migration);
    ck_assert_uint_eq(jobs_pending(to, OTHER_QUEUE), 3);
    ck_assert_int_eq(migrate_note_read(from, &note, &err), PAWL_OK);

    must_migrate(&sides, "move");
    ck_assert_uint_eq(jobs_pending(to, MIGRATE_QUEUE), 20);
    ck_assert_int_eq(migrate_note_read(from, &note, &err), PAWL_NOT_FOUND);
    struct inventory left = count_at(sides.from);
    ck_assert_uint_eq(jobs_all(&left), 0);
    storage_close(from);
    storage_close(to);
}
END_TEST

/* Whatever step a rollback died at, a copy or a finalize after it loses nothing: it is
 * refused once something came back. */
START_TEST(rollback_is_finished_first)
{
    const char *action = _i ? "finalize" : "copy";
    bool dies = true;
    long step = 1, refused = 0;
    for (step += _i; dies && step < 200; step += 2) { /* the other does the others */
        struct sides sides = sides_fresh(step & 2);
        struct inventory before = make_at(sides.from, 25);
        struct pawl_error err = { 0 };
        must_migrate(&sides, "copy");
        dies = migrator_dies(&sides, "rollback", step, step & 4);
        enum pawl_status status = migrate_here(&sides, action, &err);
        if (status == PAWL_EDENIED) {
            ck_assert_msg(strncmp(err.message, "the rollback of a copy to '", 27) == 0,
                          "%s", err.message);
            must_migrate(&sides, "rollback");
            assert_back(&sides, &before);
            refused++;
        } else if (status == PAWL_NOT_FOUND) {
            assert_back(&sides, &before);
        } else {
            must(status, &err);
            if (strcmp(action, "copy") == 0)
                must_migrate(&sides, "finalize");
            assert_moved(&sides, &before);
        }
    }
    ck_assert_int_gt(refused, 2);
}
END_TEST

/* --- somebody was at the target ------------------------------------------------------ */

static struct sides copied(bool from_redis, size_t count)
{
    struct sides sides = sides_fresh(from_redis);
    struct pawl_storage *from = jobs_open(sides.from);
    jobs_put(from, MIGRATE_QUEUE, count);
    storage_close(from);
    must_migrate(&sides, "copy");
    return sides;
}

/* The first five of what has arrived, under the mark of those that come back. */
static void turn_five_back(const char *url)
{
    struct pawl_storage *from = jobs_open(url);
    struct migrate_note note;
    struct pawl_error err = { 0 };
    struct pawl_job *jobs[5];
    struct pawl_id ids[5];
    enum pawl_status results[5];
    struct pawl_take_out in = { .queue = MIGRATE_QUEUE, .kind = PAWL_TAKE_HOLD, .limit = 5 };
    struct pawl_take_out_reply out = { .jobs = jobs, .results = results };
    must(migrate_note_read(from, &note, &err), &err);
    must(migrate_note_turn_back(from, &wall_clock, &note, &err), &err);
    in.mover = in.heir = note.mover;
    in.mover.b[sizeof in.mover.b - 1] ^= KEPT;
    in.heir.b[sizeof in.heir.b - 1] ^= BACK;
    must(storage_take_out(from, &in, &out, &err), &err);
    ck_assert_uint_eq(out.job_count, 5);
    for (int i = 0; i < 5; i++) {
        ids[i] = jobs[i]->id;
        pawl_job_free(jobs[i]);
    }
    in.kind = PAWL_TAKE_PASS;
    in.ids = ids;
    in.id_count = 5;
    must(storage_take_out(from, &in, &out, &err), &err);
    storage_close(from);
}

/* The first two at the target are claimed, and the first of them is done. */
static void work_there(struct pawl_storage *to)
{
    struct pawl_error err = { 0 };
    struct pawl_job *jobs[2] = { NULL };
    enum pawl_status result;
    struct pawl_exchange claim = { .queue = MIGRATE_QUEUE, .claim_max = 2,
                                   .lease = 3600000,
                                   .retention = { { -1, -1 }, { -1, -1 }, { -1, -1 } } };
    struct pawl_exchange_reply claimed = { .jobs = jobs };
    random_bytes(claim.owner.b, sizeof claim.owner.b);
    must(storage_exchange(to, &claim, &claimed, &err), &err);
    ck_assert_uint_eq(claimed.job_count, 2);
    struct pawl_outcome done = { .id = jobs[0]->id, .epoch = jobs[0]->epoch,
                                 .origin = jobs[0]->origin, .kind = PAWL_OUTCOME_COMPLETED };
    struct pawl_exchange write = claim;
    struct pawl_exchange_reply written = { .outcomes = &result };
    write.claim_max = 0;
    write.outcomes = &done;
    write.outcome_count = 1;
    must(storage_exchange(to, &write, &written, &err), &err);
    ck_assert_int_eq(result, PAWL_OK);
    pawl_job_free(jobs[0]);
    pawl_job_free(jobs[1]);
}

static void assert_counts(const struct sides *sides, uint64_t here, enum pawl_state state,
                          uint64_t there)
{
    struct pawl_storage *from = jobs_open(sides->from);
    struct inventory at_target = count_at(sides->to), at_source = count_at(sides->from);
    ck_assert_uint_eq(jobs_pending(from, MIGRATE_QUEUE), here);
    ck_assert_uint_eq(jobs_all(&at_source), here);
    ck_assert_uint_eq(at_target.states[state].count, there);
    storage_close(from);
}

/* A rollback died with five jobs on their way back, and the queue was resumed: one is
 * done and one is running there. These live there, and are not here any more. */
START_TEST(worked_on_meanwhile)
{
    struct sides sides = copied(_i, 20);
    turn_five_back(sides.from);
    struct pawl_storage *to = jobs_open(sides.to);
    work_there(to);
    must_migrate(&sides, "rollback");
    assert_counts(&sides, 18, PAWL_COMPLETED, 1);
    struct inventory there = count_at(sides.to);
    ck_assert_uint_eq(there.states[PAWL_PROCESSING].count, 1);
    ck_assert_uint_eq(jobs_all(&there), 2);
    storage_close(to);
}
END_TEST

/* A job that somebody cancelled at the target does not come back to life. */
START_TEST(cancelled_meanwhile)
{
    struct sides sides = copied(_i, 5);
    struct pawl_storage *to = jobs_open(sides.to);
    struct pawl_error err = { 0 };
    struct pawl_alter cancel = { .queue = MIGRATE_QUEUE, .kind = PAWL_ALTER_CANCEL,
                                 .from_states = PAWL_STATE_BIT(PAWL_PENDING), .limit = 1 };
    struct pawl_alter_reply out = { .results = NULL };
    must(storage_alter(to, &cancel, &out, &err), &err);
    ck_assert_uint_eq(out.changed, 1);
    storage_close(to);
    must_migrate(&sides, "rollback");
    assert_counts(&sides, 4, PAWL_CANCELLED, 1);
}
END_TEST

/* --- somebody is at the source ------------------------------------------------------------ */

/* Workers there always have something in hand: it ends all the same. */
START_TEST(ends_while_workers_go_on)
{
    struct sides sides = sides_fresh(_i);
    struct store store = { .url = "" };
    struct actor producer = { 0 }, worker = { 0 }, migrator = { 0 };
    char line[400] = "";
    store_make_at(&store, sides.from);
    store_actor(&store, &producer, "produce", "threads=2", "pause_us=20000", NULL);
    store_actor(&store, &worker, "work", "concurrency=8", "least_us=1500000", NULL);
    actor_expect(&producer, "ready");
    actor_expect(&worker, "ready");
    sleep_ms(300);
    migrator_start(&migrator, &sides, "move", 0, false);
    while (actor_line(&migrator, line, sizeof line) && strcmp(line, "working") == 0)
        continue;
    ck_assert_msg(strncmp(line, "done", 4) == 0, "%s", line);
    ck_assert_int_eq(actor_wait(&migrator, ACTOR_PATIENCE), 0);
    ck_assert(actor_alive(&producer) && actor_alive(&worker));
    actor_kill(&producer);
    actor_kill(&worker);
    temp_dir_remove(&store.folder);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("migrate-apart");
    tcase_add_loop_test(t, another_queue_first, 0, 4);
    tcase_add_loop_test(t, rollback_is_finished_first, 0, 2);
    tcase_add_loop_test(t, worked_on_meanwhile, 0, 2);
    tcase_add_loop_test(t, cancelled_meanwhile, 0, 2);
    tcase_add_loop_test(t, ends_while_workers_go_on, 0, 2);
    return migrate_run_tests("migrate-apart", t);
}
