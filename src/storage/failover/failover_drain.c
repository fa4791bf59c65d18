/* failover_drain.c - the way back of all that is in the spool.
 *
 * One process of the host drains at a time, batch by batch; whoever dies leaves what
 * he held to the next one (relay.h). While jobs that were claimed here still run, the
 * spool is not empty, and it is looked at again and again.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/failover/failover_internal.h"
#include "storage/relay.h"
#include "util/clock.h"

#define NS_PER_MS INT64_C(1000000)
#define BATCH 200
#define LOOK_AGAIN_MS 200 /* while jobs that were claimed here still run */
#define TRY_AGAIN_MS 1000 /* after the primary refused something */
#define MAX_CRASHES 3     /* of jobs whose worker died meanwhile */
#define LEAVE_MS 400      /* so long, or for a batch, does one go on who is to end */

static const struct pawl_session drain_mover = { "pawl-failover\0\0\002" };

/* --- the spool's contents ------------------------------------------------------- */

static bool is_empty(const struct pawl_queue_stats *queue)
{
    uint64_t jobs = 0;

    if (failover_is_reserved(queue->name)) /* what was set aside stays there */
        return queue->jobs[PAWL_PENDING] + queue->jobs[PAWL_HELD] == 0;
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        jobs += queue->jobs[state];
    return jobs == 0;
}

bool failover_spool_empty(struct failover *f)
{
    struct pawl_stats *stats = NULL;
    bool empty = true;

    if (storage_stats(f->spool, NULL, &stats, NULL) < 0)
        return false;
    for (size_t i = 0; i < stats->queue_count; i++)
        empty = empty && is_empty(&stats->queues[i]);
    pawl_stats_free(stats);
    return empty;
}

/* --- draining ------------------------------------------------------------------- */

/* A drain under way: to where, and how fast. */
struct drain {
    struct failover *f;
    struct pawl_storage *to;
    struct relay relay;
    int64_t begun_ns;
    uint64_t done; /* jobs */
    bool tried;    /* to move something */
    bool looked;   /* a whole round was made */
};

/* Who is to end gives over as many jobs as make a batch all the same, as far as that takes
 * no longer than others wait for him: where only commands run that end at once, the spool
 * would never become empty. The first batches are small, until it is seen how large jobs
 * are. */
static bool may_leave(const struct drain *drain)
{
    return drain->looked || drain->done >= BATCH ||
           (drain->tried && clock_mono_ns() - drain->begun_ns > LEAVE_MS * NS_PER_MS);
}

static bool is_over(const struct drain *drain)
{
    breaker_drain_beat(&drain->f->breaker);
    return breaker_state(&drain->f->breaker) != BREAKER_DRAINING ||
           (atomic_load(&drain->f->stopping) && may_leave(drain));
}

/* Not faster than the rate: what just came back must not be brought down again. */
static void keep_rate(const struct drain *drain)
{
    const struct failover *f = drain->f;
    int64_t due, left;

    if (f->settings.drain_rate == 0 || f->config.urgent)
        return;
    due = drain->begun_ns +
          (int64_t)((double)drain->done / (double)f->settings.drain_rate * 1e9);
    while ((left = (due - clock_mono_ns()) / NS_PER_MS) > 0 && !is_over(drain))
        breaker_wait(&f->breaker, breaker_word(&f->breaker), left < 100 ? left : 100);
}

/* Promote, take back from dead workers; nobody else may do it here. What is finished
 * is moved, not removed. */
static enum pawl_status sweep_here(const struct drain *drain, const char *queue,
                                   struct pawl_error *err)
{
    static const struct pawl_keep for_ever = { -1, -1 };
    struct pawl_sweep sweep = { .queue = queue, .limit = 1000,
                                .max_crashes = MAX_CRASHES,
                                .retention = { for_ever, for_ever, for_ever } };
    struct pawl_sweep_reply reply;

    return storage_sweep(drain->f->spool, &sweep, &reply, err);
}

/* Those that were stuck a round ago have to wait for the others: their master may be
 * dead, and each then takes its time to fail. */
static bool was_stuck(struct failover *f, const char *queue)
{
    const struct failover_line *line = failover_line(f, queue);

    return line && line->stuck_in > 0 && line->stuck_in + 1 == f->round;
}

static enum pawl_status drain_queue(struct drain *drain, const char *queue,
                                    struct pawl_error *err)
{
    struct relay_counts counts = { 0 };
    struct pawl_error own = { 0 };
    enum pawl_status status = sweep_here(drain, queue, &own);

    if (status >= 0)
        status = relay_resume(&drain->relay, queue, &counts, &own);
    while (status >= 0 && status != PAWL_EMPTY && !is_over(drain)) {
        status = relay_next(&drain->relay, queue, &counts, &own);
        drain->tried = true;
        drain->done += counts.moved + counts.duplicates;
        counts = (struct relay_counts){ 0 };
        keep_rate(drain);
    }
    if (status < 0)
        return failover_stuck(drain->f, drain->to, queue, &own, err);
    failover_unstuck(drain->f, queue);
    return status;
}

static enum pawl_status drain_calls(struct drain *drain, struct pawl_error *err)
{
    enum pawl_status status = failover_take_up(drain->f, err);

    while (status >= 0 && status != PAWL_EMPTY && !is_over(drain)) {
        status = failover_deliver(drain->f, drain->to, &drain->done, err);
        drain->tried = true;
        keep_rate(drain);
    }
    return status;
}

static enum pawl_status drain_jobs(struct drain *drain, const struct pawl_stats *stats,
                                   bool stuck, struct pawl_error *err)
{
    struct failover *f = drain->f;
    enum pawl_status status = PAWL_OK;

    for (size_t i = 0; i < stats->queue_count && status >= 0 && !is_over(drain); i++) {
        const struct pawl_queue_stats *queue = &stats->queues[i];
        if (failover_is_reserved(queue->name) || is_empty(queue))
            continue;
        if (was_stuck(f, queue->name) == stuck && !failover_is_stuck(f, queue->name))
            status = drain_queue(drain, queue->name, err);
    }
    return status;
}

static bool has_calls(const struct pawl_stats *stats)
{
    for (size_t i = 0; i < stats->queue_count; i++)
        if (failover_is_reserved(stats->queues[i].name) && !is_empty(&stats->queues[i]))
            return true;
    return false;
}

static const unsigned all_but_processing =
    PAWL_STATE_BIT(PAWL_SCHEDULED) | PAWL_STATE_BIT(PAWL_PENDING) |
    PAWL_STATE_BIT(PAWL_FAILED) | PAWL_STATE_BIT(PAWL_COMPLETED) |
    PAWL_STATE_BIT(PAWL_DEAD) | PAWL_STATE_BIT(PAWL_CANCELLED);

/* A round: everything that can go now. Calls go before jobs, since those of a queue that
 * were made first are among them. */
static enum pawl_status drain_once(struct drain *drain, struct pawl_error *err)
{
    struct failover *f = drain->f;
    struct pawl_stats *stats = NULL;
    enum pawl_status status;

    f->round++;
    f->stuck = (struct pawl_error){ 0 };
    status = storage_stats(f->spool, NULL, &stats, err);
    if (status >= 0 && has_calls(stats))
        status = drain_calls(drain, err);
    for (int stuck = 0; stuck < 2 && status >= 0; stuck++)
        status = drain_jobs(drain, stats, stuck, err);
    pawl_stats_free(stats);
    drain->looked = true;
    if (status < 0 || f->stuck.status == PAWL_OK)
        return status;
    *err = f->stuck;
    return err->status;
}

/* Until the spool is empty or the state is another. Returns what stopped it. */
static enum pawl_status drain_all(struct drain *drain, struct pawl_error *err)
{
    struct breaker *breaker = &drain->f->breaker;
    enum pawl_status status = PAWL_OK;

    while (status >= 0 && !is_over(drain)) {
        uint32_t word;
        status = drain_once(drain, err);
        if (status < 0)
            break;
        /* The word of before: who puts something in changes it. */
        word = breaker_word(breaker);
        if (failover_spool_empty(drain->f) && breaker_drained(breaker, word))
            break;
        breaker_wait(breaker, breaker_word(breaker), LOOK_AGAIN_MS);
    }
    return status;
}

/* Its calls have the patience of all calls, and not the longer time of what nobody waits
 * for: whoever ends waits for the one that is under way. */
static enum pawl_status connect(struct drain *drain, struct pawl_error *err)
{
    struct failover *f = drain->f;
    pawl_duration patience = failover_patience(f);
    pawl_duration time = breaker_drain_time(&f->breaker, f->config.brief,
                                            atomic_load(&f->open_took),
                                            f->config.deadline);
    enum pawl_status status = failover_connect(f, time, &drain->to, err);

    f->stuck = (struct pawl_error){ 0 };
    if (status == PAWL_OK) {
        atomic_store(&f->breaker.page->refuses, 0);
        failover_met(f, drain->to); /* it may have been emptied within the trial */
    }
    f->lost = failover_is_away(status) && time >= patience;
    drain->relay = (struct relay){ .from = f->spool, .to = drain->to,
                                   .mover = drain_mover, .limit = BATCH,
                                   .states = all_but_processing,
                                   .clock = &f->config.clock,
                                   .merged = failover_tell_merged, .context = f };
    return status;
}

/* What it came to. */
static void conclude(struct drain *drain, enum pawl_status status,
                     const struct pawl_error *err)
{
    struct failover *f = drain->f;

    if (status >= 0) {
        f->refused = PAWL_OK;
        return;
    }
    if (f->lost) {
        breaker_lost(&f->breaker, err->message);
        return;
    }
    /* One that cannot be reached fails as soon with more time. */
    if (failover_is_lost(status, err) && (status != PAWL_EUNREACHABLE || !drain->to))
        breaker_drain_vain(&f->breaker);
    if (!drain->to && failover_is_away(status))
        return; /* there was too little time to tell */
    if (strcmp(f->stuck.message, err->message) != 0) /* that was told when it was met */
        failover_tell_refused(f, &f->refused, err);
}

pawl_duration failover_drain(struct failover *f)
{
    struct drain drain = { .f = f, .begun_ns = clock_mono_ns() };
    struct pawl_error err = { 0 };
    enum pawl_status status;

    if (!breaker_drain_begin(&f->breaker)) {
        failover_tell_stands(f);
        return TRY_AGAIN_MS;
    }
    f->stands = 0;
    status = connect(&drain, &err);
    if (status == PAWL_OK)
        status = drain_all(&drain, &err);
    storage_close(drain.to);
    breaker_drain_end(&f->breaker);
    conclude(&drain, status, &err);
    return status < 0 ? TRY_AGAIN_MS : 0;
}
