/* redis_pace.c - see redis_pace.h. The mutex is held for a few instructions, and
 * taken once before and once behind each request. */
#include "storage/redis/redis_pace.h"

#include "util/clock.h"
#include "util/random.h"
#include "util/thread.h"

#define NS_PER_MS INT64_C(1000000)
#define PAUSE_FIRST 100
#define PAUSE_MOST 1000

void redis_pace_init(struct redis_pace *pace)
{
    *pace = (struct redis_pace){ 0 };
    pthread_mutex_init(&pace->mutex, NULL);
    thread_cond_init(&pace->better);
}

void redis_pace_clear(struct redis_pace *pace)
{
    pthread_cond_destroy(&pace->better);
    pthread_mutex_destroy(&pace->mutex);
}

pawl_duration redis_pace_jitter(pawl_duration most)
{
    return most - (pawl_duration)(random_u64() % (uint64_t)(most / 2 + 1));
}

/* The turn is ours: the next one's is a pause later. */
static void pace_advance(struct redis_pace *pace, int64_t now)
{
    pawl_duration pause = redis_pace_jitter(pace->pause);

    if (pause < PAUSE_FIRST)
        pause = PAUSE_FIRST;
    pace->next_ns = now + pause * NS_PER_MS;
    pace->pause *= 2;
    if (pace->pause > PAUSE_MOST)
        pace->pause = PAUSE_MOST;
}

enum pawl_status redis_pace_turn(struct redis_pace *pace, int64_t deadline,
                                 struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    struct timespec until;
    int64_t now = 0;

    pthread_mutex_lock(&pace->mutex);
    while (pace->failing && (now = clock_mono_ns()) < pace->next_ns) {
        if (now >= deadline) {
            status = pace->error.status;
            if (err)
                *err = pace->error;
            break;
        }
        until = clock_timespec(pace->next_ns < deadline ? pace->next_ns : deadline);
        pthread_cond_timedwait(&pace->better, &pace->mutex, &until);
    }
    if (pace->failing && status == PAWL_OK)
        pace_advance(pace, now);
    pthread_mutex_unlock(&pace->mutex);
    return status;
}

bool redis_pace_is_failing(struct redis_pace *pace)
{
    bool failing;

    pthread_mutex_lock(&pace->mutex);
    failing = pace->failing;
    pthread_mutex_unlock(&pace->mutex);
    return failing;
}

void redis_pace_failed(struct redis_pace *pace, bool at_once,
                       const struct pawl_error *error)
{
    pthread_mutex_lock(&pace->mutex);
    if (!pace->failing) {
        pace->failing = true;
        pace->pause = PAUSE_FIRST;
        pace->next_ns = clock_mono_ns();
        if (!at_once)
            pace_advance(pace, pace->next_ns);
    }
    pace->error = *error;
    pthread_mutex_unlock(&pace->mutex);
}

void redis_pace_worked(struct redis_pace *pace)
{
    bool failed;

    pthread_mutex_lock(&pace->mutex);
    failed = pace->failing;
    pace->failing = false;
    pthread_mutex_unlock(&pace->mutex);
    if (failed)
        pthread_cond_broadcast(&pace->better);
}
