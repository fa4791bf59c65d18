/* cmd_stats.c - pawl stats and pawl queues: what there is, queue by queue. */
#include "cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "hint.h"
#include "json.h"
#include "table.h"
#include "text.h"

static const struct args_option stats_options[] = {
    {"queue", 'q', "QUEUE", "only that queue; repeats; default: all"},
};

static const struct args_spec stats_spec = {
    .usage = "stats [-q QUEUE]...",
    .about = "Count the jobs of every queue by state.\n",
    .options = stats_options,
    .option_count = 1,
    .more = "DONE counts what was ever completed, FAILURES every failed attempt.\n"
            "With --json one object: storage, where, mode and queues, of which\n"
            "each has oldest_pending_ms, 0 when none is pending. mode is primary,\n"
            "spooling (the primary is away, and these are the counts of this host's\n"
            "spool) or draining; with a fallback also spooled, what waits in the spool:\n"
            "unfinished jobs, and outcomes of jobs that the primary handed out.\n\n"
            "exit: 0 done, 1 failed, 2 usage, 3 no such queue,\n"
            "  69 storage unreachable\n",
};

/* --- as a table ------------------------------------------------------------------- */

#define STATS_TITLES \
    "QUEUE >WAITING >SCHEDULED >PENDING >PROCESSING >FAILED >COMPLETED >DEAD " \
    ">CANCELLED >HELD >OLDEST >DONE >FAILURES"

static void stats_add(struct table *table, const struct pawl_queue_stats *queue)
{
    char oldest[TEXT_TIME] = "-";
    if (queue->oldest_pending >= 0 && queue->jobs[PAWL_PENDING] > 0)
        text_duration(oldest, queue->oldest_pending);
    table_add(table, queue->paused ? TABLE_YELLOW : TABLE_PLAIN, "%s%s",
              queue->name, queue->paused ? " (paused)" : "");
    for (int i = PAWL_STATE_FIRST; i <= PAWL_STATE_LAST; i++)
        table_add(table,
                  queue->jobs[i] ? table_state_colour((enum pawl_state)i)
                                 : TABLE_DIM,
                  "%" PRIu64, queue->jobs[i]);
    table_add(table, TABLE_PLAIN, "%s", oldest);
    table_add(table, TABLE_PLAIN, "%" PRIu64, queue->completed_total);
    table_add(table, TABLE_PLAIN, "%" PRIu64, queue->failed_total);
}

/* --- gathering ----------------------------------------------------------------------- */

struct stats {
    struct cli *cli;
    json_t *queues; /* with --json */
    struct table table;
    size_t found;
    enum pawl_mode mode;
    bool fallback;
    uint64_t spooled;
    bool missing; /* a queue that was asked for does not exist */
};

static void stats_take(struct stats *s, const struct pawl_stats *stats)
{
    s->found += stats->queue_count;
    s->mode = stats->mode;
    s->fallback = stats->fallback;
    s->spooled = stats->spooled;
    for (size_t i = 0; i < stats->queue_count; i++) {
        if (s->cli->json)
            json_array_append_new(s->queues, json_queue_stats(&stats->queues[i]));
        else
            stats_add(&s->table, &stats->queues[i]);
    }
}

/* `queue` NULL: all of them. */
static int stats_ask(struct stats *s, const char *queue)
{
    struct pawl_stats *stats = NULL;
    struct pawl_error err = {0};
    enum pawl_status status = pawl_stats(s->cli->pawl, queue, &stats, &err);
    if (status == PAWL_NOT_FOUND && queue) {
        cli_note(s->cli, "no queue '%s'", queue);
        s->missing = true;
        return CLI_DONE;
    }
    if (status != PAWL_OK)
        return cli_error(s->cli, status, &err);
    stats_take(s, stats);
    pawl_stats_free(stats);
    return CLI_DONE;
}

static int stats_print(struct stats *s, const struct pawl_health *health)
{
    if (s->cli->json) {
        json_t *all = json_pack("{s:s, s:o, s:s, s:O}", "storage", health->storage,
                                "where", json_text(health->where), "mode",
                                pawl_mode_name(s->mode), "queues", s->queues);
        if (all && s->fallback)
            json_object_set_new(all, "spooled", json_integer((json_int_t)s->spooled));
        return cli_json(s->cli, all);
    }
    struct buf where;
    buf_init(&where, sizeof health->where * 8);
    text_escape(&where, health->where, strlen(health->where));
    printf("%s %s\n", health->storage, where.data ? where.data : "");
    if (s->mode == PAWL_MODE_SPOOLING)
        printf("%sspooling%s: it is away; these are the jobs of this host's spool\n",
               table_colour_on(TABLE_YELLOW), table_colour_off(TABLE_YELLOW));
    else if (s->mode == PAWL_MODE_DRAINING)
        printf("%sdraining%s: %" PRIu64 " jobs are still in this host's spool\n",
               table_colour_on(TABLE_YELLOW), table_colour_off(TABLE_YELLOW), s->spooled);
    buf_clear(&where);
    if (s->found == 0)
        puts("no queues");
    else if (!table_print(&s->table, true))
        return cli_failed(s->cli, "out of memory");
    return CLI_DONE;
}

static int stats_run(struct cli *cli, const struct cli_queues *queues)
{
    struct stats s = {.cli = cli, .queues = json_array()};
    struct pawl_health health = {0};
    struct pawl_error err = {0};
    table_init(&s.table, STATS_TITLES);
    int code = cli_open(cli);
    enum pawl_status status =
        code == CLI_DONE ? pawl_health(cli->pawl, &health, &err) : PAWL_OK;
    if (status != PAWL_OK)
        code = cli_error(cli, status, &err);
    if (code == CLI_DONE && queues->count == 0)
        code = stats_ask(&s, NULL);
    for (size_t i = 0; code == CLI_DONE && i < queues->count; i++)
        code = stats_ask(&s, queues->names[i]);
    if (code == CLI_DONE && (s.found > 0 || !s.missing))
        code = stats_print(&s, &health);
    char text[HINT_TEXT];
    if (code == CLI_DONE && hint_of_redis(&health, text) && hint_is_news())
        cli_note(cli, "%s", text);
    json_decref(s.queues);
    table_clear(&s.table);
    return code == CLI_DONE && s.missing ? CLI_NOT_FOUND : code;
}

int cmd_stats(struct cli *cli, int argc, char **argv)
{
    struct cli_queues queues = {.count = 0};
    struct args args;
    int key, code;
    args_begin(&args, cli, &stats_spec, argc, argv);
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
    return stats_run(cli, &queues);
}

/* --- pawl queues ------------------------------------------------------------------------ */

static const struct args_spec queues_spec = {
    .usage = "queues",
    .about = "Print the names of all queues, one per line.\n",
    .more = "With --json one object per line: name, paused, and the number of\n"
            "jobs in all states.\n\n"
            "exit: 0 done, 1 failed, 2 usage, 69 storage unreachable\n",
};

static int queues_print(struct cli *cli, const struct pawl_queue_stats *queue)
{
    uint64_t jobs = 0;
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        jobs += queue->jobs[state];
    if (!cli->json) {
        puts(queue->name);
        return CLI_DONE;
    }
    return cli_json(cli, json_pack("{s:o, s:b, s:I}", "name",
                                   json_text(queue->name), "paused",
                                   (int)queue->paused, "jobs",
                                   (json_int_t)jobs));
}

int cmd_queues(struct cli *cli, int argc, char **argv)
{
    struct args args;
    struct pawl_stats *stats = NULL;
    struct pawl_error err = {0};
    args_begin(&args, cli, &queues_spec, argc, argv);
    if (args_next(&args) < 0)
        return args.exit_code;
    if (args.operand_count > 0)
        return cli_usage(cli, "unexpected '%.100s'", args.operands[0]);
    int code = cli_open(cli);
    if (code != CLI_DONE)
        return code;
    enum pawl_status status = pawl_stats(cli->pawl, NULL, &stats, &err);
    if (status != PAWL_OK)
        return cli_error(cli, status, &err);
    for (size_t i = 0; i < stats->queue_count && code == CLI_DONE; i++)
        code = queues_print(cli, &stats->queues[i]);
    if (code == CLI_DONE && stats->mode == PAWL_MODE_SPOOLING)
        code = cli_only_spool(cli);
    pawl_stats_free(stats);
    return code;
}
