/* sqlite_checkpoint.h - copying the WAL into the database, inside the gate.
 *
 * SQLite's own automatic checkpoints are off: one that overlaps a commit can
 * lose it on engines with the WAL-reset bug. All of these use the writer, and
 * are called by its transaction's thread after the commit or before the begin.
 */
#ifndef PAWL_SQLITE_CHECKPOINT_H
#define PAWL_SQLITE_CHECKPOINT_H

#include "pawl/status.h"

struct sqlite_storage;

/* After a commit: if the WAL has grown enough. Its failure is not the caller's,
 * whose commit is done; but nobody may rely on the WAL any more. */
void checkpoint_if_due(struct sqlite_storage *s);
/* As much as can be done without waiting. */
void checkpoint_now(struct sqlite_storage *s);

#endif
