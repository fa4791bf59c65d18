/* cmd_export.c - pawl export: whole jobs as JSON lines, for pawl import.
 *
 * Each state comes in the order in which an import has to see it. Finished jobs are
 * numbered as they arrive, so the oldest comes first; but they are listed newest first.
 * So they go to a temporary file first, each with its length behind it, and that is
 * read from its end.
 */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "json.h"

enum { STATE = 256 };

#define EXPORT_PAGE 500

static const struct args_option export_options[] = {
    {"queue", 'q', "QUEUE", "only this queue; repeats; default: all"},
    {"state", STATE, "S", "only jobs in that state, and nothing of queues"},
};

static const struct args_spec export_spec = {
    .usage = "export [-q QUEUE]... [--state S]",
    .about = "Print jobs whole, one JSON object a line, as pawl import reads them, and\n"
             "before those of a queue what it was told: pause and retention. The\n"
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

/* --- finished jobs, the other way round ------------------------------------------- */

static int export_failed(const struct export *e)
{
    return cli_failed(e->cli, "the temporary file: %s", strerror(errno));
}

/* One job and, behind it, how long it is. */
static int spill_job(const struct export *e, FILE *spill, const struct pawl_job *job)
{
    json_t *value = json_job_whole(job);
    char *text = value ? json_dumps(value, JSON_COMPACT | (isatty(STDOUT_FILENO)
                                                               ? JSON_ENSURE_ASCII
                                                               : 0))
                       : NULL;
    int code = CLI_DONE;
    json_decref(value);
    if (!text)
        return cli_failed(e->cli, "out of memory");
    size_t size = strlen(text);
    if (fwrite(text, 1, size, spill) != size ||
        fwrite(&size, sizeof size, 1, spill) != 1)
        code = export_failed(e);
    free(text);
    return code;
}

static int print_backwards(const struct export *e, FILE *spill)
{
    off_t end = ftello(spill);
    char *text = NULL;
    int code = end < 0 ? export_failed(e) : CLI_DONE;
    while (code == CLI_DONE && end > 0) {
        size_t size = 0;
        char *more = NULL;
        if (fseeko(spill, end - (off_t)sizeof size, SEEK_SET) == 0 &&
            fread(&size, sizeof size, 1, spill) == 1)
            more = realloc(text, size + 1);
        text = more ? more : text;
        end -= (off_t)(sizeof size + size);
        if (!more || fseeko(spill, end, SEEK_SET) != 0 ||
            fread(text, 1, size, spill) != size) {
            code = export_failed(e);
            break;
        }
        text[size] = '\0';
        puts(text);
    }
    free(text);
    return code;
}

/* --- the jobs of a state ------------------------------------------------------------ */

static int export_page(const struct export *e, FILE *spill, const struct pawl_page *page)
{
    int code = CLI_DONE;
    for (size_t i = 0; i < page->job_count && code == CLI_DONE; i++)
        code = spill ? spill_job(e, spill, page->jobs[i])
                     : cli_json(e->cli, json_job_whole(page->jobs[i]));
    return code;
}

static int export_pages(const struct export *e, const struct pawl_filter *filter,
                        FILE *spill)
{
    char after[PAWL_CURSOR_TEXT] = "";
    int code = CLI_DONE;
    do {
        struct pawl_page page = {0};
        struct pawl_error err = {0};
        enum pawl_status status =
            pawl_list(e->cli->pawl, filter, EXPORT_PAGE, after, &page, &err);
        if (status == PAWL_SPOOLED)
            cli_only_spool(e->cli);
        code = status < 0 ? cli_error(e->cli, status, &err)
                          : export_page(e, spill, &page);
        snprintf(after, sizeof after, "%s", page.next);
        pawl_page_clear(&page);
    } while (code == CLI_DONE && after[0]);
    return code;
}

static bool is_finished(enum pawl_state state)
{
    return state == PAWL_COMPLETED || state == PAWL_DEAD || state == PAWL_CANCELLED;
}

static int export_state(const struct export *e, const struct pawl_queue_stats *queue,
                        enum pawl_state state)
{
    struct pawl_filter filter = {.queue = queue->name, .state = state};
    if (queue->jobs[state] == 0)
        return CLI_DONE;
    if (!is_finished(state))
        return export_pages(e, &filter, NULL);
    FILE *spill = tmpfile();
    if (!spill)
        return export_failed(e);
    int code = export_pages(e, &filter, spill);
    if (code == CLI_DONE)
        code = print_backwards(e, spill);
    fclose(spill);
    return code;
}

/* --- a queue -------------------------------------------------------------------------- */

static int export_queue(const struct export *e, const struct pawl_queue_stats *queue)
{
    int code = CLI_DONE;
    if (e->state != 0)
        return export_state(e, queue, e->state);
    if (queue->paused || queue->has_keep)
        code = cli_json(e->cli, json_queue_whole(queue));
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST && code == CLI_DONE;
         state++)
        code = export_state(e, queue, (enum pawl_state)state);
    return code;
}

static int export_all(const struct export *e, const struct pawl_stats *stats)
{
    int code = CLI_DONE;
    if (stats->mode == PAWL_MODE_SPOOLING)
        cli_only_spool(e->cli);
    for (size_t i = 0; i < stats->queue_count && code == CLI_DONE; i++)
        code = export_queue(e, &stats->queues[i]);
    return code;
}

/* Every queue that was named must be there, before the first line is printed. */
static int export_check(struct export *e)
{
    int code = CLI_DONE;
    for (size_t i = 0; i < e->queues.count && code == CLI_DONE; i++) {
        struct pawl_stats *stats = NULL;
        struct pawl_error err = {0};
        enum pawl_status status =
            pawl_stats(e->cli->pawl, e->queues.names[i], &stats, &err);
        if (status != PAWL_OK)
            code = cli_error(e->cli, status, &err);
        pawl_stats_free(stats);
    }
    return code;
}

static int export_run(struct export *e)
{
    int code = cli_open(e->cli);
    if (code == CLI_DONE)
        code = export_check(e);
    for (size_t i = 0; i < e->queues.count + (e->queues.count == 0) && code == CLI_DONE;
         i++) {
        struct pawl_stats *stats = NULL;
        struct pawl_error err = {0};
        enum pawl_status status =
            pawl_stats(e->cli->pawl, e->queues.count ? e->queues.names[i] : NULL, &stats,
                       &err);
        code = status == PAWL_OK ? export_all(e, stats) : cli_error(e->cli, status, &err);
        pawl_stats_free(stats);
    }
    return code == CLI_DONE && e->cli->partial ? CLI_UNREACHABLE : code;
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
