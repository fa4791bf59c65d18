/* model_compare.c - see model.h. What differs is printed as TAP comments below a
 * "not ok", with all that is needed to run it again. */
#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- saying so ------------------------------------------------------------------ */

_Noreturn static void differ(const struct model *m, int s, const char *what,
                             const char *memory, const char *other)
{
    printf("not ok 1 - model\n");
    printf("# PAWL_SEED=%" PRIu64 " step %zu: %s: %s differs\n", m->seed, m->step,
           m->op, what);
    printf("#   %-14s %s\n", m->side[0].name, memory);
    printf("#   %-14s %s\n", m->side[s].name, other);
    fflush(stdout);
    exit(1);
}

void same_number(const struct model *m, int s, const char *what, int64_t memory,
                 int64_t other)
{
    char left[32], right[32];
    if (memory == other)
        return;
    snprintf(left, sizeof left, "%" PRId64, memory);
    snprintf(right, sizeof right, "%" PRId64, other);
    differ(m, s, what, left, right);
}

void same_status(const struct model *m, int s, const char *what, enum pawl_status memory,
                 enum pawl_status other)
{
    if (memory != other)
        differ(m, s, what, pawl_status_name(memory), pawl_status_name(other));
}

void same_text(const struct model *m, int s, const char *what, const char *memory,
               const char *other)
{
    if (strcmp(memory, other) != 0)
        differ(m, s, what, memory, other);
}

void same_bytes(const struct model *m, int s, const char *what, const void *memory,
                size_t memory_size, const void *other, size_t other_size)
{
    same_number(m, s, what, (int64_t)memory_size, (int64_t)other_size);
    if (memory_size > 0 && memcmp(memory, other, memory_size) != 0)
        differ(m, s, what, "one content", "another content of the same size");
}

void same_id(const struct model *m, int s, const char *what, struct pawl_id memory,
             struct pawl_id other)
{
    char left[PAWL_ID_TEXT], right[PAWL_ID_TEXT];
    pawl_id_format(memory, left);
    pawl_id_format(other, right);
    same_text(m, s, what, left, right);
}

void same_answers(const struct model *m, const char *call,
                  const enum pawl_status status[SIDES],
                  const struct pawl_error err[SIDES])
{
    char left[320], right[320];
    for (int s = 1; s < m->sides; s++) {
        if (status[0] == status[s])
            continue;
        snprintf(left, sizeof left, "%s: %s", pawl_status_name(status[0]),
                 err[0].message);
        snprintf(right, sizeof right, "%s: %s", pawl_status_name(status[s]),
                 err[s].message);
        differ(m, s, call, left, right);
    }
}

/* --- whole jobs ------------------------------------------------------------------- */

static void same_backoff(const struct model *m, int s, const struct pawl_backoff *a,
                         const struct pawl_backoff *b)
{
    same_number(m, s, "backoff.kind", a->kind, b->kind);
    same_number(m, s, "backoff.delay", a->delay, b->delay);
    same_number(m, s, "backoff.cap", a->cap, b->cap);
    same_number(m, s, "backoff.jitter", a->jitter, b->jitter);
    same_number(m, s, "backoff.delay_count", a->delay_count, b->delay_count);
    for (int i = 0; i < a->delay_count; i++)
        same_number(m, s, "backoff.delays", a->delays[i], b->delays[i]);
}

static void same_errors(const struct model *m, int s, const struct pawl_job *a,
                        const struct pawl_job *b)
{
    same_number(m, s, "error_count", (int64_t)a->error_count, (int64_t)b->error_count);
    for (size_t i = 0; i < a->error_count; i++) {
        same_text(m, s, "error.message", a->errors[i].message, b->errors[i].message);
        same_number(m, s, "error.attempt", a->errors[i].attempt, b->errors[i].attempt);
        same_number(m, s, "error.at", a->errors[i].at, b->errors[i].at);
    }
}

static void same_numbers(const struct model *m, int s, const struct pawl_job *a,
                         const struct pawl_job *b)
{
    same_number(m, s, "key_mode", a->key_mode, b->key_mode);
    same_number(m, s, "priority", a->priority, b->priority);
    same_number(m, s, "attempt", a->attempt, b->attempt);
    same_number(m, s, "max_attempts", a->max_attempts, b->max_attempts);
    same_number(m, s, "crashes", a->crashes, b->crashes);
    same_number(m, s, "epoch", a->epoch, b->epoch);
    same_number(m, s, "timeout", a->timeout, b->timeout);
    same_number(m, s, "key_ttl", a->key_ttl, b->key_ttl);
    same_number(m, s, "enqueued_at", a->enqueued_at, b->enqueued_at);
    same_number(m, s, "run_at", a->run_at, b->run_at);
    same_number(m, s, "started_at", a->started_at, b->started_at);
    same_number(m, s, "finished_at", a->finished_at, b->finished_at);
    same_number(m, s, "expires_at", a->expires_at, b->expires_at);
}

void same_job(const struct model *m, int s, const struct pawl_job *a,
              const struct pawl_job *b)
{
    same_id(m, s, "id", a->id, b->id);
    same_text(m, s, "state", pawl_state_name(a->state), pawl_state_name(b->state));
    same_text(m, s, "queue", a->queue, b->queue);
    same_text(m, s, "type", a->type, b->type);
    same_text(m, s, "key", a->key, b->key);
    same_text(m, s, "group", a->group, b->group);
    same_numbers(m, s, a, b);
    if (a->state == PAWL_PROCESSING)
        same_number(m, s, "cancel_requested", a->cancel_requested,
                    b->cancel_requested);
    same_backoff(m, s, &a->backoff, &b->backoff);
    same_bytes(m, s, "payload", a->payload, a->payload_size, b->payload,
               b->payload_size);
    same_bytes(m, s, "result", a->result, a->result_size, b->result, b->result_size);
    same_bytes(m, s, "owner", &a->owner, sizeof a->owner, &b->owner, sizeof b->owner);
    same_errors(m, s, a, b);
}

/* --- numbers of queues ----------------------------------------------------------------- */

static void same_queue(const struct model *m, int s, const struct pawl_queue_stats *a,
                       const struct pawl_queue_stats *b)
{
    same_text(m, s, "stats: name", a->name, b->name);
    same_number(m, s, "stats: paused", a->paused, b->paused);
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++) {
        char what[64];
        snprintf(what, sizeof what, "stats: %s of '%s'",
                 pawl_state_name((enum pawl_state)state), a->name);
        same_number(m, s, what, (int64_t)a->jobs[state], (int64_t)b->jobs[state]);
    }
    same_number(m, s, "stats: completed_total", (int64_t)a->completed_total,
                (int64_t)b->completed_total);
    same_number(m, s, "stats: failed_total", (int64_t)a->failed_total,
                (int64_t)b->failed_total);
    same_number(m, s, "stats: dead_total", (int64_t)a->dead_total,
                (int64_t)b->dead_total);
    same_number(m, s, "stats: oldest_pending", a->oldest_pending, b->oldest_pending);
    same_number(m, s, "stats: has_keep", a->has_keep, b->has_keep);
    same_bytes(m, s, "stats: keep", &a->keep, sizeof a->keep, &b->keep, sizeof b->keep);
}

void same_stats(const struct model *m, int s, const struct pawl_stats *a,
                const struct pawl_stats *b)
{
    same_number(m, s, "stats: queue_count", (int64_t)a->queue_count,
                (int64_t)b->queue_count);
    for (size_t i = 0; i < a->queue_count; i++)
        same_queue(m, s, &a->queues[i], &b->queues[i]);
}
