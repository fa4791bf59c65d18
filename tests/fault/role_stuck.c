/* role_stuck.c - actors that stand still at the worst moment.
 *
 * "hold" stops itself inside a write transaction, gate in hand. "zombie" is a
 * worker whose handler stops the whole process, so that nothing renews its
 * lease, and that goes on later as if no time had passed.
 */
#include <signal.h>
#include <unistd.h>

#include "actor.h"
#include "core/core.h"
#include "history.h"
#include "role.h"
#include "storage/sqlite/sqlite_storage.h"

void role_hold(const struct role_args *args)
{
    struct pawl_error err = { 0 };
    struct pawl *pawl = arg_open(args);
    struct sqlite_storage *s = (struct sqlite_storage *)pawl->storage;
    if (pawl->storage->ops != &sqlite_storage_ops)
        give_up("not a SQLite store");
    tell("ready");
    if (sqlite_write_begin(s, SYNC_FULL, &err) != PAWL_OK)
        give_up("cannot begin: %s", err.message);
    raise(SIGSTOP);
    if (sqlite_write_end(s, PAWL_OK, &err) != PAWL_OK)
        give_up("cannot commit: %s", err.message);
    tell("out");
    pawl_close(pawl);
}

struct zombie {
    int history;
    bool look; /* ask whether to stop, after the pause */
};

static struct pawl_verdict stand_still(void *context, const struct pawl_job *job,
                                       struct pawl_run *run)
{
    struct zombie *z = context;
    history_add(z->history, "run", job->id, job->epoch, "zombie");
    raise(SIGSTOP);
    if (z->look) {
        enum pawl_stop_reason why = pawl_run_sleep(run, 20000);
        history_add(z->history, why == PAWL_STOP_LOST ? "lost" : "not-lost",
                    job->id, job->epoch, "reason %d", (int)why);
    }
    static const char answer[] = "the zombie's";
    return (struct pawl_verdict){ .data = answer, .size = sizeof answer - 1 };
}

void role_zombie(const struct role_args *args)
{
    static const char *const queues[] = { "storm" };
    struct pawl_error err = { 0 };
    struct pawl *pawl = arg_open(args);
    struct zombie z = { .history = arg_history(args),
                        .look = arg_number(args, "look", 0) != 0 };
    struct pawl_worker *worker = NULL;
    struct pawl_worker_counts n;
    struct pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
    sigset_t ending;
    int number;
    options.queues = queues;
    options.queue_count = 1;
    options.concurrency = 1;
    options.handler = stand_still;
    options.context = &z;
    options.lease = 1000;
    if (pawl_worker_open(pawl, &options, &worker, &err) != PAWL_OK)
        give_up("cannot start a worker: %s", err.message);
    tell("ready");
    do
        pawl_worker_counts(worker, &n);
    while (n.lost + n.completed == 0 && usleep(1000) == 0);
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    tell("counts lost=%d completed=%d", (int)n.lost, (int)n.completed);
    sigwait(&ending, &number);
    pawl_worker_close(worker);
    pawl_close(pawl);
}
