/* migrate_bulk.c - many jobs at once: a target that is full, every kind of job there and
 * back, and the memory it takes.
 *
 * $PAWL_JOBS: how many go there and back; 100,000. $PAWL_MANY_JOBS: how many go one way
 * in little memory; 1,000,000, or 10,000,000 in a --long run. $PAWL_WAYS: 2: also those
 * from Redis to SQLite; in a --long run.
 */
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "migrate_rig.h"
#define MEMORY_MOST (64 * 1024) /* KiB */

/* --- a full target --------------------------------------------------------------------- */

/* It stops with a clear message, nothing is lost, and it goes on when there is room. */
static void stops_for(const struct sides *sides, const char *why,
                      const struct inventory *before)
{
    struct actor actor = { 0 };
    char line[400] = "";
    migrator_start(&actor, sides, "move", 0, false);
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
    struct sides sides = sides_fresh(false);
    struct inventory before = make_at(sides.from, 20000);
    redis_server_do(&migrate_server, "CONFIG SET maxmemory-policy noeviction");
    redis_server_do(&migrate_server, "CONFIG SET maxmemory 6mb");
    stops_for(&sides, "maxmemory", &before);
    redis_server_do(&migrate_server, "CONFIG SET maxmemory 0");
    must_migrate(&sides, "move");
    assert_moved(&sides, &before);
}
END_TEST

/* The same with a file on a full disk, which then is a larger one. */
START_TEST(full_disk)
{
    struct sides sides = sides_fresh(true);
    struct inventory before = make_at(sides.from, 20000);
    char disk[300];
    snprintf(disk, sizeof disk, "%s/disk", migrate_folder.path);
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
    must_migrate(&sides, "move");
    assert_moved(&sides, &before);
    umount(disk);
}
END_TEST

/* --- many ---------------------------------------------------------------------------------- */

/* In a process of its own, whose memory is its own, too. */
static void in_little_memory(const struct sides *sides)
{
    struct actor actor = { 0 };
    char line[400] = "";
    unsigned long long moved;
    long kib = 0;
    int64_t began = now_us();
    migrator_start(&actor, sides, "move", 0, false);
    while (actor_line(&actor, line, sizeof line) && strcmp(line, "working") == 0)
        continue;
    ck_assert_int_eq(actor_wait(&actor, ACTOR_PATIENCE), 0);
    ck_assert_msg(sscanf(line, "done %llu %ld", &moved, &kib) == 2, "%s", line);
    say("%llu jobs in %.1f s with %ld KiB", moved, (double)(now_us() - began) / 1e6, kib);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert_int_le(kib, MEMORY_MOST);
#endif
}

/* There and back: of each state as many, with the same digest. */
START_TEST(there_and_back)
{
    struct sides there = sides_fresh(false), back = sides_exchanged(&there);
    struct inventory before = make_at(there.from, env_number("PAWL_JOBS", 100000, 100000));
    in_little_memory(&there);
    assert_moved(&there, &before);
    in_little_memory(&back);
    assert_moved(&back, &before);
}
END_TEST

/* Many more of them, small and all alike: the memory does not grow with their number. */
static void in_memory_of_its_own(bool from_redis)
{
    size_t count = env_number("PAWL_MANY_JOBS", 1000000, 10000000);
    struct sides sides = sides_fresh(from_redis);
    struct pawl_storage *storage = jobs_open(sides.from);
    jobs_put(storage, MIGRATE_QUEUE, count);
    storage_close(storage);
    in_little_memory(&sides);
    storage = jobs_open(sides.to);
    ck_assert_uint_eq(jobs_pending(storage, MIGRATE_QUEUE), count);
    storage_close(storage);
}

START_TEST(a_million)
{
    in_memory_of_its_own(_i);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("migrate-bulk");
    tcase_add_test(t, full_target);
    tcase_add_test(t, full_disk);
    tcase_add_test(t, there_and_back);
    /* Both ways only in a --long run: each takes half a minute. */
    tcase_add_loop_test(t, a_million, 0, (int)env_number("PAWL_WAYS", 1, 2));
    return migrate_run_tests("migrate-bulk", t);
}
