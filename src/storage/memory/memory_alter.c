/* memory_alter.c - an operator's moves, on named jobs, on all that match, or on
 * the queue.
 *
 * What a storage can do to a job in which state is the table below; which of it
 * is allowed this time is the caller's in->from_states. No move leads into a
 * state that it is allowed from, or it is passed over when there is nothing left
 * to do: so repeating a call with a filter comes to an end. */
#include <string.h>

#include "storage/memory/memory_job.h"
#include "storage/memory/memory_methods.h"

#define BIT(state) PAWL_STATE_BIT(state)

struct step {
    struct memory_queue *queue;
    const struct pawl_alter *in;
    pawl_time now;
};

/* --- one job ---------------------------------------------------------------------- */

/* A finished job let go of its reject key; it needs it again, unless the key's
 * time is over. False: another job holds it. */
static bool retake_key(const struct step *step, struct memory_job *job)
{
    struct memory_key *key = job->key;
    if (key == NULL || key->throttle || key->held ||
        !memory_state_finished(job->job.state) || memory_key_over(key, step->now))
        return true;
    if (memory_key_holder(&step->queue->keys, key, step->now) != NULL)
        return false;
    memory_key_take(&step->queue->keys, key);
    return true;
}

static enum pawl_status run(const struct step *step, struct memory_job *job)
{
    if (!retake_key(step, job))
        return PAWL_KEY_TAKEN;
    job->job.run_at = step->now;
    job->job.finished_at = 0;
    job->job.cancel_requested = false;
    memory_job_set_result(job, NULL, 0);
    if (step->in->fresh_start) {
        job->job.attempt = 0;
        job->job.crashes = 0;
    }
    memory_job_to_tail(job);
    return PAWL_OK;
}

static void cancel(const struct step *step, struct memory_job *job)
{
    if (job->job.state == PAWL_PROCESSING)
        job->job.cancel_requested = true;
    else
        memory_job_finish(job, PAWL_CANCELLED, step->now,
                          memory_queue_keep(step->queue, NULL, PAWL_CANCELLED));
}

static void reprioritise(const struct step *step, struct memory_job *job)
{
    job->job.priority = step->in->priority;
    if (job->job.state == PAWL_PENDING)
        memory_job_to_tail(job);
}

static bool allowed(const struct step *step, enum pawl_state state)
{
    return (step->in->from_states & BIT(state)) != 0;
}

/* Is the job already as this call would have it? */
static bool nothing_to_do(const struct step *step, const struct memory_job *job)
{
    if (step->in->kind == PAWL_ALTER_CANCEL)
        return job->job.cancel_requested && job->job.state == PAWL_PROCESSING;
    if (step->in->kind == PAWL_ALTER_REPRIORITISE)
        return job->job.priority == step->in->priority;
    return false;
}

/* OK also when there was nothing to do. May remove the job. */
static enum pawl_status alter_job(const struct step *step, struct memory_job *job,
                                  struct pawl_alter_reply *out)
{
    enum pawl_status status = PAWL_OK;
    if (!allowed(step, job->job.state))
        return PAWL_WRONG_STATE;
    if (nothing_to_do(step, job))
        return PAWL_OK;
    switch (step->in->kind) {
    case PAWL_ALTER_RUN:
        status = run(step, job);
        break;
    case PAWL_ALTER_CANCEL:
        cancel(step, job);
        break;
    case PAWL_ALTER_REMOVE:
        memory_job_remove(job);
        break;
    default:
        reprioritise(step, job);
        break;
    }
    if (status == PAWL_OK)
        out->changed++;
    return status;
}

/* --- many jobs ----------------------------------------------------------------------- */

static void alter_named(const struct step *step, struct pawl_alter_reply *out)
{
    const struct memory_index *jobs = &step->queue->store->jobs;
    for (size_t i = 0; i < step->in->id_count; i++) {
        const struct pawl_id *id = &step->in->ids[i];
        struct memory_job *job = memory_index_find(jobs, id->b, sizeof id->b);
        if (job == NULL || job->queue != step->queue)
            out->results[i] = PAWL_NOT_FOUND;
        else
            out->results[i] = alter_job(step, job, out);
    }
}

static bool matches(const struct step *step, const struct memory_job *job)
{
    pawl_time since = memory_state_finished(job->job.state) ? job->job.finished_at
                                                            : job->job.enqueued_at;
    if (step->in->type != NULL && strcmp(step->in->type, job->job.type) != 0)
        return false;
    return step->in->older_than == 0 || step->now - since >= step->in->older_than;
}

/* State by state in the order of their numbers, each from its first job on, the
 * finished ones oldest first. */
static void alter_matching(const struct step *step, struct pawl_alter_reply *out)
{
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++) {
        if (!allowed(step, (enum pawl_state)state))
            continue;
        const struct memory_index *jobs = &step->queue->states[state];
        struct memory_job *job = memory_index_first(jobs);
        while (job != NULL) {
            uint8_t order[MEMORY_ORDER_SIZE];
            memcpy(order, job->order, sizeof order);
            bool wanted = matches(step, job) && !nothing_to_do(step, job);
            if (wanted && out->changed == step->in->limit) {
                out->more = true;
                return;
            }
            if (wanted)
                alter_job(step, job, out);
            job = memory_index_after(jobs, order, sizeof order);
        }
    }
}

/* --- the queue ------------------------------------------------------------------------ */

/* True: it was a move of the queue, and is done. */
static bool alter_queue(const struct step *step)
{
    struct memory_queue *queue = step->queue;
    switch (step->in->kind) {
    case PAWL_ALTER_PAUSE:
        queue->paused = true;
        return true;
    case PAWL_ALTER_RESUME:
        queue->paused = false;
        memory_queue_arrived(queue);
        return true;
    case PAWL_ALTER_RETENTION:
        queue->retention = step->in->retention;
        queue->has_retention = true;
        return true;
    default:
        return false;
    }
}

enum pawl_status memory_alter(struct pawl_storage *storage,
                              const struct pawl_alter *in,
                              struct pawl_alter_reply *out,
                              struct pawl_error *err)
{
    struct memory_store *store = memory_enter(storage);
    enum pawl_status status = PAWL_OK;
    struct step step = { .in = in,
                         .queue = memory_queue_at(store, in->queue),
                         .now = memory_now((struct memory_instance *)storage) };
    out->changed = 0;
    out->more = false;
    if (step.queue == NULL)
        status = pawl_error_set(err, PAWL_ENOMEM, "out of memory for queue '%s'",
                                in->queue);
    else if (alter_queue(&step))
        out->changed = 0;
    else if (in->ids != NULL)
        alter_named(&step, out);
    else
        alter_matching(&step, out);
    memory_leave(store);
    return status;
}
