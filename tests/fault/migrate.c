/* migrate.c - a migrator is killed at each of its steps, and another goes on: nothing
 * is lost, nothing is there twice, and each job is what it was. Two at once; a target
 * that is full; and many jobs there and back.
 *
 * $PAWL_JOBS: how many go there and back; 100,000.
 */
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "migrate_jobs.h"
#include "redis_server.h"
#include "store.h"

#define QUEUE "mail"
#define STEPS_MOST 200
#define MEMORY_MOST (64 * 1024) /* KiB */

static struct redis_server server;
static struct temp_dir folder;
static uint64_t seed;
static int trials;

static void begin(void)
{
    redis_server_start(&server, NULL);
    temp_dir_make(&folder);
    seed = test_seed();
}

static void end(void)
{
    redis_server_stop(&server);
    temp_dir_remove(&folder);
}

/* Two empty storages. */
struct sides {
    char from[1200], to[1200];
};

static struct sides fresh_sides(bool from_redis)
{
    struct sides sides;
    char file[400], redis[1200];
    trials++;
    snprintf(file, sizeof file, "sqlite:%s/%d.db?durability=normal", folder.path,
             trials);
    snprintf(redis, sizeof redis, "%s?prefix=t%d:", server.unix_url, trials);
    snprintf(sides.from, sizeof sides.from, "%s", from_redis ? redis : file);
    snprintf(sides.to, sizeof sides.to, "%s", from_redis ? file : redis);
    return sides;
}

static struct inventory count_at(const char *url)
{
    struct pawl_storage *storage = jobs_open(url);
    struct inventory inventory = jobs_count(storage, QUEUE);
    storage_close(storage);
    return inventory;
}

static struct inventory make_at(const char *url, size_t count)
{
    struct pawl_storage *storage = jobs_open(url);
    jobs_make(storage, QUEUE, count, &seed);
    struct inventory inventory = jobs_count(storage, QUEUE);
    storage_close(storage);
    return inventory;
}

/* --- a migrator ------------------------------------------------------------------ */

static void start(struct actor *actor, const struct sides *sides, const char *action,
                  long die_at, bool after)
{
    static const struct store nowhere;
    char from[1300], to[1300], what[40], at[40], states[40];
    snprintf(from, sizeof from, "from=%s", sides->from);
    snprintf(to, sizeof to, "to=%s", sides->to);
    snprintf(what, sizeof what, "action=%s", action);
    snprintf(at, sizeof at, "die_at=%ld", die_at);
    snprintf(states, sizeof states, "states=%u",
             strcmp(action, "move") == 0 || strcmp(action, "copy") == 0
                 ? MOVABLE_STATES | PAWL_STATE_BIT(PAWL_PROCESSING)
                 : 0);
    store_actor(&nowhere, actor, "migrate", from, to, what, at, states,
                after ? "after=1" : "after=0", NULL);
}

/* Was it killed? Else it said "done", or the test ends. */
static bool run(const struct sides *sides, const char *action, long die_at, bool after)
{
    struct actor actor = { 0 };
    char line[400] = "";
    start(&actor, sides, action, die_at, after);
    while (actor_line(&actor, line, sizeof line) && strcmp(line, "working") == 0)
        continue;
    int code = actor_wait(&actor, ACTOR_PATIENCE);
    if (code == 128 + 9)
        return true;
    ck_assert_msg(code == 0 && strncmp(line, "done", 4) == 0,
                  "%s, to die at %ld %d: exit %d, '%s'", action, die_at, after, code,
                  line);
    return false;
}

static void assert_moved(const struct sides *sides, const struct inventory *before)
{
    struct inventory left = count_at(sides->from), arrived = count_at(sides->to);
    ck_assert_uint_eq(jobs_all(&left), 0);
    ck_assert_uint_eq(jobs_all(&arrived), jobs_all(before));
    ck_assert_msg(jobs_same(before, &arrived), "the jobs are not what they were");
}

/* --- at each step ------------------------------------------------------------------ */

/* Killed before and after each call of a storage, and run again at once. */
START_TEST(killed_at_each_move)
{
    bool from_redis = _i & 1, after = _i & 2, dies = true;
    long step = 1;
    for (; dies && step < STEPS_MOST; step++) {
        struct sides sides = fresh_sides(from_redis);
        struct inventory before = make_at(sides.from, 40);
        dies = run(&sides, "move", step, after);
        if (dies)
            ck_assert(!run(&sides, "move", 0, false));
        assert_moved(&sides, &before);
    }
    ck_assert_int_gt(step, 15);
    ck_assert_int_lt(step, STEPS_MOST);
    say("%ld steps", step - 2);
}
END_TEST

/* Each job is at one side only: here as it was, or there. */
static void assert_back(const struct sides *sides, const struct inventory *before)
{
    struct inventory here = count_at(sides->from), there = count_at(sides->to);
    ck_assert_uint_eq(jobs_all(&there), 0);
    ck_assert_msg(jobs_same(before, &here), "the jobs are not what they were");
}

/* A copy killed at each step and rolled back; a rollback killed at each step and run
 * again; and both with finalize. */
START_TEST(killed_at_each_settling)
{
    static const char *const actions[] = { "rollback", "finalize" };
    bool after = _i & 1, dies = true;
    const char *action = actions[_i >> 1];
    long step = 1;
    for (; dies && step < STEPS_MOST; step++) {
        struct sides sides = fresh_sides(step & 1);
        struct inventory before = make_at(sides.from, 25);
        ck_assert(!run(&sides, "copy", 0, false));
        dies = run(&sides, action, step, after);
        if (dies) {
            /* Died after all was done but the lock: then there is no copy left. */
            struct actor actor = { 0 };
            char line[400] = "";
            start(&actor, &sides, action, 0, false);
            while (actor_line(&actor, line, sizeof line) && strcmp(line, "working") == 0)
                continue;
            ck_assert_int_eq(actor_wait(&actor, ACTOR_PATIENCE), 0);
            ck_assert_msg(strncmp(line, "done", 4) == 0 ||
                          strncmp(line, "failed there is no copy to", 26) == 0, "%s", line);
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
        struct sides sides = fresh_sides(step & 1);
        struct inventory before = make_at(sides.from, 25);
        dies = run(&sides, "copy", step, after);
        if (dies)
            ck_assert(!run(&sides, "copy", 0, false));
        struct inventory there = count_at(sides.to);
        ck_assert_msg(jobs_same(&before, &there), "the copies are not what they were");
        ck_assert(!run(&sides, "rollback", 0, false));
        assert_back(&sides, &before);
    }
    ck_assert_int_gt(step, 15);
    ck_assert_int_lt(step, STEPS_MOST);
}
END_TEST

/* Where two batches are on their way at once, by two threads. */
START_TEST(killed_with_two_batches)
{
    uint64_t kills = env_number("PAWL_STORM_KILLS", 24, 500), died = 0;
    for (uint64_t k = 0; k < kills; k++) {
        struct sides sides = fresh_sides(k & 1);
        struct inventory before = make_at(sides.from, 7000);
        long step = 35 + (long)(seeded(&seed) % 25);
        died += run(&sides, "move", step, k & 2);
        ck_assert(!run(&sides, "move", 0, false));
        assert_moved(&sides, &before);
    }
    say("%" PRIu64 " of %" PRIu64 " died", died, kills);
    ck_assert_uint_gt(died, kills / 2);
}
END_TEST

/* --- two at once -------------------------------------------------------------------- */

/* The second is refused and told who the first is; when that is killed, it is not in
 * the way. */
START_TEST(two_migrators)
{
    struct sides sides = fresh_sides(_i);
    struct inventory before = make_at(sides.from, 2000);
    struct actor first = { 0 }, second = { 0 };
    char line[400], want[200];
    start(&first, &sides, "move", 0, false);
    actor_expect(&first, "working");
    actor_signal(&first, SIGSTOP);
    actor_await_stop(&first);
    start(&second, &sides, "move", 0, false);
    ck_assert(actor_line(&second, line, sizeof line));
    snprintf(want, sizeof want,
             "failed another migration of this storage is running: process %d on '",
             (int)first.pid);
    ck_assert_msg(strncmp(line, want, strlen(want)) == 0, "%s", line);
    ck_assert_int_eq(actor_wait(&second, ACTOR_PATIENCE), 0);
    actor_kill(&first);
    ck_assert(!run(&sides, "move", 0, false));
    assert_moved(&sides, &before);
}
END_TEST

/* --- a full target --------------------------------------------------------------------- */

/* It stops with a clear message, nothing is lost, and it goes on when there is room. */
static void stops_for(const struct sides *sides, const char *why,
                      const struct inventory *before)
{
    struct actor actor = { 0 };
    char line[400] = "";
    start(&actor, sides, "move", 0, false);
    while (actor_line(&actor, line, sizeof line) && strcmp(line, "working") == 0)
        continue;
    actor_wait(&actor, ACTOR_PATIENCE);
    ck_assert_msg(strncmp(line, "failed ", 7) == 0 && strstr(line, why), "%s", line);
    struct inventory here = count_at(sides->from), there = count_at(sides->to);
    ck_assert_uint_eq(jobs_all(&here) + jobs_all(&there), jobs_all(before));
    ck_assert_uint_eq(here.states[PAWL_HELD].count, 0);
    ck_assert_uint_gt(jobs_all(&here), 0);
}

START_TEST(full_target)
{
    struct sides sides = fresh_sides(false);
    struct inventory before = make_at(sides.from, 20000);
    redis_server_do(&server, "CONFIG SET maxmemory-policy noeviction");
    redis_server_do(&server, "CONFIG SET maxmemory 6mb");
    stops_for(&sides, "maxmemory", &before);
    redis_server_do(&server, "CONFIG SET maxmemory 0");
    ck_assert(!run(&sides, "move", 0, false));
    assert_moved(&sides, &before);
}
END_TEST

/* The same with a file on a full disk, which then is a larger one. */
START_TEST(full_disk)
{
    struct sides sides = fresh_sides(true);
    struct inventory before = make_at(sides.from, 20000);
    char disk[300];
    snprintf(disk, sizeof disk, "%s/disk", folder.path);
    ck_assert_int_eq(mkdir(disk, 0700), 0);
    if ((unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", disk, "tmpfs", 0, "size=5m,mode=0700") < 0) {
        say("no disk of our own to be had here (%s)", strerror(errno));
        return;
    }
    snprintf(sides.to, sizeof sides.to, "sqlite:%s/pawl.db", disk);
    stops_for(&sides, "full", &before);
    ck_assert_int_eq(mount("none", disk, "tmpfs", MS_REMOUNT, "size=64m"), 0);
    ck_assert(!run(&sides, "move", 0, false));
    assert_moved(&sides, &before);
    umount(disk);
}
END_TEST

/* --- many ---------------------------------------------------------------------------------- */

/* There and back: of each state as many, with the same digest; in little memory. */
START_TEST(there_and_back)
{
    uint64_t count = env_number("PAWL_JOBS", 100000, 10000000);
    struct sides there = fresh_sides(false), back = there;
    struct rusage usage;
    snprintf(back.from, sizeof back.from, "%s", there.to);
    snprintf(back.to, sizeof back.to, "%s", there.from);
    struct inventory before = make_at(there.from, count);
    ck_assert(!run(&there, "move", 0, false));
    assert_moved(&there, &before);
    ck_assert(!run(&back, "move", 0, false));
    assert_moved(&back, &before);
    getrusage(RUSAGE_CHILDREN, &usage);
    say("%" PRIu64 " jobs there and back with at most %ld KiB", count, usage.ru_maxrss);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert_int_le(usage.ru_maxrss, MEMORY_MOST);
#endif
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("migrate");
    TCase *t = tcase_create("migrate");
    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_loop_test(t, killed_at_each_move, 0, 4);
    tcase_add_loop_test(t, killed_at_each_copy, 0, 2);
    tcase_add_loop_test(t, killed_at_each_settling, 0, 4);
    tcase_add_test(t, killed_with_two_batches);
    tcase_add_loop_test(t, two_migrators, 0, 2);
    tcase_add_test(t, full_target);
    tcase_add_test(t, full_disk);
    tcase_add_test(t, there_and_back);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
