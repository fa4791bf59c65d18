/* memory.c - the table of the memory storage; opening, closing and waiting.
 *
 * The store itself is in memory_store.c, a job's moves in memory_job.c, and each
 * method of the contract in the file that has its name. */
#include "storage/memory/memory.h"

#include <string.h>

#include "storage/memory/memory_methods.h"
#include "storage/memory/memory_store.h"
#include "util/clock.h"

#define LOOK_AGAIN_MS 50 /* the store's clock may be one that a test sets */

static enum pawl_status memory_open(struct pawl_storage *storage,
                                    const struct pawl_storage_config *config,
                                    struct pawl_error *err)
{
    struct memory_instance *self = (struct memory_instance *)storage;
    self->clock = config->clock;
    if (config->options != NULL && config->options[0] != '\0')
        return pawl_error_set(err, PAWL_EINVAL,
                              "memory storage has no options, but got '?%s'",
                              config->options);
    return memory_store_join(self, config->location,
                             config->must_exist || config->health_only, err);
}

static void memory_close(struct pawl_storage *storage)
{
    memory_store_quit((struct memory_instance *)storage);
}

/* --- wait and kick ----------------------------------------------------------- */

/* How often anything arrived in these queues. Another number than at the last
 * look means news, whatever became of it in the meantime; so nothing that came
 * between an empty exchange and the wait after it is missed. */
static uint64_t arrivals(const struct memory_store *store,
                         const struct pawl_wait *in)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < in->queue_count; i++) {
        const struct memory_queue *queue = memory_queue_find(store, in->queues[i]);
        if (queue != NULL)
            sum += queue->arrivals;
    }
    return sum;
}

static enum pawl_status memory_wait(struct pawl_storage *storage,
                                    const struct pawl_wait *in,
                                    struct pawl_error *err)
{
    struct memory_instance *self = (struct memory_instance *)storage;
    struct memory_store *store = memory_enter(storage);
    (void)err;
    while (!self->kicked && arrivals(store, in) == self->arrivals_seen) {
        pawl_duration left = in->until - memory_steady(self);
        if (left <= 0)
            break;
        if (left > LOOK_AGAIN_MS)
            left = LOOK_AGAIN_MS;
        struct timespec until = clock_timespec(clock_mono_ns() + left * 1000000);
        pthread_cond_timedwait(&store->news, &store->mutex, &until);
    }
    self->kicked = false;
    self->arrivals_seen = arrivals(store, in);
    memory_leave(store);
    return PAWL_OK;
}

static void memory_kick(struct pawl_storage *storage)
{
    struct memory_store *store = memory_enter(storage);
    ((struct memory_instance *)storage)->kicked = true;
    pthread_cond_broadcast(&store->news);
    memory_leave(store);
}

const struct pawl_storage_ops memory_storage = {
    .abi = PAWL_STORAGE_ABI,
    .scheme = "memory",
    .label = "memory",
    .fleeting = true,
    .instance_size = sizeof(struct memory_instance),
    .put_max = 1000,
    .exchanges_in_flight = 1,
    .open = memory_open,
    .close = memory_close,
    .put = memory_put,
    .exchange = memory_exchange,
    .renew = memory_renew,
    .sweep = memory_sweep,
    .wait = memory_wait,
    .kick = memory_kick,
    .get = memory_get,
    .list = memory_list,
    .alter = memory_alter,
    .take_out = memory_take_out,
    .bring_in = memory_bring_in,
    .tally = memory_tally,
    .stats = memory_stats,
    .health = memory_health,
};
