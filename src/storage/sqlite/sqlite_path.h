/* sqlite_path.h - which file, and may we use it?
 *
 * Checks happen before anything is written, and never open the database file:
 * closing a descriptor of it would drop the locks that SQLite holds on it for
 * this whole process.
 *
 * The folder must be ours or root's, and not writable for others unless it is
 * sticky (as /tmp). Root's is fine because root can read everything anyway;
 * group-writable is fine when the group is our own, as private groups make it
 * common. The file must be ours, a plain file with one name. The folder must not
 * be on a network: their locks and shared memory do not keep SQLite's promises.
 */
#ifndef PAWL_SQLITE_PATH_H
#define PAWL_SQLITE_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "pawl/status.h"

struct sqlite_path {
    char *file;   /* absolute, no symbolic link in it; free() it */
    bool exists;
};

/* What for? */
enum path_use {
    PATH_OPEN,     /* it is made where it is missing, the default file's folders, too */
    PATH_EXISTING, /* missing: NOT_FOUND */
    PATH_LOOK      /* could it be made? Nothing is. Missing, and it could: NOT_FOUND */
};

/* Find the file that `location` (what follows "sqlite:") names; "" is the default
 * file. EDENIED: not ours to use, and why. EINVAL: the folder does not exist, or no
 * default can be told. */
enum pawl_status path_resolve(const char *location, enum path_use use,
                              struct sqlite_path *out, struct pawl_error *err);
/* The default file's name; `make`: its folders are made. Nothing else is looked at. */
enum pawl_status path_usual(char file[PATH_MAX], bool make, struct pawl_error *err);
/* Make the empty database file, 0600. *made is false when somebody else just
 * did. */
enum pawl_status path_create(const char *file, bool *made, struct pawl_error *err);
/* Are the database file and the files SQLite keeps beside it what they should
 * be? Ask before SQLite opens them and again after. */
enum pawl_status path_check_files(const char *file, struct pawl_error *err);

/* Open "FILE<suffix>", made 0600 if missing, with `size` bytes of it really
 * there (a hole would kill us by SIGBUS when the disk is full). *fd > 2. */
enum pawl_status path_open_side(const char *file, const char *suffix, size_t size,
                                int *fd, struct pawl_error *err);

/* Options: "durability=full|normal". EINVAL names what is wrong. */
enum pawl_status path_options(const char *options, bool *normal,
                              struct pawl_error *err);

#endif
