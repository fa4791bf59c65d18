/* failover_exchange.c - outcomes, claims, leases and sweeps of two storages.
 *
 * A job belongs to the storage that handed it out, and its outcome goes there, by
 * the mark in its origin. What belongs to the primary while that is away is kept
 * for it; its handlers go on, since nobody said that their leases are lost.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/failover/failover_internal.h"

/* --- whose is it ---------------------------------------------------------------- */

/* The items of a call that belong to one storage, and where its answers go. */
struct share {
    struct pawl_outcome *outcomes;
    struct pawl_lease_ref *leases;
    enum pawl_status *results;
    size_t *index;
    size_t count;
};

static void share_clear(struct share *share)
{
    free(share->outcomes);
    free(share->leases);
    free(share->results);
    free(share->index);
}

static enum pawl_status share_init(struct share *share, size_t most,
                                   struct pawl_error *err)
{
    size_t n = most ? most : 1;

    share->outcomes = malloc(n * sizeof *share->outcomes);
    share->leases = malloc(n * sizeof *share->leases);
    share->results = malloc(n * sizeof *share->results);
    share->index = malloc(n * sizeof *share->index);
    share->count = 0;
    if (share->outcomes && share->leases && share->results && share->index)
        return PAWL_OK;
    return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
}

static void give_back(const struct share *share, enum pawl_status *results)
{
    for (size_t i = 0; i < share->count; i++)
        results[share->index[i]] = share->results[i];
}

/* The outcomes that are local, or those that are not, as their storage knows them;
 * *some is the exchange with these alone. To be cleared, also after a failure. */
static enum pawl_status share_outcomes(struct share *share, const struct pawl_exchange *in,
                                       bool local, struct pawl_exchange *some,
                                       struct pawl_error *err)
{
    enum pawl_status status = share_init(share, in->outcome_count, err);

    for (size_t i = 0; i < in->outcome_count && status == PAWL_OK; i++) {
        const struct pawl_outcome *o = &in->outcomes[i];
        if (((o->origin & FAILOVER_LOCAL) != 0) != local)
            continue;
        share->outcomes[share->count] = *o;
        share->outcomes[share->count].origin &= ~FAILOVER_LOCAL;
        share->index[share->count++] = i;
    }
    *some = *in;
    some->outcomes = share->outcomes;
    some->outcome_count = share->count;
    return status;
}

static void share_leases(struct share *share, const struct pawl_renew *in, bool local)
{
    for (size_t i = 0; i < in->lease_count; i++) {
        const struct pawl_lease_ref *lease = &in->leases[i];
        if (((lease->origin & FAILOVER_LOCAL) != 0) != local)
            continue;
        share->leases[share->count] = *lease;
        share->leases[share->count].origin &= ~FAILOVER_LOCAL;
        share->index[share->count++] = i;
    }
}

/* --- the spool's part of an exchange -------------------------------------------- */

/* Is the queue paused in the spool? */
static bool paused_here(struct failover *f, const char *queue)
{
    struct pawl_stats *stats = NULL;
    bool paused = false;

    if (storage_stats(f->spool, queue, &stats, NULL) == PAWL_OK) {
        paused = stats->queues[0].paused;
        pawl_stats_free(stats);
    }
    return paused;
}

void failover_mirror_pause(struct failover *f, struct failover_line *line, bool paused)
{
    struct pawl_alter alter = { .queue = line->queue,
                                .kind = paused ? PAWL_ALTER_PAUSE : PAWL_ALTER_RESUME };
    struct pawl_alter_reply reply = { 0 };

    if (atomic_load(&line->paused) < 0)
        atomic_store(&line->paused, (int)paused_here(f, line->queue));
    if (atomic_load(&line->paused) == (int)paused)
        return;
    if (storage_alter(f->spool, &alter, &reply, NULL) >= 0)
        atomic_store(&line->paused, (int)paused);
}

static enum pawl_status exchange_here(struct failover *f, const struct pawl_exchange *in,
                                      size_t claim_max, struct pawl_exchange_reply *out,
                                      struct pawl_error *err)
{
    struct pawl_exchange_reply reply = { .jobs = out->jobs };
    struct pawl_exchange some;
    struct share share = { 0 };
    enum pawl_status status = share_outcomes(&share, in, true, &some, err);

    some.claim_max = claim_max;
    reply.outcomes = share.results;
    if (status == PAWL_OK && (share.count > 0 || claim_max > 0))
        status = storage_exchange(f->spool, &some, &reply, err);
    if (status >= 0) {
        give_back(&share, out->outcomes);
        for (size_t i = 0; i < reply.job_count; i++)
            reply.jobs[i]->origin |= FAILOVER_LOCAL;
        out->job_count = reply.job_count;
        out->paused = reply.paused;
        out->more = reply.more;
        out->next_at = reply.next_at;
    }
    share_clear(&share);
    return status;
}

/* --- the primary's -------------------------------------------------------------- */

/* Its outcomes, for later: the epoch will tell whether they still count. */
static enum pawl_status keep(struct failover *f, const struct pawl_exchange *in,
                             enum pawl_status *results, struct pawl_error *err)
{
    struct pawl_exchange some;
    struct share share = { 0 };
    enum pawl_status status = share_outcomes(&share, in, false, &some, err);

    if (status == PAWL_OK && share.count > 0)
        status = failover_note_outcomes(f, &some, err);
    for (size_t i = 0; i < share.count; i++)
        share.results[i] = PAWL_OK;
    if (status >= 0)
        give_back(&share, results);
    share_clear(&share);
    return status;
}

static enum pawl_status exchange_away(struct failover *f, struct failover_line *line,
                                      const struct pawl_exchange *in,
                                      struct pawl_exchange_reply *out,
                                      struct pawl_error *err)
{
    size_t claim_max = line->policy == FAILOVER_RUN_LOCAL ? in->claim_max : 0;
    enum pawl_status status = keep(f, in, out->outcomes, err);

    atomic_store(&line->paused, -1); /* it may be paused here meanwhile: compare anew */
    if (status >= 0)
        status = exchange_here(f, in, claim_max, out, err);
    return status;
}

/* Where no outcome is the spool's. */
static enum pawl_status exchange_plain(struct failover *f, struct failover_line *line,
                                       const struct pawl_exchange *in,
                                       struct pawl_exchange_reply *out,
                                       struct pawl_error *err)
{
    struct pawl_error own = { 0 };
    enum pawl_status status;
    struct pawl_storage *primary = failover_ask(f, &status, &own);

    if (primary)
        status = storage_exchange(primary, in, out, &own);
    if (!failover_final(f, status, &own, err))
        return exchange_away(f, line, in, out, err);
    if (status >= 0 && in->claim_max > 0)
        failover_mirror_pause(f, line, out->paused);
    return status;
}

/* Outcomes of the spool among those of the primary: rare, and only while what was
 * claimed during an outage ends after it. The spool's are settled first. */
static enum pawl_status exchange_mixed(struct failover *f, struct failover_line *line,
                                       const struct pawl_exchange *in,
                                       struct pawl_exchange_reply *out,
                                       struct pawl_error *err)
{
    struct pawl_exchange some;
    enum pawl_status *results = out->outcomes;
    struct share share = { 0 };
    enum pawl_status status = exchange_here(f, in, 0, out, err);

    if (status >= 0)
        status = share_outcomes(&share, in, false, &some, err);
    if (status >= 0) {
        out->outcomes = share.results;
        status = exchange_plain(f, line, &some, out, err);
        out->outcomes = results;
    }
    if (status >= 0)
        give_back(&share, results);
    share_clear(&share);
    return status;
}

static bool has_local(const struct pawl_exchange *in)
{
    for (size_t i = 0; i < in->outcome_count; i++)
        if (in->outcomes[i].origin & FAILOVER_LOCAL)
            return true;
    return false;
}

enum pawl_status failover_exchange(struct pawl_storage *self,
                                   const struct pawl_exchange *in,
                                   struct pawl_exchange_reply *out,
                                   struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    struct failover_line *line = failover_line(f, in->queue);

    if (!line)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    if (!has_local(in))
        return exchange_plain(f, line, in, out, err);
    /* The state is looked at once, and either way is right in each: what is the spool's
     * must not get to the primary, which would call it stale. Away they go in one step. */
    failover_heed(f);
    return failover_away(f) ? exchange_away(f, line, in, out, err)
                            : exchange_mixed(f, line, in, out, err);
}

/* --- leases --------------------------------------------------------------------- */

/* Nobody said that they are lost. */
static void renew_in_mind(const struct share *share)
{
    for (size_t i = 0; i < share->count; i++)
        share->results[i] = PAWL_OK;
}

static enum pawl_status renew_share(struct failover *f, const struct pawl_renew *in,
                                    bool local, enum pawl_status *results,
                                    struct pawl_error *err)
{
    struct pawl_storage *storage = f->spool;
    struct pawl_renew some = *in;
    struct share share = { 0 };
    struct pawl_error own = { 0 };
    enum pawl_status status = share_init(&share, in->lease_count, &own);

    if (status == PAWL_OK)
        share_leases(&share, in, local);
    some.leases = share.leases;
    some.lease_count = share.count;
    if (share.count > 0 && !local)
        storage = failover_ask(f, &status, &own);
    if (share.count > 0 && storage)
        status = storage_renew(storage, &some, share.results, &own);
    if (!local && !failover_final(f, status, &own, NULL)) {
        renew_in_mind(&share);
        status = PAWL_OK;
    }
    if (status >= 0)
        give_back(&share, results);
    else if (err)
        *err = own;
    share_clear(&share);
    return status;
}

enum pawl_status failover_renew(struct pawl_storage *self, const struct pawl_renew *in,
                                enum pawl_status *results, struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    enum pawl_status status;

    failover_heed(f);
    status = renew_share(f, in, true, results, err);
    if (status >= 0)
        status = renew_share(f, in, false, results, err);
    return status;
}

/* --- sweeping ------------------------------------------------------------------- */

static void add_up(struct pawl_sweep_reply *to, const struct pawl_sweep_reply *from)
{
    to->promoted += from->promoted;
    to->recovered += from->recovered;
    to->killed += from->killed;
    to->expired += from->expired;
    to->removed += from->removed;
    to->more = to->more || from->more;
    if (from->next_at && (!to->next_at || from->next_at < to->next_at))
        to->next_at = from->next_at;
}

enum pawl_status failover_sweep(struct pawl_storage *self, const struct pawl_sweep *in,
                                struct pawl_sweep_reply *out, struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    struct pawl_sweep_reply here = { 0 };
    struct pawl_error own = { 0 };
    enum pawl_status status;
    struct pawl_storage *primary = failover_ask(f, &status, &own);

    if (primary)
        status = storage_sweep(primary, in, out, &own);
    if (failover_final(f, status, &own, err) && status < 0)
        return status;
    status = PAWL_OK;
    if (failover_spooled(f))
        status = storage_sweep(f->spool, in, &here, err);
    add_up(out, &here);
    return status;
}
