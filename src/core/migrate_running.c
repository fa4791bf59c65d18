/* migrate_running.c - see migrate_running.h. */
#include "core/migrate_running.h"

#include <stdlib.h>
#include <string.h>

#define PAGE         500
#define SWEEP_LIMIT  1000
#define CRASHES_MOST 1000000 /* whether a job has crashed too often is a worker's say */

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct migrate_attempt));
}

/* Zeroed first, padding too: they are compared as bytes. */
static struct migrate_attempt attempt_of(const struct pawl_job *job)
{
    struct migrate_attempt attempt;

    memset(&attempt, 0, sizeof attempt);
    attempt.id = job->id;
    attempt.epoch = job->epoch;
    return attempt;
}

static bool add(void *context, const struct pawl_job *job)
{
    struct migrate_running *list = context;
    struct migrate_attempt *more = list->jobs;

    if ((list->count & (list->count - 1)) == 0) /* full at each power of two */
        more = realloc(list->jobs, (list->count ? 2 * list->count : 1) * sizeof *more);
    if (!more)
        return false;
    list->jobs = more;
    list->jobs[list->count++] = attempt_of(job);
    return true;
}

static enum pawl_status sweep(struct pawl_migration *m, const char *queue,
                              struct pawl_error *err)
{
    struct pawl_sweep in = { .queue = queue, .limit = SWEEP_LIMIT,
                             .max_crashes = CRASHES_MOST,
                             .retention = { { -1, -1 }, { -1, -1 }, { -1, -1 } } };
    struct pawl_sweep_reply out;

    return storage_sweep(m->from, &in, &out, err);
}

enum pawl_status migrate_running_note(struct pawl_migration *m,
                                      struct migrate_running *running,
                                      struct pawl_error *err)
{
    struct storage_walk walk = { .storage = m->from, .page = PAGE, .visit = add,
                                 .context = running };
    enum pawl_status status = PAWL_OK;
    size_t i;

    *running = (struct migrate_running){ NULL };
    for (i = 0; i < m->plan.queue_count && status >= 0; i++) {
        walk.queue = m->plan.queues[i].name;
        status = sweep(m, walk.queue, err);
        if (status >= 0)
            status = storage_walk(&walk, PAWL_PROCESSING, err);
    }
    if (status >= 0 && walk.enough)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory for what is running");
    if (running->count > 0)
        qsort(running->jobs, running->count, sizeof *running->jobs, compare);
    return status < 0 ? status : PAWL_OK;
}

enum pawl_status migrate_running_look(struct pawl_migration *m,
                                      struct migrate_running *running,
                                      struct pawl_error *err)
{
    struct migrate_running now;
    enum pawl_status status;
    size_t i, kept = 0;

    if (running->count == 0)
        return PAWL_OK;
    status = migrate_running_note(m, &now, err);
    for (i = 0; i < running->count && status == PAWL_OK && now.count > 0; i++)
        if (bsearch(&running->jobs[i], now.jobs, now.count, sizeof *now.jobs, compare))
            running->jobs[kept++] = running->jobs[i];
    if (status == PAWL_OK)
        running->count = kept;
    free(now.jobs);
    return status;
}
