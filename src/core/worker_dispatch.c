/* worker_dispatch.c - when to exchange with the storage, and for how many jobs.
 *
 * Each dispatcher makes one exchange after the other (worker_exchange.c) as long as
 * there is something to write back or a slot to fill, and sleeps otherwise. Nothing
 * is delayed to make batches: what comes up during one exchange makes the next, so
 * a lone outcome goes out at once and a flood of them in hundreds. */
#include "core/worker_internal.h"
#include "util/clock.h"

/* Claimed jobs that do not start for so long are given back: the slots turned
 * out slower than they were when the jobs were claimed for them. */
#define STALL_NS (50 * WORKER_NS_PER_MS)

/* --- records -------------------------------------------------------------- */

static struct held *spare_record(struct pawl_worker *w)
{
    if (!w->spare.first && w->records_used < w->record_count)
        return &w->records[w->records_used++];
    return held_pop(&w->spare);
}

/* See to it that the dispatcher has records for `want` claims; returns for how
 * many it has. What it has in plenty others may need. */
static size_t stock_up(struct dispatcher *d, size_t want)
{
    struct pawl_worker *w = d->worker;
    struct held *held;

    while (d->spare.count < want && (held = spare_record(w)))
        held_push(&d->spare, held);
    while (d->spare.count > WORKER_CLAIM_MAX)
        held_push(&w->spare, held_pop(&d->spare));
    return d->spare.count < want ? d->spare.count : want;
}

void dispatch_release(struct pawl_worker *w, const struct worker_queue *queue)
{
    struct held_list stay = { 0 };
    struct held *held;

    while ((held = held_pop(&w->ready))) {
        if (queue && held->queue != queue)
            held_push(&stay, held);
        else
            held_push(&held->queue->outbox, held);
    }
    w->ready = stay;
}

/* --- what is to be done --------------------------------------------------- */

/* How many jobs to claim now: one for each free slot, and ahead as many as the
 * slots finished in the last moments, less what is there or on its way. */
static size_t claims_wanted(struct pawl_worker *w, int64_t now)
{
    size_t room, have = w->ready.count + w->wanted;

    if (w->stopping)
        return 0;
    w->ahead = pace_update(&w->pace, w->quick, now);
    if (w->ahead > WORKER_CLAIM_MAX)
        w->ahead = WORKER_CLAIM_MAX;
    room = w->concurrency - (size_t)w->counts.running + w->ahead;
    if (room <= have)
        return 0;
    room -= have;
    return room < WORKER_CLAIM_MAX ? room : WORKER_CLAIM_MAX;
}

static void take_off(struct dispatcher *d, struct worker_queue *queue, size_t want)
{
    struct pawl_worker *w = d->worker;

    d->queue = queue;
    d->want = want;
    d->trial = queue->retry_delay > 0;
    d->news = w->news;
    held_append(&d->flying, &queue->outbox);
    w->wanted += d->trial ? 0 : want;
    w->trials += d->trial;
    w->in_flight++;
    queue->in_flight++;
    w->drain_looked = false;
}

/* Take up the next exchange, in turn from queue to queue. False: there is
 * nothing to exchange now.
 *
 * A queue that fails must not slow down the others, and an exchange with it may
 * take until the deadline. So there is one such trial at a time, which leaves
 * the other dispatchers alone, and it claims one job at most, for which no slot
 * is kept free. */
static bool pick(struct dispatcher *d, int64_t now)
{
    struct pawl_worker *w = d->worker;
    struct worker_queue *queue;
    size_t i, at, room, want;

    if (w->broken || w->in_flight >= w->dispatcher_count)
        return false;
    room = claims_wanted(w, now);
    for (i = 0; i < w->queue_count; i++) {
        at = (w->turn + i) % w->queue_count;
        queue = &w->queues[at];
        if (queue->retry_delay > 0 && (now < queue->retry_ns || w->trials > 0))
            continue;
        want = room;
        if (queue->retry_delay > 0 && want > 1)
            want = 1;
        want = queue->dry ? 0 : stock_up(d, want);
        if (want == 0 && queue->outbox.count == 0)
            continue;
        if (want > 0)
            w->turn = at + 1;
        take_off(d, queue, want);
        return true;
    }
    return false;
}

bool dispatch_rouse(struct pawl_worker *w)
{
    if (w->asleep == 0 || w->roused)
        return false;
    w->roused = w->in_flight == w->trials || w->ready.count < w->ahead / 2;
    return w->roused;
}

/* --- news ----------------------------------------------------------------- */

static void note_news(struct pawl_worker *w, struct worker_queue *queue)
{
    size_t i;

    w->news++;
    if (queue)
        queue->dry = false;
    for (i = 0; !queue && i < w->queue_count; i++)
        w->queues[i].dry = false;
}

void dispatch_news(struct pawl_worker *w, struct worker_queue *queue)
{
    note_news(w, queue);
    if (w->asleep > 0)
        pthread_cond_signal(&w->dispatch);
}

void worker_news(struct pawl_worker *w)
{
    pthread_mutex_lock(&w->mutex);
    w->asked = false;
    dispatch_news(w, NULL);
    pthread_mutex_unlock(&w->mutex);
}

/* Where there are several queues this thread has to hear of the others, however long
 * an exchange with one of them takes; and one that failed is for a dispatcher. */
static bool may_herald(const struct pawl_worker *w)
{
    return w->queue_count == 1 && w->queues[0].retry_delay == 0 && w->in_flight == 0;
}

/* Is there nothing to do but to wait for news? */
static bool only_waits(struct pawl_worker *w)
{
    return !w->stopping && !w->drain && !w->asked && w->queue_count == 1 &&
           w->queues[0].dry && w->queues[0].outbox.count == 0 &&
           claims_wanted(w, clock_mono_ns()) > 0;
}

bool worker_news_now(struct pawl_worker *w)
{
    struct dispatcher *d = &w->herald;
    struct held *held;
    bool more;

    pthread_mutex_lock(&w->mutex);
    w->asked = false;
    note_news(w, NULL);
    if (may_herald(w) && pick(d, clock_mono_ns())) {
        pthread_mutex_unlock(&w->mutex);
        dispatch_exchange(d);
        pthread_mutex_lock(&w->mutex);
        while ((held = held_pop(&d->spare)))
            held_push(&w->spare, held);
    }
    more = only_waits(w);
    if (more)
        w->asked = true;
    else if (w->asleep > 0)
        pthread_cond_signal(&w->dispatch);
    pthread_mutex_unlock(&w->mutex);
    return more;
}

static bool is_any_dry(const struct pawl_worker *w)
{
    size_t i;

    for (i = 0; i < w->queue_count; i++)
        if (w->queues[i].dry)
            return true;
    return false;
}

/* Have the waiter tell us of new jobs, if there is room for any. Not where all
 * queues wait for their retry: what we were told would not be looked at, and we
 * would ask again at once. Lets go of the mutex; true when it did, and everything
 * may have changed. */
static bool ask_waiter(struct pawl_worker *w)
{
    bool asked;

    if (w->asked || w->stopping || !is_any_dry(w) ||
        claims_wanted(w, clock_mono_ns()) == 0)
        return false;
    w->asked = true;
    pthread_mutex_unlock(&w->mutex);
    asked = waiter_ask(w);
    if (!asked)
        worker_news(w);
    pthread_mutex_lock(&w->mutex);
    return true;
}

/* --- the thread ----------------------------------------------------------- */

/* Give back what was claimed ahead for slots that all turned slow. */
static void check_stall(struct pawl_worker *w, int64_t now)
{
    if (w->counts.started != w->begun_seen || w->ready.count == 0) {
        w->begun_seen = w->counts.started;
        w->stall_ns = now + STALL_NS;
    } else if (now >= w->stall_ns &&
               (size_t)w->counts.running == w->concurrency) {
        dispatch_release(w, NULL);
    }
}

static void check_poll(struct pawl_worker *w, int64_t now)
{
    if (now < w->poll_ns)
        return;
    w->poll_ns = now + w->poll * WORKER_NS_PER_MS;
    dispatch_news(w, NULL);
}

static void sleep_until_needed(struct pawl_worker *w, int64_t now)
{
    int64_t until = w->poll_ns;
    size_t i;

    if (w->ready.count > 0 && w->stall_ns < until)
        until = w->stall_ns;
    for (i = 0; i < w->queue_count; i++) {
        const struct worker_queue *queue = &w->queues[i];
        if (queue->retry_ns > now && queue->retry_ns < until)
            until = queue->retry_ns;
    }
    w->asleep++;
    worker_sleep(w, &w->dispatch, until);
    w->asleep--;
    w->roused = false;
}

void *dispatch_main(void *arg)
{
    struct dispatcher *d = arg;
    struct pawl_worker *w = d->worker;
    int64_t now;

    pthread_mutex_lock(&w->mutex);
    while (!w->ended) {
        now = clock_mono_ns();
        check_poll(w, now);
        check_stall(w, now);
        /* First of all: with two queues that fail slowly one is always due again. */
        if (worker_is_over(w, now)) {
            worker_end(w);
        } else if (pick(d, now)) {
            pthread_mutex_unlock(&w->mutex);
            dispatch_exchange(d);
            pthread_mutex_lock(&w->mutex);
        } else if (!worker_look_for_drained(w) && !ask_waiter(w)) {
            sleep_until_needed(w, now);
        }
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}
