/* cmd_enqueue.c - pawl enqueue: add a job, or one per line of input. */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "enqueue_put.h"
#include "input.h"
#include "parse.h"

#define ENQUEUE_BATCH 1000

enum { DELAY = 256, AT, ATTEMPTS, BACKOFF, TIMEOUT, KEY, KEY_TTL, KEY_MODE,
       GROUP, LINES };

static const struct args_option enqueue_options[] = {
    {"queue", 'q', "QUEUE", "the queue; default: default"},
    {"type", 't', "TYPE", "names the handler"},
    {"priority", 'p', "1..10", "1 runs first; default 5"},
    {"delay", DELAY, "D", "run no earlier than D from now: 10s, 1h30m"},
    {"at", AT, "TIME", "or no earlier than 2026-11-21T10:00:00Z, @SECONDS"},
    {"attempts", ATTEMPTS, "N", "tries before the job is dead; default 3"},
    {"backoff", BACKOFF, "B", "wait after a failure; see below"},
    {"timeout", TIMEOUT, "D", "of one attempt; default none"},
    {"key", KEY, "K", "unique key: one live job per queue and key"},
    {"key-ttl", KEY_TTL, "D", "how long the key is held at most"},
    {"key-mode", KEY_MODE, "M", "reject (default) or throttle"},
    {"group", GROUP, "G", "the tenant it belongs to"},
    {"lines", LINES, NULL, "a job per line of standard input, an id per line"},
};

static const struct args_spec enqueue_spec = {
    .usage = "enqueue [OPTION]... PAYLOAD | -",
    .about = "Add a job and print its id; that of the job holding the key where\n"
             "the key is taken. '-' takes the payload from standard input.\n",
    .options = enqueue_options,
    .option_count = sizeof enqueue_options / sizeof *enqueue_options,
    .more =
        "backoff: exponential:2s (default), fixed:10s, linear:5s, poly4 or\n"
        "  list:1s,5s,1m; then ,cap=1h and ,jitter=20 (percent) if wanted\n\n"
        "examples:\n"
        "  pawl enqueue -q mail -t welcome '{\"to\":\"ada\"}'\n"
        "  pawl enqueue -q report --at 2026-11-21T10:00:00Z --key daily ''\n"
        "  find . -name '*.jpg' | pawl enqueue -q thumbs --lines -\n\n"
        "exit: 0 done, 1 failed, 2 usage, 69 storage unreachable\n",
};

struct enqueue {
    struct cli *cli;
    struct pawl_new_job job; /* the payload is filled in per job */
    bool lines;
    bool delay_given, at_given;
};

/* --- options ------------------------------------------------------------------- */

static int enqueue_number(struct cli *cli, const char *what, const char *text,
                          long max, int *out)
{
    long number = 0;
    if (!parse_number(text, 1, max, &number))
        return cli_usage(cli, "%s '%.100s' is not a number of 1 to %ld", what,
                         text, max);
    *out = (int)number;
    return CLI_DONE;
}

static int enqueue_duration(struct cli *cli, const char *what, const char *text,
                            pawl_duration *out)
{
    const char *why = NULL;
    if (!parse_duration(text, out, &why))
        return cli_usage(cli, "%s '%.100s' %s", what, text, why);
    return CLI_DONE;
}

static int enqueue_at(struct enqueue *e, const char *text)
{
    const char *why = NULL;
    e->at_given = true;
    if (!parse_instant(text, &e->job.run_at, &why))
        return cli_usage(e->cli, "time '%.100s' %s", text, why);
    return CLI_DONE;
}

static int enqueue_backoff(struct enqueue *e, const char *text)
{
    const char *why = NULL;
    if (!parse_backoff(text, &e->job.backoff, &why))
        return cli_usage(e->cli, "backoff '%.100s' %s", text, why);
    return CLI_DONE;
}

static int enqueue_key_mode(struct enqueue *e, const char *text)
{
    if (!parse_key_mode(text, &e->job.key_mode))
        return cli_usage(e->cli,
                         "key mode '%.100s' is not reject, throttle, debounce "
                         "or latest",
                         text);
    return CLI_DONE;
}

static int enqueue_option(struct enqueue *e, int key, const char *value)
{
    struct pawl_new_job *job = &e->job;
    switch (key) {
    case 'q':
        if (job->queue && strcmp(job->queue, value) != 0)
            return cli_usage(e->cli, "a job goes to one queue, not to several");
        job->queue = value;
        break;
    case 't': job->type = value; break;
    case 'p':
        return enqueue_number(e->cli, "priority", value, 10, &job->priority);
    case DELAY:
        e->delay_given = true;
        return enqueue_duration(e->cli, "delay", value, &job->delay);
    case AT: return enqueue_at(e, value);
    case ATTEMPTS:
        return enqueue_number(e->cli, "attempts", value, PAWL_ATTEMPTS_MAX,
                              &job->max_attempts);
    case BACKOFF: return enqueue_backoff(e, value);
    case TIMEOUT:
        return enqueue_duration(e->cli, "timeout", value, &job->timeout);
    case KEY: job->key = value; break;
    case KEY_TTL:
        return enqueue_duration(e->cli, "key-ttl", value, &job->key_ttl);
    case KEY_MODE: return enqueue_key_mode(e, value);
    case GROUP: job->group = value; break;
    case LINES: e->lines = true; break;
    }
    return CLI_DONE;
}

/* What no single option can know. */
static int enqueue_check(const struct enqueue *e, const struct args *args)
{
    const struct pawl_new_job *job = &e->job;
    if (e->delay_given && e->at_given)
        return cli_usage(e->cli, "--delay and --at exclude each other");
    if (!job->key && (job->key_ttl || job->key_mode))
        return cli_usage(e->cli, "--key-ttl and --key-mode need --key");
    if (args->operand_count == 0 && !e->lines)
        return cli_usage(e->cli, "no payload (give one, '' for an empty one, "
                                 "or '-' for standard input)");
    if (args->operand_count > 1)
        return cli_usage(e->cli, "more than one payload; the second is '%.100s'",
                         args->operands[1]);
    if (e->lines && args->operand_count == 1 &&
        strcmp(args->operands[0], "-") != 0)
        return cli_usage(e->cli, "--lines takes its payloads from standard "
                                 "input, not from '%.100s'",
                         args->operands[0]);
    return CLI_DONE;
}

/* --- standard input ---------------------------------------------------------------- */

static int enqueue_too_large(const struct enqueue *e, size_t line)
{
    if (line > 0)
        return cli_usage(e->cli, "line %zu: payload is larger than %d bytes",
                         line, PAWL_PAYLOAD_MAX);
    return cli_usage(e->cli, "payload is larger than %d bytes",
                     PAWL_PAYLOAD_MAX);
}

static int enqueue_stdin(const struct enqueue *e)
{
    struct buf payload;
    buf_init(&payload, PAWL_PAYLOAD_MAX);
    int error = input_all(STDIN_FILENO, &payload);
    int code = error ? CLI_FAILED : cli_open(e->cli);
    if (error == EFBIG)
        code = enqueue_too_large(e, 0);
    else if (error)
        cli_note(e->cli, "cannot read standard input: %s", strerror(error));
    if (code == CLI_DONE)
        code = enqueue_put_one(e->cli, &e->job, payload.data, payload.len);
    buf_clear(&payload);
    return code;
}

struct enqueue_batch {
    struct input_line lines[ENQUEUE_BATCH];
    struct pawl_new_job jobs[ENQUEUE_BATCH];
    struct pawl_put_result results[ENQUEUE_BATCH];
};

/* `first`: the number of the batch's first line. A line that is too large ends
 * the work, after those before it. */
static int enqueue_batch(const struct enqueue *e, struct enqueue_batch *batch,
                         size_t count, size_t first)
{
    size_t good = 0;
    for (; good < count && batch->lines[good].size <= PAWL_PAYLOAD_MAX; good++) {
        batch->jobs[good] = e->job;
        batch->jobs[good].payload = batch->lines[good].text;
        batch->jobs[good].payload_size = batch->lines[good].size;
    }
    int code = good > 0 ? enqueue_put_many(e->cli, batch->jobs, good, batch->results)
                        : CLI_DONE;
    if (code == CLI_DONE)
        code = cli_flush(e->cli);
    if (code == CLI_DONE && good < count)
        code = enqueue_too_large(e, first + good);
    return code;
}

static int enqueue_lines(const struct enqueue *e)
{
    struct input in = {.fd = -1};
    struct enqueue_batch *batch = malloc(sizeof *batch);
    size_t count = 0, first = 1;
    int error = batch ? input_open(&in, STDIN_FILENO) : ENOMEM;
    e->cli->lasting = true; /* who knows how long the input is */
    int code = error ? CLI_DONE : cli_open(e->cli);
    while (error == 0 && code == CLI_DONE) {
        error = input_lines(&in, batch->lines, ENQUEUE_BATCH, &count);
        if (error || count == 0)
            break;
        code = enqueue_batch(e, batch, count, first);
        first += count;
    }
    if (error)
        code = cli_failed(e->cli, "cannot read standard input: %s",
                          strerror(error));
    input_close(&in);
    free(batch);
    return code;
}

int cmd_enqueue(struct cli *cli, int argc, char **argv)
{
    struct enqueue e = {.cli = cli};
    struct args args;
    int key, code;
    args_begin(&args, cli, &enqueue_spec, argc, argv);
    while ((key = args_next(&args)) > 0) {
        code = enqueue_option(&e, key, args.value);
        if (code != CLI_DONE)
            return code;
    }
    code = key < 0 ? args.exit_code : enqueue_check(&e, &args);
    if (code != CLI_DONE)
        return code;
    if (e.lines)
        return enqueue_lines(&e);
    if (strcmp(args.operands[0], "-") == 0)
        return enqueue_stdin(&e);
    code = cli_open(cli);
    return code != CLI_DONE
               ? code
               : enqueue_put_one(cli, &e.job, args.operands[0],
                                 strlen(args.operands[0]));
}
