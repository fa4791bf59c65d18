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

/* There must be a copy; what of it was under way arrives first. A rollback that has
 * released jobs must not be followed by anything else: another copy would send the same
 * batches under the same numbers, and the target answer what it did the first time. */
static enum pawl_status begin(struct pawl_migration *m, enum migrate_act act,
                              struct pawl_error *err)
{
    enum pawl_status status;
    size_t i;

    m->options.copy = true;
    m->options.verify = false;
    status = migrate_begin(m, act, err);
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
    if (status == PAWL_OK && act == MIGRATE_FINALIZE)
        status = migrate_prove(m, err);
    if (status == PAWL_OK && act == MIGRATE_ROLLBACK)
        status = migrate_note_turn_back(m->from, &m->clock, &m->note, err);
    return status;
}

typedef enum pawl_status settle_fn(struct pawl_migration *m,
                                   struct pawl_migrate_queue *queue,
                                   struct pawl_error *err);

static enum pawl_status for_all(struct pawl_migration *m, enum migrate_act act,
                                settle_fn *settle_queue, struct pawl_error *err)
{
    enum pawl_status status = begin(m, act, err);
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
    return for_all(m, MIGRATE_FINALIZE, finalize, err);
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

/* Is it there, and as it came? One whose unique key was held arrives as cancelled and
 * without it; one that was cancelled later was somebody's decision. */
static enum pawl_status look(struct pawl_migration *m, const struct pawl_job *job,
                             bool *is_there, bool *is_untouched, struct pawl_error *err)
{
    struct pawl_job *there = NULL;
    enum pawl_status status = storage_get(m->to, job->queue, job->id, &there, err);

    *is_there = status == PAWL_OK;
    *is_untouched = status == PAWL_OK && there->epoch == job->epoch &&
                    there->state != PAWL_PROCESSING && there->state != PAWL_HELD &&
                    (there->finished_at == job->finished_at ||
                     (there->state == PAWL_CANCELLED && job->key[0] && !there->key[0]));
    pawl_job_free(there);
    return status == PAWL_NOT_FOUND ? PAWL_OK : status;
}

/* Which of those that were taken come back, and which live there, or did, and are let
 * go of here. `missing`: of a job that is not there, is it one that comes back? */
struct sorted {
    struct pawl_id back[RELAY_BATCH_MAX], gone[RELAY_BATCH_MAX];
    size_t back_count, gone_count;
};

static enum pawl_status sort_out(struct pawl_migration *m, const struct taken *taken,
                                 bool missing, struct sorted *sorted,
                                 struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    size_t i;

    sorted->back_count = sorted->gone_count = 0;
    for (i = 0; i < taken->count && status == PAWL_OK; i++) {
        bool is_there, is_untouched;
        status = look(m, taken->jobs[i], &is_there, &is_untouched, err);
        if (is_untouched || (!is_there && missing))
            sorted->back[sorted->back_count++] = taken->jobs[i]->id;
        else
            sorted->gone[sorted->gone_count++] = taken->jobs[i]->id;
    }
    return status;
}

/* What cannot be removed there lives there after all. */
static enum pawl_status remove_there(struct pawl_migration *m, const char *queue,
                                     struct sorted *sorted, struct pawl_error *err)
{
    enum pawl_status results[RELAY_BATCH_MAX], status;
    struct pawl_alter in = { .queue = queue, .kind = PAWL_ALTER_REMOVE,
                             .from_states = ~0u, .ids = sorted->back,
                             .id_count = sorted->back_count };
    struct pawl_alter_reply out = { .results = results };
    size_t i, kept = 0;

    if (sorted->back_count == 0)
        return PAWL_OK;
    status = storage_alter(m->to, &in, &out, err);
    if (status < 0)
        return status;
    for (i = 0; i < sorted->back_count; i++)
        if (results[i] == PAWL_OK || results[i] == PAWL_NOT_FOUND)
            sorted->back[kept++] = sorted->back[i];
        else
            sorted->gone[sorted->gone_count++] = sorted->back[i];
    sorted->back_count = kept;
    return PAWL_OK;
}

/* All under BACK: gone there, then free here. An earlier rollback may have put them
 * there and died, and somebody have resumed the queue since: so they are looked at
 * again. */
static enum pawl_status bring_back(struct pawl_migration *m,
                                   struct pawl_migrate_queue *queue,
                                   struct pawl_error *err)
{
    struct pawl_session mark = migrate_mark(m, BACK);
    struct sorted sorted;
    struct taken taken;
    enum pawl_status status;

    do {
        status = take(m, queue->name, mark, &taken, err);
        if (status != PAWL_OK || taken.count == 0)
            return status;
        status = pause_there(m, queue->name, err);
        if (status == PAWL_OK)
            status = sort_out(m, &taken, true, &sorted, err);
        if (status == PAWL_OK)
            status = remove_there(m, queue->name, &sorted, err);
        if (status == PAWL_OK)
            status = settle(m, queue->name, mark, PAWL_TAKE_CONFIRM, sorted.gone,
                            sorted.gone_count, err);
        if (status == PAWL_OK)
            status = settle(m, queue->name, mark, PAWL_TAKE_RELEASE, sorted.back,
                            sorted.back_count, err);
        queue->duplicates += sorted.gone_count;
        queue->moved += sorted.back_count;
        m->progress.moved += sorted.back_count;
        taken_clear(&taken);
    } while (status == PAWL_OK);
    return status;
}

/* A batch of those that have arrived goes under BACK, but for those that live there. */
static enum pawl_status turn_back(struct pawl_migration *m,
                                  struct pawl_migrate_queue *queue,
                                  const struct taken *taken, struct pawl_error *err)
{
    struct sorted sorted;
    enum pawl_status status = pause_there(m, queue->name, err);

    if (status == PAWL_OK)
        status = sort_out(m, taken, false, &sorted, err);
    if (status == PAWL_OK)
        status = settle(m, queue->name, m->kept, PAWL_TAKE_CONFIRM, sorted.gone,
                        sorted.gone_count, err);
    if (status == PAWL_OK)
        status = settle(m, queue->name, m->kept, PAWL_TAKE_PASS, sorted.back,
                        sorted.back_count, err);
    if (status == PAWL_OK)
        queue->duplicates += sorted.gone_count;
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
        status = turn_back(m, queue, &taken, err);
        taken_clear(&taken);
        if (status == PAWL_OK)
            status = bring_back(m, queue, err);
    }
    return status;
}

enum pawl_status pawl_migrate_rollback(struct pawl_migration *m, struct pawl_error *err)
{
    if (m->options.queue_count > 0)
        return pawl_error_set(err, PAWL_EINVAL,
                              "a copy is taken back whole: name no queues");
    return for_all(m, MIGRATE_ROLLBACK, roll_back, err);
}
