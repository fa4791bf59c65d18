/* role_migrate.c - a migrator, which may be told to die at one of its steps. */
#include <stdio.h>
#include <string.h>

#include "actor.h"
#include "mortal.h"
#include "pawl/migrate.h"
#include "role.h"

static bool tell_once(void *context, const struct pawl_migrate_progress *progress)
{
    bool *told = context;
    (void)progress;
    if (!*told)
        tell("working");
    *told = true;
    return true;
}

static enum pawl_status act(const char *action, struct pawl_migration *migration,
                            struct pawl_error *err)
{
    if (strcmp(action, "finalize") == 0)
        return pawl_migrate_finalize(migration, err);
    if (strcmp(action, "rollback") == 0)
        return pawl_migrate_rollback(migration, err);
    return pawl_migrate_run(migration, err);
}

/* Prints "working" when it has begun, and "done MOVED" or "failed TEXT". */
void role_migrate(const struct role_args *args)
{
    char from[1200], to[1200];
    const char *action = arg_text(args, "action", "move");
    bool told = false;
    struct pawl_migrate_options options = {
        .from = from, .to = to, .progress = tell_once, .context = &told,
        .copy = strcmp(action, "move") != 0,
        .verify = arg_number(args, "verify", 0) != 0,
        .states = (unsigned)arg_number(args, "states", 0),
    };
    struct pawl_migration *migration = NULL;
    struct pawl_error err = { 0 };
    snprintf(from, sizeof from, "mortal:%s", arg_text(args, "from", ""));
    snprintf(to, sizeof to, "mortal:%s", arg_text(args, "to", ""));
    mortal_register(arg_number(args, "die_at", 0), arg_number(args, "after", 0) != 0);
    enum pawl_status status = pawl_migrate_open(&options, &migration, &err);
    if (status == PAWL_OK)
        status = act(action, migration, &err);
    unsigned long long moved = 0, doubtful = 0;
    for (size_t i = 0; status == PAWL_OK && i < pawl_migrate_plan(migration)->queue_count;
         i++) {
        moved += pawl_migrate_plan(migration)->queues[i].moved;
        doubtful += pawl_migrate_plan(migration)->queues[i].duplicates;
    }
    pawl_migrate_close(migration);
    if (status == PAWL_OK)
        tell("done %llu %llu", moved, doubtful);
    else
        tell("failed %s", err.message);
}
