/* sqlite_claim.h - the claiming half of an exchange. */
#ifndef PAWL_SQLITE_CLAIM_H
#define PAWL_SQLITE_CLAIM_H

#include "sqlite_call.h"

/* Claim up to in->claim_max jobs in run order into out->jobs; cancel those met
 * on the way whose ttl is over, but not too many in one call. */
enum pawl_status claim_jobs(struct sqlite_call *call,
                            const struct pawl_exchange *in,
                            struct pawl_exchange_reply *out);
/* Free what was claimed, the step having failed. */
void claim_undo(struct pawl_exchange_reply *out);

#endif
