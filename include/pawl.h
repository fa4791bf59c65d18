/* pawl.h - a background-job queue in your program.
 *
 * The model in ten lines
 * ----------------------
 * A *job* is a payload in a *queue*, with an id that never changes. pawl_enqueue
 * stores it. A *worker* claims pending jobs, leases each for 30 s and renews the
 * lease while its *handler* runs. The handler's verdict completes the job, fails
 * it (it runs again after a backoff, or is dead after its last attempt), or
 * snoozes it. Jobs live in a *storage* that the URL names: one SQLite file by
 * default, with nothing to configure.
 *
 * A program
 * ---------
 *     #include <pawl.h>
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *         struct pawl_error err = { 0 };
 *         struct pawl *pawl = NULL;
 *         if (pawl_open(NULL, NULL, &pawl, &err) != PAWL_OK)
 *             return fprintf(stderr, "%s\n", err.message), 1;
 *         struct pawl_new_job job = { .queue = "mail", .payload = "hello",
 *                                     .payload_size = 5 };
 *         enum pawl_status status = pawl_enqueue(pawl, &job, NULL, &err);
 *         pawl_close(pawl);
 *         if (status < 0) // PAWL_SPOOLED, while a Redis is away, is stored too
 *             return fprintf(stderr, "%s\n", err.message), 1;
 *         return 0;
 *     }
 *
 * What is promised
 * ----------------
 * An enqueue that returned PAWL_OK, or PAWL_SPOOLED while a Redis is away, is durable
 * at the storage's named level and happened once. Every job runs at least once.
 * Exactly one attempt's completion is accepted. A handler that needs its effects
 * outside to happen exactly once hands (id, epoch) to the outside system as a
 * fencing token.
 *
 * Threads, forks, signals
 * -----------------------
 * A struct pawl may be used by any number of threads at once; calls made at once
 * are combined into one storage call. After fork() a child must not use its
 * parent's handle: every call answers PAWL_EFORKED. It may open one of its own;
 * if the parent had threads (a worker has), after exec only, as with any library.
 * The library installs no signal handlers; its threads block all signals.
 *
 * Memory, errors, logs
 * --------------------
 * Inputs are copied or used up before a call returns, pawl_submit included.
 * Every fallible call answers a status, below 0 for a failure, and fills the error
 * you hand in. Out parameters are written on success only. The library never
 * prints: give options.log a function to hear of what goes on inside.
 *
 * Compatibility
 * -------------
 * Structs you fill are zero-initialised by you and grow at the end; zero always
 * means the default.
 */
#ifndef PAWL_H
#define PAWL_H

#include "pawl/admin.h"
#include "pawl/job.h"
#include "pawl/status.h"
#include "pawl/worker.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PAWL_VERSION "0.1.0"
/* The version of the library at run time. */
PAWL_API const char *pawl_version(void);

enum pawl_log_level { PAWL_LOG_DEBUG, PAWL_LOG_INFO, PAWL_LOG_WARN, PAWL_LOG_ERROR };
/* `id` is a stable name of the event ("lease-lost"), `text` one line for a
 * person. Called from any thread, and never twice at once for one handle. Must
 * not call pawl. */
typedef void pawl_log_fn(void *context, enum pawl_log_level level, const char *id,
                         const char *text);

/* What a program may want to react to, beyond the log. */
enum pawl_event_kind {
    PAWL_EVENT_MODE,         /* the primary went away, or is back: `mode` */
    PAWL_EVENT_KEY_MERGED,   /* a job that was spooled found its unique key held by
                                `holder` at the primary: it is cancelled there */
    PAWL_EVENT_STORE_CHANGED /* the primary is back, emptied or another one */
};
struct pawl_event {
    enum pawl_event_kind kind;
    enum pawl_mode mode;
    struct pawl_id id, holder; /* KEY_MERGED; zero otherwise */
    const char *queue;         /* KEY_MERGED; "" otherwise */
    const char *text;          /* one line for a person; valid during the call */
};
/* Called from any thread, and never twice at once for one handle. Must not call
 * pawl. */
typedef void pawl_event_fn(void *context, const struct pawl_event *event);

struct pawl_options {
    int version;            /* PAWL_OPTIONS_VERSION */
    pawl_duration deadline; /* the longest a storage call may block; 0: 10000. An
                               enqueue that is sent again may take three times as
                               long, and five times behind another one that is */
    size_t payload_max;     /* 0: PAWL_PAYLOAD_MAX */
    struct pawl_queue_keep keep; /* all zero: completed and cancelled 24 h and
                                    1,000, dead 7 d and 5,000 */
    bool must_exist;             /* do not create a missing store */
    pawl_log_fn *log;            /* NULL: silent */
    void *log_context;
    const struct pawl_clock *clock; /* NULL: the machine's. For tests; see
                                       pawl/storage.h */
    pawl_event_fn *event; /* NULL: not told; context: log_context */
    bool urgent; /* after an outage: look for the primary at once, and drain without
                    a limit of rate; `pawl drain` does */
    bool brief;  /* the handle is closed again after a call or two, as by a command in a
                    shell: during an outage it starts no thread for what is not due,
                    and looks for the primary for 400 ms at most, nearly always */
};
#define PAWL_OPTIONS_VERSION 1
#define PAWL_OPTIONS_INIT { .version = PAWL_OPTIONS_VERSION }

/* Open a storage.
 *
 * url: "sqlite:PATH", "sqlite:" (the default file), "memory:NAME" (shared by the
 * handles of this process, gone with the last of them), or a Redis:
 * "redis://USER:PASSWORD@HOST:PORT/DB", "rediss://", "redis+unix://",
 * "redis-sentinel://", "redis-cluster://", see pawl(1). NULL: $PAWL_URL if set and
 * not empty, else what $JOB_QUEUE_STORAGE chooses ("redis" takes $REDIS_HOST and its
 * like into account), else "sqlite:". The default file is
 * $XDG_STATE_HOME/pawl/pawl.db, or ~/.local/state/pawl/pawl.db; it and its
 * folder are made if missing, for this user only. Options follow a "?":
 * sqlite:PATH?durability=normal|full. "trace+" in front of a scheme reports
 * every storage call to the log at debug level.
 *
 * Behind a Redis there is a local spool for the time when it cannot be reached, now
 * or later: "?fallback=URL" says where, "?fallback=off" does without. See
 * docs/outage.md, and pawl(1) for the options. The calls that are made then answer
 * PAWL_SPOOLED where they would have answered PAWL_OK.
 *
 * options: NULL for the defaults; copied.
 *
 * PAWL_OK: *out is yours, to pawl_close(). PAWL_EINVAL: bad URL or options.
 * PAWL_EDENIED, PAWL_EFORMAT, PAWL_ECORRUPT, PAWL_EUNREACHABLE, PAWL_EIO: the
 * store cannot be used, and err->message says why. A Redis that is away is no
 * failure as long as the spool can be used. PAWL_NOT_FOUND: must_exist
 * and it does not. */
PAWL_API enum pawl_status pawl_open(const char *url,
                                    const struct pawl_options *options,
                                    struct pawl **out, struct pawl_error *err);

/* Finish what was submitted, then free everything. NULL is fine. Close the
 * handle's workers first. In a forked child: frees nothing, does nothing. */
PAWL_API void pawl_close(struct pawl *pawl);

/* Where the jobs are: a path or host, never a password. Valid until close. */
PAWL_API const char *pawl_where(const struct pawl *pawl);

/* Store one job. id: NULL, or filled with the job's id; on KEY_TAKEN with that
 * of the job that holds the key; on PAWL_EUNKNOWN with the id to repeat the call
 * with. Blocks until the job is durable.
 *
 * PAWL_OK, PAWL_DUPLICATE (a job with the id you gave exists), PAWL_KEY_TAKEN.
 * PAWL_SPOOLED: durable in the local spool, with this id, as good as stored; it goes
 * to the primary when that is back, or runs here meanwhile.
 * PAWL_EINVAL: names the field that is wrong. PAWL_EFULL, PAWL_ETIMEOUT,
 * PAWL_EUNREACHABLE: certainly not stored. PAWL_EUNKNOWN: call again with
 * job.id = *id; however often that is done, there will be one job. */
PAWL_API enum pawl_status pawl_enqueue(struct pawl *pawl,
                                       const struct pawl_new_job *job,
                                       struct pawl_id *id,
                                       struct pawl_error *err);

/* Store many jobs, in order; faster than one by one. The jobs of one queue are
 * stored all or none, as long as there are no more than 10,000 of them with 64
 * MiB of payload; those of several queues, queue by queue. results[count]: each job's own outcome.
 *
 * PAWL_OK: look at results. PAWL_EINVAL: a job is wrong, nothing was stored, and
 * the message tells its index. Another failure: the first queue's that failed;
 * results tell which jobs were stored. */
PAWL_API enum pawl_status pawl_enqueue_many(struct pawl *pawl,
                                            const struct pawl_new_job *jobs,
                                            size_t count,
                                            struct pawl_put_result *results,
                                            struct pawl_error *err);

/* Called once for each submitted job, on a thread of the library, when its
 * outcome is known. `err` is valid during the call. May call pawl_submit; must
 * not call anything else of pawl, nor block. */
typedef void pawl_submit_fn(void *context, const struct pawl_put_result *result,
                            const struct pawl_error *err);

/* Store one job without waiting: copies it, returns, and calls `done` (may be
 * NULL) later. One thread can have many in flight, and all that are share a
 * commit or a round trip. Blocks only while 65,536 jobs or 64 MiB are in
 * flight. PAWL_OK: done will be called. PAWL_EINVAL, PAWL_ENOMEM,
 * PAWL_ECLOSED: it will not. */
PAWL_API enum pawl_status pawl_submit(struct pawl *pawl,
                                      const struct pawl_new_job *job,
                                      pawl_submit_fn *done, void *context,
                                      struct pawl_error *err);

/* Wait until everything submitted before this call has its outcome. */
PAWL_API void pawl_flush(struct pawl *pawl);

#ifdef __cplusplus
}
#endif
#endif
