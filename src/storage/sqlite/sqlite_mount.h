/* sqlite_mount.h - is a folder on a file system that SQLite can rely on?
 *
 * Locks, shared memory and fsync must do what they say. On network file systems
 * some of them do not, and the damage shows up weeks later; so those are refused
 * by name.
 */
#ifndef PAWL_SQLITE_MOUNT_H
#define PAWL_SQLITE_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "pawl/status.h"

#define MOUNT_TYPE_SIZE 32

/* EDENIED when `folder` (absolute, no symbolic links) is on a network. */
enum pawl_status mount_check(const char *folder, struct pawl_error *err);

/* The file system type of `folder` by the lines of /proc/self/mountinfo: the
 * longest mount point it lies under, the last one of equals. False: none. */
bool mount_type(const char *mountinfo, const char *folder,
                char type[MOUNT_TYPE_SIZE]);
/* Is this type known not to keep its promises? */
bool mount_type_refused(const char *type);

#endif
