/* faulty.c - see faulty.h. */
#include "faulty.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/storage.h"

static atomic_int mode, calls_left; /* calls_left < 0: for ever */
static _Atomic uint64_t calls;
static atomic_long points_left;
static _Atomic uint8_t store_number = 1;
static const char *_Atomic damaged;
static atomic_int damaged_how;

struct faulty {
    struct pawl_storage base;
    struct pawl_storage *inner;
    char where[300];
};

/* --- what is commanded ---------------------------------------------------------- */

void faulty_set(enum faulty_mode to)
{
    faulty_for(to, -1);
}

void faulty_for(enum faulty_mode to, int count)
{
    atomic_store(&calls_left, count);
    atomic_store(&mode, (int)to);
}

uint64_t faulty_calls(void)
{
    return atomic_load(&calls);
}

void faulty_replace(void)
{
    atomic_fetch_add(&store_number, 1);
}

void faulty_damage(const char *queue, enum faulty_damage how)
{
    atomic_store(&damaged_how, (int)how);
    atomic_store(&damaged, queue);
}

void faulty_die_at(long k)
{
    atomic_store(&points_left, k);
}

static void point(void)
{
    if (atomic_load(&points_left) > 0 && atomic_fetch_sub(&points_left, 1) == 1)
        raise(SIGKILL);
}

/* --- one call ------------------------------------------------------------------- */

static struct pawl_storage *inner(struct pawl_storage *self)
{
    return ((struct faulty *)self)->inner;
}

/* The mode of this call. */
static enum faulty_mode begin(const struct pawl_storage *self)
{
    point();
    if (!self->ops->remote)
        return FAULTY_FINE;
    atomic_fetch_add(&calls, 1);
    enum faulty_mode now = (enum faulty_mode)atomic_load(&mode);
    if (now != FAULTY_FINE && atomic_load(&calls_left) > 0 &&
        atomic_fetch_sub(&calls_left, 1) == 1)
        atomic_store(&mode, FAULTY_AWAY);
    return now;
}

/* OK: it is not. */
static enum pawl_status damage(const struct pawl_storage *self, const char *queue,
                               struct pawl_error *err)
{
    const char *which = atomic_load(&damaged);
    if (!self->ops->remote || which == NULL ||
        (strcmp(which, "*") != 0 && strcmp(which, queue) != 0))
        return PAWL_OK;
    switch ((enum faulty_damage)atomic_load(&damaged_how)) {
    case FAULTY_PARTLY:
        pawl_error_set(err, PAWL_EUNKNOWN, "maybe done in part: somebody wrote there");
        if (err)
            err->native = PAWL_NATIVE_ANSWERED;
        return PAWL_EUNKNOWN;
    case FAULTY_CUT_OFF:
        return pawl_error_set(err, PAWL_EUNREACHABLE, "its master is dead");
    default:
        return pawl_error_set(err, PAWL_ECORRUPT, "somebody wrote there");
    }
}

/* What it comes to that was not done. */
static enum pawl_status refuse(enum faulty_mode now, struct pawl_error *err)
{
    switch (now) {
    case FAULTY_AWAY:
        return pawl_error_set(err, PAWL_EUNREACHABLE, "nobody is there");
    case FAULTY_DENIED:
        return pawl_error_set(err, PAWL_EDENIED, "wrong password");
    default:
        return pawl_error_set(err, PAWL_EUNKNOWN, "no answer, maybe done");
    }
}

static enum pawl_status end(enum faulty_mode now, enum pawl_status status,
                            struct pawl_error *err)
{
    point();
    return now == FAULTY_LOST_AFTER ? refuse(now, err) : status;
}

#define CALL(done)                                                              \
    enum faulty_mode now = begin(self);                                         \
    if (now != FAULTY_FINE && now != FAULTY_LOST_AFTER)                         \
        return refuse(now, err);                                                \
    return end(now, done, err)

static enum pawl_status faulty_put(struct pawl_storage *self, const struct pawl_put *in,
                                   struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    enum pawl_status bad = damage(self, in->queue, err);
    if (bad != PAWL_OK)
        return bad;
    CALL(storage_put(inner(self), in, results, err));
}

static enum pawl_status faulty_exchange(struct pawl_storage *self,
                                        const struct pawl_exchange *in,
                                        struct pawl_exchange_reply *out,
                                        struct pawl_error *err)
{
    enum pawl_status bad = damage(self, in->queue, err);
    if (bad != PAWL_OK)
        return bad;
    enum faulty_mode now = begin(self);
    if (now != FAULTY_FINE && now != FAULTY_LOST_AFTER)
        return refuse(now, err);
    enum pawl_status status = storage_exchange(inner(self), in, out, err);
    while (now == FAULTY_LOST_AFTER && out->job_count > 0)
        pawl_job_free(out->jobs[--out->job_count]);
    return end(now, status, err);
}

static enum pawl_status faulty_renew(struct pawl_storage *self,
                                     const struct pawl_renew *in,
                                     enum pawl_status *results, struct pawl_error *err)
{
    CALL(storage_renew(inner(self), in, results, err));
}

static enum pawl_status faulty_sweep(struct pawl_storage *self,
                                     const struct pawl_sweep *in,
                                     struct pawl_sweep_reply *out,
                                     struct pawl_error *err)
{
    CALL(storage_sweep(inner(self), in, out, err));
}

static enum pawl_status faulty_wait(struct pawl_storage *self,
                                    const struct pawl_wait *in, struct pawl_error *err)
{
    return storage_wait(inner(self), in, err);
}

static void faulty_kick(struct pawl_storage *self)
{
    storage_kick(inner(self));
}

static enum pawl_status faulty_get(struct pawl_storage *self, const char *queue,
                                   struct pawl_id id, struct pawl_job **out,
                                   struct pawl_error *err)
{
    enum faulty_mode now = begin(self);
    if (now != FAULTY_FINE)
        return refuse(FAULTY_AWAY, err);
    return storage_get(inner(self), queue, id, out, err);
}

static enum pawl_status faulty_list(struct pawl_storage *self,
                                    const struct pawl_list *in,
                                    struct pawl_list_reply *out, struct pawl_error *err)
{
    enum faulty_mode now = begin(self);
    if (now != FAULTY_FINE)
        return refuse(FAULTY_AWAY, err);
    return storage_list(inner(self), in, out, err);
}

static enum pawl_status faulty_alter(struct pawl_storage *self,
                                     const struct pawl_alter *in,
                                     struct pawl_alter_reply *out,
                                     struct pawl_error *err)
{
    CALL(storage_alter(inner(self), in, out, err));
}

static enum pawl_status faulty_take_out(struct pawl_storage *self,
                                        const struct pawl_take_out *in,
                                        struct pawl_take_out_reply *out,
                                        struct pawl_error *err)
{
    CALL(storage_take_out(inner(self), in, out, err));
}

static enum pawl_status faulty_bring_in(struct pawl_storage *self,
                                        const struct pawl_bring_in *in,
                                        struct pawl_put_result *results,
                                        struct pawl_error *err)
{
    enum pawl_status bad = damage(self, in->queue, err);
    if (bad != PAWL_OK)
        return bad;
    CALL(storage_bring_in(inner(self), in, results, err));
}

static enum pawl_status faulty_tally(struct pawl_storage *self, const char *queue,
                                     struct pawl_session mover, bool forget,
                                     struct pawl_tally *out, struct pawl_error *err)
{
    enum faulty_mode now = begin(self);
    if (now != FAULTY_FINE)
        return refuse(FAULTY_AWAY, err);
    return storage_tally(inner(self), queue, mover, forget, out, err);
}

static enum pawl_status faulty_stats(struct pawl_storage *self, const char *queue,
                                     struct pawl_stats **out, struct pawl_error *err)
{
    enum faulty_mode now = begin(self);
    if (now != FAULTY_FINE)
        return refuse(FAULTY_AWAY, err);
    return storage_stats(inner(self), queue, out, err);
}

static enum pawl_status faulty_health(struct pawl_storage *self,
                                      struct pawl_health *out, struct pawl_error *err)
{
    enum faulty_mode now = begin(self);
    if (now != FAULTY_FINE)
        return refuse(now == FAULTY_DENIED ? now : FAULTY_AWAY, err);
    return storage_health(inner(self), out, err);
}

/* --- open and close ------------------------------------------------------------- */

static enum pawl_status faulty_open(struct pawl_storage *self,
                                    const struct pawl_storage_config *config,
                                    struct pawl_error *err)
{
    struct faulty *faulty = (struct faulty *)self;
    char url[1200];
    enum faulty_mode now;
    snprintf(faulty->where, sizeof faulty->where, "faulty:%s", config->location);
    self->where = faulty->where;
    if (config->url_only)
        return PAWL_OK;
    now = begin(self);
    if (now != FAULTY_FINE)
        return refuse(now == FAULTY_DENIED ? now : FAULTY_AWAY, err);
    snprintf(url, sizeof url, "%s%s%s", config->location, *config->options ? "?" : "",
             config->options);
    enum pawl_status status = storage_open_plain(url, config, &faulty->inner, err);
    if (status != PAWL_OK)
        return status;
    if (self->ops->remote)
        self->store.b[15] = atomic_load(&store_number);
    else
        self->where = faulty->inner->where;
    point();
    return PAWL_OK;
}

static void faulty_close(struct pawl_storage *self)
{
    if (inner(self))
        inner(self)->keep_leases = self->keep_leases;
    storage_close(inner(self));
}

#define TABLE(name, far)                                                        \
    {                                                                           \
        .abi = PAWL_STORAGE_ABI, .scheme = (name), .label = "Faulty",           \
        .instance_size = sizeof(struct faulty), .put_max = 1000,                \
        .exchanges_in_flight = 2, .remote = (far), .open = faulty_open,         \
        .close = faulty_close, .put = faulty_put, .exchange = faulty_exchange,  \
        .renew = faulty_renew, .sweep = faulty_sweep, .wait = faulty_wait,      \
        .kick = faulty_kick, .get = faulty_get, .list = faulty_list,            \
        .alter = faulty_alter, .take_out = faulty_take_out,                     \
        .bring_in = faulty_bring_in, .tally = faulty_tally,                     \
        .stats = faulty_stats, .health = faulty_health,                         \
    }

void faulty_register(void)
{
    static const struct pawl_storage_ops tables[] = { TABLE("faulty", true),
                                                      TABLE("faulty-local", false) };
    for (int i = 0; i < 2; i++)
        pawl_storage_register(&tables[i], NULL); /* EINVAL: it is there already */
}
