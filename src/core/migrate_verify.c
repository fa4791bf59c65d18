/* migrate_verify.c - reading a job back where it went.
 *
 * A worker there may have it already, and retention may even have removed it since.
 * While it shows the epoch, the state and the priority it came with, all of it must be
 * the same; afterwards what neither a worker nor an operator changes.
 */
#include "core/migrate.h"

static bool same(const struct pawl_job *a, const struct pawl_job *b)
{
    struct pawl_digest one, other;

    if (!pawl_job_digest(a, &one) || !pawl_job_digest(b, &other))
        return false;
    for (int i = 0; i < 8; i++)
        if (one.lanes[i] != other.lanes[i])
            return false;
    return true;
}

/* Without what its life there may change. */
static struct pawl_job core_of(const struct pawl_job *job)
{
    struct pawl_job core = *job;

    core.state = PAWL_PENDING;
    core.priority = 0;
    core.attempt = core.crashes = 0;
    core.epoch = 0;
    core.run_at = core.started_at = core.finished_at = 0;
    core.result_size = core.error_count = 0;
    return core;
}

enum pawl_status migrate_verify(void *migration, const struct pawl_job *job,
                                struct pawl_error *err)
{
    struct pawl_migration *m = migration;
    struct pawl_job *there = NULL, before, after;
    enum pawl_status status = storage_get(m->to, job->queue, job->id, &there, err);
    char id[PAWL_ID_TEXT];
    bool as_it_came;

    if (status == PAWL_NOT_FOUND) {
        m->at_work->unseen++;
        return PAWL_OK;
    }
    if (status != PAWL_OK)
        return status;
    before = core_of(job);
    after = core_of(there);
    m->at_work->verified++;
    as_it_came = there->epoch == job->epoch && there->state == job->state &&
                 there->priority == job->priority;
    if (as_it_came ? !same(there, job) : !same(&before, &after)) {
        pawl_id_format(job->id, id);
        status = pawl_error_set(err, PAWL_ECORRUPT,
                                "job %s of '%s' is not at the target what it was: it is "
                                "held at the source", id, job->queue);
    }
    pawl_job_free(there);
    return status;
}
