/* failover_stuck.c - what keeps the spool from draining: the trouble of one queue, which
 * others are to know nothing of; a primary that refuses; another process that drains and is
 * stopped. Each is said once. */
#include <stdio.h>

#include "storage/failover/failover_internal.h"

#define STANDS_MS 5000 /* more than the call that is under way may take */

/* --- what does not go over ------------------------------------------------------ */

/* The primary refused it, and is not away: this needs a person. Said once. */
void failover_tell_refused(struct failover *f, enum pawl_status *told,
                           const struct pawl_error *err)
{
    if (*told == err->status)
        return;
    *told = err->status;
    failover_log(f, PAWL_LOG_ERROR, "drain-refused",
                 "what is spooled at %s cannot go to %s: %s; trying again",
                 f->spool->where, f->where, err->message);
}

/* Whoever ends does not wait to learn why there was no answer; nor does it mean much, for
 * he may have given it too little time. */
static bool is_patient(const struct failover *f)
{
    return !f->config.brief && !atomic_load(&f->stopping);
}

/* One that answers something has trouble with a queue: its master is dead, in a Cluster,
 * or what was sent is too much for the time. */
static bool answers(struct failover *f, struct pawl_storage *to)
{
    struct pawl_health health;

    return !is_patient(f) || !failover_is_away(storage_health(to, &health, NULL));
}

enum pawl_status failover_stuck(struct failover *f, struct pawl_storage *to,
                                const char *queue, const struct pawl_error *why,
                                struct pawl_error *err)
{
    struct failover_line *line = failover_line(f, queue);
    struct pawl_error own = *why;
    bool silent = failover_is_lost(why->status, why);

    f->lost = silent && !answers(f, to);
    if (f->lost || !line) { /* the trouble of all */
        *err = *why;
        return why->status;
    }
    line->stuck_in = f->round;
    pawl_error_prefix(&own, "queue '%s'", queue);
    if (f->stuck.status == PAWL_OK)
        f->stuck = own;
    if (!silent || is_patient(f))
        failover_tell_refused(f, &line->refused, &own);
    return PAWL_OK;
}

void failover_unstuck(struct failover *f, const char *queue)
{
    struct failover_line *line = failover_line(f, queue);

    if (line)
        line->refused = PAWL_OK;
}

bool failover_is_stuck(struct failover *f, const char *queue)
{
    const struct failover_line *line = failover_line(f, queue);

    return line && line->stuck_in == f->round;
}

/* --- another process ------------------------------------------------------------- */

bool failover_drain_stands(struct failover *f, char text[FAILOVER_STANDS])
{
    char name[40] = "another process";
    int64_t who = 0, ms = breaker_drain_stands(&f->breaker, &who);
    int64_t call = breaker_drain_time(&f->breaker, false, 0, f->config.deadline);

    if (ms < call + STANDS_MS)
        return false;
    if (who > 0)
        snprintf(name, sizeof name, "process %lld", (long long)who);
    snprintf(text, FAILOVER_STANDS, "%s drains the spool, and has not moved for %lld s: let "
             "it go on, or end it", name, (long long)(ms / 1000));
    return true;
}

/* One that is stopped blocks all drains of the host. Said once of each. */
void failover_tell_stands(struct failover *f)
{
    char text[FAILOVER_STANDS];
    int64_t who = atomic_load(&f->breaker.page->drainer);

    if (f->stands == who + 1 || !failover_drain_stands(f, text))
        return;
    f->stands = who + 1;
    failover_log(f, PAWL_LOG_WARN, "drain-stands", "%s", text);
}
