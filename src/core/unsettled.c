/* unsettled.c - see unsettled.h. */
#include "core/unsettled.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/core.h"
#include "core/new_job.h"
#include "util/clock.h"

#define RESEND_FIRST_WAIT_MS 10

/* One block: this, the jobs, the results, what the jobs point to. */
struct unsettled_put {
    struct unsettled_put *older;
    bool open;
    uint64_t seq;
    size_t count;
    struct pawl_new_job *jobs;
    struct pawl_put_result *results;
};

void unsettled_clear(struct unsettled *u)
{
    while (u->newest) {
        struct unsettled_put *p = u->newest;
        u->newest = p->older;
        free(p);
    }
    u->count = 0;
}

static struct unsettled_put *copy_put(const struct pawl_put *put)
{
    size_t fixed = sizeof(struct unsettled_put) +
                   put->job_count * (sizeof *put->jobs +
                                     sizeof(struct pawl_put_result));
    size_t extra = 0, i;
    struct unsettled_put *p;
    char *at;

    for (i = 0; i < put->job_count; i++)
        extra += new_job_extra(&put->jobs[i]);
    p = malloc(fixed + extra);
    if (!p)
        return NULL;
    p->seq = put->seq;
    p->count = put->job_count;
    p->jobs = (struct pawl_new_job *)(p + 1);
    p->results = (struct pawl_put_result *)(p->jobs + p->count);
    at = (char *)(p->results + p->count);
    for (i = 0; i < p->count; i++)
        at = new_job_copy(&p->jobs[i], &put->jobs[i], at);
    return p;
}

/* Keep it open; forget the oldest. Without memory for a copy the put is lost
 * sight of: the ids alone then tell a repeated call's jobs apart. */
static void keep(struct unsettled *u, const struct pawl_put *put)
{
    struct unsettled_put *p = copy_put(put);
    struct unsettled_put **at;
    int n;

    if (!p)
        return;
    p->open = true;
    p->older = u->newest;
    u->newest = p;
    for (at = &u->newest, n = 0; *at && n < UNSETTLED_KEPT; n++)
        at = &(*at)->older;
    free(*at);
    *at = NULL;
}

enum pawl_status unsettled_resend(struct unsettled *u, struct pawl *pawl,
                                  const struct pawl_put *put,
                                  struct pawl_put_result *results,
                                  struct pawl_error *err)
{
    int64_t until = clock_mono_ns() + pawl->deadline * 1000000;
    int64_t wait_ms = RESEND_FIRST_WAIT_MS;
    enum pawl_status status = PAWL_EUNKNOWN;

    core_log(pawl, PAWL_LOG_WARN, "put-unknown",
             "a put to queue '%s' has no certain outcome, sending it again",
             put->queue);
    while (status < 0 && clock_mono_ns() + wait_ms * 1000000 < until) {
        struct timespec t = clock_timespec(wait_ms * 1000000);
        nanosleep(&t, NULL);
        wait_ms *= 4;
        status = storage_put(pawl->storage, put, results, err);
    }
    if (status >= 0)
        return status;
    keep(u, put);
    if (status != PAWL_EUNKNOWN)
        pawl_error_prefix(err, "not known whether it was stored");
    if (err)
        err->status = PAWL_EUNKNOWN;
    return PAWL_EUNKNOWN;
}

/* The storage can no longer tell: whoever comes back with these ids hears so. */
static void give_up(struct unsettled_put *p)
{
    size_t i;

    for (i = 0; i < p->count; i++) {
        p->results[i].status = PAWL_ETOOOLD;
        p->results[i].id = p->jobs[i].id;
    }
    p->open = false;
}

enum pawl_status unsettled_settle(struct unsettled *u, struct pawl *pawl,
                                  const char *queue, struct pawl_error *err)
{
    struct unsettled_put *p = u->newest;
    struct pawl_put put = { .queue = queue };
    enum pawl_status status;

    if (!p || !p->open)
        return PAWL_OK;
    put.session = pawl->combiner.session;
    put.seq = p->seq;
    put.jobs = p->jobs;
    put.job_count = p->count;
    status = storage_put(pawl->storage, &put, p->results, err);
    if (status >= 0) {
        p->open = false;
        return PAWL_OK;
    }
    if (status == PAWL_ETOOOLD) {
        give_up(p);
        return PAWL_OK;
    }
    pawl_error_prefix(err, "an earlier enqueue is still uncertain");
    if (status == PAWL_EUNKNOWN)
        status = PAWL_EIO;
    if (err)
        err->status = status;
    return status;
}

static const struct pawl_put_result *answer(const struct unsettled_put *p,
                                            struct pawl_id id)
{
    size_t i;

    for (i = 0; i < p->count; i++)
        if (memcmp(&p->jobs[i].id, &id, sizeof id) == 0)
            return &p->results[i];
    return NULL;
}

bool unsettled_holds(const struct unsettled *u, const struct pawl_new_job *jobs,
                     size_t count)
{
    size_t i;

    for (i = 0; u->newest && u->newest->open && i < count; i++)
        if (answer(u->newest, jobs[i].id))
            return true;
    return false;
}

bool unsettled_answers(const struct unsettled *u, const struct pawl_new_job *jobs,
                       size_t count, struct pawl_put_result *results)
{
    const struct unsettled_put *p;
    size_t i;

    for (p = u->newest; p; p = p->older) {
        for (i = 0; i < count && !p->open; i++) {
            const struct pawl_put_result *r = answer(p, jobs[i].id);
            if (!r)
                break;
            results[i] = *r;
        }
        if (i == count && !p->open)
            return true;
    }
    return false;
}
