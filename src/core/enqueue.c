/* enqueue.c - jobs that are awaited, one or many.
 *
 * Many are stored queue by queue, since a storage's step is of one queue, and in pieces
 * that it can hold in memory.
 */
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "core/new_job.h"

#define PUT_MOST 10000           /* jobs stored in one atomic step, */
#define PUT_BYTES (64u << 20)    /* and bytes of their payloads */

/* --- one ------------------------------------------------------------------- */

enum pawl_status pawl_enqueue(struct pawl *pawl, const struct pawl_new_job *job,
                              struct pawl_id *id, struct pawl_error *err)
{
    struct pawl_new_job normal;
    struct pawl_put_result result;
    enum pawl_status status = core_enter(pawl, err);

    if (status == PAWL_OK)
        status = new_job_normalise(pawl, job, &normal, err);
    if (status != PAWL_OK)
        return status;
    status = combine_put(pawl, normal.queue, &normal, 1, &result, err);
    if (id)
        *id = status < 0 ? normal.id : result.id;
    if (status >= 0 && result.status < 0) /* of an earlier call: unsettled.h */
        return pawl_error_set(err, result.status, "%s",
                              pawl_status_text(result.status));
    return status < 0 ? status : result.status;
}

/* --- many ----------------------------------------------------------------- */

/* Jobs of one queue, gathered in order from a mixed array. */
struct share {
    struct pawl_new_job *jobs;
    struct pawl_put_result *results;
    size_t *index;
    size_t count;
};

static void share_clear(struct share *s)
{
    free(s->jobs);
    free(s->results);
    free(s->index);
}

static bool share_init(struct share *s, size_t most)
{
    s->jobs = malloc(most * sizeof *s->jobs);
    s->results = malloc(most * sizeof *s->results);
    s->index = malloc(most * sizeof *s->index);
    return s->jobs && s->results && s->index;
}

/* Store all jobs from `from` on that are in its queue, up to PUT_MOST at a time,
 * and mark them done. */
static enum pawl_status put_share(struct pawl *pawl, struct share *s,
                                  const struct pawl_new_job *jobs, size_t from,
                                  size_t count, bool *done,
                                  struct pawl_put_result *results,
                                  struct pawl_error *err)
{
    enum pawl_status status;
    size_t i, bytes = 0;

    s->count = 0;
    for (i = from; i < count && s->count < PUT_MOST; i++) {
        if (done[i] || strcmp(jobs[i].queue, jobs[from].queue) != 0)
            continue;
        bytes += jobs[i].payload_size;
        if (bytes > PUT_BYTES && s->count > 0)
            break;
        s->jobs[s->count] = jobs[i];
        s->index[s->count++] = i;
        done[i] = true;
    }
    status = combine_put(pawl, jobs[from].queue, s->jobs, s->count, s->results,
                         err);
    for (i = 0; i < s->count; i++) {
        results[s->index[i]].status =
            status < 0 ? status : s->results[i].status;
        results[s->index[i]].id =
            status < 0 ? s->jobs[i].id : s->results[i].id;
    }
    return status;
}

static enum pawl_status put_shares(struct pawl *pawl,
                                   const struct pawl_new_job *jobs,
                                   size_t count,
                                   struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    size_t most = count < PUT_MOST ? count : PUT_MOST;
    bool *done = calloc(count, sizeof *done);
    enum pawl_status status = PAWL_OK, one;
    struct pawl_error first = { 0 };
    struct share s = { 0 };
    size_t i;

    if (!share_init(&s, most) || !done) {
        status = pawl_error_set(err, PAWL_ENOMEM, "out of memory");
        goto out;
    }
    for (i = 0; i < count; i++) {
        if (done[i])
            continue;
        one = put_share(pawl, &s, jobs, i, count, done, results, &first);
        if (one < 0 && status >= 0) {
            status = one;
            if (err)
                *err = first;
        }
    }
out:
    share_clear(&s);
    free(done);
    return status;
}

/* Are they few and small enough, and of one queue? */
static bool one_step(const struct pawl_new_job *jobs, size_t count)
{
    size_t i, bytes = 0;

    for (i = 0; i < count; i++) {
        bytes += jobs[i].payload_size;
        if (strcmp(jobs[i].queue, jobs[0].queue) != 0 || bytes > PUT_BYTES)
            return false;
    }
    return count <= PUT_MOST;
}

static enum pawl_status put_many(struct pawl *pawl,
                                 const struct pawl_new_job *jobs, size_t count,
                                 struct pawl_put_result *results,
                                 struct pawl_error *err)
{
    enum pawl_status status;
    size_t i;

    if (!one_step(jobs, count))
        return put_shares(pawl, jobs, count, results, err);
    status = combine_put(pawl, jobs[0].queue, jobs, count, results, err);
    for (i = 0; i < count && status < 0; i++)
        results[i] = (struct pawl_put_result){ status, jobs[i].id };
    return status < 0 ? status : PAWL_OK;
}

enum pawl_status pawl_enqueue_many(struct pawl *pawl,
                                   const struct pawl_new_job *jobs,
                                   size_t count,
                                   struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    struct pawl_new_job *normal;
    enum pawl_status status = core_enter(pawl, err);
    size_t i;

    if (status != PAWL_OK || count == 0)
        return status;
    normal = malloc(count * sizeof *normal);
    if (!normal)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    for (i = 0; i < count && status == PAWL_OK; i++) {
        status = new_job_normalise(pawl, &jobs[i], &normal[i], err);
        if (status != PAWL_OK)
            pawl_error_prefix(err, "job %zu", i);
    }
    if (status == PAWL_OK)
        status = put_many(pawl, normal, count, results, err);
    free(normal);
    return status;
}
