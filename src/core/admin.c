/* admin.c - looking: one job, pages of jobs, counts, health. */
#include "pawl/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/core.h"

#define PAGE_MOST 500
#define LIST_CALLS_MOST 50 /* storage calls for one page, when a type is rare */

enum pawl_status pawl_get(struct pawl *pawl, struct pawl_id id,
                          struct pawl_job **out, struct pawl_error *err)
{
    enum pawl_status status = core_enter(pawl, err);

    if (status == PAWL_OK)
        status = storage_get(pawl->storage, NULL, id, out, err);
    return status;
}

/* --- cursors: STATE.RANK.TIE, or STATE.RANK.TIE.PART, in hex ---------------- */

struct cursor {
    int state;
    struct pawl_place place;
};

static void cursor_format(const struct cursor *cursor,
                          char text[PAWL_CURSOR_TEXT])
{
    int n, i;

    n = snprintf(text, PAWL_CURSOR_TEXT, "%x", (unsigned)cursor->state);
    if (!cursor->place.set)
        return;
    n += snprintf(text + n, PAWL_CURSOR_TEXT - (size_t)n, ".%016llx.",
                  (unsigned long long)cursor->place.rank);
    for (i = 0; i < 16; i++)
        n += snprintf(text + n, PAWL_CURSOR_TEXT - (size_t)n, "%02x",
                      cursor->place.tie[i]);
    if (cursor->place.part)
        snprintf(text + n, PAWL_CURSOR_TEXT - (size_t)n, ".%x",
                 (unsigned)cursor->place.part & 0xf);
}

static bool hex(const char *text, size_t digits, uint64_t *value)
{
    size_t i;

    *value = 0;
    for (i = 0; i < digits; i++) {
        const char *all = "0123456789abcdef";
        const char *at = text[i] ? strchr(all, text[i]) : NULL;
        if (!at)
            return false;
        *value = *value << 4 | (uint64_t)(at - all);
    }
    return true;
}

static bool cursor_parse(const char *text, struct cursor *cursor)
{
    size_t n = strlen(text), i;
    uint64_t value;

    memset(cursor, 0, sizeof *cursor);
    if ((n != 1 && n != 51 && n != 53) || !hex(text, 1, &value))
        return false;
    cursor->state = (int)value;
    if (cursor->state < PAWL_STATE_FIRST || cursor->state > PAWL_STATE_LAST)
        return false;
    if (n == 1)
        return true;
    if (text[1] != '.' || text[18] != '.' || !hex(text + 2, 16, &value))
        return false;
    cursor->place.rank = (int64_t)value;
    for (i = 0; i < 16; i++) {
        if (!hex(text + 19 + 2 * i, 2, &value))
            return false;
        cursor->place.tie[i] = (uint8_t)value;
    }
    if (n == 53) {
        if (text[51] != '.' || !hex(text + 52, 1, &value))
            return false;
        cursor->place.part = (uint8_t)value;
    }
    cursor->place.set = true;
    return true;
}

/* --- pages -------------------------------------------------------------------- */

static enum pawl_status check_filter(const struct pawl_filter *filter,
                                     struct pawl_error *err)
{
    if (filter->state != 0 && !pawl_state_name(filter->state))
        return pawl_error_set(err, PAWL_EINVAL, "state %d is unknown",
                              (int)filter->state);
    return check_queue(queue_or_default(filter->queue), err);
}

/* Fill the page from `at` on, state after state, until it is full. */
static enum pawl_status fill_page(struct pawl *pawl,
                                  const struct pawl_filter *filter, size_t limit,
                                  struct cursor at, struct pawl_page *page,
                                  struct pawl_error *err)
{
    int last = filter->state ? (int)filter->state : PAWL_STATE_LAST;
    enum pawl_status status = PAWL_OK; /* SPOOLED stays, if any answered it */
    int calls;

    for (calls = 0; at.state <= last && page->job_count < limit &&
                    calls < LIST_CALLS_MOST; calls++) {
        struct pawl_list list = {
            .queue = queue_or_default(filter->queue),
            .state = (enum pawl_state)at.state,
            .type = filter->type,
            .after = at.place,
            .limit = limit - page->job_count,
        };
        struct pawl_list_reply reply = { .jobs = page->jobs + page->job_count };
        enum pawl_status one = storage_list(pawl->storage, &list, &reply, err);
        if (one < 0)
            return one;
        if (one != PAWL_OK)
            status = one;
        page->job_count += reply.job_count;
        at.place = reply.next;
        if (!reply.next.set)
            at.state++;
    }
    if (at.state <= last)
        cursor_format(&at, page->next);
    return status;
}

enum pawl_status pawl_list(struct pawl *pawl, const struct pawl_filter *filter,
                           size_t limit, const char *after,
                           struct pawl_page *out, struct pawl_error *err)
{
    struct cursor at = { .state = PAWL_STATE_FIRST };
    enum pawl_status status;

    memset(out, 0, sizeof *out);
    status = core_enter(pawl, err);
    if (status == PAWL_OK)
        status = check_filter(filter, err);
    if (status != PAWL_OK)
        return status;
    if (limit < 1 || limit > PAGE_MOST)
        return pawl_error_set(err, PAWL_EINVAL, "limit %zu is not between 1 and %d",
                              limit, PAGE_MOST);
    if (filter->state)
        at.state = (int)filter->state;
    if (after && *after &&
        (!cursor_parse(after, &at) ||
         (filter->state && at.state != (int)filter->state)))
        return pawl_error_set(err, PAWL_EINVAL, "'%.60s' is not a cursor of this list",
                              after);
    out->jobs = calloc(limit, sizeof *out->jobs);
    if (!out->jobs)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    return fill_page(pawl, filter, limit, at, out, err);
}

void pawl_page_clear(struct pawl_page *page)
{
    size_t i;

    for (i = 0; i < page->job_count; i++)
        pawl_job_free(page->jobs[i]);
    free(page->jobs);
    memset(page, 0, sizeof *page);
}

/* --- counts and health ---------------------------------------------------------- */

/* The library's own queues are nobody's to see. */
static void hide_reserved(struct pawl_stats *stats)
{
    size_t i, kept = 0;

    for (i = 0; i < stats->queue_count; i++) {
        if (!storage_is_reserved(stats->queues[i].name))
            stats->queues[kept++] = stats->queues[i];
    }
    stats->queue_count = kept;
}

enum pawl_status pawl_stats(struct pawl *pawl, const char *queue,
                            struct pawl_stats **out, struct pawl_error *err)
{
    enum pawl_status status = core_enter(pawl, err);

    if (status == PAWL_OK && queue)
        status = check_queue(queue, err);
    if (status == PAWL_OK)
        status = storage_stats(pawl->storage, queue, out, err);
    if (status == PAWL_OK)
        hide_reserved(*out);
    if (status == PAWL_NOT_FOUND)
        pawl_error_set(err, status, "no queue '%s'", queue);
    return status;
}

const char *pawl_mode_name(enum pawl_mode mode)
{
    static const char *const names[] = { "primary", "spooling", "draining" };

    return (int)mode >= 0 && mode <= PAWL_MODE_DRAINING ? names[mode] : "?";
}

void pawl_stats_free(struct pawl_stats *stats)
{
    free(stats);
}

/* Whoever has other jobs open drains none of them. */
static void warn_of_spool(void *context, const char *path, const char *where,
                          pawl_time since)
{
    struct pawl_health *out = context;
    struct pawl_health_warning *warning = &out->warnings[out->warning_count];
    time_t seconds = (time_t)(since / 1000);
    char text[sizeof "2026-01-01T00:00:00Z"];
    struct tm tm;

    if (out->warning_count == PAWL_HEALTH_WARNINGS)
        return;
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(warning->text, sizeof warning->text,
             "a spool for %.60s is left at %.80s since %s", where, path, text);
    warning->standing = false;
    out->warning_count++;
}

enum pawl_status pawl_health(struct pawl *pawl, struct pawl_health *out,
                             struct pawl_error *err)
{
    enum pawl_status status = core_enter(pawl, err);

    if (status == PAWL_OK)
        status = storage_health(pawl->storage, out, err);
    if (status == PAWL_OK && !pawl->storage->ops->remote)
        storage_left(NULL, NULL, warn_of_spool, out);
    return status;
}
