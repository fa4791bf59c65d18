/* cmd_alter.c - pawl retry, cancel, remove, promote: moving jobs by hand.
 *
 * The four differ only in the table below. Jobs are named by id, each of which
 * is tried, or are all those of a queue that are in one state.
 */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "json.h"

enum { STATE = 256 };

static const struct args_option alter_options[] = {
    {"state", STATE, "S", "instead of ids: every job in that state"},
    {"queue", 'q', "QUEUE", "of that queue; repeats; default: default"},
};

#define ALTER_MORE                                                          \
    "Ids of jobs that were changed go to standard output. Doing it again\n" \
    "finds nothing left to do, and says so.\n\n"                            \
    "exit: 0 done, 1 a job's state does not allow it, 2 usage,\n"           \
    "  3 a job was not found (the others were tried), 69 storage\n"         \
    "  unreachable\n"

#define BIT PAWL_STATE_BIT

static const struct alter_verb {
    enum pawl_action action;
    const char *name, *past;
    unsigned from;      /* states it applies to */
    const char *states; /* the same in words */
    struct args_spec spec;
} alter_verbs[] = {
    {PAWL_ACTION_RETRY, "retry", "retried",
     BIT(PAWL_FAILED) | BIT(PAWL_DEAD) | BIT(PAWL_CANCELLED),
     "failed, dead or cancelled",
     {.usage = "retry ID... | --state S [-q QUEUE]...",
      .about = "Make failed, dead or cancelled jobs pending again, with all their\n"
               "attempts.\n",
      .options = alter_options, .option_count = 2, .more = ALTER_MORE}},
    {PAWL_ACTION_CANCEL, "cancel", "cancelled",
     BIT(PAWL_WAITING) | BIT(PAWL_SCHEDULED) | BIT(PAWL_PENDING) |
         BIT(PAWL_FAILED) | BIT(PAWL_PROCESSING),
     "waiting, scheduled, pending, failed or processing",
     {.usage = "cancel ID... | --state S [-q QUEUE]...",
      .about = "Cancel jobs that are waiting, scheduled, pending or failed; ask\n"
               "the worker of a processing job to stop it.\n",
      .options = alter_options, .option_count = 2, .more = ALTER_MORE}},
    {PAWL_ACTION_REMOVE, "remove", "removed",
     ~(BIT(PAWL_PROCESSING) | BIT(PAWL_HELD)),
     "neither processing nor held",
     {.usage = "remove ID... | --state S [-q QUEUE]...",
      .about = "Delete jobs for good, unless they are processing or held.\n",
      .options = alter_options, .option_count = 2, .more = ALTER_MORE}},
    {PAWL_ACTION_PROMOTE, "promote", "promoted",
     BIT(PAWL_SCHEDULED) | BIT(PAWL_FAILED), "scheduled or failed",
     {.usage = "promote ID... | --state S [-q QUEUE]...",
      .about = "Make scheduled or failed jobs pending now, before their time.\n"
               "They keep the attempts they used.\n",
      .options = alter_options, .option_count = 2, .more = ALTER_MORE}},
};

struct alter {
    struct cli *cli;
    const struct alter_verb *verb;
    struct pawl_alteration what;
    enum pawl_state state; /* 0: by id */
    struct cli_queues queues;
};

/* --- by id ----------------------------------------------------------------------- */

static int alter_tell(const struct alter *a, struct pawl_id id,
                      enum pawl_status status)
{
    char text[PAWL_ID_TEXT];
    int code = CLI_DONE;
    pawl_id_format(id, text);
    if (a->cli->json)
        code = cli_json(a->cli, json_pack("{s:s, s:s}", "id", text, "status",
                                          pawl_status_name(status)));
    else if (status == PAWL_OK)
        puts(text);
    if (status == PAWL_NOT_FOUND)
        cli_note(a->cli, "no job %s", text);
    else if (status == PAWL_WRONG_STATE)
        cli_note(a->cli, "job %s: only a job that is %s can be %s", text,
                 a->verb->states, a->verb->past);
    else if (status == PAWL_KEY_TAKEN)
        cli_note(a->cli, "job %s: its unique key is held by another job", text);
    else if (status != PAWL_OK)
        cli_note(a->cli, "job %s: %s", text, pawl_status_text(status));
    if (code != CLI_DONE || status == PAWL_OK)
        return code;
    if (status == PAWL_EUNREACHABLE)
        return CLI_UNREACHABLE;
    return status == PAWL_NOT_FOUND ? CLI_NOT_FOUND : CLI_FAILED;
}

/* Several things may have gone wrong; "not found" is told first. */
static int alter_tell_all(const struct alter *a, const struct pawl_id *ids,
                          const enum pawl_status *results, size_t count)
{
    int result = CLI_DONE;
    for (size_t i = 0; i < count; i++) {
        int code = alter_tell(a, ids[i], results[i]);
        if (code != CLI_DONE && result != CLI_NOT_FOUND)
            result = code;
    }
    return result;
}

static int alter_by_id(const struct alter *a, char *const *texts, size_t count)
{
    struct pawl_id *ids = NULL;
    struct pawl_error err = {0};
    enum pawl_status *results = calloc(count, sizeof *results), status;
    int code = results ? cli_ids(a->cli, texts, count, &ids)
                       : cli_failed(a->cli, "out of memory");
    if (code == CLI_DONE)
        code = cli_open(a->cli);
    if (code == CLI_DONE) {
        status = pawl_alter(a->cli->pawl, &a->what, ids, count, results, &err);
        if (status < 0)
            code = cli_error(a->cli, status, &err);
        if (status >= 0 || status == PAWL_EUNREACHABLE) /* of some, maybe */
            code = alter_tell_all(a, ids, results, count);
    }
    free(results);
    free(ids);
    return code;
}

/* --- by state ---------------------------------------------------------------------- */

static int alter_by_state(const struct alter *a)
{
    struct pawl_error err = {0};
    size_t total = 0;
    int code = cli_open(a->cli);
    for (size_t i = 0; code == CLI_DONE && i < a->queues.count; i++) {
        struct pawl_filter filter = {.queue = a->queues.names[i],
                                     .state = a->state};
        size_t changed = 0;
        enum pawl_status status =
            pawl_alter_where(a->cli->pawl, &a->what, &filter, &changed, &err);
        total += changed;
        if (status == PAWL_SPOOLED)
            cli_only_spool(a->cli);
        else if (status != PAWL_OK)
            code = cli_error(a->cli, status, &err);
    }
    if (code != CLI_DONE && total == 0)
        return code;
    if (a->cli->json)
        cli_json(a->cli, json_pack("{s:I}", "changed", (json_int_t)total));
    else
        printf("%zu %s %s\n", total, total == 1 ? "job" : "jobs",
               a->verb->past);
    return code == CLI_DONE && a->cli->partial ? CLI_UNREACHABLE : code;
}

/* --- options ------------------------------------------------------------------------- */

static int alter_check(const struct alter *a, const struct args *args)
{
    if (args->operand_count > 0 && (a->state || a->queues.count > 0))
        return cli_usage(a->cli, "give ids, or --state and -q, not both");
    if (args->operand_count == 0 && !a->state)
        return cli_usage(a->cli, "no job id, and no --state");
    if (a->state && !(a->verb->from & BIT(a->state)))
        return cli_usage(a->cli, "only a job that is %s can be %s, not one that "
                                 "is %s",
                         a->verb->states, a->verb->past,
                         pawl_state_name(a->state));
    return CLI_DONE;
}

static int alter_run(struct cli *cli, enum pawl_action action, int argc,
                     char **argv)
{
    const struct alter_verb *verb = &alter_verbs[action];
    struct alter a = {.cli = cli, .verb = verb, .what = {.action = action}};
    struct args args;
    int key, code = CLI_DONE;
    args_begin(&args, cli, &verb->spec, argc, argv);
    while (code == CLI_DONE && (key = args_next(&args)) != ARGS_END) {
        if (key == STATE)
            code = cli_state(cli, args.value, &a.state);
        else if (key == 'q')
            code = cli_add_queue(cli, &a.queues, args.value);
        else
            code = args.exit_code;
    }
    if (code == CLI_DONE)
        code = alter_check(&a, &args);
    if (code != CLI_DONE)
        return code;
    if (!a.state)
        return alter_by_id(&a, args.operands, args.operand_count);
    cli_default_queue(&a.queues);
    return alter_by_state(&a);
}

int cmd_retry(struct cli *cli, int argc, char **argv)
{
    return alter_run(cli, PAWL_ACTION_RETRY, argc, argv);
}

int cmd_cancel(struct cli *cli, int argc, char **argv)
{
    return alter_run(cli, PAWL_ACTION_CANCEL, argc, argv);
}

int cmd_remove(struct cli *cli, int argc, char **argv)
{
    return alter_run(cli, PAWL_ACTION_REMOVE, argc, argv);
}

int cmd_promote(struct cli *cli, int argc, char **argv)
{
    return alter_run(cli, PAWL_ACTION_PROMOTE, argc, argv);
}
