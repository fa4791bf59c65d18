/* storm.c - kill -9 of producers and workers at random moments.
 *
 * While it storms, three producers and three workers share one file; one of the
 * six is killed every 20 to 140 ms, and replaced as the next one is killed. Then
 * the queue is worked empty and the notes of all of them are compared with what
 * is in the store:
 *
 *   - every enqueue that answered OK is stored, and nothing that nobody enqueued
 *   - every stored job ran, and completed once: totals count each completion
 *   - a job ran again only because the worker of the run before was killed, and
 *     no worker had more of them in hand than it could run and report
 *
 * $PAWL_STORM_KILLS: how many; 50, or 1,000 in a --long run.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum {
    PRODUCERS = 3,
    WORKERS = 3,
    ACTORS = PRODUCERS + WORKERS,
    /* What one worker may have started without a stored outcome: its four
     * threads, and what they finished since the last exchange. */
    IN_HAND = 4 + 60,
    RECOVERY_MS = 2000,
};

struct kill {
    int pid;
    int64_t at;
    int again; /* runs of it that were repeated */
};

struct storm {
    struct actor actors[ACTORS];
    struct kill *kills;
    size_t kill_count, worker_kills;
    uint64_t random;
    struct id_list stored;
    struct id_list dead; /* killed three times by chance */
    /* what the check finds */
    size_t accepted, unknown, unknown_stored, extra, measured;
    int64_t recovery_max, recovery_sum;
};

static void start(struct storm *s, size_t i)
{
    char seed[40];
    snprintf(seed, sizeof seed, "seed=%u", (unsigned)(seeded(&s->random) >> 40));
    if (i < PRODUCERS)
        store_actor(&store_under_test, &s->actors[i], "produce", "threads=2",
                    "pause_us=4000", seed, NULL);
    else
        store_actor(&store_under_test, &s->actors[i], "work", "concurrency=4",
                    "work_us=3000", NULL);
}

static void kill_one(struct storm *s, size_t i)
{
    ck_assert_msg(actor_alive(&s->actors[i]), "actor %zu gave up", i);
    int pid = (int)s->actors[i].pid;
    actor_kill(&s->actors[i]);
    s->kills[s->kill_count++] = (struct kill){ .pid = pid, .at = now_us() };
    s->worker_kills += i >= PRODUCERS;
}

static void blow(struct storm *s, size_t kills)
{
    s->kills = calloc(kills + PRODUCERS, sizeof *s->kills);
    ck_assert_ptr_nonnull(s->kills);
    for (size_t i = 0; i < ACTORS; i++)
        start(s, i);
    size_t down = ACTORS;
    for (size_t k = 0; k < kills; k++) {
        size_t i = seeded(&s->random) % ACTORS;
        sleep_ms(20 + (long)(seeded(&s->random) % 120));
        /* Meanwhile the others find what the last one had in hand. */
        if (down < ACTORS)
            start(s, down);
        kill_one(s, i);
        down = i;
    }
    start(s, down);
    sleep_ms(200);
    /* Producers never end by themselves. */
    for (size_t i = 0; i < PRODUCERS; i++) {
        kill_one(s, i);
    }
    for (size_t i = PRODUCERS; i < ACTORS; i++) {
        actor_expect(&s->actors[i], "ready");
        actor_signal(&s->actors[i], SIGTERM);
        ck_assert_int_eq(actor_wait(&s->actors[i], ACTOR_PATIENCE), 0);
    }
}

/* The kill that ended this run's process. */
static struct kill *kill_after(struct storm *s, const struct event *run)
{
    struct kill *found = NULL;
    for (size_t k = 0; k < s->kill_count; k++) {
        struct kill *one = &s->kills[k];
        if (one->pid == run->pid && one->at >= run->at &&
            (!found || one->at < found->at))
            found = one;
    }
    return found;
}

static void check_again(struct storm *s, const struct event *run,
                        const struct event *next)
{
    struct kill *kill = kill_after(s, run);
    ck_assert_msg(next->epoch > run->epoch,
                  "job %s ran with epoch %u and then with %u", run->id,
                  run->epoch, next->epoch);
    ck_assert_msg(kill, "job %s ran again, but process %d was not killed",
                  run->id, run->pid);
    kill->again++;
    ck_assert_msg(kill->again <= IN_HAND, "process %d had over %d jobs in hand",
                  run->pid, IN_HAND);
    s->extra++;
    /* One that was dead waited for us. */
    if (id_list_has(&s->dead, run->id))
        return;
    int64_t recovery = next->at - kill->at;
    s->measured++;
    s->recovery_sum += recovery;
    if (recovery > s->recovery_max)
        s->recovery_max = recovery;
}

/* All that is noted about one job. */
static void check_job(struct storm *s, const struct event *events, size_t count)
{
    const struct event *run = NULL;
    bool invoked = false, ok = false;
    bool stored = id_list_has(&s->stored, events->id);
    for (size_t i = 0; i < count; i++) {
        const struct event *e = &events[i];
        ck_assert_msg(strcmp(e->what, "refused") != 0,
                      "an enqueue was refused: %s", e->text);
        invoked = invoked || strcmp(e->what, "invoke") == 0;
        ok = ok || strcmp(e->what, "ok") == 0;
        if (strcmp(e->what, "run") != 0)
            continue;
        if (run)
            check_again(s, run, e);
        run = e;
    }
    ck_assert_msg(invoked, "job %s ran, but nobody enqueued it", events->id);
    ck_assert_msg(!ok || stored, "job %s was accepted and is LOST", events->id);
    ck_assert_msg(!stored || run, "job %s never ran", events->id);
    ck_assert_msg(!run || stored, "job %s ran, but is not stored", events->id);
    s->accepted += ok;
    s->unknown += !ok;
    s->unknown_stored += !ok && stored;
}

static void check_notes(struct storm *s)
{
    struct history history;
    size_t noted = 0;
    history_read(store_under_test.history, &history);
    history_by_id(&history);
    for (size_t from = 0; from < history.count;) {
        size_t next = history_next_id(&history, from);
        noted += id_list_has(&s->stored, history.events[from].id);
        check_job(s, &history.events[from], next - from);
        from = next;
    }
    ck_assert_msg(noted == s->stored.count, "%zu jobs that nobody enqueued",
                  s->stored.count - noted);
    history_clear(&history);
}

static void check_totals(struct storm *s, struct pawl *pawl)
{
    struct pawl_queue_stats totals = store_totals(pawl);
    ck_assert_uint_eq(totals.jobs[PAWL_COMPLETED], s->stored.count);
    ck_assert_uint_eq(totals.completed_total, s->stored.count);
    ck_assert_uint_eq(totals.failed_total, 0);
}

/* A job whose worker was killed three times is dead, as it should be. That is
 * the storm's doing: let it run now. */
static void retry_dead(struct storm *s)
{
    struct pawl_filter dead = { .queue = STORE_QUEUE, .state = PAWL_DEAD };
    struct pawl_alteration retry = { .action = PAWL_ACTION_RETRY };
    struct pawl_error err = { 0 };
    size_t changed = 0;
    struct pawl *pawl = store_open(&store_under_test, 0);
    store_ids(pawl, PAWL_DEAD, &s->dead);
    ck_assert_int_eq(pawl_alter_where(pawl, &retry, &dead, &changed, &err), PAWL_OK);
    ck_assert_uint_eq(changed, s->dead.count);
    pawl_close(pawl);
}

START_TEST(nothing_is_lost_and_nothing_completes_twice)
{
    static struct storm s;
    size_t kills = (size_t)env_number("PAWL_STORM_KILLS", 50, 1000);
    s.random = test_seed();
    blow(&s, kills);
    /* Those who were claimed by the last to be killed come back, or are dead. */
    store_drain(&store_under_test);
    retry_dead(&s);
    store_drain(&store_under_test);
    struct pawl *pawl = store_open(&store_under_test, 0);
    store_ids(pawl, 0, &s.stored);
    check_totals(&s, pawl);
    pawl_close(pawl);
    check_notes(&s);
    store_must_be_sound(store_under_test.file);
    say("%zu kills, %zu of workers; %zu jobs accepted, %zu unknown of which %zu "
        "are stored", kills, s.worker_kills, s.accepted, s.unknown,
        s.unknown_stored);
    say("%zu ran again, %zu went dead; back after %lld ms at most, %lld on "
        "average (target %d)", s.extra, s.dead.count,
        (long long)s.recovery_max / 1000,
        (long long)(s.measured ? s.recovery_sum / (int64_t)s.measured : 0) / 1000,
        RECOVERY_MS);
    ck_assert_msg(s.accepted > kills, "the storm was too weak to show anything");
    ck_assert_int_le(s.recovery_max, 10 * RECOVERY_MS * INT64_C(1000));
    id_list_clear(&s.stored);
    id_list_clear(&s.dead);
    free(s.kills);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        nothing_is_lost_and_nothing_completes_twice,
    };
    return store_run("storm", tests, 1, 1800);
}
