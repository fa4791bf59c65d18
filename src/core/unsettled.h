/* unsettled.h - puts whose outcome is not known yet.
 *
 * A storage that answers PAWL_EUNKNOWN may have stored the jobs. The one safe
 * thing is to send the same put again, under the same number; until that has an
 * answer nothing else may be sent to the queue, or the number would grow too old
 * to be recognised. So at most one put per queue is open. The answers of those
 * that were settled later are remembered for callers who come back with the
 * same ids, the last UNSETTLED_KEPT puts of them.
 */
#ifndef PAWL_CORE_UNSETTLED_H
#define PAWL_CORE_UNSETTLED_H

#include "pawl/storage.h"

#define UNSETTLED_KEPT 16

struct pawl;
struct unsettled_put;

/* Zeroed is empty. Used by one thread at a time. */
struct unsettled {
    struct unsettled_put *newest; /* the only one that may be open */
    int count;
};

void unsettled_clear(struct unsettled *u);

/* Send `put` again, a few times within the deadline. If it stays unknown, a copy
 * is kept open, and PAWL_EUNKNOWN returned. */
enum pawl_status unsettled_resend(struct unsettled *u, struct pawl *pawl,
                                  const struct pawl_put *put,
                                  struct pawl_put_result *results,
                                  struct pawl_error *err);
/* Settle the open put, if there is one. A failure means that it is still open:
 * nothing was done, so the caller's own put is certainly not applied, unless the open
 * one is his. */
enum pawl_status unsettled_settle(struct unsettled *u, struct pawl *pawl,
                                  const char *queue, struct pawl_error *err);
/* Is one of these jobs in the open put? Then it may be stored, whatever is answered
 * to others. */
bool unsettled_holds(const struct unsettled *u, const struct pawl_new_job *jobs,
                     size_t count);
/* Were all these jobs in one remembered put? Then fill in its answers. */
bool unsettled_answers(const struct unsettled *u, const struct pawl_new_job *jobs,
                       size_t count, struct pawl_put_result *results);

#endif
