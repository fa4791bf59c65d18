/* migrate_run.c - the passes over the queues, and the proof.
 *
 * A pass moves what is there. Passes go on while jobs are being processed at the
 * source; then one more catches what was written meanwhile, and tells which queues
 * still are.
 */
#include "core/migrate.h"

#include <stdio.h>
#include <string.h>

#include "util/clock.h"

#define LOOK_FIRST 20   /* ms between looks at what is being processed */
#define LOOK_MOST  1000
#define SWEEP_LIMIT 1000
#define CRASHES_MOST 1000000 /* whether a job has crashed too often is a worker's say */

/* --- what a queue is ---------------------------------------------------------------- */

static enum pawl_status alter_there(struct pawl_migration *m,
                                    const struct pawl_alter *in,
                                    struct pawl_error *err)
{
    struct pawl_alter_reply out = { .results = NULL };
    enum pawl_status status = storage_alter(m->to, in, &out, err);

    return status < 0 ? status : PAWL_OK;
}

static struct pawl_retention retention_of(const struct pawl_queue_keep *keep)
{
    return (struct pawl_retention){
        .completed = { keep->completed_age, keep->completed_count },
        .dead = { keep->dead_age, keep->dead_count },
        .cancelled = { keep->cancelled_age, keep->cancelled_count },
    };
}

/* Before its first job: a queue that is paused here must not run there. What the
 * target was told already stays: a pause is handed over with the queue only, in the
 * step that makes it; a retention unless it has one. */
static enum pawl_status hand_over_settings(struct pawl_migration *m, const char *queue,
                                           struct pawl_error *err)
{
    struct pawl_stats *here = NULL, *there = NULL;
    enum pawl_status status = storage_stats(m->from, queue, &here, err);
    struct pawl_alter pause = { .queue = queue, .kind = PAWL_ALTER_PAUSE };
    struct pawl_alter keep = { .queue = queue, .kind = PAWL_ALTER_RETENTION };

    if (status != PAWL_OK)
        return status;
    status = storage_stats(m->to, queue, &there, err);
    if (status == PAWL_NOT_FOUND && here->queues[0].paused)
        status = alter_there(m, &pause, err);
    if (status >= 0 && here->queues[0].has_keep &&
        (!there || !there->queues[0].has_keep)) {
        keep.retention = retention_of(&here->queues[0].keep);
        status = alter_there(m, &keep, err);
    }
    pawl_stats_free(here);
    pawl_stats_free(there);
    return status < 0 ? status : PAWL_OK;
}

/* --- one queue ---------------------------------------------------------------------- */

void migrate_count(struct pawl_migrate_queue *queue, struct relay_counts *counts)
{
    queue->moved += counts->moved;
    queue->merged += counts->merged;
    queue->duplicates += counts->duplicates;
    memset(counts, 0, sizeof *counts);
}

/* Which of the two marks has the first of the held jobs: its batch goes first, as it
 * would have. Among copies that stay held this cannot be seen; then 0. */
static int first_mark(struct pawl_migration *m, const char *queue)
{
    struct pawl_job *held = NULL, *ours = NULL;
    struct pawl_list list = { .queue = queue, .state = PAWL_HELD, .limit = 1 };
    struct pawl_list_reply listed = { .jobs = &held };
    struct pawl_take_out again = { .queue = queue, .mover = m->relays[1].mover,
                                   .kind = PAWL_TAKE_HOLD, .limit = 1 };
    struct pawl_take_out_reply taken = { .jobs = &ours };
    bool is_second = false;

    if (storage_list(m->from, &list, &listed, NULL) == PAWL_OK &&
        listed.job_count > 0 &&
        storage_take_out(m->from, &again, &taken, NULL) == PAWL_OK &&
        taken.job_count > 0)
        is_second = memcmp(&held->id, &ours->id, sizeof held->id) == 0;
    pawl_job_free(held);
    pawl_job_free(ours);
    return is_second;
}

enum pawl_status migrate_resume(struct pawl_migration *m,
                                struct pawl_migrate_queue *queue,
                                struct pawl_error *err)
{
    struct relay_counts counts = { 0 };
    enum pawl_status status = PAWL_OK;
    int first = first_mark(m, queue->name), i;

    m->at_work = queue;
    for (i = 0; i < 2 && status == PAWL_OK; i++) {
        struct relay *relay = &m->relays[first ^ i];
        relay->now = 0;
        status = relay_resume(relay, queue->name, &counts, err);
        m->progress.moved += counts.moved;
        migrate_count(queue, &counts);
    }
    return status;
}

static enum pawl_status pass(struct pawl_migration *m, bool is_last,
                             struct pawl_error *err)
{
    enum pawl_status status = migrate_plan_refresh(m, err);
    size_t i;

    for (i = 0; i < m->plan.queue_count && status == PAWL_OK; i++) {
        struct pawl_migrate_queue *queue = &m->plan.queues[i];
        uint64_t moved = 0;
        status = hand_over_settings(m, queue->name, err);
        if (status == PAWL_OK)
            status = migrate_resume(m, queue, err);
        if (status == PAWL_OK)
            status = migrate_pipe(m, queue, &moved, err);
        queue->is_written = is_last && moved > 0;
    }
    return status;
}

/* --- what is being processed ---------------------------------------------------------- */

static enum pawl_status sweep(struct pawl_migration *m, const char *queue,
                              struct pawl_error *err)
{
    struct pawl_sweep in = { .queue = queue, .limit = SWEEP_LIMIT,
                             .max_crashes = CRASHES_MOST,
                             .retention = { { -1, -1 }, { -1, -1 }, { -1, -1 } } };
    struct pawl_sweep_reply out;

    return storage_sweep(m->from, &in, &out, err);
}

/* How many still run; those whose worker is gone are taken back. */
static enum pawl_status count_running(struct pawl_migration *m, struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    uint64_t running = 0;
    size_t i;

    for (i = 0; i < m->plan.queue_count && status >= 0; i++) {
        const char *queue = m->plan.queues[i].name;
        struct pawl_stats *stats = NULL;
        status = sweep(m, queue, err);
        if (status >= 0)
            status = storage_stats(m->from, queue, &stats, err);
        if (status == PAWL_OK)
            running += stats->queues[0].jobs[PAWL_PROCESSING];
        pawl_stats_free(stats);
    }
    m->progress.awaited = running;
    return status < 0 ? status : PAWL_OK;
}

static void sleep_ms(int64_t ms)
{
    struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&time, NULL);
}

/* Move until nothing of these queues is being processed. */
static enum pawl_status move_all(struct pawl_migration *m, struct pawl_error *err)
{
    bool waits = m->options.states & PAWL_STATE_BIT(PAWL_PROCESSING);
    enum pawl_status status;
    int64_t pause = LOOK_FIRST;

    do {
        status = pass(m, false, err);
        if (status == PAWL_OK && waits)
            status = count_running(m, err);
        if (status == PAWL_OK)
            status = migrate_tick(m, NULL, err);
        if (status != PAWL_OK || m->progress.awaited == 0)
            return status;
        sleep_ms(pause);
        pause = 2 * pause < LOOK_MOST ? 2 * pause : LOOK_MOST;
    } while (true);
}

/* --- the proof -------------------------------------------------------------------------- */

static void print_sum(const struct pawl_digest *sum, char text[65])
{
    int lane;

    for (lane = 0; lane < 8; lane++)
        snprintf(text + 8 * lane, 9, "%08x", (unsigned)sum->lanes[lane]);
}

static enum pawl_status add_tally(struct pawl_storage *storage, const char *queue,
                                  struct pawl_session mover, struct pawl_tally *sum,
                                  struct pawl_error *err)
{
    struct pawl_tally tally;
    enum pawl_status status = storage_tally(storage, queue, mover, false, &tally, err);

    if (status == PAWL_OK) {
        sum->count += tally.count;
        pawl_digest_add(&sum->sum, &tally.sum);
    }
    return status;
}

static enum pawl_status read_sums(struct pawl_migration *m,
                                  struct pawl_migrate_queue *queue,
                                  struct pawl_error *err)
{
    struct pawl_tally left = { 0 }, arrived = { 0 };
    enum pawl_status status = PAWL_OK;
    int i;

    for (i = 0; i < 2 && status == PAWL_OK; i++) {
        struct pawl_session mover = m->relays[i].mover;
        status = add_tally(m->from, queue->name, mover, &left, err);
        if (status == PAWL_OK)
            status = add_tally(m->to, queue->name, mover, &arrived, err);
    }
    if (status != PAWL_OK)
        return status;
    queue->left = left.count;
    queue->arrived = arrived.count;
    print_sum(&left.sum, queue->left_sum);
    print_sum(&arrived.sum, queue->arrived_sum);
    return PAWL_OK;
}

enum pawl_status migrate_prove(struct pawl_migration *m, struct pawl_error *err)
{
    const struct pawl_migrate_queue *wrong = NULL;
    enum pawl_status status = PAWL_OK;
    size_t i;

    for (i = 0; i < m->plan.queue_count && status == PAWL_OK; i++) {
        struct pawl_migrate_queue *queue = &m->plan.queues[i];
        status = read_sums(m, queue, err);
        if (status == PAWL_OK && (queue->left != queue->arrived ||
                                  strcmp(queue->left_sum, queue->arrived_sum) != 0))
            wrong = queue;
    }
    if (status != PAWL_OK || !wrong)
        return status;
    return pawl_error_set(err, PAWL_ECORRUPT,
                          "the proof failed: of '%s' %llu jobs left with the sum "
                          "%.16s..., %llu arrived with %.16s...: keep both storages as "
                          "they are, and report it",
                          wrong->name, (unsigned long long)wrong->left, wrong->left_sum,
                          (unsigned long long)wrong->arrived, wrong->arrived_sum);
}

/* --- the run ------------------------------------------------------------------------------ */

static void merged(void *context, const struct pawl_job *job, struct pawl_id holder)
{
    const struct pawl_migration *m = context;

    if (m->options.merged)
        m->options.merged(m->options.context, job, holder);
}

static enum pawl_status ensure_note(struct pawl_migration *m, enum pawl_status found,
                                    struct pawl_error *err)
{
    if (found == PAWL_OK)
        return PAWL_OK;
    m->note.copy = m->options.copy;
    snprintf(m->note.to, sizeof m->note.to, "%s", m->to->where);
    return migrate_note_write(m->from, &m->clock, &m->note, err);
}

/* Another mark than those of batches under way. */
struct pawl_session migrate_mark(const struct pawl_migration *m, uint8_t which)
{
    struct pawl_session mark = m->note.mover;

    mark.b[sizeof mark.b - 1] ^= which;
    return mark;
}

void migrate_prepare(struct pawl_migration *m)
{
    m->kept = migrate_mark(m, 1);
    m->relays[0] = (struct relay){
        .from = m->from,
        .to = m->to,
        .mover = m->note.mover,
        .states = m->options.states & ~PAWL_STATE_BIT(PAWL_PROCESSING),
        .limit = RELAY_BATCH_MAX,
        .clock = &m->clock,
        .prove = true,
        .kept = m->options.copy ? &m->kept : NULL,
        .merged = merged,
        .check = m->options.verify ? migrate_verify : NULL,
        .context = m,
    };
    m->relays[1] = m->relays[0];
    m->relays[1].mover = migrate_mark(m, 4);
}

enum pawl_status pawl_migrate_run(struct pawl_migration *m, struct pawl_error *err)
{
    enum pawl_status status = migrate_begin(m, err);

    if (status == PAWL_OK || status == PAWL_NOT_FOUND)
        status = ensure_note(m, status, err);
    if (status == PAWL_OK) {
        migrate_prepare(m);
        status = move_all(m, err);
    }
    if (status == PAWL_OK)
        status = pass(m, true, err);
    if (status == PAWL_OK)
        status = migrate_prove(m, err);
    m->told_at = 0;
    if (status == PAWL_OK)
        status = migrate_tick(m, NULL, err);
    migrate_end(m, status == PAWL_OK && !m->options.copy);
    return status;
}
