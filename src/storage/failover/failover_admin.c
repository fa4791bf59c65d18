/* failover_admin.c - looking and altering: at the primary, and where that is away or
 * does not know a job, in the spool. SPOOLED instead of OK says that what lies at the
 * primary was not looked at. */
#include <stdlib.h>
#include <string.h>

#include "storage/failover/failover_internal.h"

/* --- get ------------------------------------------------------------------------ */

static enum pawl_status get_here(struct failover *f, const char *queue,
                                 struct pawl_id id, struct pawl_job **out,
                                 struct pawl_error *err)
{
    enum pawl_status status = storage_get(f->spool, queue, id, out, err);

    if (status == PAWL_NOT_FOUND)
        status = failover_find_kept(f, id, out, err);
    return status;
}

enum pawl_status failover_get(struct pawl_storage *self, const char *queue,
                              struct pawl_id id, struct pawl_job **out,
                              struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    struct pawl_error own = { 0 };
    enum pawl_status status;
    struct pawl_storage *primary = failover_ask(f, &status, &own);

    if (primary)
        status = storage_get(primary, queue, id, out, &own);
    if (failover_final(f, status, &own, err)) {
        if (status == PAWL_NOT_FOUND && failover_spooled(f))
            status = get_here(f, queue, id, out, err);
        if (status == PAWL_NOT_FOUND && primary) /* it went over between the two looks */
            status = storage_get(primary, queue, id, out, err);
        return status;
    }
    status = get_here(f, queue, id, out, err);
    return status == PAWL_NOT_FOUND ? failover_unreachable(f, err) : status;
}

/* --- list ----------------------------------------------------------------------- */

/* Whose is a place? The spool's page follows the last one of the primary, so that a list
 * made while the spool drains shows both. */
enum { OF_PRIMARY, SPOOL_BEGINS, OF_SPOOL };

/* The spool's; behind its held ones those of kept calls. */
static enum pawl_status list_here(struct failover *f, const struct pawl_list *in,
                                  struct pawl_list_reply *out, struct pawl_error *err)
{
    struct pawl_list some = *in;
    enum pawl_status status;

    if (in->after.part != OF_SPOOL)
        some.after = (struct pawl_place){ 0 };
    if (some.after.set && some.after.rank == FAILOVER_KEPT) {
        status = failover_list_kept(f, &some, out, err);
    } else {
        status = storage_list(f->spool, &some, out, err);
        if (status >= 0 && in->state == PAWL_HELD && !out->next.set)
            out->next = (struct pawl_place){ .rank = FAILOVER_KEPT, .set = true };
    }
    out->next.part = OF_SPOOL;
    if (status < 0)
        return status;
    return failover_away(f) ? PAWL_SPOOLED : PAWL_OK;
}

enum pawl_status failover_list(struct pawl_storage *self, const struct pawl_list *in,
                               struct pawl_list_reply *out, struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    struct pawl_error own = { 0 };
    enum pawl_status status;
    struct pawl_storage *primary;

    if (in->after.set && in->after.part != OF_PRIMARY)
        return list_here(f, in, out, err);
    primary = failover_ask(f, &status, &own);
    if (primary)
        status = storage_list(primary, in, out, &own);
    if (failover_final(f, status, &own, err)) {
        if (status >= 0 && !out->next.set && failover_spooled(f))
            out->next = (struct pawl_place){ .part = SPOOL_BEGINS, .set = true };
        return status;
    }
    status = list_here(f, in, out, err);
    return status < 0 ? status : PAWL_SPOOLED;
}

/* --- alter ---------------------------------------------------------------------- */

static bool is_of_queue(enum pawl_alter_kind kind)
{
    return kind == PAWL_ALTER_PAUSE || kind == PAWL_ALTER_RESUME ||
           kind == PAWL_ALTER_RETENTION;
}

/* Only what the spool holds; of named jobs that it does not, `missing` is the
 * answer. */
static enum pawl_status alter_here(struct failover *f, const struct pawl_alter *in,
                                   enum pawl_status missing,
                                   struct pawl_alter_reply *out,
                                   struct pawl_error *err)
{
    enum pawl_status status = storage_alter(f->spool, in, out, err);

    for (size_t i = 0; in->ids && status >= 0 && i < in->id_count; i++)
        if (out->results[i] == PAWL_NOT_FOUND)
            out->results[i] = missing;
    return status;
}

/* Named jobs that were not found elsewhere. */
static enum pawl_status alter_missing(struct pawl_storage *storage,
                                      const struct pawl_alter *in,
                                      struct pawl_alter_reply *out,
                                      struct pawl_error *err)
{
    struct pawl_alter some = *in;
    struct pawl_alter_reply reply = { 0 };
    enum pawl_status status = PAWL_OK, result;

    for (size_t i = 0; i < in->id_count && status >= 0; i++) {
        if (out->results[i] != PAWL_NOT_FOUND)
            continue;
        some.ids = &in->ids[i];
        some.id_count = 1;
        reply = (struct pawl_alter_reply){ .results = &result };
        status = storage_alter(storage, &some, &reply, err);
        if (status >= 0)
            out->results[i] = result;
        out->changed += reply.changed;
    }
    return status;
}

/* What the primary did not know may still be in the spool; or it went over between the
 * two looks. */
static enum pawl_status alter_rest(struct failover *f, struct pawl_storage *primary,
                                   const struct pawl_alter *in,
                                   struct pawl_alter_reply *out,
                                   struct pawl_error *err)
{
    struct pawl_alter_reply reply = { 0 };
    enum pawl_status status;

    if (in->ids) {
        status = alter_missing(f->spool, in, out, err);
        return status < 0 ? status : alter_missing(primary, in, out, err);
    }
    status = storage_alter(f->spool, in, &reply, err);
    out->changed += reply.changed;
    out->more = out->more || reply.more;
    return status;
}

/* The primary did it: what else there is to do here. */
static enum pawl_status after_alter(struct failover *f, struct pawl_storage *primary,
                                    const struct pawl_alter *in,
                                    struct pawl_alter_reply *out,
                                    struct pawl_error *err)
{
    struct failover_line *line = failover_line(f, in->queue);

    if (line && (in->kind == PAWL_ALTER_PAUSE || in->kind == PAWL_ALTER_RESUME))
        failover_mirror_pause(f, line, in->kind == PAWL_ALTER_PAUSE);
    if (failover_spooled(f) && !is_of_queue(in->kind))
        return alter_rest(f, primary, in, out, err);
    return PAWL_OK;
}

enum pawl_status failover_alter(struct pawl_storage *self, const struct pawl_alter *in,
                                struct pawl_alter_reply *out, struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    struct pawl_error own = { 0 };
    enum pawl_status status;
    struct pawl_storage *primary = failover_ask(f, &status, &own);

    if (primary)
        status = storage_alter(primary, in, out, &own);
    if (failover_final(f, status, &own, err))
        return status < 0 ? status : after_alter(f, primary, in, out, err);
    if (status == PAWL_EUNKNOWN) { /* it may have been done: the caller must know */
        if (err)
            *err = own;
        return status;
    }
    if (in->kind == PAWL_ALTER_RETENTION)
        return failover_unreachable(f, err);
    status = alter_here(f, in, PAWL_EUNREACHABLE, out, err);
    return status < 0 || in->ids ? status : PAWL_SPOOLED;
}

/* --- whole jobs to and from elsewhere: not to a spool --------------------------- */

/* Maybe done; else certainly not. */
static enum pawl_status failed(struct failover *f, enum pawl_status status,
                               const struct pawl_error *own, struct pawl_error *err)
{
    if (status != PAWL_EUNKNOWN)
        return failover_unreachable(f, err);
    if (err)
        *err = *own;
    return status;
}

enum pawl_status failover_take_out(struct pawl_storage *self,
                                   const struct pawl_take_out *in,
                                   struct pawl_take_out_reply *out,
                                   struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    struct pawl_error own = { 0 };
    enum pawl_status status;
    struct pawl_storage *primary = failover_ask(f, &status, &own);

    if (primary)
        status = storage_take_out(primary, in, out, &own);
    return failover_final(f, status, &own, err) ? status : failed(f, status, &own, err);
}

enum pawl_status failover_bring_in(struct pawl_storage *self,
                                   const struct pawl_bring_in *in,
                                   struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    struct pawl_error own = { 0 };
    enum pawl_status status;
    struct pawl_storage *primary = failover_ask(f, &status, &own);

    if (primary)
        status = storage_bring_in(primary, in, results, &own);
    return failover_final(f, status, &own, err) ? status : failed(f, status, &own, err);
}

enum pawl_status failover_tally(struct pawl_storage *self, const char *queue,
                                struct pawl_session mover, bool forget,
                                struct pawl_tally *out, struct pawl_error *err)
{
    struct failover *f = failover_of(self);
    struct pawl_error own = { 0 };
    enum pawl_status status;
    struct pawl_storage *primary = failover_ask(f, &status, &own);

    if (primary)
        status = storage_tally(primary, queue, mover, forget, out, &own);
    return failover_final(f, status, &own, err) ? status : failed(f, status, &own, err);
}
