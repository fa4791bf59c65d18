/* import.c - whole jobs that somebody hands over, checked as strictly as new ones; and
 * what their queues were told. */
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "core/settings.h"
#include "pawl/migrate.h"
#include "storage/relay.h"
#include "util/random.h"
#include "util/utf8.h"

#define BATCH_MOST 1000
#define INSTANT_MAX INT64_C(253402300799999) /* the year 9999 */

/* --- checking -------------------------------------------------------------------- */

static enum pawl_status wrong(const char *field, const char *why,
                              struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_EINVAL, "%s %s", field, why);
}

static enum pawl_status check_text(const char *field, const char *text, size_t least,
                                   size_t most, struct pawl_error *err)
{
    size_t n = text ? strlen(text) : 0;

    if (n < least)
        return wrong(field, "is empty", err);
    if (n > most)
        return wrong(field, "is too long", err);
    if (n > 0 && (!utf8_valid(text, n) || !utf8_plain(text, n)))
        return wrong(field, "is not UTF-8 without control characters", err);
    return PAWL_OK;
}

static enum pawl_status check_texts(const struct pawl_job *job, struct pawl_error *err)
{
    enum pawl_status status = check_text("queue", job->queue, 1, PAWL_NAME_MAX, err);

    if (status == PAWL_OK)
        status = check_text("type", job->type, 0, PAWL_NAME_MAX, err);
    if (status == PAWL_OK)
        status = check_text("key", job->key, 0, PAWL_KEY_MAX, err);
    if (status == PAWL_OK)
        status = check_text("group", job->group, 0, PAWL_NAME_MAX, err);
    return status;
}

struct range {
    const char *field;
    int64_t value, least, most;
};

static enum pawl_status check_ranges(const struct range *ranges, size_t count,
                                     struct pawl_error *err)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (ranges[i].value < ranges[i].least || ranges[i].value > ranges[i].most)
            return pawl_error_set(err, PAWL_EINVAL,
                                  "%s %lld is not between %lld and %lld",
                                  ranges[i].field, (long long)ranges[i].value,
                                  (long long)ranges[i].least,
                                  (long long)ranges[i].most);
    return PAWL_OK;
}

static enum pawl_status check_numbers(const struct pawl_job *job,
                                      struct pawl_error *err)
{
    const struct range ranges[] = {
        { "priority", job->priority, 1, 10 },
        { "attempt", job->attempt, 0, UINT16_MAX },
        { "max_attempts", job->max_attempts, 1, PAWL_ATTEMPTS_MAX },
        { "crashes", job->crashes, 0, UINT16_MAX },
        { "timeout", job->timeout, 0, PAWL_DURATION_MAX },
        { "key_ttl", job->key_ttl, 0, PAWL_DURATION_MAX },
        { "enqueued_at", job->enqueued_at, 1, INSTANT_MAX },
        { "run_at", job->run_at, 0, INSTANT_MAX },
        { "started_at", job->started_at, 0, INSTANT_MAX },
        { "finished_at", job->finished_at, 0, INSTANT_MAX },
        { "expires_at", job->expires_at, 0, INSTANT_MAX },
        { "payload", (int64_t)job->payload_size, 0, INT32_MAX },
        { "result", (int64_t)job->result_size, 0, PAWL_RESULT_MAX },
        { "errors", (int64_t)job->error_count, 0, PAWL_ERRORS_KEPT },
        { "backoff.kind", job->backoff.kind, 0, PAWL_BACKOFF_LIST },
        { "backoff.delay", job->backoff.delay, 0, PAWL_DURATION_MAX },
        { "backoff.cap", job->backoff.cap, 0, PAWL_DURATION_MAX },
        { "backoff.jitter", job->backoff.jitter, 0, 100 },
        { "backoff.delays", job->backoff.delay_count,
          job->backoff.kind == PAWL_BACKOFF_LIST, PAWL_BACKOFF_LIST_MAX },
    };

    return check_ranges(ranges, sizeof ranges / sizeof *ranges, err);
}

static enum pawl_status check_lists(const struct pawl_job *job, struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    int i;

    for (i = 0; i < job->backoff.delay_count && status == PAWL_OK; i++) {
        struct range delay = { "backoff.delays", job->backoff.delays[i], 0,
                               PAWL_DURATION_MAX };
        status = check_ranges(&delay, 1, err);
    }
    for (size_t e = 0; e < job->error_count && status == PAWL_OK; e++) {
        const char *text = job->errors[e].message;
        struct range ranges[] = {
            { "errors.at", job->errors[e].at, 0, INSTANT_MAX },
            { "errors.attempt", job->errors[e].attempt, 0, UINT16_MAX },
            { "errors.message", (int64_t)strlen(text), 0, PAWL_ERROR_MAX },
        };
        status = check_ranges(ranges, 3, err);
        if (status == PAWL_OK && !utf8_valid(text, strlen(text)))
            status = wrong("errors.message", "is not UTF-8", err);
    }
    return status;
}

static enum pawl_status check_meaning(const struct pawl_job *job,
                                      struct pawl_error *err)
{
    if (pawl_id_is_zero(job->id))
        return wrong("id", "is missing", err);
    if (job->state == PAWL_WAITING || !pawl_state_name(job->state))
        return wrong("state", "is none that can be imported", err);
    if (pawl_id_queue_hash(job->id) != pawl_queue_hash(job->queue))
        return wrong("id", "belongs to another queue", err);
    if (job->key_mode != PAWL_KEY_REJECT && job->key_mode != PAWL_KEY_THROTTLE)
        return wrong("key_mode", "is not reject or throttle", err);
    if (job->key_mode == PAWL_KEY_THROTTLE && job->key[0] && job->key_ttl == 0)
        return wrong("key_ttl", "is missing, which a throttle needs", err);
    return PAWL_OK;
}

enum pawl_status pawl_job_check(const struct pawl_job *job, struct pawl_error *err)
{
    enum pawl_status status = check_texts(job, err);

    if (status == PAWL_OK)
        status = check_numbers(job, err);
    if (status == PAWL_OK)
        status = check_lists(job, err);
    if (status == PAWL_OK)
        status = check_meaning(job, err);
    return status;
}

enum pawl_status pawl_queue_check(const struct pawl_queue_stats *queue,
                                  struct pawl_error *err)
{
    const struct pawl_queue_keep *keep = &queue->keep;
    const struct range ranges[] = {
        { "keep.completed_age", keep->completed_age, -1, PAWL_DURATION_MAX },
        { "keep.dead_age", keep->dead_age, -1, PAWL_DURATION_MAX },
        { "keep.cancelled_age", keep->cancelled_age, -1, PAWL_DURATION_MAX },
        { "keep.completed_count", keep->completed_count, -1, INT64_MAX },
        { "keep.dead_count", keep->dead_count, -1, INT64_MAX },
        { "keep.cancelled_count", keep->cancelled_count, -1, INT64_MAX },
    };
    enum pawl_status status = check_text("queue", queue->name, 1, PAWL_NAME_MAX, err);

    if (status == PAWL_OK && queue->has_keep)
        status = check_ranges(ranges, sizeof ranges / sizeof *ranges, err);
    return status;
}

/* --- storing --------------------------------------------------------------------- */

struct import {
    struct pawl *pawl;
    const struct pawl_job *const *jobs;
    struct pawl_put_result *results;
    struct pawl_job copies[BATCH_MOST]; /* with the state they are stored in */
    const struct pawl_job *list[BATCH_MOST];
};

static enum pawl_status merge_taken(const struct import *import, size_t from,
                                    size_t count, struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    size_t i;

    for (i = 0; i < count && status >= 0; i++) {
        struct pawl_session session;
        if (import->results[from + i].status != PAWL_KEY_TAKEN)
            continue;
        random_bytes(session.b, sizeof session.b);
        status = relay_merge(import->pawl->storage, import->list[i],
                             import->results[from + i].id, session,
                             &import->pawl->clock, err);
    }
    return status;
}

static enum pawl_status store(struct import *import, size_t from, size_t count,
                              struct pawl_error *err)
{
    struct pawl_bring_in in = { .queue = import->jobs[from]->queue, .seq = 1,
                                .jobs = import->list, .job_count = count };
    enum pawl_status status;
    size_t i;

    for (i = 0; i < count; i++) {
        struct pawl_job *copy = &import->copies[i];
        *copy = *import->jobs[from + i];
        if (copy->state == PAWL_PROCESSING || copy->state == PAWL_HELD)
            copy->state = PAWL_PENDING;
        import->list[i] = copy;
    }
    random_bytes(in.session.b, sizeof in.session.b);
    status = storage_bring_in(import->pawl->storage, &in, import->results + from, err);
    return status < 0 ? status : merge_taken(import, from, count, err);
}

/* How many from here on are of one queue. */
static size_t run_of(const struct pawl_job *const *jobs, size_t count)
{
    size_t n = 1;

    while (n < count && n < BATCH_MOST && strcmp(jobs[n]->queue, jobs[0]->queue) == 0)
        n++;
    return n;
}

enum pawl_status pawl_import(struct pawl *pawl, const struct pawl_job *const *jobs,
                             size_t count, struct pawl_put_result *results,
                             struct pawl_error *err)
{
    enum pawl_status status = core_enter(pawl, err);
    struct import *import;
    size_t at, n;

    for (at = 0; at < count && status == PAWL_OK; at++)
        status = pawl_job_check(jobs[at], err);
    if (status != PAWL_OK || count == 0)
        return status;
    import = malloc(sizeof *import);
    if (!import)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    import->pawl = pawl;
    import->jobs = jobs;
    import->results = results;
    for (at = 0; at < count && status >= 0; at += n) {
        n = run_of(jobs + at, count - at);
        status = store(import, at, n, err);
    }
    free(import);
    return status < 0 ? status : PAWL_OK;
}

enum pawl_status pawl_import_queue(struct pawl *pawl,
                                   const struct pawl_queue_stats *queue,
                                   struct pawl_error *err)
{
    enum pawl_status status = core_enter(pawl, err);
    bool given = false;

    if (status == PAWL_OK)
        status = pawl_queue_check(queue, err);
    if (status == PAWL_OK)
        status = settings_give(pawl->storage, queue, &given, err);
    return status == PAWL_OK && !given ? PAWL_DUPLICATE : status;
}
