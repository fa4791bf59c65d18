/* role_traffic.c - actors that enqueue, actors that work, and both at once.
 *
 * A producer notes each enqueue before and after; a handler notes that it runs
 * before it does anything else. What is in the notes has happened, and what is
 * in the notes alone must be in the store.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "actor.h"
#include "history.h"
#include "role.h"
#include "util/clock.h"

#define THREADS_MAX 16

struct traffic {
    struct pawl *pawl;
    const char *queue;
    int history;
    long count; /* per thread; 0: until killed */
    long pause_us;
    bool priorities; /* all of them, instead of the default */
    bool stubborn;   /* never take no for an answer */
    long least_us, work_us; /* a job takes the one, and up to the other more */
    uint64_t seed;
};

struct producer {
    struct traffic *traffic;
    pthread_t thread;
    uint64_t random;
};

static void pause_up_to(long us, uint64_t random)
{
    if (us > 0)
        usleep((useconds_t)(random % (uint64_t)(us + 1)));
}

static bool try_again(const struct traffic *t, enum pawl_status status, int tries)
{
    if (status == PAWL_EUNKNOWN && tries < 10)
        return true;
    if (!t->stubborn || status >= 0 || status == PAWL_EINVAL)
        return false;
    usleep(10000);
    return true;
}

static void produce_one(struct producer *p)
{
    struct traffic *t = p->traffic;
    struct pawl_error err = { 0 };
    uint64_t dice = seeded(&p->random);
    int priority = t->priorities ? (int)(dice % 10) + 1 : 0;
    struct pawl_new_job job = {
        .queue = t->queue,
        .payload = "do it",
        .payload_size = 5,
        .priority = priority,
        .id = pawl_id_new(t->queue, clock_wall_ms()),
    };
    enum pawl_status status = PAWL_EUNKNOWN;
    bool unknown = false;
    history_add(t->history, "invoke", job.id, 0, "%d", priority);
    for (int i = 0; try_again(t, status, i); i++) {
        status = pawl_enqueue(t->pawl, &job, NULL, &err);
        /* Whatever a later try is told, this one may have come through. */
        unknown = unknown || status == PAWL_EUNKNOWN;
    }
    bool stored = status == PAWL_OK || status == PAWL_DUPLICATE ||
                  status == PAWL_SPOOLED;
    history_add(t->history, stored ? "ok" : unknown ? "unknown" : "refused",
                job.id, 0, "%d %s %s", priority, pawl_status_name(status),
                stored ? "" : err.message);
}

static void *produce(void *context)
{
    struct producer *p = context;
    for (long i = 0; p->traffic->count == 0 || i < p->traffic->count; i++) {
        produce_one(p);
        pause_up_to(p->traffic->pause_us, seeded(&p->random));
    }
    return NULL;
}

static void start_producers(struct traffic *t, struct producer *producers,
                            long threads)
{
    if (threads < 1 || threads > THREADS_MAX)
        give_up("threads=%ld", threads);
    for (long i = 0; i < threads; i++) {
        producers[i].traffic = t;
        producers[i].random = t->seed * 64 + (uint64_t)i;
        if (pthread_create(&producers[i].thread, NULL, produce, &producers[i]))
            give_up("cannot start a thread");
    }
}

static void join_producers(struct producer *producers, long threads)
{
    for (long i = 0; i < threads; i++)
        pthread_join(producers[i].thread, NULL);
}

static struct pawl_verdict handle(void *context, const struct pawl_job *job,
                                  struct pawl_run *run)
{
    struct traffic *t = context;
    uint64_t random;
    (void)run;
    history_add(t->history, "run", job->id, job->epoch, "%d %d", job->priority,
                job->attempt);
    memcpy(&random, job->id.b + 8, sizeof random);
    if (t->least_us > 0)
        usleep((useconds_t)t->least_us);
    pause_up_to(t->work_us, random);
    return pawl_done();
}

static struct pawl_worker *start_worker(struct traffic *t,
                                        const struct role_args *args)
{
    struct pawl_error err = { 0 };
    struct pawl_worker *worker = NULL;
    struct pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
    options.queues = &t->queue;
    options.queue_count = 1;
    options.concurrency = (int)arg_number(args, "concurrency", 4);
    options.handler = handle;
    options.context = t;
    options.lease = arg_number(args, "lease", 0);
    options.drain = arg_number(args, "drain", 0) != 0;
    if (pawl_worker_open(t->pawl, &options, &worker, &err) != PAWL_OK)
        give_up("cannot start a worker: %s", err.message);
    return worker;
}

/* Until SIGTERM, or until the queue is empty where drain= was asked for. */
static void run_worker(struct pawl_worker *worker, bool drain)
{
    struct pawl_error err = { 0 };
    struct pawl_worker_counts n;
    sigset_t ending;
    int number;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    if (!drain) {
        sigwait(&ending, &number);
        pawl_worker_stop(worker);
    }
    if (pawl_worker_wait(worker, &err) != PAWL_OK)
        give_up("the worker ended: %s", err.message);
    pawl_worker_counts(worker, &n);
    tell("counts started=%llu completed=%llu lost=%llu released=%llu",
         (unsigned long long)n.started, (unsigned long long)n.completed,
         (unsigned long long)n.lost, (unsigned long long)n.released);
    pawl_worker_close(worker);
}

static struct traffic traffic_open(const struct role_args *args)
{
    return (struct traffic){
        .pawl = arg_open(args),
        .queue = arg_text(args, "queue", "storm"),
        .history = arg_history(args),
        .count = arg_number(args, "count", 0),
        .pause_us = arg_number(args, "pause_us", 0),
        .priorities = arg_number(args, "priorities", 0) != 0,
        .stubborn = arg_number(args, "stubborn", 0) != 0,
        .least_us = arg_number(args, "least_us", 0),
        .work_us = arg_number(args, "work_us", 0),
        .seed = (uint64_t)arg_number(args, "seed", 1),
    };
}

void role_produce(const struct role_args *args)
{
    struct producer producers[THREADS_MAX];
    struct traffic t = traffic_open(args);
    long threads = arg_number(args, "threads", 1);
    tell("ready");
    start_producers(&t, producers, threads);
    join_producers(producers, threads);
    tell("produced");
    pawl_close(t.pawl);
}

void role_work(const struct role_args *args)
{
    struct traffic t = traffic_open(args);
    struct pawl_worker *worker = start_worker(&t, args);
    tell("ready");
    run_worker(worker, arg_number(args, "drain", 0) != 0);
    pawl_close(t.pawl);
}

void role_both(const struct role_args *args)
{
    struct producer producers[THREADS_MAX];
    struct traffic t = traffic_open(args);
    long threads = arg_number(args, "threads", 1);
    struct pawl_worker *worker = start_worker(&t, args);
    tell("ready");
    start_producers(&t, producers, threads);
    join_producers(producers, threads);
    tell("produced");
    run_worker(worker, false);
    pawl_close(t.pawl);
}
