/* redis_watch.c - see redis_watch.h.
 *
 * A master that the sentinels replaced by plan answers on as if nothing had happened,
 * until they get round to making it a replica, ten seconds later; what it takes
 * until then is lost. So it is not enough to look for the master when a call fails,
 * and calls must not pay for looking when none does.
 */
#include "storage/redis/redis_watch.h"

#include <pthread.h>
#include <stdlib.h>

#include "util/clock.h"
#include "util/thread.h"

#define PERIOD_NS INT64_C(1000000000)

struct redis_watch {
    void (*look)(void *context);
    void *context;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t stopped;
    bool stop;
};

/* False: it is to stop. */
static bool sleep_one_period(struct redis_watch *watch)
{
    struct timespec until = clock_timespec(clock_mono_ns() + PERIOD_NS);
    int rc = 0;

    pthread_mutex_lock(&watch->mutex);
    while (!watch->stop && rc == 0)
        rc = pthread_cond_timedwait(&watch->stopped, &watch->mutex, &until);
    bool stop = watch->stop;
    pthread_mutex_unlock(&watch->mutex);
    return !stop;
}

static void *run(void *arg)
{
    struct redis_watch *watch = arg;

    while (sleep_one_period(watch))
        watch->look(watch->context);
    return NULL;
}

static void free_watch(struct redis_watch *watch)
{
    pthread_cond_destroy(&watch->stopped);
    pthread_mutex_destroy(&watch->mutex);
    free(watch);
}

struct redis_watch *redis_watch_start(void (*look)(void *context), void *context)
{
    struct redis_watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL)
        return NULL;
    watch->look = look;
    watch->context = context;
    pthread_mutex_init(&watch->mutex, NULL);
    thread_cond_init(&watch->stopped);
    if (thread_start(&watch->thread, run, watch, "pawl-sentinel") != 0) {
        free_watch(watch);
        return NULL;
    }
    return watch;
}

void redis_watch_stop(struct redis_watch *watch)
{
    if (watch == NULL)
        return;
    pthread_mutex_lock(&watch->mutex);
    watch->stop = true;
    pthread_cond_signal(&watch->stopped);
    pthread_mutex_unlock(&watch->mutex);
    pthread_join(watch->thread, NULL);
    free_watch(watch);
}
