/* conformance.c - see conformance.h. */
#include "conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flavour.h"

#define INSTANCES_MOST 16

struct pawl_storage *store;
struct fake_clock test_clock;
struct pawl_retention retention;
const struct pawl_owner owner_a = { { 0xaa, 1, 2, 3 } };
const struct pawl_owner owner_b = { { 0xbb, 1, 2, 3 } };

static const struct flavour *flavour;
static char url[FLAVOUR_URL_MAX];
static struct pawl_storage *instances[INSTANCES_MOST];
static uint64_t last_seq;

/* What the fixture frees. */
static void **owned;
static size_t owned_count, owned_room;

void *own(void *block)
{
    if (owned_count == owned_room) {
        owned_room = owned_room == 0 ? 256 : owned_room * 2;
        owned = realloc(owned, owned_room * sizeof *owned);
        ck_assert_ptr_nonnull(owned);
    }
    return owned[owned_count++] = block;
}

/* --- the store --------------------------------------------------------------- */

void conformance_begin(void)
{
    const char *name = getenv("PAWL_TEST_STORAGE");
    flavour = flavour_find(name == NULL || *name == '\0' ? "memory" : name);
    flavour_begin(flavour);
}

void conformance_end(void)
{
    flavour_end(flavour);
}

static enum pawl_status open_at(const char *where, const struct pawl_clock *clock,
                                bool must_exist, struct pawl_storage **out,
                                struct pawl_error *err)
{
    struct pawl_storage_config config = {
        .clock = clock == NULL ? fake_clock_as_clock(&test_clock) : *clock,
        .deadline = 60000,
        .must_exist = must_exist,
    };
    return storage_open(where, &config, NULL, out, err);
}

static struct pawl_storage *open_more(const char *where,
                                      const struct pawl_clock *clock)
{
    struct pawl_error err = { 0 };
    int i = 0;
    while (i < INSTANCES_MOST && instances[i] != NULL)
        i++;
    ck_assert_int_lt(i, INSTANCES_MOST);
    enum pawl_status status = open_at(where, clock, false, &instances[i], &err);
    ck_assert_msg(status == PAWL_OK, "cannot open '%s': %s", where, err.message);
    return instances[i];
}

struct pawl_storage *instance_open_at(const struct pawl_clock *clock)
{
    return open_more(url, clock);
}

struct pawl_storage *instance_open(void)
{
    return instance_open_at(NULL);
}

struct pawl_storage *other_store_open(void)
{
    static int opened;
    char name[64], where[FLAVOUR_URL_MAX];
    snprintf(name, sizeof name, "t%d-other-%d", (int)getpid(), opened++);
    flavour_store(flavour, name, where, sizeof where);
    return open_more(where, NULL);
}

void instance_close(struct pawl_storage *instance)
{
    for (int i = 0; i < INSTANCES_MOST; i++) {
        if (instances[i] == instance)
            instances[i] = NULL;
    }
    storage_close(instance);
}

enum pawl_status open_missing(struct pawl_error *err)
{
    char where[FLAVOUR_URL_MAX];
    struct pawl_storage *none = NULL;
    flavour_store(flavour, "never-made", where, sizeof where);
    enum pawl_status status = open_at(where, NULL, true, &none, err);
    storage_close(none);
    return status;
}

void fixture_open(void)
{
    static int opened;
    char name[64];
    snprintf(name, sizeof name, "t%d-%d", (int)getpid(), opened++);
    flavour_store(flavour, name, url, sizeof url);
    fake_clock_init(&test_clock, START);
    retention = (struct pawl_retention){ { -1, -1 }, { -1, -1 }, { -1, -1 } };
    last_seq = 0;
    store = instance_open();
}

void fixture_close(void)
{
    for (int i = 0; i < INSTANCES_MOST; i++) {
        storage_close(instances[i]);
        instances[i] = NULL;
    }
    for (size_t i = 0; i < owned_count; i++)
        free(owned[i]);
    free(owned);
    owned = NULL;
    owned_count = owned_room = 0;
    store = NULL;
}

/* Fail the test with the storage's own words. */
static void must(const char *call, enum pawl_status status,
                 const struct pawl_error *err)
{
    ck_assert_msg(status == PAWL_OK, "%s: %s: %s", call, pawl_status_name(status),
                  err->message);
}

/* --- time ---------------------------------------------------------------------- */

void pass(pawl_duration time)
{
    fake_clock_pass(&test_clock, time);
}

pawl_time now(void)
{
    return atomic_load(&test_clock.now);
}

/* --- put ------------------------------------------------------------------------ */

struct pawl_id new_id(const char *queue)
{
    return pawl_id_new(queue, now());
}

struct pawl_new_job normal(struct pawl_new_job job)
{
    if (job.queue == NULL)
        job.queue = QUEUE;
    if (job.type == NULL)
        job.type = "";
    if (job.priority == 0)
        job.priority = 5;
    if (job.max_attempts == 0)
        job.max_attempts = 3;
    if (pawl_id_is_zero(job.id))
        job.id = new_id(job.queue);
    return job;
}

static enum pawl_status put_raw(struct pawl_storage *instance,
                                struct pawl_session session, uint64_t seq,
                                const struct pawl_new_job *jobs, size_t count,
                                struct pawl_put_result *results,
                                struct pawl_error *err)
{
    struct pawl_put in = { .queue = jobs[0].queue,
                           .session = session,
                           .seq = seq,
                           .jobs = jobs,
                           .job_count = count };
    return storage_put(instance, &in, results, err);
}

static const struct pawl_session own_session = { { 's', 'e', 's', 's' } };

struct pawl_put_result put_on(struct pawl_storage *instance,
                              struct pawl_new_job job)
{
    struct pawl_error err = { 0 };
    struct pawl_put_result result;
    job = normal(job);
    must("put",
         put_raw(instance, own_session, ++last_seq, &job, 1, &result, &err), &err);
    return result;
}

struct pawl_put_result put(struct pawl_new_job job)
{
    return put_on(store, job);
}

struct pawl_id put_ok(struct pawl_new_job job)
{
    struct pawl_put_result result = put(job);
    assert_status(result.status, PAWL_OK);
    return result.id;
}

struct pawl_id put_plain(void)
{
    return put_ok((struct pawl_new_job){ 0 });
}

void put_many(size_t count, struct pawl_id *ids)
{
    struct pawl_error err = { 0 };
    struct pawl_new_job *jobs = own(calloc(count, sizeof *jobs));
    struct pawl_put_result *results = own(calloc(count, sizeof *results));
    for (size_t i = 0; i < count; i++)
        jobs[i] = normal((struct pawl_new_job){ 0 });
    must("put",
         put_raw(store, own_session, ++last_seq, jobs, count, results, &err), &err);
    for (size_t i = 0; i < count; i++) {
        assert_status(results[i].status, PAWL_OK);
        if (ids != NULL)
            ids[i] = results[i].id;
    }
}

enum pawl_status put_as(struct pawl_session session, uint64_t seq,
                        const struct pawl_new_job *jobs, size_t count,
                        struct pawl_put_result *results)
{
    struct pawl_error err = { 0 };
    return put_raw(store, session, seq, jobs, count, results, &err);
}

/* --- exchange -------------------------------------------------------------------- */

struct claims exchange_on(struct pawl_storage *instance, const char *queue,
                          struct pawl_owner owner,
                          const struct pawl_outcome *outcomes,
                          enum pawl_status *results, size_t outcome_count,
                          size_t claim_max)
{
    struct claims claims = { .count = 0 };
    struct pawl_error err = { 0 };
    struct pawl_exchange in = { .queue = queue,
                                .owner = owner,
                                .outcomes = outcomes,
                                .outcome_count = outcome_count,
                                .claim_max = claim_max,
                                .lease = LEASE,
                                .retention = retention };
    struct pawl_exchange_reply reply = { .outcomes = results, .jobs = claims.jobs };
    ck_assert_uint_le(claim_max, CLAIMS_MOST);
    must("exchange", storage_exchange(instance, &in, &reply, &err), &err);
    claims.count = reply.job_count;
    claims.paused = reply.paused;
    claims.more = reply.more;
    claims.next_at = reply.next_at;
    for (size_t i = 0; i < claims.count; i++)
        own(claims.jobs[i]);
    return claims;
}

struct claims claim(struct pawl_owner owner, size_t most)
{
    return exchange_on(store, QUEUE, owner, NULL, NULL, 0, most);
}

struct pawl_job *claim_one(void)
{
    struct claims claims = claim(owner_a, 1);
    assert_count(claims.count, 1);
    return claims.jobs[0];
}

void claim_none(void)
{
    assert_count(claim(owner_a, 1).count, 0);
}

struct pawl_outcome outcome_of(const struct pawl_job *job,
                               enum pawl_outcome_kind kind)
{
    return (struct pawl_outcome){
        .id = job->id, .epoch = job->epoch, .origin = job->origin, .kind = kind
    };
}

enum pawl_status write_back(const struct pawl_job *job,
                            struct pawl_outcome outcome)
{
    enum pawl_status result = PAWL_EINTERNAL;
    exchange_on(store, job->queue, job->owner, &outcome, &result, 1, 0);
    return result;
}

enum pawl_status write_kind(const struct pawl_job *job,
                            enum pawl_outcome_kind kind)
{
    return write_back(job, outcome_of(job, kind));
}

struct pawl_id put_in(enum pawl_state state, struct pawl_new_job job)
{
    static const enum pawl_outcome_kind kinds[PAWL_STATE_COUNT] = {
        [PAWL_FAILED] = PAWL_OUTCOME_RETRY,
        [PAWL_COMPLETED] = PAWL_OUTCOME_COMPLETED,
        [PAWL_DEAD] = PAWL_OUTCOME_DEAD,
        [PAWL_CANCELLED] = PAWL_OUTCOME_CANCELLED,
    };
    if (state == PAWL_SCHEDULED)
        job.delay = 60000;
    struct pawl_id id = put_ok(job);
    if (state == PAWL_SCHEDULED || state == PAWL_PENDING)
        return id;
    const struct pawl_job *claimed = claim_one();
    assert_id(claimed->id, id);
    if (state == PAWL_PROCESSING)
        return id;
    struct pawl_outcome outcome = outcome_of(claimed, kinds[state]);
    outcome.delay = 60000;
    assert_status(write_back(claimed, outcome), PAWL_OK);
    return id;
}

/* --- renew, sweep ----------------------------------------------------------------- */

enum pawl_status renew(const struct pawl_job *job, pawl_duration lease)
{
    struct pawl_error err = { 0 };
    enum pawl_status result = PAWL_EINTERNAL;
    struct pawl_lease_ref ref = { job->id, job->epoch, job->origin };
    struct pawl_renew in = { .queue = job->queue,
                             .owner = job->owner,
                             .leases = &ref,
                             .lease_count = 1,
                             .lease = lease };
    must("renew", storage_renew(store, &in, &result, &err), &err);
    return result;
}

struct pawl_sweep_reply sweep_some(size_t limit)
{
    struct pawl_error err = { 0 };
    struct pawl_sweep in = { .queue = QUEUE,
                             .limit = limit,
                             .max_crashes = MAX_CRASHES,
                             .retention = retention };
    struct pawl_sweep_reply reply;
    must("sweep", storage_sweep(store, &in, &reply, &err), &err);
    return reply;
}

struct pawl_sweep_reply sweep(void)
{
    return sweep_some(1000);
}

/* --- looking ------------------------------------------------------------------------ */

const struct pawl_job *look(struct pawl_id id)
{
    struct pawl_error err = { 0 };
    struct pawl_job *job = NULL;
    enum pawl_status status = storage_get(store, NULL, id, &job, &err);
    if (status == PAWL_NOT_FOUND)
        return NULL;
    must("get", status, &err);
    return own(job);
}

size_t list_all(const char *queue, enum pawl_state state, const char *type,
                size_t page, struct pawl_job **jobs)
{
    struct pawl_error err = { 0 };
    struct pawl_list in = { .queue = queue, .state = state, .type = type, .limit = page };
    size_t count = 0;
    do {
        struct pawl_list_reply reply = { .jobs = jobs + count };
        ck_assert_uint_le(count + page, CLAIMS_MOST);
        must("list", storage_list(store, &in, &reply, &err), &err);
        for (size_t i = 0; i < reply.job_count; i++)
            own(jobs[count + i]);
        count += reply.job_count;
        in.after = reply.next;
    } while (in.after.set);
    return count;
}

static struct pawl_stats *stats_raw(const char *queue)
{
    struct pawl_error err = { 0 };
    struct pawl_stats *stats = NULL;
    must("stats", storage_stats(store, queue, &stats, &err), &err);
    return own(stats);
}

const struct pawl_stats *stats_all(void)
{
    return stats_raw(NULL);
}

const struct pawl_queue_stats *stats_of(const char *queue)
{
    const struct pawl_stats *stats = stats_raw(queue);
    assert_count(stats->queue_count, 1);
    return &stats->queues[0];
}

size_t count_in(enum pawl_state state)
{
    return stats_of(QUEUE)->jobs[state];
}

/* --- alter --------------------------------------------------------------------------- */

struct pawl_alter_reply alter(struct pawl_alter what)
{
    struct pawl_error err = { 0 };
    struct pawl_alter_reply reply = { 0 };
    if (what.queue == NULL)
        what.queue = QUEUE;
    if (what.ids == NULL && what.limit == 0)
        what.limit = 1000;
    if (what.id_count > 0)
        reply.results = own(calloc(what.id_count, sizeof *reply.results));
    must("alter", storage_alter(store, &what, &reply, &err), &err);
    return reply;
}

enum pawl_status alter_one(enum pawl_alter_kind kind, struct pawl_id id)
{
    static const unsigned from[] = {
        [PAWL_ALTER_RUN] = RETRY_FROM,
        [PAWL_ALTER_CANCEL] = CANCEL_FROM,
        [PAWL_ALTER_REMOVE] = REMOVE_FROM,
        [PAWL_ALTER_REPRIORITISE] = REPRIORITISE_FROM,
    };
    struct pawl_alter what = { .kind = kind,
                               .from_states = from[kind],
                               .fresh_start = kind == PAWL_ALTER_RUN,
                               .ids = &id,
                               .id_count = 1 };
    return alter(what).results[0];
}

enum pawl_status reprioritise(struct pawl_id id, int priority)
{
    struct pawl_alter what = { .kind = PAWL_ALTER_REPRIORITISE,
                               .from_states = REPRIORITISE_FROM,
                               .priority = priority,
                               .ids = &id,
                               .id_count = 1 };
    return alter(what).results[0];
}

/* --- asserting ------------------------------------------------------------------------- */

const char *state_of(struct pawl_id id)
{
    const struct pawl_job *job = look(id);
    return job == NULL ? "gone" : pawl_state_name(job->state);
}

const char *id_text(struct pawl_id id)
{
    static char texts[8][PAWL_ID_TEXT];
    static int turn;
    char *text = texts[turn++ % 8];
    pawl_id_format(id, text);
    return text;
}
