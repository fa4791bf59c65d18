/* migrate_copy.c - what becomes of the jobs that a copy left held at the source.
 *
 * Taking one back means to remove it at the target and to release it here, which are
 * two steps. In between it has another mark: under BACK a job that the target does
 * not have was removed by us; under the mark of arrived ones it was done there. The
 * queue is paused there first, so that nobody claims it between look and removal.
 */
#include "core/migrate.h"

#include <stdlib.h>

#define BACK 2

struct taken {
    struct pawl_job *jobs[RELAY_BATCH_MAX];
    size_t count;
};

/* --- at the source ------------------------------------------------------------------- */

static enum pawl_status take(struct pawl_migration *m, const char *queue,
                             struct pawl_session mark, struct taken *taken,
                             struct pawl_error *err)
{
    struct pawl_take_out in = { .queue = queue, .mover = mark,
                                .kind = PAWL_TAKE_HOLD,
                                .limit = RELAY_BATCH_MAX };
    struct pawl_take_out_reply out = { .jobs = taken->jobs };
    enum pawl_status status = storage_take_out(m->from, &in, &out, err);

    taken->count = status < 0 ? 0 : out.job_count;
    return status < 0 ? status : PAWL_OK;
}

static void taken_clear(struct taken *taken)
{
    while (taken->count > 0)
        pawl_job_free(taken->jobs[--taken->count]);
}

static enum pawl_status settle(struct pawl_migration *m, const char *queue,
                               struct pawl_session mark, enum pawl_take_kind kind,
                               const struct pawl_id *ids, size_t count,
                               struct pawl_error *err)
{
    enum pawl_status results[RELAY_BATCH_MAX], status;
    struct pawl_take_out in = { .queue = queue, .mover = mark, .kind = kind,
                                .heir = migrate_mark(m, BACK), .ids = ids,
                                .id_count = count };
    struct pawl_take_out_reply out = { .results = results };

    if (count == 0)
        return PAWL_OK;
    status = storage_take_out(m->from, &in, &out, err);
    return status < 0 ? status : PAWL_OK;
}

/* --- beginning ----------------------------------------------------------------------- */

/* There must be a copy; what of it was under way arrives first. */
static enum pawl_status begin(struct pawl_migration *m, struct pawl_error *err)
{
    enum pawl_status status;
    size_t i;

    m->options.copy = true;
    m->options.verify = false;
    status = migrate_begin(m, err);
    if (status == PAWL_OK && !m->note.copy)
        status = PAWL_NOT_FOUND;
    if (status == PAWL_NOT_FOUND)
        return pawl_error_set(err, PAWL_NOT_FOUND,
                              "there is no copy to '%.100s' to settle", m->plan.to);
    if (status == PAWL_OK)
        status = migrate_plan_refresh(m, err);
    if (status != PAWL_OK)
        return status;
    migrate_prepare(m);
    for (i = 0; i < m->plan.queue_count && status == PAWL_OK; i++)
        status = migrate_resume(m, &m->plan.queues[i], err);
    return status;
}

typedef enum pawl_status settle_fn(struct pawl_migration *m,
                                   struct pawl_migrate_queue *queue,
                                   struct pawl_error *err);

static enum pawl_status for_all(struct pawl_migration *m, settle_fn *settle_queue,
                                struct pawl_error *err)
{
    enum pawl_status status = begin(m, err);
    size_t i;

    for (i = 0; i < m->plan.queue_count && status == PAWL_OK; i++) {
        m->plan.queues[i].moved = 0;
        status = settle_queue(m, &m->plan.queues[i], err);
    }
    migrate_end(m, status == PAWL_OK && m->options.queue_count == 0);
    return status;
}

/* --- finalize -------------------------------------------------------------------------- */

static enum pawl_status finalize(struct pawl_migration *m,
                                 struct pawl_migrate_queue *queue,
                                 struct pawl_error *err)
{
    struct pawl_id ids[RELAY_BATCH_MAX];
    struct taken taken;
    enum pawl_status status;
    size_t i;

    do {
        status = migrate_tick(m, queue, err);
        if (status == PAWL_OK)
            status = take(m, queue->name, m->kept, &taken, err);
        if (status != PAWL_OK || taken.count == 0)
            return status;
        for (i = 0; i < taken.count; i++)
            ids[i] = taken.jobs[i]->id;
        status = settle(m, queue->name, m->kept, PAWL_TAKE_CONFIRM, ids, taken.count,
                        err);
        queue->moved += taken.count;
        m->progress.moved += taken.count;
        taken_clear(&taken);
    } while (status == PAWL_OK);
    return status;
}

enum pawl_status pawl_migrate_finalize(struct pawl_migration *m, struct pawl_error *err)
{
    return for_all(m, finalize, err);
}

/* --- rollback ---------------------------------------------------------------------------- */

static enum pawl_status pause_there(struct pawl_migration *m, const char *queue,
                                    struct pawl_error *err)
{
    struct pawl_alter in = { .queue = queue, .kind = PAWL_ALTER_PAUSE };
    struct pawl_alter_reply out = { .results = NULL };
    enum pawl_status status = storage_alter(m->to, &in, &out, err);

    return status < 0 ? status : PAWL_OK;
}

/* Is it there, and as it came? */
static enum pawl_status look(struct pawl_migration *m, const struct pawl_job *job,
                             bool *is_there, bool *is_untouched, struct pawl_error *err)
{
    struct pawl_job *there = NULL;
    enum pawl_status status = storage_get(m->to, job->queue, job->id, &there, err);

    *is_there = status == PAWL_OK;
    *is_untouched = status == PAWL_OK && there->epoch == job->epoch &&
                    there->state != PAWL_PROCESSING &&
                    (there->finished_at == job->finished_at ||
                     there->state == PAWL_CANCELLED);
    pawl_job_free(there);
    return status == PAWL_NOT_FOUND ? PAWL_OK : status;
}

/* Tell those that come back, which are passed on, from those that live there, which
 * are let go of. */
static enum pawl_status sort_out(struct pawl_migration *m,
                                 struct pawl_migrate_queue *queue,
                                 const struct taken *taken, struct pawl_error *err)
{
    struct pawl_id back[RELAY_BATCH_MAX], gone[RELAY_BATCH_MAX];
    size_t back_count = 0, gone_count = 0, i;
    enum pawl_status status = PAWL_OK;

    for (i = 0; i < taken->count && status == PAWL_OK; i++) {
        bool is_there, is_untouched;
        status = look(m, taken->jobs[i], &is_there, &is_untouched, err);
        if (is_untouched)
            back[back_count++] = taken->jobs[i]->id;
        else
            gone[gone_count++] = taken->jobs[i]->id;
    }
    if (status == PAWL_OK)
        status = settle(m, queue->name, m->kept, PAWL_TAKE_CONFIRM, gone, gone_count,
                        err);
    if (status == PAWL_OK)
        status = settle(m, queue->name, m->kept, PAWL_TAKE_PASS, back, back_count, err);
    queue->duplicates += gone_count;
    return status;
}

static enum pawl_status remove_there(struct pawl_migration *m, const char *queue,
                                     const struct pawl_id *ids, size_t count,
                                     struct pawl_error *err)
{
    enum pawl_status results[RELAY_BATCH_MAX];
    struct pawl_alter in = { .queue = queue, .kind = PAWL_ALTER_REMOVE,
                             .from_states = ~0u, .ids = ids, .id_count = count };
    struct pawl_alter_reply out = { .results = results };
    enum pawl_status status = storage_alter(m->to, &in, &out, err);

    return status < 0 ? status : PAWL_OK;
}

/* All under BACK: gone there, then free here. */
static enum pawl_status bring_back(struct pawl_migration *m,
                                   struct pawl_migrate_queue *queue,
                                   struct pawl_error *err)
{
    struct pawl_session mark = migrate_mark(m, BACK);
    struct pawl_id ids[RELAY_BATCH_MAX];
    struct taken taken;
    enum pawl_status status;
    size_t i;

    do {
        status = take(m, queue->name, mark, &taken, err);
        if (status != PAWL_OK || taken.count == 0)
            return status;
        for (i = 0; i < taken.count; i++)
            ids[i] = taken.jobs[i]->id;
        status = remove_there(m, queue->name, ids, taken.count, err);
        if (status == PAWL_OK)
            status = settle(m, queue->name, mark, PAWL_TAKE_RELEASE, ids, taken.count,
                            err);
        queue->moved += taken.count;
        m->progress.moved += taken.count;
        taken_clear(&taken);
    } while (status == PAWL_OK);
    return status;
}

static enum pawl_status roll_back(struct pawl_migration *m,
                                  struct pawl_migrate_queue *queue,
                                  struct pawl_error *err)
{
    struct taken taken;
    enum pawl_status status = bring_back(m, queue, err);

    while (status == PAWL_OK) {
        status = migrate_tick(m, queue, err);
        if (status == PAWL_OK)
            status = take(m, queue->name, m->kept, &taken, err);
        if (status != PAWL_OK || taken.count == 0)
            return status;
        status = pause_there(m, queue->name, err);
        if (status == PAWL_OK)
            status = sort_out(m, queue, &taken, err);
        taken_clear(&taken);
        if (status == PAWL_OK)
            status = bring_back(m, queue, err);
    }
    return status;
}

enum pawl_status pawl_migrate_rollback(struct pawl_migration *m, struct pawl_error *err)
{
    return for_all(m, roll_back, err);
}
