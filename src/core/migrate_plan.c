/* migrate_plan.c - what there is on both sides, what would move, and what is in the
 * way. Nothing is changed here. */
#include "core/migrate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- which queues ----------------------------------------------------------------- */

static bool is_chosen(const struct pawl_migration *m, const char *queue)
{
    size_t i;

    if (storage_is_reserved(queue))
        return false;
    for (i = 0; i < m->options.queue_count; i++)
        if (strcmp(m->options.queues[i], queue) == 0)
            return true;
    return m->options.queue_count == 0;
}

static const struct pawl_migrate_queue *planned(const struct pawl_migration *m,
                                                const char *queue)
{
    size_t i;

    for (i = 0; i < m->plan.queue_count; i++)
        if (strcmp(m->plan.queues[i].name, queue) == 0)
            return &m->plan.queues[i];
    return NULL;
}

static enum pawl_status add_queue(struct pawl_migration *m,
                                  const struct pawl_queue_stats *stats,
                                  struct pawl_error *err)
{
    size_t count = m->plan.queue_count;
    struct pawl_migrate_queue *more =
        realloc(m->plan.queues, (count + 1) * sizeof *more);
    char *name = strdup(stats->name);
    int state;

    if (more)
        m->plan.queues = more;
    if (!more || !name) {
        free(name);
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory for a plan");
    }
    m->plan.queue_count++;
    more[count] = (struct pawl_migrate_queue){ .name = name };
    memcpy(more[count].here, stats->jobs, sizeof stats->jobs);
    for (state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        if (m->options.states & PAWL_STATE_BIT(state))
            more[count].moves += stats->jobs[state];
    m->progress.total += more[count].moves;
    return PAWL_OK;
}

enum pawl_status migrate_plan_refresh(struct pawl_migration *m, struct pawl_error *err)
{
    struct pawl_stats *stats = NULL;
    enum pawl_status status = storage_stats(m->from, NULL, &stats, err);
    size_t i;

    for (i = 0; status == PAWL_OK && i < stats->queue_count; i++)
        if (is_chosen(m, stats->queues[i].name) && !planned(m, stats->queues[i].name))
            status = add_queue(m, &stats->queues[i], err);
    pawl_stats_free(stats);
    return status;
}

static enum pawl_status find_chosen(const struct pawl_migration *m,
                                    struct pawl_error *err)
{
    size_t i;

    for (i = 0; i < m->options.queue_count; i++)
        if (!planned(m, m->options.queues[i]))
            return pawl_error_set(err, PAWL_NOT_FOUND,
                                  "there is no queue '%s' at the source",
                                  m->options.queues[i]);
    return PAWL_OK;
}

/* --- what the target has ------------------------------------------------------------ */

static bool differs(const struct pawl_queue_keep *a, const struct pawl_queue_keep *b)
{
    return memcmp(a, b, sizeof *a) != 0;
}

/* What a queue has been told is handed over only where the target was told nothing. */
static void compare_settings(struct pawl_migration *m,
                             const struct pawl_queue_stats *here,
                             const struct pawl_queue_stats *there)
{
    if (here->paused && !there->paused)
        migrate_problem(m, false,
                        "queue '%s' is paused at the source and not at the target: it "
                        "stays so there, and its jobs run", here->name);
    if (there->paused)
        migrate_problem(m, false,
                        "queue '%s' is paused at the target: its jobs will wait there",
                        here->name);
    if (here->has_keep && there->has_keep && differs(&here->keep, &there->keep))
        migrate_problem(m, false,
                        "queue '%s' has another retention at the target, which stays",
                        here->name);
}

static bool has_jobs(const struct pawl_migrate_queue *queue)
{
    uint64_t jobs = 0;
    int state;

    for (state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        jobs += queue->there[state];
    return jobs > 0;
}

static enum pawl_status look_there(struct pawl_migration *m,
                                   struct pawl_migrate_queue *queue,
                                   struct pawl_error *err)
{
    struct pawl_stats *here = NULL, *there = NULL;
    enum pawl_status status = storage_stats(m->to, queue->name, &there, err);

    if (status == PAWL_NOT_FOUND)
        return PAWL_OK;
    if (status == PAWL_OK)
        status = storage_stats(m->from, queue->name, &here, err);
    if (status == PAWL_OK) {
        queue->is_there = true;
        memcpy(queue->there, there->queues[0].jobs, sizeof queue->there);
        compare_settings(m, &here->queues[0], &there->queues[0]);
    }
    pawl_stats_free(here);
    pawl_stats_free(there);
    if (status == PAWL_OK && has_jobs(queue))
        status = migrate_conflicts_find(m, queue, err);
    return status;
}

/* Also of a server that has no store yet, which is the usual case, and whether a file
 * that is not there could be made. */
static enum pawl_status look_at_health(struct pawl_migration *m, struct pawl_error *err)
{
    struct pawl_storage *opened = NULL;
    struct pawl_health health;
    enum pawl_status status = PAWL_OK;
    int i;

    if (!m->to) {
        struct pawl_storage_config config = { .clock = m->clock,
                                              .deadline = m->options.deadline,
                                              .bare = true, .health_only = true };
        status = storage_open(m->options.to, &config, NULL, &opened, err);
        if (status < 0)
            pawl_error_prefix(err, "target");
    }
    if (status == PAWL_OK)
        status = storage_health(m->to ? m->to : opened, &health, err);
    for (i = 0; status == PAWL_OK && i < health.warning_count; i++)
        migrate_problem(m, false, "target: %s", health.warnings[i].text);
    storage_close(opened);
    return status == PAWL_NOT_FOUND ? PAWL_OK : status;
}

/* --- what is under way ---------------------------------------------------------------- */

static void tell_held(struct pawl_migration *m)
{
    size_t i;

    for (i = 0; i < m->plan.queue_count; i++)
        if (m->plan.queues[i].here[PAWL_HELD] > 0 && !m->plan.is_resumed)
            migrate_problem(m, false,
                            "%" PRIu64 " jobs of '%s' are held by somebody else and "
                            "stay", m->plan.queues[i].here[PAWL_HELD],
                            m->plan.queues[i].name);
}

/* A plan does not know whether a copy is made or settled: what is being rolled back may
 * be just that. */
static enum pawl_status look_at_note(struct pawl_migration *m, struct pawl_error *err)
{
    struct pawl_error why = { 0 };
    struct migrate_note note;
    enum pawl_status status = migrate_note_read(m->from, &note, err);
    enum migrate_act act;

    if (status != PAWL_OK)
        return status == PAWL_NOT_FOUND ? PAWL_OK : status;
    m->plan.is_resumed = true;
    act = note.back && m->options.copy ? MIGRATE_ROLLBACK : MIGRATE_RUN;
    if (migrate_check_note(m, &note, act, &why) != PAWL_OK)
        migrate_problem(m, true, "%s", why.message);
    else if (act == MIGRATE_ROLLBACK)
        migrate_problem(m, false,
                        "a copy to '%.100s' is being rolled back: only that goes on",
                        note.to);
    return PAWL_OK;
}

/* Nobody would bring there what was spooled for the source, once it is left. */
static void tell_spool(void *context, const char *path, const char *primary,
                       pawl_time since)
{
    (void)primary;
    (void)since;
    migrate_problem(context, true,
                    "jobs for the source wait at %s since it was away: 'pawl drain' "
                    "first, with the source's URL", path);
}

static enum pawl_status look_at_lock(struct pawl_migration *m, struct pawl_error *err)
{
    struct pawl_error why = { 0 };
    enum pawl_status status = migrate_lock_peek(&m->lock, m->from, &m->clock, &why);

    if (status == PAWL_EDENIED)
        migrate_problem(m, true, "%s", why.message);
    else if (status == PAWL_KEY_TAKEN)
        migrate_problem(m, false,
                        "another migration of this storage is running, or has died: %s: "
                        "it is waited for, up to %d s", m->lock.holder,
                        MIGRATE_LOCK_PATIENCE / 1000);
    else if (status < 0 && err)
        *err = why;
    return status < 0 && status != PAWL_EDENIED ? status : PAWL_OK;
}

enum pawl_status migrate_plan_make(struct pawl_migration *m, struct pawl_error *err)
{
    enum pawl_status status = migrate_plan_refresh(m, err);
    size_t i;

    if (status == PAWL_OK)
        status = find_chosen(m, err);
    if (status == PAWL_OK)
        status = look_at_lock(m, err);
    if (status == PAWL_OK)
        status = look_at_note(m, err);
    if (status == PAWL_OK) {
        storage_left(m->options.from, m->from->where, tell_spool, m);
        tell_held(m);
    }
    for (i = 0; i < m->plan.queue_count && m->to && status == PAWL_OK; i++)
        status = look_there(m, &m->plan.queues[i], err);
    if (status == PAWL_OK)
        status = look_at_health(m, err);
    return status;
}
