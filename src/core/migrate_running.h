/* migrate_running.h - the jobs that were being processed at a moment, until their
 * attempt is over or their worker is seen to be gone. */
#ifndef PAWL_CORE_MIGRATE_RUNNING_H
#define PAWL_CORE_MIGRATE_RUNNING_H

#include "core/migrate.h"

struct migrate_attempt {
    struct pawl_id id;
    uint32_t epoch; /* the same job, claimed again, is not waited for */
};

struct migrate_running {
    struct migrate_attempt *jobs; /* sorted; free() it */
    size_t count;
};

/* All of the planned queues, now. */
enum pawl_status migrate_running_note(struct pawl_migration *m,
                                      struct migrate_running *running,
                                      struct pawl_error *err);
/* Drop those that are over. Leases that have ended are swept first. */
enum pawl_status migrate_running_look(struct pawl_migration *m,
                                      struct migrate_running *running,
                                      struct pawl_error *err);

#endif
