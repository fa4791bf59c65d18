/* failover_put.c - new jobs: to the primary, else into the spool.
 *
 * A put that the primary certainly did not get is stored in the spool as jobs, and
 * this host may run them. One that it may have got (sent, and no answer) is kept
 * whole, with its session and seq, and nobody runs it: it can only be sent again.
 *
 * The caller knows of one store. When it repeats a put whose outcome it was not
 * told, that must go where it went the first time, whatever the state is by then:
 * such a put is pinned.
 */
#include <stdio.h>
#include <string.h>

#include "storage/failover/failover_internal.h"
#include "util/clock.h"

/* How old a count of the spool may be, and near one of its limits. */
#define COUNT_MS 60000
#define COUNT_NEAR_MS 1000

/* --- how full the spool is ---------------------------------------------------------
 *
 * Counting a full spool takes a while, and opening it for that takes longer than a lone
 * `pawl enqueue` should. So the count lies in the page that all processes share, each
 * adds what it puts, and only now and then is it counted anew: what was run or taken
 * back meanwhile is not subtracted, so it is too high at worst. */

static uint64_t unfinished(const struct pawl_queue_stats *queue)
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
        jobs += unfinished(&stats->queues[i]);
        if (stats->queues[i].oldest_pending > oldest)
            oldest = stats->queues[i].oldest_pending;
    }
    pawl_stats_free(stats);
    if (storage_health(f->spool, &health, NULL) == PAWL_OK)
        atomic_store(&page->fill_bytes, (uint64_t)health.size_bytes);
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

static enum pawl_status take_room(struct failover *f, const struct pawl_put *in,
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

/* --- pins ----------------------------------------------------------------------- */

static enum failover_pin pin_of(struct failover *f, const struct failover_line *line,
                                uint64_t seq)
{
    enum failover_pin pin;

    pthread_mutex_lock(&f->mutex);
    pin = line->pinned_seq == seq ? line->pin : FAILOVER_FREE;
    pthread_mutex_unlock(&f->mutex);
    return pin;
}

/* The caller will be told `status` of this put, which went there. */
static enum pawl_status pin(struct failover *f, struct failover_line *line,
                            uint64_t seq, enum failover_pin where,
                            enum pawl_status status)
{
    pthread_mutex_lock(&f->mutex);
    if (status == PAWL_EUNKNOWN) {
        line->pin = where;
        line->pinned_seq = seq;
    } else if (line->pinned_seq == seq) {
        line->pin = FAILOVER_FREE;
    }
    pthread_mutex_unlock(&f->mutex);
    return status;
}

/* --- where it goes -------------------------------------------------------------- */

/* As the primary is to see it. */
static struct pawl_put for_primary(struct failover *f, const struct failover_line *line,
                                   const struct pawl_put *in)
{
    struct pawl_put put = *in;
    uint32_t turn;

    pthread_mutex_lock(&f->mutex);
    turn = line->turn;
    pthread_mutex_unlock(&f->mutex);
    for (int i = 0; i < 4; i++)
        put.session.b[i] ^= (uint8_t)(turn >> 8 * i);
    return put;
}

static void say_spooled(const struct pawl_put *in, struct pawl_put_result *results)
{
    for (size_t i = 0; i < in->job_count; i++)
        if (results[i].status == PAWL_OK)
            results[i].status = PAWL_SPOOLED;
}

static enum pawl_status into_spool(struct failover *f, struct failover_line *line,
                                   const struct pawl_put *in, bool again,
                                   struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    enum pawl_status status = again ? PAWL_OK : take_room(f, in, err);

    if (status == PAWL_OK)
        status = storage_put(f->spool, in, results, err);
    if (status >= 0) {
        say_spooled(in, results);
        breaker_refilled(&f->breaker); /* in case it was drained meanwhile */
        failover_heed(f);
    }
    return pin(f, line, in->seq, FAILOVER_AT_SPOOL, status);
}

/* The primary may have it. */
static enum pawl_status keep_maybe(struct failover *f, struct failover_line *line,
                                   const struct pawl_put *in,
                                   struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    struct pawl_put put = for_primary(f, line, in);
    enum pawl_status status = failover_note_put(f, &put, err);

    if (status < 0) {
        pawl_error_prefix(err, "maybe stored, and not to be spooled");
        if (err)
            err->status = PAWL_EUNKNOWN;
        return pin(f, line, in->seq, FAILOVER_AT_PRIMARY, PAWL_EUNKNOWN);
    }
    pthread_mutex_lock(&f->mutex);
    line->turn++;
    pthread_mutex_unlock(&f->mutex);
    for (size_t i = 0; i < in->job_count; i++)
        results[i] = (struct pawl_put_result){ PAWL_OK, in->jobs[i].id };
    say_spooled(in, results);
    breaker_refilled(&f->breaker);
    failover_heed(f);
    return pin(f, line, in->seq, FAILOVER_AT_PRIMARY, PAWL_OK);
}

static enum pawl_status while_away(struct failover *f, struct failover_line *line,
                                   const struct pawl_put *in, enum failover_pin pinned,
                                   struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    if (line->policy == FAILOVER_FAIL) {
        enum pawl_status status = failover_unreachable(f, err);
        if (pinned == FAILOVER_AT_PRIMARY) /* of that one it is still not known */
            status = pawl_error_set(err, PAWL_EUNKNOWN, "no answer, maybe done");
        return status;
    }
    if (pinned == FAILOVER_AT_PRIMARY)
        return keep_maybe(f, line, in, results, err);
    return into_spool(f, line, in, false, results, err);
}

enum pawl_status failover_put(struct pawl_storage *self, const struct pawl_put *in,
                              struct pawl_put_result *results, struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    struct failover_line *line = failover_line(f, in->queue);
    struct pawl_error own = { 0 };
    struct pawl_storage *primary;
    enum failover_pin pinned;
    enum pawl_status status;

    if (!line)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    failover_heed(f);
    pinned = pin_of(f, line, in->seq);
    if (pinned == FAILOVER_AT_SPOOL)
        return into_spool(f, line, in, true, results, err);
    if (failover_away(f))
        return while_away(f, line, in, pinned, results, err);
    primary = failover_primary(f, &own);
    status = own.status;
    if (primary) {
        struct pawl_put put = for_primary(f, line, in);
        status = storage_put(primary, &put, results, &own);
    }
    if (!failover_lost(f, status, &own) || line->policy == FAILOVER_FAIL) {
        if (status < 0 && err)
            *err = own;
        return pin(f, line, in->seq, FAILOVER_AT_PRIMARY, status);
    }
    if (status == PAWL_EUNKNOWN)
        pinned = FAILOVER_AT_PRIMARY;
    return while_away(f, line, in, pinned, results, err);
}
