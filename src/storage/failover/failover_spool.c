/* failover_spool.c - opening the spool, and whether it may be this primary's.
 *
 * A spool is for one primary: whoever opens it drains it, so one that two primaries
 * share would send the jobs of one to the other. The usual spool has a name made from
 * the primary; one that a program names may be anybody's, and it is refused
 *
 *   - while it is another primary's, as its page says, unless that is the same store by
 *     another name, which the mark of the store tells when it answers; or it is empty,
 *     and nobody uses it for the other one.
 *   - if it holds jobs and is nobody's spool: they were enqueued to stay in it.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "storage/failover/failover_internal.h"
#include "storage/registry.h"
#include "util/random.h"

#define TRIES 250 /* while another takes it over: about a second together */
#define ASKS 25   /* while others look, too */

/* --- whose it is ---------------------------------------------------------------- */

static enum pawl_status look_empty(struct failover *f, bool *empty, struct pawl_error *err)
{
    struct pawl_stats *stats = NULL;
    enum pawl_status status = storage_stats(f->spool, NULL, &stats, err);

    if (status < 0)
        return status;
    pawl_stats_free(stats);
    *empty = failover_spool_empty(f);
    return PAWL_OK;
}

/* A file that is nobody's spool: that of jobs which are at home there? The usual one is
 * ours by its name, whatever became of its page. */
static enum pawl_status check_new(struct failover *f, struct pawl_error *err)
{
    bool empty = true;
    enum pawl_status status = PAWL_OK;

    if (f->settings.fallback)
        status = look_empty(f, &empty, err);
    if (status != PAWL_OK || empty)
        return status;
    return pawl_error_set(err, PAWL_EINVAL,
                          "it holds jobs and is not known as a spool: all would go to "
                          "%.75s. Use another file, or 'pawl migrate --from %s:FILE "
                          "--to URL'", f->where, f->spool->ops->scheme);
}

/* Does the primary answer, and is it the store that the spool was filled for? */
static bool is_same_store(struct failover *f)
{
    struct pawl_storage_config config = f->config;
    struct pawl_storage *primary = NULL;
    uint64_t known[2], mark[2];
    bool same = false;

    for (int i = 0; i < 2; i++)
        known[i] = atomic_load(&f->breaker.page->store[i]);
    if (known[0] == 0 && known[1] == 0)
        return false;
    config.deadline = failover_patience(f);
    config.must_exist = true; /* a new one is not it */
    if (storage_open_plain(f->url, &config, &primary, NULL) == PAWL_OK) {
        memcpy(mark, primary->store.b, sizeof mark);
        same = memcmp(mark, known, sizeof mark) == 0;
    }
    storage_close(primary);
    return same;
}

static enum pawl_status refuse_shared(struct failover *f, struct pawl_error *err)
{
    char other[BREAKER_TEXT];

    return pawl_error_set(err, PAWL_EINVAL,
                          "it is in use by %.70s, and cannot be that of %.70s: give "
                          "each a file of its own",
                          breaker_text(f->breaker.page->where, other), f->where);
}

/* Nobody else uses it. Meanwhile it may have become ours. */
static enum pawl_status take_over(struct failover *f, struct pawl_error *err)
{
    bool empty = false;
    char other[BREAKER_TEXT];
    enum pawl_status status;

    if (breaker_owner(&f->breaker) == BREAKER_OURS)
        return PAWL_OK;
    status = look_empty(f, &empty, err);
    if (status != PAWL_OK)
        return status;
    if (!empty)
        return pawl_error_set(err, PAWL_EINVAL,
                              "it holds jobs for %.60s, not %.60s: give each a file of "
                              "its own, or 'pawl drain' with the old URL first",
                              breaker_text(f->breaker.page->where, other), f->where);
    breaker_take_over(&f->breaker, false);
    return PAWL_OK;
}

/* Connecting may take long, and others who want the spool meanwhile do not wait for it. */
static bool ask_for_store(struct failover *f)
{
    bool same;

    breaker_let_go(&f->breaker);
    same = is_same_store(f);
    return breaker_use(&f->breaker, false) && same &&
           breaker_owner(&f->breaker) == BREAKER_ANOTHERS;
}

static void nap(void)
{
    struct timespec some = { .tv_nsec = (long)(1 + random_u64() % 8) * 1000000 };

    nanosleep(&some, NULL);
}

/* It is another's: become alone, or give up. OK with *again: look anew. */
static enum pawl_status ask_for_it(struct failover *f, bool *again,
                                   struct pawl_error *err)
{
    enum pawl_status status;

    *again = !breaker_use(&f->breaker, true);
    if (*again) {
        breaker_let_go(&f->breaker); /* two that ask would both be in the way */
        return PAWL_OK;
    }
    status = take_over(f, err);
    breaker_use(&f->breaker, false);
    return status;
}

static enum pawl_status make_ours(struct failover *f, struct pawl_error *err)
{
    struct breaker *breaker = &f->breaker;
    enum pawl_status status = PAWL_OK;
    bool again = false;
    int asks = 0;

    for (int i = 0; i < TRIES && asks < ASKS; i++) {
        if (i > 0)
            nap();
        if (!breaker_use(breaker, false))
            continue; /* it is given to another just now */
        enum breaker_owner owner = breaker_owner(breaker);
        if (owner == BREAKER_NOBODYS)
            status = check_new(f, err);
        if (status != PAWL_OK || (owner != BREAKER_ANOTHERS && breaker_claim(breaker)))
            return status;
        if (owner == BREAKER_ANOTHERS && asks == 0 && ask_for_store(f)) {
            breaker_take_over(breaker, true);
            breaker_hurry(breaker); /* it just answered */
            return PAWL_OK;
        }
        asks++;
        status = ask_for_it(f, &again, err);
        if (status != PAWL_OK || !again)
            return status;
    }
    if (asks < ASKS) /* somebody was stopped while he made it his: it may be ours */
        return pawl_error_set(err, PAWL_ETIMEOUT,
                              "a process that takes it over does not come to an end");
    return refuse_shared(f, err);
}

/* --- opening -------------------------------------------------------------------- */

static enum pawl_status open_breaker(struct failover *f, struct pawl_error *err)
{
    const bool is_file = f->spool->where && f->spool->where[0] == '/';
    struct breaker_times times = { f->settings.dwell, f->settings.trial,
                                   failover_patience(f) };
    char path[4200];

    snprintf(path, sizeof path, "%s" BREAKER_SUFFIX, is_file ? f->spool->where : "");
    return breaker_open(&f->breaker, is_file ? path : NULL, f->where, &times, err);
}

/* Is it of a kind that may be one? */
static enum pawl_status check_kind(const struct pawl_storage_ops *ops,
                                   struct pawl_error *err)
{
    if (ops->remote)
        return pawl_error_set(err, PAWL_EINVAL, "fallback is local, not '%s:'",
                              ops->scheme);
    if (ops->fleeting) /* "what was accepted is not lost" would not be true */
        return pawl_error_set(err, PAWL_EINVAL,
                              "'%s:' loses its jobs with the process: name a file",
                              ops->scheme);
    return PAWL_OK;
}

enum pawl_status failover_open_spool(struct failover *f, struct pawl_error *err)
{
    struct pawl_storage_config config = f->config;
    const char *url = f->settings.fallback;
    enum pawl_status status = PAWL_OK;
    char usual[REGISTRY_URL_MAX];

    config.must_exist = false;
    if (!url) {
        status = registry_spool_url(f->where, usual, sizeof usual, err);
        url = usual;
    }
    if (status == PAWL_OK)
        status = storage_open(url, &config, NULL, &f->spool, err);
    if (status == PAWL_OK)
        status = check_kind(f->spool->ops, err);
    if (status == PAWL_OK)
        status = open_breaker(f, err);
    return status == PAWL_OK ? make_ours(f, err) : status;
}
