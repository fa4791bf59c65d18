/* worker_verdict.h - what becomes of an attempt. A pure function of the job, the
 * handler's verdict and why the attempt was stopped, if it was. */
#ifndef PAWL_CORE_WORKER_VERDICT_H
#define PAWL_CORE_WORKER_VERDICT_H

#include "pawl/storage.h"
#include "pawl/worker.h"

/* An outcome, and what must be freed once it is written back: `release` is
 * called with `data`, on which outcome.error or outcome.result lie. */
struct ending {
    struct pawl_outcome outcome;
    void *data;
    void (*release)(void *data);
};

/* `timeout`: the attempt's, for the error text. `random` spreads the backoff.
 * The verdict's data now belongs to *out, or was released. LOST ends like NONE:
 * nobody will ask. */
void verdict_end(const struct pawl_job *job, const struct pawl_verdict *verdict,
                 enum pawl_stop_reason stopped, pawl_duration timeout,
                 uint64_t random, struct ending *out);
void ending_clear(struct ending *ending);

#endif
