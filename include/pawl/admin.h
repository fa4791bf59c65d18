/* pawl/admin.h - looking at jobs and moving them by hand.
 *
 * All calls here may be made from any thread, block for at most the handle's
 * deadline, and answer PAWL_EUNREACHABLE when the storage is away. Where there is a
 * spool for that time, they answer for what is in the spool: PAWL_SPOOLED instead
 * of PAWL_OK says that this is not all there is.
 */
#ifndef PAWL_ADMIN_H
#define PAWL_ADMIN_H

#include "pawl/job.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pawl;

/* --- one job, many jobs --------------------------------------------------- */

/* Look a job up by its id alone. *out is yours, to pawl_job_free().
 * PAWL_NOT_FOUND: never there, removed, or trimmed by retention.
 * PAWL_EUNREACHABLE: also when it is not in the spool, and the primary is away. */
PAWL_API enum pawl_status pawl_get(struct pawl *pawl, struct pawl_id id,
                                   struct pawl_job **out,
                                   struct pawl_error *err);

#define PAWL_CURSOR_TEXT 64

/* Which jobs. Zero-initialise. */
struct pawl_filter {
    const char *queue;      /* NULL: "default" */
    enum pawl_state state;  /* 0: every state, in the order of the enum */
    const char *type;       /* NULL: any */
    pawl_duration older_than; /* finished (else enqueued) longer ago; 0: any */
};

struct pawl_page {
    struct pawl_job **jobs; /* each with payload, result and errors */
    size_t job_count;
    char next[PAWL_CURSOR_TEXT]; /* "" when nothing follows */
};

/* One page in the state's own order: pending in run order, scheduled and failed
 * by time, finished newest first. `limit` 1..500; `after` is an earlier page's
 * `next`, or NULL. A page may be short although more follows: go by `next`.
 * PAWL_SPOOLED: the primary is away, and these are the spool's jobs alone; a cursor
 * from before leads to the first of them then. While the spool drains they follow those
 * of the primary.
 * PAWL_EINVAL: a bad cursor. Free with pawl_page_clear(), also after failure.
 * older_than does not apply. */
PAWL_API enum pawl_status pawl_list(struct pawl *pawl,
                                    const struct pawl_filter *filter,
                                    size_t limit, const char *after,
                                    struct pawl_page *out,
                                    struct pawl_error *err);
PAWL_API void pawl_page_clear(struct pawl_page *page);

/* --- moving jobs ----------------------------------------------------------- */

enum pawl_action {
    PAWL_ACTION_RETRY,   /* failed, dead, cancelled -> pending, attempts from 0 */
    PAWL_ACTION_CANCEL,  /* waiting, scheduled, pending, failed -> cancelled;
                     processing: its handler is asked to stop */
    PAWL_ACTION_REMOVE,  /* anything but processing and held: deleted */
    PAWL_ACTION_PROMOTE, /* scheduled, failed -> pending now, attempts as they are */
    PAWL_ACTION_REPRIORITISE /* scheduled, pending, failed: new priority */
};

struct pawl_alteration {
    enum pawl_action action;
    int priority; /* REPRIORITISE: 1..10 */
};

/* Act on the named jobs. results[id_count] is yours: OK, NOT_FOUND,
 * WRONG_STATE, or KEY_TAKEN (retry of a job whose unique key another holds).
 * Every id is tried, as long as the deadline allows; one whose storage is away gets
 * PAWL_EUNREACHABLE, and so does the call. Doing it again finds nothing left to do. */
PAWL_API enum pawl_status pawl_alter(struct pawl *pawl,
                                     const struct pawl_alteration *what,
                                     const struct pawl_id *ids, size_t id_count,
                                     enum pawl_status *results,
                                     struct pawl_error *err);
/* Act on every job that matches, in batches, each of them one atomic step;
 * *changed counts them, also after a failure half-way. PAWL_NOT_FOUND: there is
 * no such queue. PAWL_SPOOLED: done with what is in the spool; the primary, which
 * is away, may hold more. */
PAWL_API enum pawl_status pawl_alter_where(struct pawl *pawl,
                                           const struct pawl_alteration *what,
                                           const struct pawl_filter *filter,
                                           size_t *changed,
                                           struct pawl_error *err);

/* --- queues ---------------------------------------------------------------- */

/* After this returned, nothing is claimed from the queue until resume; what
 * runs goes on. A queue need not exist yet. PAWL_SPOOLED: the primary is away; it
 * holds for this host as long as that lasts. */
PAWL_API enum pawl_status pawl_pause(struct pawl *pawl, const char *queue,
                                     struct pawl_error *err);
PAWL_API enum pawl_status pawl_resume(struct pawl *pawl, const char *queue,
                                      struct pawl_error *err);

/* How long finished jobs stay: age -1 or count -1 for ever, 0 not at all. */
struct pawl_queue_keep {
    pawl_duration completed_age, dead_age, cancelled_age;
    int64_t completed_count, dead_count, cancelled_count;
};
/* Set it for one queue, in the storage, for everybody. */
PAWL_API enum pawl_status pawl_keep(struct pawl *pawl, const char *queue,
                                    const struct pawl_queue_keep *keep,
                                    struct pawl_error *err);

/* Which of two storages is in use, where there is a primary and a local spool for
 * the time when it cannot be reached. See docs/outage.md. */
enum pawl_mode {
    PAWL_MODE_PRIMARY = 0,  /* all is well; also where there is no spool */
    PAWL_MODE_SPOOLING = 1, /* the primary is away: new jobs are kept here */
    PAWL_MODE_DRAINING = 2  /* it is back, and gets what was kept */
};
/* "primary", "spooling", "draining"; "?" for a number that is no mode. */
PAWL_API const char *pawl_mode_name(enum pawl_mode mode);

struct pawl_queue_stats {
    const char *name;
    bool paused;
    uint64_t jobs[PAWL_STATE_COUNT]; /* by state */
    uint64_t completed_total, failed_total, dead_total; /* since ever */
    pawl_duration oldest_pending; /* -1: none pending */
    bool has_keep;               /* pawl_keep() was called for it: */
    struct pawl_queue_keep keep; /* this is what it said */
};
struct pawl_stats {
    struct pawl_queue_stats *queues; /* sorted by name */
    size_t queue_count;
    enum pawl_mode mode; /* SPOOLING: the counts are those of the spool alone;
                            DRAINING: of both, and what is on its way is held */
    bool fallback;       /* there is a spool */
    uint64_t spooled;    /* what waits in it, about: unfinished jobs, and outcomes
                            of jobs that the primary handed out */
    uint64_t spooled_running; /* those of them that run on this host now: they go
                                 over when they end */
    uint64_t set_aside;  /* calls in it that cannot be made, and need a person: they are
                            damaged, or too old; docs/outage.md */
};
/* Counts of every queue, or of the one named (PAWL_NOT_FOUND if it does not
 * exist). *out is yours, to pawl_stats_free(). Counting is exact and reads an
 * index: 66 to 107 ms for a million jobs, measured on SQLite with two cores. */
PAWL_API enum pawl_status pawl_stats(struct pawl *pawl, const char *queue,
                                     struct pawl_stats **out,
                                     struct pawl_error *err);
PAWL_API void pawl_stats_free(struct pawl_stats *stats);

/* --- the storage ------------------------------------------------------------ */

#define PAWL_HEALTH_WARNINGS 8
#define PAWL_HEALTH_DETAILS 16

struct pawl_health_detail { /* what is worth knowing of this kind of storage */
    char name[24];   /* "role" */
    char value[128]; /* "master" */
};

struct pawl_health_warning {
    bool standing; /* as true tomorrow, like an engine's age: good to know, but
                      nothing that happened */
    char text[200]; /* one line */
};

struct pawl_health {
    char storage[16];    /* "sqlite" */
    char where[1024];    /* path or host, never a password */
    char engine[64];     /* "sqlite 3.40.1" */
    char durability[16]; /* "full" */
    int64_t round_trip_us;
    int64_t size_bytes; /* of the store: file or memory */
    int64_t free_bytes; /* of these: what a file has free for jobs to come */
    int64_t jobs_a_day; /* finished, on average since the store was made, of which the
                           first day counts whole; 0: none, or not known */
    char rights[1536]; /* the least that the engine must allow us, as a line for
                          its own settings; "" where there is no such thing */
    enum pawl_mode mode;
    int detail_count;
    struct pawl_health_detail details[PAWL_HEALTH_DETAILS];
    int warning_count;
    struct pawl_health_warning warnings[PAWL_HEALTH_WARNINGS];
};
/* Ask the storage how it is. OK with warnings, or why it cannot be used. While the
 * primary is away: OK, what is said of engine and durability is the spool's, and a
 * warning tells since when and why. */
PAWL_API enum pawl_status pawl_health(struct pawl *pawl,
                                      struct pawl_health *out,
                                      struct pawl_error *err);

#ifdef __cplusplus
}
#endif
#endif
