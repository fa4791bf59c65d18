/* memory_sweep.c - housekeeping of one queue, bounded by in->limit for each kind
 * of work: what is due becomes pending, what its worker lost is taken back, what
 * is over age or count goes.
 *
 * Out of memory half-way ends that kind of work early, with `more` set: each
 * job's move is whole, and the next call goes on. */
#include <stdlib.h>
#include <string.h>

#include "storage/memory/memory_job.h"
#include "storage/memory/memory_methods.h"

struct step {
    struct memory_queue *queue;
    const struct pawl_sweep *in;
    struct pawl_sweep_reply *out;
    pawl_time now, steady;
    bool no_memory; /* for the error of some job */
};

static struct pawl_keep keep_of(const struct step *step, enum pawl_state state)
{
    return memory_queue_keep(step->queue, &step->in->retention, state);
}

/* --- what is due ---------------------------------------------------------------- */

/* The first of both states together, in (run_at, id) order. */
static struct memory_job *first_due(const struct step *step)
{
    struct memory_job *a = memory_index_first(&step->queue->states[PAWL_SCHEDULED]);
    struct memory_job *b = memory_index_first(&step->queue->states[PAWL_FAILED]);
    struct memory_job *first = a;
    if (a == NULL || (b != NULL && memcmp(b->order, a->order, sizeof a->order) < 0))
        first = b;
    return first != NULL && first->job.run_at <= step->now ? first : NULL;
}

static void promote(struct step *step)
{
    size_t done = 0;
    struct memory_job *job;
    for (; done < step->in->limit && (job = first_due(step)) != NULL; done++) {
        if (!memory_job_expired(job, step->now)) {
            memory_job_to_tail(job);
            step->out->promoted++;
        } else if (memory_job_expire(job, step->now, keep_of(step, PAWL_CANCELLED))) {
            step->out->expired++;
        } else {
            step->no_memory = true;
            break;
        }
    }
    step->out->more |= first_due(step) != NULL;
}

/* --- what was lost ---------------------------------------------------------------- */

/* The first processing job whose lease is over; closing an instance ends those
 * of its owners. */
static struct memory_job *first_lost(const struct step *step)
{
    struct memory_job *job = memory_index_first(&step->queue->states[PAWL_PROCESSING]);
    return job != NULL && job->lease_until <= step->steady ? job : NULL;
}

/* False: out of memory, nothing was done. */
static bool recover_one(const struct step *step, struct memory_job *job)
{
    bool last = job->job.crashes + 1 >= step->in->max_crashes;
    if (last && !job->job.cancel_requested) {
        struct pawl_job_error *errors =
            memory_job_errors_with(job, step->now, "worker_lost");
        if (errors == NULL)
            return false;
        memory_job_set_errors(job, errors);
    }
    job->job.crashes++;
    memory_job_give_back(job);
    if (job->job.cancel_requested) {
        memory_job_finish(job, PAWL_CANCELLED, step->now,
                          keep_of(step, PAWL_CANCELLED));
    } else if (last) {
        memory_job_finish(job, PAWL_DEAD, step->now, keep_of(step, PAWL_DEAD));
        step->out->killed++;
    } else {
        memory_job_to_tail(job);
        step->out->recovered++;
    }
    return true;
}

static void recover(struct step *step)
{
    size_t done = 0;
    struct memory_job *job;
    for (; done < step->in->limit && (job = first_lost(step)) != NULL; done++) {
        if (!recover_one(step, job)) {
            step->no_memory = true;
            break;
        }
    }
    step->out->more |= first_lost(step) != NULL;
}

/* --- what is over ------------------------------------------------------------------- */

/* Ordinals and finishing times rise together, so the first is over first; but
 * for a job that finished elsewhere, which goes no earlier than those before
 * it. */
static struct memory_job *first_over(const struct step *step,
                                     enum pawl_state state)
{
    struct memory_job *job = memory_index_first(&step->queue->states[state]);
    if (job == NULL || !memory_job_is_over(job, step->now, keep_of(step, state)))
        return NULL;
    return job;
}

static void clean(const struct step *step)
{
    static const enum pawl_state states[] = { PAWL_COMPLETED, PAWL_DEAD,
                                              PAWL_CANCELLED };
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        struct memory_job *job;
        while ((job = first_over(step, states[i])) != NULL) {
            if (step->out->removed == step->in->limit) {
                step->out->more = true;
                return;
            }
            memory_job_remove(job);
            step->out->removed++;
        }
    }
}

enum pawl_status memory_sweep(struct pawl_storage *storage,
                              const struct pawl_sweep *in,
                              struct pawl_sweep_reply *out,
                              struct pawl_error *err)
{
    struct memory_instance *self = (struct memory_instance *)storage;
    struct memory_store *store = memory_enter(storage);
    struct step step = { .in = in,
                         .out = out,
                         .queue = memory_queue_find(store, in->queue),
                         .now = memory_now(self),
                         .steady = memory_steady(self) };
    enum pawl_status status = PAWL_OK;
    memset(out, 0, sizeof *out);
    if (step.queue != NULL) {
        promote(&step);
        recover(&step);
        clean(&step);
        memory_key_sweep(&step.queue->keys, step.now, in->limit);
        out->next_at = memory_queue_next_at(step.queue);
    }
    /* Answering OK and `more` for ever would have the caller try for ever. */
    if (step.no_memory && out->promoted + out->recovered + out->killed +
                                  out->expired + out->removed == 0)
        status = pawl_error_set(err, PAWL_ENOMEM, "out of memory for the errors of "
                                "jobs of '%s'", in->queue);
    memory_leave(store);
    return status;
}
