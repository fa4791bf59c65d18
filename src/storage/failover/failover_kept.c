/* failover_kept.c - looking into the calls that are kept for the primary
 * (failover_notes.c): the jobs in them are the caller's, and show as held. There are as
 * many as calls were under way when the primary was lost, so all are read each time. */
#include <string.h>

#include "storage/failover/failover_internal.h"

#define PAGE 8 /* notes in the hand at once: each may be large */

struct pawl_job failover_kept_job(const struct pawl_new_job *job,
                                  const struct pawl_job *note)
{
    return (struct pawl_job){
        .id = job->id,
        .queue = job->queue,
        .type = job->type ? job->type : "",
        .key = job->key ? job->key : "",
        .group = job->group ? job->group : "",
        .state = PAWL_HELD,
        .key_mode = job->key_mode,
        .priority = job->priority,
        .max_attempts = job->max_attempts,
        .backoff = job->backoff,
        .timeout = job->timeout,
        .key_ttl = job->key_ttl,
        .enqueued_at = note->enqueued_at,
        .run_at = job->run_at ? job->run_at : note->enqueued_at + job->delay,
        .expires_at = job->ttl ? note->enqueued_at + job->ttl : 0,
        .payload = job->payload ? job->payload : "",
        .payload_size = job->payload_size,
        .result = "",
    };
}

/* --- each ----------------------------------------------------------------------- */

struct each {
    failover_kept_fn *visit;
    void *context;
};

static bool visit_note(void *context, const struct pawl_job *note)
{
    const struct each *each = context;
    struct packet call;
    bool go_on;

    if (packet_read(note->payload, note->payload_size, &call, NULL) < 0)
        return true;
    go_on = each->visit(each->context, note, &call);
    packet_clear(&call);
    return go_on;
}

enum pawl_status failover_each_kept(struct failover *f, failover_kept_fn *visit,
                                    void *context, struct pawl_error *err)
{
    static const char *const queues[] = { FAILOVER_OUTCOMES, FAILOVER_SENT };
    static const enum pawl_state states[] = { PAWL_PENDING, PAWL_HELD };
    struct each each = { visit, context };
    struct storage_walk walk = { .storage = f->spool, .page = PAGE, .visit = visit_note,
                                 .context = &each };
    enum pawl_status status = PAWL_OK;

    for (int i = 0; i < 4 && status >= 0; i++) {
        walk.queue = queues[i / 2];
        status = storage_walk(&walk, states[i % 2], err);
    }
    return status;
}

/* --- set aside ------------------------------------------------------------------ */

/* They are few, and only looked at one by one where there are any. */
static bool first_aside(struct failover *f, const char *queue, struct pawl_id *first)
{
    struct pawl_job *note = NULL;
    struct pawl_list in = { .queue = queue, .state = PAWL_CANCELLED, .limit = 1 };
    struct pawl_list_reply reply = { .jobs = &note };

    if (storage_list(f->spool, &in, &reply, NULL) < 0 || reply.job_count == 0)
        return false;
    *first = note->id;
    pawl_job_free(note);
    return true;
}

uint64_t failover_set_aside(struct failover *f, struct pawl_id *first)
{
    struct pawl_stats *stats = NULL;
    uint64_t count = 0;

    if (storage_stats(f->spool, NULL, &stats, NULL) != PAWL_OK)
        return 0;
    for (size_t i = 0; i < stats->queue_count; i++) {
        const struct pawl_queue_stats *queue = &stats->queues[i];
        uint64_t aside = failover_is_reserved(queue->name) ? queue->jobs[PAWL_CANCELLED]
                                                           : 0;
        if (aside > 0 && (count > 0 || first_aside(f, queue->name, first)))
            count += aside;
    }
    pawl_stats_free(stats);
    return count;
}

/* --- one ------------------------------------------------------------------------ */

struct search {
    struct pawl_id id;
    struct pawl_job **out;
    enum pawl_status found;
};

static bool look_for(void *context, const struct pawl_job *note,
                     const struct packet *call)
{
    struct search *search = context;

    for (size_t i = 0; i < call->put.job_count; i++) {
        struct pawl_job job;
        if (memcmp(&call->jobs[i].id, &search->id, sizeof search->id) != 0)
            continue;
        job = failover_kept_job(&call->jobs[i], note);
        *search->out = pawl_job_copy(&job);
        search->found = *search->out ? PAWL_OK : PAWL_ENOMEM;
        return false;
    }
    return true;
}

enum pawl_status failover_find_kept(struct failover *f, struct pawl_id id,
                                    struct pawl_job **out, struct pawl_error *err)
{
    struct search search = { id, out, PAWL_NOT_FOUND };
    enum pawl_status status = failover_each_kept(f, look_for, &search, err);

    if (search.found == PAWL_ENOMEM)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    return status < 0 ? status : search.found;
}

/* --- a page --------------------------------------------------------------------- */

struct page {
    const struct pawl_list *in;
    struct pawl_list_reply *out;
    bool passed; /* where the page begins */
    bool failed;
};

static bool add_to_page(struct page *page, const struct pawl_job *job)
{
    struct pawl_list_reply *out = page->out;
    struct pawl_job *copy;

    if (!page->passed) {
        page->passed = memcmp(page->in->after.tie, job->id.b, sizeof job->id.b) == 0;
        return true;
    }
    if (page->in->type && strcmp(page->in->type, job->type) != 0)
        return true;
    if (out->job_count == page->in->limit) { /* there is more */
        out->next.set = true;
        return false;
    }
    copy = pawl_job_copy(job);
    page->failed = !copy;
    if (!copy)
        return false;
    out->jobs[out->job_count++] = copy;
    memcpy(out->next.tie, copy->id.b, sizeof copy->id.b);
    return true;
}

static bool list_call(void *context, const struct pawl_job *note,
                      const struct packet *call)
{
    struct page *page = context;
    bool more = true;

    if (!call->put.queue || strcmp(call->put.queue, page->in->queue) != 0)
        return true;
    for (size_t i = 0; i < call->put.job_count && more; i++) {
        struct pawl_job job = failover_kept_job(&call->jobs[i], note);
        more = add_to_page(page, &job);
    }
    return more;
}

enum pawl_status failover_list_kept(struct failover *f, const struct pawl_list *in,
                                    struct pawl_list_reply *out, struct pawl_error *err)
{
    static const uint8_t beginning[16];
    struct page page = { .in = in, .out = out };
    enum pawl_status status;

    page.passed = memcmp(in->after.tie, beginning, sizeof beginning) == 0;
    out->job_count = 0;
    out->next = (struct pawl_place){ .rank = FAILOVER_KEPT };
    status = failover_each_kept(f, list_call, &page, err);
    if (page.failed)
        status = pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    for (size_t i = 0; status < 0 && i < out->job_count; i++)
        pawl_job_free(out->jobs[i]);
    return status;
}
