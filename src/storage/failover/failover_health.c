/* failover_health.c - the primary's health, and what there is to know of an outage. */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "storage/failover/failover_internal.h"

PAWL_PRINTF(2, 3)
static void warn(struct pawl_health *out, const char *format, ...)
{
    struct pawl_health_warning *warning = &out->warnings[out->warning_count];
    va_list args;

    if (out->warning_count == PAWL_HEALTH_WARNINGS)
        return;
    va_start(args, format);
    vsnprintf(warning->text, sizeof warning->text, format, args);
    va_end(args);
    warning->standing = false;
    out->warning_count++;
}

static void detail(struct pawl_health *out, const char *name, const char *value)
{
    struct pawl_health_detail *last = &out->details[out->detail_count];

    if (out->detail_count == PAWL_HEALTH_DETAILS)
        return;
    snprintf(last->name, sizeof last->name, "%s", name);
    snprintf(last->value, sizeof last->value, "%s", value);
    out->detail_count++;
}

static void format_time(int64_t ms, char text[32])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* Nobody who opens this primary drains them. */
static void warn_of_other(void *out, const char *path, const struct breaker_page *page)
{
    char since[32], where[BREAKER_TEXT];

    format_time(atomic_load(&page->since), since);
    warn(out, "a spool for %.80s is left at %.90s since %s",
         breaker_text(page->where, where), path, since);
}

/* When an outage may end at the soonest. */
static void tell_next_look(const struct failover *f, struct pawl_health *out)
{
    char text[64];

    snprintf(text, sizeof text, "in %lld s; 'pawl drain' looks at once",
             (long long)(breaker_probe_in(&f->breaker) + 999) / 1000);
    detail(out, "next look", text);
}

static void warn_of_set_aside(struct failover *f, struct pawl_health *out)
{
    struct pawl_id first;
    uint64_t count = failover_set_aside(f, &first);
    char id[PAWL_ID_TEXT];

    if (count == 0)
        return;
    pawl_id_format(first, id);
    warn(out, "calls that cannot be made are set aside in %.100s: %llu, the first as "
         "job %s", f->spool->where, (unsigned long long)count, id);
}

static void tell_of_outage(struct failover *f, struct pawl_health *out)
{
    const struct breaker_page *page = f->breaker.page;
    int64_t replaced = atomic_load(&page->replaced);
    int64_t now = f->config.clock.now(f->config.clock.context);
    char since[32], reason[BREAKER_TEXT], stands[FAILOVER_STANDS];

    format_time(atomic_load(&page->since), since);
    out->mode = failover_mode(breaker_state(&f->breaker));
    detail(out, "mode", pawl_mode_name(out->mode));
    detail(out, "spool", f->spool->where);
    if (out->mode == PAWL_MODE_SPOOLING)
        tell_next_look(f, out);
    if (out->mode == PAWL_MODE_SPOOLING)
        warn(out, "away since %s, jobs are spooled: %s", since,
             breaker_text(page->reason, reason));
    else if (out->mode == PAWL_MODE_DRAINING)
        warn(out, "the spool of this host is not empty yet: programs empty it, 'pawl "
                  "drain' does so at once");
    format_time(replaced, since);
    if (replaced != 0 && now - replaced < INT64_C(86400) * 1000)
        warn(out, "at %s it was another store: emptied or replaced", since);
    warn_of_set_aside(f, out);
    if (failover_drain_stands(f, stands))
        warn(out, "%s", stands);
    breaker_others(f->spool->where, warn_of_other, out);
}

enum pawl_status failover_health(struct pawl_storage *self, struct pawl_health *out,
                                 struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    struct pawl_error own = { 0 };
    enum pawl_status status;
    struct pawl_storage *primary = failover_ask(f, &status, &own);

    if (primary)
        status = storage_health(primary, out, &own);
    if (failover_final(f, status, &own, err) && status < 0)
        return status;
    if (status < 0) {
        status = storage_health(f->spool, out, err);
        if (status < 0)
            return status;
        out->warning_count = out->detail_count = 0;
        snprintf(out->storage, sizeof out->storage, "%s",
                 f->ops.label ? f->ops.label : f->ops.scheme);
        for (char *c = out->storage; *c; c++)
            *c |= 0x20; /* lower case: "redis" */
        snprintf(out->where, sizeof out->where, "%s", f->where);
    }
    tell_of_outage(f, out);
    return PAWL_OK;
}
