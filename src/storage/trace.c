/* trace.c - one debug line per storage call: method, queue, sizes, answer, time.
 *
 * The smallest decorator there is, and the template for others: an instance that
 * holds the next storage and implements the same table around it.
 */
#include "storage/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/clock.h"

struct trace {
    struct pawl_storage base;
    struct pawl_storage_ops ops; /* trace's methods, the inner one's numbers */
    struct pawl_storage *inner;
    struct storage_log log;
};

static struct pawl_storage *inner(struct pawl_storage *self)
{
    return ((struct trace *)self)->inner;
}

/* Report a call that began at `since` and passes its status through. */
PAWL_PRINTF(4, 5)
static enum pawl_status tell(struct pawl_storage *self, int64_t since,
                             enum pawl_status status, const char *format, ...)
{
    struct trace *trace = (struct trace *)self;
    char what[200], line[300];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(line, sizeof line, "%s -> %s in %" PRId64 " us", what,
             pawl_status_name(status), (clock_mono_ns() - since) / 1000);
    trace->log.line(trace->log.context, PAWL_LOG_DEBUG, "storage-call", line);
    return status;
}

static enum pawl_status trace_open(struct pawl_storage *self,
                                   const struct pawl_storage_config *config,
                                   struct pawl_error *err)
{
    (void)self;
    (void)config;
    return pawl_error_set(err, PAWL_EINTERNAL, "trace is wrapped, not opened");
}

static void trace_close(struct pawl_storage *self)
{
    inner(self)->keep_leases = self->keep_leases;
    storage_close(inner(self));
}

static enum pawl_status trace_put(struct pawl_storage *self,
                                  const struct pawl_put *in,
                                  struct pawl_put_result *results,
                                  struct pawl_error *err)
{
    int64_t t = clock_mono_ns();

    return tell(self, t, storage_put(inner(self), in, results, err),
                "put '%s' seq %" PRIu64 " jobs %zu", in->queue, in->seq,
                in->job_count);
}

static enum pawl_status trace_exchange(struct pawl_storage *self,
                                       const struct pawl_exchange *in,
                                       struct pawl_exchange_reply *out,
                                       struct pawl_error *err)
{
    int64_t t = clock_mono_ns();
    enum pawl_status status = storage_exchange(inner(self), in, out, err);

    return tell(self, t, status, "exchange '%s' outcomes %zu claim %zu got %zu",
                in->queue, in->outcome_count, in->claim_max, out->job_count);
}

static enum pawl_status trace_renew(struct pawl_storage *self,
                                    const struct pawl_renew *in,
                                    enum pawl_status *results,
                                    struct pawl_error *err)
{
    int64_t t = clock_mono_ns();

    return tell(self, t, storage_renew(inner(self), in, results, err),
                "renew '%s' leases %zu", in->queue, in->lease_count);
}

static enum pawl_status trace_sweep(struct pawl_storage *self,
                                    const struct pawl_sweep *in,
                                    struct pawl_sweep_reply *out,
                                    struct pawl_error *err)
{
    int64_t t = clock_mono_ns();
    enum pawl_status status = storage_sweep(inner(self), in, out, err);

    return tell(self, t, status,
                "sweep '%s' promoted %zu recovered %zu killed %zu removed %zu",
                in->queue, out->promoted, out->recovered, out->killed,
                out->removed);
}

static enum pawl_status trace_wait(struct pawl_storage *self,
                                   const struct pawl_wait *in,
                                   struct pawl_error *err)
{
    int64_t t = clock_mono_ns();

    return tell(self, t, storage_wait(inner(self), in, err), "wait queues %zu",
                in->queue_count);
}

static void trace_kick(struct pawl_storage *self)
{
    storage_kick(inner(self));
}

static enum pawl_status trace_get(struct pawl_storage *self, const char *queue,
                                  struct pawl_id id, struct pawl_job **out,
                                  struct pawl_error *err)
{
    int64_t t = clock_mono_ns();
    char text[PAWL_ID_TEXT];

    pawl_id_format(id, text);
    return tell(self, t, storage_get(inner(self), queue, id, out, err), "get %s",
                text);
}

static enum pawl_status trace_list(struct pawl_storage *self,
                                   const struct pawl_list *in,
                                   struct pawl_list_reply *out,
                                   struct pawl_error *err)
{
    int64_t t = clock_mono_ns();
    enum pawl_status status = storage_list(inner(self), in, out, err);

    return tell(self, t, status, "list '%s' %s got %zu", in->queue,
                pawl_state_name(in->state), out->job_count);
}

static enum pawl_status trace_alter(struct pawl_storage *self,
                                    const struct pawl_alter *in,
                                    struct pawl_alter_reply *out,
                                    struct pawl_error *err)
{
    int64_t t = clock_mono_ns();
    enum pawl_status status = storage_alter(inner(self), in, out, err);

    return tell(self, t, status, "alter '%s' kind %d ids %zu changed %zu",
                in->queue, (int)in->kind, in->id_count, out->changed);
}

static enum pawl_status trace_take_out(struct pawl_storage *self,
                                       const struct pawl_take_out *in,
                                       struct pawl_take_out_reply *out,
                                       struct pawl_error *err)
{
    int64_t t = clock_mono_ns();
    enum pawl_status status = storage_take_out(inner(self), in, out, err);

    return tell(self, t, status, "take_out '%s' kind %d ids %zu got %zu",
                in->queue, (int)in->kind, in->id_count, out->job_count);
}

static enum pawl_status trace_bring_in(struct pawl_storage *self,
                                       const struct pawl_bring_in *in,
                                       struct pawl_put_result *results,
                                       struct pawl_error *err)
{
    int64_t t = clock_mono_ns();

    return tell(self, t, storage_bring_in(inner(self), in, results, err),
                "bring_in '%s' seq %" PRIu64 " jobs %zu", in->queue, in->seq,
                in->job_count);
}

static enum pawl_status trace_tally(struct pawl_storage *self, const char *queue,
                                    struct pawl_session mover, bool forget,
                                    struct pawl_tally *out, struct pawl_error *err)
{
    int64_t t = clock_mono_ns();

    return tell(self, t,
                storage_tally(inner(self), queue, mover, forget, out, err),
                "tally '%s'%s", queue, forget ? " forget" : "");
}

static enum pawl_status trace_stats(struct pawl_storage *self, const char *queue,
                                    struct pawl_stats **out,
                                    struct pawl_error *err)
{
    int64_t t = clock_mono_ns();

    return tell(self, t, storage_stats(inner(self), queue, out, err), "stats '%s'",
                queue ? queue : "");
}

static enum pawl_status trace_health(struct pawl_storage *self,
                                     struct pawl_health *out,
                                     struct pawl_error *err)
{
    int64_t t = clock_mono_ns();

    return tell(self, t, storage_health(inner(self), out, err), "health");
}

enum pawl_status trace_wrap(struct pawl_storage **storage,
                            const struct storage_log *log, struct pawl_error *err)
{
    struct trace *trace = calloc(1, sizeof *trace);

    if (!trace)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    trace->ops = (struct pawl_storage_ops){
        .abi = PAWL_STORAGE_ABI,
        .scheme = (*storage)->ops->scheme,
        .instance_size = sizeof *trace,
        .put_max = (*storage)->ops->put_max,
        .exchanges_in_flight = (*storage)->ops->exchanges_in_flight,
        .open = trace_open,
        .close = trace_close,
        .put = trace_put,
        .exchange = trace_exchange,
        .renew = trace_renew,
        .sweep = trace_sweep,
        .wait = trace_wait,
        .kick = trace_kick,
        .get = trace_get,
        .list = trace_list,
        .alter = trace_alter,
        .take_out = trace_take_out,
        .bring_in = trace_bring_in,
        .tally = trace_tally,
        .stats = trace_stats,
        .health = trace_health,
    };
    trace->base.ops = &trace->ops;
    trace->base.where = (*storage)->where;
    trace->inner = *storage;
    trace->log = *log;
    *storage = &trace->base;
    return PAWL_OK;
}
