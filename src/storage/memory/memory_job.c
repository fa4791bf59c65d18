/* memory_job.c - see memory_job.h. */
#include "storage/memory/memory_job.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- errors, in a block of their own --------------------------------------------- */

static size_t text_size(const char *text)
{
    return text == NULL ? 1 : strlen(text) + 1;
}

static const char *take_text(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *to = memcpy(*at, text, size);
    *at += size;
    return to;
}

/* `count` is not zero. NULL: out of memory. */
static struct pawl_job_error *errors_copy(const struct pawl_job_error *all,
                                          size_t count)
{
    size_t size = count * sizeof *all;
    for (size_t i = 0; i < count; i++)
        size += text_size(all[i].message);
    struct pawl_job_error *errors = malloc(size);
    if (errors == NULL)
        return NULL;
    char *at = (char *)(errors + count);
    for (size_t i = 0; i < count; i++) {
        errors[i] = all[i];
        errors[i].message = take_text(&at, all[i].message);
    }
    return errors;
}

/* --- making and removing ----------------------------------------------------- */

static void fill(struct memory_job *record, const struct pawl_new_job *in,
                 pawl_time now)
{
    struct pawl_job *job = &record->job;
    char *at = record->bytes;
    if (in->payload_size > 0)
        memcpy(at, in->payload, in->payload_size);
    job->payload = at;
    job->payload_size = in->payload_size;
    at += in->payload_size;
    job->type = take_text(&at, in->type == NULL ? "" : in->type);
    job->key = take_text(&at, in->key == NULL ? "" : in->key);
    job->group = take_text(&at, in->group == NULL ? "" : in->group);
    job->queue = record->queue->name;
    job->result = "";

    job->id = in->id;
    job->key_mode = in->key_mode;
    job->key_ttl = in->key_ttl;
    job->priority = in->priority;
    job->max_attempts = in->max_attempts;
    job->backoff = in->backoff;
    job->timeout = in->timeout;
    job->enqueued_at = now;
    job->run_at = in->run_at != 0 ? in->run_at : now + in->delay;
    job->expires_at = in->ttl > 0 ? now + in->ttl : 0;
}

struct memory_job *memory_job_new(struct memory_queue *queue,
                                  const struct pawl_new_job *in, pawl_time now)
{
    size_t size = sizeof(struct memory_job) + in->payload_size +
                  text_size(in->type) + text_size(in->key) + text_size(in->group);
    struct memory_job *job = calloc(1, size);
    if (job == NULL)
        return NULL;
    job->queue = queue;
    job->size = size;
    fill(job, in, now);
    if (in->key != NULL) {
        job->key = memory_key_new(in, now);
        if (job->key == NULL) {
            free(job);
            return NULL;
        }
    }
    return job;
}

/* What came to the job in its life. False: out of memory. */
static bool fill_life(struct memory_job *record, const struct pawl_job *in)
{
    struct pawl_job *job = &record->job;
    size_t drop = in->error_count < PAWL_ERRORS_KEPT
                      ? 0
                      : in->error_count - PAWL_ERRORS_KEPT;
    job->run_at = in->run_at;
    job->started_at = in->started_at;
    job->finished_at = in->finished_at;
    job->expires_at = in->expires_at;
    job->attempt = in->attempt;
    job->crashes = in->crashes;
    job->epoch = in->epoch;
    if (in->error_count > 0) {
        job->errors = errors_copy(in->errors + drop, in->error_count - drop);
        if (job->errors == NULL)
            return false;
        job->error_count = in->error_count - drop;
    }
    if (in->result_size > 0) {
        void *result = malloc(in->result_size);
        if (result == NULL)
            return false;
        memcpy(result, in->result, in->result_size);
        memory_job_set_result(record, result, in->result_size);
    }
    return true;
}

struct memory_job *memory_job_new_whole(struct memory_queue *queue,
                                        const struct pawl_job *in)
{
    struct pawl_new_job as_new = { .type = in->type,
                                   .payload = in->payload,
                                   .payload_size = in->payload_size,
                                   .priority = in->priority,
                                   .max_attempts = in->max_attempts,
                                   .backoff = in->backoff,
                                   .timeout = in->timeout,
                                   .key = in->key[0] == '\0' ? NULL : in->key,
                                   .key_mode = in->key_mode,
                                   .key_ttl = in->key_ttl,
                                   .group = in->group,
                                   .id = in->id };
    struct memory_job *job = memory_job_new(queue, &as_new, in->enqueued_at);
    if (job != NULL && !fill_life(job, in)) {
        memory_job_remove(job);
        job = NULL;
    }
    return job;
}

void memory_job_remove(struct memory_job *job)
{
    if (job == NULL)
        return;
    struct memory_queue *queue = job->queue;
    if (job->job.state != 0) {
        memory_index_remove(&queue->states[job->job.state], &job->by_order);
        memory_index_remove(&queue->store->jobs, &job->by_id);
        queue->store->bytes -= job->size;
    }
    memory_key_drop(&queue->keys, job->key);
    memory_job_set_errors(job, NULL);
    memory_job_set_result(job, NULL, 0);
    free(job);
}

/* --- moves ------------------------------------------------------------------- */

bool memory_state_finished(enum pawl_state state)
{
    return state == PAWL_COMPLETED || state == PAWL_DEAD ||
           state == PAWL_CANCELLED;
}

/* The one place where a job changes its state. */
static void place(struct memory_job *job, enum pawl_state state, int64_t rank,
                  const uint8_t tie[16])
{
    struct memory_queue *queue = job->queue;
    enum pawl_state from = job->job.state;
    if (from == 0) {
        memory_index_add(&queue->store->jobs, &job->by_id, job->job.id.b,
                         sizeof job->job.id.b, job);
        queue->store->bytes += job->size;
    } else {
        memory_index_remove(&queue->states[from], &job->by_order);
    }
    if (state != PAWL_PROCESSING)
        memset(&job->job.owner, 0, sizeof job->job.owner);
    job->job.state = state;
    job->rank = rank;
    memory_order_make(rank, tie, job->order);
    memory_index_add(&queue->states[state], &job->by_order, job->order,
                     sizeof job->order, job);
}

void memory_job_to_position(struct memory_job *job, int64_t position)
{
    uint8_t tie[16] = { 0 };
    memory_order_number(position, tie);
    place(job, PAWL_PENDING, job->job.priority, tie);
    memory_queue_arrived(job->queue);
}

void memory_job_to_tail(struct memory_job *job)
{
    memory_job_to_position(job, job->queue->tail++);
}

void memory_job_to_time(struct memory_job *job, enum pawl_state state,
                        pawl_time run_at)
{
    assert(state == PAWL_SCHEDULED || state == PAWL_FAILED);
    job->job.run_at = run_at;
    place(job, state, run_at, job->job.id.b);
}

void memory_job_to_lease(struct memory_job *job, pawl_time until)
{
    job->lease_until = until;
    place(job, PAWL_PROCESSING, until, job->job.id.b);
}

void memory_job_to_finished(struct memory_job *job, enum pawl_state state)
{
    assert(memory_state_finished(state));
    place(job, state, ++job->queue->entered[state], job->job.id.b);
}

void memory_job_finish(struct memory_job *job, enum pawl_state state,
                       pawl_time now, struct pawl_keep keep)
{
    job->job.finished_at = now;
    if (job->key != NULL && !job->key->throttle)
        memory_key_release(&job->queue->keys, job->key);
    memory_job_to_finished(job, state);
    if (keep.age == 0 || keep.count == 0)
        memory_job_remove(job);
}

void memory_job_hold(struct memory_job *job, struct pawl_session mover)
{
    struct memory_hold *hold = &job->hold;
    hold->mover = mover;
    hold->state = job->job.state;
    hold->rank = job->rank;
    memcpy(hold->tie, job->order + 8, sizeof hold->tie);
    place(job, PAWL_HELD, ++job->queue->holds, job->job.id.b);
}

void memory_job_release(struct memory_job *job)
{
    struct memory_hold hold = job->hold;
    place(job, hold.state, hold.rank, hold.tie);
    if (hold.state == PAWL_PENDING)
        memory_queue_arrived(job->queue);
}

bool memory_job_expired(const struct memory_job *job, pawl_time now)
{
    return job->job.expires_at != 0 && job->job.expires_at <= now;
}

bool memory_job_expire(struct memory_job *job, pawl_time now,
                       struct pawl_keep keep)
{
    struct pawl_job_error *errors = memory_job_errors_with(job, now, "expired");
    if (errors == NULL)
        return false;
    memory_job_set_errors(job, errors);
    memory_job_finish(job, PAWL_CANCELLED, now, keep);
    return true;
}

bool memory_job_is_over(const struct memory_job *job, pawl_time now,
                        struct pawl_keep keep)
{
    assert(memory_state_finished(job->job.state));
    int64_t since = job->queue->entered[job->job.state] - job->rank;
    if (keep.count >= 0 && since >= keep.count)
        return true;
    return keep.age >= 0 && now - job->job.finished_at >= keep.age;
}

void memory_job_give_back(struct memory_job *job)
{
    if (job->job.attempt > 0)
        job->job.attempt--;
}

/* --- errors and result --------------------------------------------------------- */

struct pawl_job_error *memory_job_errors_with(const struct memory_job *job,
                                              pawl_time now,
                                              const char *message)
{
    struct pawl_job_error all[PAWL_ERRORS_KEPT];
    size_t have = job->job.error_count;
    size_t drop = have < PAWL_ERRORS_KEPT ? 0 : have - PAWL_ERRORS_KEPT + 1;
    size_t count = have - drop;
    if (count > 0)
        memcpy(all, job->job.errors + drop, count * sizeof *all);
    all[count++] = (struct pawl_job_error){ now, job->job.attempt, message };
    return errors_copy(all, count);
}

void memory_job_set_errors(struct memory_job *job, struct pawl_job_error *errors)
{
    if (errors == NULL)
        job->job.error_count = 0;
    else if (job->job.error_count < PAWL_ERRORS_KEPT)
        job->job.error_count++;
    free((void *)job->job.errors);
    job->job.errors = errors;
}

void memory_job_set_result(struct memory_job *job, void *result, size_t size)
{
    if (job->job.result_size > 0)
        free((void *)job->job.result);
    job->job.result = size > 0 ? result : "";
    job->job.result_size = size;
}
