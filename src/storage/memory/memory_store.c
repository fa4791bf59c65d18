/* memory_store.c - see memory_store.h.
 *
 * A store is made by the first instance that names it and freed with the last.
 * An owner is dead when no open instance claimed for it any more; the leases of
 * its jobs then end at once, so that sweep needs to look at leases only. */
#include "storage/memory/memory_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/memory/memory_job.h"
#include "storage/memory/memory_session.h"
#include "storage/memory/memory_tally.h"
#include "util/thread.h"

static pthread_mutex_t stores_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct memory_store *stores;

/* --- making and freeing ---------------------------------------------------- */

static struct memory_store *store_new(const char *name)
{
    struct memory_store *store = calloc(1, sizeof *store);
    char *own_name = strdup(name);
    if (store == NULL || own_name == NULL)
        goto fail;
    if (thread_cond_init(&store->news) != 0)
        goto fail;
    pthread_mutex_init(&store->mutex, NULL);
    store->name = own_name;
    return store;

fail:
    free(own_name);
    free(store);
    return NULL;
}

static void queue_free(struct memory_queue *queue)
{
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++) {
        struct memory_job *job;
        while ((job = memory_index_first(&queue->states[state])) != NULL)
            memory_job_remove(job);
    }
    struct memory_key *key;
    while ((key = memory_index_first(&queue->keys.by_text)) != NULL)
        memory_key_release(&queue->keys, key);
    struct memory_session *session;
    while ((session = memory_index_first(&queue->sessions)) != NULL) {
        memory_index_remove(&queue->sessions, &session->node);
        memory_session_free(session);
    }
    struct memory_tally *tally;
    while ((tally = memory_index_first(&queue->tallies)) != NULL)
        memory_tally_forget(queue, tally);
    free(queue);
}

static void store_free(struct memory_store *store)
{
    struct memory_queue *queue;
    while ((queue = memory_index_first(&store->queues)) != NULL) {
        memory_index_remove(&store->queues, &queue->node);
        queue_free(queue);
    }
    pthread_cond_destroy(&store->news);
    pthread_mutex_destroy(&store->mutex);
    free(store->name);
    free(store);
}

/* --- joining and quitting -------------------------------------------------- */

enum pawl_status memory_store_join(struct memory_instance *self,
                                   const char *name, bool must_exist,
                                   struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    pthread_mutex_lock(&stores_mutex);
    struct memory_store *store = stores;
    while (store != NULL && strcmp(store->name, name) != 0)
        store = store->next;
    if (store == NULL && must_exist) {
        status = pawl_error_set(err, PAWL_NOT_FOUND,
                                "nothing in this process has 'memory:%s' open", name);
        goto out;
    }
    if (store == NULL) {
        store = store_new(name);
        if (store == NULL) {
            status = pawl_error_set(err, PAWL_ENOMEM,
                                    "out of memory for store 'memory:%s'", name);
            goto out;
        }
        store->next = stores;
        stores = store;
    }
    self->store = store;
    self->base.where = store->name;
    pthread_mutex_lock(&store->mutex);
    self->next = store->instances;
    store->instances = self;
    pthread_mutex_unlock(&store->mutex);

out:
    pthread_mutex_unlock(&stores_mutex);
    return status;
}

static bool is_owner_of(const struct memory_instance *self,
                        const struct pawl_owner *owner)
{
    return memory_index_find(&self->owners, owner->b, sizeof owner->b) != NULL;
}

static bool owner_lives(const struct memory_store *store,
                        const struct pawl_owner *owner)
{
    for (const struct memory_instance *i = store->instances; i != NULL; i = i->next) {
        if (is_owner_of(i, owner))
            return true;
    }
    return false;
}

/* The leases of the owners that an instance leaves behind end. The walk goes by
 * rising lease, and an ended lease is put before all others, so nothing is passed
 * over. */
static void end_leases(const struct memory_instance *self)
{
    const struct memory_store *store = self->store;
    struct memory_queue *queue = memory_index_first(&store->queues);
    while (queue != NULL) {
        const struct memory_index *processing = &queue->states[PAWL_PROCESSING];
        struct memory_job *job = memory_index_first(processing);
        while (job != NULL) {
            uint8_t order[MEMORY_ORDER_SIZE];
            memcpy(order, job->order, sizeof order);
            if (is_owner_of(self, &job->last_owner) &&
                !owner_lives(store, &job->last_owner))
                memory_job_to_lease(job, MEMORY_LEASE_ENDED);
            job = memory_index_after(processing, order, sizeof order);
        }
        queue = memory_index_after(&store->queues, queue->name, strlen(queue->name));
    }
}

static void owners_clear(struct memory_instance *self)
{
    struct memory_owner *owner;
    while ((owner = memory_index_first(&self->owners)) != NULL) {
        memory_index_remove(&self->owners, &owner->node);
        free(owner);
    }
}

void memory_store_quit(struct memory_instance *self)
{
    struct memory_store *store = self->store;
    if (store == NULL)
        return;
    pthread_mutex_lock(&stores_mutex);
    pthread_mutex_lock(&store->mutex);
    struct memory_instance **link = &store->instances;
    while (*link != self)
        link = &(*link)->next;
    *link = self->next;
    bool last = store->instances == NULL;
    if (!last && self->owners.count > 0 && !self->base.keep_leases)
        end_leases(self);
    pthread_mutex_unlock(&store->mutex);

    if (last) {
        struct memory_store **place = &stores;
        while (*place != store)
            place = &(*place)->next;
        *place = store->next;
    }
    pthread_mutex_unlock(&stores_mutex);
    owners_clear(self);
    self->store = NULL;
    if (last)
        store_free(store);
}

bool memory_owner_add(struct memory_instance *self,
                      const struct pawl_owner *owner)
{
    if (is_owner_of(self, owner))
        return true;
    struct memory_owner *added = calloc(1, sizeof *added);
    if (added == NULL)
        return false;
    added->id = *owner;
    memory_index_add(&self->owners, &added->node, added->id.b,
                     sizeof added->id.b, added);
    return true;
}

/* --- a step ------------------------------------------------------------------ */

struct memory_store *memory_enter(struct pawl_storage *storage)
{
    struct memory_store *store = ((struct memory_instance *)storage)->store;
    pthread_mutex_lock(&store->mutex);
    return store;
}

void memory_leave(struct memory_store *store)
{
    pthread_mutex_unlock(&store->mutex);
}

pawl_time memory_now(struct memory_instance *self)
{
    struct memory_store *store = self->store;
    pawl_time now = self->clock.now(self->clock.context);
    if (now > store->now)
        store->now = now;
    return store->now;
}

pawl_time memory_steady(const struct memory_instance *self)
{
    return self->clock.steady(self->clock.context);
}

/* --- queues ------------------------------------------------------------------ */

struct memory_queue *memory_queue_find(const struct memory_store *store,
                                       const char *name)
{
    return memory_index_find(&store->queues, name, strlen(name));
}

struct memory_queue *memory_queue_at(struct memory_store *store,
                                     const char *name)
{
    struct memory_queue *queue = memory_queue_find(store, name);
    if (queue != NULL)
        return queue;
    size_t size = strlen(name);
    queue = calloc(1, sizeof *queue + size + 1);
    if (queue == NULL)
        return NULL;
    queue->store = store;
    memcpy(queue->name, name, size);
    memory_index_add(&store->queues, &queue->node, queue->name, size, queue);
    return queue;
}

void memory_queue_arrived(struct memory_queue *queue)
{
    queue->arrivals++;
    pthread_cond_broadcast(&queue->store->news);
}

pawl_time memory_queue_next_at(const struct memory_queue *queue)
{
    const struct memory_job *scheduled =
        memory_index_first(&queue->states[PAWL_SCHEDULED]);
    const struct memory_job *failed =
        memory_index_first(&queue->states[PAWL_FAILED]);
    if (scheduled == NULL || failed == NULL) {
        const struct memory_job *only = scheduled != NULL ? scheduled : failed;
        return only == NULL ? 0 : only->job.run_at;
    }
    return scheduled->job.run_at < failed->job.run_at ? scheduled->job.run_at
                                                      : failed->job.run_at;
}

struct pawl_keep memory_queue_keep(const struct memory_queue *queue,
                                   const struct pawl_retention *passed,
                                   enum pawl_state state)
{
    const struct pawl_retention *r = queue->has_retention ? &queue->retention : passed;
    if (r == NULL)
        return (struct pawl_keep){ .age = -1, .count = -1 };
    switch (state) {
    case PAWL_COMPLETED:
        return r->completed;
    case PAWL_DEAD:
        return r->dead;
    default:
        assert(state == PAWL_CANCELLED);
        return r->cancelled;
    }
}
