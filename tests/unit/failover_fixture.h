/* failover_fixture.h - a failover over two memory storages, the primary of which is
 * away when told to (support/faulty.h), and what the tests of it do all the time.
 *
 * The spool is behind "faulty-local:", since memory itself may not be one.
 *
 * Times are real and short: an outage lasts 30 ms at least. What must come is waited
 * for, up to twenty seconds.
 */
#ifndef PAWL_TEST_FAILOVER_FIXTURE_H
#define PAWL_TEST_FAILOVER_FIXTURE_H

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "faulty.h"
#include "storage/failover/failover_internal.h"
#include "util/clock.h"
#include "util/random.h"

#define QUEUE "mail"
#define SPOOL "faulty-local:memory:here"
#define LEASE 30000
#define PATIENCE_NS INT64_C(20000000000)
#define TIMES "dwell=20ms&trial=10ms&patience=200ms"
#define assert_status(got, wanted)                                              \
    ck_assert_str_eq(pawl_status_name(got), pawl_status_name(wanted))

static struct pawl_storage *store; /* the failover */
static struct pawl_storage *there, *here; /* looking past it into the two */
static struct pawl_error err;
static uint64_t last_seq;
static const struct pawl_session session = { { 9 } };
static const struct pawl_owner owner = { { 1 } }, other_owner = { { 2 } };

/* --- what it told --------------------------------------------------------------- */

static pthread_mutex_t told_mutex = PTHREAD_MUTEX_INITIALIZER;
static char told[16384]; /* "id: text\n" of each line, "event KIND MODE: text\n" */
static struct pawl_event last_event;

static void hear_line(void *context, enum pawl_log_level level, const char *id,
                      const char *text)
{
    (void)context;
    (void)level;
    pthread_mutex_lock(&told_mutex);
    size_t n = strlen(told);
    snprintf(told + n, sizeof told - n, "%s: %s\n", id, text);
    pthread_mutex_unlock(&told_mutex);
}

static void hear_event(void *context, const struct pawl_event *event)
{
    (void)context;
    pthread_mutex_lock(&told_mutex);
    size_t n = strlen(told);
    snprintf(told + n, sizeof told - n, "event %d %s: %s\n", (int)event->kind,
             pawl_mode_name(event->mode), event->text);
    last_event = *event;
    pthread_mutex_unlock(&told_mutex);
}

static inline size_t times_told(const char *what)
{
    size_t count = 0;
    pthread_mutex_lock(&told_mutex);
    for (const char *at = told; (at = strstr(at, what)); at++)
        count++;
    pthread_mutex_unlock(&told_mutex);
    return count;
}

/* --- opening -------------------------------------------------------------------- */

static inline struct pawl_storage_config fixture_config(void)
{
    return (struct pawl_storage_config){ .clock = core_clock(NULL),
                                         .deadline = 2000 };
}

static inline enum pawl_status try_url(const char *url, struct pawl_storage **out)
{
    struct storage_log log = { hear_line, hear_event, NULL };
    struct pawl_storage_config config = fixture_config();
    return storage_open(url, &config, &log, out, &err);
}

static inline struct pawl_storage *open_url(const char *url)
{
    struct pawl_storage *out = NULL;
    enum pawl_status status = try_url(url, &out);
    ck_assert_msg(status == PAWL_OK, "%s: %s", url, err.message);
    return out;
}

/* `more`: options, or "". */
static inline struct pawl_storage *open_with(const char *more)
{
    char url[1000];
    snprintf(url, sizeof url, "faulty:memory:there?fallback=" SPOOL "&" TIMES "%s%s",
             *more ? "&" : "", more);
    return open_url(url);
}

/* Open the failover while the primary is away. */
static inline void open_away(const char *more)
{
    faulty_set(FAULTY_AWAY);
    store = open_with(more);
}

static inline void setup(void)
{
    told[0] = '\0';
    unsetenv("PAWL_FALLBACK");
    faulty_register();
    faulty_set(FAULTY_FINE);
    faulty_damage(NULL, FAULTY_CORRUPT);
    there = open_url("memory:there");
    here = open_url("memory:here");
}

static inline void teardown(void)
{
    storage_close(store);
    storage_close(there);
    storage_close(here);
}

/* --- jobs ----------------------------------------------------------------------- */

static inline struct pawl_new_job new_job(void)
{
    return (struct pawl_new_job){ .queue = QUEUE, .type = "", .priority = 5,
                                  .max_attempts = 3, .payload = "p",
                                  .payload_size = 1,
                                  .id = pawl_id_new(QUEUE, clock_wall_ms()) };
}

static inline enum pawl_status put_as(uint64_t seq, const struct pawl_new_job *job,
                                      struct pawl_put_result *result)
{
    struct pawl_put in = { .queue = job->queue, .session = session, .seq = seq,
                           .jobs = job, .job_count = 1 };
    *result = (struct pawl_put_result){ PAWL_EINTERNAL, job->id };
    return storage_put(store, &in, result, &err);
}

/* The result's status. */
static inline enum pawl_status put_job(struct pawl_new_job job)
{
    struct pawl_put_result result;
    enum pawl_status status = put_as(++last_seq, &job, &result);
    return status < 0 ? status : result.status;
}

static inline struct pawl_id put_spooled(void)
{
    struct pawl_new_job job = new_job();
    assert_status(put_job(job), PAWL_SPOOLED);
    return job.id;
}

static inline enum pawl_state state_in(struct pawl_storage *storage, struct pawl_id id)
{
    struct pawl_job *job = NULL;
    enum pawl_status status = storage_get(storage, QUEUE, id, &job, &err);
    enum pawl_state state = status == PAWL_OK ? job->state : 0;
    pawl_job_free(job);
    return state;
}

static inline struct pawl_queue_stats stats_in(struct pawl_storage *storage)
{
    struct pawl_queue_stats out = { 0 };
    struct pawl_stats *stats = NULL;
    if (storage_stats(storage, QUEUE, &stats, &err) == PAWL_OK)
        out = stats->queues[0];
    pawl_stats_free(stats);
    out.name = NULL;
    return out;
}

static inline uint64_t all_in(struct pawl_storage *storage)
{
    struct pawl_stats *stats = NULL;
    uint64_t jobs = 0;
    assert_status(storage_stats(storage, NULL, &stats, &err), PAWL_OK);
    for (size_t i = 0; i < stats->queue_count; i++)
        for (int s = PAWL_STATE_FIRST; s <= PAWL_STATE_LAST; s++)
            jobs += stats->queues[i].jobs[s];
    pawl_stats_free(stats);
    return jobs;
}

/* One outcome (or none) and up to one claim; NULL: none. */
static inline struct pawl_job *exchange(struct pawl_storage *storage,
                                        struct pawl_owner who,
                                        const struct pawl_outcome *outcome,
                                        enum pawl_status *result, size_t claim_max)
{
    struct pawl_job *job = NULL;
    enum pawl_status own;
    struct pawl_exchange in = { .queue = QUEUE, .owner = who, .outcomes = outcome,
                                .outcome_count = outcome != NULL,
                                .claim_max = claim_max, .lease = LEASE };
    in.retention = (struct pawl_retention){ { -1, -1 }, { -1, -1 }, { -1, -1 } };
    struct pawl_exchange_reply out = { .outcomes = result ? result : &own,
                                       .jobs = &job };
    assert_status(storage_exchange(storage, &in, &out, &err), PAWL_OK);
    return job;
}

static inline struct pawl_job *claim(struct pawl_storage *storage)
{
    return exchange(storage, owner, NULL, NULL, 1);
}

static inline enum pawl_status complete(struct pawl_storage *storage,
                                        struct pawl_job *job)
{
    struct pawl_outcome outcome = { .id = job->id, .epoch = job->epoch,
                                    .origin = job->origin,
                                    .kind = PAWL_OUTCOME_COMPLETED };
    enum pawl_status result = PAWL_EINTERNAL;
    exchange(storage, owner, &outcome, &result, 0);
    pawl_job_free(job);
    return result;
}

/* --- modes ---------------------------------------------------------------------- */

static inline enum pawl_mode mode(void)
{
    struct pawl_stats *stats = NULL;
    enum pawl_mode now = (enum pawl_mode)(-1); /* it cannot be told */
    if (storage_stats(store, NULL, &stats, &err) == PAWL_OK)
        now = stats->mode;
    pawl_stats_free(stats);
    return now;
}

static inline void nap(void)
{
    struct timespec ms = { .tv_nsec = 1000000 };
    nanosleep(&ms, NULL);
}

static inline void await_mode(enum pawl_mode wanted)
{
    int64_t end = clock_mono_ns() + PATIENCE_NS;
    while (mode() != wanted && clock_mono_ns() < end)
        nap();
    ck_assert_str_eq(pawl_mode_name(mode()), pawl_mode_name(wanted));
}

/* The primary is back, and has everything. */
static inline void come_back(void)
{
    faulty_set(FAULTY_FINE);
    await_mode(PAWL_MODE_PRIMARY);
    ck_assert_uint_eq(all_in(here), 0);
}

#endif
