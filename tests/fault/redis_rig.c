/* redis_rig.c - see redis_rig.h. */
#include "redis_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "util/clock.h"
#include "util/random.h"

#define FOR_EVER { -1, -1 }

struct rig rig;

static void must(enum pawl_status status, const char *what,
                 const struct pawl_error *err)
{
    ck_assert_msg(status == PAWL_OK, "%s: %s: %s", what, pawl_status_name(status),
                  err->message);
}

struct pawl_storage *rig_instance(int port, const char *options)
{
    struct pawl_error err = { 0 };
    struct pawl_storage *storage = NULL;
    struct pawl_storage_config config = { .clock = core_clock(NULL),
                                          .deadline = 10000 };
    char url[300];
    snprintf(url, sizeof url, "redis://127.0.0.1:%d/0?%s", port, options);
    /* The options may leave it less time than a busy machine needs at first. */
    enum pawl_status status = PAWL_ETIMEOUT;
    for (int i = 0; i < 50 && status == PAWL_ETIMEOUT; i++)
        status = storage_open(url, &config, NULL, &storage, &err);
    must(status, "open", &err);
    return storage;
}

void rig_reopen(const char *options)
{
    storage_close(rig.through);
    rig.through = NULL;
    rig.through = rig_instance(rig.proxy.port, options);
    random_bytes(&rig.owner, sizeof rig.owner);
}

void rig_open(const char *options)
{
    redis_server_start(&rig.server, NULL);
    proxy_start(&rig.proxy, rig.server.port);
    rig.beside = rig_instance(rig.server.port, "prefix=pawl:");
    rig.retention = (struct pawl_retention){ FOR_EVER, FOR_EVER, FOR_EVER };
    random_bytes(&rig.session, sizeof rig.session);
    random_bytes(&rig.other, sizeof rig.other);
    rig_reopen(options);
    rig_put(1, NULL); /* the queue is there */
    rig_empty();
}

void rig_close(void)
{
    storage_close(rig.through);
    storage_close(rig.beside);
    proxy_stop(&rig.proxy);
    redis_server_stop(&rig.server);
    rig = (struct rig){ .seq = 0 };
}

void rig_warm(void)
{
    struct pawl_error err = { 0 };
    struct pawl_stats *stats = NULL;
    enum pawl_status status = PAWL_EUNKNOWN;
    proxy_count(&rig.proxy);
    for (int i = 0; status < 0 && i < 100; i++)
        status = storage_stats(rig.through, RIG_QUEUE, &stats, &err);
    must(status, "warming up", &err);
    pawl_stats_free(stats);
}

/* --- jobs ------------------------------------------------------------------- */

struct pawl_new_job rig_job(void)
{
    return (struct pawl_new_job){
        .queue = RIG_QUEUE,
        .type = "",
        .payload = "do it",
        .payload_size = 5,
        .priority = 5,
        .max_attempts = 3,
        .id = pawl_id_new(RIG_QUEUE, clock_wall_ms()),
    };
}

void rig_put(size_t count, struct pawl_id *ids)
{
    struct pawl_error err = { 0 };
    struct pawl_new_job jobs[RIG_MOST];
    struct pawl_put_result results[RIG_MOST];
    struct pawl_put in = { .queue = RIG_QUEUE, .seq = 1, .jobs = jobs,
                           .job_count = count };
    ck_assert_uint_le(count, RIG_MOST);
    random_bytes(&in.session, sizeof in.session);
    for (size_t i = 0; i < count; i++) {
        jobs[i] = rig_job();
        if (ids)
            ids[i] = jobs[i].id;
    }
    must(storage_put(rig.beside, &in, results, &err), "put", &err);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(results[i].status, PAWL_OK);
}

size_t rig_exchange(struct pawl_storage *instance,
                    const struct pawl_outcome *outcomes, size_t outcome_count,
                    size_t claim_max, struct pawl_job **jobs)
{
    struct pawl_error err = { 0 };
    enum pawl_status statuses[RIG_MOST];
    struct pawl_exchange_reply out = { .outcomes = statuses, .jobs = jobs };
    struct pawl_exchange in = {
        .queue = RIG_QUEUE,
        .owner = instance == rig.through ? rig.owner : rig.other,
        .outcomes = outcomes,
        .outcome_count = outcome_count,
        .claim_max = claim_max,
        .lease = RIG_LEASE,
        .retention = rig.retention,
    };
    if (instance == rig.through)
        rig_warm();
    must(storage_exchange(instance, &in, &out, &err), "exchange", &err);
    for (size_t i = 0; i < outcome_count; i++)
        ck_assert_int_eq(statuses[i], PAWL_OK);
    return out.job_count;
}

struct pawl_outcome rig_outcome(const struct pawl_job *job,
                                enum pawl_outcome_kind kind)
{
    return (struct pawl_outcome){ .id = job->id,
                                  .epoch = job->epoch,
                                  .origin = job->origin,
                                  .kind = kind };
}

void rig_free(struct pawl_job **jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pawl_job_free(jobs[i]);
        jobs[i] = NULL;
    }
}

void rig_sweep(void)
{
    struct pawl_error err = { 0 };
    struct pawl_sweep_reply out = { .more = true };
    struct pawl_sweep in = { .queue = RIG_QUEUE, .limit = 500, .max_crashes = 3 };
    in.retention = rig.retention;
    while (out.more)
        must(storage_sweep(rig.beside, &in, &out, &err), "sweep", &err);
}

static void remove_all(unsigned states)
{
    struct pawl_error err = { 0 };
    struct pawl_alter_reply out = { .more = true };
    struct pawl_alter in = { .queue = RIG_QUEUE, .kind = PAWL_ALTER_REMOVE,
                             .from_states = states, .limit = 500 };
    while (out.more)
        must(storage_alter(rig.beside, &in, &out, &err), "remove", &err);
}

void rig_empty(void)
{
    remove_all(PAWL_STATE_BIT(PAWL_SCHEDULED) | PAWL_STATE_BIT(PAWL_PENDING) |
               PAWL_STATE_BIT(PAWL_FAILED) | PAWL_STATE_BIT(PAWL_COMPLETED) |
               PAWL_STATE_BIT(PAWL_DEAD) | PAWL_STATE_BIT(PAWL_CANCELLED));
}

/* --- looking ------------------------------------------------------------------ */

struct pawl_queue_stats rig_stats(void)
{
    struct pawl_error err = { 0 };
    struct pawl_stats *stats = NULL;
    must(storage_stats(rig.beside, RIG_QUEUE, &stats, &err), "stats", &err);
    struct pawl_queue_stats found = stats->queues[0];
    found.name = NULL;
    pawl_stats_free(stats);
    return found;
}

uint64_t rig_count(enum pawl_state state)
{
    return rig_stats().jobs[state];
}

uint64_t rig_all(void)
{
    struct pawl_queue_stats stats = rig_stats();
    uint64_t all = 0;
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        all += stats.jobs[state];
    return all;
}

struct pawl_job *rig_get(struct pawl_id id)
{
    struct pawl_error err = { 0 };
    struct pawl_job *job = NULL;
    enum pawl_status status = storage_get(rig.beside, RIG_QUEUE, id, &job, &err);
    if (status == PAWL_NOT_FOUND)
        return NULL;
    must(status, "get", &err);
    return job;
}

bool rig_same_id(struct pawl_id a, struct pawl_id b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* --- the program ------------------------------------------------------------------ */

static const char *options_of_run;

static void fixture_begin(void)
{
    rig_open(options_of_run);
}

int rig_run(const char *name, const char *options, const struct lane_test *tests,
            size_t count, int lane_count, double seconds)
{
    options_of_run = options;
    return lanes_run(name, tests, count, lane_count, seconds, fixture_begin, rig_close);
}
