/* memory_move.c - handing jobs over to another storage, and taking them over.
 *
 * A held job waits in a state of its own, out of reach of everything but its
 * mover, and remembers the place it had. Everything that can run out of memory
 * is made before the first job moves, so that a step is whole or did not
 * happen. */
#include <stdlib.h>
#include <string.h>

#include "storage/memory/memory_job.h"
#include "storage/memory/memory_methods.h"
#include "storage/memory/memory_session.h"
#include "storage/memory/memory_tally.h"

/* --- taking out: hold -------------------------------------------------------------- */

struct hold_step {
    struct memory_queue *queue;
    const struct pawl_take_out *in;
    struct memory_job **jobs; /* room for in->limit: what is handed over */
    size_t count, bytes;
};

static bool is_full(const struct hold_step *step)
{
    return step->count >= step->in->limit || step->bytes >= PAWL_HOLD_BYTES;
}

static bool is_held_by(const struct memory_job *job, struct pawl_session mover)
{
    return job->job.state == PAWL_HELD &&
           memcmp(&job->hold.mover, &mover, sizeof mover) == 0;
}

/* Gather from one state, its first job first: where jobs are finished, that is
 * the oldest. Of the held, only the mover's own. */
static void gather(struct hold_step *step, enum pawl_state state)
{
    const struct memory_index *jobs = &step->queue->states[state];
    struct memory_job *job = memory_index_first(jobs);
    for (; job != NULL && !is_full(step);
         job = memory_index_after(jobs, job->order, sizeof job->order)) {
        if (state == PAWL_HELD && !is_held_by(job, step->in->mover))
            continue;
        step->jobs[step->count++] = job;
        step->bytes += job->job.payload_size + job->job.result_size;
    }
}

/* As it is handed over: with the state it had. */
static struct pawl_job *copy_out(const struct memory_job *job)
{
    struct pawl_job *copy = pawl_job_copy(&job->job);
    if (copy != NULL && copy->state == PAWL_HELD)
        copy->state = job->hold.state;
    return copy;
}

/* False: out of memory, and nothing was done. */
static bool hold(struct hold_step *step, struct pawl_take_out_reply *out)
{
    if (!step->in->only_new)
        gather(step, PAWL_HELD);
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++) {
        if ((step->in->from_states & PAWL_STATE_BIT(state)) != 0 &&
            state != PAWL_PROCESSING && state != PAWL_HELD)
            gather(step, (enum pawl_state)state);
    }
    for (size_t i = 0; i < step->count; i++) {
        out->jobs[i] = copy_out(step->jobs[i]);
        if (out->jobs[i] == NULL) {
            while (i > 0)
                pawl_job_free(out->jobs[--i]);
            return false;
        }
    }
    for (size_t i = 0; i < step->count; i++) {
        if (step->jobs[i]->job.state != PAWL_HELD)
            memory_job_hold(step->jobs[i], step->in->mover);
    }
    out->job_count = step->count;
    return true;
}

/* --- taking out: confirm, release, pass ------------------------------------------------ */

static enum pawl_status settle_one(struct memory_queue *queue,
                                   const struct pawl_take_out *in, struct pawl_id id)
{
    struct memory_job *job = NULL;
    if (queue != NULL)
        job = memory_index_find(&queue->store->jobs, id.b, sizeof id.b);
    if (job == NULL || job->queue != queue || !is_held_by(job, in->mover))
        return PAWL_NOT_FOUND;
    if (in->kind == PAWL_TAKE_CONFIRM)
        memory_job_remove(job);
    else if (in->kind == PAWL_TAKE_RELEASE)
        memory_job_release(job);
    else
        job->hold.mover = in->heir;
    return PAWL_OK;
}

/* False: out of memory, and nothing was done. */
static bool settle(struct memory_queue *queue, const struct pawl_take_out *in,
                   struct pawl_take_out_reply *out)
{
    struct memory_tally *tally = NULL;
    if (in->digests != NULL && queue != NULL) {
        tally = memory_tally_at(queue, in->mover);
        if (tally == NULL)
            return false;
    }
    for (size_t i = 0; i < in->id_count; i++) {
        out->results[i] = settle_one(queue, in, in->ids[i]);
        if (tally != NULL && out->results[i] == PAWL_OK)
            memory_tally_add(tally, &in->digests[i]);
    }
    return true;
}

enum pawl_status memory_take_out(struct pawl_storage *storage,
                                 const struct pawl_take_out *in,
                                 struct pawl_take_out_reply *out,
                                 struct pawl_error *err)
{
    struct memory_store *store = memory_enter(storage);
    struct memory_queue *queue = memory_queue_find(store, in->queue);
    bool fine = true;
    out->job_count = 0;
    if (in->kind != PAWL_TAKE_HOLD) {
        fine = settle(queue, in, out);
    } else if (queue != NULL) {
        struct hold_step step = { .queue = queue, .in = in };
        step.jobs = calloc(in->limit, sizeof(struct memory_job *));
        fine = step.jobs != NULL && hold(&step, out);
        free(step.jobs);
    }
    memory_leave(store);
    if (fine)
        return PAWL_OK;
    return pawl_error_set(err, PAWL_ENOMEM, "out of memory for %zu jobs of '%s'",
                          in->limit + in->id_count, in->queue);
}

/* --- bringing in ------------------------------------------------------------------------ */

/* Would this job hold its key if it had been here all along? A finished one let
 * go of a reject key, and time may have ended either kind. */
static bool needs_key(const struct memory_job *job, enum pawl_state state,
                      pawl_time now)
{
    const struct memory_key *key = job->key;
    if (key == NULL || memory_key_over(key, now))
        return false;
    return key->throttle || !memory_state_finished(state);
}

/* Take the key, also over from an earlier stay of the same job, whose throttle
 * outlived its removal. The holder, when it is another job. */
static const struct memory_key *take_key(struct memory_job *job, pawl_time now)
{
    struct memory_keys *keys = &job->queue->keys;
    struct memory_key *holder = memory_key_holder(keys, job->key, now);
    if (holder != NULL && memcmp(&holder->id, &job->job.id, sizeof holder->id) != 0)
        return holder;
    memory_key_release(keys, holder);
    memory_key_take(keys, job->key);
    return NULL;
}

static void settle_in(struct memory_job *job, enum pawl_state state)
{
    if (memory_state_finished(state))
        memory_job_to_finished(job, state);
    else if (state == PAWL_PENDING)
        memory_job_to_tail(job);
    else
        memory_job_to_time(job, state, job->job.run_at);
}

/* Store one job, unless its id or its key is taken. */
static struct pawl_put_result bring_one(struct memory_job *job,
                                        enum pawl_state state, pawl_time now)
{
    struct pawl_id id = job->job.id;
    if (memory_index_find(&job->queue->store->jobs, id.b, sizeof id.b) != NULL)
        return (struct pawl_put_result){ PAWL_DUPLICATE, id };
    if (needs_key(job, state, now)) {
        const struct memory_key *holder = take_key(job, now);
        if (holder != NULL)
            return (struct pawl_put_result){ PAWL_KEY_TAKEN, holder->id };
    }
    settle_in(job, state);
    return (struct pawl_put_result){ PAWL_OK, id };
}

static bool records_make(struct memory_queue *queue,
                         const struct pawl_bring_in *in,
                         struct memory_job **records)
{
    for (size_t i = 0; i < in->job_count; i++) {
        records[i] = memory_job_new_whole(queue, in->jobs[i]);
        if (records[i] == NULL)
            return false;
    }
    return true;
}

enum pawl_status memory_bring_in(struct pawl_storage *storage,
                                 const struct pawl_bring_in *in,
                                 struct pawl_put_result *results,
                                 struct pawl_error *err)
{
    struct memory_store *store = memory_enter(storage);
    pawl_time now = memory_now((struct memory_instance *)storage);
    enum pawl_status status = PAWL_OK;
    struct memory_job **records = NULL;
    struct pawl_put_result *replies = NULL;
    struct memory_session *session = NULL;
    struct memory_tally *tally = NULL;

    struct memory_queue *queue = memory_queue_at(store, in->queue);
    if (queue != NULL)
        session = memory_session_at(&queue->sessions, in->session);
    if (session == NULL)
        goto no_memory;
    if (memory_session_replay(session, in->queue, in->seq, results, in->job_count,
                              &status, err))
        goto out;
    records = calloc(in->job_count + 1, sizeof *records);
    replies = calloc(in->job_count + 1, sizeof *replies);
    if (in->digests != NULL)
        tally = memory_tally_at(queue, in->mover);
    if (records == NULL || replies == NULL || !records_make(queue, in, records) ||
        (in->digests != NULL && tally == NULL))
        goto no_memory;

    for (size_t i = 0; i < in->job_count; i++) {
        replies[i] = bring_one(records[i], in->jobs[i]->state, now);
        if (replies[i].status == PAWL_OK)
            records[i] = NULL;
        if (replies[i].status == PAWL_OK && tally != NULL)
            memory_tally_add(tally, &in->digests[i]);
        results[i] = replies[i];
    }
    memory_session_keep(session, in->seq, replies, in->job_count);
    replies = NULL;
    goto out;

no_memory:
    status = pawl_error_set(err, PAWL_ENOMEM, "out of memory for %zu jobs of '%s'",
                            in->job_count, in->queue);
out:
    for (size_t i = 0; records != NULL && i < in->job_count; i++)
        memory_job_remove(records[i]);
    free(records);
    free(replies);
    memory_leave(store);
    return status;
}
