/* cmd_export.c - pawl export: whole jobs as JSON lines, for pawl import. */
#include "cmd.h"

#include <stdio.h>

#include "args.h"
#include "json.h"

enum { STATE = 256 };

#define EXPORT_PAGE 500

static const struct args_option export_options[] = {
    {"queue", 'q', "QUEUE", "only this queue; repeats; default: all"},
    {"state", STATE, "S", "only jobs in that state"},
};

static const struct args_spec export_spec = {
    .usage = "export [-q QUEUE]... [--state S]",
    .about = "Print jobs whole, one JSON object a line, as pawl import reads them. The\n"
             "storage is not changed; jobs that move meanwhile may be missing.\n",
    .options = export_options,
    .option_count = sizeof export_options / sizeof *export_options,
    .more = "example: pawl export -q mail >mail.jsonl\n\n"
            "exit: 0 done, 1 failed, 2 usage, 3 no such queue, 69 storage unreachable\n",
};

struct export {
    struct cli *cli;
    struct cli_queues queues;
    enum pawl_state state;
};

static int export_page(const struct export *e, const struct pawl_page *page)
{
    int code = CLI_DONE;
    for (size_t i = 0; i < page->job_count && code == CLI_DONE; i++)
        code = cli_json(e->cli, json_job_whole(page->jobs[i]));
    return code;
}

static int export_queue(const struct export *e, const char *queue)
{
    struct pawl_filter filter = {.queue = queue, .state = e->state};
    char after[PAWL_CURSOR_TEXT] = "";
    int code = CLI_DONE;
    do {
        struct pawl_page page = {0};
        struct pawl_error err = {0};
        enum pawl_status status =
            pawl_list(e->cli->pawl, &filter, EXPORT_PAGE, after, &page, &err);
        code = status == PAWL_OK ? export_page(e, &page)
                                 : cli_error(e->cli, status, &err);
        snprintf(after, sizeof after, "%s", page.next);
        pawl_page_clear(&page);
    } while (code == CLI_DONE && after[0]);
    return code;
}

static int export_run(struct export *e)
{
    struct pawl_stats *stats = NULL;
    struct pawl_error err = {0};
    int code = cli_open(e->cli);
    if (code != CLI_DONE)
        return code;
    enum pawl_status status = PAWL_OK;
    for (size_t i = 0; i < e->queues.count && status == PAWL_OK; i++) {
        status = pawl_stats(e->cli->pawl, e->queues.names[i], &stats, &err);
        pawl_stats_free(stats);
        stats = NULL;
    }
    if (status == PAWL_OK && e->queues.count == 0)
        status = pawl_stats(e->cli->pawl, NULL, &stats, &err);
    if (status != PAWL_OK)
        return cli_error(e->cli, status, &err);
    for (size_t i = 0; i < e->queues.count && code == CLI_DONE; i++)
        code = export_queue(e, e->queues.names[i]);
    for (size_t i = 0; stats && i < stats->queue_count && code == CLI_DONE; i++)
        code = export_queue(e, stats->queues[i].name);
    pawl_stats_free(stats);
    return code;
}

int cmd_export(struct cli *cli, int argc, char **argv)
{
    struct export e = {.cli = cli};
    struct args args;
    int key, code = CLI_DONE;
    args_begin(&args, cli, &export_spec, argc, argv);
    while ((key = args_next(&args)) > 0 && code == CLI_DONE)
        code = key == 'q' ? cli_add_queue(cli, &e.queues, args.value)
                          : cli_state(cli, args.value, &e.state);
    if (code != CLI_DONE)
        return code;
    if (key < 0)
        return args.exit_code;
    if (args.operand_count > 0)
        return cli_usage(cli, "unexpected '%.100s' (a queue is named by -q)",
                         args.operands[0]);
    return export_run(&e);
}
