/* mortal.c - see mortal.h. */
#include "mortal.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/storage.h"

struct mortal {
    struct pawl_storage base;
    struct pawl_storage *inner;
};

static atomic_long calls;
static long die_at;
static bool die_after;

static struct pawl_storage *inner(struct pawl_storage *self)
{
    return ((struct mortal *)self)->inner;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static bool is_last(void)
{
    return atomic_fetch_add(&calls, 1) + 1 == die_at;
}

/* One call of the storage, which may be the last thing that is done. */
#define STEP(call)                                                              \
    do {                                                                        \
        bool last = is_last();                                                  \
        if (last && !die_after)                                                 \
            die();                                                              \
        enum pawl_status status = (call);                                       \
        if (last)                                                               \
            die();                                                              \
        return status;                                                          \
    } while (0)

static enum pawl_status mortal_open(struct pawl_storage *self,
                                    const struct pawl_storage_config *config,
                                    struct pawl_error *err)
{
    char url[2200];
    snprintf(url, sizeof url, "%s%s%s", config->location,
             config->options[0] != '\0' ? "?" : "", config->options);
    enum pawl_status status =
        storage_open(url, config, NULL, &((struct mortal *)self)->inner, err);
    if (status == PAWL_OK)
        self->where = inner(self)->where;
    if (status == PAWL_OK)
        self->store = inner(self)->store;
    return status;
}

static void mortal_close(struct pawl_storage *self)
{
    storage_close(inner(self));
}

static enum pawl_status mortal_put(struct pawl_storage *self, const struct pawl_put *in,
                                   struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    STEP(storage_put(inner(self), in, results, err));
}

static enum pawl_status mortal_exchange(struct pawl_storage *self,
                                        const struct pawl_exchange *in,
                                        struct pawl_exchange_reply *out,
                                        struct pawl_error *err)
{
    STEP(storage_exchange(inner(self), in, out, err));
}

static enum pawl_status mortal_renew(struct pawl_storage *self,
                                     const struct pawl_renew *in,
                                     enum pawl_status *results, struct pawl_error *err)
{
    STEP(storage_renew(inner(self), in, results, err));
}

static enum pawl_status mortal_sweep(struct pawl_storage *self,
                                     const struct pawl_sweep *in,
                                     struct pawl_sweep_reply *out,
                                     struct pawl_error *err)
{
    STEP(storage_sweep(inner(self), in, out, err));
}

static enum pawl_status mortal_wait(struct pawl_storage *self,
                                    const struct pawl_wait *in, struct pawl_error *err)
{
    return storage_wait(inner(self), in, err);
}

static void mortal_kick(struct pawl_storage *self)
{
    storage_kick(inner(self));
}

static enum pawl_status mortal_get(struct pawl_storage *self, const char *queue,
                                   struct pawl_id id, struct pawl_job **out,
                                   struct pawl_error *err)
{
    STEP(storage_get(inner(self), queue, id, out, err));
}

static enum pawl_status mortal_list(struct pawl_storage *self,
                                    const struct pawl_list *in,
                                    struct pawl_list_reply *out, struct pawl_error *err)
{
    STEP(storage_list(inner(self), in, out, err));
}

static enum pawl_status mortal_alter(struct pawl_storage *self,
                                     const struct pawl_alter *in,
                                     struct pawl_alter_reply *out,
                                     struct pawl_error *err)
{
    STEP(storage_alter(inner(self), in, out, err));
}

static enum pawl_status mortal_take_out(struct pawl_storage *self,
                                        const struct pawl_take_out *in,
                                        struct pawl_take_out_reply *out,
                                        struct pawl_error *err)
{
    STEP(storage_take_out(inner(self), in, out, err));
}

static enum pawl_status mortal_bring_in(struct pawl_storage *self,
                                        const struct pawl_bring_in *in,
                                        struct pawl_put_result *results,
                                        struct pawl_error *err)
{
    STEP(storage_bring_in(inner(self), in, results, err));
}

static enum pawl_status mortal_tally(struct pawl_storage *self, const char *queue,
                                     struct pawl_session mover, bool forget,
                                     struct pawl_tally *out, struct pawl_error *err)
{
    STEP(storage_tally(inner(self), queue, mover, forget, out, err));
}

static enum pawl_status mortal_stats(struct pawl_storage *self, const char *queue,
                                     struct pawl_stats **out, struct pawl_error *err)
{
    STEP(storage_stats(inner(self), queue, out, err));
}

static enum pawl_status mortal_health(struct pawl_storage *self, struct pawl_health *out,
                                      struct pawl_error *err)
{
    STEP(storage_health(inner(self), out, err));
}

static const struct pawl_storage_ops mortal_ops = {
    .abi = PAWL_STORAGE_ABI,
    .scheme = "mortal",
    .label = "Mortal",
    .instance_size = sizeof(struct mortal),
    .put_max = 1000,
    .exchanges_in_flight = 1,
    .open = mortal_open,
    .close = mortal_close,
    .put = mortal_put,
    .exchange = mortal_exchange,
    .renew = mortal_renew,
    .sweep = mortal_sweep,
    .wait = mortal_wait,
    .kick = mortal_kick,
    .get = mortal_get,
    .list = mortal_list,
    .alter = mortal_alter,
    .take_out = mortal_take_out,
    .bring_in = mortal_bring_in,
    .tally = mortal_tally,
    .stats = mortal_stats,
    .health = mortal_health,
};

void mortal_register(long at, bool after)
{
    struct pawl_error err = { 0 };
    die_at = at;
    die_after = after;
    if (pawl_storage_register(&mortal_ops, &err) != PAWL_OK)
        abort();
}

long mortal_calls(void)
{
    return atomic_load(&calls);
}
