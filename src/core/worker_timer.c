/* worker_timer.c - stopping attempts on time: their timeouts, and what happens
 * when a stopping worker's grace is over.
 *
 * A thread of its own because it must never be late: it makes no storage call.
 * It sleeps until the earliest instant and then looks at every slot; there are
 * too few of them for anything cleverer to pay. */
#include "core/worker_internal.h"
#include "util/clock.h"

void timer_set(struct pawl_worker *w, int64_t at_ns)
{
    if (at_ns >= w->timer_ns)
        return;
    w->timer_ns = at_ns;
    pthread_cond_signal(&w->timer_wake);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Returns when the next one is due. */
static int64_t stop_late(struct pawl_worker *w, int64_t now)
{
    int64_t next = WORKER_FOR_EVER;
    size_t i;

    for (i = 0; i < w->concurrency; i++) {
        struct pawl_run *run = &w->runs[i];
        if (!run->held || run->deadline_ns == 0)
            continue;
        if (run->deadline_ns > now) {
            next = sooner(next, run->deadline_ns);
            continue;
        }
        run->deadline_ns = 0;
        run_stop(run, PAWL_STOP_TIMEOUT);
    }
    return next;
}

/* First all are told, then what is still running is released without them: after a
 * second stop as soon as they could have answered. */
static int64_t end_grace(struct pawl_worker *w, int64_t now)
{
    size_t i;

    if (!w->stopping || w->abandoned)
        return WORKER_FOR_EVER;
    if (!w->told) {
        if (now < w->grace_ns)
            return w->grace_ns;
        for (i = 0; i < w->concurrency; i++)
            if (w->runs[i].held)
                run_stop(&w->runs[i], PAWL_STOP_SHUTDOWN);
        w->told = true;
        w->abandon_ns = now + w->stop_time * WORKER_NS_PER_MS;
    }
    if (w->hurried)
        w->abandon_ns = sooner(w->abandon_ns, now + WORKER_STOP_TIME * WORKER_NS_PER_MS);
    if (now < w->abandon_ns)
        return w->abandon_ns;
    for (i = 0; i < w->concurrency; i++)
        if (w->runs[i].held)
            run_abandon(&w->runs[i]);
    w->abandoned = true;
    pthread_cond_broadcast(&w->dispatch);
    return WORKER_FOR_EVER;
}

void *timer_main(void *arg)
{
    struct pawl_worker *w = arg;
    int64_t now;

    pthread_mutex_lock(&w->mutex);
    while (!w->ended) {
        now = clock_mono_ns();
        w->timer_ns = sooner(stop_late(w, now), end_grace(w, now));
        worker_sleep(w, &w->timer_wake, w->timer_ns);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}
