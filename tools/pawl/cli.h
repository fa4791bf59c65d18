/* cli.h - what every verb of the command shares.
 *
 * A verb gets a struct cli and its own arguments (argv[0] is the verb). It opens
 * the jobs with cli_open() once its arguments are known to be right, so that a
 * typing mistake is told even when the storage is away. Everything for a program
 * goes to standard output, every message for a person to standard error, one
 * line each: "pawl VERB: message".
 */
#ifndef PAWL_CLI_H
#define PAWL_CLI_H

#include <jansson.h>
#include <stdbool.h>

#include "pawl.h"

/* What the process answers. Scripts rely on these numbers. */
enum cli_exit {
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NOT_FOUND = 3,
    CLI_UNREACHABLE = 69,
    CLI_HELPED = -1 /* between a verb and main() only: the help was printed and
                       nothing is to be done; the process answers 0 */
};

struct cli {
    const char *verb; /* for messages; NULL until it is known */
    const char *url;  /* NULL: $PAWL_URL, or the default file */
    bool json;
    bool verbose;      /* the library's notices are printed, too */
    bool urgent;       /* pawl_options.urgent */
    bool lasting;      /* not pawl_options.brief: the verb takes its time */
    bool partial;      /* cli_only_spool() was called */
    char spool_lost[400]; /* there should be a spool: why there is none; or "" */
    struct pawl *pawl; /* NULL until cli_open() */
};

/* One verb. argv[0] is its name. Answers the exit code, or CLI_HELPED. */
typedef int cli_verb_fn(struct cli *cli, int argc, char **argv);

/* Open the jobs, unless that was done. CLI_DONE, or the exit code after the
 * message was printed. main() closes. */
int cli_open(struct cli *cli);

/* "pawl VERB: message" on standard error. Control characters are escaped. */
void cli_note(const struct cli *cli, const char *format, ...) PAWL_PRINTF(2, 3);
/* The same, and answer CLI_USAGE, CLI_FAILED. */
int cli_usage(const struct cli *cli, const char *format, ...) PAWL_PRINTF(2, 3);
int cli_failed(const struct cli *cli, const char *format, ...) PAWL_PRINTF(2, 3);
/* Print why a call of the library failed; answers the exit code. */
int cli_error(const struct cli *cli, enum pawl_status status,
              const struct pawl_error *err);
/* The exit code that a status maps to. */
int cli_exit_code(enum pawl_status status);

/* The answer was PAWL_SPOOLED: say, once, that the primary is away and this is not
 * all. Answers CLI_UNREACHABLE. */
int cli_only_spool(struct cli *cli);

/* Print one JSON value on a line of its own and release it. A NULL value means
 * that memory is out. CLI_DONE or CLI_FAILED, with a message. */
int cli_json(const struct cli *cli, json_t *value);

/* Flush standard output; CLI_FAILED, with a message, if anything written there
 * was lost. Call it when results must be out before the verb goes on. */
int cli_flush(const struct cli *cli);

/* Queue names given by -q, in order. */
#define CLI_QUEUES_MAX 256
struct cli_queues {
    const char *names[CLI_QUEUES_MAX];
    size_t count;
};
/* CLI_DONE or CLI_USAGE. A name given twice is kept once. */
int cli_add_queue(const struct cli *cli, struct cli_queues *queues,
                  const char *name);
/* `default`, if none was given. */
void cli_default_queue(struct cli_queues *queues);

/* Job ids from the command line. CLI_DONE, and *out is yours to free();
 * CLI_USAGE when one of them is no id. */
int cli_ids(const struct cli *cli, char *const *texts, size_t count,
            struct pawl_id **out);
/* A state's name; CLI_USAGE when there is no such state. */
int cli_state(const struct cli *cli, const char *text, enum pawl_state *out);

#endif
