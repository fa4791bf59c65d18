/* pawl/worker.h - running jobs.
 *
 * A worker is a group of threads that claim jobs from queues and hand them to a
 * handler. It renews leases in the background, tells the handler when to stop,
 * and gives back what it has not started when it is stopped.
 */
#ifndef PAWL_WORKER_H
#define PAWL_WORKER_H

#include "pawl/job.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pawl;
struct pawl_worker;
struct pawl_run; /* one attempt, while its handler runs */

/* --- what a handler answers ------------------------------------------------ */

enum pawl_verdict_kind {
    PAWL_VERDICT_DONE = 0, /* completed, with `data` as the result */
    PAWL_VERDICT_FAILED,   /* retried under the job's policy, or dead after its
                              last attempt; `data` is the error */
    PAWL_VERDICT_DEAD,     /* dead at once; `data` is the error */
    PAWL_VERDICT_SNOOZE    /* again after `delay`, without using up an attempt;
                              delay -1: after the job's own backoff */
};

/* data: up to PAWL_RESULT_MAX bytes of result (longer: the attempt fails) or an
 * error text (longer than PAWL_ERROR_MAX: its end is kept). It must be valid
 * until `release` is called, or for ever when release is NULL. */
struct pawl_verdict {
    enum pawl_verdict_kind kind;
    const void *data;
    size_t size;
    pawl_duration delay;
    void (*release)(void *data); /* called once, from any thread; may be NULL */
};

/* Runs one attempt of one job. `job` and `run` are valid until it returns.
 * Called on up to `concurrency` threads at once. */
typedef struct pawl_verdict pawl_handler_fn(void *context,
                                            const struct pawl_job *job,
                                            struct pawl_run *run);

/* Ready-made verdicts. The text is copied; %-formats as printf. */
PAWL_API struct pawl_verdict pawl_done(void);
PAWL_API struct pawl_verdict pawl_failed(const char *format, ...)
    PAWL_PRINTF(1, 2);
PAWL_API struct pawl_verdict pawl_dead(const char *format, ...) PAWL_PRINTF(1, 2);
PAWL_API struct pawl_verdict pawl_snooze(pawl_duration delay);

/* --- cancellation, seen from the handler ----------------------------------- */

enum pawl_stop_reason {
    PAWL_STOP_NONE = 0,
    PAWL_STOP_TIMEOUT,   /* the attempt's timeout is over; it will be FAILED */
    PAWL_STOP_CANCELLED, /* an operator asked; it will be cancelled, unless the
                            handler answers DONE all the same */
    PAWL_STOP_LOST,      /* the lease is lost: another worker may run it. Stop
                            at once; whatever is answered is dropped */
    PAWL_STOP_SHUTDOWN   /* the worker's grace is over; it will be released,
                            unless the handler answers DONE all the same, within
                            the worker's stop_time */
};

/* Should this attempt stop, and why? Cheap; ask often in long work. */
PAWL_API enum pawl_stop_reason pawl_run_stopped(const struct pawl_run *run);
/* A descriptor that becomes readable when the attempt should stop, for poll().
 * Belongs to the run; do not read, close or hand it to a child. -1 when
 * descriptors are out. */
PAWL_API int pawl_run_fd(struct pawl_run *run);
/* Sleep, but no longer than until the attempt should stop. Answers as
 * pawl_run_stopped. */
PAWL_API enum pawl_stop_reason pawl_run_sleep(struct pawl_run *run,
                                              pawl_duration time);

/* --- the worker -------------------------------------------------------------- */

struct pawl_worker_options {
    int version;               /* PAWL_WORKER_OPTIONS_VERSION */
    const char *const *queues; /* claimed from in turn; NULL: { "default" } */
    size_t queue_count;
    int concurrency; /* handlers at once, 1..1024; 0: 10 */
    pawl_handler_fn *handler;
    void *context;
    pawl_duration lease;   /* 1000..3600000; 0: 30000; renewed at a third. One
                              shorter than two of the handle's deadlines may be
                              lost to a storage that is slow for a while */
    pawl_duration timeout; /* for jobs that have none of their own; 0: none */
    pawl_duration grace;   /* how long a stop waits for running handlers; 0:
                              25000; -1: for ever */
    pawl_duration poll;    /* the net below wake-ups; 0: 250 */
    bool drain;            /* end by itself when none of its queues has a job
                              that is pending, processing or failed; while a Redis
                              is away that is not known, and it goes on */
    pawl_duration stop_time; /* how long a handler may still answer after
                                PAWL_STOP_SHUTDOWN; then its job is released
                                without it, and may run elsewhere while it goes
                                on. 0: 100 */
};
#define PAWL_WORKER_OPTIONS_VERSION 1
#define PAWL_WORKER_OPTIONS_INIT { .version = PAWL_WORKER_OPTIONS_VERSION }

/* Start a worker; returns as soon as its threads run. Everything in `options`
 * is copied. PAWL_EINVAL, PAWL_ENOMEM. *out is yours, to pawl_worker_close(),
 * before the handle it was opened on. */
PAWL_API enum pawl_status pawl_worker_open(struct pawl *pawl,
                                           const struct pawl_worker_options *options,
                                           struct pawl_worker **out,
                                           struct pawl_error *err);

/* Ask the worker to stop: claim no more, give back what has not started, wait
 * `grace` for running handlers, then tell them PAWL_STOP_SHUTDOWN and release
 * their jobs after `stop_time`. A second call ends the grace at once, and leaves
 * 100 ms of the rest. Returns immediately. May be called from any thread, also from a
 * handler; not from a signal handler. */
PAWL_API void pawl_worker_stop(struct pawl_worker *worker);

/* Wait until the worker has ended, because it was stopped or drained. PAWL_OK,
 * or the failure that ended it: a worker outlives a storage that is away, but
 * not one that is damaged or of another format. */
PAWL_API enum pawl_status pawl_worker_wait(struct pawl_worker *worker,
                                           struct pawl_error *err);

struct pawl_worker_counts {
    uint64_t started, completed, failed, dead, snoozed, released, cancelled,
        lost;
    int running; /* handlers right now */
};
PAWL_API void pawl_worker_counts(const struct pawl_worker *worker,
                                 struct pawl_worker_counts *out);

/* Stop if that was not done, wait, free. Waits for handlers to return: one that
 * ignores PAWL_STOP_SHUTDOWN holds it up. NULL is fine. */
PAWL_API void pawl_worker_close(struct pawl_worker *worker);

#ifdef __cplusplus
}
#endif
#endif
