/* sqlite_heal.h - after an fsync that failed. */
#ifndef PAWL_SQLITE_HEAL_H
#define PAWL_SQLITE_HEAL_H

#include "pawl/status.h"

struct sqlite_storage;

/* Bring to the disk what may be missing there, and clear GATE_SYNC_FAILED. Inside
 * the gate, with the writer open and no transaction. A failure leaves the note:
 * the next to write tries again. */
enum pawl_status sqlite_heal(struct sqlite_storage *s, struct pawl_error *err);

#endif
