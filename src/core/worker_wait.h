/* worker_wait.h - hearing of new jobs: one waiter thread per handle.
 *
 * A storage allows one thread in wait(), so the workers of one handle share a
 * waiter. It sleeps in the storage only while one of them is hungry (has room
 * and found nothing), so that busy workers cost their producers no wake-ups. For a
 * worker that is alone it then makes the exchange itself, rather than wake another
 * thread for it: that is a quarter of the time from an enqueue to the handler.
 */
#ifndef PAWL_CORE_WORKER_WAIT_H
#define PAWL_CORE_WORKER_WAIT_H

#include <pthread.h>

#include "pawl/storage.h"

struct pawl_worker;
struct waiter;

/* A worker's seat at its waiter. Guarded by the waiter's mutex. */
struct waiter_seat {
    struct waiter *waiter;
    struct waiter_seat *next;
    struct pawl_worker *worker;
    bool hungry;
    bool missed; /* news came while it was not hungry */
};

/* Sit down; starts the thread if this is the handle's first worker. ENOMEM. */
enum pawl_status waiter_join(struct pawl_worker *worker, struct pawl_error *err);
/* After this returned, the worker is not told anything any more. */
void waiter_leave(struct pawl_worker *worker);
/* worker_news() or worker_news_now() will be called once when something may have
 * arrived. False: it may have already; look again at once. Not while holding a worker's
 * mutex. */
bool waiter_ask(struct pawl_worker *worker);

#endif
