/* core.h - what a struct pawl is, inside.
 *
 * All policy lives in src/core: defaults, validation, ids, backoff, combining,
 * the worker. It reaches storages through storage/storage.h alone and never
 * names one.
 *
 * Threads: everything here is set once by pawl_open and read only afterwards,
 * but for the combiner, the submitter and the waiter, which have a mutex each.
 */
#ifndef PAWL_CORE_CORE_H
#define PAWL_CORE_CORE_H

#include <pthread.h>

#include "core/combine.h"
#include "core/submit.h"
#include "pawl.h"
#include "storage/storage.h"

struct pawl {
    struct pawl_storage *storage;
    struct pawl_clock clock;
    struct pawl_retention retention;
    pawl_duration deadline;
    size_t payload_max;
    pawl_log_fn *log;
    pawl_event_fn *event;
    void *log_context; /* of both */
    pthread_mutex_t log_mutex; /* so that no two calls of them overlap */
    unsigned fork_generation; /* of the process that opened it */
    struct combiner combiner;
    struct submitter submitter;
    pthread_mutex_t waiter_mutex; /* guards the next, and who comes and goes */
    struct waiter *waiter; /* of the workers on this handle; NULL without one */
};

/* The check at every public door: PAWL_EINVAL for NULL, PAWL_EFORKED in the
 * child of a fork. */
enum pawl_status core_enter(const struct pawl *pawl, struct pawl_error *err);

/* NULL: the machine's. */
struct pawl_clock core_clock(const struct pawl_clock *given);

/* Tell the program's log function, if it gave one. `id` is a stable name. */
void core_log(struct pawl *pawl, enum pawl_log_level level, const char *id,
              const char *format, ...) PAWL_PRINTF(4, 5);

/* Is this a queue's name? The message names what is wrong with it. */
enum pawl_status check_queue(const char *queue, struct pawl_error *err);
/* NULL is "default". */
const char *queue_or_default(const char *queue);

#endif
