/* relay.h - jobs from one storage to another, a batch at a time, exactly once.
 *
 * A batch is held at `from`, brought in at `to`, and confirmed, which deletes it at
 * `from`. Whoever dies in between leaves it held: relay_resume() takes up just that
 * batch, and brings it in under the same number, so that `to` answers what it
 * answered the first time, whatever became of the jobs meanwhile. The number comes
 * from the batch itself (its ids), so nothing has to be written down for it.
 *
 * A unique key that is held on both sides: the holder at `to` stays. The job that
 * comes arrives as cancelled, without its key, and its last error names the holder;
 * as if it had been enqueued there and refused, but so that it can be found.
 *
 * With `prove` both stores add up what went over, in the steps that delete and store
 * it; what was there already (DUPLICATE) is in neither sum. With `kept` the jobs stay
 * held at `from`, under that mark, when they have arrived.
 *
 * A batch is sent as it was held and gets no smaller: that it has no more than
 * PAWL_HOLD_BYTES, or the one job that passes them, is up to `from`.
 *
 * Two relays, each with its own mark and thread, overlap: while one brings in, the
 * other holds and settles. Turns keep the order: what was held first is brought in
 * first, and nothing is once a batch before it has failed.
 *
 * One relay at a time may use a mark at `from`; two that do get in each other's
 * way, but lose and double nothing.
 */
#ifndef PAWL_SRC_STORAGE_RELAY_H
#define PAWL_SRC_STORAGE_RELAY_H

#include "storage/relay_turns.h"
#include "storage/storage.h"

#define RELAY_BATCH_MAX 1000

struct relay {
    struct pawl_storage *from, *to;
    struct pawl_session mover; /* the mark at `from` */
    unsigned states;           /* PAWL_STATE_BITs of what is moved */
    size_t limit;              /* jobs in a batch, 1..RELAY_BATCH_MAX */
    const struct pawl_clock *clock;
    bool prove;                       /* add to the tallies of `mover` */
    const struct pawl_session *kept;  /* NULL: what arrived is deleted at `from` */
    struct relay_turns *turns;        /* NULL: it is alone */
    /* Told of each job whose key another job holds at `to`; may be NULL. */
    void (*merged)(void *context, const struct pawl_job *job,
                   struct pawl_id holder);
    /* Asked about each job that is at `to` as it came, before it is settled at `from`;
     * a failure leaves the batch held. May be NULL. */
    enum pawl_status (*check)(void *context, const struct pawl_job *job,
                              struct pawl_error *err);
    void *context;
    size_t now; /* its own: jobs to ask for next, PAWL_HOLD_BYTES of them if they are
                   like the last; 0 at first */
};

struct relay_counts {
    uint64_t moved;      /* are at `to` now because of this */
    uint64_t duplicates; /* were there already */
    uint64_t merged;     /* of `moved`: their key was held */
};

/* Settle what a relay with this mark left half done in the queue. To be called
 * before the first relay_next() of a queue, and after one that failed. *counts is
 * added to. OK: nothing is held by the mark any more. */
enum pawl_status relay_resume(struct relay *relay, const char *queue,
                              struct relay_counts *counts, struct pawl_error *err);
/* Move one batch. EMPTY: there was none. ECLOSED: another relay of the same turns has
 * failed. A failure that certainly changed nothing at
 * `to` puts the batch back where it was; else it stays held. */
enum pawl_status relay_next(struct relay *relay, const char *queue,
                            struct relay_counts *counts, struct pawl_error *err);

/* Bring a job in as cancelled, since its unique key is `holder`'s. Idempotent under
 * `session`. */
enum pawl_status relay_merge(struct pawl_storage *to, const struct pawl_job *job,
                             struct pawl_id holder, struct pawl_session session,
                             const struct pawl_clock *clock,
                             struct pawl_error *err);

#endif
