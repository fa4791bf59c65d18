/* cmd_pause.c - pawl pause and pawl resume. */
#include "cmd.h"

#include <string.h>

#include "args.h"
#include "json.h"

static const struct args_option pause_options[] = {
    {"queue", 'q', "QUEUE", "the queue; repeats; default: default"},
};

static const struct args_spec pause_spec = {
    .usage = "pause [-q QUEUE]...",
    .about = "Claim nothing more from a queue until it is resumed. What runs goes\n"
             "on; jobs can still be added. The queue need not exist yet.\n",
    .options = pause_options,
    .option_count = 1,
    .more = "exit: 0 done, 1 failed, 2 usage, 69 storage unreachable\n",
};

static const struct args_spec resume_spec = {
    .usage = "resume [-q QUEUE]...",
    .about = "Let a paused queue go on.\n",
    .options = pause_options,
    .option_count = 1,
    .more = "exit: 0 done, 1 failed, 2 usage, 69 storage unreachable\n",
};

typedef enum pawl_status pause_fn(struct pawl *pawl, const char *queue,
                                  struct pawl_error *err);

static int pause_queues(struct cli *cli, const struct cli_queues *queues,
                        pause_fn *act, bool paused)
{
    struct pawl_error err = {0};
    int code = cli_open(cli);
    for (size_t i = 0; i < queues->count && code == CLI_DONE; i++) {
        const char *queue = queues->names[i];
        enum pawl_status status = act(cli->pawl, queue, &err);
        if (status == PAWL_SPOOLED)
            cli_only_spool(cli);
        if (status < 0)
            code = cli_error(cli, status, &err);
        else if (cli->json)
            code = cli_json(cli, json_pack("{s:o, s:b}", "queue",
                                           json_text(queue), "paused",
                                           (int)paused));
    }
    return code == CLI_DONE && cli->partial ? CLI_UNREACHABLE : code;
}

static int pause_run(struct cli *cli, const struct args_spec *spec, int argc,
                     char **argv, bool pause)
{
    struct cli_queues queues = {.count = 0};
    struct args args;
    int key, code;
    args_begin(&args, cli, spec, argc, argv);
    while ((key = args_next(&args)) > 0) {
        code = cli_add_queue(cli, &queues, args.value);
        if (code != CLI_DONE)
            return code;
    }
    if (key < 0)
        return args.exit_code;
    if (args.operand_count > 0)
        return cli_usage(cli, "unexpected '%.100s' (a queue is named by -q)",
                         args.operands[0]);
    cli_default_queue(&queues);
    return pause_queues(cli, &queues, pause ? pawl_pause : pawl_resume, pause);
}

int cmd_pause(struct cli *cli, int argc, char **argv)
{
    return pause_run(cli, &pause_spec, argc, argv, true);
}

int cmd_resume(struct cli *cli, int argc, char **argv)
{
    return pause_run(cli, &resume_spec, argc, argv, false);
}
