/* worker_fixture.h - a worker under test: its storage, its handler, its handle.
 *
 * "faulty:" is the memory storage with an exchange and a renew that fail when
 * told to. A job's type names what its handler does. Times are real: what must
 * happen is waited for with ten times the patience it should need.
 *
 * Included by one program each, so that everything here is static.
 */
#ifndef PAWL_TEST_WORKER_FIXTURE_H
#define PAWL_TEST_WORKER_FIXTURE_H

#include <check.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/core.h"
#include "pawl.h"
#include "program.h"
#include "storage/memory/memory.h"
#include "util/clock.h"

#define PATIENCE_MS 20000
#define MANY        3000
#define until(condition)                                          \
    do {                                                          \
        int64_t began_ = clock_boot_ms();                         \
        while (!(condition)) {                                    \
            ck_assert_msg(clock_boot_ms() - began_ < PATIENCE_MS, \
                          "still not so: %s", #condition);        \
            usleep(500);                                          \
        }                                                         \
    } while (0)

/* --- the storage ---------------------------------------------------------- */

static struct pawl_storage_ops faulty_ops;
static atomic_int fail_with;   /* exchanges answer this while it is not 0 */
static atomic_int lose_answer; /* so many exchanges take effect unheard */
static atomic_int renewals;
static atomic_int hold_up; /* exchanges with "default" last while it is not 0 */
static atomic_int under_way, most_under_way; /* exchanges */

/* An exchange begins; it is over when `under_way` is lowered. */
static inline void note_under_way(const char *queue)
{
    int now = atomic_fetch_add(&under_way, 1) + 1;
    int most = atomic_load(&most_under_way);

    while (now > most && !atomic_compare_exchange_weak(&most_under_way, &most, now))
        continue;
    while (strcmp(queue, "default") == 0 && atomic_load(&hold_up))
        usleep(500);
}

static inline enum pawl_status told_exchange(struct pawl_storage *self,
                                             const struct pawl_exchange *in,
                                             struct pawl_exchange_reply *out,
                                             struct pawl_error *err)
{
    struct pawl_exchange only_outcomes = *in;
    int status = atomic_load(&fail_with);

    if (status != 0)
        return pawl_error_set(err, (enum pawl_status)status, "as told to");
    if (in->outcome_count == 0 || atomic_load(&lose_answer) == 0)
        return memory_storage.exchange(self, in, out, err);
    atomic_fetch_sub(&lose_answer, 1);
    only_outcomes.claim_max = 0;
    memory_storage.exchange(self, &only_outcomes, out, err);
    return pawl_error_set(err, PAWL_EUNKNOWN, "answer lost");
}

static inline enum pawl_status faulty_exchange(struct pawl_storage *self,
                                               const struct pawl_exchange *in,
                                               struct pawl_exchange_reply *out,
                                               struct pawl_error *err)
{
    enum pawl_status status;

    note_under_way(in->queue);
    status = told_exchange(self, in, out, err);
    atomic_fetch_sub(&under_way, 1);
    return status;
}

static inline enum pawl_status counted_renew(struct pawl_storage *self,
                                             const struct pawl_renew *in,
                                             enum pawl_status *results,
                                             struct pawl_error *err)
{
    atomic_fetch_add(&renewals, 1);
    return memory_storage.renew(self, in, results, err);
}

/* --- the handler ---------------------------------------------------------- */

static atomic_int begun, stopped_by, returned, open_gate, seen_attempt;
static atomic_int times_run[MANY];

static inline bool is_type(const struct pawl_job *job, const char *type)
{
    return strcmp(job->type, type) == 0;
}

static inline struct pawl_verdict until_stopped(struct pawl_run *run)
{
    struct pollfd poll_fd = {.fd = pawl_run_fd(run), .events = POLLIN};
    enum pawl_stop_reason reason = pawl_run_sleep(run, PATIENCE_MS);

    ck_assert_int_eq(poll(&poll_fd, 1, 0), 1);
    atomic_store(&stopped_by, (int)reason);
    return pawl_failed("stopped");
}

static inline struct pawl_verdict handle(void *context,
                                         const struct pawl_job *job,
                                         struct pawl_run *run)
{
    static char big[PAWL_RESULT_MAX + 1];
    struct pawl_verdict verdict = pawl_done();
    bool first = job->epoch == 1; /* a lost attempt may begin after the next */

    (void)context;
    atomic_fetch_add(&begun, 1);
    atomic_store(&seen_attempt, job->attempt);
    if (job->payload_size == sizeof(int))
        atomic_fetch_add(&times_run[*(const int *)job->payload], 1);
    if (is_type(job, "fail"))
        verdict = pawl_failed("no. %d", job->attempt);
    else if (is_type(job, "die"))
        verdict = pawl_dead("never");
    else if (is_type(job, "snooze-once") && first)
        verdict = pawl_snooze(20);
    else if (is_type(job, "backoff-once") && first)
        verdict = pawl_snooze(-1);
    else if (is_type(job, "result"))
        verdict = (struct pawl_verdict){.data = "42", .size = 2};
    else if (is_type(job, "big"))
        verdict = (struct pawl_verdict){.data = big, .size = sizeof big};
    else if (is_type(job, "until-stopped"))
        verdict = until_stopped(run);
    else if (is_type(job, "until-stopped-once") && first)
        verdict = until_stopped(run);
    else if (is_type(job, "done-although-stopped"))
        pawl_run_sleep(run, PATIENCE_MS);
    while (is_type(job, "stubborn") && !atomic_load(&open_gate))
        usleep(500);
    atomic_fetch_add(&returned, 1);
    return verdict;
}

/* --- one test's handle and worker ----------------------------------------- */

static struct pawl *pawl;
static struct pawl_worker *worker;
static struct pawl_worker_options options;
static atomic_int failing_logs, back_logs, other_logs;

static inline void on_log(void *context, enum pawl_log_level level,
                          const char *id, const char *text)
{
    (void)context;
    (void)level;
    (void)text;
    if (strcmp(id, "storage-failing") == 0)
        atomic_fetch_add(&failing_logs, 1);
    else if (strcmp(id, "storage-back") == 0)
        atomic_fetch_add(&back_logs, 1);
    else
        atomic_fetch_add(&other_logs, 1);
}

static inline struct pawl *open_handle(const struct pawl_clock *clock)
{
    struct pawl_options how = PAWL_OPTIONS_INIT;
    struct pawl_error err = {0};
    struct pawl *handle = NULL;

    how.log = on_log;
    how.clock = clock;
    how.keep = (struct pawl_queue_keep){-1, -1, -1, -1, -1, -1};
    ck_assert_msg(pawl_open("faulty:x", &how, &handle, &err) == PAWL_OK, "%s",
                  err.message);
    return handle;
}

static inline void setup(void)
{
    faulty_ops = memory_storage;
    faulty_ops.scheme = "faulty";
    faulty_ops.exchange = faulty_exchange;
    faulty_ops.renew = counted_renew;
    ck_assert_int_eq(pawl_storage_register(&faulty_ops, NULL), PAWL_OK);
    pawl = open_handle(NULL);
    options = (struct pawl_worker_options)PAWL_WORKER_OPTIONS_INIT;
    options.handler = handle;
    options.concurrency = 2;
}

static inline void teardown(void)
{
    pawl_worker_close(worker);
    pawl_close(pawl);
}

static inline struct pawl_id put(const char *type)
{
    struct pawl_new_job job = {.type = type,
                               .max_attempts = 3,
                               .backoff = {PAWL_BACKOFF_FIXED, .delay = 20}};
    struct pawl_id id;

    ck_assert_int_eq(pawl_enqueue(pawl, &job, &id, NULL), PAWL_OK);
    return id;
}

static inline void put_many(const char *queue, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        struct pawl_new_job job = {
            .queue = queue, .payload = &i, .payload_size = sizeof i};
        ck_assert_int_eq(pawl_enqueue(pawl, &job, NULL, NULL), PAWL_OK);
    }
}

static inline void start(void)
{
    struct pawl_error err = {0};

    ck_assert_msg(pawl_worker_open(pawl, &options, &worker, &err) == PAWL_OK,
                  "%s", err.message);
}

static inline void drain(void)
{
    options.drain = true;
    start();
    ck_assert_int_eq(pawl_worker_wait(worker, NULL), PAWL_OK);
}

static inline struct pawl_worker_counts counts(void)
{
    struct pawl_worker_counts now;

    pawl_worker_counts(worker, &now);
    return now;
}

static uint64_t jobs_in(enum pawl_state state)
{
    struct pawl_stats *stats = NULL;
    uint64_t n;

    ck_assert_int_eq(pawl_stats(pawl, "default", &stats, NULL), PAWL_OK);
    n = stats->queues[0].jobs[state];
    pawl_stats_free(stats);
    return n;
}

/* The job must be in this state; its last error must be `error`, unless NULL. */
static inline void expect(struct pawl_id id, enum pawl_state state,
                          const char *error)
{
    struct pawl_job *job = NULL;

    ck_assert_int_eq(pawl_get(pawl, id, &job, NULL), PAWL_OK);
    ck_assert_str_eq(pawl_state_name(job->state), pawl_state_name(state));
    if (error) {
        ck_assert_uint_ge(job->error_count, 1);
        ck_assert_str_eq(job->errors[job->error_count - 1].message, error);
    }
    pawl_job_free(job);
}

static inline void cancel(struct pawl_id id)
{
    struct pawl_alteration what = {.action = PAWL_ACTION_CANCEL};
    enum pawl_status result;

    ck_assert_int_eq(pawl_alter(pawl, &what, &id, 1, &result, NULL), PAWL_OK);
    ck_assert_int_eq(result, PAWL_OK);
}

/* The worker has ended and is gone. */
static inline void close_worker(void)
{
    pawl_worker_close(worker);
    worker = NULL;
}

static inline int run_suite(Suite *suite)
{

    return program_run(suite);
}

#endif
