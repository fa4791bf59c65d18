/* migrate_who.h - which process holds the lock of a migration, and is it still there?
 *
 * Written as the payload of the lock's job: HOST PID SINCE WORLD, each on a line. The
 * world says within which boot and which namespace the process id means a process.
 */
#ifndef PAWL_CORE_MIGRATE_WHO_H
#define PAWL_CORE_MIGRATE_WHO_H

#include <stdbool.h>
#include <stdint.h>

#include "pawl/job.h"

#define MIGRATE_WHO_MAX 512

struct migrate_who {
    char host[80], world[150];
    long pid;
    int64_t since;
};

/* This process. */
void migrate_who_write(char who[MIGRATE_WHO_MAX], pawl_time now);
/* False: somebody wrote something else there. */
bool migrate_who_read(const struct pawl_job *job, struct migrate_who *who);
/* Of our own world: then it can be seen whether it runs, and there is no need to wait
 * for its lease. */
bool migrate_who_is_near(const struct migrate_who *who);
/* Of one that is near. */
bool migrate_who_is_dead(const struct migrate_who *who);

#endif
