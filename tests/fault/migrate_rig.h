/* migrate_rig.h - a file and a Redis, and a migrator between them: one that may be
 * killed at a step, in a process of its own, or one in this process.
 */
#ifndef PAWL_TEST_MIGRATE_RIG_H
#define PAWL_TEST_MIGRATE_RIG_H

#include "migrate_jobs.h"
#include "pawl/migrate.h"
#include "redis_server.h"
#include "store.h"

#define MIGRATE_QUEUE "mail"

extern struct redis_server migrate_server;
extern struct temp_dir migrate_folder;
extern uint64_t migrate_seed;

/* Two empty storages. */
struct sides {
    char from[1200], to[1200];
};
struct sides sides_fresh(bool from_redis);
/* The way back. */
struct sides sides_exchanged(const struct sides *sides);

/* What is in MIGRATE_QUEUE there; `make`: after so many random jobs were put into it. */
struct inventory count_at(const char *url);
struct inventory make_at(const char *url, size_t count);
void assert_moved(const struct sides *sides, const struct inventory *before);
/* All is here as it was, and nothing there. */
void assert_back(const struct sides *sides, const struct inventory *before);
pawl_time migrate_wall(void *context);
/* Hold five pending jobs under one of the marks of a migration: as a migrator that died
 * leaves them. */
void hold_as(struct pawl_storage *storage, struct pawl_session mark, uint8_t which);

/* "move", "copy", "finalize" or "rollback", of jobs in every state. */
void migrator_start(struct actor *actor, const struct sides *sides, const char *action,
                    long die_at, bool after);
/* A move that stops itself when it is at work. */
void migrator_halts(struct actor *actor, const struct sides *sides);
/* Was it killed? Else it said "done", or the test ends. */
bool migrator_dies(const struct sides *sides, const char *action, long die_at,
                   bool after);
/* Here and now: for what need not be killed, this saves a process. */
enum pawl_status migrate_here(const struct sides *sides, const char *action,
                              struct pawl_error *err);
/* The same; must succeed. */
void must_migrate(const struct sides *sides, const char *action);

/* Run the tests; the exit status for main. */
int migrate_run_tests(const char *name, TCase *tcase);

#endif
