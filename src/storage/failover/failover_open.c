/* failover_open.c - opening and closing. */
#include "storage/failover/failover_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/registry.h"
#include "util/buf.h"
#include "util/random.h"

/* --- open and close ------------------------------------------------------------- */

/* Outcomes may still be in the spool, and count only as long as nobody else has their
 * jobs: so the leases last until they run out, instead of ending with us. */
static void close_primary(struct failover *f)
{
    struct pawl_storage *primary = atomic_load(&f->primary);

    if (primary)
        primary->keep_leases = f->base.keep_leases || failover_spooled(f);
    storage_close(primary);
}

static void failover_close(struct pawl_storage *self)
{
    struct failover *f = failover_of(self);
    struct failover_line *line;

    failover_stop(f);
    close_primary(f);
    storage_close(f->spool);
    breaker_close(&f->breaker);
    while ((line = f->lines)) {
        f->lines = line->next;
        free(line);
    }
    failover_settings_clear(&f->settings);
    if (f->url)
        explicit_bzero(f->url, strlen(f->url));
    free(f->url);
    free(f->where);
    pthread_mutex_destroy(&f->mutex);
    pthread_mutex_destroy(&f->open_mutex);
    pthread_mutex_destroy(&f->told_mutex);
}

static enum pawl_status opened_otherwise(struct pawl_storage *self,
                                         const struct pawl_storage_config *config,
                                         struct pawl_error *err)
{
    (void)self;
    (void)config;
    return pawl_error_set(err, PAWL_EINTERNAL, "failover is wrapped, not opened");
}

static void take_numbers(struct failover *f, const struct pawl_storage_ops *of)
{
    f->ops = (struct pawl_storage_ops){
        .abi = PAWL_STORAGE_ABI,
        .scheme = of->scheme,
        .label = of->label,
        .instance_size = sizeof *f,
        .put_max = of->put_max,
        .exchanges_in_flight = of->exchanges_in_flight,
        .remote = true,
        .open = opened_otherwise,
        .close = failover_close,
        .put = failover_put,
        .exchange = failover_exchange,
        .renew = failover_renew,
        .sweep = failover_sweep,
        .wait = failover_wait,
        .kick = failover_kick,
        .get = failover_get,
        .list = failover_list,
        .alter = failover_alter,
        .take_out = failover_take_out,
        .bring_in = failover_bring_in,
        .tally = failover_tally,
        .stats = failover_stats,
        .health = failover_health,
    };
    f->base.ops = &f->ops;
}

/* Is the URL one, and where does it lead? */
static enum pawl_status look_where(struct failover *f, struct pawl_error *err)
{
    struct pawl_storage_config config = f->config;
    struct pawl_storage *looked = NULL;
    enum pawl_status status;

    config.url_only = true;
    status = storage_open_plain(f->url, &config, &looked, err);
    if (status != PAWL_OK)
        return status;
    f->where = strdup(looked->where);
    storage_close(looked);
    f->base.where = f->where;
    return f->where ? PAWL_OK : pawl_error_set(err, PAWL_ENOMEM, "out of memory");
}

static const char *label_of(const struct pawl_storage_ops *ops)
{
    return ops->label ? ops->label : ops->scheme;
}

/* The primary, unless it is known to be away; the loud line at the start. */
static enum pawl_status first_contact(struct failover *f, struct pawl_error *err)
{
    struct pawl_error own = { 0 };
    char reason[BREAKER_TEXT];

    if (!failover_away(f) && !failover_primary(f, &own)) {
        if (!failover_is_away(own.status)) {
            if (err)
                *err = own;
            return own.status;
        }
        breaker_lost(&f->breaker, own.message);
    }
    /* Later a new one is as good as one that was emptied. Before the thread starts. */
    f->config.must_exist = false;
    if (failover_away(f)) {
        failover_log(f, PAWL_LOG_WARN, "falling-back",
                     "%s configured but not available, falling back to %s at %s "
                     "(%s: %s)",
                     label_of(&f->ops), label_of(f->spool->ops), f->spool->where, f->where,
                     breaker_text(f->breaker.page->reason, reason));
        failover_heed_silently(f);
    }
    failover_heed(f);
    return PAWL_OK;
}

static enum pawl_status failover_new(const struct pawl_storage_ops *ops,
                                     const struct pawl_storage_config *config,
                                     const struct storage_log *log,
                                     struct failover **out, struct pawl_error *err)
{
    struct failover *f = calloc(1, sizeof *f);

    if (!f)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    f->config = *config;
    if (log)
        f->log = *log;
    pthread_mutex_init(&f->mutex, NULL);
    pthread_mutex_init(&f->open_mutex, NULL);
    pthread_mutex_init(&f->told_mutex, NULL);
    random_bytes(&f->note_session, sizeof f->note_session);
    take_numbers(f, ops);
    *out = f;
    return PAWL_OK;
}

/* The spool cannot be used: then without, if the primary is there. */
static enum pawl_status without_spool(const char *url,
                                      const struct pawl_storage_config *config,
                                      const struct storage_log *log,
                                      const struct pawl_error *why,
                                      struct pawl_storage **out,
                                      struct pawl_error *err)
{
    struct pawl_error own = { 0 };
    enum pawl_status status = storage_open_plain(url, config, out, &own);
    char text[400];

    if (status != PAWL_OK && err)
        *err = own;
    if (failover_is_away(status)) /* who reads this asks why it is not spooled */
        pawl_error_set(err, status, "%.110s; and the fallback cannot be used: %.110s",
                       own.message, why->message);
    if (status != PAWL_OK)
        return status;
    snprintf(text, sizeof text,
             "%s is used without a fallback: %s (fallback=off in the URL says that none "
             "is wanted)", (*out)->where, why->message);
    if (log && log->line)
        log->line(log->context, PAWL_LOG_WARN, "no-fallback", text);
    return PAWL_OK;
}

/* In a program that wrote the one and the other, one of them is not what he thinks. */
static void tell_cut(struct failover *f)
{
    if (f->settings.patience > f->config.deadline)
        failover_log(f, PAWL_LOG_INFO, "patience-cut",
                     "patience is %lld ms, but a call may take %lld ms (the program's "
                     "deadline): that counts", (long long)f->settings.patience,
                     (long long)f->config.deadline);
}

static enum pawl_status open_both(struct failover *f, bool *no_spool,
                                  struct pawl_error *err)
{
    enum pawl_status status = look_where(f, err);

    if (status != PAWL_OK)
        return status;
    status = failover_open_spool(f, err);
    /* What somebody named and is wrong is his mistake. The usual one nobody named, so that
     * whatever is wrong with it must not keep him from a primary that is there. */
    *no_spool = status != PAWL_OK && (status != PAWL_EINVAL || !f->settings.fallback);
    if (status != PAWL_OK && !*no_spool)
        pawl_error_prefix(err, "fallback");
    if (status != PAWL_OK)
        return status;
    tell_cut(f);
    /* What a process left behind that ended before it could say so: */
    if (!failover_spooled(f) && !failover_spool_empty(f))
        breaker_refilled(&f->breaker);
    if (f->config.urgent)
        breaker_hurry(&f->breaker);
    return first_contact(f, err);
}

static enum pawl_status open_with_spool(struct failover *f,
                                        const struct storage_log *log,
                                        struct pawl_storage **out,
                                        struct pawl_error *err)
{
    struct pawl_error why = { 0 };
    bool no_spool = false;
    enum pawl_status status = open_both(f, &no_spool, &why);

    if (status == PAWL_OK) {
        *out = &f->base;
        return PAWL_OK;
    }
    if (no_spool)
        status = without_spool(f->url, &f->config, log, &why, out, err);
    else if (err)
        *err = why;
    storage_close(&f->base);
    return status;
}

/* The URL without our options, which are read into *settings. */
static enum pawl_status split(const char *url, struct failover_settings *settings,
                              char **plain, struct pawl_error *err)
{
    size_t n = strcspn(url, "?");
    struct buf whole;
    char *rest = NULL;
    enum pawl_status status;

    status = failover_settings_read(url + n + (url[n] == '?'), settings, &rest, err);
    if (status != PAWL_OK)
        return status;
    buf_init(&whole, n + strlen(rest) + 1);
    buf_add(&whole, url, n);
    if (*rest)
        buf_printf(&whole, "?%s", rest);
    explicit_bzero(rest, strlen(rest));
    free(rest);
    if (whole.data && !whole.failed) {
        *plain = whole.data;
        return PAWL_OK;
    }
    buf_clear(&whole);
    failover_settings_clear(settings);
    return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
}

enum pawl_status failover_open(const struct pawl_storage_ops *ops, const char *url,
                               const struct pawl_storage_config *config,
                               const struct storage_log *log,
                               struct pawl_storage **out, struct pawl_error *err)
{
    struct failover_settings settings;
    struct failover *f = NULL;
    enum pawl_status status;
    char *plain = NULL;

    status = split(url, &settings, &plain, err);
    if (status != PAWL_OK)
        return status;
    if (!settings.off && !config->bare) {
        status = failover_new(ops, config, log, &f, err);
        if (status == PAWL_OK) {
            f->settings = settings;
            f->url = plain;
            return open_with_spool(f, log, out, err);
        }
    } else {
        status = storage_open_plain(plain, config, out, err);
    }
    explicit_bzero(plain, strlen(plain));
    free(plain);
    failover_settings_clear(&settings);
    return status;
}
