/* worker_lease.c - keeping what is held, and the housekeeping of the queues.
 *
 * A lease is renewed when it is a third over, but each second at the latest: a
 * renewal is also how an operator's cancel reaches a running handler. Jobs that
 * take less than half of that are never renewed, so short jobs cost nothing. A
 * renewal that failed is repeated soon; handlers go on meanwhile, and the epoch
 * decides afterwards whether what they did counts.
 *
 * Each queue is swept at the start, about every second, and when its next
 * scheduled job is due. */
#include <string.h>

#include "core/worker_internal.h"
#include "util/clock.h"
#include "util/random.h"

#define RENEW_MOST_MS 1000
#define RENEW_AGAIN_MS 200
#define SWEEP_LEAST_MS 800 /* the pause between sweeps, and its random part */
#define SWEEP_SPREAD_MS 400
#define SWEEP_LIMIT 500
/* Between two sweeps of a queue, whatever is due: with many jobs due one after
 * the other, each sweep promotes several. The longer one is for a job that is
 * due by our clock and not yet by the storage's. */
#define SWEEP_GAP_NS (5 * WORKER_NS_PER_MS)
#define SWEEP_LONG_GAP_NS (100 * WORKER_NS_PER_MS)

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t renew_every(const struct pawl_worker *w)
{
    return sooner(w->lease / 3, RENEW_MOST_MS) * WORKER_NS_PER_MS;
}

/* --- renewing ------------------------------------------------------------- */

struct renewal {
    struct worker_queue *queue;
    size_t held;  /* leases of the queue */
    size_t count; /* those to be renewed */
    int64_t now, oldest_ns; /* the oldest lease not renewed this time */
};

static void gather(struct pawl_worker *w, struct renewal *r, struct held *held)
{
    const struct pawl_outcome *claim = &held->ending.outcome;

    if (held->queue != r->queue)
        return;
    r->held++;
    if (!(r->queue->failing & WORKER_RENEW) &&
        held->leased_ns > r->now - renew_every(w) / 2) {
        r->oldest_ns = sooner(r->oldest_ns, held->leased_ns);
        return;
    }
    held->leased_ns = r->now;
    w->leases[r->count++] = (struct pawl_lease_ref){ claim->id, claim->epoch,
                                                     claim->origin };
}

/* All that is old enough: running, ready, or waiting to be written back. */
static void gather_all(struct pawl_worker *w, struct renewal *r)
{
    struct held *held;
    size_t i;

    for (i = 0; w->live > 0 && i < w->concurrency; i++)
        if (w->runs[i].held)
            gather(w, r, w->runs[i].held);
    for (held = w->ready.first; held; held = held->next)
        gather(w, r, held);
    for (held = r->queue->outbox.first; held; held = held->next)
        gather(w, r, held);
}

static bool is_claim(const struct held *held, const struct pawl_lease_ref *lease)
{
    return held->ending.outcome.epoch == lease->epoch &&
           memcmp(&held->ending.outcome.id, &lease->id, sizeof lease->id) == 0;
}

static struct pawl_run *find_run(struct pawl_worker *w,
                                 const struct pawl_lease_ref *lease)
{
    size_t i;

    for (i = 0; i < w->concurrency; i++)
        if (w->runs[i].held && is_claim(w->runs[i].held, lease))
            return &w->runs[i];
    return NULL;
}

/* Take the job out of the ready list; NULL if it is not in it. */
static struct held *take_ready(struct pawl_worker *w,
                               const struct pawl_lease_ref *lease)
{
    struct held_list stay = { 0 };
    struct held *held, *found = NULL;

    while ((held = held_pop(&w->ready))) {
        if (!found && is_claim(held, lease))
            found = held;
        else
            held_push(&stay, held);
    }
    w->ready = stay;
    return found;
}

/* The lease is gone: another worker may have the job. */
static void lose(struct pawl_worker *w, const struct pawl_lease_ref *lease)
{
    char text[PAWL_ID_TEXT];
    struct pawl_run *run;
    struct held *held;

    pthread_mutex_lock(&w->mutex);
    run = find_run(w, lease);
    if (run) {
        run_stop(run, PAWL_STOP_LOST);
        held = run->held;
        run->held = NULL;
        w->live--;
    } else {
        held = take_ready(w, lease);
    }
    w->counts.lost += held != NULL;
    pthread_mutex_unlock(&w->mutex);
    if (!held)
        return; /* it was finished meanwhile: the exchange will tell */
    held_clear(held);
    pawl_id_format(lease->id, text);
    core_log(w->pawl, PAWL_LOG_WARN, "lease-lost",
             "the lease of job %s was lost", text);
    pthread_mutex_lock(&w->mutex);
    held_push(&w->spare, held);
    pthread_cond_broadcast(&w->dispatch);
    pthread_mutex_unlock(&w->mutex);
}

static void cancel(struct pawl_worker *w, const struct pawl_lease_ref *lease)
{
    struct pawl_run *run;
    struct held *held;

    pthread_mutex_lock(&w->mutex);
    run = find_run(w, lease);
    held = run ? NULL : take_ready(w, lease);
    if (run)
        run_stop(run, PAWL_STOP_CANCELLED);
    if (held) {
        held->ending.outcome.kind = PAWL_OUTCOME_CANCELLED;
        held_push(&held->queue->outbox, held);
        pthread_cond_broadcast(&w->dispatch);
    }
    pthread_mutex_unlock(&w->mutex);
}

static bool renew_queue(struct pawl_worker *w, struct renewal *r)
{
    struct pawl_renew in = {
        .queue = r->queue->name,
        .owner = w->owner,
        .leases = w->leases,
        .lease = w->lease,
    };
    struct pawl_error err = { 0 };
    enum pawl_status status;
    bool moot;
    size_t i;

    pthread_mutex_lock(&w->mutex);
    gather_all(w, r);
    /* A lease that is being written back comes back if that fails. */
    moot = r->held == 0 && r->queue->in_flight == 0 &&
           r->queue->failing & WORKER_RENEW;
    pthread_mutex_unlock(&w->mutex);
    if (moot)
        worker_heard(w, r->queue, WORKER_RENEW, PAWL_OK, NULL);
    if (r->count == 0)
        return true;
    in.lease_count = r->count;
    status = storage_renew(w->pawl->storage, &in, w->lease_results, &err);
    worker_heard(w, r->queue, WORKER_RENEW, status, &err);
    for (i = 0; i < r->count && status >= 0; i++) {
        if (w->lease_results[i] == PAWL_STALE)
            lose(w, &w->leases[i]);
        else if (w->lease_results[i] == PAWL_CANCEL_ASKED)
            cancel(w, &w->leases[i]);
    }
    return status >= 0;
}

static bool is_failing(struct pawl_worker *w, const struct worker_queue *queue)
{
    bool failing;

    pthread_mutex_lock(&w->mutex);
    failing = queue->failing & WORKER_RENEW;
    pthread_mutex_unlock(&w->mutex);
    return failing;
}

/* Queues whose last renewal failed come last, one at a time: each may take a whole
 * deadline, in which the leases of the others must not end. Returns when to renew
 * again. */
static int64_t renew(struct pawl_worker *w, int64_t now)
{
    struct renewal r = { .now = now, .oldest_ns = now };
    size_t i, at, failed = w->queue_count, failures = 0;
    bool renewed = true;

    for (i = 0; i < w->queue_count; i++) {
        at = (w->renew_turn + i) % w->queue_count;
        r.queue = &w->queues[at];
        r.held = r.count = 0;
        if (!is_failing(w, r.queue))
            renewed = renew_queue(w, &r) && renewed;
        else if (failures++ == 0)
            failed = at;
    }
    if (failures > 0) {
        w->renew_turn = failed + 1;
        r.queue = &w->queues[failed];
        r.held = r.count = 0;
        renewed = renew_queue(w, &r) && renewed && failures == 1;
    }
    if (!renewed)
        return now + RENEW_AGAIN_MS * WORKER_NS_PER_MS;
    return r.oldest_ns + renew_every(w);
}

/* --- sweeping ------------------------------------------------------------- */

/* When a job that is due at `at`, by the handle's clock, should be swept up. */
static int64_t due_ns(const struct pawl_worker *w, pawl_time at)
{
    const struct pawl_clock *clock = &w->pawl->clock;
    pawl_duration left = at - clock->now(clock->context) + 1;

    if (left > SWEEP_LEAST_MS + SWEEP_SPREAD_MS)
        return WORKER_FOR_EVER; /* the next regular sweep comes before it */
    if (left < 0)
        left = 0;
    return clock_mono_ns() + left * WORKER_NS_PER_MS;
}

void lease_due(struct pawl_worker *w, struct worker_queue *queue,
               pawl_time next_at)
{
    int64_t due = due_ns(w, next_at);

    pthread_mutex_lock(&w->mutex);
    if (due < queue->swept_ns + queue->sweep_gap_ns)
        due = queue->swept_ns + queue->sweep_gap_ns;
    if (due < queue->sweep_ns)
        queue->sweep_ns = due;
    if (due < w->lease_ns) {
        w->lease_ns = due;
        pthread_cond_signal(&w->lease_wake);
    }
    pthread_mutex_unlock(&w->mutex);
}

static void sweep(struct pawl_worker *w, struct worker_queue *queue)
{
    struct pawl_sweep in = {
        .queue = queue->name,
        .limit = SWEEP_LIMIT,
        .max_crashes = WORKER_MAX_CRASHES,
        .retention = w->pawl->retention,
    };
    struct pawl_sweep_reply reply;
    struct pawl_error err = { 0 };
    int64_t now, pause = SWEEP_LEAST_MS;
    enum pawl_status status;
    bool stuck;

    status = storage_sweep(w->pawl->storage, &in, &reply, &err);
    worker_heard(w, queue, WORKER_SWEEP, status, &err);
    pause += (int64_t)(random_u64() % (SWEEP_SPREAD_MS + 1));
    now = clock_mono_ns();
    stuck = reply.next_at != 0 && reply.promoted + reply.expired == 0 &&
            due_ns(w, reply.next_at) <= now;
    pthread_mutex_lock(&w->mutex);
    queue->sweep_gap_ns = stuck ? SWEEP_LONG_GAP_NS : SWEEP_GAP_NS;
    queue->swept_ns = now;
    queue->sweep_ns = now + pause * WORKER_NS_PER_MS;
    if (status >= 0 && reply.more)
        queue->sweep_ns = now;
    if (status >= 0 && reply.promoted + reply.recovered > 0)
        dispatch_news(w, queue);
    pthread_mutex_unlock(&w->mutex);
    if (status < 0)
        return;
    if (reply.recovered + reply.killed > 0)
        core_log(w->pawl, PAWL_LOG_WARN, "jobs-recovered",
                 "queue '%s': %zu jobs of lost workers taken back, %zu dead",
                 queue->name, reply.recovered, reply.killed);
    if (reply.next_at != 0)
        lease_due(w, queue, reply.next_at);
}

/* Whose sweep is due first; NULL: none, since the worker stops. With the mutex. */
static struct worker_queue *first_due(struct pawl_worker *w)
{
    struct worker_queue *first = NULL;
    size_t i;

    for (i = 0; i < w->queue_count && !w->stopping; i++)
        if (!first || w->queues[i].sweep_ns < first->sweep_ns)
            first = &w->queues[i];
    return first;
}

/* Sweep one queue if it is due; returns when the next is. Only one, for it may take a
 * whole deadline, and leases are to be renewed before the next. */
static int64_t sweep_due(struct pawl_worker *w)
{
    struct worker_queue *queue;
    int64_t next = WORKER_FOR_EVER;

    pthread_mutex_lock(&w->mutex);
    queue = first_due(w);
    if (queue)
        next = queue->sweep_ns;
    pthread_mutex_unlock(&w->mutex);
    if (next > clock_mono_ns())
        return next;
    sweep(w, queue);
    return clock_mono_ns();
}

/* --- the thread ----------------------------------------------------------- */

void *lease_main(void *arg)
{
    struct pawl_worker *w = arg;
    int64_t now, renew_at = 0, sweep_at;
    bool broken;

    pthread_mutex_lock(&w->mutex);
    while (!w->ended) {
        broken = w->broken;
        w->lease_ns = WORKER_FOR_EVER; /* lease_due() brings it nearer */
        pthread_mutex_unlock(&w->mutex);
        now = clock_mono_ns();
        if (broken)
            renew_at = WORKER_FOR_EVER;
        else if (now >= renew_at)
            renew_at = renew(w, now);
        sweep_at = sweep_due(w);
        pthread_mutex_lock(&w->mutex);
        w->lease_ns = sooner(w->lease_ns, sooner(renew_at, sweep_at));
        if (!w->ended)
            worker_sleep(w, &w->lease_wake, w->lease_ns);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}
