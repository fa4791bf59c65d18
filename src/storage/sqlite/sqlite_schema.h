/* sqlite_schema.h - whose file is it, and bringing its format up to date. */
#ifndef PAWL_SQLITE_SCHEMA_H
#define PAWL_SQLITE_SCHEMA_H

#include <stdbool.h>

#include "sqlite_db.h"

/* Look without writing. *ready: nothing needs to be done to the file. EFORMAT: it
 * is another program's, or of a newer pawl. */
enum pawl_status schema_inspect(struct sqlite_db *db, const char *path,
                                bool *ready, struct pawl_error *err);
/* Make an empty file ours, or run the upgrades it lacks, each in a transaction.
 * Inside the gate. Looks again first: somebody may have been faster. */
enum pawl_status schema_upgrade(struct sqlite_db *db, const char *path,
                                struct pawl_error *err);

#endif
