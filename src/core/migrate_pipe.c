/* migrate_pipe.c - two batches on their way at once.
 *
 * The source works for one while the target works for the other: two threads, each
 * with a relay and a mark of its own, so that each mark holds one batch at most and
 * whoever goes on after a crash finds it whole. Turns keep the order (relay.h).
 *
 * Locking: `mutex` guards what the threads tell the caller's, which meanwhile keeps the
 * lock of the migration and tells how far it is. It comes after the turns' and is held
 * for a few instructions only.
 */
#include "core/migrate.h"
#include "util/clock.h"
#include "util/thread.h"

#define ALONE_FIRST 5 /* batches: a small queue is not worth a thread */
#define LOOK_NS     INT64_C(50000000)

struct pipe {
    struct pawl_migration *m;
    struct pawl_migrate_queue *queue;
    struct relay_turns turns;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct relay_counts counts; /* since the caller's thread looked */
    bool stop;
    int running;
    enum pawl_status status; /* of the first that failed */
    struct pawl_error err;
};

struct lane {
    struct pipe *pipe;
    struct relay *relay;
    pthread_t thread;
};

/* --- the threads --------------------------------------------------------------------- */

/* What became of a batch. False: no more. */
static bool tell(struct pipe *pipe, enum pawl_status status,
                 const struct relay_counts *counts, const struct pawl_error *err)
{
    bool go_on;

    pthread_mutex_lock(&pipe->mutex);
    pipe->counts.moved += counts->moved;
    pipe->counts.duplicates += counts->duplicates;
    pipe->counts.merged += counts->merged;
    if (status < 0 && status != PAWL_ECLOSED && pipe->status == PAWL_OK) {
        pipe->status = status;
        pipe->err = *err;
    }
    go_on = status == PAWL_OK && !pipe->stop;
    if (!go_on)
        pipe->running--;
    pthread_cond_signal(&pipe->changed);
    pthread_mutex_unlock(&pipe->mutex);
    return go_on;
}

static void *run_lane(void *context)
{
    struct lane *lane = context;
    struct pawl_error err = { 0 };
    struct relay_counts counts;
    enum pawl_status status;

    do {
        counts = (struct relay_counts){ 0 };
        status = relay_next(lane->relay, lane->pipe->queue->name, &counts, &err);
    } while (tell(lane->pipe, status, &counts, &err));
    return NULL;
}

/* --- the caller's thread ---------------------------------------------------------------- */

static void take_counts(struct pawl_migration *m, struct pawl_migrate_queue *queue,
                        struct relay_counts *counts, uint64_t *moved)
{
    uint64_t more = counts->moved + counts->duplicates;

    *moved += more;
    m->progress.moved += more;
    migrate_count(queue, counts);
}

/* Until both are done; with pipe->mutex. */
static void watch(struct pipe *pipe, uint64_t *moved)
{
    struct pawl_error err = { 0 };
    enum pawl_status status;

    while (pipe->running > 0) {
        struct timespec until = clock_timespec(clock_mono_ns() + LOOK_NS);
        pthread_cond_timedwait(&pipe->changed, &pipe->mutex, &until);
        take_counts(pipe->m, pipe->queue, &pipe->counts, moved);
        pthread_mutex_unlock(&pipe->mutex);
        status = migrate_tick(pipe->m, pipe->queue, &err);
        pthread_mutex_lock(&pipe->mutex);
        if (status < 0 && pipe->status == PAWL_OK) {
            pipe->status = status;
            pipe->err = err;
        }
        pipe->stop = pipe->stop || status < 0;
    }
    take_counts(pipe->m, pipe->queue, &pipe->counts, moved);
}

static void run_both(struct pipe *pipe, uint64_t *moved)
{
    struct pawl_migration *m = pipe->m;
    struct lane lanes[2] = { { pipe, &m->relays[0], 0 }, { pipe, &m->relays[1], 0 } };
    bool started[2];
    int i;

    m->relays[1].now = m->relays[0].now;
    pthread_mutex_lock(&pipe->mutex);
    for (i = 0; i < 2; i++) {
        m->relays[i].turns = &pipe->turns;
        started[i] = thread_start(&lanes[i].thread, run_lane, &lanes[i],
                                  "pawl-migrate") == 0;
        pipe->running += started[i];
    }
    if (pipe->running == 0)
        pipe->status = pawl_error_set(&pipe->err, PAWL_ENOMEM,
                                      "no thread could be started");
    watch(pipe, moved);
    pthread_mutex_unlock(&pipe->mutex);
    for (i = 0; i < 2; i++) {
        if (started[i])
            pthread_join(lanes[i].thread, NULL);
        m->relays[i].turns = NULL;
    }
}

static enum pawl_status overlap(struct pawl_migration *m,
                                struct pawl_migrate_queue *queue, uint64_t *moved,
                                struct pawl_error *err)
{
    struct pipe pipe = { .m = m, .queue = queue };

    relay_turns_init(&pipe.turns);
    pthread_mutex_init(&pipe.mutex, NULL);
    thread_cond_init(&pipe.changed);
    run_both(&pipe, moved);
    pthread_cond_destroy(&pipe.changed);
    pthread_mutex_destroy(&pipe.mutex);
    relay_turns_clear(&pipe.turns);
    if (pipe.status < 0 && err)
        *err = pipe.err;
    return pipe.status;
}

enum pawl_status migrate_pipe(struct pawl_migration *m,
                              struct pawl_migrate_queue *queue, uint64_t *moved,
                              struct pawl_error *err)
{
    struct relay_counts counts = { 0 };
    enum pawl_status status = PAWL_OK;
    int i;

    for (i = 0; i < ALONE_FIRST && status == PAWL_OK; i++) {
        status = migrate_tick(m, queue, err);
        if (status == PAWL_OK)
            status = relay_next(&m->relays[0], queue->name, &counts, err);
        take_counts(m, queue, &counts, moved);
    }
    if (status == PAWL_OK)
        status = overlap(m, queue, moved, err);
    return status == PAWL_EMPTY ? PAWL_OK : status;
}
