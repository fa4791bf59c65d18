/* failover_room.c - how full the spool is, and may it take more?
 *
 * Counting a full spool takes a while, and opening it for that takes longer than a lone
 * `pawl enqueue` should. So the count lies in the page that all processes share, each
 * adds what it puts, and only now and then is it counted anew: what was run or taken
 * back meanwhile is not subtracted, so it is too high at worst. */
#include <stdio.h>

#include "storage/failover/failover_internal.h"
#include "util/clock.h"

/* How old a count of the spool may be, and near one of its limits. */
#define COUNT_MS 60000
#define COUNT_NEAR_MS 1000

uint64_t failover_unfinished(const struct pawl_queue_stats *queue)
{
    uint64_t jobs = 0;

    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        if (state != PAWL_COMPLETED && state != PAWL_DEAD && state != PAWL_CANCELLED)
            jobs += queue->jobs[state];
    return jobs;
}

static enum pawl_status recount(struct failover *f, struct pawl_error *err)
{
    struct breaker_page *page = f->breaker.page;
    struct pawl_health health = { 0 };
    struct pawl_stats *stats = NULL;
    pawl_duration oldest = -1;
    uint64_t jobs = 0;
    enum pawl_status status = storage_stats(f->spool, NULL, &stats, err);

    if (status < 0)
        return status;
    for (size_t i = 0; i < stats->queue_count; i++) {
        jobs += failover_unfinished(&stats->queues[i]);
        if (stats->queues[i].oldest_pending > oldest)
            oldest = stats->queues[i].oldest_pending;
    }
    pawl_stats_free(stats);
    if (storage_health(f->spool, &health, NULL) == PAWL_OK)
        atomic_store(&page->fill_bytes,
                     (uint64_t)(health.size_bytes - health.free_bytes));
    atomic_store(&page->fill_jobs, jobs);
    atomic_store(&page->fill_oldest, oldest < 0 ? 0 : clock_boot_ms() - oldest);
    atomic_store(&page->fill_counted, clock_boot_ms());
    return PAWL_OK;
}

static bool is_near_limit(const struct failover *f)
{
    const struct breaker_page *page = f->breaker.page;

    return atomic_load(&page->fill_jobs) > (uint64_t)f->settings.spool_jobs / 2 ||
           atomic_load(&page->fill_bytes) > (uint64_t)f->settings.spool_bytes / 2;
}

static bool is_count_old(const struct failover *f)
{
    int64_t counted = atomic_load(&f->breaker.page->fill_counted);
    int64_t passed = clock_boot_ms() - counted, most = COUNT_MS;

    if (most > f->settings.spool_age / 2)
        most = f->settings.spool_age / 2;
    if (is_near_limit(f))
        most = COUNT_NEAR_MS;
    return counted == 0 || passed < 0 || passed > most;
}

static uint64_t payload_bytes(const struct pawl_put *in)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < in->job_count; i++)
        bytes += in->jobs[i].payload_size;
    return bytes;
}

static enum pawl_status full(const struct failover *f, const char *what,
                             const char *option, struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_EFULL,
                          "%.100s is away, and the spool %s (%s in the URL)", f->where,
                          what, option);
}

static enum pawl_status check_limits(const struct failover *f, const struct pawl_put *in,
                                     struct pawl_error *err)
{
    const struct failover_settings *most = &f->settings;
    const struct breaker_page *page = f->breaker.page;
    uint64_t jobs = atomic_load(&page->fill_jobs), bytes = atomic_load(&page->fill_bytes);
    int64_t oldest = atomic_load(&page->fill_oldest);
    int64_t age = oldest ? clock_boot_ms() - oldest : 0;
    char what[100];

    if (jobs + in->job_count > (uint64_t)most->spool_jobs) {
        snprintf(what, sizeof what, "holds %llu jobs, with %zu more than its %lld",
                 (unsigned long long)jobs, in->job_count, (long long)most->spool_jobs);
        return full(f, what, "spool-jobs", err);
    }
    if (bytes + payload_bytes(in) > (uint64_t)most->spool_bytes) {
        snprintf(what, sizeof what, "has %llu bytes, with these more than its %lld",
                 (unsigned long long)bytes, (long long)most->spool_bytes);
        return full(f, what, "spool-bytes", err);
    }
    if (age > most->spool_age) {
        snprintf(what, sizeof what, "holds jobs for %lld s, longer than its %lld",
                 (long long)(age / 1000), (long long)(most->spool_age / 1000));
        return full(f, what, "spool-age", err);
    }
    return PAWL_OK;
}

enum pawl_status failover_take_room(struct failover *f, const struct pawl_put *in,
                                    struct pawl_error *err)
{
    struct breaker_page *page = f->breaker.page;
    enum pawl_status status = PAWL_OK;

    if (is_count_old(f))
        status = recount(f, err);
    if (status == PAWL_OK)
        status = check_limits(f, in, err);
    if (status == PAWL_OK) {
        atomic_fetch_add(&page->fill_jobs, in->job_count);
        atomic_fetch_add(&page->fill_bytes, payload_bytes(in));
    }
    return status;
}
