/* migrate_live.c - a migration among the living: producers and workers on both sides,
 * the migrator killed at random moments and run again each time, and Redis killed and
 * restarted in between.
 *
 * When all is over each job that was accepted is completed on one side, once, and was
 * begun once. (Where Redis is killed a claim may be lost with it, and its job begun
 * again; not completed again.)
 *
 * $PAWL_STORM_KILLS: how many; 40, or 1,000 in a --long run. After each 40 everything is
 * made anew: a plan looks through what the target has, and with ever more there most
 * migrators would be killed over their plan.
 */
#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "redis_server.h"
#include "store.h"

enum { PRODUCERS = 2, WORKERS = 2, SIDES = 2, ROUND = 40 };

#define MOVE_MOST INT64_C(600000000) /* us until a test gives up on moving */

static struct redis_server server;
static struct store sides[SIDES]; /* a file, and a Redis */

struct crowd {
    struct actor producers[SIDES][PRODUCERS], workers[SIDES][WORKERS];
    int pids[SIDES][PRODUCERS]; /* of the producers, also when they are gone */
};

/* More is enqueued at `from` than its workers can do, so that there is always something
 * to move: however slow a commit is, those of several threads share it, while a worker
 * does one job at a time. */
static void start_crowd(struct crowd *crowd, int from, uint64_t *random)
{
    char seed[40];
    for (int side = 0; side < SIDES; side++) {
        for (int i = 0; i < PRODUCERS; i++) {
            snprintf(seed, sizeof seed, "seed=%u", (unsigned)(seeded(random) >> 40));
            store_actor(&sides[side], &crowd->producers[side][i], "produce",
                        side == from ? "threads=4" : "threads=1",
                        side == from ? "pause_us=8000" : "pause_us=6000", "stubborn=1",
                        seed, NULL);
        }
        for (int i = 0; i < WORKERS; i++)
            store_actor(&sides[side], &crowd->workers[side][i], "work",
                        "concurrency=1",
                        side == from ? "least_us=10000" : "least_us=3000",
                        "work_us=3000", NULL);
    }
    for (int side = 0; side < SIDES; side++) {
        for (int i = 0; i < PRODUCERS; i++)
            actor_expect(&crowd->producers[side][i], "ready");
        for (int i = 0; i < PRODUCERS; i++)
            crowd->pids[side][i] = (int)crowd->producers[side][i].pid;
        for (int i = 0; i < WORKERS; i++)
            actor_expect(&crowd->workers[side][i], "ready");
    }
}

/* A producer that is killed may be in the midst of a call: then its last job may be
 * there or not. */
static void stop_producing(struct crowd *crowd, int side)
{
    for (int i = 0; i < PRODUCERS; i++) {
        ck_assert(actor_alive(&crowd->producers[side][i]));
        actor_kill(&crowd->producers[side][i]);
    }
}

static void stop_working(struct crowd *crowd, int side)
{
    for (int i = 0; i < WORKERS; i++) {
        ck_assert(actor_alive(&crowd->workers[side][i]));
        actor_signal(&crowd->workers[side][i], SIGTERM);
        ck_assert_int_eq(actor_wait(&crowd->workers[side][i], ACTOR_PATIENCE), 0);
    }
}

/* --- the migrator -------------------------------------------------------------------- */

static void start_migrator(struct actor *actor, int from, const char *more)
{
    char source[1200], target[1200];
    snprintf(source, sizeof source, "from=%s", sides[from].url);
    snprintf(target, sizeof target, "to=%s", sides[1 - from].url);
    store_actor(&sides[from], actor, "migrate", source, target, more, NULL);
}

/* Killed at a random moment, counted from its start or from when it is at work, of
 * which each is half. Was it still there? */
static bool killed_at_random(int from, bool at_work, uint64_t *random)
{
    struct actor migrator = { 0 };
    char line[400];
    start_migrator(&migrator, from, NULL);
    if (at_work)
        actor_line(&migrator, line, sizeof line); /* or it failed, or is over */
    sleep_ms((long)(seeded(random) % 100));
    bool alive = actor_alive(&migrator);
    actor_kill(&migrator);
    return alive;
}

/* However slow the machine is, go on until so many have moved; then it is killed. */
static void until_moved(int from, const char *enough)
{
    char line[400];
    bool moved = false;
    for (int64_t until = now_us() + MOVE_MOST; !moved && now_us() < until;) {
        struct actor migrator = { 0 };
        start_migrator(&migrator, from, enough);
        while (!moved && actor_line(&migrator, line, sizeof line))
            moved = strcmp(line, "enough") == 0;
        actor_kill(&migrator);
    }
    ck_assert_msg(moved, "it does not move %s jobs in all that time", enough);
}

/* Run it to its end, again where Redis was away. */
static void migrate(int from)
{
    char line[400] = "";
    for (int tries = 0; tries < 50; tries++) {
        struct actor actor = { 0 };
        start_migrator(&actor, from, NULL);
        while (actor_line(&actor, line, sizeof line) && strcmp(line, "working") == 0)
            continue;
        ck_assert_int_eq(actor_wait(&actor, ACTOR_PATIENCE), 0);
        if (strncmp(line, "done", 4) == 0)
            return;
        sleep_ms(100);
    }
    ck_abort_msg("it does not end: %s", line);
}

static void restart_redis(void)
{
    redis_server_kill(&server);
    sleep_ms(50);
    redis_server_again(&server);
}

/* --- what must be true ------------------------------------------------------------------ */

struct truth {
    const struct crowd *crowd;
    struct id_list completed[SIDES], all[SIDES];
    size_t moved[SIDES]; /* enqueued on this side, and completed on the other */
    size_t doubtful;     /* there, though no enqueue was answered */
};

static int side_of(const struct crowd *crowd, int pid)
{
    for (int side = 0; side < SIDES; side++)
        for (int i = 0; i < PRODUCERS; i++)
            if (crowd->pids[side][i] == pid)
                return side;
    return -1;
}

static void read_truth(struct truth *truth)
{
    for (int side = 0; side < SIDES; side++) {
        struct pawl *pawl = store_open(&sides[side], 0);
        store_ids(pawl, PAWL_COMPLETED, &truth->completed[side]);
        store_ids(pawl, 0, &truth->all[side]);
        struct pawl_queue_stats totals = store_totals(pawl);
        pawl_close(pawl);
        ck_assert_uint_eq(truth->completed[side].count, truth->all[side].count);
        /* Each completion that was accepted is counted. */
        ck_assert_uint_eq(totals.completed_total, truth->completed[side].count);
        ck_assert_uint_eq(totals.dead_total, 0);
    }
}

static void check_job(struct truth *truth, const struct event *events, size_t count,
                      bool may_run_again)
{
    const char *id = events[0].id;
    int made = side_of(truth->crowd, events[0].pid);
    int here = id_list_has(&truth->completed[0], id) +
               id_list_has(&truth->completed[1], id);
    bool ok = false;
    uint32_t last = 0;
    size_t runs = 0;
    for (size_t i = 0; i < count; i++) {
        ok = ok || strcmp(events[i].what, "ok") == 0;
        if (strcmp(events[i].what, "run") != 0)
            continue;
        ck_assert_msg(events[i].epoch > last, "job %s ran under epoch %u after %u", id,
                      events[i].epoch, last);
        last = events[i].epoch;
        runs++;
    }
    ck_assert_msg(here <= 1, "job %s is on both sides", id);
    ck_assert_msg(here == 1 || !ok, "job %s is lost", id);
    ck_assert_msg(runs >= (size_t)here, "job %s is completed and never ran", id);
    ck_assert_msg(may_run_again || runs <= 1, "job %s was handled %zu times", id, runs);
    truth->doubtful += !ok && here;
    ck_assert_int_ge(made, 0);
    truth->moved[made] += (size_t)id_list_has(&truth->completed[1 - made], id);
}

static void check(const struct crowd *crowd, int from, bool may_run_again)
{
    struct truth truth = { .crowd = crowd };
    struct history history;
    size_t jobs = 0;
    read_truth(&truth);
    history_read(sides[0].history, &history);
    history_by_id(&history);
    for (size_t i = 0, next; i < history.count; i = next, jobs++) {
        next = history_next_id(&history, i);
        check_job(&truth, &history.events[i], next - i, may_run_again);
    }
    say("%zu jobs, %zu completed here and %zu there, %zu of them moved; %zu whose "
        "enqueue was cut off", jobs, truth.completed[from].count,
        truth.completed[1 - from].count, truth.moved[from], truth.doubtful);
    ck_assert_uint_gt(truth.completed[from].count, 0);
    ck_assert_uint_gt(truth.moved[from], 100);
    ck_assert_uint_eq(truth.moved[1 - from], 0);
    for (int side = 0; side < SIDES; side++) {
        id_list_clear(&truth.completed[side]);
        id_list_clear(&truth.all[side]);
    }
    history_clear(&history);
}

/* --- the storm ------------------------------------------------------------------------------ */

static void storm(int from, bool restarts)
{
    uint64_t random = test_seed();
    struct crowd crowd = { 0 };
    size_t killed = 0;
    start_crowd(&crowd, from, &random);
    for (int k = 0; k < ROUND; k++) {
        killed += killed_at_random(from, k % 2 == 0, &random);
        if (restarts && k % 8 == 5)
            restart_redis();
    }
    until_moved(from, "enough=101");
    stop_producing(&crowd, from);
    migrate(from);
    stop_working(&crowd, from);
    migrate(from);
    stop_producing(&crowd, 1 - from);
    stop_working(&crowd, 1 - from);
    store_drain(&sides[0]);
    store_drain(&sides[1]);
    say("%zu of %d migrators were killed at work", killed, ROUND);
    check(&crowd, from, restarts);
}

START_TEST(among_the_living)
{
    storm(_i % SIDES, false);
}
END_TEST

START_TEST(redis_restarted)
{
    storm(_i % SIDES, true);
}
END_TEST

static void begin(void)
{
    const char *const options[] = { "--appendonly", "yes", "--appendfsync", "always",
                                    NULL };
    char url[1100];
    redis_server_start(&server, options);
    store_make(&sides[0]);
    snprintf(url, sizeof url, "%s?timeout=2s&connect-timeout=500ms", server.unix_url);
    store_make_at(&sides[1], url);
    /* One history of both. */
    memcpy(sides[1].history, sides[0].history, sizeof sides[1].history);
}

static void end(void)
{
    redis_server_stop(&server);
    temp_dir_remove(&sides[0].folder);
    temp_dir_remove(&sides[1].folder);
}

int main(void)
{
    Suite *suite = suite_create("migrate-live");
    TCase *t = tcase_create("migrate-live");
    uint64_t kills = env_number("PAWL_STORM_KILLS", ROUND, 1000);
    int rounds = (int)((kills + ROUND - 1) / ROUND);
    tcase_set_timeout(t, 3600);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_loop_test(t, among_the_living, 0, SIDES * rounds);
    tcase_add_loop_test(t, redis_restarted, 0, SIDES * rounds);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
