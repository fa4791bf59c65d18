/* failover_link.c - the thread pawl-link, which looks after the link to the primary:
 * it probes while that is away, drains when it is back, and tells of the changes.
 *
 * It runs from the first moment that a process sees anything to do for it. All
 * processes of the host may have one then; the breaker sees to it that one of them probes
 * at a time, and one drains. A process that ends lets go at the batch it is at, and
 * the next one goes on there.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "storage/failover/failover_internal.h"
#include "util/clock.h"
#include "util/thread.h"

#define NS_PER_MS INT64_C(1000000)
#define IDLE_MS 60000 /* a change wakes us */
#define SLOW_LEAST_NS (20 * NS_PER_MS) /* below that nothing is slow */
#define SLOW_ROW 4 /* so many slow answers in a row: it is like that now */

/* --- telling -------------------------------------------------------------------- */

void failover_log(struct failover *f, enum pawl_log_level level, const char *id,
                  const char *format, ...)
{
    char text[500];
    va_list args;

    if (!f->log.line)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    f->log.line(f->log.context, level, id, text);
}

void failover_tell_merged(void *context, const struct pawl_job *job,
                          struct pawl_id holder)
{
    struct failover *f = context;
    struct pawl_event event = { .kind = PAWL_EVENT_KEY_MERGED, .id = job->id,
                                .holder = holder, .queue = job->queue };
    char id[PAWL_ID_TEXT], other[PAWL_ID_TEXT], text[400];

    pawl_id_format(job->id, id);
    pawl_id_format(holder, other);
    snprintf(text, sizeof text,
             "queue '%s': job %s was spooled, but its unique key '%.100s' is held by "
             "job %s: it is cancelled", job->queue, id, job->key, other);
    failover_log(f, PAWL_LOG_WARN, "key-merged", "%s", text);
    event.text = text;
    if (f->log.event)
        f->log.event(f->log.context, &event);
}

enum pawl_mode failover_mode(enum breaker_state state)
{
    switch (state) {
    case BREAKER_CLOSED:
        return PAWL_MODE_PRIMARY;
    case BREAKER_DRAINING:
        return PAWL_MODE_DRAINING;
    default:
        return PAWL_MODE_SPOOLING;
    }
}

static void tell_mode(struct failover *f, enum pawl_mode mode)
{
    struct pawl_event event = { .kind = PAWL_EVENT_MODE, .mode = mode, .queue = "" };
    enum pawl_log_level level = PAWL_LOG_WARN;
    char text[500], reason[BREAKER_TEXT];

    if (mode == PAWL_MODE_SPOOLING) {
        snprintf(text, sizeof text, "%s is away (%.180s): jobs are spooled at %.150s",
                 f->where, breaker_text(f->breaker.page->reason, reason), f->spool->where);
    } else if (mode == PAWL_MODE_DRAINING && atomic_load(&f->breaker.page->refuses)) {
        level = PAWL_LOG_INFO; /* who met it says it as an error */
        snprintf(text, sizeof text,
                 "%s is back, but refuses (%.180s): what was spooled waits at %.150s",
                 f->where, breaker_text(f->breaker.page->reason, reason), f->spool->where);
    } else if (mode == PAWL_MODE_DRAINING) {
        level = PAWL_LOG_INFO;
        snprintf(text, sizeof text, "%s is used, and gets what was spooled at %.150s",
                 f->where, f->spool->where);
    } else {
        level = PAWL_LOG_INFO;
        snprintf(text, sizeof text, "%s has all that was spooled", f->where);
    }
    failover_log(f, level, "mode-changed", "%s", text);
    event.text = text;
    if (f->log.event)
        f->log.event(f->log.context, &event);
}

/* --- probing -------------------------------------------------------------------- */

/* A steady link answers each probe of a trial in about the same time. One that comes and
 * goes each second answers some only when it is back, and must not pass for steady. But
 * one may become slower, as a Cluster with a dead master, which health asks in vain. */
static bool too_slow(struct failover *f, int64_t took_ns)
{
    int64_t most = f->settings.trial * NS_PER_MS / 4;
    bool slow;

    if (f->fastest_ns == 0 || took_ns < f->fastest_ns)
        f->fastest_ns = took_ns;
    if (most < 4 * f->fastest_ns)
        most = 4 * f->fastest_ns; /* it is far away */
    slow = took_ns > most && took_ns > SLOW_LEAST_NS;
    f->slow = slow ? f->slow + 1 : 0;
    if (f->slow == SLOW_ROW)
        f->fastest_ns = f->slow = 0;
    return slow;
}

/* The calls of one that is brief may have too little time. */
static void end_probing(struct failover *f, bool use)
{
    if (use && f->prober && !f->config.brief)
        f->prober = failover_adopt(f, f->prober);
    storage_close(f->prober);
    f->prober = NULL;
    f->fastest_ns = f->slow = 0;
}

static void judge(struct failover *f, enum pawl_status status, int64_t took_ns,
                  const struct pawl_error *err)
{
    if (failover_is_away(status)) {
        end_probing(f, false);
        breaker_unanswered(&f->breaker, f->config.urgent, err->message);
    } else if (status < 0) {
        end_probing(f, false);
        if (breaker_refused(&f->breaker, f->config.urgent, err->message))
            failover_log(f, PAWL_LOG_ERROR, "primary-refuses",
                         "%s is back, but refuses: %s", f->where, err->message);
    } else if (too_slow(f, took_ns)) {
        breaker_unanswered(&f->breaker, f->config.urgent, "it answers, but not steadily");
    } else {
        failover_met(f, f->prober);
        if (breaker_answered(&f->breaker, f->config.urgent))
            end_probing(f, true);
    }
}

/* One connection for a whole trial, with all that is asked at its beginning, and then a
 * round trip each time. That it refuses us is an answer, too: then calls go there and
 * fail, so that somebody sees it, instead of being spooled for ever. */
static void probe(struct failover *f)
{
    struct pawl_health health;
    struct pawl_error err = { 0 };
    enum pawl_status status = PAWL_OK;
    int64_t began_ns;

    if (!f->prober)
        status = failover_connect(f, breaker_probe_time(&f->breaker, f->config.brief),
                                  &f->prober, &err);
    began_ns = clock_mono_ns();
    if (status == PAWL_OK)
        status = storage_health(f->prober, &health, &err);
    judge(f, status, clock_mono_ns() - began_ns, &err);
}

/* --- the thread ----------------------------------------------------------------- */

/* What there is to do now; ms until there may be more. */
static pawl_duration tend(struct failover *f)
{
    switch (breaker_state(&f->breaker)) {
    case BREAKER_OPEN:
    case BREAKER_TRIAL:
        if (breaker_probe_due(&f->breaker))
            probe(f);
        return breaker_probe_in(&f->breaker) + 1;
    case BREAKER_DRAINING:
        return failover_drain(f);
    case BREAKER_CLOSED:
        break;
    }
    return IDLE_MS;
}

/* One turn at least: a command in a shell ends as fast as a thread begins, and would
 * probe by chance. And one more where that has ended the outage, to drain. */
static void *link_main(void *arg)
{
    struct failover *f = arg;
    bool ended;

    do {
        uint32_t word = breaker_word(&f->breaker);
        bool away = failover_away(f);
        pawl_duration pause;
        failover_heed(f);
        pause = tend(f);
        ended = away && !failover_away(f);
        if (!failover_away(f))
            end_probing(f, false); /* another process ended the outage */
        if (pause > 0 && !ended && !atomic_load(&f->stopping))
            breaker_wait(&f->breaker, word, pause);
    } while (ended || !atomic_load(&f->stopping));
    end_probing(f, false);
    return NULL;
}

/* Is there anything to do for the thread? A command in a shell that ends before the
 * next probe is due does without: to start and join it costs it nearly a ms. */
static bool wants_link(const struct failover *f)
{
    if (!failover_spooled(f) || atomic_load(&f->link_runs))
        return false;
    return !f->config.brief || breaker_state(&f->breaker) == BREAKER_DRAINING ||
           breaker_probe_in(&f->breaker) == 0;
}

/* With told_mutex. */
static void start(struct failover *f)
{
    if (atomic_load(&f->link_runs) || atomic_load(&f->stopping))
        return;
    if (thread_start(&f->link, link_main, f, "pawl-link") == 0)
        atomic_store(&f->link_runs, true);
}

static void heed(struct failover *f, bool silent)
{
    enum pawl_mode mode, before;
    uint32_t word;

    pthread_mutex_lock(&f->told_mutex);
    word = breaker_word(&f->breaker); /* not before: another may be telling of it */
    mode = failover_mode((enum breaker_state)(word & 0xff));
    before = failover_mode((enum breaker_state)(atomic_load(&f->told) & 0xff));
    if (mode != before && !silent)
        tell_mode(f, mode);
    atomic_store(&f->told, word);
    if (wants_link(f))
        start(f);
    pthread_mutex_unlock(&f->told_mutex);
    if (mode != before)
        failover_kick(&f->base); /* the waiter goes over to the other storage */
}

void failover_heed(struct failover *f)
{
    if (breaker_word(&f->breaker) !=
            atomic_load_explicit(&f->told, memory_order_relaxed) ||
        wants_link(f))
        heed(f, false);
}

void failover_heed_silently(struct failover *f)
{
    heed(f, true);
}

void failover_stop(struct failover *f)
{
    atomic_store(&f->stopping, true);
    if (!atomic_load(&f->link_runs))
        return;
    breaker_poke(&f->breaker);
    pthread_join(f->link, NULL);
}
