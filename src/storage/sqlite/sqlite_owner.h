/* sqlite_owner.h - who claims: numbers of owners, and which of them are dead.
 *
 * An owner has a row per queue it claims from, with the byte of the .live file
 * that its instance holds. Job rows carry its number, also after the outcome, so
 * that the same outcome again is known.
 */
#ifndef PAWL_SQLITE_OWNER_H
#define PAWL_SQLITE_OWNER_H

#include "sqlite_call.h"

/* The owner's number; 0: it never claimed from the call's queue. */
enum pawl_status owner_find(struct sqlite_call *call,
                            const struct pawl_owner *owner, int64_t *n);
/* Likewise, and it is about to claim: it is made, or is alive again. */
enum pawl_status owner_enter(struct sqlite_call *call,
                             const struct pawl_owner *owner, int64_t *n);

/* The owners of the call's queue that died and whose jobs were not yet taken
 * back. *dead is the caller's, to free(). */
enum pawl_status owner_dead(struct sqlite_call *call, int64_t **dead,
                            size_t *count);
/* All of a dead owner's jobs were taken back. */
enum pawl_status owner_gone(struct sqlite_call *call, int64_t n);
/* Delete owners gone for a day. */
enum pawl_status owner_sweep(struct sqlite_call *call);

#endif
