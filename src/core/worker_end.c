/* worker_end.c - when a worker ends: because it was stopped, is drained, or has a
 * storage that waiting does not help against.
 *
 * A stop goes: nothing more is claimed and what is ready is given back, at once;
 * handlers have their grace, then are told, then lose their jobs; what they came
 * to is written back. The worker has ended when nothing of that is left. */
#include "core/worker_internal.h"
#include "util/clock.h"

/* How long a stopped worker tries to write back, beyond its grace. */
#define FLUSH_NS (1000 * WORKER_NS_PER_MS)

/* --- stopping ------------------------------------------------------------- */

void worker_begin_stop(struct pawl_worker *w, pawl_duration grace)
{
    int64_t now = clock_mono_ns(), until = WORKER_FOR_EVER;
    size_t i;

    if (grace >= 0)
        until = now + grace * WORKER_NS_PER_MS;
    if (!w->stopping || until < w->grace_ns)
        w->grace_ns = until;
    w->stopping = true;
    for (i = 0; i < w->queue_count; i++)
        w->queues[i].retry_ns = 0;
    w->flush_ns = 0;
    dispatch_release(w, NULL);
    timer_set(w, w->grace_ns);
    pthread_cond_broadcast(&w->dispatch);
}

void worker_end(struct pawl_worker *w)
{
    w->ended = true;
    pthread_cond_broadcast(&w->work);
    pthread_cond_broadcast(&w->dispatch);
    pthread_cond_broadcast(&w->lease_wake);
    pthread_cond_broadcast(&w->timer_wake);
    pthread_cond_broadcast(&w->over);
}

static size_t unwritten(const struct pawl_worker *w)
{
    size_t i, sum = 0;

    for (i = 0; i < w->queue_count; i++)
        sum += w->queues[i].outbox.count;
    return sum;
}

static bool is_failing(const struct pawl_worker *w)
{
    size_t i;

    for (i = 0; i < w->queue_count; i++)
        if (w->queues[i].failing & WORKER_EXCHANGE)
            return true;
    return false;
}

static bool is_at_rest(const struct pawl_worker *w)
{
    return w->in_flight == 0 && w->live == 0 && w->ready.count == 0;
}

/* The storage would not take what is left within a decent time: it will find
 * out by the leases. */
static void give_up(struct pawl_worker *w, size_t left)
{
    w->status = w->last_error.status;
    w->error = w->last_error;
    pawl_error_prefix(&w->error, "stopped with %zu outcomes not written back",
                      left);
}

bool worker_is_over(struct pawl_worker *w, int64_t now)
{
    size_t left;

    if (!w->stopping || !is_at_rest(w))
        return false;
    left = unwritten(w);
    if (left == 0 || w->broken)
        return true;
    if (w->flush_ns == 0) {
        w->flush_ns = WORKER_FOR_EVER;
        if (w->grace_ns < WORKER_FOR_EVER)
            w->flush_ns = (now > w->grace_ns ? now : w->grace_ns) + FLUSH_NS;
    }
    if (now < w->flush_ns)
        return false;
    give_up(w, left);
    return true;
}

/* --- draining ------------------------------------------------------------- */

/* Without the mutex: is there nothing left in any queue that draining must wait
 * for? */
static bool is_drained(struct pawl_worker *w)
{
    const struct pawl_queue_stats *queue;
    struct pawl_error err = { 0 };
    struct pawl_stats *stats;
    enum pawl_status status;
    uint64_t left = 0;
    size_t i;

    for (i = 0; i < w->queue_count && left == 0; i++) {
        status = storage_stats(w->pawl->storage, w->queue_names[i], &stats, &err);
        worker_heard(w, &w->queues[i], WORKER_STATS, status, &err);
        if (status == PAWL_NOT_FOUND)
            continue;
        if (status < 0)
            return false;
        queue = &stats->queues[0];
        left = queue->jobs[PAWL_PENDING] + queue->jobs[PAWL_PROCESSING] +
               queue->jobs[PAWL_FAILED];
        /* What the primary holds is not seen, and what goes to it is on its way. */
        if (stats->mode == PAWL_MODE_SPOOLING ||
            (stats->mode == PAWL_MODE_DRAINING && queue->jobs[PAWL_HELD] > 0))
            left++;
        pawl_stats_free(stats);
    }
    return left == 0;
}

bool worker_look_for_drained(struct pawl_worker *w)
{
    bool drained;

    if (!w->drain || w->stopping || w->drain_looked || !is_at_rest(w) ||
        unwritten(w) > 0 || is_failing(w))
        return false;
    w->drain_looked = true;
    pthread_mutex_unlock(&w->mutex);
    drained = is_drained(w);
    pthread_mutex_lock(&w->mutex);
    if (drained && !w->stopping)
        worker_begin_stop(w, w->grace);
    return true;
}

/* --- a storage that fails ------------------------------------------------- */

/* Waiting does not help against these. */
static bool ends_the_worker(enum pawl_status status)
{
    return status == PAWL_ECORRUPT || status == PAWL_EFORMAT ||
           status == PAWL_EFORKED;
}

static void break_off(struct pawl_worker *w, enum pawl_status status,
                      const struct pawl_error *err)
{
    if (w->broken)
        return;
    w->broken = true;
    w->status = status;
    w->error = *err;
    worker_begin_stop(w, 0);
}

void worker_heard(struct pawl_worker *w, struct worker_queue *queue,
                  enum worker_call call, enum pawl_status status,
                  const struct pawl_error *err)
{
    unsigned before, now;

    pthread_mutex_lock(&w->mutex);
    before = queue->failing;
    if (status < 0)
        queue->failing |= call;
    else
        queue->failing &= ~(unsigned)call;
    now = queue->failing;
    if (ends_the_worker(status))
        break_off(w, status, err);
    pthread_mutex_unlock(&w->mutex);
    if (ends_the_worker(status))
        core_log(w->pawl, PAWL_LOG_ERROR, "worker-broken", "%s", err->message);
    else if (now && !before)
        core_log(w->pawl, PAWL_LOG_WARN, "storage-failing",
                 "queue '%s': %s; trying again until it works", queue->name,
                 err->message);
    else if (!now && before)
        core_log(w->pawl, PAWL_LOG_INFO, "storage-back",
                 "queue '%s': the storage works again", queue->name);
}
