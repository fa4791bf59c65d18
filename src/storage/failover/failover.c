/* failover.c - which of the two storages: coming by the primary, losing it, and
 * sleeping in the one that is in use. */
#include "storage/failover/failover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/failover/failover_internal.h"
#include "util/clock.h"

#define NS_PER_MS INT64_C(1000000)
#define OPEN_AGAIN_NS (500 * NS_PER_MS) /* after an open that was refused */
#define WAIT_AWAY_MS 1000 /* in the spool: another process may have heard more */

/* --- lines ---------------------------------------------------------------------- */

struct failover_line *failover_line(struct failover *f, const char *queue)
{
    size_t size = strlen(queue) + 1;
    struct failover_line *line;

    pthread_mutex_lock(&f->mutex);
    for (line = f->lines; line; line = line->next)
        if (strcmp(line->queue, queue) == 0)
            break;
    if (!line && (line = calloc(1, sizeof *line + size))) {
        memcpy(line->queue, queue, size);
        line->policy = failover_policy_of(&f->settings, queue);
        line->paused = -1;
        line->next = f->lines;
        f->lines = line;
    }
    pthread_mutex_unlock(&f->mutex);
    return line;
}

/* --- the primary ---------------------------------------------------------------- */

bool failover_is_away(enum pawl_status status)
{
    return status == PAWL_EUNREACHABLE || status == PAWL_ETIMEOUT ||
           status == PAWL_EUNKNOWN;
}

/* Whoever answers is not away, though it be unknown what was done: else one damaged
 * queue would send all others to the spool, and keep what is there from leaving it. */
bool failover_is_lost(enum pawl_status status, const struct pawl_error *err)
{
    return failover_is_away(status) &&
           !(status == PAWL_EUNKNOWN && err && err->native == PAWL_NATIVE_ANSWERED);
}

bool failover_lost(struct failover *f, enum pawl_status status,
                   const struct pawl_error *err)
{
    if (!failover_is_lost(status, err))
        return false;
    breaker_lost(&f->breaker, err ? err->message : pawl_status_text(status));
    failover_heed(f);
    return true;
}

struct pawl_storage *failover_ask(struct failover *f, enum pawl_status *status,
                                  struct pawl_error *own)
{
    struct pawl_storage *primary;

    failover_heed(f);
    *status = PAWL_EUNREACHABLE;
    if (failover_away(f))
        return NULL;
    primary = failover_primary(f, own);
    if (!primary)
        *status = own->status;
    return primary;
}

bool failover_final(struct failover *f, enum pawl_status status,
                    const struct pawl_error *own, struct pawl_error *err)
{
    if (failover_is_lost(status, own)) {
        if (own->status < 0) /* else it was not asked */
            failover_lost(f, status, own);
        return false;
    }
    if (status < 0 && err)
        *err = *own;
    return true;
}

enum pawl_status failover_unreachable(struct failover *f, struct pawl_error *err)
{
    const struct breaker_page *page = f->breaker.page;
    int64_t seconds = (clock_wall_ms() - atomic_load(&page->since)) / 1000;
    char reason[BREAKER_TEXT];

    return pawl_error_set(err, PAWL_EUNREACHABLE, "%s has been away for %lld s: %.150s",
                          f->where, (long long)(seconds > 0 ? seconds : 0),
                          breaker_text(page->reason, reason));
}

enum pawl_status failover_connect(struct failover *f, pawl_duration deadline,
                                  struct pawl_storage **out, struct pawl_error *err)
{
    struct pawl_storage_config config = f->config;

    config.deadline = deadline;
    return storage_open_plain(f->url, &config, out, err);
}

pawl_duration failover_patience(const struct failover *f)
{
    return f->settings.patience < f->config.deadline ? f->settings.patience
                                                     : f->config.deadline;
}

void failover_met(struct failover *f, const struct pawl_storage *primary)
{
    struct pawl_event event = { .kind = PAWL_EVENT_STORE_CHANGED, .queue = "" };
    char text[300];

    if (!breaker_meet(&f->breaker, &primary->store))
        return;
    snprintf(text, sizeof text,
             "%s is back as another store: it was emptied or replaced. What it held "
             "is not there; what was spooled goes to it", f->where);
    failover_log(f, PAWL_LOG_ERROR, "store-changed", "%s", text);
    event.text = text;
    if (f->log.event)
        f->log.event(f->log.context, &event);
}

/* One that refuses us hides the spool: whoever asks how many jobs there are is told this
 * and nothing else. */
static void tell_of_spool(struct failover *f, struct pawl_error *err)
{
    uint64_t waiting = failover_spooled(f) ? failover_waiting(f) : 0;
    size_t used = strlen(err->message);

    if (waiting > 0)
        snprintf(err->message + used, sizeof err->message - used,
                 "; %llu %s in the spool at %s", (unsigned long long)waiting,
                 waiting == 1 ? "job waits" : "jobs wait", f->spool->where);
}

/* With open_mutex. */
static enum pawl_status open_primary(struct failover *f, struct pawl_error *err)
{
    struct pawl_storage *primary = NULL;
    enum pawl_status status;
    int64_t began_ns = clock_mono_ns();

    if (failover_away(f)) /* another thread was here just now, and in vain */
        return failover_unreachable(f, err);
    if (clock_mono_ns() < f->open_again_ns) {
        *err = f->open_error;
        return err->status;
    }
    status = failover_connect(f, failover_patience(f), &primary, err);
    if (status == PAWL_OK) {
        atomic_store(&f->open_took, (clock_mono_ns() - began_ns) / NS_PER_MS + 1);
        failover_met(f, primary);
        storage_close(failover_adopt(f, primary));
        return PAWL_OK;
    }
    /* One that is away is the breaker's business, and before the next thread tries; one
     * that refuses us must not be asked by each call anew. */
    if (failover_is_away(status)) {
        breaker_lost(&f->breaker, err->message);
    } else {
        tell_of_spool(f, err);
        f->open_error = *err;
        f->open_again_ns = clock_mono_ns() + OPEN_AGAIN_NS;
    }
    return status;
}

struct pawl_storage *failover_primary(struct failover *f, struct pawl_error *err)
{
    struct pawl_storage *primary = atomic_load(&f->primary);
    struct pawl_error own = { 0 };

    if (primary)
        return primary;
    pthread_mutex_lock(&f->open_mutex);
    primary = atomic_load(&f->primary);
    if (!primary && open_primary(f, &own) == PAWL_OK)
        primary = atomic_load(&f->primary);
    pthread_mutex_unlock(&f->open_mutex);
    if (!primary && err)
        *err = own;
    return primary;
}

struct pawl_storage *failover_adopt(struct failover *f, struct pawl_storage *primary)
{
    struct pawl_storage *none = NULL;

    return atomic_compare_exchange_strong(&f->primary, &none, primary) ? NULL : primary;
}

/* --- wait and kick -------------------------------------------------------------- */

enum pawl_status failover_wait(struct pawl_storage *self, const struct pawl_wait *in,
                               struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    struct pawl_storage *primary = failover_away(f) ? NULL : failover_primary(f, NULL);
    struct pawl_error own = { 0 };
    struct pawl_wait some = *in;
    enum pawl_status status;
    pawl_time most;

    failover_heed(f);
    if (primary) {
        status = storage_wait(primary, in, &own);
        if (failover_lost(f, status, &own))
            return PAWL_OK; /* look again: in the spool */
        if (status < 0 && err)
            *err = own;
        return status;
    }
    most = f->config.clock.steady(f->config.clock.context) + WAIT_AWAY_MS;
    if (some.until > most)
        some.until = most;
    return storage_wait(f->spool, &some, err);
}

void failover_kick(struct pawl_storage *self)
{
    struct failover *f = failover_of(self);
    struct pawl_storage *primary = atomic_load(&f->primary);

    storage_kick(f->spool);
    if (primary)
        storage_kick(primary);
}
