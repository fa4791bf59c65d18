/* pawl.c - opening and closing a handle. */
#include "pawl.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "util/clock.h"

#define DEFAULT_DEADLINE 10000
#define DAY (INT64_C(86400) * 1000)

static const struct pawl_retention default_retention = {
    .completed = { .age = DAY, .count = 1000 },
    .dead = { .age = 7 * DAY, .count = 5000 },
    .cancelled = { .age = DAY, .count = 1000 },
};

/* How many forks lie between the first process and this one. A handle opened in
 * another generation belongs to a parent. */
static atomic_uint fork_generation;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void in_child(void)
{
    atomic_fetch_add(&fork_generation, 1);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

const char *pawl_version(void)
{
    return PAWL_VERSION;
}

enum pawl_status core_enter(const struct pawl *pawl, struct pawl_error *err)
{
    if (!pawl)
        return pawl_error_set(err, PAWL_EINVAL, "pawl handle is NULL");
    if (pawl->fork_generation != atomic_load(&fork_generation))
        return pawl_error_set(err, PAWL_EFORKED,
                              "handle was opened before fork(); open one in "
                              "the child");
    return PAWL_OK;
}

static pawl_time system_now(void *context)
{
    (void)context;
    return clock_wall_ms();
}

static pawl_time system_steady(void *context)
{
    (void)context;
    return clock_boot_ms();
}

struct pawl_clock core_clock(const struct pawl_clock *given)
{
    return given ? *given : (struct pawl_clock){ system_now, system_steady, NULL };
}

static struct pawl_retention retention_of(const struct pawl_queue_keep *keep)
{
    static const struct pawl_queue_keep unset;

    if (memcmp(keep, &unset, sizeof unset) == 0)
        return default_retention;
    return (struct pawl_retention){
        .completed = { keep->completed_age, keep->completed_count },
        .dead = { keep->dead_age, keep->dead_count },
        .cancelled = { keep->cancelled_age, keep->cancelled_count },
    };
}

static enum pawl_status normalise_options(struct pawl *pawl,
                                          const struct pawl_options *options,
                                          struct pawl_error *err)
{
    static const struct pawl_options none = PAWL_OPTIONS_INIT;

    if (!options)
        options = &none;
    if (options->version != PAWL_OPTIONS_VERSION)
        return pawl_error_set(err, PAWL_EINVAL,
                              "pawl_options version %d is not %d; initialise "
                              "them with PAWL_OPTIONS_INIT",
                              options->version, PAWL_OPTIONS_VERSION);
    if (options->deadline < 0 || options->deadline > PAWL_DURATION_MAX)
        return pawl_error_set(err, PAWL_EINVAL, "deadline of %lld ms is no time",
                              (long long)options->deadline);
    if (options->keep.completed_age < -1 || options->keep.completed_count < -1 ||
        options->keep.dead_age < -1 || options->keep.dead_count < -1 ||
        options->keep.cancelled_age < -1 || options->keep.cancelled_count < -1)
        return pawl_error_set(err, PAWL_EINVAL,
                              "an age or count to keep is below -1");
    pawl->deadline = options->deadline ? options->deadline : DEFAULT_DEADLINE;
    pawl->payload_max = options->payload_max ? options->payload_max
                                             : PAWL_PAYLOAD_MAX;
    pawl->retention = retention_of(&options->keep);
    pawl->log = options->log;
    pawl->log_context = options->log_context;
    pawl->event = options->event;
    pawl->clock = core_clock(options->clock);
    return PAWL_OK;
}

static void log_line(void *context, enum pawl_log_level level, const char *id,
                     const char *text)
{
    core_log(context, level, id, "%s", text);
}

static void tell_event(void *context, const struct pawl_event *event)
{
    struct pawl *pawl = context;

    if (!pawl->event)
        return;
    pthread_mutex_lock(&pawl->log_mutex);
    pawl->event(pawl->log_context, event);
    pthread_mutex_unlock(&pawl->log_mutex);
}

static enum pawl_status open_storage(struct pawl *pawl, const char *url,
                                     const struct pawl_options *options,
                                     struct pawl_error *err)
{
    struct pawl_storage_config config = {
        .clock = pawl->clock,
        .deadline = pawl->deadline,
        .must_exist = options && options->must_exist,
        .urgent = options && options->urgent,
        .brief = options && options->brief,
    };
    struct storage_log log = { log_line, tell_event, pawl };

    return storage_open(url, &config, &log, &pawl->storage, err);
}

enum pawl_status pawl_open(const char *url, const struct pawl_options *options,
                           struct pawl **out, struct pawl_error *err)
{
    struct pawl *pawl = calloc(1, sizeof *pawl);
    enum pawl_status status;

    if (!pawl)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    pthread_once(&fork_once, watch_forks);
    pawl->fork_generation = atomic_load(&fork_generation);
    pthread_mutex_init(&pawl->log_mutex, NULL);
    pthread_mutex_init(&pawl->waiter_mutex, NULL);
    combiner_init(&pawl->combiner);
    submitter_init(&pawl->submitter);
    if (!url)
        url = getenv("PAWL_URL");
    if (url && !*url)
        url = NULL;
    status = normalise_options(pawl, options, err);
    if (status == PAWL_OK)
        status = open_storage(pawl, url, options, err);
    if (status != PAWL_OK) {
        pawl_close(pawl);
        return status;
    }
    *out = pawl;
    return PAWL_OK;
}

void pawl_close(struct pawl *pawl)
{
    if (core_enter(pawl, NULL) != PAWL_OK)
        return;
    submitter_clear(&pawl->submitter);
    combiner_clear(&pawl->combiner);
    storage_close(pawl->storage);
    pthread_mutex_destroy(&pawl->waiter_mutex);
    pthread_mutex_destroy(&pawl->log_mutex);
    free(pawl);
}

const char *pawl_where(const struct pawl *pawl)
{
    return pawl->storage->where;
}
