/* worker_new.c - a worker's options and memory.
 *
 * Options are checked and completed here, once; everything a worker needs while
 * it runs is allocated here, so that it never fails for want of memory. */
#include <stdlib.h>
#include <string.h>

#include "core/worker_internal.h"
#include "util/random.h"
#include "util/thread.h"

#define DEFAULT_CONCURRENCY 10
#define CONCURRENCY_MAX 1024
#define DEFAULT_LEASE 30000
#define LEASE_MIN 1000
#define LEASE_MAX 3600000
#define DEFAULT_GRACE 25000
#define DEFAULT_POLL 250
/* Records beyond one per slot, for each exchange in flight: what it claims, and
 * what is written back meanwhile. */
#define RECORDS_PER_EXCHANGE (2 * WORKER_CLAIM_MAX)

/* --- options -------------------------------------------------------------- */

static enum pawl_status check_duration(const char *name, pawl_duration value,
                                       pawl_duration least, pawl_duration most,
                                       struct pawl_error *err)
{
    if (value == 0 || (value >= least && value <= most))
        return PAWL_OK;
    return pawl_error_set(err, PAWL_EINVAL,
                          "%s of %lld ms is not between %lld and %lld", name,
                          (long long)value, (long long)least, (long long)most);
}

enum pawl_status worker_check(const struct pawl_worker_options *o,
                              struct pawl_error *err)
{
    enum pawl_status status;
    size_t i;

    if (!o)
        return pawl_error_set(err, PAWL_EINVAL, "worker options are NULL");
    if (o->version != PAWL_WORKER_OPTIONS_VERSION)
        return pawl_error_set(err, PAWL_EINVAL,
                              "pawl_worker_options version %d is not %d; "
                              "initialise them with PAWL_WORKER_OPTIONS_INIT",
                              o->version, PAWL_WORKER_OPTIONS_VERSION);
    if (!o->handler)
        return pawl_error_set(err, PAWL_EINVAL, "worker has no handler");
    if (o->concurrency < 0 || o->concurrency > CONCURRENCY_MAX)
        return pawl_error_set(err, PAWL_EINVAL,
                              "concurrency %d is not between 1 and %d",
                              o->concurrency, CONCURRENCY_MAX);
    if (o->queues && o->queue_count == 0)
        return pawl_error_set(err, PAWL_EINVAL, "worker has no queues");
    status = check_duration("lease", o->lease, LEASE_MIN, LEASE_MAX, err);
    if (status == PAWL_OK)
        status = check_duration("timeout", o->timeout, 1, PAWL_DURATION_MAX, err);
    if (status == PAWL_OK && o->grace != -1)
        status = check_duration("grace", o->grace, 1, PAWL_DURATION_MAX, err);
    if (status == PAWL_OK)
        status = check_duration("stop_time", o->stop_time, 1, PAWL_DURATION_MAX, err);
    if (status == PAWL_OK)
        status = check_duration("poll", o->poll, 1, PAWL_DURATION_MAX, err);
    for (i = 0; o->queues && i < o->queue_count && status == PAWL_OK; i++)
        status = check_queue(o->queues[i], err);
    return status;
}

static bool has_queue(const struct pawl_worker *w, const char *name)
{
    size_t i;

    for (i = 0; i < w->queue_count; i++)
        if (strcmp(w->queues[i].name, name) == 0)
            return true;
    return false;
}

static bool copy_queues(struct pawl_worker *w, const char *const *names,
                        size_t count)
{
    static const char *const usual[] = { "default" };
    char *copy;
    size_t i;

    if (!names) {
        names = usual;
        count = 1;
    }
    w->queues = calloc(count, sizeof *w->queues);
    w->queue_names = calloc(count, sizeof *w->queue_names);
    if (!w->queues || !w->queue_names)
        return false;
    for (i = 0; i < count; i++) {
        if (has_queue(w, names[i]))
            continue;
        copy = strdup(names[i]);
        if (!copy)
            return false;
        w->queue_names[w->queue_count] = copy;
        w->queues[w->queue_count++].name = copy;
    }
    return true;
}

static pawl_duration or_default(pawl_duration value, pawl_duration usual)
{
    return value ? value : usual;
}

static void take_options(struct pawl_worker *w,
                         const struct pawl_worker_options *o)
{
    size_t flights = (size_t)w->pawl->storage->ops->exchanges_in_flight;

    w->concurrency = (size_t)(o->concurrency ? o->concurrency
                                             : DEFAULT_CONCURRENCY);
    w->handler = o->handler;
    w->context = o->context;
    w->lease = or_default(o->lease, DEFAULT_LEASE);
    w->timeout = o->timeout;
    w->grace = or_default(o->grace, DEFAULT_GRACE);
    w->stop_time = or_default(o->stop_time, WORKER_STOP_TIME);
    w->poll = or_default(o->poll, DEFAULT_POLL);
    w->drain = o->drain;
    random_bytes(&w->owner, sizeof w->owner);
    if (flights < 1)
        flights = 1;
    if (flights > WORKER_EXCHANGES_MAX)
        flights = WORKER_EXCHANGES_MAX;
    w->dispatcher_count = flights;
    w->record_count = w->concurrency + flights * RECORDS_PER_EXCHANGE;
}

/* --- making and freeing --------------------------------------------------- */

static bool make_dispatcher(struct pawl_worker *w, struct dispatcher *d)
{
    d->worker = w;
    d->outcomes = calloc(w->record_count, sizeof *d->outcomes);
    d->statuses = calloc(w->record_count, sizeof *d->statuses);
    d->jobs = calloc(WORKER_CLAIM_MAX, sizeof(struct pawl_job *));
    return d->outcomes && d->statuses && d->jobs;
}

static bool make_arrays(struct pawl_worker *w)
{
    bool made = true;
    size_t i;

    w->runs = calloc(w->concurrency, sizeof *w->runs);
    w->records = calloc(w->record_count, sizeof *w->records);
    w->leases = calloc(w->record_count, sizeof *w->leases);
    w->lease_results = calloc(w->record_count, sizeof *w->lease_results);
    made = make_dispatcher(w, &w->herald);
    for (i = 0; i < w->dispatcher_count; i++)
        made = make_dispatcher(w, &w->dispatchers[i]) && made;
    if (!made || !w->runs || !w->records || !w->leases || !w->lease_results)
        return false;
    for (i = 0; i < w->concurrency; i++) {
        w->runs[i].worker = w;
        w->runs[i].fd = -1;
        w->runs[i].old_fd = -1;
    }
    return true;
}

void held_clear(struct held *held)
{
    pawl_job_free(held->job);
    held->job = NULL;
    ending_clear(&held->ending);
}

static void free_dispatcher(struct dispatcher *d)
{
    free(d->outcomes);
    free(d->statuses);
    free(d->jobs);
}

void worker_free(struct pawl_worker *w)
{
    size_t i;

    for (i = 0; i < w->records_used; i++)
        held_clear(&w->records[i]);
    free_dispatcher(&w->herald);
    for (i = 0; i < w->dispatcher_count; i++)
        free_dispatcher(&w->dispatchers[i]);
    for (i = 0; i < w->queue_count; i++)
        free((char *)w->queue_names[i]);
    free(w->queue_names);
    free(w->queues);
    free(w->runs);
    free(w->records);
    free(w->leases);
    free(w->lease_results);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->dispatch);
    pthread_cond_destroy(&w->lease_wake);
    pthread_cond_destroy(&w->timer_wake);
    pthread_cond_destroy(&w->over);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

struct pawl_worker *worker_new(struct pawl *pawl,
                               const struct pawl_worker_options *options)
{
    struct pawl_worker *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->pawl = pawl;
    pthread_mutex_init(&w->mutex, NULL);
    thread_cond_init(&w->work);
    thread_cond_init(&w->dispatch);
    thread_cond_init(&w->lease_wake);
    thread_cond_init(&w->timer_wake);
    thread_cond_init(&w->over);
    take_options(w, options);
    if (copy_queues(w, options->queues, options->queue_count) && make_arrays(w))
        return w;
    worker_free(w);
    return NULL;
}
