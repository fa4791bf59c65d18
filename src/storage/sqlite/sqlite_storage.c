/* sqlite_storage.c - the table of the SQLite storage; opening, closing, waiting.
 *
 * Opening goes from looking to touching: nothing is made beside a file before it
 * is known to be ours or empty. A fresh file is set up inside the gate, where a
 * second process that opens it at the same time waits until it is done.
 */
#include "sqlite_storage.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite_ballast.h"
#include "sqlite_path.h"
#include "sqlite_schema.h"
#include "util/clock.h"

/* Making the file means closing a descriptor of it, which drops every lock this
 * process has on it: no other thread may be opening it meanwhile. */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

static struct sqlite_storage *self_of(struct pawl_storage *self)
{
    return (struct sqlite_storage *)self;
}

/* --- open ------------------------------------------------------------------- */

static enum pawl_status open_database(struct sqlite_storage *s, bool exists,
                                      bool *ready, struct pawl_error *err)
{
    bool made;
    pthread_mutex_lock(&open_lock);
    enum pawl_status status = exists ? PAWL_OK : path_create(s->path, &made, err);
    if (status == PAWL_OK)
        status = path_check_files(s->path, err);
    if (status == PAWL_OK)
        status = db_open(&s->writer, s->path, s->deadline, err);
    if (status == PAWL_OK)
        status = schema_inspect(&s->writer, s->path, ready, err);
    pthread_mutex_unlock(&open_lock);
    return status;
}

static enum pawl_status open_locks(struct sqlite_storage *s, struct pawl_error *err)
{
    s->gate.fd = s->live.holder = s->live.prober = s->wake.fd = -1;
    s->fork.fds[0] = &s->gate.fd;
    s->fork.fds[1] = &s->live.holder;
    s->fork.fds[2] = &s->live.prober;
    s->fork.fds[3] = &s->wake.fd;
    s->lines += line_open(&s->write_line);
    s->lines += s->lines == 1 && line_open(&s->read_line);
    if (s->lines < 2 || !fork_watch(&s->fork))
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    return PAWL_OK;
}

static enum pawl_status open_side_files(struct sqlite_storage *s,
                                        struct pawl_error *err)
{
    enum pawl_status status = gate_open(&s->gate, s->path, err);
    if (status == PAWL_OK)
        status = live_open(&s->live, s->path, err);
    if (status == PAWL_OK)
        status = wake_open(&s->wake, s->path, err);
    return status;
}

static enum pawl_status open_upgrade(struct sqlite_storage *s,
                                     struct pawl_error *err)
{
    int64_t deadline_ns = clock_mono_ns() + s->deadline * 1000000;
    struct pawl_error why = { 0 };
    enum pawl_status status = gate_enter(&s->gate, deadline_ns, err);
    if (status < 0)
        return status;
    status = schema_upgrade(&s->writer, s->path, &why);
    /* Who comes next may see it done in memory though it is not on the disk. */
    if (status == PAWL_EIO)
        sqlite_distrust(s, why.native);
    gate_leave(&s->gate);
    if (status < 0 && err)
        *err = why;
    return status;
}

static enum pawl_status sqlite_open(struct pawl_storage *self,
                                    const struct pawl_storage_config *config,
                                    struct pawl_error *err)
{
    struct sqlite_storage *s = self_of(self);
    struct sqlite_path path = { 0 };
    enum path_use use = config->must_exist    ? PATH_EXISTING
                        : config->health_only ? PATH_LOOK
                                              : PATH_OPEN;
    bool ready = false;
    s->clock = config->clock;
    /* A century is for ever, and leaves room to count in ns. */
    s->deadline = config->deadline < 10 * PAWL_DURATION_MAX
                      ? config->deadline
                      : 10 * PAWL_DURATION_MAX;
    enum pawl_status status = path_options(config->options, &s->normal, err);
    if (status == PAWL_OK)
        status = path_resolve(config->location, use, &path, err);
    if (status != PAWL_OK)
        return status;
    s->path = path.file;
    s->base.where = s->path;
    status = open_locks(s, err);
    if (status == PAWL_OK)
        status = open_database(s, path.exists, &ready, err);
    if (status == PAWL_OK)
        status = open_side_files(s, err);
    if (status == PAWL_OK && !ready)
        status = open_upgrade(s, err);
    /* Again: in a shared folder somebody may have put a file beside ours. */
    if (status == PAWL_OK)
        status = path_check_files(s->path, err);
    if (status == PAWL_OK)
        ballast_keep(s->path);
    return status;
}

static void sqlite_close(struct pawl_storage *self)
{
    struct sqlite_storage *s = self_of(self);
    /* In a child SQLite must not be touched, and our own descriptors were closed
     * when it was born. */
    if (s->fork.generation != 0 && fork_crossed(&s->fork))
        return;
    fork_unwatch(&s->fork);
    db_close(&s->reader);
    db_close(&s->writer);
    wake_close(&s->wake);
    live_close(&s->live);
    gate_close(&s->gate);
    if (s->lines > 0)
        line_close(&s->write_line);
    if (s->lines > 1)
        line_close(&s->read_line);
    free(s->path);
    s->path = NULL;
    s->lines = 0;
}

/* --- wait and kick ------------------------------------------------------------ */

static enum pawl_status sqlite_wait(struct pawl_storage *self,
                                    const struct pawl_wait *in,
                                    struct pawl_error *err)
{
    struct sqlite_storage *s = self_of(self);
    if (fork_crossed(&s->fork))
        return pawl_error_set(err, PAWL_EFORKED,
                              "this handle was opened by the parent process");
    wake_wait(&s->wake, in, &s->clock);
    return PAWL_OK;
}

static void sqlite_kick(struct pawl_storage *self)
{
    struct sqlite_storage *s = self_of(self);
    if (!fork_crossed(&s->fork))
        wake_kick(&s->wake);
}

/* --- work goes on when the disk is full -------------------------------------- */

/* These end work, make room, or take it elsewhere, and get the ballast; put and
 * bring_in do not. A whole method is done again, so that nothing of the first try is
 * left in the second. Five times in full: one helper for all would not know what it
 * hands over. */
static enum pawl_status sqlite_exchange_or_room(struct pawl_storage *self,
                                                const struct pawl_exchange *in,
                                                struct pawl_exchange_reply *out,
                                                struct pawl_error *err)
{
    enum pawl_status status = sqlite_exchange(self, in, out, err);
    if (status == PAWL_EFULL && sqlite_make_room(self_of(self)))
        status = sqlite_exchange(self, in, out, err);
    return status;
}

static enum pawl_status sqlite_renew_or_room(struct pawl_storage *self,
                                             const struct pawl_renew *in,
                                             enum pawl_status *results,
                                             struct pawl_error *err)
{
    enum pawl_status status = sqlite_renew(self, in, results, err);
    if (status == PAWL_EFULL && sqlite_make_room(self_of(self)))
        status = sqlite_renew(self, in, results, err);
    return status;
}

static enum pawl_status sqlite_sweep_or_room(struct pawl_storage *self,
                                             const struct pawl_sweep *in,
                                             struct pawl_sweep_reply *out,
                                             struct pawl_error *err)
{
    enum pawl_status status = sqlite_sweep(self, in, out, err);
    if (status == PAWL_EFULL && sqlite_make_room(self_of(self)))
        status = sqlite_sweep(self, in, out, err);
    return status;
}

static enum pawl_status sqlite_alter_or_room(struct pawl_storage *self,
                                             const struct pawl_alter *in,
                                             struct pawl_alter_reply *out,
                                             struct pawl_error *err)
{
    enum pawl_status status = sqlite_alter(self, in, out, err);
    if (status == PAWL_EFULL && sqlite_make_room(self_of(self)))
        status = sqlite_alter(self, in, out, err);
    return status;
}

static enum pawl_status sqlite_take_out_or_room(struct pawl_storage *self,
                                                const struct pawl_take_out *in,
                                                struct pawl_take_out_reply *out,
                                                struct pawl_error *err)
{
    enum pawl_status status = sqlite_take_out(self, in, out, err);
    if (status == PAWL_EFULL && sqlite_make_room(self_of(self)))
        status = sqlite_take_out(self, in, out, err);
    return status;
}

const struct pawl_storage_ops sqlite_storage_ops = {
    .abi = PAWL_STORAGE_ABI,
    .scheme = "sqlite",
    .label = "SQLite",
    .instance_size = sizeof(struct sqlite_storage),
    .put_max = 1000,
    .exchanges_in_flight = 1,
    .open = sqlite_open,
    .close = sqlite_close,
    .put = sqlite_put,
    .exchange = sqlite_exchange_or_room,
    .renew = sqlite_renew_or_room,
    .sweep = sqlite_sweep_or_room,
    .wait = sqlite_wait,
    .kick = sqlite_kick,
    .get = sqlite_get,
    .list = sqlite_list,
    .alter = sqlite_alter_or_room,
    .take_out = sqlite_take_out_or_room,
    .bring_in = sqlite_bring_in,
    .tally = sqlite_tally,
    .stats = sqlite_stats,
    .health = sqlite_health,
};
