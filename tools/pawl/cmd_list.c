/* cmd_list.c - pawl list: the jobs of a queue, in the order in which they run.
 *
 * Pages are asked for as large as they may be and printed as they come. With
 * several queues the cursor carries the place of its queue among them, so that
 * --after with the same -q's goes on where it ended.
 */
#include "cmd.h"

#include <stdio.h>
#include <string.h>

#include "args.h"
#include "json.h"
#include "parse.h"
#include "table.h"
#include "text.h"
#include "util/clock.h"

enum { STATE = 256, TYPE, LIMIT, AFTER };

#define LIST_PAGE 500
#define LIST_DEFAULT 100
#define LIST_CURSOR (PAWL_CURSOR_TEXT + 24)
#define LIST_TITLES \
    "ID QUEUE TYPE STATE >PRIO >ATTEMPT ENQUEUED RUNS FINISHED PAYLOAD"

static const struct args_option list_options[] = {
    {"queue", 'q', "QUEUE", "the queue; repeats; default: default"},
    {"state", STATE, "S", "only jobs in that state"},
    {"type", TYPE, "TYPE", "only jobs of that type"},
    {"limit", LIMIT, "N", "at most N jobs; default 100"},
    {"after", AFTER, "CURSOR", "go on where an earlier list ended"},
};

static const struct args_spec list_spec = {
    .usage = "list [OPTION]...",
    .about = "List jobs in the state's own order: pending as they will run,\n"
             "scheduled and failed by time, finished newest first.\n",
    .options = list_options,
    .option_count = sizeof list_options / sizeof *list_options,
    .more = "states: waiting, scheduled, pending, processing, failed, completed,\n"
            "  dead, cancelled, held\n\n"
            "examples:\n"
            "  pawl list -q mail --state dead\n"
            "  pawl list -q mail --json --limit 1000 | jq .payload\n\n"
            "With --json a last line {\"next\":\"CURSOR\"} tells that more follow.\n"
            "exit: 0 done, 1 failed, 2 usage, 69 storage unreachable\n",
};

struct list {
    struct cli *cli;
    struct cli_queues queues;
    struct pawl_filter filter;
    size_t limit; /* what is still to be listed */
    size_t place; /* of the queue in work */
    char after[PAWL_CURSOR_TEXT];
    bool titled;
    bool found; /* a job, in any queue */
};

/* --- one page -------------------------------------------------------------------- */

static const char *list_dash(const char *text)
{
    return *text ? text : "-";
}

static void list_add(struct table *table, const struct pawl_job *job,
                     pawl_time now)
{
    char id[PAWL_ID_TEXT], enqueued[TEXT_TIME], runs[TEXT_TIME],
        finished[TEXT_TIME];
    bool waits = job->state == PAWL_SCHEDULED || job->state == PAWL_FAILED;
    const char *state = pawl_state_name(job->state);
    pawl_id_format(job->id, id);
    text_relative(enqueued, job->enqueued_at, now);
    text_relative(runs, waits ? job->run_at : 0, now);
    text_relative(finished, job->finished_at, now);
    table_add(table, TABLE_PLAIN, "%s", id);
    table_add_bytes(table, job->queue, strlen(job->queue), 24);
    table_add_bytes(table, list_dash(job->type), strlen(list_dash(job->type)),
                    24);
    table_add(table, table_state_colour(job->state), "%s", state ? state : "?");
    table_add(table, TABLE_PLAIN, "%d", job->priority);
    table_add(table, TABLE_PLAIN, "%d/%d", job->attempt, job->max_attempts);
    table_add(table, TABLE_PLAIN, "%s", enqueued);
    table_add(table, TABLE_PLAIN, "%s", runs);
    table_add(table, TABLE_PLAIN, "%s", finished);
    table_add_bytes(table, job->payload, job->payload_size, 40);
}

static int list_print(struct list *list, const struct pawl_page *page)
{
    struct table table;
    int code = CLI_DONE;
    if (list->cli->json) {
        for (size_t i = 0; i < page->job_count && code == CLI_DONE; i++)
            code = cli_json(list->cli, json_job(page->jobs[i]));
        return code;
    }
    if (page->job_count == 0)
        return CLI_DONE;
    table_init(&table, LIST_TITLES);
    for (size_t i = 0; i < page->job_count; i++)
        list_add(&table, page->jobs[i], clock_wall_ms());
    if (!table_print(&table, !list->titled))
        code = cli_failed(list->cli, "out of memory");
    list->titled = true;
    table_clear(&table);
    return code;
}

/* --- all pages ------------------------------------------------------------------- */

/* The queue in work, up to the limit. Leaves its cursor in list->after. */
static int list_queue(struct list *list)
{
    struct pawl_page page = {0};
    struct pawl_error err = {0};
    int code = CLI_DONE;
    list->filter.queue = list->queues.names[list->place];
    do {
        size_t limit = list->limit < LIST_PAGE ? list->limit : LIST_PAGE;
        enum pawl_status status =
            pawl_list(list->cli->pawl, &list->filter, limit,
                      *list->after ? list->after : NULL, &page, &err);
        if (status == PAWL_SPOOLED)
            cli_only_spool(list->cli);
        if (status < 0) {
            code = cli_error(list->cli, status, &err);
        } else {
            code = list_print(list, &page);
            list->found = list->found || page.job_count > 0;
            list->limit -= page.job_count < list->limit ? page.job_count
                                                        : list->limit;
            memcpy(list->after, page.next, sizeof list->after);
        }
        pawl_page_clear(&page);
    } while (code == CLI_DONE && *list->after && list->limit > 0);
    return code;
}

/* Tell how to go on: the rest of this queue, or the next one. */
static int list_tell_next(struct list *list)
{
    char cursor[LIST_CURSOR];
    bool in_queue = *list->after != '\0';
    size_t place = list->place + !in_queue;
    if (place == list->queues.count)
        return CLI_DONE;
    if (list->queues.count == 1)
        snprintf(cursor, sizeof cursor, "%s", list->after);
    else
        snprintf(cursor, sizeof cursor, "%zu.%s", place, list->after);
    if (list->cli->json)
        return cli_json(list->cli, json_pack("{s:s}", "next", cursor));
    cli_note(list->cli, "more follow: --after %s", cursor);
    return CLI_DONE;
}

/* The jobs may be in a queue that was not asked for; to a program that reads
 * JSON, no line says as much. */
static void list_tell_none(const struct list *list)
{
    if (list->queues.count == 1)
        cli_note(list->cli, "no such jobs in queue '%s' (see 'pawl stats')",
                 list->queues.names[0]);
    else
        cli_note(list->cli, "no such jobs in these queues (see 'pawl stats')");
}

static int list_run(struct list *list)
{
    int code = cli_open(list->cli);
    while (code == CLI_DONE) {
        code = list_queue(list);
        if (list->limit == 0 || list->place + 1 == list->queues.count)
            break;
        list->place++;
    }
    if (code == CLI_DONE && !list->found && !list->cli->json)
        list_tell_none(list);
    if (code == CLI_DONE)
        code = list_tell_next(list);
    return code == CLI_DONE && list->cli->partial ? CLI_UNREACHABLE : code;
}

/* --- options ---------------------------------------------------------------------- */

/* A cursor of ours; its last part is the library's. */
static int list_after(struct list *list, const char *cursor)
{
    const char *rest = cursor;
    if (list->queues.count > 1) {
        char number[24];
        size_t n = strcspn(cursor, ".");
        long place = 0;
        snprintf(number, sizeof number, "%.*s", n < 20 ? (int)n : 20, cursor);
        if (cursor[n] != '.' ||
            !parse_number(number, 0, (long)list->queues.count - 1, &place))
            return cli_usage(list->cli, "'%.100s' is no cursor of a list of "
                                        "these queues", cursor);
        list->place = (size_t)place;
        rest = cursor + n + 1;
    }
    if (strlen(rest) >= sizeof list->after)
        return cli_usage(list->cli, "'%.100s' is no cursor", cursor);
    memcpy(list->after, rest, strlen(rest) + 1);
    return CLI_DONE;
}

static int list_limit(struct list *list, const char *text)
{
    long limit = 0;
    if (!parse_number(text, 1, 1000000000, &limit))
        return cli_usage(list->cli, "limit '%.100s' is not a number of 1 to "
                                    "1000000000", text);
    list->limit = (size_t)limit;
    return CLI_DONE;
}

static int list_options_read(struct list *list, struct args *args)
{
    const char *after = NULL;
    int key, code = CLI_DONE;
    while ((key = args_next(args)) > 0) {
        switch (key) {
        case 'q':
            code = cli_add_queue(list->cli, &list->queues, args->value);
            break;
        case STATE:
            code = cli_state(list->cli, args->value, &list->filter.state);
            break;
        case TYPE: list->filter.type = args->value; break;
        case LIMIT: code = list_limit(list, args->value); break;
        case AFTER: after = args->value; break;
        }
        if (code != CLI_DONE)
            return code;
    }
    if (key < 0)
        return args->exit_code;
    if (args->operand_count > 0)
        return cli_usage(list->cli, "unexpected '%.100s' (for one job: pawl show "
                                    "ID)", args->operands[0]);
    cli_default_queue(&list->queues);
    return after ? list_after(list, after) : CLI_DONE;
}

int cmd_list(struct cli *cli, int argc, char **argv)
{
    struct list list = {.cli = cli, .limit = LIST_DEFAULT};
    struct args args;
    args_begin(&args, cli, &list_spec, argc, argv);
    int code = list_options_read(&list, &args);
    return code == CLI_DONE ? list_run(&list) : code;
}
