/* sqlite_ballast.h - room kept for the end of work when the disk is full.
 *
 * PATH.ballast is 1 MiB that a full disk gives back when it is deleted: enough
 * for the jobs that run to be written back as done. New jobs are refused until
 * there is room for it again.
 */
#ifndef PAWL_SQLITE_BALLAST_H
#define PAWL_SQLITE_BALLAST_H

#include <stdbool.h>

/* Make it if it is missing and the disk has room to spare. True: it is there. */
bool ballast_keep(const char *path);
/* Give the room back. */
void ballast_spend(const char *path);

#endif
