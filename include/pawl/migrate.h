/* pawl/migrate.h - all jobs of one storage to another, once, and the proof.
 *
 * A migration goes from a storage that exists to any other, in either direction,
 * while producers and workers run on both sides. Whoever runs it may be killed at
 * any moment: run it again with the same two storages and it goes on. It keeps a
 * note of itself at the source until it is done, so two cannot get in each other's
 * way, and nobody can begin another one in between.
 *
 *     struct pawl_migrate_options options = { .from = "sqlite:", .to = url };
 *     struct pawl_migration *migration = NULL;
 *     enum pawl_status status = pawl_migrate_open(&options, &migration, &err);
 *     if (status == PAWL_OK)
 *         show(pawl_migrate_plan(migration));
 *     if (status == PAWL_OK)
 *         status = pawl_migrate_run(migration, &err);
 *     pawl_migrate_close(migration);
 *
 * One thread at a time may use a migration. Calls block for as long as it takes;
 * `progress` is how to stop one.
 */
#ifndef PAWL_MIGRATE_H
#define PAWL_MIGRATE_H

#include "pawl/admin.h"
#include "pawl/job.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pawl_clock;
struct pawl_migration;

struct pawl_migrate_progress {
    const char *queue;    /* the one at work; NULL: none */
    uint64_t moved, total; /* jobs, over all queues; the latter as planned */
    uint64_t awaited;      /* processing jobs that are waited for */
    const char *holder;    /* another migration, on another host, which may have died:
                              it is waited for, 12 s at most; NULL: none */
};
/* Several times a second at most. False: stop, between two batches; the call answers
 * PAWL_ECLOSED, and running it again goes on. */
typedef bool pawl_migrate_progress_fn(void *context,
                                      const struct pawl_migrate_progress *progress);
/* A job whose unique key `holder` has at the target: it arrived as cancelled. Told
 * again when a batch is repeated. Maybe on a thread of the library's, never on two at
 * once. */
typedef void pawl_migrate_merged_fn(void *context, const struct pawl_job *job,
                                    struct pawl_id holder);

/* Zero-initialise, and set from and to. */
struct pawl_migrate_options {
    const char *from, *to; /* URLs as for pawl_open; borrowed until close */
    const char *const *queues; /* only these; borrowed until close */
    size_t queue_count;        /* 0: every queue */
    unsigned states; /* PAWL_STATE_BITs; 0: scheduled, pending, processing, failed.
                        With processing: waits for those jobs to end */
    bool copy;       /* jobs stay held at the source until finalize or rollback */
    bool verify;     /* read each job back at the target before it goes here */
    pawl_duration deadline; /* of one storage call; 0: 30000 */
    pawl_migrate_progress_fn *progress;
    pawl_migrate_merged_fn *merged;
    void *context; /* of both */
    const struct pawl_clock *clock; /* NULL: the machine's. For tests */
};

struct pawl_migrate_queue {
    const char *name;
    bool is_there;                    /* the target has it already */
    uint64_t here[PAWL_STATE_COUNT];  /* jobs by state when it was planned, at the */
    uint64_t there[PAWL_STATE_COUNT]; /* source and at the target */
    uint64_t moves;                   /* of those here, by their states */
    /* What came of it: zeroes before the run. */
    uint64_t moved;      /* jobs that arrived */
    uint64_t merged;     /* of them: their key was held */
    uint64_t duplicates; /* were there already; theirs stayed */
    uint64_t verified;   /* read back as they went */
    uint64_t unseen;     /* not there any more to be read back: done and trimmed */
    bool is_written;     /* at the very end jobs still came at the source, or ran */
    /* The proof: how many left and arrived in this migration, whoever ran it, and the
     * sums of their digests in hex. */
    uint64_t left, arrived;
    char left_sum[65], arrived_sum[65];
};

#define PAWL_MIGRATE_PROBLEMS 64
struct pawl_migrate_problem {
    bool is_fatal; /* it would be refused */
    char text[248];
};

struct pawl_migrate_plan {
    const char *from, *to; /* where they are, for people; never a password */
    bool is_new;           /* there is no store at the target yet: it will be made */
    bool is_resumed;       /* goes on with one that was not finished */
    bool is_unfinished;    /* after a run of some queues: a batch of another one is
                              still under way from before. Run it for that, too */
    struct pawl_migrate_queue *queues; /* sorted by name */
    size_t queue_count;
    size_t problem_count; /* beyond what is in the array nothing is told */
    struct pawl_migrate_problem problems[PAWL_MIGRATE_PROBLEMS];
};

/* Open both storages and look what there is; neither is changed or made. PAWL_EINVAL:
 * the same storage twice, or a bad URL or option. PAWL_NOT_FOUND: no store at the
 * source, or no such queue in it. Others as for pawl_open. */
PAWL_API enum pawl_status pawl_migrate_open(const struct pawl_migrate_options *options,
                                            struct pawl_migration **out,
                                            struct pawl_error *err);
/* Valid until close; calls below fill in what came of it. */
PAWL_API const struct pawl_migrate_plan *
pawl_migrate_plan(const struct pawl_migration *migration);
/* Move, or copy. PAWL_EDENIED: something of the plan forbids it, or another migrator
 * is at work. PAWL_ECORRUPT: the sums differ. After any failure the jobs are whole,
 * and it can be run again. */
PAWL_API enum pawl_status pawl_migrate_run(struct pawl_migration *migration,
                                           struct pawl_error *err);
/* What a copy left held at the source: delete it, after the proof, */
PAWL_API enum pawl_status pawl_migrate_finalize(struct pawl_migration *migration,
                                                struct pawl_error *err);
/* or take it back: what nobody touched at the target is removed there and released
 * here; what was touched lives there. The queues are paused at the target, and stay
 * so. `moved` counts what came back, `duplicates` what stayed there. Once begun, only
 * this can go on (PAWL_EDENIED), and all queues come back (PAWL_EINVAL: some were
 * named). PAWL_NOT_FOUND of both: there is no copy. */
PAWL_API enum pawl_status pawl_migrate_rollback(struct pawl_migration *migration,
                                                struct pawl_error *err);
/* NULL is fine. */
PAWL_API void pawl_migrate_close(struct pawl_migration *migration);

/* --- whole jobs from elsewhere, as from a backup ------------------------------ */

struct pawl;

/* Could it be imported? PAWL_EINVAL: err->message begins with the name of the field
 * that is wrong, as struct pawl_job has it. */
PAWL_API enum pawl_status pawl_job_check(const struct pawl_job *job,
                                         struct pawl_error *err);
/* Store whole jobs with all that they went through; those of one queue that stand
 * together in one atomic step. A processing or held one comes in as pending. Nothing
 * is stored if one of them is wrong. results[count] is yours: OK; DUPLICATE, there
 * already; KEY_TAKEN: its unique key is that of the job whose id comes back, and it
 * was stored as cancelled, without its key. After a failure some may be stored:
 * importing them again stores the others. */
PAWL_API enum pawl_status pawl_import(struct pawl *pawl,
                                      const struct pawl_job *const *jobs, size_t count,
                                      struct pawl_put_result *results,
                                      struct pawl_error *err);

/* Of `queue` name, paused, has_keep and keep are looked at, as stats tell them.
 * PAWL_EINVAL as from pawl_job_check(). */
PAWL_API enum pawl_status pawl_queue_check(const struct pawl_queue_stats *queue,
                                           struct pawl_error *err);
/* Tell a queue what it was told before, to be called before its first job is imported:
 * it is paused if it is not there yet, and gets the retention if it has none. PAWL_OK:
 * something of it was told; PAWL_DUPLICATE: nothing was, what is there stays. */
PAWL_API enum pawl_status pawl_import_queue(struct pawl *pawl,
                                            const struct pawl_queue_stats *queue,
                                            struct pawl_error *err);

#ifdef __cplusplus
}
#endif
#endif
