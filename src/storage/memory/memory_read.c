/* memory_read.c - looking without changing anything: get, list, stats, health. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/memory/memory_job.h"
#include "storage/memory/memory_methods.h"
#include "util/clock.h"

static enum pawl_status no_memory(struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_ENOMEM, "out of memory for a copy of a job");
}

enum pawl_status memory_get(struct pawl_storage *storage, const char *queue,
                            struct pawl_id id, struct pawl_job **out,
                            struct pawl_error *err)
{
    struct memory_store *store = memory_enter(storage);
    enum pawl_status status = PAWL_NOT_FOUND;
    const struct memory_job *job =
        memory_index_find(&store->jobs, id.b, sizeof id.b);
    if (job != NULL && (queue == NULL || strcmp(queue, job->queue->name) == 0)) {
        struct pawl_job *copy = pawl_job_copy(&job->job);
        status = copy == NULL ? no_memory(err) : PAWL_OK;
        if (copy != NULL)
            *out = copy;
    }
    memory_leave(store);
    return status;
}

/* --- list ---------------------------------------------------------------------- */

/* The next job in the state's own order: newest first where jobs are finished. */
static struct memory_job *next_job(const struct memory_index *jobs,
                                   enum pawl_state state,
                                   const struct pawl_place *after)
{
    bool newest_first = memory_state_finished(state);
    if (!after->set)
        return newest_first ? memory_index_last(jobs) : memory_index_first(jobs);
    uint8_t order[MEMORY_ORDER_SIZE];
    memory_order_make(after->rank, after->tie, order);
    return newest_first ? memory_index_before(jobs, order, sizeof order)
                        : memory_index_after(jobs, order, sizeof order);
}

static struct pawl_place place_of(const struct memory_job *job)
{
    struct pawl_place place = { .rank = job->rank, .set = true };
    memcpy(place.tie, job->order + 8, sizeof place.tie);
    return place;
}

enum pawl_status memory_list(struct pawl_storage *storage,
                             const struct pawl_list *in,
                             struct pawl_list_reply *out, struct pawl_error *err)
{
    struct memory_store *store = memory_enter(storage);
    enum pawl_status status = PAWL_OK;
    const struct memory_queue *queue = memory_queue_find(store, in->queue);
    struct pawl_place at = in->after;
    size_t count = 0;
    const struct memory_job *job = NULL;
    while (queue != NULL &&
           (job = next_job(&queue->states[in->state], in->state, &at)) != NULL &&
           count < in->limit) {
        at = place_of(job);
        if (in->type != NULL && strcmp(in->type, job->job.type) != 0)
            continue;
        out->jobs[count] = pawl_job_copy(&job->job);
        if (out->jobs[count] == NULL) {
            status = no_memory(err);
            goto out;
        }
        count++;
    }
    out->job_count = count;
    out->next = at;
    out->next.set = job != NULL;

out:
    for (size_t i = 0; status != PAWL_OK && i < count; i++)
        pawl_job_free(out->jobs[i]);
    memory_leave(store);
    return status;
}

/* --- stats ----------------------------------------------------------------------- */

/* The age of the oldest of the jobs at the head of each lane. */
static pawl_duration oldest_pending(const struct memory_queue *queue,
                                    pawl_time now)
{
    static const uint8_t end_of_lane[16] = {
        255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255,
    };
    const struct memory_index *pending = &queue->states[PAWL_PENDING];
    const struct memory_job *job = memory_index_first(pending);
    pawl_duration oldest = -1;
    while (job != NULL) {
        pawl_time since = job->job.enqueued_at > job->job.run_at
                              ? job->job.enqueued_at
                              : job->job.run_at;
        if (since > now)
            since = now; /* the clock was set back; -1 would say: none */
        if (now - since > oldest)
            oldest = now - since;
        uint8_t order[MEMORY_ORDER_SIZE];
        memory_order_make(job->rank, end_of_lane, order);
        job = memory_index_after(pending, order, sizeof order);
    }
    return oldest;
}

static void count_queue(const struct memory_queue *queue, pawl_time now,
                        struct pawl_queue_stats *out)
{
    out->paused = queue->paused;
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        out->jobs[state] = queue->states[state].count;
    out->has_keep = queue->has_retention;
    if (out->has_keep)
        out->keep = pawl_retention_as_keep(&queue->retention);
    out->completed_total = (uint64_t)queue->entered[PAWL_COMPLETED];
    out->dead_total = (uint64_t)queue->entered[PAWL_DEAD];
    out->failed_total = queue->failed_total;
    out->oldest_pending = oldest_pending(queue, now);
}

static const struct memory_queue *next_queue(const struct memory_store *store,
                                             const struct memory_queue *queue)
{
    if (queue == NULL)
        return memory_index_first(&store->queues);
    return memory_index_after(&store->queues, queue->name, strlen(queue->name));
}

/* Room for `count` queues and their names, in one block. */
static struct pawl_stats *stats_new(size_t count, size_t names_size)
{
    struct pawl_stats *stats =
        calloc(1, sizeof *stats + count * sizeof *stats->queues + names_size);
    if (stats != NULL) {
        stats->queues = (struct pawl_queue_stats *)(stats + 1);
        stats->queue_count = count;
    }
    return stats;
}

enum pawl_status memory_stats(struct pawl_storage *storage, const char *name,
                              struct pawl_stats **out, struct pawl_error *err)
{
    struct memory_store *store = memory_enter(storage);
    pawl_time now = memory_now((struct memory_instance *)storage);
    enum pawl_status status = PAWL_OK;
    const struct memory_queue *only = NULL;
    if (name != NULL && (only = memory_queue_find(store, name)) == NULL) {
        status = pawl_error_set(err, PAWL_NOT_FOUND, "there is no queue '%s'", name);
        goto out;
    }
    size_t count = 0, names_size = 0;
    const struct memory_queue *queue = NULL;
    while ((queue = next_queue(store, queue)) != NULL) {
        count++;
        names_size += strlen(queue->name) + 1;
    }
    struct pawl_stats *stats = stats_new(only != NULL ? 1 : count, names_size);
    if (stats == NULL) {
        status = pawl_error_set(err, PAWL_ENOMEM, "out of memory for stats");
        goto out;
    }
    char *at = (char *)(stats->queues + stats->queue_count);
    queue = only != NULL ? only : next_queue(store, NULL);
    for (size_t i = 0; i < stats->queue_count; i++) {
        size_t size = strlen(queue->name) + 1;
        stats->queues[i].name = memcpy(at, queue->name, size);
        at += size;
        count_queue(queue, now, &stats->queues[i]);
        queue = next_queue(store, queue);
    }
    *out = stats;

out:
    memory_leave(store);
    return status;
}

enum pawl_status memory_health(struct pawl_storage *storage,
                               struct pawl_health *out, struct pawl_error *err)
{
    int64_t before = clock_mono_ns();
    struct memory_store *store = memory_enter(storage);
    (void)err;
    memset(out, 0, sizeof *out);
    snprintf(out->storage, sizeof out->storage, "memory");
    snprintf(out->where, sizeof out->where, "%s", store->name);
    snprintf(out->engine, sizeof out->engine, "in this process");
    snprintf(out->durability, sizeof out->durability, "none");
    out->size_bytes = (int64_t)store->bytes;
    memory_leave(store);
    out->round_trip_us = (clock_mono_ns() - before) / 1000;
    return PAWL_OK;
}
