/* worker_internal.h - what a worker is, inside.
 *
 *   pawl-disp   exchanges: writes back outcomes, claims        worker_dispatch.c,
 *                                                              worker_exchange.c
 *   pawl-run    calls the handler; one per slot                worker_run.c
 *   pawl-lease  renews leases, sweeps                          worker_lease.c
 *   pawl-timer  timeouts, the end of the grace                 worker_timer.c
 *   pawl-wait   sleeps in the storage, and where there is one
 *               queue it also exchanges; one per handle        worker_wait.c
 *
 * Locking: `mutex` guards everything below it in struct pawl_worker, every run
 * and every held record in a list of the worker; what is above it never changes
 * after open. It is never held across a storage call, a handler, a verdict's
 * release or the log. A thread that finishes one job and takes the next does
 * both under one lock. The waiter's mutex is taken before a worker's, never
 * after it.
 */
#ifndef PAWL_CORE_WORKER_INTERNAL_H
#define PAWL_CORE_WORKER_INTERNAL_H

#include <pthread.h>

#include "core/core.h"
#include "core/worker_held.h"
#include "core/worker_pace.h"
#include "core/worker_wait.h"

#define WORKER_CLAIM_MAX 1000   /* jobs in one exchange */
#define WORKER_MAX_CRASHES 3    /* attempts lost with their worker, then dead */
#define WORKER_EXCHANGES_MAX 4  /* see exchanges_in_flight */
#define WORKER_FOR_EVER INT64_MAX
#define WORKER_NS_PER_MS INT64_C(1000000)
/* ms from SHUTDOWN to a release without the handler; all that a second stop leaves. */
#define WORKER_STOP_TIME 100

struct worker_queue {
    const char *name;
    struct held_list outbox; /* outcomes to be written back */
    bool dry;                /* the last look found nothing; until news or poll */
    size_t in_flight;        /* exchanges */
    unsigned failing;        /* bits of enum worker_call */
    int64_t retry_ns;        /* no exchange before: the last one failed */
    pawl_duration retry_delay; /* 0: the last exchange did not fail */
    int64_t swept_ns, sweep_ns; /* the last sweep, the next */
    int64_t sweep_gap_ns;       /* the least time between them */
};

/* One slot, and the attempt that runs in it. */
struct pawl_run {
    struct pawl_worker *worker;
    pthread_t thread;
    struct held *held;    /* NULL: idle, or the attempt is no longer ours */
    struct pawl_job *job; /* while the handler runs; NULL: idle */
    uint32_t stop;        /* enum pawl_stop_reason; atomic, a futex */
    int fd;               /* -1: not asked for */
    int64_t begun_ns;
    int64_t deadline_ns; /* 0: no timeout, or it is over */
    pawl_duration timeout;
    /* Of the attempt before, to be freed outside the mutex: */
    struct pawl_job *old_job;
    struct ending old_ending;
    int old_fd;
};

/* One exchange at a time; only its own thread looks at what is in here. */
struct dispatcher {
    struct pawl_worker *worker;
    pthread_t thread;
    struct worker_queue *queue; /* of the exchange being made */
    struct held_list flying;    /* its outcomes */
    size_t want;                /* its claims */
    bool trial;                 /* its queue failed before */
    struct held_list spare;     /* records for them: at least `want` */
    uint64_t news;              /* worker->news when it began */
    struct pawl_outcome *outcomes; /* arrays for all records of the worker */
    enum pawl_status *statuses;
    struct pawl_job **jobs; /* WORKER_CLAIM_MAX */
};

/* Kinds of storage calls, for telling when the storage fails: queue by queue, as
 * one part of it may be away while the others work. */
enum worker_call {
    WORKER_EXCHANGE = 1,
    WORKER_RENEW = 2,
    WORKER_SWEEP = 4,
    WORKER_STATS = 8
};

struct pawl_worker {
    struct pawl *pawl;
    struct pawl_owner owner;
    struct worker_queue *queues;
    const char **queue_names; /* the same, as a wait wants them */
    size_t queue_count;
    size_t concurrency;
    pawl_handler_fn *handler;
    void *context;
    pawl_duration lease, timeout, grace, stop_time, poll;
    bool drain;
    struct pawl_run *runs; /* [concurrency] */
    struct held *records;  /* [record_count] */
    size_t record_count;
    struct pawl_lease_ref *leases; /* [record_count], the lease thread's */
    enum pawl_status *lease_results;
    pthread_t lease_thread, timer_thread;
    struct dispatcher dispatchers[WORKER_EXCHANGES_MAX];
    struct dispatcher herald; /* the waiter's, for what it has news of */
    size_t dispatcher_count;
    size_t runs_started, dispatchers_started;
    bool lease_started, timer_started;
    struct waiter_seat seat;

    pthread_mutex_t mutex;
    pthread_cond_t work;     /* for runs: something is ready */
    pthread_cond_t dispatch; /* for dispatchers */
    pthread_cond_t lease_wake, timer_wake;
    pthread_cond_t over; /* for pawl_worker_wait */

    struct held_list spare; /* records given back */
    size_t records_used;    /* those from here on were never used */
    struct held_list ready; /* claimed, not started */
    size_t idle;            /* runs asleep */
    size_t live;            /* runs whose attempt is ours */
    struct pawl_worker_counts counts;
    uint64_t quick; /* attempts shorter than the pace's window */
    struct pace pace;

    size_t asleep;      /* dispatchers */
    bool roused;        /* one of them is being woken */
    size_t in_flight;   /* exchanges */
    size_t trials;      /* those with a queue that fails: one at most */
    size_t wanted;      /* claims in flight, but for trials */
    size_t ahead;       /* claims wanted beyond free slots */
    size_t turn;        /* the queue to claim from next */
    uint64_t news;      /* rises with each piece of news */
    bool asked;         /* the waiter will tell us */
    bool drain_looked;  /* nothing changed since */
    int64_t poll_ns;    /* the next look without news */
    uint64_t begun_seen; /* counts.started when it was last seen to change */
    int64_t stall_ns;   /* give back what is ready if nothing starts until then */
    int64_t lease_ns, timer_ns; /* until when those threads sleep */
    size_t renew_turn; /* whose renewal comes first; of the lease thread alone */

    struct pawl_error last_error;  /* of an exchange */
    bool stopping, hurried, told, abandoned; /* told: SHUTDOWN to all runs */
    bool broken;                   /* by `error`: no more storage calls */
    int64_t grace_ns, abandon_ns, flush_ns;
    bool ended;
    enum pawl_status status; /* what ended it */
    struct pawl_error error;
};

/* --- worker.c, worker_new.c ----------------------------------------------- */

/* Sleep on one of the worker's conditions, with the mutex held. */
void worker_sleep(struct pawl_worker *worker, pthread_cond_t *cond,
                  int64_t until_ns);
enum pawl_status worker_check(const struct pawl_worker_options *options,
                              struct pawl_error *err);
/* Checked options completed, all memory, no threads; NULL when memory is out. */
struct pawl_worker *worker_new(struct pawl *pawl,
                               const struct pawl_worker_options *options);
void worker_free(struct pawl_worker *worker);

/* --- worker_end.c --------------------------------------------------------- */

/* From now on: claim nothing, give back what is ready. With the mutex. */
void worker_begin_stop(struct pawl_worker *worker, pawl_duration grace);
/* Is nothing left to do for a stopping worker? With the mutex. */
bool worker_is_over(struct pawl_worker *worker, int64_t now);
/* Let everybody leave. With the mutex. */
void worker_end(struct pawl_worker *worker);
/* A draining worker that found nothing asks whether that was all, once after
 * each look. True: it let go of the mutex for that. */
bool worker_look_for_drained(struct pawl_worker *worker);
/* Take note of how a call for the queue went: log a change, end the worker if it
 * must. Without the mutex. */
void worker_heard(struct pawl_worker *worker, struct worker_queue *queue,
                  enum worker_call call, enum pawl_status status,
                  const struct pawl_error *err);

/* --- worker_dispatch.c ---------------------------------------------------- */

void *dispatch_main(void *dispatcher);
/* Something may have arrived in a queue. Without the mutex. */
void worker_news(struct pawl_worker *worker);
/* The same, and the caller makes the exchange that follows from it, where that holds
 * up nobody else. It may take as long as one does. True: it asks for the next news. */
bool worker_news_now(struct pawl_worker *worker);
/* Something may have arrived in a queue, or in all (NULL). With the mutex. */
void dispatch_news(struct pawl_worker *worker, struct worker_queue *queue);
/* Is a dispatcher asleep that should not be? Then signal `dispatch`, best after
 * letting go of the mutex: who is woken wants it. With the mutex. */
bool dispatch_rouse(struct pawl_worker *worker);
/* Ready jobs of `queue`, or all (NULL), go to the outbox. With the mutex. */
void dispatch_release(struct pawl_worker *worker, const struct worker_queue *queue);

/* --- worker_exchange.c ---------------------------------------------------- */

/* Make the exchange that the dispatcher took up. Without the mutex. */
void dispatch_exchange(struct dispatcher *dispatcher);

/* --- worker_run.c --------------------------------------------------------- */

void *run_main(void *run);
/* Tell the handler to stop; the first reason stays, but LOST beats all. With the
 * mutex. */
void run_stop(struct pawl_run *run, enum pawl_stop_reason reason);
/* Take the attempt away from its run, whose verdict will be dropped: into the
 * outbox as its stop reason says. With the mutex. */
void run_abandon(struct pawl_run *run);

/* --- worker_lease.c, worker_timer.c --------------------------------------- */

void *lease_main(void *worker);
/* `next_at`: when a job of the queue is due, or 0. Without the mutex. */
void lease_due(struct pawl_worker *worker, struct worker_queue *queue,
               pawl_time next_at);
void *timer_main(void *worker);
/* The instant came nearer. With the mutex. */
void timer_set(struct pawl_worker *worker, int64_t at_ns);

#endif
