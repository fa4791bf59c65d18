/* redis_crew.c - see redis_crew.h. */
#include "redis_crew.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static size_t dead_by_chance;

void crew_store_at(const char *url, const char *options)
{
    char whole[sizeof store_under_test.url];
    snprintf(whole, sizeof whole, "%s%c%s", url, strchr(url, '?') ? '&' : '?',
             options);
    store_make_at(&store_under_test, whole);
    dead_by_chance = 0;
}

/* --- who takes part ------------------------------------------------------------- */

struct crew crew_usual(size_t worker_count)
{
    return (struct crew){
        .worker_count = worker_count,
        .worker_words = { "concurrency=4", "least_us=500", "work_us=2000",
                          "lease=5000" },
        .producer_count = 1,
        .producer_words = { "threads=4", "pause_us=2000", "stubborn=1" },
    };
}

static void start(struct crew *crew, struct actor *actor, const char *role,
                  const char *const *own)
{
    const char *words[16];
    char seed[40], deadline[40];
    size_t used = 0;
    snprintf(seed, sizeof seed, "seed=%u", (unsigned)(seeded(&crew->random) >> 40));
    snprintf(deadline, sizeof deadline, "deadline=%d", CREW_DEADLINE);
    words[used++] = seed;
    words[used++] = deadline;
    while (*own)
        words[used++] = *own++;
    words[used] = NULL;
    store_actor_with(&store_under_test, actor, role, words);
}

void crew_start_worker(struct crew *crew, size_t i)
{
    start(crew, &crew->workers[i], "work", crew->worker_words);
}

void crew_start(struct crew *crew)
{
    crew->random = test_seed();
    for (size_t i = 0; i < crew->worker_count; i++)
        crew_start_worker(crew, i);
    for (size_t i = 0; i < crew->producer_count; i++)
        start(crew, &crew->producers[i], "produce", crew->producer_words);
    for (size_t i = 0; i < crew->worker_count; i++)
        actor_expect(&crew->workers[i], "ready");
    for (size_t i = 0; i < crew->producer_count; i++)
        actor_expect(&crew->producers[i], "ready");
}

void crew_stop_producing(struct crew *crew)
{
    for (size_t i = 0; i < crew->producer_count; i++)
        actor_kill(&crew->producers[i]);
}

void crew_stop_working(struct crew *crew)
{
    for (size_t i = 0; i < crew->worker_count; i++)
        actor_signal(&crew->workers[i], SIGTERM);
    for (size_t i = 0; i < crew->worker_count; i++)
        ck_assert_int_eq(actor_wait(&crew->workers[i], ACTOR_PATIENCE), 0);
}

/* --- going on --------------------------------------------------------------------- */

static bool did(const struct history *history, const char *what, pid_t pid)
{
    for (size_t i = 0; i < history->count; i++) {
        const struct event *e = &history->events[i];
        if (e->pid == (int)pid && strcmp(e->what, what) == 0)
            return true;
    }
    return false;
}

/* 0: everybody did something; else who did not. */
static pid_t who_did_nothing(const struct crew *crew, const struct history *history)
{
    pid_t idle = 0;
    for (size_t i = 0; i < crew->worker_count; i++) {
        ck_assert_msg(actor_alive(&crew->workers[i]), "worker %zu gave up", i);
        if (!did(history, "run", crew->workers[i].pid))
            idle = crew->workers[i].pid;
    }
    for (size_t i = 0; i < crew->producer_count; i++) {
        ck_assert_msg(actor_alive(&crew->producers[i]), "producer %zu gave up", i);
        if (!did(history, "ok", crew->producers[i].pid))
            idle = crew->producers[i].pid;
    }
    return idle;
}

int64_t crew_goes_on(struct crew *crew, const char *after_what)
{
    int64_t began = now_us(), limit = 10 * CREW_TARGET * INT64_C(1000);
    long from = history_size(store_under_test.history);
    pid_t idle = -1;
    while (idle != 0) {
        struct history history;
        ck_assert_msg(now_us() - began < limit,
                      "after %s process %d has done nothing for %" PRId64 " ms",
                      after_what, (int)idle, limit / 1000);
        sleep_ms(5);
        history_read_from(store_under_test.history, from, &history);
        idle = who_did_nothing(crew, &history);
        history_clear(&history);
    }
    return (now_us() - began) / 1000;
}

/* --- the end of it ------------------------------------------------------------------ */

static size_t retry_dead(void)
{
    struct pawl_filter dead = { .queue = STORE_QUEUE, .state = PAWL_DEAD };
    struct pawl_alteration retry = { .action = PAWL_ACTION_RETRY };
    struct pawl_error err = { 0 };
    size_t changed = 0;
    struct pawl *pawl = store_open(&store_under_test, 0);
    enum pawl_status status =
        pawl_alter_where(pawl, &retry, &dead, &changed, &err);
    ck_assert_msg(status == PAWL_OK, "retry: %s", err.message);
    pawl_close(pawl);
    return changed;
}

void crew_settle(void)
{
    size_t dead;
    store_drain(&store_under_test);
    while ((dead = retry_dead()) > 0) {
        dead_by_chance += dead;
        store_drain(&store_under_test);
    }
}

/* Some of those that began again, so that one can see why. */
static void note_again(const struct event *run, const struct event *next,
                       size_t so_far)
{
    if (so_far < 5)
        say("job %s: process %d epoch %u, then process %d epoch %u, %" PRId64
            " ms later", run->id, run->pid, run->epoch, next->pid, next->epoch,
            (next->at - run->at) / 1000);
}

/* All that is noted about one job. */
static void check_job(const struct crew_rules *rules, const struct id_list *stored,
                      const struct event *events, size_t count,
                      struct crew_findings *found)
{
    const struct event *run = NULL;
    bool invoked = false, ok = false, refused = false;
    bool is_stored = id_list_has(stored, events->id);
    for (size_t i = 0; i < count; i++) {
        const struct event *e = &events[i];
        invoked = invoked || strcmp(e->what, "invoke") == 0;
        ok = ok || strcmp(e->what, "ok") == 0;
        refused = refused || strcmp(e->what, "refused") == 0;
        if (strcmp(e->what, "run") != 0)
            continue;
        ck_assert_msg(!run || rules->epochs_go_back || e->epoch > run->epoch,
                      "job %s ran with epoch %u in process %d and then with %u in %d",
                      run->id, run->epoch, run->pid, e->epoch, e->pid);
        if (run)
            note_again(run, e, found->again++);
        found->runs++;
        run = e;
    }
    ck_assert_msg(invoked, "job %s ran, but nobody enqueued it", events->id);
    ck_assert_msg(!refused || !is_stored, "job %s was refused, but is stored",
                  events->id);
    ck_assert_msg(!ok || is_stored || rules->may_lose,
                  "job %s was accepted and is LOST", events->id);
    ck_assert_msg(!is_stored || run, "job %s never ran", events->id);
    found->accepted += ok;
    found->refused += refused;
    found->unknown += !ok && !refused;
    found->lost += ok && !is_stored;
}

static void look_at_store(struct id_list *stored)
{
    struct pawl *pawl = store_open(&store_under_test, 0);
    store_ids(pawl, 0, stored);
    struct pawl_queue_stats totals = store_totals(pawl);
    pawl_close(pawl);
    ck_assert_uint_eq(totals.jobs[PAWL_COMPLETED], stored->count);
    ck_assert_uint_eq(totals.completed_total, stored->count);
    ck_assert_uint_eq(totals.failed_total, 0);
}

struct crew_findings crew_check(const struct crew_rules *rules, const char *what)
{
    struct crew_findings found = { .dead = dead_by_chance };
    struct history history;
    struct id_list stored;
    size_t noted = 0;
    look_at_store(&stored);
    history_read(store_under_test.history, &history);
    history_by_id(&history);
    for (size_t from = 0; from < history.count;) {
        size_t next = history_next_id(&history, from);
        noted += id_list_has(&stored, history.events[from].id);
        check_job(rules, &stored, &history.events[from], next - from, &found);
        from = next;
    }
    found.stored = stored.count;
    ck_assert_msg(noted == stored.count, "%zu jobs that nobody enqueued",
                  stored.count - noted);
    say("%s: %zu accepted, %zu unknown, %zu refused; %zu stored, %zu lost; %zu runs, "
        "%zu of them again, %zu dead by chance", what, found.accepted, found.unknown,
        found.refused, found.stored, found.lost, found.runs, found.again, found.dead);
    ck_assert_uint_le(found.again, rules->again_most);
    ck_assert_uint_gt(found.accepted, 0);
    history_clear(&history);
    id_list_clear(&stored);
    return found;
}

/* --- the program -------------------------------------------------------------------- */

static void (*end_of_test)(void);

static void fixture_begin(void)
{
    store_under_test = (struct store){ .file = "" };
}

static void fixture_end(void)
{
    temp_dir_remove(&store_under_test.folder);
    end_of_test();
}

int crew_run(const char *name, const TTest *const *tests, size_t count,
             double seconds, void (*end)(void))
{
    end_of_test = end;
    return store_run_with(name, tests, count, seconds, fixture_begin, fixture_end);
}

int crew_run_lanes(const char *name, const struct lane_test *tests, size_t count,
                   int lane_count, double seconds, void (*end)(void))
{
    end_of_test = end;
    return lanes_run(name, tests, count, lane_count, seconds, fixture_begin,
                     fixture_end);
}
