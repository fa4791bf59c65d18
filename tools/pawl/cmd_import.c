/* cmd_import.c - pawl import: jobs that pawl export printed.
 *
 * The file is read twice: every line is looked at before the first job is stored, so
 * that a mistake at its end does not leave half of it behind. What cannot be read twice
 * is kept in a temporary file meanwhile.
 */
#include "cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "json_read.h"
#include "pawl/migrate.h"

#define BATCH_JOBS  500
#define BATCH_BYTES (8u << 20)

static const struct args_spec import_spec = {
    .usage = "import [FILE | -]",
    .about = "Store whole jobs, as pawl export printed them, with their ids and all they\n"
             "went through. Every line is checked before the first one is stored. With\n"
             "no FILE, or -, they come from standard input.\n",
    .more = "A job that is there already is passed over. One whose unique key another\n"
            "job holds is stored as cancelled. Jobs that were being processed or held\n"
            "come in as pending. A queue that was paused is paused if it is not there\n"
            "yet, and gets its retention if it has none.\n\n"
            "example: pawl import mail.jsonl\n\n"
            "exit: 0 done, 1 failed, 2 usage, 69 storage unreachable\n",
};

struct import {
    struct cli *cli;
    FILE *file;
    const char *name;
    uint64_t line;
    struct json_read reads[BATCH_JOBS];
    const struct pawl_job *jobs[BATCH_JOBS];
    size_t count, bytes;
    uint64_t stored, duplicates, cancelled, queues;
};

/* --- lines ----------------------------------------------------------------------- */

static bool is_blank(const char *text, size_t n)
{
    return strspn(text, " \t\r\n") >= n;
}

/* False at the end, or on failure: then *code says so. */
static bool next_line(struct import *in, char **text, size_t *room, size_t *n, int *code)
{
    ssize_t size;
    do {
        errno = 0;
        size = getline(text, room, in->file);
        in->line += size >= 0;
    } while (size >= 0 && is_blank(*text, (size_t)size));
    if (size < 0 && ferror(in->file))
        *code = cli_failed(in->cli, "cannot read '%s': %s", in->name, strerror(errno));
    *n = size < 0 ? 0 : (size_t)size;
    return size >= 0;
}

static int parse_line(struct import *in, const char *text, size_t n,
                      struct json_read *read)
{
    struct pawl_error err = {0};
    if (!json_read_line(text, n, read))
        return cli_failed(in->cli, "'%s' line %" PRIu64 ": %s; nothing was imported",
                          in->name, in->line, read->why);
    enum pawl_status status = read->is_queue ? pawl_queue_check(&read->queue, &err)
                                             : pawl_job_check(&read->job, &err);
    if (status != PAWL_OK)
        return cli_failed(in->cli,
                          "'%s' line %" PRIu64 ": field %s; nothing was imported",
                          in->name, in->line, err.message);
    return CLI_DONE;
}

static int check_all(struct import *in)
{
    char *text = NULL;
    size_t room = 0, n;
    int code = CLI_DONE;
    while (code == CLI_DONE && next_line(in, &text, &room, &n, &code)) {
        struct json_read read;
        code = parse_line(in, text, n, &read);
        json_read_clear(&read);
    }
    free(text);
    return code;
}

/* --- storing ----------------------------------------------------------------------- */

static int store_batch(struct import *in)
{
    struct pawl_put_result results[BATCH_JOBS];
    struct pawl_error err = {0};
    enum pawl_status status =
        pawl_import(in->cli->pawl, in->jobs, in->count, results, &err);
    for (size_t i = 0; i < in->count; i++) {
        if (status == PAWL_OK) {
            in->stored += results[i].status == PAWL_OK;
            in->duplicates += results[i].status == PAWL_DUPLICATE;
            in->cancelled += results[i].status == PAWL_KEY_TAKEN;
        }
        json_read_clear(&in->reads[i]);
    }
    in->count = in->bytes = 0;
    return status == PAWL_OK ? CLI_DONE : cli_error(in->cli, status, &err);
}

static int store_queue(struct import *in, struct json_read *read)
{
    struct pawl_error err = {0};
    enum pawl_status status = pawl_import_queue(in->cli->pawl, &read->queue, &err);
    in->queues += status == PAWL_OK;
    json_read_clear(read);
    return status < 0 ? cli_error(in->cli, status, &err) : CLI_DONE;
}

static int store_all(struct import *in)
{
    char *text = NULL;
    size_t room = 0, n;
    int code = CLI_DONE;
    while (code == CLI_DONE && next_line(in, &text, &room, &n, &code)) {
        struct json_read *read = &in->reads[in->count];
        code = parse_line(in, text, n, read);
        if (code != CLI_DONE) {
            json_read_clear(read);
            break;
        }
        if (read->is_queue) {
            code = store_queue(in, read);
            continue;
        }
        in->jobs[in->count++] = &read->job;
        in->bytes += n;
        if (in->count == BATCH_JOBS || in->bytes > BATCH_BYTES)
            code = store_batch(in);
    }
    if (code == CLI_DONE && in->count > 0)
        code = store_batch(in);
    free(text);
    return code;
}

static int report(const struct import *in)
{
    if (in->cli->json)
        return cli_json(in->cli,
                        json_pack("{s:I, s:I, s:I, s:I}", "imported",
                                  (json_int_t)in->stored, "duplicates",
                                  (json_int_t)in->duplicates, "cancelled",
                                  (json_int_t)in->cancelled, "queues",
                                  (json_int_t)in->queues));
    printf("%" PRIu64 " jobs imported, %" PRIu64 " were there already, %" PRIu64
           " cancelled because their keys are held\n",
           in->stored, in->duplicates, in->cancelled);
    if (in->queues > 0)
        printf("%" PRIu64 " queues told again what they had been told\n", in->queues);
    return CLI_DONE;
}

/* --- the command ---------------------------------------------------------------------- */

/* What cannot be rewound, copied into a file that is gone with the process. */
static FILE *rewindable(FILE *file)
{
    char bytes[65536];
    size_t n;
    FILE *copy;
    if (fseek(file, 0, SEEK_SET) == 0)
        return file;
    copy = tmpfile();
    while (copy && (n = fread(bytes, 1, sizeof bytes, file)) > 0)
        if (fwrite(bytes, 1, n, copy) != n)
            return NULL;
    return copy && !ferror(file) && fseek(copy, 0, SEEK_SET) == 0 ? copy : NULL;
}

static int import_run(struct import *in)
{
    int code;
    in->file = strcmp(in->name, "-") == 0 ? stdin : fopen(in->name, "re");
    if (in->file)
        in->file = rewindable(in->file);
    if (!in->file)
        return cli_failed(in->cli, "cannot read '%s': %s", in->name, strerror(errno));
    code = check_all(in);
    if (code == CLI_DONE)
        code = cli_open(in->cli);
    rewind(in->file);
    in->line = 0;
    if (code == CLI_DONE)
        code = store_all(in);
    return code == CLI_DONE ? report(in) : code;
}

int cmd_import(struct cli *cli, int argc, char **argv)
{
    struct import *in = calloc(1, sizeof *in);
    struct args args;
    int code;
    if (!in)
        return cli_failed(cli, "out of memory");
    in->cli = cli;
    args_begin(&args, cli, &import_spec, argc, argv);
    if (args_next(&args) < 0)
        code = args.exit_code;
    else if (args.operand_count > 1 || (args.operand_count == 0 && isatty(STDIN_FILENO)))
        code = cli_usage(cli, "give one file, or - for standard input");
    else {
        in->name = args.operand_count == 1 ? args.operands[0] : "-";
        code = import_run(in);
    }
    if (in->file && in->file != stdin)
        fclose(in->file);
    free(in);
    return code;
}
