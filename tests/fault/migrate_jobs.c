/* migrate_jobs.c - see migrate_jobs.h. */
#include "migrate_jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "direct.h"
#include "util/clock.h"
#include "util/random.h"

#define BATCH 500
#define BYTES_MOST 300

struct pawl_storage *jobs_open(const char *url)
{
    return direct_open(url, 60000);
}

/* --- making -------------------------------------------------------------------- */

/* What one job points to. */
struct rest {
    char key[24], group[24];
    char payload[BYTES_MOST], result[BYTES_MOST], text[PAWL_ERRORS_KEPT][40];
    struct pawl_job_error errors[PAWL_ERRORS_KEPT];
};

static uint64_t below(uint64_t *random, uint64_t limit)
{
    return seeded(random) % limit;
}

static void fill(uint64_t *random, char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)seeded(random);
}

static struct pawl_backoff random_backoff(uint64_t *random)
{
    struct pawl_backoff backoff = { .kind = (enum pawl_backoff_kind)below(random, 5),
                                    .delay = (pawl_duration)below(random, 100000),
                                    .cap = (pawl_duration)below(random, 1000000),
                                    .jitter = (int)below(random, 101) };
    if (backoff.kind == PAWL_BACKOFF_LIST) {
        backoff.delay_count = 1 + (int)below(random, PAWL_BACKOFF_LIST_MAX);
        for (int i = 0; i < backoff.delay_count; i++)
            backoff.delays[i] = (pawl_duration)below(random, 100000);
    }
    return backoff;
}

static void random_errors(uint64_t *random, struct rest *rest, struct pawl_job *job)
{
    job->errors = rest->errors;
    job->error_count = below(random, 3) > 0 ? 0 : below(random, PAWL_ERRORS_KEPT + 1);
    for (size_t i = 0; i < job->error_count; i++) {
        snprintf(rest->text[i], sizeof rest->text[i], "broke \xc3\xa4 %u",
                 (unsigned)below(random, 100000));
        rest->errors[i] = (struct pawl_job_error){
            job->enqueued_at + (pawl_time)below(random, 1000), (int)below(random, 5),
            rest->text[i]
        };
    }
}

/* Due or over far from now, so that no sweep changes it under the test. */
static void random_times(uint64_t *random, struct pawl_job *job)
{
    pawl_time now = clock_wall_ms();
    bool ended = job->state >= PAWL_COMPLETED;
    job->enqueued_at = now - 1000 - (pawl_time)below(random, 1000000);
    job->run_at = job->enqueued_at + (pawl_time)below(random, 1000);
    if (job->state == PAWL_SCHEDULED || job->state == PAWL_FAILED)
        job->run_at = now + 86400000 + (pawl_time)below(random, 1000000);
    job->started_at = below(random, 2) ? job->enqueued_at + 500 : 0;
    job->finished_at = ended ? now - (pawl_time)below(random, 1000) : 0;
    job->expires_at = below(random, 3) ? 0 : now + 864000000;
}

static struct pawl_job random_job(uint64_t *random, const char *queue,
                                  struct rest *rest, size_t number)
{
    static const enum pawl_state states[] = { PAWL_SCHEDULED, PAWL_PENDING,
                                              PAWL_FAILED,    PAWL_COMPLETED,
                                              PAWL_DEAD,      PAWL_CANCELLED };
    struct pawl_job job = { .id = pawl_id_new(queue, clock_wall_ms()),
                            .queue = queue, .type = "", .key = "", .group = "",
                            .state = states[below(random, 6)],
                            .priority = 1 + (int)below(random, 10),
                            .attempt = (int)below(random, 5),
                            .max_attempts = 1 + (int)below(random, 1000),
                            .crashes = (int)below(random, 3),
                            .epoch = (uint32_t)seeded(random),
                            .backoff = random_backoff(random),
                            .timeout = (pawl_duration)below(random, 100000),
                            .payload = rest->payload,
                            .payload_size = below(random, BYTES_MOST),
                            .result = rest->result };
    random_times(random, &job);
    fill(random, rest->payload, job.payload_size);
    if (below(random, 2))
        job.type = "send.mail";
    if (below(random, 4) == 0) {
        snprintf(rest->group, sizeof rest->group, "tenant %u",
                 (unsigned)below(random, 100));
        job.group = rest->group;
    }
    if (below(random, 4) == 0) {
        snprintf(rest->key, sizeof rest->key, "key %zu", number);
        job.key = rest->key;
        job.key_mode = below(random, 2) ? PAWL_KEY_THROTTLE : PAWL_KEY_REJECT;
        job.key_ttl = 864000000;
    }
    if (job.state == PAWL_COMPLETED)
        job.result_size = below(random, BYTES_MOST);
    fill(random, rest->result, job.result_size);
    random_errors(random, rest, &job);
    return job;
}

static void bring(struct pawl_storage *storage, const char *queue,
                  const struct pawl_job *jobs, size_t count)
{
    const struct pawl_job *list[BATCH];
    struct pawl_put_result results[BATCH];
    struct pawl_error err = { 0 };
    struct pawl_bring_in in = { .queue = queue, .seq = 1, .jobs = list,
                                .job_count = count };
    random_bytes(&in.session, sizeof in.session);
    for (size_t i = 0; i < count; i++)
        list[i] = &jobs[i];
    if (storage_bring_in(storage, &in, results, &err) != PAWL_OK)
        give_up("cannot bring in: %s", err.message);
    for (size_t i = 0; i < count; i++)
        if (results[i].status != PAWL_OK)
            give_up("a job was not stored: %s", pawl_status_name(results[i].status));
}

void jobs_make(struct pawl_storage *storage, const char *queue, size_t count,
               uint64_t *random)
{
    struct pawl_job *jobs = calloc(BATCH, sizeof *jobs);
    struct rest *rest = calloc(BATCH, sizeof *rest);
    if (!jobs || !rest)
        give_up("out of memory");
    for (size_t made = 0; made < count;) {
        size_t n = count - made < BATCH ? count - made : BATCH;
        for (size_t i = 0; i < n; i++)
            jobs[i] = random_job(random, queue, &rest[i], made + i);
        bring(storage, queue, jobs, n);
        made += n;
    }
    free(jobs);
    free(rest);
}

void jobs_put(struct pawl_storage *storage, const char *queue, size_t count)
{
    struct pawl_new_job jobs[BATCH];
    struct pawl_put_result results[BATCH];
    struct pawl_error err = { 0 };
    struct pawl_put in = { .queue = queue, .jobs = jobs };
    random_bytes(in.session.b, sizeof in.session.b);
    for (size_t made = 0; made < count; made += in.job_count) {
        in.seq++;
        in.job_count = count - made < BATCH ? count - made : BATCH;
        for (size_t i = 0; i < in.job_count; i++)
            jobs[i] = (struct pawl_new_job){ .payload = "do it", .payload_size = 5,
                                             .priority = 5, .max_attempts = 3,
                                             .id = pawl_id_new(queue, clock_wall_ms()) };
        if (storage_put(storage, &in, results, &err) != PAWL_OK)
            give_up("cannot put: %s", err.message);
    }
}

/* --- counting --------------------------------------------------------------------- */

static void count_state(struct pawl_storage *storage, const char *queue,
                        enum pawl_state state, struct pawl_tally *tally,
                        uint64_t *order)
{
    struct pawl_job *jobs[BATCH];
    struct pawl_error err = { 0 };
    struct pawl_list in = { .queue = queue, .state = state, .limit = BATCH };
    struct pawl_list_reply out = { .jobs = jobs };
    do {
        if (storage_list(storage, &in, &out, &err) != PAWL_OK)
            give_up("cannot list: %s", err.message);
        for (size_t i = 0; i < out.job_count; i++) {
            struct pawl_digest digest;
            if (!pawl_job_digest(jobs[i], &digest))
                give_up("out of memory");
            tally->count++;
            for (size_t k = 0; k < sizeof jobs[i]->id.b; k++)
                *order = (*order ^ jobs[i]->id.b[k]) * UINT64_C(1099511628211);
            pawl_digest_add(&tally->sum, &digest);
            pawl_job_free(jobs[i]);
        }
        in.after = out.next;
    } while (out.next.set);
}

struct inventory jobs_count(struct pawl_storage *storage, const char *queue)
{
    struct inventory inventory = { 0 };
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        count_state(storage, queue, (enum pawl_state)state, &inventory.states[state],
                    &inventory.orders[state]);
    return inventory;
}

uint64_t jobs_pending(struct pawl_storage *storage, const char *queue)
{
    struct pawl_stats *stats = NULL;
    struct pawl_error err = { 0 };
    if (storage_stats(storage, queue, &stats, &err) != PAWL_OK)
        give_up("no stats: %s", err.message);
    uint64_t pending = stats->queues[0].jobs[PAWL_PENDING];
    pawl_stats_free(stats);
    return pending;
}

bool jobs_same(const struct inventory *a, const struct inventory *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

uint64_t jobs_all(const struct inventory *inventory)
{
    uint64_t all = 0;
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        all += inventory->states[state].count;
    return all;
}
