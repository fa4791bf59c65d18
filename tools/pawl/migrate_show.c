/* migrate_show.c - see migrate_show.h. */
#include "migrate_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "table.h"
#include "text.h"
#include "util/clock.h"

#define TELL_NS    INT64_C(1000000000) /* JSON lines: one a second */
#define BAR_WIDTH  30
#define SUM_SHOWN  16

/* --- the plan -------------------------------------------------------------------- */

static json_t *counts_json(const uint64_t jobs[PAWL_STATE_COUNT])
{
    json_t *counts = json_object();
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        if (jobs[state] > 0)
            json_object_set_new(counts, pawl_state_name((enum pawl_state)state),
                                json_integer((json_int_t)jobs[state]));
    return counts;
}

static json_t *problems_json(const struct pawl_migrate_plan *plan)
{
    json_t *problems = json_array();
    for (size_t i = 0; i < plan->problem_count; i++)
        json_array_append_new(problems,
                              json_pack("{s:b, s:o}", "fatal",
                                        (int)plan->problems[i].is_fatal, "text",
                                        json_text(plan->problems[i].text)));
    return problems;
}

static json_t *plan_json(const struct pawl_migrate_plan *plan)
{
    json_t *queues = json_array();
    for (size_t i = 0; i < plan->queue_count; i++) {
        const struct pawl_migrate_queue *q = &plan->queues[i];
        json_array_append_new(queues,
                              json_pack("{s:o, s:o, s:o, s:I}", "name",
                                        json_text(q->name), "source",
                                        counts_json(q->here), "target",
                                        counts_json(q->there), "moves",
                                        (json_int_t)q->moves));
    }
    return json_pack("{s:{s:o, s:o, s:b, s:b, s:o, s:o}}", "plan", "from",
                     json_text(plan->from), "to", json_text(plan->to), "new",
                     (int)plan->is_new, "resumed", (int)plan->is_resumed, "queues",
                     queues, "problems", problems_json(plan));
}

static uint64_t sum_of(const uint64_t jobs[PAWL_STATE_COUNT])
{
    uint64_t sum = 0;
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        sum += jobs[state];
    return sum;
}

static void plan_row(struct table *table, const struct pawl_migrate_queue *q)
{
    static const enum pawl_state states[] = {
        PAWL_SCHEDULED, PAWL_PENDING, PAWL_PROCESSING, PAWL_FAILED,
        PAWL_COMPLETED, PAWL_DEAD,    PAWL_CANCELLED,  PAWL_HELD,
    };
    table_add_bytes(table, q->name, strlen(q->name), 40);
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        table_add(table, TABLE_PLAIN, "%" PRIu64, q->here[states[i]]);
    table_add(table, TABLE_BOLD, "%" PRIu64, q->moves);
    table_add(table, TABLE_PLAIN, "%" PRIu64, sum_of(q->here) - q->moves);
    table_add(table, TABLE_PLAIN, "%" PRIu64, sum_of(q->there));
}

static void print_escaped(const char *mark, const char *text)
{
    struct buf line;
    buf_init(&line, 8192);
    text_escape(&line, text, strlen(text));
    printf("%s%s\n", mark, line.data ? line.data : "");
    buf_clear(&line);
}

void migrate_show_plan(const struct migrate_show *show,
                       const struct pawl_migrate_plan *plan)
{
    struct table table;
    if (show->cli->json) {
        cli_json(show->cli, plan_json(plan));
        return;
    }
    print_escaped("from  ", plan->from);
    print_escaped(plan->is_new ? "to    (new) " : "to    ", plan->to);
    if (plan->is_resumed)
        puts("goes on with what was begun before");
    table_init(&table, "QUEUE >SCHEDULED >PENDING >PROCESSING >FAILED >COMPLETED "
                       ">DEAD >CANCELLED >HELD >MOVES >STAYS >TARGET");
    for (size_t i = 0; i < plan->queue_count; i++)
        plan_row(&table, &plan->queues[i]);
    table_print(&table, true);
    table_clear(&table);
    for (size_t i = 0; i < plan->problem_count; i++)
        print_escaped(plan->problems[i].is_fatal ? "problem  " : "note  ",
                      plan->problems[i].text);
}

/* --- progress ------------------------------------------------------------------------ */

void migrate_show_begin(struct migrate_show *show)
{
    fflush(stdout);
    show->bar = isatty(STDERR_FILENO) && !show->cli->json;
    show->began_ns = show->told_ns = clock_mono_ns();
}

static double rate_of(const struct migrate_show *show, uint64_t moved)
{
    double seconds = (double)(clock_mono_ns() - show->began_ns) / 1e9;
    return seconds > 0 ? (double)moved / seconds : 0;
}

static void draw_bar(struct migrate_show *show,
                     const struct pawl_migrate_progress *progress)
{
    uint64_t total = progress->total > progress->moved ? progress->total
                                                       : progress->moved;
    int filled = total ? (int)(progress->moved * BAR_WIDTH / total) : 0;
    double rate = rate_of(show, progress->moved);
    char left[TEXT_TIME];
    text_duration(left, rate > 0 ? (pawl_duration)((double)(total - progress->moved) *
                                                   1000 / rate)
                                 : 0);
    fprintf(stderr, "\r[%.*s%*s] %" PRIu64 " of %" PRIu64 ", %.0f/s, %s left",
            filled, "##############################", BAR_WIDTH - filled, "",
            progress->moved, total, rate, left);
    if (progress->awaited > 0)
        fprintf(stderr, ", %" PRIu64 " still run", progress->awaited);
    fputs("\033[K", stderr);
    show->bar_drawn = true;
}

static void print_progress(const struct migrate_show *show,
                           const struct pawl_migrate_progress *progress)
{
    json_t *line = json_pack("{s:{s:I, s:I, s:I, s:I}}", "progress", "moved",
                             (json_int_t)progress->moved, "total",
                             (json_int_t)progress->total, "awaited",
                             (json_int_t)progress->awaited, "jobs_per_s",
                             (json_int_t)rate_of(show, progress->moved));
    if (progress->queue)
        json_object_set_new(json_object_get(line, "progress"), "queue",
                            json_text(progress->queue));
    json_dumpf(line, stderr, JSON_COMPACT);
    fputc('\n', stderr);
    json_decref(line);
}

/* Once, and at once: nothing else is to be seen meanwhile. */
static void tell_holder(struct migrate_show *show, const char *holder)
{
    if (show->holder_told)
        return;
    show->holder_told = true;
    if (show->bar) {
        fprintf(stderr, "waiting, since another migration may have died: %s\n", holder);
        return;
    }
    json_t *line = json_pack("{s:{s:o}}", "waiting", "holder", json_text(holder));
    json_dumpf(line, stderr, JSON_COMPACT);
    fputc('\n', stderr);
    json_decref(line);
}

void migrate_show_progress(struct migrate_show *show,
                           const struct pawl_migrate_progress *progress)
{
    int64_t now = clock_mono_ns();
    if (progress->holder) {
        tell_holder(show, progress->holder);
    } else if (show->bar) {
        draw_bar(show, progress);
    } else if (now - show->told_ns >= TELL_NS) {
        print_progress(show, progress);
        show->told_ns = now;
    }
}

void migrate_show_end(struct migrate_show *show)
{
    if (show->bar_drawn)
        fputs("\r\033[K", stderr);
    show->bar_drawn = false;
}

void migrate_show_merged(struct migrate_show *show, const struct pawl_job *job,
                         struct pawl_id holder)
{
    char id[PAWL_ID_TEXT], other[PAWL_ID_TEXT], line[PAWL_KEY_MAX + 200];
    migrate_show_end(show);
    show->merged_count++;
    pawl_id_format(job->id, id);
    pawl_id_format(holder, other);
    if (show->cli->json) {
        cli_json(show->cli,
                 json_pack("{s:{s:s, s:o, s:o, s:s}}", "merged", "id", id, "queue",
                           json_text(job->queue), "key", json_text(job->key), "holder",
                           other));
        return;
    }
    snprintf(line, sizeof line, "%s is cancelled there: its key '%s' is held by %s", id,
             job->key, other);
    print_escaped("key   ", line);
}

/* --- the report ------------------------------------------------------------------------- */

/* The URL with "***" for a password. */
static void shown_url(const char *url, char *text, size_t size)
{
    const char *place = strstr(url, "://");
    const char *at = place ? strrchr(place, '@') : NULL;
    const char *colon = at ? memchr(place + 3, ':', (size_t)(at - place) - 3) : NULL;
    if (colon)
        snprintf(text, size, "%.*s***%s", (int)(colon - url) + 1, url, at);
    else
        snprintf(text, size, "%s", url);
}

/* Of a file it can only name the usual one. */
static const char *storage_variable(const char *url)
{
    if (strncmp(url, "redis", 5) == 0)
        return "JOB_QUEUE_STORAGE=redis";
    return strcmp(url, "sqlite:") == 0 ? "JOB_QUEUE_STORAGE=sqlite" : NULL;
}

static json_t *report_json(const struct pawl_migrate_plan *plan, const char *done,
                           const char *url)
{
    json_t *queues = json_array();
    for (size_t i = 0; i < plan->queue_count; i++) {
        const struct pawl_migrate_queue *q = &plan->queues[i];
        json_t *line = json_pack(
            "{s:o, s:I, s:I, s:I, s:I, s:I, s:b}", "name", json_text(q->name), "moved",
            (json_int_t)q->moved, "merged", (json_int_t)q->merged, "duplicates",
            (json_int_t)q->duplicates, "verified", (json_int_t)q->verified, "unseen",
            (json_int_t)q->unseen, "written", (int)q->is_written);
        json_object_update_new(line, json_pack("{s:I, s:I, s:s, s:s}", "left",
                                               (json_int_t)q->left, "arrived",
                                               (json_int_t)q->arrived, "left_sum",
                                               q->left_sum, "arrived_sum",
                                               q->arrived_sum));
        json_array_append_new(queues, line);
    }
    return json_pack("{s:{s:s, s:o, s:b, s:s}}", "report", "done", done, "queues", queues,
                     "unfinished", (int)plan->is_unfinished, "set", url);
}

static void print_queue(const struct migrate_show *show,
                        const struct pawl_migrate_queue *q, const char *done)
{
    char line[512];
    (void)show;
    snprintf(line, sizeof line, "'%.128s': %" PRIu64 " %s", q->name, q->moved, done);
    print_escaped("", line);
    if (q->left > 0)
        printf("  proof: %" PRIu64 " left with the sum %.*s..., %" PRIu64
               " arrived with %.*s...: equal\n",
               q->left, SUM_SHOWN, q->left_sum, q->arrived, SUM_SHOWN, q->arrived_sum);
    if (q->verified + q->unseen > 0)
        printf("  read back: %" PRIu64 " are what they were, %" PRIu64
               " were done and gone already\n",
               q->verified, q->unseen);
    if (q->merged > 0)
        printf("  %" PRIu64 " of them are cancelled: their keys were held there\n",
               q->merged);
    if (q->duplicates > 0)
        printf("  %" PRIu64 " more were at the target already\n", q->duplicates);
    if (q->is_written)
        puts("  is still in use at the source: point its producers and workers to the "
             "target, then run this again");
}

void migrate_show_report(const struct migrate_show *show,
                         const struct pawl_migrate_plan *plan, const char *done,
                         const char *url, const char *after)
{
    const char *variable = storage_variable(url);
    char text[1200] = "PAWL_URL=";
    shown_url(url, text + strlen(text), sizeof text - strlen(text));
    if (show->cli->json) {
        cli_json(show->cli, report_json(plan, done, text));
        return;
    }
    for (size_t i = 0; i < plan->queue_count; i++)
        print_queue(show, &plan->queues[i], done);
    if (plan->is_unfinished)
        puts("a batch of another queue is still under way from before: run this again "
             "without --queue");
    print_escaped("next: set ", text);
    if (variable)
        printf("  (or %s, where that is how it is configured)\n", variable);
    if (after)
        puts(after);
}
