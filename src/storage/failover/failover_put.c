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
    if (jobs == 0) /* a file that was large once is free inside */
        atomic_store(&page->fill_bytes, 0);
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

/* --- pins ------------------------------------------------------------------------- */

/* A put on its way. */
struct way {
    struct failover *f;
    struct failover_line *line;
    const struct pawl_put *in;   /* as the caller has it */
    struct pawl_put to_primary;  /* as the primary is to see it */
    enum failover_pin pinned;
};

/* With the mutex. */
static struct failover_pinned *find_pin(const struct way *way)
{
    for (size_t i = 0; i < FAILOVER_PINS; i++) {
        struct failover_pinned *pin = &way->line->pins[i];
        if (pin->where != FAILOVER_FREE && pin->seq == way->in->seq &&
            memcmp(&pin->session, &way->in->session, sizeof pin->session) == 0)
            return pin;
    }
    return NULL;
}

/* Where it must go, and the session that the primary is to see: that of the try before,
 * else the caller's, changed by the number of puts that were kept so far. It is chosen
 * once: another put may be kept meanwhile. */
static void set_out(struct way *way)
{
    struct failover *f = way->f;
    const struct failover_pinned *pin;

    way->to_primary = *way->in;
    pthread_mutex_lock(&f->mutex);
    pin = find_pin(way);
    way->pinned = pin ? pin->where : FAILOVER_FREE;
    if (pin && pin->where == FAILOVER_AT_PRIMARY)
        way->to_primary.session = pin->sent_as;
    else
        for (int i = 0; i < 4; i++)
            way->to_primary.session.b[i] ^= (uint8_t)(way->line->turn >> 8 * i);
    pthread_mutex_unlock(&f->mutex);
}

/* The caller will be told `status` of this put, which went there. */
static enum pawl_status arrive(struct way *way, enum failover_pin where,
                               enum pawl_status status)
{
    struct failover_line *line = way->line;
    struct failover_pinned *pin;

    if (status != PAWL_EUNKNOWN && way->pinned == FAILOVER_FREE)
        return status;
    pthread_mutex_lock(&way->f->mutex);
    pin = find_pin(way);
    if (status == PAWL_EUNKNOWN) {
        if (!pin)
            pin = &line->pins[line->next_pin++ % FAILOVER_PINS];
        *pin = (struct failover_pinned){ way->in->session, way->in->seq, where,
                                         way->to_primary.session };
    } else if (pin && (status >= 0 || status == PAWL_ETOOOLD)) {
        pin->where = FAILOVER_FREE; /* a failure tells nothing of the try before */
    }
    pthread_mutex_unlock(&way->f->mutex);
    return status;
}

/* --- where it goes ------------------------------------------------------------------ */

static void say_spooled(const struct pawl_put *in, struct pawl_put_result *results)
{
    for (size_t i = 0; i < in->job_count; i++)
        if (results[i].status == PAWL_OK)
            results[i].status = PAWL_SPOOLED;
}

/* There is something in the spool, in case it was found empty meanwhile. */
static void spooled(struct failover *f)
{
    breaker_refilled(&f->breaker);
    failover_heed(f);
}

static enum pawl_status into_spool(struct way *way, struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;

    if (way->pinned == FAILOVER_FREE) /* else it has its room */
        status = take_room(way->f, way->in, err);
    if (status == PAWL_OK)
        status = storage_put(way->f->spool, way->in, results, err);
    if (status >= 0) {
        say_spooled(way->in, results);
        spooled(way->f);
    }
    return arrive(way, FAILOVER_AT_SPOOL, status);
}

/* The primary may have it. */
static enum pawl_status keep_maybe(struct way *way, struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    const struct pawl_put *in = way->in;
    enum pawl_status status = failover_note_put(way->f, &way->to_primary, err);

    if (status < 0) {
        pawl_error_prefix(err, "maybe stored, and not to be spooled");
        if (err)
            err->status = PAWL_EUNKNOWN;
        return arrive(way, FAILOVER_AT_PRIMARY, PAWL_EUNKNOWN);
    }
    pthread_mutex_lock(&way->f->mutex);
    way->line->turn++;
    pthread_mutex_unlock(&way->f->mutex);
    for (size_t i = 0; i < in->job_count; i++)
        results[i] = (struct pawl_put_result){ PAWL_SPOOLED, in->jobs[i].id };
    spooled(way->f);
    return arrive(way, FAILOVER_AT_PRIMARY, PAWL_OK);
}

static enum pawl_status while_away(struct way *way, struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    if (way->line->policy == FAILOVER_FAIL) {
        if (way->pinned == FAILOVER_AT_PRIMARY) /* of that it is still not known */
            return pawl_error_set(err, PAWL_EUNKNOWN, "no answer, maybe done");
        return failover_unreachable(way->f, err);
    }
    if (way->pinned == FAILOVER_AT_PRIMARY)
        return keep_maybe(way, results, err);
    return into_spool(way, results, err);
}

static enum pawl_status to_primary(struct way *way, struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    struct pawl_error own = { 0 };
    struct pawl_storage *primary = failover_primary(way->f, &own);
    enum pawl_status status = own.status;

    if (primary)
        status = storage_put(primary, &way->to_primary, results, &own);
    if (failover_lost(way->f, status, &own) && way->line->policy != FAILOVER_FAIL) {
        if (status == PAWL_EUNKNOWN)
            way->pinned = FAILOVER_AT_PRIMARY;
        return while_away(way, results, err);
    }
    if (status < 0 && err)
        *err = own;
    return arrive(way, FAILOVER_AT_PRIMARY, status);
}

enum pawl_status failover_put(struct pawl_storage *self, const struct pawl_put *in,
                              struct pawl_put_result *results, struct pawl_error *err)
{
    struct way way = { .f = failover_of(self), .in = in };

    way.line = failover_line(way.f, in->queue);
    if (!way.line)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    failover_heed(way.f);
    set_out(&way);
    if (way.pinned == FAILOVER_AT_SPOOL)
        return into_spool(&way, results, err);
    if (failover_away(way.f))
        return while_away(&way, results, err);
    return to_primary(&way, results, err);
}
