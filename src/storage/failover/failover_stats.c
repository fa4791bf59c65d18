/* failover_stats.c - counts and health of two storages as of one. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/failover/failover_internal.h"

/* --- counts --------------------------------------------------------------------- */

static uint64_t unfinished(const struct pawl_queue_stats *queue)
{
    uint64_t jobs = 0;

    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        if (state != PAWL_COMPLETED && state != PAWL_DEAD && state != PAWL_CANCELLED)
            jobs += queue->jobs[state];
    return jobs;
}

static uint64_t spooled(const struct pawl_stats *here)
{
    uint64_t jobs = 0;

    for (size_t i = 0; i < here->queue_count; i++)
        jobs += unfinished(&here->queues[i]);
    return jobs;
}

static void add_up(struct pawl_queue_stats *to, const struct pawl_queue_stats *from)
{
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        to->jobs[state] += from->jobs[state];
    to->completed_total += from->completed_total;
    to->failed_total += from->failed_total;
    to->dead_total += from->dead_total;
    if (from->oldest_pending > to->oldest_pending)
        to->oldest_pending = from->oldest_pending;
}

/* A block for `count` queues with names of `bytes` in all, as a storage makes it. */
static struct pawl_stats *stats_new(size_t count, size_t bytes, char **names)
{
    struct pawl_stats *stats =
        calloc(1, sizeof *stats + count * sizeof *stats->queues + bytes);

    if (!stats)
        return NULL;
    stats->queues = (struct pawl_queue_stats *)(stats + 1);
    *names = (char *)(stats->queues + count);
    return stats;
}

static void append(struct pawl_stats *stats, const struct pawl_queue_stats *queue,
                   char **names)
{
    struct pawl_queue_stats *last = &stats->queues[stats->queue_count++];
    size_t size = strlen(queue->name) + 1;

    *last = *queue;
    last->name = memcpy(*names, queue->name, size);
    *names += size;
}

static size_t name_bytes(const struct pawl_stats *stats)
{
    size_t bytes = 0;

    for (size_t i = 0; stats && i < stats->queue_count; i++)
        bytes += strlen(stats->queues[i].name) + 1;
    return bytes;
}

/* Both, sorted by name, without what is not a user's. Either may be NULL. The totals
 * and the pause are the primary's, where there is one: what the spool completed counts
 * there once it has gone over. */
static struct pawl_stats *merge(const struct pawl_stats *there,
                                const struct pawl_stats *here)
{
    size_t a = 0, b = 0, a_count = there ? there->queue_count : 0;
    size_t b_count = here ? here->queue_count : 0;
    char *names;
    struct pawl_stats *out = stats_new(a_count + b_count,
                                       name_bytes(there) + name_bytes(here), &names);

    while (out && (a < a_count || b < b_count)) {
        int order = a == a_count ? 1 : b == b_count ? -1
                    : strcmp(there->queues[a].name, here->queues[b].name);
        if (order > 0 && failover_is_reserved(here->queues[b].name)) {
            b++;
            continue;
        }
        append(out, order > 0 ? &here->queues[b] : &there->queues[a], &names);
        if (order == 0)
            add_up(&out->queues[out->queue_count - 1], &here->queues[b]);
        a += order <= 0;
        b += order >= 0;
    }
    return out;
}

/* A queue that the spool does not know may well be one at the primary. */
static enum pawl_status one_unknown(const char *queue, struct pawl_stats **out)
{
    struct pawl_queue_stats nothing = { .name = queue, .oldest_pending = -1 };
    char *names;

    *out = stats_new(1, strlen(queue) + 1, &names);
    if (!*out)
        return PAWL_ENOMEM;
    append(*out, &nothing, &names);
    return PAWL_OK;
}

static enum pawl_status both(struct failover *f, const char *queue,
                             const struct pawl_stats *there, bool away,
                             struct pawl_stats **out, struct pawl_error *err)
{
    struct pawl_stats *all = NULL;
    enum pawl_status status = storage_stats(f->spool, NULL, &all, err);
    struct pawl_stats *here = NULL, *merged = NULL;

    if (status < 0)
        return status;
    if (!queue)
        merged = merge(there, all);
    else if (storage_stats(f->spool, queue, &here, NULL) == PAWL_OK)
        merged = merge(there, here);
    else if (there)
        merged = merge(there, NULL);
    else if (!away)
        status = PAWL_NOT_FOUND;
    else
        status = one_unknown(queue, &merged);
    if (merged) {
        merged->spooled = spooled(all);
        *out = merged;
    } else if (status != PAWL_NOT_FOUND) {
        status = pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    }
    pawl_stats_free(here);
    pawl_stats_free(all);
    return status;
}

enum pawl_status failover_stats(struct pawl_storage *self, const char *queue,
                                struct pawl_stats **out, struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    struct pawl_stats *there = NULL;
    struct pawl_error own = { 0 };
    enum pawl_status status;
    struct pawl_storage *primary = failover_ask(f, &status, &own);
    enum pawl_mode mode;

    if (primary)
        status = storage_stats(primary, queue, &there, &own);
    if (failover_final(f, status, &own, err) && status < 0)
        return status;
    mode = failover_mode(breaker_state(&f->breaker));
    if (mode == PAWL_MODE_PRIMARY) {
        *out = there;
    } else {
        status = both(f, queue, there, mode == PAWL_MODE_SPOOLING, out, err);
        pawl_stats_free(there);
    }
    if (status == PAWL_OK) {
        (*out)->mode = mode;
        (*out)->fallback = true;
    }
    return status;
}

/* --- health --------------------------------------------------------------------- */

PAWL_PRINTF(2, 3)
static void warn(struct pawl_health *out, const char *format, ...)
{
    struct pawl_health_warning *warning = &out->warnings[out->warning_count];
    va_list args;

    if (out->warning_count == PAWL_HEALTH_WARNINGS)
        return;
    va_start(args, format);
    vsnprintf(warning->text, sizeof warning->text, format, args);
    va_end(args);
    warning->standing = false;
    out->warning_count++;
}

static void detail(struct pawl_health *out, const char *name, const char *value)
{
    struct pawl_health_detail *last = &out->details[out->detail_count];

    if (out->detail_count == PAWL_HEALTH_DETAILS)
        return;
    snprintf(last->name, sizeof last->name, "%s", name);
    snprintf(last->value, sizeof last->value, "%s", value);
    out->detail_count++;
}

static void format_time(int64_t ms, char text[32])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* Nobody who opens this primary drains them. */
static void warn_of_other(void *out, const char *path, const struct breaker_page *page)
{
    char since[32], where[BREAKER_TEXT];

    format_time(atomic_load(&page->since), since);
    warn(out, "a spool for %.80s is left at %.90s since %s",
         breaker_text(page->where, where), path, since);
}

static void tell_of_outage(struct failover *f, struct pawl_health *out)
{
    const struct breaker_page *page = f->breaker.page;
    int64_t replaced = atomic_load(&page->replaced);
    int64_t now = f->config.clock.now(f->config.clock.context);
    char since[32], reason[BREAKER_TEXT];

    format_time(atomic_load(&page->since), since);
    out->mode = failover_mode(breaker_state(&f->breaker));
    detail(out, "mode", pawl_mode_name(out->mode));
    detail(out, "spool", f->spool->where);
    if (out->mode == PAWL_MODE_SPOOLING)
        warn(out, "away since %s, jobs are spooled: %s", since,
             breaker_text(page->reason, reason));
    else if (out->mode == PAWL_MODE_DRAINING)
        warn(out, "the spool of this host is not empty yet");
    format_time(replaced, since);
    if (replaced != 0 && now - replaced < INT64_C(86400) * 1000)
        warn(out, "at %s it was another store: emptied or replaced", since);
    breaker_others(f->spool->where, warn_of_other, out);
}

enum pawl_status failover_health(struct pawl_storage *self, struct pawl_health *out,
                                 struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    struct pawl_error own = { 0 };
    enum pawl_status status;
    struct pawl_storage *primary = failover_ask(f, &status, &own);

    if (primary)
        status = storage_health(primary, out, &own);
    if (failover_final(f, status, &own, err) && status < 0)
        return status;
    if (status < 0) {
        status = storage_health(f->spool, out, err);
        if (status < 0)
            return status;
        out->warning_count = out->detail_count = 0;
        snprintf(out->storage, sizeof out->storage, "%s",
                 f->ops.label ? f->ops.label : f->ops.scheme);
        for (char *c = out->storage; *c; c++)
            *c |= 0x20; /* lower case: "redis" */
        snprintf(out->where, sizeof out->where, "%s", f->where);
    }
    tell_of_outage(f, out);
    return PAWL_OK;
}
