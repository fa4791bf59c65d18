/* worker.c - the public calls: starting, stopping, waiting for and closing a
 * worker.
 *
 * A worker has ended when nothing is left to do for it: then its threads leave,
 * but for handlers that do not return. Only close joins them. */
#include "pawl/worker.h"

#include <string.h>

#include "core/worker_internal.h"
#include "util/clock.h"
#include "util/thread.h"

void worker_sleep(struct pawl_worker *w, pthread_cond_t *cond, int64_t until_ns)
{
    struct timespec until;

    if (until_ns == WORKER_FOR_EVER) {
        pthread_cond_wait(cond, &w->mutex);
        return;
    }
    until = clock_timespec(until_ns);
    pthread_cond_timedwait(cond, &w->mutex, &until);
}

/* --- threads -------------------------------------------------------------- */

static int start_threads(struct pawl_worker *w)
{
    int rc = 0;

    while (rc == 0 && w->runs_started < w->concurrency) {
        struct pawl_run *run = &w->runs[w->runs_started];
        rc = thread_start(&run->thread, run_main, run, "pawl-run");
        w->runs_started += rc == 0;
    }
    if (rc == 0) {
        rc = thread_start(&w->lease_thread, lease_main, w, "pawl-lease");
        w->lease_started = rc == 0;
    }
    if (rc == 0) {
        rc = thread_start(&w->timer_thread, timer_main, w, "pawl-timer");
        w->timer_started = rc == 0;
    }
    while (rc == 0 && w->dispatchers_started < w->dispatcher_count) {
        struct dispatcher *d = &w->dispatchers[w->dispatchers_started];
        rc = thread_start(&d->thread, dispatch_main, d, "pawl-disp");
        w->dispatchers_started += rc == 0;
    }
    return rc;
}

static void join_threads(struct pawl_worker *w)
{
    size_t i;

    for (i = 0; i < w->dispatchers_started; i++)
        pthread_join(w->dispatchers[i].thread, NULL);
    waiter_leave(w);
    if (w->timer_started)
        pthread_join(w->timer_thread, NULL);
    if (w->lease_started)
        pthread_join(w->lease_thread, NULL);
    for (i = 0; i < w->runs_started; i++)
        pthread_join(w->runs[i].thread, NULL);
}

/* --- the public calls ----------------------------------------------------- */

enum pawl_status pawl_worker_open(struct pawl *pawl,
                                  const struct pawl_worker_options *options,
                                  struct pawl_worker **out,
                                  struct pawl_error *err)
{
    struct pawl_worker *w;
    enum pawl_status status = core_enter(pawl, err);
    int rc;

    if (status == PAWL_OK)
        status = worker_check(options, err);
    if (status != PAWL_OK)
        return status;
    w = worker_new(pawl, options);
    if (!w)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    /* The waiter first: it must not miss what comes after the first look. */
    status = waiter_join(w, err);
    rc = status == PAWL_OK ? start_threads(w) : 0;
    if (rc != 0)
        status = pawl_error_set(err, PAWL_ENOMEM, "cannot start a thread: %s",
                                strerror(rc));
    if (status != PAWL_OK) {
        pawl_worker_stop(w);
        pawl_worker_close(w);
        return status;
    }
    *out = w;
    return PAWL_OK;
}

void pawl_worker_stop(struct pawl_worker *w)
{
    if (!w || core_enter(w->pawl, NULL) != PAWL_OK)
        return;
    pthread_mutex_lock(&w->mutex);
    w->hurried = w->hurried || w->stopping;
    worker_begin_stop(w, w->stopping ? 0 : w->grace);
    pthread_mutex_unlock(&w->mutex);
}

enum pawl_status pawl_worker_wait(struct pawl_worker *w, struct pawl_error *err)
{
    enum pawl_status status;

    if (!w)
        return pawl_error_set(err, PAWL_EINVAL, "worker is NULL");
    status = core_enter(w->pawl, err);
    if (status != PAWL_OK)
        return status;
    pthread_mutex_lock(&w->mutex);
    while (!w->ended)
        pthread_cond_wait(&w->over, &w->mutex);
    status = w->status;
    if (status < 0 && err)
        *err = w->error;
    pthread_mutex_unlock(&w->mutex);
    return status;
}

void pawl_worker_counts(const struct pawl_worker *worker,
                        struct pawl_worker_counts *out)
{
    struct pawl_worker *w = (struct pawl_worker *)worker;

    memset(out, 0, sizeof *out);
    if (!w || core_enter(w->pawl, NULL) != PAWL_OK)
        return;
    pthread_mutex_lock(&w->mutex);
    *out = w->counts;
    pthread_mutex_unlock(&w->mutex);
}

void pawl_worker_close(struct pawl_worker *w)
{
    if (!w || core_enter(w->pawl, NULL) != PAWL_OK)
        return;
    pthread_mutex_lock(&w->mutex);
    if (!w->stopping)
        worker_begin_stop(w, w->grace);
    if (w->dispatchers_started == 0)
        worker_end(w); /* open failed half-way */
    while (!w->ended)
        pthread_cond_wait(&w->over, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
    join_threads(w);
    worker_free(w);
}
