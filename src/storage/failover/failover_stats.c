/* failover_stats.c - the counts of two storages as of one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/failover/failover_internal.h"

/* --- counts --------------------------------------------------------------------- */

/* What is in the spool's calls (failover_kept.c): their jobs by queue. */
struct kept {
    struct kept_queue {
        char name[PAWL_NAME_MAX + 1];
        uint64_t jobs;
    } *queues;
    size_t queue_count;
    uint64_t waiting; /* jobs, and outcomes of jobs */
    uint64_t calls;   /* that were read */
    bool failed;
};

static struct kept_queue *kept_queue(struct kept *kept, const char *name)
{
    struct kept_queue *grown, *last;

    for (size_t i = 0; i < kept->queue_count; i++)
        if (strcmp(kept->queues[i].name, name) == 0)
            return &kept->queues[i];
    grown = realloc(kept->queues, (kept->queue_count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    kept->queues = grown;
    last = &grown[kept->queue_count++];
    snprintf(last->name, sizeof last->name, "%s", name);
    last->jobs = 0;
    return last;
}

static bool count_call(void *context, const struct pawl_job *note,
                       const struct packet *call)
{
    struct kept *kept = context;
    struct kept_queue *queue;

    (void)note;
    kept->calls++;
    kept->waiting += call->put.job_count + call->exchange.outcome_count;
    if (!call->put.queue)
        return true;
    queue = kept_queue(kept, call->put.queue);
    if (queue)
        queue->jobs += call->put.job_count;
    kept->failed = !queue;
    return !kept->failed;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct kept_queue *)a)->name,
                  ((const struct kept_queue *)b)->name);
}

static void add_up(struct pawl_queue_stats *to, const struct pawl_queue_stats *from)
{
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        to->jobs[state] += from->jobs[state];
    to->completed_total += from->completed_total;
    to->failed_total += from->failed_total;
    to->dead_total += from->dead_total;
    if (from->oldest_pending > to->oldest_pending)
        to->oldest_pending = from->oldest_pending;
}

/* A block for `count` queues with names of `bytes` in all, as a storage makes it. */
static struct pawl_stats *stats_new(size_t count, size_t bytes, char **names)
{
    struct pawl_stats *stats =
        calloc(1, sizeof *stats + count * sizeof *stats->queues + bytes);

    if (!stats)
        return NULL;
    stats->queues = (struct pawl_queue_stats *)(stats + 1);
    *names = (char *)(stats->queues + count);
    return stats;
}

static void append(struct pawl_stats *stats, const struct pawl_queue_stats *queue,
                   char **names)
{
    struct pawl_queue_stats *last = &stats->queues[stats->queue_count++];
    size_t size = strlen(queue->name) + 1;

    *last = *queue;
    last->name = memcpy(*names, queue->name, size);
    *names += size;
}

static size_t name_bytes(const struct pawl_stats *stats)
{
    size_t bytes = 0;

    for (size_t i = 0; stats && i < stats->queue_count; i++)
        bytes += strlen(stats->queues[i].name) + 1;
    return bytes;
}

/* The kept jobs, as a storage would tell of them. */
static struct pawl_stats *stats_of_kept(struct kept *kept)
{
    size_t bytes = 0;
    char *names;
    struct pawl_stats *stats;

    if (kept->queue_count > 0)
        qsort(kept->queues, kept->queue_count, sizeof *kept->queues, by_name);
    for (size_t i = 0; i < kept->queue_count; i++)
        bytes += strlen(kept->queues[i].name) + 1;
    stats = stats_new(kept->queue_count, bytes, &names);
    for (size_t i = 0; stats && i < kept->queue_count; i++) {
        struct pawl_queue_stats queue = { .name = kept->queues[i].name,
                                          .oldest_pending = -1 };
        queue.jobs[PAWL_HELD] = kept->queues[i].jobs;
        append(stats, &queue, &names);
    }
    return stats;
}

/* Both, sorted by name, without what is not a user's, or not of the queue that is asked
 * for. Either may be NULL. The totals and the pause are those of `there`, where it has
 * the queue: what the spool completed counts there once it has gone over. */
static struct pawl_stats *merge(const struct pawl_stats *there,
                                const struct pawl_stats *here, const char *asked)
{
    size_t a = 0, b = 0, a_count = there ? there->queue_count : 0;
    size_t b_count = here ? here->queue_count : 0;
    char *names;
    struct pawl_stats *out = stats_new(a_count + b_count,
                                       name_bytes(there) + name_bytes(here), &names);

    while (out && (a < a_count || b < b_count)) {
        int order = a == a_count ? 1 : b == b_count ? -1
                    : strcmp(there->queues[a].name, here->queues[b].name);
        const struct pawl_queue_stats *queue = order > 0 ? &here->queues[b]
                                                         : &there->queues[a];
        if (!failover_is_reserved(queue->name) &&
            (!asked || strcmp(queue->name, asked) == 0)) {
            append(out, queue, &names);
            if (order == 0)
                add_up(&out->queues[out->queue_count - 1], &here->queues[b]);
        }
        a += order <= 0;
        b += order >= 0;
    }
    return out;
}

/* A queue that the spool does not know may well be one at the primary. */
static struct pawl_stats *one_unknown(const char *queue)
{
    struct pawl_queue_stats nothing = { .name = queue, .oldest_pending = -1 };
    char *names;
    struct pawl_stats *out = stats_new(1, strlen(queue) + 1, &names);

    if (out)
        append(out, &nothing, &names);
    return out;
}

/* A call of a newer pawl has a job at least. */
static void count_spooled(struct pawl_stats *all, const struct pawl_stats *here,
                          const struct kept *kept)
{
    uint64_t calls = 0;

    all->spooled = kept->waiting;
    for (size_t i = 0; i < here->queue_count; i++) {
        uint64_t waiting = failover_unfinished(&here->queues[i]);
        if (failover_is_reserved(here->queues[i].name)) {
            calls += waiting;
            continue;
        }
        all->spooled += waiting;
        all->spooled_running += here->queues[i].jobs[PAWL_PROCESSING];
    }
    if (calls > kept->calls)
        all->spooled += calls - kept->calls;
}

uint64_t failover_waiting(struct failover *f)
{
    const struct kept unread = { 0 };
    struct pawl_stats all = { 0 }, *here = NULL;

    if (storage_stats(f->spool, NULL, &here, NULL) == PAWL_OK)
        count_spooled(&all, here, &unread);
    pawl_stats_free(here);
    return all.spooled;
}

/* `there` is what the primary said, or NULL. */
static enum pawl_status both(struct failover *f, const char *queue,
                             const struct pawl_stats *there, bool away,
                             struct pawl_stats **out, struct pawl_error *err)
{
    struct kept kept = { 0 };
    struct pawl_stats *here = NULL, *calls = NULL, *jobs = NULL, *all = NULL;
    enum pawl_status status = failover_each_kept(f, count_call, &kept, err);

    if (status >= 0)
        status = storage_stats(f->spool, NULL, &here, err);
    if (status >= 0) {
        calls = stats_of_kept(&kept);
        jobs = merge(there, here, queue);
        all = calls && jobs && !kept.failed ? merge(jobs, calls, queue) : NULL;
        if (all && queue && all->queue_count == 0 && away) {
            pawl_stats_free(all);
            all = one_unknown(queue);
        }
        if (!all)
            status = pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    }
    if (all) {
        count_spooled(all, here, &kept);
        if (queue && all->queue_count == 0)
            status = PAWL_NOT_FOUND;
    }
    if (status == PAWL_OK)
        *out = all;
    else
        pawl_stats_free(all);
    pawl_stats_free(jobs);
    pawl_stats_free(calls);
    pawl_stats_free(here);
    free(kept.queues);
    return status;
}

enum pawl_status failover_stats(struct pawl_storage *self, const char *queue,
                                struct pawl_stats **out, struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    struct pawl_stats *there = NULL;
    struct pawl_error own = { 0 };
    enum pawl_status status;
    struct pawl_storage *primary = failover_ask(f, &status, &own);
    struct pawl_id first;
    enum pawl_mode mode;

    if (primary)
        status = storage_stats(primary, queue, &there, &own);
    if (failover_final(f, status, &own, err) && status < 0)
        return status;
    mode = failover_mode(breaker_state(&f->breaker));
    if (mode == PAWL_MODE_PRIMARY) {
        *out = there;
    } else {
        status = both(f, queue, there, mode == PAWL_MODE_SPOOLING, out, err);
        pawl_stats_free(there);
    }
    if (status == PAWL_OK) {
        (*out)->mode = mode;
        (*out)->fallback = true;
        (*out)->set_aside = failover_set_aside(f, &first);
    }
    return status;
}
