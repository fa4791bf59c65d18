/* failover_put.c - new jobs: to the primary, else into the spool.
 *
 * A put that the primary certainly did not get is stored in the spool as jobs, and
 * this host may run them. One that it may have got (sent, and no answer) is kept
 * whole, with its session and seq, and nobody runs it: it can only be sent again.
 *
 * The caller knows of one store. When it repeats a put whose outcome it was not
 * told, that must go where it went the first time, whatever the state is by then:
 * such a put is pinned.
 */
#include <string.h>

#include "storage/failover/failover_internal.h"

/* --- pins ------------------------------------------------------------------------- */

/* A put on its way. */
struct way {
    struct failover *f;
    struct failover_line *line;
    const struct pawl_put *in;   /* as the caller has it */
    struct pawl_put to_primary;  /* as the primary is to see it */
    enum failover_pin pinned;
};

/* With the mutex. */
static struct failover_pinned *find_pin(const struct way *way)
{
    for (size_t i = 0; i < FAILOVER_PINS; i++) {
        struct failover_pinned *pin = &way->line->pins[i];
        if (pin->where != FAILOVER_FREE && pin->seq == way->in->seq &&
            memcmp(&pin->session, &way->in->session, sizeof pin->session) == 0)
            return pin;
    }
    return NULL;
}

/* Where it must go, and the session that the primary is to see: that of the try before,
 * else the caller's, changed by the number of puts that were kept so far. It is chosen
 * once: another put may be kept meanwhile. */
static void set_out(struct way *way)
{
    struct failover *f = way->f;
    const struct failover_pinned *pin;

    way->to_primary = *way->in;
    pthread_mutex_lock(&f->mutex);
    pin = find_pin(way);
    way->pinned = pin ? pin->where : FAILOVER_FREE;
    if (pin && pin->where == FAILOVER_AT_PRIMARY)
        way->to_primary.session = pin->sent_as;
    else
        for (int i = 0; i < 4; i++)
            way->to_primary.session.b[i] ^= (uint8_t)(way->line->turn >> 8 * i);
    pthread_mutex_unlock(&f->mutex);
}

/* The caller will be told `status` of this put, which went there. */
static enum pawl_status arrive(struct way *way, enum failover_pin where,
                               enum pawl_status status)
{
    struct failover_line *line = way->line;
    struct failover_pinned *pin;

    if (status != PAWL_EUNKNOWN && way->pinned == FAILOVER_FREE)
        return status;
    pthread_mutex_lock(&way->f->mutex);
    pin = find_pin(way);
    if (status == PAWL_EUNKNOWN) {
        if (!pin)
            pin = &line->pins[line->next_pin++ % FAILOVER_PINS];
        *pin = (struct failover_pinned){ way->in->session, way->in->seq, where,
                                         way->to_primary.session };
    } else if (pin && (status >= 0 || status == PAWL_ETOOOLD)) {
        pin->where = FAILOVER_FREE; /* a failure tells nothing of the try before */
    }
    pthread_mutex_unlock(&way->f->mutex);
    return status;
}

/* --- where it goes ------------------------------------------------------------------ */

static void say_spooled(const struct pawl_put *in, struct pawl_put_result *results)
{
    for (size_t i = 0; i < in->job_count; i++)
        if (results[i].status == PAWL_OK)
            results[i].status = PAWL_SPOOLED;
}

/* There is something in the spool, in case it was found empty meanwhile. */
static void spooled(struct failover *f)
{
    breaker_refilled(&f->breaker);
    failover_heed(f);
}

static enum pawl_status into_spool(struct way *way, struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;

    if (way->pinned == FAILOVER_FREE) /* else it has its room */
        status = failover_take_room(way->f, way->in, err);
    if (status == PAWL_OK)
        status = storage_put(way->f->spool, way->in, results, err);
    if (status >= 0) {
        say_spooled(way->in, results);
        spooled(way->f);
    }
    return arrive(way, FAILOVER_AT_SPOOL, status);
}

/* The primary may have it. */
static enum pawl_status keep_maybe(struct way *way, struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    const struct pawl_put *in = way->in;
    enum pawl_status status = failover_note_put(way->f, &way->to_primary, err);

    if (status < 0) {
        pawl_error_prefix(err, "maybe stored, and not to be spooled");
        if (err)
            err->status = PAWL_EUNKNOWN;
        return arrive(way, FAILOVER_AT_PRIMARY, PAWL_EUNKNOWN);
    }
    pthread_mutex_lock(&way->f->mutex);
    way->line->turn++;
    pthread_mutex_unlock(&way->f->mutex);
    for (size_t i = 0; i < in->job_count; i++)
        results[i] = (struct pawl_put_result){ PAWL_SPOOLED, in->jobs[i].id };
    spooled(way->f);
    return arrive(way, FAILOVER_AT_PRIMARY, PAWL_OK);
}

static enum pawl_status while_away(struct way *way, struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    if (way->line->policy == FAILOVER_FAIL) {
        if (way->pinned == FAILOVER_AT_PRIMARY) /* of that it is still not known */
            return pawl_error_set(err, PAWL_EUNKNOWN, "no answer, maybe done");
        return failover_unreachable(way->f, err);
    }
    if (way->pinned == FAILOVER_AT_PRIMARY)
        return keep_maybe(way, results, err);
    return into_spool(way, results, err);
}

static enum pawl_status to_primary(struct way *way, struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    struct pawl_error own = { 0 };
    struct pawl_storage *primary = failover_primary(way->f, &own);
    enum pawl_status status = own.status;

    if (primary)
        status = storage_put(primary, &way->to_primary, results, &own);
    if (failover_lost(way->f, status, &own) && way->line->policy != FAILOVER_FAIL) {
        if (status == PAWL_EUNKNOWN)
            way->pinned = FAILOVER_AT_PRIMARY;
        return while_away(way, results, err);
    }
    if (status < 0 && err)
        *err = own;
    return arrive(way, FAILOVER_AT_PRIMARY, status);
}

enum pawl_status failover_put(struct pawl_storage *self, const struct pawl_put *in,
                              struct pawl_put_result *results, struct pawl_error *err)
{
    struct way way = { .f = failover_of(self), .in = in };

    way.line = failover_line(way.f, in->queue);
    if (!way.line)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    failover_heed(way.f);
    set_out(&way);
    if (way.pinned == FAILOVER_AT_SPOOL)
        return into_spool(&way, results, err);
    if (failover_away(way.f))
        return while_away(&way, results, err);
    return to_primary(&way, results, err);
}
