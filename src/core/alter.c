/* alter.c - moving jobs by hand.
 *
 * A storage's alter works on one queue; here ids are sorted to their queues, and
 * "every job that matches" is cut into bounded batches.
 */
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "core/job_state.h"
#include "util/clock.h"

#define BATCH 500
/* What one call may alter by a filter. Each call looks for what matches from the
 * beginning, so few calls look less; a storage does not do it all in one step. */
#define FILTER_BATCH 10000

static enum pawl_status prepare(struct pawl *pawl,
                                const struct pawl_alteration *what,
                                struct pawl_alter *alter, struct pawl_error *err)
{
    static const enum pawl_alter_kind kinds[] = {
        [PAWL_ACTION_RETRY] = PAWL_ALTER_RUN,
        [PAWL_ACTION_CANCEL] = PAWL_ALTER_CANCEL,
        [PAWL_ACTION_REMOVE] = PAWL_ALTER_REMOVE,
        [PAWL_ACTION_PROMOTE] = PAWL_ALTER_RUN,
        [PAWL_ACTION_REPRIORITISE] = PAWL_ALTER_REPRIORITISE,
    };
    enum pawl_status status = core_enter(pawl, err);

    if (status != PAWL_OK)
        return status;
    if ((int)what->action < 0 || what->action > PAWL_ACTION_REPRIORITISE)
        return pawl_error_set(err, PAWL_EINVAL, "action %d is unknown",
                              (int)what->action);
    if (what->action == PAWL_ACTION_REPRIORITISE &&
        (what->priority < 1 || what->priority > 10))
        return pawl_error_set(err, PAWL_EINVAL,
                              "priority %d is not between 1 and 10",
                              what->priority);
    memset(alter, 0, sizeof *alter);
    alter->kind = kinds[what->action];
    alter->from_states = action_from_states(what->action);
    alter->fresh_start = what->action == PAWL_ACTION_RETRY;
    alter->priority = what->priority;
    return PAWL_OK;
}

/* --- by id ---------------------------------------------------------------------- */

/* Where the storage of one job is away, others may be in a spool: they are tried as
 * long as that does not take for ever. */
static bool goes_on(const struct pawl *pawl, enum pawl_status status, int64_t begun_ns)
{
    return status == PAWL_EUNREACHABLE &&
           clock_mono_ns() - begun_ns < pawl->deadline * 1000000;
}

/* The queue of each id; NULL where there is none, with the reason in results. Stops
 * at a failure, which is that of the ids that follow, too. */
static enum pawl_status find_queues(struct pawl *pawl, const struct pawl_id *ids,
                                    size_t count, char **queues,
                                    enum pawl_status *results,
                                    struct pawl_error *err)
{
    int64_t begun_ns = clock_mono_ns();
    enum pawl_status first = PAWL_OK;
    size_t i;

    for (i = 0; i < count; i++) {
        struct pawl_job *job = NULL;
        struct pawl_error own = { 0 };
        enum pawl_status status =
            storage_get(pawl->storage, NULL, ids[i], &job, &own);
        results[i] = status;
        if (status < 0 && first == PAWL_OK) {
            first = status;
            if (err)
                *err = own;
        }
        if (status < 0 && !goes_on(pawl, status, begun_ns))
            break;
        if (status != PAWL_OK)
            continue;
        queues[i] = strdup(job->queue);
        pawl_job_free(job);
        if (!queues[i])
            return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    }
    for (; i < count; i++)
        results[i] = first; /* not looked for is not NOT_FOUND */
    return first;
}

/* One storage call for up to BATCH ids from `from` on that share its queue. */
static enum pawl_status alter_share(struct pawl *pawl, struct pawl_alter *alter,
                                    const struct pawl_id *ids, size_t from,
                                    size_t count, char **queues,
                                    enum pawl_status *results,
                                    struct pawl_error *err)
{
    struct pawl_id some[BATCH];
    enum pawl_status answers[BATCH];
    size_t index[BATCH], i, n = 0;
    struct pawl_alter_reply reply = { .results = answers };
    enum pawl_status status;

    alter->queue = queues[from];
    for (i = from; i < count && n < BATCH; i++)
        if (queues[i] && strcmp(queues[i], alter->queue) == 0) {
            some[n] = ids[i];
            index[n++] = i;
        }
    alter->ids = some;
    alter->id_count = n;
    status = storage_alter(pawl->storage, alter, &reply, err);
    for (i = 0; i < n; i++) {
        results[index[i]] = status < 0 ? status : answers[i];
        if (index[i] != from) {
            free(queues[index[i]]);
            queues[index[i]] = NULL;
        }
    }
    return status;
}

static enum pawl_status alter_ids(struct pawl *pawl, struct pawl_alter *alter,
                                  const struct pawl_id *ids, size_t count,
                                  enum pawl_status *results,
                                  struct pawl_error *err)
{
    char **queues = calloc(count ? count : 1, sizeof *queues);
    enum pawl_status status, found;
    size_t i;

    if (!queues)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    found = find_queues(pawl, ids, count, queues, results, err);
    status = found == PAWL_EUNREACHABLE ? PAWL_OK : found;
    for (i = 0; i < count && status >= 0; i++)
        if (queues[i])
            status = alter_share(pawl, alter, ids, i, count, queues, results,
                                 err);
    for (; i < count && status < 0; i++)
        if (queues[i])
            results[i] = status; /* not tried any more */
    if (status >= 0)
        status = found;
    for (i = 0; i < count; i++)
        free(queues[i]);
    free(queues);
    return status;
}

enum pawl_status pawl_alter(struct pawl *pawl,
                            const struct pawl_alteration *what,
                            const struct pawl_id *ids, size_t id_count,
                            enum pawl_status *results, struct pawl_error *err)
{
    struct pawl_alter alter;
    enum pawl_status status = prepare(pawl, what, &alter, err);

    if (status == PAWL_OK)
        status = alter_ids(pawl, &alter, ids, id_count, results, err);
    return status;
}

/* --- by filter -------------------------------------------------------------------- */

/* Moves that take a job out of where the filter finds it: again and again until
 * nothing is found. */
static enum pawl_status alter_until_none(struct pawl *pawl,
                                         struct pawl_alter *alter,
                                         size_t *changed, struct pawl_error *err)
{
    struct pawl_alter_reply reply;
    enum pawl_status status;

    alter->limit = FILTER_BATCH;
    do {
        memset(&reply, 0, sizeof reply);
        status = storage_alter(pawl->storage, alter, &reply, err);
        if (status < 0)
            return status;
        *changed += reply.changed;
    } while (reply.more && reply.changed > 0);
    return status;
}

struct id_list {
    struct pawl_id *ids;
    size_t count, cap;
};

static bool id_list_add(struct id_list *list, struct pawl_id id)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : BATCH;
        struct pawl_id *ids = realloc(list->ids, cap * sizeof *ids);
        if (!ids)
            return false;
        list->ids = ids;
        list->cap = cap;
    }
    list->ids[list->count++] = id;
    return true;
}

static bool old_enough(const struct pawl *pawl, const struct pawl_job *job,
                       pawl_duration older_than)
{
    pawl_time since = job->finished_at ? job->finished_at : job->enqueued_at;

    return since + older_than <= pawl->clock.now(pawl->clock.context);
}

/* The ids of one state that match, as they are now. */
static enum pawl_status collect(struct pawl *pawl, struct pawl_filter filter,
                                struct id_list *list, struct pawl_error *err)
{
    char after[PAWL_CURSOR_TEXT] = "";
    struct pawl_page page;
    enum pawl_status status;
    size_t i;

    do {
        status = pawl_list(pawl, &filter, BATCH, after, &page, err);
        for (i = 0; i < page.job_count && status >= 0; i++)
            if (old_enough(pawl, page.jobs[i], filter.older_than) &&
                !id_list_add(list, page.jobs[i]->id))
                status = pawl_error_set(err, PAWL_ENOMEM, "out of memory");
        memcpy(after, page.next, sizeof after);
        pawl_page_clear(&page);
    } while (status >= 0 && *after);
    return status;
}

/* Moves after which the filter may still find the job (another priority, a
 * handler that was asked to stop, a key that is taken): each job once. */
static enum pawl_status alter_each(struct pawl *pawl, struct pawl_alter *alter,
                                   const struct pawl_filter *filter,
                                   size_t *changed, struct pawl_error *err)
{
    struct pawl_filter one = *filter;
    struct pawl_alter_reply reply;
    enum pawl_status results[BATCH];
    enum pawl_status status = PAWL_OK, said = PAWL_OK;
    struct id_list list = { 0 };
    size_t at;
    int state;

    for (state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST && status >= 0; state++) {
        if (!(alter->from_states & PAWL_STATE_BIT(state)))
            continue;
        one.state = (enum pawl_state)state;
        status = collect(pawl, one, &list, err);
    }
    if (status == PAWL_SPOOLED)
        said = status;
    for (at = 0; at < list.count && status >= 0; at += alter->id_count) {
        alter->ids = list.ids + at;
        alter->id_count = list.count - at < BATCH ? list.count - at : BATCH;
        reply = (struct pawl_alter_reply){ .results = results };
        status = storage_alter(pawl->storage, alter, &reply, err);
        if (status >= 0)
            *changed += reply.changed;
    }
    free(list.ids);
    return status < 0 ? status : said;
}

/* A mistyped name must not make a queue. */
static enum pawl_status check_exists(struct pawl *pawl, const char *queue,
                                     struct pawl_error *err)
{
    struct pawl_stats *stats = NULL;
    enum pawl_status status = pawl_stats(pawl, queue, &stats, err);

    if (status == PAWL_OK)
        pawl_stats_free(stats);
    return status;
}

enum pawl_status pawl_alter_where(struct pawl *pawl,
                                  const struct pawl_alteration *what,
                                  const struct pawl_filter *filter,
                                  size_t *changed, struct pawl_error *err)
{
    struct pawl_alter alter;
    enum pawl_status status = prepare(pawl, what, &alter, err);
    unsigned stay = 0;

    *changed = 0;
    if (status != PAWL_OK)
        return status;
    alter.queue = queue_or_default(filter->queue);
    status = check_queue(alter.queue, err);
    if (status != PAWL_OK)
        return status;
    if (filter->state && !pawl_state_name(filter->state))
        return pawl_error_set(err, PAWL_EINVAL, "state %d is unknown",
                              (int)filter->state);
    if (filter->older_than < 0 || filter->older_than > PAWL_DURATION_MAX)
        return pawl_error_set(err, PAWL_EINVAL,
                              "an age of %lld ms is not between 0 and ten years",
                              (long long)filter->older_than);
    status = check_exists(pawl, alter.queue, err);
    if (status != PAWL_OK)
        return status;
    alter.type = filter->type;
    alter.older_than = filter->older_than;
    if (filter->state)
        alter.from_states &= PAWL_STATE_BIT(filter->state);
    if (what->action == PAWL_ACTION_RETRY ||
        what->action == PAWL_ACTION_REPRIORITISE)
        stay = alter.from_states;
    else
        stay = alter.from_states & PAWL_STATE_BIT(PAWL_PROCESSING);
    alter.from_states &= ~stay;
    if (alter.from_states)
        status = alter_until_none(pawl, &alter, changed, err);
    alter.from_states = stay;
    if (stay && status >= 0) {
        enum pawl_status rest = alter_each(pawl, &alter, filter, changed, err);
        if (rest != PAWL_OK)
            status = rest;
    }
    return status;
}
