/* migrate_lock.h - one migrator at a time.
 *
 * The lock is a job with a unique key in a reserved queue of the source, claimed and
 * leased like any other: so it is there on every storage, and ends with whoever held
 * it. Its payload says who that is. A thread of its own renews it, so that the lease
 * can be short, however long one step of the migration takes.
 *
 * Whether a holder on this host lives is seen at once. One on another host may have
 * died; then its lease ends within MIGRATE_LOCK_PATIENCE, and if it does not, the
 * holder lives.
 */
#ifndef PAWL_CORE_MIGRATE_LOCK_H
#define PAWL_CORE_MIGRATE_LOCK_H

#include <pthread.h>

#include "storage/storage.h"

#define MIGRATE_LOCK_PATIENCE 12000 /* ms; longer than the lease */

struct migrate_lock {
    struct pawl_storage *storage; /* NULL: not held */
    const struct pawl_clock *clock;
    struct pawl_owner owner;
    struct pawl_id id;
    uint32_t epoch;
    uint64_t origin;
    char holder[200]; /* after KEY_TAKEN: who has it, in words */
    pthread_t keeper;
    pthread_mutex_t mutex; /* guards what follows; innermost */
    pthread_cond_t changed;
    bool stop, lost;
};

/* Once. PAWL_EDENIED: somebody else is at work, and err says who. PAWL_KEY_TAKEN: so
 * has somebody on another host, or it died there: try again. */
enum pawl_status migrate_lock_take(struct migrate_lock *lock,
                                   struct pawl_storage *storage,
                                   const struct pawl_clock *clock,
                                   struct pawl_error *err);
/* What would it answer? Changes nothing. */
enum pawl_status migrate_lock_peek(struct migrate_lock *lock,
                                   struct pawl_storage *storage,
                                   const struct pawl_clock *clock,
                                   struct pawl_error *err);
/* That lock->holder is at work after all: PAWL_EDENIED. */
enum pawl_status migrate_lock_refuse(const struct migrate_lock *lock,
                                     struct pawl_error *err);
/* Between two steps. PAWL_EDENIED: it was lost. Not held is fine. */
enum pawl_status migrate_lock_check(struct migrate_lock *lock, struct pawl_error *err);
/* Is this the very store that has the lock? */
bool migrate_lock_is_in(const struct migrate_lock *lock,
                        struct pawl_storage *storage);
/* Not held is fine. */
void migrate_lock_drop(struct migrate_lock *lock);

#endif
