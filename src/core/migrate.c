/* migrate.c - opening a migration, and what each of its calls begins and ends with. */
#include "core/migrate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

#define DEFAULT_DEADLINE 30000
#define TELL_EVERY       100 /* ms */
#define LOCK_LOOK        100 /* ms between looks at a lock that another has */
#define DEFAULT_STATES                                                            \
    (PAWL_STATE_BIT(PAWL_SCHEDULED) | PAWL_STATE_BIT(PAWL_PENDING) |              \
     PAWL_STATE_BIT(PAWL_PROCESSING) | PAWL_STATE_BIT(PAWL_FAILED))

/* --- opening ------------------------------------------------------------------- */

static enum pawl_status open_side(const struct pawl_migration *m, const char *url,
                                  bool must_exist, const char *side,
                                  struct pawl_storage **out, struct pawl_error *err)
{
    struct pawl_storage_config config = { .clock = m->clock,
                                          .deadline = m->options.deadline,
                                          .must_exist = must_exist,
                                          .bare = true };
    enum pawl_status status = storage_open(url, &config, NULL, out, err);

    if (status != PAWL_OK)
        pawl_error_prefix(err, "%s", side);
    return status;
}

static enum pawl_status same_storage(struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_EINVAL,
                          "source and target are the same storage");
}

/* "scheme://USER:PASSWORD@HOST?OPTIONS" without what may be a secret. */
static char *shown_url(const char *url)
{
    const char *place = strstr(url, "://"), *at;
    size_t head = place ? (size_t)(place - url) + 3 : 0;
    char *shown = NULL;

    at = place ? strrchr(url, '@') : NULL;
    if (asprintf(&shown, "%.*s%s", (int)head, url, at ? at + 1 : url + head) < 0)
        return NULL;
    shown[strcspn(shown, "?")] = '\0';
    return shown;
}

static enum pawl_status open_both(struct pawl_migration *m, struct pawl_error *err)
{
    enum pawl_status status = open_side(m, m->options.from, true, "source", &m->from,
                                        err);

    if (status != PAWL_OK)
        return status;
    status = open_side(m, m->options.to, true, "target", &m->to, err);
    m->plan.is_new = status == PAWL_NOT_FOUND;
    if (status != PAWL_OK && !m->plan.is_new)
        return status;
    if (m->to && strcmp(m->from->where, m->to->where) == 0)
        return same_storage(err);
    m->plan.from = strdup(m->from->where);
    m->plan.to = m->to ? strdup(m->to->where) : shown_url(m->options.to);
    if (!m->plan.from || !m->plan.to)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    return PAWL_OK;
}

static enum pawl_status check_options(struct pawl_migration *m, struct pawl_error *err)
{
    struct pawl_migrate_options *o = &m->options;
    enum pawl_status status = PAWL_OK;
    size_t i;

    if (!o->from || !o->to)
        return pawl_error_set(err, PAWL_EINVAL, "%s is missing",
                              o->from ? "the target" : "the source");
    if (strcmp(o->from, o->to) == 0)
        return same_storage(err);
    for (i = 0; i < o->queue_count && status == PAWL_OK; i++)
        status = check_queue(o->queues[i], err);
    if (status != PAWL_OK)
        return status;
    if (o->states & (PAWL_STATE_BIT(PAWL_WAITING) | PAWL_STATE_BIT(PAWL_HELD)))
        return pawl_error_set(err, PAWL_EINVAL,
                              "waiting and held jobs cannot be migrated");
    if (!o->states)
        o->states = DEFAULT_STATES;
    if (!o->deadline)
        o->deadline = DEFAULT_DEADLINE;
    m->clock = core_clock(o->clock);
    return PAWL_OK;
}

enum pawl_status pawl_migrate_open(const struct pawl_migrate_options *options,
                                   struct pawl_migration **out, struct pawl_error *err)
{
    struct pawl_migration *m = calloc(1, sizeof *m);
    enum pawl_status status;

    if (!m)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    m->options = *options;
    status = check_options(m, err);
    if (status == PAWL_OK)
        status = open_both(m, err);
    if (status == PAWL_OK)
        status = migrate_plan_make(m, err);
    if (status != PAWL_OK) {
        pawl_migrate_close(m);
        return status;
    }
    *out = m;
    return PAWL_OK;
}

const struct pawl_migrate_plan *pawl_migrate_plan(const struct pawl_migration *m)
{
    return &m->plan;
}

void pawl_migrate_close(struct pawl_migration *m)
{
    size_t i;

    if (!m)
        return;
    migrate_lock_drop(&m->lock);
    storage_close(m->from);
    storage_close(m->to);
    for (i = 0; i < m->plan.queue_count; i++)
        free((char *)m->plan.queues[i].name);
    free(m->plan.queues);
    free((char *)m->plan.from);
    free((char *)m->plan.to);
    free(m);
}

/* --- a call ---------------------------------------------------------------------- */

static enum pawl_status check_plan(const struct pawl_migration *m,
                                   struct pawl_error *err)
{
    size_t i;

    for (i = 0; i < m->plan.problem_count; i++)
        if (m->plan.problems[i].is_fatal)
            return pawl_error_set(err, PAWL_EDENIED, "%s", m->plan.problems[i].text);
    return PAWL_OK;
}

/* Make it, if it is not there yet: only now, since a plan changes nothing. What has been
 * begun had a store there: another one is not made for it, but looked for again. */
static enum pawl_status open_target(struct pawl_migration *m, bool begun,
                                    struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    char *where;

    if (m->to)
        return PAWL_OK;
    status = open_side(m, m->options.to, begun, "target", &m->to, err);
    if (status != PAWL_OK)
        return begun && status == PAWL_NOT_FOUND ? PAWL_OK : status;
    where = strdup(m->to->where);
    if (!where)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    free((char *)m->plan.to);
    m->plan.to = where;
    return PAWL_OK;
}

/* Both spelled differently, it may be the same store: then the lock is in it, too. */
static enum pawl_status check_other(struct pawl_migration *m, struct pawl_error *err)
{
    struct migrate_note theirs;
    enum pawl_status status;

    if (migrate_lock_is_in(&m->lock, m->to))
        return same_storage(err);
    status = migrate_note_read(m->to, &theirs, err);
    if (status == PAWL_OK)
        return pawl_error_set(err, PAWL_EDENIED,
                              "the target is being migrated itself, to '%.100s': "
                              "finish that first", theirs.to);
    return status == PAWL_NOT_FOUND ? PAWL_OK : status;
}

/* If a holder on another host died, its lease ends; it is waited for. */
static enum pawl_status take_lock(struct pawl_migration *m, struct pawl_error *err)
{
    pawl_time until = m->clock.steady(m->clock.context) + MIGRATE_LOCK_PATIENCE;
    enum pawl_status status;

    for (;;) {
        status = migrate_lock_take(&m->lock, m->from, &m->clock, err);
        if (status != PAWL_KEY_TAKEN)
            break;
        if (m->clock.steady(m->clock.context) >= until)
            return migrate_lock_refuse(&m->lock, err);
        m->progress.holder = m->lock.holder;
        status = migrate_tick(m, NULL, err);
        if (status != PAWL_OK)
            return status;
        migrate_sleep(LOCK_LOOK);
    }
    m->progress.holder = NULL;
    return status;
}

/* Where there is no store nothing has arrived, or it is lost: to go on would take the
 * jobs that were there for done, and to roll back would delete them here, too. */
enum pawl_status migrate_check_note(const struct pawl_migration *m,
                                    const struct migrate_note *note,
                                    enum migrate_act act, struct pawl_error *err)
{
    const char *what = NULL;

    if (!m->to)
        return pawl_error_set(err, PAWL_EDENIED,
                              "a migration to '%.100s' is not finished, and the target "
                              "given has no store: name that one, or put its store back",
                              note->to);
    if (strcmp(note->to, m->to->where) != 0)
        what = "a migration";
    else if (note->back && act != MIGRATE_ROLLBACK)
        what = "the rollback of a copy";
    else if (act == MIGRATE_RUN && !note->copy && m->options.copy)
        what = "a move";
    if (what)
        return pawl_error_set(err, PAWL_EDENIED,
                              "%s to '%.100s' is not finished: run that again first", what,
                              note->to);
    if (act == MIGRATE_RUN && note->copy && !m->options.copy)
        return pawl_error_set(err, PAWL_EDENIED,
                              "a copy to '%.100s' is not settled: finalize it or roll it "
                              "back first", note->to);
    return PAWL_OK;
}

/* The plan has looked at the note, too, but that was before the lock. */
enum pawl_status migrate_begin(struct pawl_migration *m, enum migrate_act act,
                               struct pawl_error *err)
{
    enum pawl_status status = check_plan(m, err), found;

    if (status == PAWL_OK)
        status = take_lock(m, err);
    if (status != PAWL_OK)
        return status;
    found = migrate_note_read(m->from, &m->note, err);
    if (found < 0 || (found == PAWL_NOT_FOUND && act != MIGRATE_RUN))
        return found;
    status = open_target(m, found == PAWL_OK, err);
    if (status == PAWL_OK && m->to)
        status = check_other(m, err);
    if (status == PAWL_OK && found == PAWL_OK)
        status = migrate_check_note(m, &m->note, act, err);
    return status == PAWL_OK ? found : status;
}

static void forget_tallies(struct pawl_migration *m)
{
    struct pawl_tally tally;
    size_t i;

    for (i = 0; i < 2 * m->plan.queue_count; i++) {
        const char *queue = m->plan.queues[i / 2].name;
        struct pawl_session mover = m->relays[i % 2].mover;
        storage_tally(m->to, queue, mover, true, &tally, NULL);
        storage_tally(m->from, queue, mover, true, &tally, NULL);
    }
}

/* When the note is gone, so is the migration. Tallies that a crash leaves behind are
 * of a mark that nobody uses again. */
void migrate_end(struct pawl_migration *m, bool done)
{
    if (done && migrate_note_remove(m->from, &m->note, NULL) == PAWL_OK)
        forget_tallies(m);
    migrate_lock_drop(&m->lock);
}

void migrate_sleep(int64_t ms)
{
    struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&time, NULL);
}

enum pawl_status migrate_tick(struct pawl_migration *m,
                              const struct pawl_migrate_queue *queue,
                              struct pawl_error *err)
{
    int64_t now = m->clock.steady(m->clock.context);

    m->progress.queue = queue ? queue->name : NULL;
    if (m->options.progress && (now - m->told_at >= TELL_EVERY || m->told_at == 0)) {
        m->told_at = now;
        if (!m->options.progress(m->options.context, &m->progress))
            return pawl_error_set(err, PAWL_ECLOSED,
                                  "stopped: run it again to go on");
    }
    return migrate_lock_check(&m->lock, err);
}

void migrate_problem(struct pawl_migration *m, bool is_fatal, const char *format, ...)
{
    struct pawl_migrate_plan *plan = &m->plan;
    va_list args;

    if (plan->problem_count == PAWL_MIGRATE_PROBLEMS)
        return;
    plan->problems[plan->problem_count].is_fatal = is_fatal;
    va_start(args, format);
    vsnprintf(plan->problems[plan->problem_count].text,
              sizeof plan->problems->text, format, args);
    va_end(args);
    plan->problem_count++;
}
