/* cmd_doctor.c - pawl doctor: what needs a person's attention.
 *
 * Each finding is one line that says what was seen and what to do about it. To
 * add one: report it with doctor_find() from doctor_storage() or doctor_queue().
 */
#include "cmd.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "details.h"
#include "hint.h"
#include "json.h"
#include "table.h"
#include "text.h"

#define DOCTOR_NOTE "note"
#define DOCTOR_OLD (INT64_C(3600) * 1000) /* pending for so long is too long */

enum { ACL = 256 };

static const struct args_option doctor_options[] = {
    {"acl", ACL, NULL, "print the ACL command for a user with just the rights"},
};

static const struct args_spec doctor_spec = {
    .usage = "doctor [--acl]",
    .about = "Look for what needs attention: warnings of the storage, rights that\n"
             "it lacks, a spool that cannot be used, dead jobs, jobs held by a\n"
             "migration, paused queues, jobs pending for more than an hour.\n",
    .options = doctor_options,
    .option_count = sizeof doctor_options / sizeof *doctor_options,
    .more = "A note, about what is as true tomorrow, does not count.\n"
            "--acl prints what an administrator of a Redis is to enter, and looks at\n"
            "nothing else; the password is to be put in.\n"
            "With --json one object: ok, where, details, and findings, of which each\n"
            "has kind, queue (if it is about one) and text; with --acl: acl.\n\n"
            "exit: 0 all is well, 1 something needs attention or failed,\n"
            "  2 usage, 69 storage unreachable\n",
};

struct doctor {
    struct cli *cli;
    json_t *findings;
    size_t count; /* without notes */
    enum pawl_mode mode;
};

/* `queue` NULL: about the storage. */
PAWL_PRINTF(4, 5)
static void doctor_find(struct doctor *d, const char *kind, const char *queue,
                        const char *format, ...)
{
    char text[HINT_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_t *finding = json_pack("{s:s, s:o}", "kind", kind, "text",
                                json_text(text));
    if (queue)
        json_object_set_new(finding, "queue", json_text(queue));
    json_array_append_new(d->findings, finding);
    d->count += strcmp(kind, DOCTOR_NOTE) != 0;
}

/* --- what is looked at --------------------------------------------------------------- */

static void doctor_storage(struct doctor *d, const struct pawl_health *health)
{
    /* A standing one is told but does not count: the exit code would be 1 for ever
     * on a system that has it. */
    for (int i = 0; i < health->warning_count; i++)
        doctor_find(d, health->warnings[i].standing ? DOCTOR_NOTE : "storage", NULL,
                    "%s", health->warnings[i].text);
    /* The storage does without, and has no warning of it. */
    if (d->cli->spool_lost[0])
        doctor_find(d, "spool", NULL, "%s", d->cli->spool_lost);
    char text[HINT_TEXT];
    if (hint_of_redis(health, text))
        doctor_find(d, DOCTOR_NOTE, NULL, "%s", text);
}

static void doctor_queue(struct doctor *d, const struct pawl_queue_stats *queue)
{
    const char *name = queue->name;
    char age[TEXT_TIME];
    if (queue->jobs[PAWL_DEAD] > 0)
        doctor_find(d, "dead", name,
                    "queue '%s' has %" PRIu64 " dead jobs: see 'pawl list -q "
                    "%s --state dead', then retry or clean them",
                    name, queue->jobs[PAWL_DEAD], name);
    if (queue->jobs[PAWL_HELD] > 0 && d->mode == PAWL_MODE_PRIMARY)
        doctor_find(d, "held", name,
                    "queue '%s' has %" PRIu64 " jobs held by a migration: run "
                    "it again to finish it",
                    name, queue->jobs[PAWL_HELD]);
    if (queue->paused)
        doctor_find(d, "paused", name,
                    "queue '%s' is paused, with %" PRIu64 " jobs pending: "
                    "'pawl resume -q %s' starts it again",
                    name, queue->jobs[PAWL_PENDING], name);
    if (!queue->paused && queue->oldest_pending > DOCTOR_OLD) {
        text_duration(age, queue->oldest_pending);
        doctor_find(d, "waiting", name,
                    "queue '%s' has a job that has been pending for %s: no "
                    "worker runs, or too few",
                    name, age);
    }
}

/* --- telling ------------------------------------------------------------------------- */

static void doctor_print_line(const char *mark, const char *text)
{
    struct buf line;
    buf_init(&line, 8192);
    text_escape(&line, text, strlen(text));
    printf("%s%s\n", mark, line.data ? line.data : "");
    buf_clear(&line);
}

static void doctor_print(const struct doctor *d, const struct pawl_health *health)
{
    size_t i;
    json_t *finding;
    char attention[64];
    details_print(health);
    snprintf(attention, sizeof attention, "%sattention%s ",
             table_colour_on(TABLE_YELLOW), table_colour_off(TABLE_YELLOW));
    json_array_foreach(d->findings, i, finding) {
        const char *kind = json_string_value(json_object_get(finding, "kind"));
        const char *text = json_string_value(json_object_get(finding, "text"));
        bool note = kind && strcmp(kind, DOCTOR_NOTE) == 0;
        doctor_print_line(note ? "note " : attention, text ? text : "");
    }
    if (d->count == 0)
        doctor_print_line("all is well in ", health->where);
}

/* --- the command --------------------------------------------------------------------- */

static int doctor_look(struct doctor *d, const struct pawl_health *health)
{
    struct pawl_stats *stats = NULL;
    struct pawl_error err = {0};
    enum pawl_status status = pawl_stats(d->cli->pawl, NULL, &stats, &err);
    if (status != PAWL_OK)
        return cli_error(d->cli, status, &err);
    doctor_storage(d, health);
    d->mode = stats->mode; /* held are also those on their way from a spool */
    for (size_t i = 0; i < stats->queue_count; i++)
        doctor_queue(d, &stats->queues[i]);
    pawl_stats_free(stats);
    int code = CLI_DONE;
    if (d->cli->json)
        code = cli_json(d->cli, json_pack("{s:b, s:o, s:o, s:O}", "ok",
                                          (int)(d->count == 0), "where",
                                          json_text(health->where), "details",
                                          details_json(health), "findings",
                                          d->findings));
    else
        doctor_print(d, health);
    return code == CLI_DONE && d->count > 0 ? CLI_FAILED : code;
}

static int doctor_acl(const struct cli *cli, const struct pawl_health *health)
{
    if (!health->rights[0])
        return cli_failed(cli, "%s has no users and rights of its own: there is no "
                          "ACL to print", health->storage);
    if (cli->json)
        return cli_json(cli, json_pack("{s:o}", "acl", json_text(health->rights)));
    doctor_print_line("", health->rights);
    return CLI_DONE;
}

static int doctor_run(struct cli *cli, bool acl)
{
    struct doctor d = {.cli = cli};
    struct pawl_health health = {0};
    struct pawl_error err = {0};
    int code = cli_open(cli);
    if (code != CLI_DONE)
        return code;
    enum pawl_status status = pawl_health(cli->pawl, &health, &err);
    if (status != PAWL_OK)
        return cli_error(cli, status, &err);
    if (acl)
        return doctor_acl(cli, &health);
    d.findings = json_array();
    code = doctor_look(&d, &health);
    json_decref(d.findings);
    return code;
}

int cmd_doctor(struct cli *cli, int argc, char **argv)
{
    struct args args;
    bool acl = false;
    int key;
    args_begin(&args, cli, &doctor_spec, argc, argv);
    while ((key = args_next(&args)) > 0)
        acl = acl || key == ACL;
    if (key < 0)
        return args.exit_code;
    if (args.operand_count > 0)
        return cli_usage(cli, "unexpected '%.100s'", args.operands[0]);
    return doctor_run(cli, acl);
}
