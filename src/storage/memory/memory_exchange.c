/* memory_exchange.c - outcomes in, claimed jobs out; and renewing leases.
 *
 * Happy path: the errors and results that outcomes bring are copied, each
 * outcome is applied, then jobs are claimed from the head of the lanes. Out of
 * memory before the first outcome: nothing is changed. While claiming: fewer
 * jobs are claimed, which is always a valid answer. */
#include <stdlib.h>
#include <string.h>

#include "storage/memory/memory_job.h"
#include "storage/memory/memory_methods.h"

#define EXPIRED_PER_CLAIM 100 /* so that one call cannot meet a million */
#define TRIMMED_PER_COMPLETION 2

/* --- outcomes ------------------------------------------------------------------ */

/* What an outcome brings, copied. */
struct prepared {
    struct pawl_job_error *errors;
    void *result;
};

struct step {
    struct memory_queue *queue;
    const struct pawl_exchange *in;
    pawl_time now, steady;
    size_t completed;
};

static struct memory_job *job_of(const struct memory_queue *queue,
                                 struct pawl_id id)
{
    struct memory_job *job =
        memory_index_find(&queue->store->jobs, id.b, sizeof id.b);
    return job != NULL && job->queue == queue ? job : NULL;
}

/* Does this owner hold that claim, or was it the last to hold it? */
static bool is_claim(const struct memory_job *job, const struct pawl_owner *owner,
                     uint32_t epoch)
{
    return job->job.epoch == epoch &&
           memcmp(&job->last_owner, owner, sizeof *owner) == 0;
}

static bool keeps_error(enum pawl_outcome_kind kind)
{
    return kind == PAWL_OUTCOME_RETRY || kind == PAWL_OUTCOME_DEAD ||
           kind == PAWL_OUTCOME_CANCELLED;
}

static bool prepare(const struct step *step, struct prepared *prepared)
{
    for (size_t i = 0; i < step->in->outcome_count; i++) {
        const struct pawl_outcome *o = &step->in->outcomes[i];
        const struct memory_job *job = job_of(step->queue, o->id);
        if (job == NULL)
            continue;
        if (keeps_error(o->kind) && o->error != NULL && o->error[0] != '\0') {
            prepared[i].errors = memory_job_errors_with(job, step->now, o->error);
            if (prepared[i].errors == NULL)
                return false;
        }
        if (o->kind == PAWL_OUTCOME_COMPLETED && o->result_size > 0) {
            prepared[i].result = malloc(o->result_size);
            if (prepared[i].result == NULL)
                return false;
            memcpy(prepared[i].result, o->result, o->result_size);
        }
    }
    return true;
}

static void prepared_free(struct prepared *prepared, size_t count)
{
    for (size_t i = 0; prepared != NULL && i < count; i++) {
        free(prepared[i].errors);
        free(prepared[i].result);
    }
    free(prepared);
}

/* Completions make room: the oldest jobs over count go, but not many. After all
 * outcomes, so that one which is sent again is not missed for it. */
static void trim(const struct step *step)
{
    struct pawl_keep keep = memory_queue_keep(step->queue, &step->in->retention,
                                              PAWL_COMPLETED);
    keep.age = -1; /* sweep's business */
    for (size_t i = 0; i < step->completed * TRIMMED_PER_COMPLETION; i++) {
        struct memory_job *oldest =
            memory_index_first(&step->queue->states[PAWL_COMPLETED]);
        if (oldest == NULL || !memory_job_is_over(oldest, step->now, keep))
            return;
        memory_job_remove(oldest);
    }
}

/* The job is processing and the outcome counts. `position`: where it goes if
 * it is released. */
static void apply(struct step *step, struct memory_job *job,
                  const struct pawl_outcome *o, struct prepared *prepared,
                  int64_t position)
{
    enum pawl_state to = pawl_outcome_state(o->kind, job->job.cancel_requested);
    if (prepared->errors != NULL) {
        memory_job_set_errors(job, prepared->errors);
        prepared->errors = NULL;
    }
    if (prepared->result != NULL) {
        memory_job_set_result(job, prepared->result, o->result_size);
        prepared->result = NULL;
    }
    if (o->kind == PAWL_OUTCOME_SNOOZED || o->kind == PAWL_OUTCOME_RELEASED)
        memory_job_give_back(job);
    if (o->kind == PAWL_OUTCOME_RETRY || o->kind == PAWL_OUTCOME_DEAD)
        step->queue->failed_total++;

    step->completed += to == PAWL_COMPLETED;
    if (to == PAWL_PENDING)
        memory_job_to_position(job, position);
    else if (memory_state_finished(to))
        memory_job_finish(job, to, step->now,
                          memory_queue_keep(step->queue, &step->in->retention, to));
    else
        memory_job_to_time(job, to, step->now + o->delay);
}

/* The released keep their order at the head: the n-th outcome, if it is one,
 * gets the n-th of the places in front. */
static void apply_all(struct step *step, struct prepared *prepared,
                      enum pawl_status *results)
{
    size_t count = step->in->outcome_count;
    int64_t position = step->queue->head - (int64_t)count;
    step->queue->head = position;
    for (size_t i = 0; i < count; i++, position++) {
        const struct pawl_outcome *o = &step->in->outcomes[i];
        struct memory_job *job = job_of(step->queue, o->id);
        results[i] = PAWL_STALE;
        if (job == NULL || !is_claim(job, &step->in->owner, o->epoch))
            continue;
        if (job->job.state == PAWL_PROCESSING) {
            apply(step, job, o, &prepared[i], position);
            results[i] = PAWL_OK;
        } else if (job->job.state == pawl_outcome_state(o->kind, job->job.cancel_requested)) {
            results[i] = PAWL_OK; /* the same outcome again */
        }
    }
}

/* --- claims ---------------------------------------------------------------------- */

static void mark_claimed(struct pawl_job *job, const struct step *step)
{
    job->attempt++;
    job->epoch++;
    job->started_at = step->now;
    job->cancel_requested = false;
    job->owner = step->in->owner;
}

static void claim(const struct step *step, struct pawl_exchange_reply *out)
{
    struct memory_queue *queue = step->queue;
    struct pawl_keep keep =
        memory_queue_keep(queue, &step->in->retention, PAWL_CANCELLED);
    size_t looks = step->in->claim_max + EXPIRED_PER_CLAIM;
    while (out->job_count < step->in->claim_max && looks-- > 0) {
        struct memory_job *job = memory_index_first(&queue->states[PAWL_PENDING]);
        if (job == NULL)
            return;
        if (memory_job_expired(job, step->now)) {
            if (!memory_job_expire(job, step->now, keep))
                return;
            continue;
        }
        struct pawl_job *copy = pawl_job_copy(&job->job);
        if (copy == NULL)
            return;
        memory_job_to_lease(job, step->steady + step->in->lease);
        mark_claimed(&job->job, step);
        mark_claimed(copy, step);
        copy->state = PAWL_PROCESSING;
        job->last_owner = step->in->owner;
        out->jobs[out->job_count++] = copy;
    }
    out->more = out->job_count < step->in->claim_max; /* so many had expired */
}

/* --- the methods ------------------------------------------------------------------- */

enum pawl_status memory_exchange(struct pawl_storage *storage,
                                 const struct pawl_exchange *in,
                                 struct pawl_exchange_reply *out,
                                 struct pawl_error *err)
{
    struct memory_instance *self = (struct memory_instance *)storage;
    struct memory_store *store = memory_enter(storage);
    enum pawl_status status = PAWL_OK;
    struct prepared *prepared = NULL;
    struct step step = { .in = in,
                         .queue = memory_queue_find(store, in->queue),
                         .now = memory_now(self),
                         .steady = memory_steady(self) };
    out->job_count = 0;
    out->paused = false;
    out->next_at = 0;
    if (step.queue == NULL) {
        for (size_t i = 0; i < in->outcome_count; i++)
            out->outcomes[i] = PAWL_STALE;
        goto out;
    }
    prepared = calloc(in->outcome_count + 1, sizeof *prepared);
    if (prepared == NULL || !prepare(&step, prepared) ||
        (in->claim_max > 0 && !memory_owner_add(self, &in->owner))) {
        status = pawl_error_set(err, PAWL_ENOMEM,
                                "out of memory for %zu outcomes of '%s'",
                                in->outcome_count, in->queue);
        goto out;
    }
    apply_all(&step, prepared, out->outcomes);
    trim(&step);
    out->paused = step.queue->paused && in->claim_max > 0;
    if (!out->paused)
        claim(&step, out);
    out->next_at = memory_queue_next_at(step.queue);

out:
    prepared_free(prepared, in->outcome_count);
    memory_leave(store);
    return status;
}

enum pawl_status memory_renew(struct pawl_storage *storage,
                              const struct pawl_renew *in,
                              enum pawl_status *results, struct pawl_error *err)
{
    struct memory_store *store = memory_enter(storage);
    const struct memory_queue *queue = memory_queue_find(store, in->queue);
    pawl_time until = memory_steady((struct memory_instance *)storage) + in->lease;
    (void)err;
    for (size_t i = 0; i < in->lease_count; i++) {
        const struct pawl_lease_ref *lease = &in->leases[i];
        struct memory_job *job = queue == NULL ? NULL : job_of(queue, lease->id);
        results[i] = PAWL_STALE;
        if (job == NULL || job->job.state != PAWL_PROCESSING ||
            !is_claim(job, &in->owner, lease->epoch))
            continue;
        if (job->lease_until != MEMORY_LEASE_ENDED)
            memory_job_to_lease(job, until);
        results[i] = job->job.cancel_requested ? PAWL_CANCEL_ASKED : PAWL_OK;
    }
    memory_leave(store);
    return PAWL_OK;
}
