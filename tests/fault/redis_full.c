/* redis_full.c - a Redis at maxmemory that evicts nothing.
 *
 * New jobs are refused with a reason; whatever makes room, or must go on for the
 * sake of jobs that run, works. Once there is room, new jobs are taken again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "direct.h"
#include "redis_crew.h"
#include "redis_server.h"
#include "util/random.h"

#define PAYLOAD 20000
#define JOBS_MOST 5000
#define LEASE 600000

static struct redis_server server;

static void stop_server(void)
{
    redis_server_stop(&server);
}

static void start_server(void)
{
    const char *const options[] = { "--maxmemory", "20mb", "--maxmemory-policy",
                                    "noeviction", NULL };
    redis_server_start(&server, options);
    crew_store_at(server.url, CREW_OPTIONS);
}

/* --- by the core ------------------------------------------------------------------ */

static enum pawl_status enqueue(struct pawl *pawl, struct pawl_error *err)
{
    static const char payload[PAYLOAD];
    struct pawl_new_job job = { .queue = STORE_QUEUE, .payload = payload,
                                .payload_size = sizeof payload };
    return pawl_enqueue(pawl, &job, NULL, err);
}

/* Until no more goes in: how many did. */
static size_t fill(struct pawl *pawl)
{
    struct pawl_error err = { 0 };
    enum pawl_status status = PAWL_OK;
    size_t count = 0;
    while (count < JOBS_MOST && (status = enqueue(pawl, &err)) == PAWL_OK)
        count++;
    ck_assert_msg(status == PAWL_EFULL, "%zu jobs and then %s: %s", count,
                  pawl_status_name(status), err.message);
    ck_assert_int_eq(pawl_status_class(status), PAWL_CLASS_REJECTED);
    ck_assert_msg(strstr(err.message, "maxmemory"), "'%s' does not say why",
                  err.message);
    say("after %zu jobs: %s", count, err.message);
    return count;
}

START_TEST(new_jobs_are_refused_and_the_others_run)
{
    struct pawl_error err = { 0 };
    start_server();
    struct pawl *pawl = store_open(&store_under_test, 0);
    size_t count = fill(pawl);
    ck_assert_uint_gt(count, 100);
    ck_assert_uint_eq(store_count(pawl, PAWL_PENDING), count);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(enqueue(pawl, &err), PAWL_EFULL);
    pawl_close(pawl);
    store_drain(&store_under_test);
    pawl = store_open(&store_under_test, 0);
    struct pawl_queue_stats totals = store_totals(pawl);
    ck_assert_uint_eq(totals.completed_total, count);
    ck_assert_uint_eq(totals.jobs[PAWL_COMPLETED], count);
    /* They are kept for ever here: make room by hand. */
    struct pawl_filter done = { .queue = STORE_QUEUE, .state = PAWL_COMPLETED };
    struct pawl_alteration away = { .action = PAWL_ACTION_REMOVE };
    size_t changed = 0;
    ck_assert_int_eq(pawl_alter_where(pawl, &away, &done, &changed, &err), PAWL_OK);
    ck_assert_uint_eq(changed, count);
    ck_assert_int_eq(enqueue(pawl, &err), PAWL_OK);
    pawl_close(pawl);
    store_drain(&store_under_test);
}
END_TEST

/* Working makes room by itself where finished jobs do not stay. */
START_TEST(work_makes_room)
{
    struct pawl_error err = { 0 };
    struct pawl_queue_keep nothing = { 0 };
    start_server();
    struct pawl *pawl = store_open(&store_under_test, 0);
    ck_assert_int_eq(pawl_keep(pawl, STORE_QUEUE, &nothing, &err), PAWL_OK);
    size_t count = fill(pawl);
    pawl_close(pawl);
    store_drain(&store_under_test);
    pawl = store_open(&store_under_test, 0);
    ck_assert_uint_eq(store_totals(pawl).completed_total, count);
    ck_assert_int_eq(enqueue(pawl, &err), PAWL_OK);
    pawl_close(pawl);
}
END_TEST

/* --- call by call ------------------------------------------------------------------ */

static const struct pawl_retention for_ever = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
static struct pawl_owner owner;

static void must(enum pawl_status status, const char *what,
                 const struct pawl_error *err)
{
    ck_assert_msg(status == PAWL_OK, "%s: %s: %s", what, pawl_status_name(status),
                  err->message);
}

static size_t exchange(struct pawl_storage *storage,
                       const struct pawl_outcome *outcomes, size_t count,
                       size_t claim_max, struct pawl_job **jobs)
{
    struct pawl_error err = { 0 };
    enum pawl_status statuses[8];
    struct pawl_exchange_reply out = { .outcomes = statuses, .jobs = jobs };
    struct pawl_exchange in = { .queue = STORE_QUEUE, .owner = owner,
                                .outcomes = outcomes, .outcome_count = count,
                                .claim_max = claim_max, .lease = LEASE,
                                .retention = for_ever };
    must(storage_exchange(storage, &in, &out, &err), "exchange", &err);
    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(pawl_status_name(statuses[i]), "OK");
    return out.job_count;
}

/* Every kind of outcome, with errors and results that need room themselves. */
static void write_back(struct pawl_storage *storage, struct pawl_job *const *jobs)
{
    static char error[2000], result[2000];
    struct pawl_outcome outcomes[6];
    const enum pawl_outcome_kind kinds[6] = {
        PAWL_OUTCOME_COMPLETED, PAWL_OUTCOME_RETRY,    PAWL_OUTCOME_DEAD,
        PAWL_OUTCOME_SNOOZED,   PAWL_OUTCOME_RELEASED, PAWL_OUTCOME_CANCELLED,
    };
    memset(error, 'e', sizeof error - 1);
    memset(result, 'r', sizeof result);
    for (size_t i = 0; i < 6; i++)
        outcomes[i] = (struct pawl_outcome){ .id = jobs[i]->id,
                                             .epoch = jobs[i]->epoch,
                                             .origin = jobs[i]->origin,
                                             .kind = kinds[i] };
    outcomes[0].result = result;
    outcomes[0].result_size = sizeof result;
    outcomes[1].error = outcomes[2].error = outcomes[5].error = error;
    ck_assert_uint_eq(exchange(storage, outcomes, 6, 0, NULL), 0);
}

static void renew(struct pawl_storage *storage, const struct pawl_job *job)
{
    struct pawl_error err = { 0 };
    enum pawl_status status;
    struct pawl_lease_ref lease = { job->id, job->epoch, job->origin };
    struct pawl_renew in = { .queue = STORE_QUEUE, .owner = owner,
                             .leases = &lease, .lease_count = 1, .lease = LEASE };
    must(storage_renew(storage, &in, &status, &err), "renew", &err);
    ck_assert_str_eq(pawl_status_name(status), "OK");
}

static size_t sweep(struct pawl_storage *storage)
{
    struct pawl_error err = { 0 };
    struct pawl_sweep in = { .queue = STORE_QUEUE, .limit = 100, .max_crashes = 3,
                             .retention = for_ever };
    struct pawl_sweep_reply out = { 0 };
    must(storage_sweep(storage, &in, &out, &err), "sweep", &err);
    return out.promoted;
}

static void alter(struct pawl_storage *storage, enum pawl_alter_kind kind,
                  unsigned from, struct pawl_id id)
{
    struct pawl_error err = { 0 };
    enum pawl_status status;
    struct pawl_alter in = { .queue = STORE_QUEUE, .kind = kind,
                             .from_states = from, .ids = &id, .id_count = 1,
                             .priority = 9 };
    struct pawl_alter_reply out = { .results = &status };
    must(storage_alter(storage, &in, &out, &err), "alter", &err);
    ck_assert_str_eq(pawl_status_name(status), "OK");
}

static void look(struct pawl_storage *storage, struct pawl_id id)
{
    struct pawl_error err = { 0 };
    struct pawl_job *job = NULL, *page[10];
    struct pawl_list in = { .queue = STORE_QUEUE, .state = PAWL_PENDING,
                            .limit = 10 };
    struct pawl_list_reply out = { .jobs = page };
    struct pawl_stats *stats = NULL;
    must(storage_get(storage, STORE_QUEUE, id, &job, &err), "get", &err);
    must(storage_list(storage, &in, &out, &err), "list", &err);
    must(storage_stats(storage, NULL, &stats, &err), "stats", &err);
    ck_assert_uint_gt(out.job_count, 0);
    for (size_t i = 0; i < out.job_count; i++)
        pawl_job_free(page[i]);
    pawl_job_free(job);
    pawl_stats_free(stats);
}

static void hand_over(struct pawl_storage *storage)
{
    struct pawl_error err = { 0 };
    struct pawl_job *job = NULL;
    struct pawl_id id;
    enum pawl_status status;
    struct pawl_take_out in = { .queue = STORE_QUEUE, .kind = PAWL_TAKE_HOLD,
                                .from_states = PAWL_STATE_BIT(PAWL_PENDING),
                                .limit = 1 };
    struct pawl_take_out_reply out = { .jobs = &job, .results = &status };
    random_bytes(&in.mover, sizeof in.mover);
    must(storage_take_out(storage, &in, &out, &err), "hold", &err);
    ck_assert_uint_eq(out.job_count, 1);
    id = job->id;
    pawl_job_free(job);
    in.kind = PAWL_TAKE_RELEASE;
    in.limit = 0;
    in.ids = &id;
    in.id_count = 1;
    out.job_count = 0;
    must(storage_take_out(storage, &in, &out, &err), "release", &err);
    ck_assert_str_eq(pawl_status_name(status), "OK");
}

START_TEST(all_calls_but_put_and_bring_in_work)
{
    struct pawl_error err = { 0 };
    struct pawl_job *jobs[8];
    start_server();
    random_bytes(&owner, sizeof owner);
    struct pawl *pawl = store_open(&store_under_test, 0);
    size_t count = fill(pawl);
    struct pawl_storage *storage = direct_open(store_under_test.url, 10000);
    /* A second handle opens a full server, too. */
    pawl_close(store_open(&store_under_test, 0));
    ck_assert_uint_eq(exchange(storage, NULL, 0, 8, jobs), 8);
    write_back(storage, jobs);
    renew(storage, jobs[6]);
    ck_assert_uint_eq(sweep(storage), 2); /* the retried and the snoozed */
    alter(storage, PAWL_ALTER_REPRIORITISE, PAWL_STATE_BIT(PAWL_PENDING),
          jobs[4]->id);
    alter(storage, PAWL_ALTER_CANCEL, PAWL_STATE_BIT(PAWL_PENDING), jobs[4]->id);
    alter(storage, PAWL_ALTER_RUN, PAWL_STATE_BIT(PAWL_CANCELLED), jobs[4]->id);
    look(storage, jobs[1]->id);
    hand_over(storage);
    ck_assert_int_eq(enqueue(pawl, &err), PAWL_EFULL);
    alter(storage, PAWL_ALTER_REMOVE, PAWL_STATE_BIT(PAWL_PENDING), jobs[4]->id);
    ck_assert_uint_eq(store_totals(pawl).jobs[PAWL_PROCESSING], 2);
    ck_assert_uint_eq(store_totals(pawl).completed_total, 1);
    for (size_t i = 0; i < 8; i++)
        pawl_job_free(jobs[i]);
    storage_close(storage);
    pawl_close(pawl);
    store_drain(&store_under_test);
    pawl = store_open(&store_under_test, 0);
    /* One dead, one cancelled, one removed. */
    ck_assert_uint_eq(store_totals(pawl).completed_total, count - 3);
    pawl_close(pawl);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        new_jobs_are_refused_and_the_others_run,
        work_makes_room,
        all_calls_but_put_and_bring_in_work,
    };
    return crew_run("redis-full", tests, 3, 300, stop_server);
}
