/* cmd.h - the verbs. Each lives in the file of its name; main.c has the table. */
#ifndef PAWL_CLI_CMD_H
#define PAWL_CLI_CMD_H

#include "cli.h"

cli_verb_fn cmd_enqueue, cmd_work, cmd_list, cmd_show, cmd_stats, cmd_health,
    cmd_doctor, cmd_queues, cmd_clean, cmd_drain, cmd_migrate, cmd_export, cmd_import,
    cmd_bench;
cli_verb_fn cmd_retry, cmd_cancel, cmd_remove, cmd_promote; /* cmd_alter.c */
cli_verb_fn cmd_pause, cmd_resume;                          /* cmd_pause.c */

#endif
