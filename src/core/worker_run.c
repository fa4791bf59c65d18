/* worker_run.c - the slots: taking a ready job, calling the handler, and what a
 * handler can ask of its run.
 *
 * An attempt can be taken away from its slot while the handler runs (the lease
 * is lost, or the grace is over): run->held is NULL then, and what the handler
 * answers is dropped. The job's memory stays the slot's until it returns. */
#include <limits.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/worker_internal.h"
#include "util/clock.h"
#include "util/futex.h"
#include "util/random.h"

/* --- stopping ------------------------------------------------------------- */

static enum pawl_stop_reason reason_of(const struct pawl_run *run)
{
    return (enum pawl_stop_reason)__atomic_load_n(&run->stop, __ATOMIC_ACQUIRE);
}

/* Eight bytes into an empty eventfd: cannot block, cannot be short. */
static void make_readable(int fd)
{
    eventfd_write(fd, 1);
}

void run_stop(struct pawl_run *run, enum pawl_stop_reason reason)
{
    enum pawl_stop_reason before = reason_of(run);

    if (before != PAWL_STOP_NONE && reason != PAWL_STOP_LOST)
        return;
    __atomic_store_n(&run->stop, (uint32_t)reason, __ATOMIC_RELEASE);
    if (before != PAWL_STOP_NONE)
        return;
    if (run->fd >= 0)
        make_readable(run->fd);
    futex_wake(&run->stop, INT_MAX, FUTEX_ALL_BITS, false);
}

void run_abandon(struct pawl_run *run)
{
    struct pawl_verdict none = { .kind = PAWL_VERDICT_FAILED };
    struct held *held = run->held;

    verdict_end(run->job, &none, reason_of(run), run->timeout, random_u64(),
                &held->ending);
    run->held = NULL;
    run->worker->live--;
    held_push(&held->queue->outbox, held);
}

/* --- what a handler may ask ----------------------------------------------- */

enum pawl_stop_reason pawl_run_stopped(const struct pawl_run *run)
{
    return reason_of(run);
}

int pawl_run_fd(struct pawl_run *run)
{
    int fd;

    pthread_mutex_lock(&run->worker->mutex);
    if (run->fd < 0) {
        run->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (run->fd >= 0 && reason_of(run) != PAWL_STOP_NONE)
            make_readable(run->fd);
    }
    fd = run->fd;
    pthread_mutex_unlock(&run->worker->mutex);
    return fd;
}

enum pawl_stop_reason pawl_run_sleep(struct pawl_run *run, pawl_duration time)
{
    int64_t until;

    if (time < 0)
        time = 0;
    if (time > PAWL_DURATION_MAX)
        time = PAWL_DURATION_MAX;
    until = clock_mono_ns() + time * WORKER_NS_PER_MS;
    while (reason_of(run) == PAWL_STOP_NONE && clock_mono_ns() < until)
        futex_wait(&run->stop, PAWL_STOP_NONE, FUTEX_ALL_BITS, until, false);
    return reason_of(run);
}

/* --- one attempt ---------------------------------------------------------- */

/* What the attempt before left behind. */
static void free_old(struct pawl_run *run)
{
    pawl_job_free(run->old_job);
    run->old_job = NULL;
    ending_clear(&run->old_ending);
    if (run->old_fd >= 0)
        close(run->old_fd);
    run->old_fd = -1;
}

/* Sleep until there is a job; false when the worker has ended. */
static bool take(struct pawl_run *run)
{
    struct pawl_worker *w = run->worker;
    struct held *held;

    while (!w->ready.first) {
        if (run->old_job) {
            pthread_mutex_unlock(&w->mutex);
            free_old(run);
            pthread_mutex_lock(&w->mutex);
            continue;
        }
        if (w->ended)
            return false;
        w->idle++;
        pthread_cond_wait(&w->work, &w->mutex);
        w->idle--;
        run->begun_ns = 0;
    }
    held = held_pop(&w->ready);
    run->held = held;
    run->job = held->job;
    held->job = NULL;
    __atomic_store_n(&run->stop, PAWL_STOP_NONE, __ATOMIC_RELEASE);
    w->live++;
    w->counts.running++;
    w->counts.started++;
    return true;
}

static void arm(struct pawl_run *run)
{
    struct pawl_worker *w = run->worker;
    pawl_duration timeout = run->job->timeout ? run->job->timeout : w->timeout;

    if (timeout == 0)
        return;
    pthread_mutex_lock(&w->mutex);
    run->timeout = timeout;
    run->deadline_ns = run->begun_ns + timeout * WORKER_NS_PER_MS;
    timer_set(w, run->deadline_ns);
    pthread_mutex_unlock(&w->mutex);
}

/* With the mutex, which it lets go of for a moment to wake a dispatcher. */
static void finish(struct pawl_run *run, struct ending *ending, int64_t now)
{
    struct pawl_worker *w = run->worker;
    struct held *held = run->held;

    if (held) {
        held->ending = *ending;
        held_push(&held->queue->outbox, held);
        w->live--;
    } else {
        run->old_ending = *ending;
    }
    run->held = NULL;
    run->old_job = run->job;
    run->job = NULL;
    run->old_fd = run->fd;
    run->fd = -1;
    run->timeout = 0;
    run->deadline_ns = 0;
    w->counts.running--;
    w->quick += now - run->begun_ns < PACE_WINDOW_NS;
    run->begun_ns = now;
    if (dispatch_rouse(w)) {
        pthread_mutex_unlock(&w->mutex);
        pthread_cond_signal(&w->dispatch);
        pthread_mutex_lock(&w->mutex);
    }
}

void *run_main(void *arg)
{
    struct pawl_run *run = arg;
    struct pawl_worker *w = run->worker;
    struct pawl_verdict verdict;
    struct ending ending;
    int64_t now;

    pthread_mutex_lock(&w->mutex);
    while (take(run)) {
        pthread_mutex_unlock(&w->mutex);
        free_old(run);
        if (run->begun_ns == 0)
            run->begun_ns = clock_mono_ns();
        arm(run);
        verdict = w->handler(w->context, run->job, run);
        verdict_end(run->job, &verdict, reason_of(run), run->timeout,
                    random_u64(), &ending);
        now = clock_mono_ns();
        pthread_mutex_lock(&w->mutex);
        finish(run, &ending, now);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}
