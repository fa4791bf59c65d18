/* migrate_lock.h - one migrator at a time.
 *
 * The lock is a job with a unique key in a reserved queue of the source, claimed and
 * leased like any other: so it is there on every storage, and ends with whoever held
 * it. Its payload says who that is.
 */
#ifndef PAWL_CORE_MIGRATE_LOCK_H
#define PAWL_CORE_MIGRATE_LOCK_H

#include "storage/storage.h"

struct migrate_lock {
    struct pawl_storage *storage; /* NULL: not held */
    const struct pawl_clock *clock;
    struct pawl_owner owner;
    struct pawl_id id;
    uint32_t epoch;
    uint64_t origin;
    pawl_time renewed_at; /* steady */
};

/* PAWL_EDENIED: somebody else is at work, and err says who. */
enum pawl_status migrate_lock_take(struct migrate_lock *lock,
                                   struct pawl_storage *storage,
                                   const struct pawl_clock *clock,
                                   struct pawl_error *err);
/* Would it be refused? Changes nothing. PAWL_OK: no. */
enum pawl_status migrate_lock_peek(struct pawl_storage *storage,
                                   const struct pawl_clock *clock,
                                   struct pawl_error *err);
/* To be called at least every few seconds. PAWL_STALE: it was lost. */
enum pawl_status migrate_lock_renew(struct migrate_lock *lock,
                                    struct pawl_error *err);
/* Is this the very store that has the lock? */
bool migrate_lock_is_in(const struct migrate_lock *lock,
                        struct pawl_storage *storage);
/* Not held is fine. */
void migrate_lock_drop(struct migrate_lock *lock);

#endif
