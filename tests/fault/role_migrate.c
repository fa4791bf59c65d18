/* role_migrate.c - a migrator, which may be told to die at one of its steps. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "actor.h"
#include "mortal.h"
#include "pawl/migrate.h"
#include "role.h"
#include "util/clock.h"

#define TELL_NS INT64_C(1000000000)

struct teller {
    int64_t told_ns;
    bool halt, told_enough;
    uint64_t enough; /* jobs; 0: of no interest */
};

static bool tell_progress(void *context, const struct pawl_migrate_progress *progress)
{
    struct teller *teller = context;
    if (teller->told_ns == 0 || clock_mono_ns() - teller->told_ns > TELL_NS) {
        tell("working");
        teller->told_ns = clock_mono_ns();
    }
    if (teller->halt)
        raise(SIGSTOP);
    teller->halt = false;
    if (teller->enough && !teller->told_enough && progress->moved >= teller->enough) {
        tell("enough");
        teller->told_enough = true;
    }
    return true;
}

/* KiB. Not ru_maxrss, which begins with what the process had before its exec. */
static long memory_peak(void)
{
    char line[200];
    long peak = -1;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && peak < 0 && fgets(line, sizeof line, file))
        sscanf(line, "VmHWM: %ld", &peak);
    if (file)
        fclose(file);
    if (peak < 0)
        give_up("/proc/self/status has no VmHWM");
    return peak;
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

/* Prints "working" when it has begun, where it may stop itself, and once a second;
 * "enough" when so many have moved; and "done MOVED KIB" with the most memory it had, or
 * "failed TEXT". */
void role_migrate(const struct role_args *args)
{
    char from[1200], to[1200];
    const char *action = arg_text(args, "action", "move");
    struct teller teller = { .enough = (uint64_t)arg_number(args, "enough", 0),
                             .halt = arg_number(args, "halt", 0) != 0 };
    struct pawl_migrate_options options = {
        .from = from, .to = to, .progress = tell_progress, .context = &teller,
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
    unsigned long long moved = 0;
    for (size_t i = 0; status == PAWL_OK && i < pawl_migrate_plan(migration)->queue_count;
         i++)
        moved += pawl_migrate_plan(migration)->queues[i].moved;
    pawl_migrate_close(migration);
    if (status == PAWL_OK)
        tell("done %llu %ld", moved, memory_peak());
    else
        tell("failed %s", err.message);
}
