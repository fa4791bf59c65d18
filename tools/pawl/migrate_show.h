/* migrate_show.h - what a migration tells: its plan, how far it is, what came of it.
 *
 * For a person a table and a bar; with --json one object a line. Progress goes to
 * standard error, as a bar on a terminal and as JSON lines elsewhere.
 */
#ifndef PAWL_CLI_MIGRATE_SHOW_H
#define PAWL_CLI_MIGRATE_SHOW_H

#include "cli.h"
#include "pawl/migrate.h"

struct migrate_show {
    const struct cli *cli;
    int64_t began_ns, told_ns;
    bool bar;        /* standard error is a terminal, and it is not --json */
    bool bar_drawn;  /* the cursor is behind it */
    bool holder_told; /* that a migration elsewhere is waited for */
    size_t merged_count;
};

void migrate_show_plan(const struct migrate_show *show,
                       const struct pawl_migrate_plan *plan);
void migrate_show_begin(struct migrate_show *show);
void migrate_show_progress(struct migrate_show *show,
                           const struct pawl_migrate_progress *progress);
void migrate_show_merged(struct migrate_show *show, const struct pawl_job *job,
                         struct pawl_id holder);
/* Take the bar away, before anything else is printed. */
void migrate_show_end(struct migrate_show *show);
/* `done`: "moved", "copied", ...; `url`: where the jobs are now; `after`: what remains
 * to be done, or NULL. */
void migrate_show_report(const struct migrate_show *show,
                         const struct pawl_migrate_plan *plan, const char *done,
                         const char *url, const char *after);

#endif
