/* role_fork.c - actors that have children, and one that opens much and closes
 * much beside a handle that lives. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor.h"
#include "history.h"
#include "role.h"

/* Every door of the public API must be shut. Answers the number of the first
 * that is not, 0 if all are. */
static int doors_open_in_child(struct pawl *pawl)
{
    struct pawl_error err = { 0 };
    struct pawl_new_job job = { .payload = "x", .payload_size = 1 };
    struct pawl_put_result result;
    struct pawl_id id = { { 1 } };
    struct pawl_job *found;
    struct pawl_filter filter = { 0 };
    struct pawl_page page = { 0 };
    struct pawl_alteration alteration = { .action = PAWL_ACTION_CANCEL };
    struct pawl_stats *stats;
    struct pawl_health health;
    struct pawl_worker *worker;
    struct pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
    enum pawl_status changed;
    const enum pawl_status answers[] = {
        pawl_enqueue(pawl, &job, NULL, &err),
        pawl_enqueue_many(pawl, &job, 1, &result, &err),
        pawl_submit(pawl, &job, NULL, NULL, &err),
        pawl_get(pawl, id, &found, &err),
        pawl_list(pawl, &filter, 10, NULL, &page, &err),
        pawl_alter(pawl, &alteration, &id, 1, &changed, &err),
        pawl_pause(pawl, "storm", &err),
        pawl_stats(pawl, NULL, &stats, &err),
        pawl_health(pawl, &health, &err),
        (options.handler = (pawl_handler_fn *)abort,
         pawl_worker_open(pawl, &options, &worker, &err)),
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (answers[i] != PAWL_EFORKED)
            return (int)i + 1;
    }
    pawl_flush(pawl);
    pawl_close(pawl);
    return 0;
}

/* A child may open a handle of its own on the same store. */
static int own_handle_in_child(const struct role_args *args)
{
    struct pawl *pawl = arg_open(args);
    struct pawl_new_job job = { .queue = "storm" };
    bool fine = pawl_enqueue(pawl, &job, NULL, NULL) == PAWL_OK;
    pawl_close(pawl);
    return fine ? 0 : 50;
}

static void child_must_answer(int wanted, pid_t child)
{
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child)
        give_up("the child is lost: %s", strerror(errno));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != wanted)
        give_up("the child ended with status 0x%x", (unsigned)status);
}

static void must_enqueue(struct pawl *pawl)
{
    struct pawl_error err = { 0 };
    struct pawl_new_job job = { .queue = "storm" };
    if (pawl_enqueue(pawl, &job, NULL, &err) != PAWL_OK)
        give_up("the parent cannot enqueue: %s", err.message);
}

void role_fork(const struct role_args *args)
{
    struct pawl *pawl = arg_open(args);
    must_enqueue(pawl);
    pid_t child = fork();
    if (child == 0)
        _exit(doors_open_in_child(pawl));
    child_must_answer(0, child);
    must_enqueue(pawl);
    child = fork();
    if (child == 0)
        _exit(own_handle_in_child(args));
    child_must_answer(0, child);
    must_enqueue(pawl);
    tell("fine");
    pawl_close(pawl);
}

struct parent {
    int history;
    bool exec;
};

/* Leave a child behind that outlives us, and hang. */
static struct pawl_verdict beget(void *context, const struct pawl_job *job,
                                 struct pawl_run *run)
{
    struct parent *p = context;
    pid_t child = fork();
    if (child == 0) {
        if (p->exec)
            execl("/bin/sleep", "sleep", "600", (char *)NULL);
        for (;;)
            pause();
    }
    history_add(p->history, "run", job->id, job->epoch, "%d", (int)child);
    tell("child %d", (int)child);
    pawl_run_sleep(run, 600000);
    return pawl_done();
}

void role_parent(const struct role_args *args)
{
    static const char *const queues[] = { "storm" };
    struct pawl_error err = { 0 };
    struct pawl *pawl = arg_open(args);
    struct parent p = { .history = arg_history(args),
                        .exec = arg_number(args, "exec", 0) != 0 };
    struct pawl_worker *worker = NULL;
    struct pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
    options.queues = queues;
    options.queue_count = 1;
    options.concurrency = 1;
    options.handler = beget;
    options.context = &p;
    if (pawl_worker_open(pawl, &options, &worker, &err) != PAWL_OK)
        give_up("cannot start a worker: %s", err.message);
    pawl_worker_wait(worker, NULL);
}

/* A line in the trace that separates what came before from what comes after. */
static void mark(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/nowhere/mark-%s", name);
    if (open(path, O_RDONLY | O_CLOEXEC) >= 0)
        give_up("'%s' exists", path);
}

static struct pawl_verdict nothing(void *context, const struct pawl_job *job,
                                   struct pawl_run *run)
{
    (void)context, (void)job, (void)run;
    return pawl_done();
}

static void use(struct pawl *pawl)
{
    static const char *const queues[] = { "storm" };
    struct pawl_worker *worker = NULL;
    struct pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
    struct pawl_stats *stats = NULL;
    struct pawl_health health;
    for (int i = 0; i < 200; i++)
        must_enqueue(pawl);
    options.queues = queues;
    options.queue_count = 1;
    options.handler = nothing;
    options.drain = true;
    if (pawl_worker_open(pawl, &options, &worker, NULL) != PAWL_OK ||
        pawl_worker_wait(worker, NULL) != PAWL_OK ||
        pawl_stats(pawl, NULL, &stats, NULL) != PAWL_OK ||
        pawl_health(pawl, &health, NULL) != PAWL_OK)
        give_up("the store cannot be used");
    pawl_worker_close(worker);
    pawl_stats_free(stats);
}

/* How many of our descriptors lead to the database or its index. */
static int database_descriptors(const char *url)
{
    char path[64], target[512];
    const char *file = strchr(url, ':') + 1;
    size_t length = strcspn(file, "?");
    int count = 0;
    for (int fd = 0; fd < 200; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        count += strncmp(target, file, length) == 0 &&
                 (!target[length] || strcmp(target + length, "-shm") == 0);
    }
    return count;
}

void role_tidy(const struct role_args *args)
{
    const char *url = arg_text(args, "url", "sqlite:");
    struct pawl *first = arg_open(args);
    use(first);
    int before = database_descriptors(url);
    mark("begin");
    use(first);
    mark("beside");
    for (int i = 0; i < 3; i++) {
        struct pawl *second = arg_open(args);
        use(second);
        pawl_close(second);
        use(first);
    }
    mark("end");
    if (before < 2 || database_descriptors(url) < before)
        give_up("%d descriptors of the database, now %d", before,
                database_descriptors(url));
    pawl_close(first);
    tell("fine");
}
