/* sqlite_tally.h - what each mover has taken out of a queue, or brought in.
 */
#ifndef PAWL_SQLITE_TALLY_H
#define PAWL_SQLITE_TALLY_H

#include "sqlite_call.h"

/* Add what was counted in this call to the mover's; nothing if it is none. */
enum pawl_status tally_save(struct sqlite_call *call, struct pawl_session mover,
                            const struct pawl_tally *more);

static inline void tally_add(struct pawl_tally *tally,
                             const struct pawl_digest *digest)
{
    if (pawl_digest_is_zero(digest))
        return;
    tally->count++;
    pawl_digest_add(&tally->sum, digest);
}

#endif
