/* migrate.h - what a migration is, inside.
 *
 * It is built on relay.h, which moves one batch exactly once, and adds what makes
 * many batches a migration: one migrator at a time (migrate_lock.c), a note at the
 * source that outlives it (migrate_note.c), the plan (migrate_plan.c), the passes
 * and the proof (migrate_run.c), and what becomes of a copy (migrate_copy.c).
 */
#ifndef PAWL_CORE_MIGRATE_H
#define PAWL_CORE_MIGRATE_H

#include "core/migrate_lock.h"
#include "core/migrate_note.h"
#include "pawl/migrate.h"
#include "storage/relay.h"

struct pawl_migration {
    struct pawl_migrate_options options;
    struct pawl_clock clock;
    struct pawl_storage *from, *to; /* `to` is NULL while there is no store */
    struct pawl_migrate_plan plan;
    struct migrate_lock lock; /* at `from`, while one of the calls runs */
    struct migrate_note note;
    struct relay relays[2]; /* alike, but for their marks: see migrate_pipe.c */
    struct pawl_session kept; /* the mark of copies that have arrived */
    struct pawl_migrate_queue *at_work; /* a pointer into the plan; for verifying */
    struct pawl_migrate_progress progress;
    int64_t told_at; /* when progress was, in ms of the steady clock */
};

/* Look at both sides and fill in the plan. */
enum pawl_status migrate_plan_make(struct pawl_migration *m, struct pawl_error *err);
/* Queues that were made at the source meanwhile come into it, too. */
enum pawl_status migrate_plan_refresh(struct pawl_migration *m, struct pawl_error *err);
/* Tell of ids and keys that are on both sides. */
enum pawl_status migrate_conflicts_find(struct pawl_migration *m,
                                        const struct pawl_migrate_queue *queue,
                                        struct pawl_error *err);
/* Add to the plan. */
void migrate_problem(struct pawl_migration *m, bool is_fatal, const char *format, ...)
    PAWL_PRINTF(3, 4);

enum migrate_act { MIGRATE_RUN, MIGRATE_FINALIZE, MIGRATE_ROLLBACK };
/* May this be done while there is that note? EDENIED: what was begun before is something
 * else, and comes first. */
enum pawl_status migrate_check_note(const struct pawl_migration *m,
                                    const struct migrate_note *note,
                                    enum migrate_act act, struct pawl_error *err);
/* Begin a call: the lock taken, the note read and checked, the target made. NOT_FOUND:
 * there is no note; then only a run has a target. */
enum pawl_status migrate_begin(struct pawl_migration *m, enum migrate_act act,
                               struct pawl_error *err);
/* End it. `done`: nothing is left of the migration, not even its note. */
void migrate_end(struct pawl_migration *m, bool done);
/* Between two steps: see that the lock is still ours, tell how far it is. */
enum pawl_status migrate_tick(struct pawl_migration *m,
                              const struct pawl_migrate_queue *queue,
                              struct pawl_error *err);
void migrate_sleep(int64_t ms);
/* Read a job back at the target, and count it for m->at_work. PAWL_ECORRUPT: it is
 * not what was handed over. A relay's check. */
enum pawl_status migrate_verify(void *migration, const struct pawl_job *job,
                                struct pawl_error *err);
/* The mark of what is not under way but kept, of which there are several. */
struct pawl_session migrate_mark(const struct pawl_migration *m, uint8_t which);
/* Set up the relays, when the note is there. */
void migrate_prepare(struct pawl_migration *m);
/* What an earlier run held of this queue goes first. */
enum pawl_status migrate_resume(struct pawl_migration *m,
                                struct pawl_migrate_queue *queue,
                                struct pawl_error *err);
/* All that is there of the states that move. *moved is added to. */
enum pawl_status migrate_pipe(struct pawl_migration *m,
                              struct pawl_migrate_queue *queue, uint64_t *moved,
                              struct pawl_error *err);
void migrate_count(struct pawl_migrate_queue *queue, struct relay_counts *counts);
/* Read the sums of all queues. PAWL_ECORRUPT: they differ. */
enum pawl_status migrate_prove(struct pawl_migration *m, struct pawl_error *err);

#endif
