/* worker_wait.c - see worker_wait.h.
 *
 * Nothing is missed although the waiter is not always in the storage: a wait
 * returns at once if anything arrived since the one before, and what it returned
 * for is kept for those who were not hungry then (`missed`). The waiter always
 * waits for the queues of all its workers, so that storages need not take note
 * of a new set each time.
 */
#include "core/worker_wait.h"

#include <stdlib.h>

#include "core/worker_internal.h"
#include "util/clock.h"
#include "util/thread.h"

#define WAIT_MS 10000        /* at most this long in the storage */
#define FAILED_PAUSE_MS 1000 /* after a wait that failed */

struct waiter {
    struct pawl *pawl;
    size_t users; /* guarded by pawl->waiter_mutex */
    pthread_t thread;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct waiter_seat *seats;
    const char **queues; /* of all seats */
    size_t queue_count;
    bool waiting; /* in the storage: `queues` must stay */
    bool telling; /* with the mutex free: the seat must stay */
    bool hungry;  /* one of them is */
    bool leaving;
};

/* --- the thread ----------------------------------------------------------- */

/* A worker that is alone has its exchange made by this thread. Several would wait for
 * each other's. */
static bool tell_alone(struct waiter *waiter)
{
    struct waiter_seat *seat = waiter->seats;
    bool more;

    if (!seat || seat->next || !seat->hungry)
        return false;
    seat->hungry = false;
    waiter->telling = true;
    pthread_mutex_unlock(&waiter->mutex);
    more = worker_news_now(seat->worker);
    pthread_mutex_lock(&waiter->mutex);
    seat->hungry = seat->hungry || more;
    waiter->hungry = waiter->hungry || more;
    waiter->telling = false;
    pthread_cond_broadcast(&waiter->changed);
    return true;
}

/* Something may have arrived. */
static void tell(struct waiter *waiter)
{
    struct waiter_seat *seat;

    waiter->hungry = false;
    if (tell_alone(waiter))
        return;
    for (seat = waiter->seats; seat; seat = seat->next) {
        if (seat->hungry)
            worker_news(seat->worker);
        else
            seat->missed = true;
        seat->hungry = false;
    }
}

/* Nobody is told: the exchanges, which go on polling, will tell it better. */
static void pause_after_failure(struct waiter *waiter)
{
    struct timespec until =
        clock_timespec(clock_mono_ns() + FAILED_PAUSE_MS * WORKER_NS_PER_MS);

    if (!waiter->leaving)
        pthread_cond_timedwait(&waiter->changed, &waiter->mutex, &until);
}

static void wait_once(struct waiter *waiter)
{
    const struct pawl_clock *clock = &waiter->pawl->clock;
    struct pawl_wait wait = {
        .queues = waiter->queues,
        .queue_count = waiter->queue_count,
        .until = clock->steady(clock->context) + WAIT_MS,
    };
    enum pawl_status status;

    waiter->waiting = true;
    pthread_mutex_unlock(&waiter->mutex);
    status = storage_wait(waiter->pawl->storage, &wait, NULL);
    pthread_mutex_lock(&waiter->mutex);
    waiter->waiting = false;
    pthread_cond_broadcast(&waiter->changed);
    tell(waiter);
    if (status < 0)
        pause_after_failure(waiter);
}

static void *waiter_main(void *arg)
{
    struct waiter *waiter = arg;

    pthread_mutex_lock(&waiter->mutex);
    while (!waiter->leaving) {
        if (waiter->hungry)
            wait_once(waiter);
        else
            pthread_cond_wait(&waiter->changed, &waiter->mutex);
    }
    pthread_mutex_unlock(&waiter->mutex);
    return NULL;
}

/* --- coming and going ----------------------------------------------------- */

/* Until the thread is out of the storage, and does not look at `queues`. */
static void await_idle(struct waiter *waiter)
{
    while (waiter->waiting) {
        storage_kick(waiter->pawl->storage);
        pthread_cond_wait(&waiter->changed, &waiter->mutex);
    }
}

/* There is room: seat_add() makes it. */
static void list_queues(struct waiter *waiter)
{
    const struct waiter_seat *seat;
    size_t i;

    waiter->queue_count = 0;
    for (seat = waiter->seats; seat; seat = seat->next)
        for (i = 0; i < seat->worker->queue_count; i++)
            waiter->queues[waiter->queue_count++] = seat->worker->queue_names[i];
}

static bool seat_add(struct waiter *waiter, struct waiter_seat *seat)
{
    const char **queues;

    pthread_mutex_lock(&waiter->mutex);
    await_idle(waiter);
    queues = realloc(waiter->queues,
                     (waiter->queue_count + seat->worker->queue_count) *
                         sizeof *queues);
    if (queues) {
        waiter->queues = queues;
        seat->waiter = waiter;
        seat->next = waiter->seats;
        waiter->seats = seat;
        list_queues(waiter);
    }
    pthread_mutex_unlock(&waiter->mutex);
    return queues != NULL;
}

static void seat_remove(struct waiter *waiter, struct waiter_seat *seat)
{
    struct waiter_seat **at;

    pthread_mutex_lock(&waiter->mutex);
    await_idle(waiter);
    while (waiter->telling) {
        pthread_cond_wait(&waiter->changed, &waiter->mutex);
        await_idle(waiter);
    }
    for (at = &waiter->seats; *at != seat; at = &(*at)->next)
        continue;
    *at = seat->next;
    list_queues(waiter);
    pthread_mutex_unlock(&waiter->mutex);
}

static void waiter_free(struct waiter *waiter)
{
    pthread_mutex_destroy(&waiter->mutex);
    pthread_cond_destroy(&waiter->changed);
    free(waiter->queues);
    free(waiter);
}

static struct waiter *waiter_new(struct pawl *pawl)
{
    struct waiter *waiter = calloc(1, sizeof *waiter);

    if (!waiter)
        return NULL;
    waiter->pawl = pawl;
    pthread_mutex_init(&waiter->mutex, NULL);
    thread_cond_init(&waiter->changed);
    if (thread_start(&waiter->thread, waiter_main, waiter, "pawl-wait") == 0)
        return waiter;
    waiter_free(waiter);
    return NULL;
}

static void waiter_end(struct waiter *waiter)
{
    pthread_mutex_lock(&waiter->mutex);
    waiter->leaving = true;
    pthread_cond_broadcast(&waiter->changed);
    pthread_mutex_unlock(&waiter->mutex);
    storage_kick(waiter->pawl->storage);
    pthread_join(waiter->thread, NULL);
    waiter_free(waiter);
}

/* With the handle's waiter_mutex. */
static void let_go(struct waiter *waiter)
{
    if (--waiter->users > 0)
        return;
    waiter->pawl->waiter = NULL;
    waiter_end(waiter);
}

enum pawl_status waiter_join(struct pawl_worker *worker, struct pawl_error *err)
{
    struct pawl *pawl = worker->pawl;
    bool joined = false;

    pthread_mutex_lock(&pawl->waiter_mutex);
    if (!pawl->waiter)
        pawl->waiter = waiter_new(pawl);
    if (pawl->waiter) {
        pawl->waiter->users++;
        worker->seat.worker = worker;
        joined = seat_add(pawl->waiter, &worker->seat);
        if (!joined)
            let_go(pawl->waiter);
    }
    pthread_mutex_unlock(&pawl->waiter_mutex);
    if (!joined)
        return pawl_error_set(err, PAWL_ENOMEM,
                              "cannot start a worker: out of memory or threads");
    return PAWL_OK;
}

void waiter_leave(struct pawl_worker *worker)
{
    struct waiter *waiter = worker->seat.waiter;

    if (!waiter)
        return;
    pthread_mutex_lock(&worker->pawl->waiter_mutex);
    seat_remove(waiter, &worker->seat);
    worker->seat.waiter = NULL;
    let_go(waiter);
    pthread_mutex_unlock(&worker->pawl->waiter_mutex);
}

bool waiter_ask(struct pawl_worker *worker)
{
    struct waiter_seat *seat = &worker->seat;
    struct waiter *waiter = seat->waiter;
    bool asked;

    pthread_mutex_lock(&waiter->mutex);
    asked = !seat->missed;
    seat->missed = false;
    if (asked) {
        seat->hungry = true;
        if (!waiter->hungry)
            pthread_cond_broadcast(&waiter->changed);
        waiter->hungry = true;
    }
    pthread_mutex_unlock(&waiter->mutex);
    return asked;
}
