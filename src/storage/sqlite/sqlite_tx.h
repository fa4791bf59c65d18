/* sqlite_tx.h - transactions of the SQLite storage.
 *
 * Every write of pawl to the file is between sqlite_write_begin and
 * sqlite_write_end, which hold the gate (sqlite_gate.h says why), and uses
 * storage->writer. Every read is between sqlite_read_begin and sqlite_read_end,
 * sees one snapshot, and uses storage->reader; it never takes the gate. A thread
 * is in at most one of them at a time. After a begin that failed there is
 * nothing to end.
 */
#ifndef PAWL_SQLITE_TX_H
#define PAWL_SQLITE_TX_H

#include <sqlite3.h>
#include <stdbool.h>

#include "pawl/job.h"

struct sqlite_storage;

/* How durable a commit is when it returns. FULL: on the disk. NORMAL: in the
 * file; a power cut, and nothing else, may take it back. ADDS: FULL, of a step that
 * adds work, which a full disk refuses. */
enum sqlite_sync { SYNC_NORMAL, SYNC_FULL, SYNC_ADDS };

/* ETIMEOUT: the deadline passed, with the name of who holds the gate. EFORKED.
 * EFULL, for ADDS alone: the disk is full and the little that is left is kept for
 * transactions that finish work, or take it elsewhere. */
enum pawl_status sqlite_write_begin(struct sqlite_storage *s,
                                    enum sqlite_sync sync,
                                    struct pawl_error *err);
/* Commit if status >= 0, else roll back; leaves the gate whatever happens.
 * Returns `status`, or why the commit failed: EUNKNOWN when it may have been
 * applied all the same. Checkpoints when it is time. */
enum pawl_status sqlite_write_end(struct sqlite_storage *s,
                                  enum pawl_status status,
                                  struct pawl_error *err);

enum pawl_status sqlite_read_begin(struct sqlite_storage *s,
                                   struct pawl_error *err);
/* Returns `status`. */
enum pawl_status sqlite_read_end(struct sqlite_storage *s,
                                 enum pawl_status status,
                                 struct pawl_error *err);

/* After a step answered EFULL: give the ballast back and let the WAL begin anew
 * if it can. True: it is worth doing the step once more. */
bool sqlite_make_room(struct sqlite_storage *s);

/* After code `rc`, what this process sees of the file may be wrong, and after a
 * failed write or sync even what is on the disk: open both connections anew, and
 * stop everybody's writes until a checkpoint succeeded. */
void sqlite_distrust(struct sqlite_storage *s, int rc);

/* The wall clock, but never earlier than this instance has seen it. Only inside
 * a write transaction. */
pawl_time sqlite_now(struct sqlite_storage *s);
/* The same for whoever only looks: it is not remembered. */
pawl_time sqlite_seen(struct sqlite_storage *s);

#endif
