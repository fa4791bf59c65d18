/* migrate_run.c - the passes over the queues, and the proof.
 *
 * A pass moves what is there. Passes go on while jobs that were being processed after
 * the first still are; then one more catches what was written meanwhile, and tells
 * which queues are still in use.
 */
#include "core/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/migrate_running.h"
#include "core/settings.h"

#define LOOK_FIRST 20   /* ms between looks at what is being processed */
#define LOOK_MOST  1000
#define HELD_PAGE   500

static enum pawl_status hand_over_settings(struct pawl_migration *m, const char *queue,
                                           struct pawl_error *err)
{
    struct pawl_stats *here = NULL;
    enum pawl_status status = storage_stats(m->from, queue, &here, err);
    bool given;

    if (status == PAWL_OK)
        status = settings_give(m->to, &here->queues[0], &given, err);
    pawl_stats_free(here);
    return status;
}

/* --- one queue ---------------------------------------------------------------------- */

void migrate_count(struct pawl_migrate_queue *queue, struct relay_counts *counts)
{
    queue->moved += counts->moved;
    queue->merged += counts->merged;
    queue->duplicates += counts->duplicates;
    memset(counts, 0, sizeof *counts);
}

/* The first job that a batch under this mark has. NOT_FOUND: it has none. */
static enum pawl_status first_of(struct pawl_migration *m, const char *queue, int mark,
                                 struct pawl_id *out, struct pawl_error *err)
{
    struct pawl_job *job = NULL;
    struct pawl_take_out in = { .queue = queue, .mover = m->relays[mark].mover,
                                .kind = PAWL_TAKE_HOLD, .limit = 1 };
    struct pawl_take_out_reply reply = { .jobs = &job };
    enum pawl_status status = storage_take_out(m->from, &in, &reply, err);

    if (status < 0 || reply.job_count == 0)
        return status < 0 ? status : PAWL_NOT_FOUND;
    *out = job->id;
    pawl_job_free(job);
    return PAWL_OK;
}

struct first {
    struct pawl_migration *m;
    struct pawl_id ids[2]; /* of the first jobs of two batches */
    int mark;              /* whose is before the other's */
    enum pawl_status status;
    struct pawl_error *err;
};

/* Copies that have arrived, of which there may be many, are passed over. */
static bool is_neither(void *context, const struct pawl_job *job)
{
    struct first *first = context;
    int i;

    for (i = 0; i < 2; i++)
        if (memcmp(&job->id, &first->ids[i], sizeof job->id) == 0) {
            first->mark = i;
            return false;
        }
    first->status = migrate_tick(first->m, NULL, first->err);
    return first->status == PAWL_OK;
}

/* Of two batches that were under way the one that was held first goes first, as it
 * would have. */
static enum pawl_status first_mark(struct pawl_migration *m, const char *queue,
                                   int *mark, struct pawl_error *err)
{
    struct first first = { .m = m, .err = err };
    struct storage_walk held = { .storage = m->from, .queue = queue, .page = HELD_PAGE,
                                 .visit = is_neither, .context = &first };
    enum pawl_status status = first_of(m, queue, 0, &first.ids[0], err);

    if (status == PAWL_OK)
        status = first_of(m, queue, 1, &first.ids[1], err);
    if (status == PAWL_OK)
        status = storage_walk(&held, PAWL_HELD, err);
    *mark = first.mark;
    if (status == PAWL_OK)
        status = first.status;
    return status == PAWL_NOT_FOUND ? PAWL_OK : status;
}

enum pawl_status migrate_resume(struct pawl_migration *m,
                                struct pawl_migrate_queue *queue,
                                struct pawl_error *err)
{
    struct relay_counts counts = { 0 };
    int first, i;
    enum pawl_status status = first_mark(m, queue->name, &first, err);

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

static bool waits(const struct pawl_migration *m)
{
    return m->options.states & PAWL_STATE_BIT(PAWL_PROCESSING);
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
        queue->is_written = is_last && (moved > 0 || (waits(m) &&
                                                      queue->here[PAWL_PROCESSING] > 0));
    }
    return status;
}

/* Move what is there, then until what was being processed by that time is done. What is
 * claimed later is not waited for: workers at the source may go on as long as they
 * like. */
static enum pawl_status move_all(struct pawl_migration *m, struct pawl_error *err)
{
    struct migrate_running running = { NULL };
    enum pawl_status status = pass(m, false, err);
    int64_t pause = LOOK_FIRST;

    if (status == PAWL_OK && waits(m))
        status = migrate_running_note(m, &running, err);
    while (status == PAWL_OK) {
        m->progress.awaited = running.count;
        status = migrate_tick(m, NULL, err);
        if (status != PAWL_OK || running.count == 0)
            break;
        migrate_sleep(pause);
        pause = 2 * pause < LOOK_MOST ? 2 * pause : LOOK_MOST;
        status = migrate_running_look(m, &running, err);
        if (status == PAWL_OK)
            status = pass(m, false, err);
    }
    free(running.jobs);
    return status;
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

/* An earlier run may have died over a queue that this one was not told to move: its
 * batch can be found again only as long as the note is there. */
static enum pawl_status look_elsewhere(struct pawl_migration *m, struct pawl_error *err)
{
    struct pawl_stats *stats = NULL;
    enum pawl_status status = PAWL_OK;
    struct pawl_id id;
    size_t i;

    m->plan.is_unfinished = false;
    if (m->options.queue_count > 0)
        status = storage_stats(m->from, NULL, &stats, err);
    for (i = 0; stats && i < 2 * stats->queue_count && status == PAWL_OK; i++) {
        status = first_of(m, stats->queues[i / 2].name, (int)(i % 2), &id, err);
        m->plan.is_unfinished = m->plan.is_unfinished || status == PAWL_OK;
        status = status == PAWL_NOT_FOUND ? PAWL_OK : status;
    }
    pawl_stats_free(stats);
    return status;
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
    enum pawl_status status = migrate_begin(m, MIGRATE_RUN, err);

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
    if (status == PAWL_OK)
        status = look_elsewhere(m, err);
    m->told_at = 0;
    if (status == PAWL_OK)
        status = migrate_tick(m, NULL, err);
    migrate_end(m, status == PAWL_OK && !m->options.copy && !m->plan.is_unfinished);
    return status;
}
