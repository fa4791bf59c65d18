/* cmd_clean.c - pawl clean: delete what is finished. */
#include "cmd.h"

#include <stdio.h>

#include "args.h"
#include "parse.h"

enum { STATE = 256, OLDER };

static const struct args_option clean_options[] = {
    {"queue", 'q', "QUEUE", "the queue; repeats; default: default"},
    {"state", STATE, "S", "completed, dead or cancelled"},
    {"older", OLDER, "D", "only what finished longer ago: 7d, 12h"},
};

static const struct args_spec clean_spec = {
    .usage = "clean [-q QUEUE]... --state S [--older D]",
    .about = "Delete finished jobs. Retention does this by itself; clean does it\n"
             "now.\n",
    .options = clean_options,
    .option_count = sizeof clean_options / sizeof *clean_options,
    .more = "example: pawl clean -q mail --state dead --older 30d\n\n"
            "exit: 0 done, 1 failed, 2 usage, 69 storage unreachable\n",
};

struct clean {
    struct cli *cli;
    struct cli_queues queues;
    enum pawl_state state;
    pawl_duration older;
};

static int clean_option(struct clean *c, int key, const char *value)
{
    const char *why = NULL;
    switch (key) {
    case 'q': return cli_add_queue(c->cli, &c->queues, value);
    case STATE: return cli_state(c->cli, value, &c->state);
    case OLDER:
        if (!parse_duration(value, &c->older, &why))
            return cli_usage(c->cli, "older '%.100s' %s", value, why);
    }
    return CLI_DONE;
}

static int clean_check(const struct clean *c, const struct args *args)
{
    if (args->operand_count > 0)
        return cli_usage(c->cli, "unexpected '%.100s' (a queue is named by -q, "
                                 "one job is deleted by pawl remove)",
                         args->operands[0]);
    if (c->state == 0)
        return cli_usage(c->cli, "no state (give --state completed, dead or "
                                 "cancelled)");
    if (c->state != PAWL_COMPLETED && c->state != PAWL_DEAD &&
        c->state != PAWL_CANCELLED)
        return cli_usage(c->cli, "%s jobs are not finished (see 'pawl remove "
                                 "--help')",
                         pawl_state_name(c->state));
    return CLI_DONE;
}

static int clean_run(const struct clean *c)
{
    struct pawl_alteration what = {.action = PAWL_ACTION_REMOVE};
    struct pawl_error err = {0};
    size_t total = 0;
    int code = cli_open(c->cli);
    for (size_t i = 0; code == CLI_DONE && i < c->queues.count; i++) {
        struct pawl_filter filter = {.queue = c->queues.names[i],
                                     .state = c->state,
                                     .older_than = c->older};
        size_t changed = 0;
        enum pawl_status status =
            pawl_alter_where(c->cli->pawl, &what, &filter, &changed, &err);
        total += changed;
        if (status == PAWL_SPOOLED)
            cli_only_spool(c->cli);
        else if (status != PAWL_OK)
            code = cli_error(c->cli, status, &err);
    }
    if (code != CLI_DONE && total == 0)
        return code;
    if (c->cli->json)
        cli_json(c->cli, json_pack("{s:I}", "changed", (json_int_t)total));
    else
        printf("%zu %s removed\n", total, total == 1 ? "job" : "jobs");
    return code == CLI_DONE && c->cli->partial ? CLI_UNREACHABLE : code;
}

int cmd_clean(struct cli *cli, int argc, char **argv)
{
    struct clean c = {.cli = cli};
    struct args args;
    int key, code = CLI_DONE;
    args_begin(&args, cli, &clean_spec, argc, argv);
    while ((key = args_next(&args)) > 0) {
        code = clean_option(&c, key, args.value);
        if (code != CLI_DONE)
            return code;
    }
    code = key < 0 ? args.exit_code : clean_check(&c, &args);
    if (code != CLI_DONE)
        return code;
    cli_default_queue(&c.queues);
    return clean_run(&c);
}
