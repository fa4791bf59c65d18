/* migrate_rig.c - see migrate_rig.h. */
#include "migrate_rig.h"
#include "program.h"

#include <stdio.h>
#include <string.h>

#include "util/clock.h"

struct redis_server migrate_server;
struct temp_dir migrate_folder;
uint64_t migrate_seed;
static int trials;

static void begin(void)
{
    redis_server_start(&migrate_server, NULL);
    temp_dir_make(&migrate_folder);
    migrate_seed = test_seed();
}

static void end(void)
{
    redis_server_stop(&migrate_server);
    temp_dir_remove(&migrate_folder);
}

int migrate_run_tests(const char *name, TCase *tcase)
{
    Suite *suite = suite_create(name);
    tcase_set_timeout(tcase, 7200);
    tcase_add_checked_fixture(tcase, begin, end);
    suite_add_tcase(suite, tcase);
    return program_run(suite);
}

/* --- two storages ------------------------------------------------------------------ */

struct sides sides_fresh(bool from_redis)
{
    struct sides sides;
    char file[400], redis[1200];
    trials++;
    snprintf(file, sizeof file, "sqlite:%s/%d.db?durability=normal", migrate_folder.path,
             trials);
    snprintf(redis, sizeof redis, "%s?prefix=t%d:", migrate_server.unix_url, trials);
    snprintf(sides.from, sizeof sides.from, "%s", from_redis ? redis : file);
    snprintf(sides.to, sizeof sides.to, "%s", from_redis ? file : redis);
    return sides;
}

struct sides sides_exchanged(const struct sides *sides)
{
    struct sides back;
    memcpy(back.from, sides->to, sizeof back.from);
    memcpy(back.to, sides->from, sizeof back.to);
    return back;
}

struct inventory count_at(const char *url)
{
    struct pawl_storage *storage = jobs_open(url);
    struct inventory inventory = jobs_count(storage, MIGRATE_QUEUE);
    storage_close(storage);
    return inventory;
}

struct inventory make_at(const char *url, size_t count)
{
    struct pawl_storage *storage = jobs_open(url);
    jobs_make(storage, MIGRATE_QUEUE, count, &migrate_seed);
    struct inventory inventory = jobs_count(storage, MIGRATE_QUEUE);
    storage_close(storage);
    return inventory;
}

void assert_moved(const struct sides *sides, const struct inventory *before)
{
    struct inventory left = count_at(sides->from), arrived = count_at(sides->to);
    ck_assert_uint_eq(jobs_all(&left), 0);
    ck_assert_uint_eq(jobs_all(&arrived), jobs_all(before));
    ck_assert_msg(jobs_same(before, &arrived), "the jobs are not what they were");
}

void assert_back(const struct sides *sides, const struct inventory *before)
{
    struct inventory here = count_at(sides->from), there = count_at(sides->to);
    ck_assert_uint_eq(jobs_all(&there), 0);
    ck_assert_msg(jobs_same(before, &here), "the jobs are not what they were");
}

pawl_time migrate_wall(void *context)
{
    (void)context;
    return clock_wall_ms();
}

void hold_as(struct pawl_storage *storage, struct pawl_session mark, uint8_t which)
{
    struct pawl_job *jobs[5];
    struct pawl_error err = { 0 };
    struct pawl_take_out in = { .queue = MIGRATE_QUEUE, .mover = mark, .limit = 5,
                                .kind = PAWL_TAKE_HOLD, .only_new = true,
                                .from_states = PAWL_STATE_BIT(PAWL_PENDING) };
    struct pawl_take_out_reply out = { .jobs = jobs };
    in.mover.b[sizeof in.mover.b - 1] ^= which;
    ck_assert_msg(storage_take_out(storage, &in, &out, &err) == PAWL_OK, "%s",
                  err.message);
    ck_assert_uint_eq(out.job_count, 5);
    while (out.job_count > 0)
        pawl_job_free(jobs[--out.job_count]);
}

/* --- a migrator ---------------------------------------------------------------------- */

static bool settles(const char *action)
{
    return strcmp(action, "move") != 0 && strcmp(action, "copy") != 0;
}

static unsigned states_of(const char *action)
{
    return settles(action) ? 0 : MOVABLE_STATES | PAWL_STATE_BIT(PAWL_PROCESSING);
}

static void start(struct actor *actor, const struct sides *sides, const char *action,
                  const char *const more[2])
{
    static const struct store nowhere;
    char from[1300], to[1300], what[40], states[40];
    snprintf(from, sizeof from, "from=%s", sides->from);
    snprintf(to, sizeof to, "to=%s", sides->to);
    snprintf(what, sizeof what, "action=%s", action);
    snprintf(states, sizeof states, "states=%u", states_of(action));
    store_actor(&nowhere, actor, "migrate", from, to, what, states, more[0], more[1],
                NULL);
}

void migrator_start(struct actor *actor, const struct sides *sides, const char *action,
                    long die_at, bool after)
{
    char at[40];
    snprintf(at, sizeof at, "die_at=%ld", die_at);
    start(actor, sides, action, (const char *[]){ at, after ? "after=1" : "after=0" });
}

void migrator_halts(struct actor *actor, const struct sides *sides)
{
    start(actor, sides, "move", (const char *[]){ "halt=1", NULL });
}

bool migrator_dies(const struct sides *sides, const char *action, long die_at,
                   bool after)
{
    struct actor actor = { 0 };
    char line[400] = "";
    migrator_start(&actor, sides, action, die_at, after);
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

enum pawl_status migrate_here(const struct sides *sides, const char *action,
                              struct pawl_error *err)
{
    struct pawl_migrate_options options = { .from = sides->from, .to = sides->to,
                                            .copy = strcmp(action, "move") != 0,
                                            .states = states_of(action) };
    struct pawl_migration *migration = NULL;
    enum pawl_status status = pawl_migrate_open(&options, &migration, err);
    if (status == PAWL_OK && strcmp(action, "finalize") == 0)
        status = pawl_migrate_finalize(migration, err);
    else if (status == PAWL_OK && strcmp(action, "rollback") == 0)
        status = pawl_migrate_rollback(migration, err);
    else if (status == PAWL_OK)
        status = pawl_migrate_run(migration, err);
    pawl_migrate_close(migration);
    return status;
}

void must_migrate(const struct sides *sides, const char *action)
{
    struct pawl_error err = { 0 };
    enum pawl_status status = migrate_here(sides, action, &err);
    ck_assert_msg(status == PAWL_OK, "%s: %s", action, err.message);
}
