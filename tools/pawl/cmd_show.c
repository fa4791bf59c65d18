/* cmd_show.c - pawl show: everything known about the jobs named. */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "json.h"
#include "table.h"
#include "text.h"
#include "util/clock.h"

#define SHOW_BYTES 2048 /* of a payload or result */
#define SHOW_LABEL 14

static const struct args_spec show_spec = {
    .usage = "show ID...",
    .about = "Print everything about jobs. Of ids that are not there it says so;\n"
             "the others are printed all the same.\n",
    .more = "Payload and result are cut off after 2048 bytes; --json has them\n"
            "whole, as payload_base64 where they are not UTF-8.\n\n"
            "exit: 0 done, 1 failed, 2 usage, 3 a job was not found,\n"
            "  69 storage unreachable\n",
};

/* --- lines "label: value" ------------------------------------------------------- */

static void show_label(const char *label)
{
    printf("  %s%-*s%s", table_colour_on(TABLE_DIM), SHOW_LABEL, label,
           table_colour_off(TABLE_DIM));
}

/* Bytes of anybody's, made harmless. */
static void show_bytes(const char *label, const void *bytes, size_t n)
{
    struct buf text;
    size_t shown = n < SHOW_BYTES ? n : SHOW_BYTES;
    buf_init(&text, SHOW_BYTES * 8);
    text_escape(&text, bytes, shown);
    show_label(label);
    printf("%s", text.data ? text.data : "");
    if (shown < n)
        printf("… (%zu bytes in all)", n);
    putchar('\n');
    buf_clear(&text);
}

static void show_text(const char *label, const char *text)
{
    if (*text)
        show_bytes(label, text, strlen(text));
}

static void show_time(const char *label, pawl_time at, pawl_time now)
{
    char absolute[TEXT_TIME], relative[TEXT_TIME];
    if (at <= 0)
        return;
    text_instant(absolute, at);
    text_relative(relative, at, now);
    show_label(label);
    printf("%s (%s)\n", absolute, relative);
}

static void show_duration(const char *label, pawl_duration time)
{
    char text[TEXT_TIME];
    if (time <= 0)
        return;
    text_duration(text, time);
    show_label(label);
    puts(text);
}

/* --- the policies --------------------------------------------------------------------- */

static void show_backoff(const struct pawl_backoff *b)
{
    static const char *const kinds[] = {"exponential", "fixed", "linear",
                                        "poly4", "list"};
    char text[TEXT_TIME];
    show_label("backoff");
    printf("%s", (unsigned)b->kind < 5 ? kinds[b->kind] : "?");
    if (b->delay > 0) {
        text_duration(text, b->delay);
        printf(" from %s", text);
    }
    for (int i = 0; i < b->delay_count && i < PAWL_BACKOFF_LIST_MAX; i++) {
        text_duration(text, b->delays[i]);
        printf("%s %s", i ? "," : "", text);
    }
    if (b->cap > 0) {
        text_duration(text, b->cap);
        printf(", at most %s", text);
    }
    if (b->jitter > 0)
        printf(", %d%% jitter", b->jitter);
    putchar('\n');
}

static void show_key(const struct pawl_job *job)
{
    static const char *const modes[] = {"reject", "throttle", "debounce",
                                        "latest"};
    if (!*job->key)
        return;
    show_text("key", job->key);
    show_label("key mode");
    puts((unsigned)job->key_mode < 4 ? modes[job->key_mode] : "?");
    show_duration("key ttl", job->key_ttl);
}

/* --- a job ---------------------------------------------------------------------------- */

static void show_head(const struct pawl_job *job)
{
    char id[PAWL_ID_TEXT];
    enum table_colour colour = table_state_colour(job->state);
    const char *state = pawl_state_name(job->state);
    pawl_id_format(job->id, id);
    printf("job %s\n", id);
    show_label("state");
    printf("%s%s%s%s\n", table_colour_on(colour), state ? state : "?",
           table_colour_off(colour),
           job->cancel_requested ? " (asked to stop)" : "");
    show_text("queue", job->queue);
    show_text("type", job->type);
    show_text("group", job->group);
    show_label("priority");
    printf("%d\n", job->priority);
    show_label("attempt");
    printf("%d of %d\n", job->attempt, job->max_attempts);
    show_label("crashes");
    printf("%d\n", job->crashes);
    show_label("epoch");
    printf("%lu\n", (unsigned long)job->epoch);
}

static void show_errors(const struct pawl_job *job, pawl_time now)
{
    char label[32];
    for (size_t i = 0; i < job->error_count; i++) {
        const struct pawl_job_error *error = &job->errors[i];
        snprintf(label, sizeof label, "error %zu", i + 1);
        show_time(label, error->at, now);
        snprintf(label, sizeof label, "  attempt %d", error->attempt);
        show_bytes(label, error->message, strlen(error->message));
    }
}

static void show_job(const struct pawl_job *job)
{
    pawl_time now = clock_wall_ms();
    show_head(job);
    show_time("enqueued", job->enqueued_at, now);
    show_time("runs", job->run_at, now);
    show_time("started", job->started_at, now);
    show_time("finished", job->finished_at, now);
    show_time("expires", job->expires_at, now);
    show_duration("timeout", job->timeout);
    show_backoff(&job->backoff);
    show_key(job);
    show_bytes("payload", job->payload, job->payload_size);
    if (job->state == PAWL_COMPLETED || job->result_size > 0)
        show_bytes("result", job->result, job->result_size);
    show_errors(job, now);
}

/* `first`: nothing was printed yet. */
static int show_id(struct cli *cli, struct pawl_id id, bool *first)
{
    char text[PAWL_ID_TEXT];
    struct pawl_job *job = NULL;
    struct pawl_error err = {0};
    enum pawl_status status = pawl_get(cli->pawl, id, &job, &err);
    int code = CLI_DONE;
    pawl_id_format(id, text);
    if (status == PAWL_NOT_FOUND) {
        cli_note(cli, "no job %s", text);
        return CLI_NOT_FOUND;
    }
    if (status != PAWL_OK)
        return cli_error(cli, status, &err);
    if (cli->json) {
        code = cli_json(cli, json_job(job));
    } else {
        if (!*first)
            putchar('\n');
        show_job(job);
    }
    *first = false;
    pawl_job_free(job);
    return code;
}

int cmd_show(struct cli *cli, int argc, char **argv)
{
    struct args args;
    struct pawl_id *ids = NULL;
    int code, result = CLI_DONE;
    bool first = true;
    args_begin(&args, cli, &show_spec, argc, argv);
    if (args_next(&args) < 0)
        return args.exit_code;
    if (args.operand_count == 0)
        return cli_usage(cli, "no job id");
    code = cli_ids(cli, args.operands, args.operand_count, &ids);
    if (code == CLI_DONE)
        code = cli_open(cli);
    for (size_t i = 0; code == CLI_DONE && i < args.operand_count; i++) {
        code = show_id(cli, ids[i], &first);
        result = code == CLI_NOT_FOUND ? code : result;
        code = code == CLI_NOT_FOUND ? CLI_DONE : code;
    }
    free(ids);
    return code == CLI_DONE ? result : code;
}
