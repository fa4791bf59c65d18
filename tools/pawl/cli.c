/* cli.c - see cli.h. */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

/* --- messages ---------------------------------------------------------------- */

PAWL_PRINTF(2, 0)
static void cli_message(const struct cli *cli, const char *format, va_list args)
{
    char text[1024];
    struct buf line;
    buf_init(&line, sizeof text * 8);
    vsnprintf(text, sizeof text, format, args);
    buf_printf(&line, cli->verb ? "pawl %s: " : "pawl%s: ",
               cli->verb ? cli->verb : "");
    text_escape(&line, text, strlen(text));
    buf_str(&line, "\n");
    fputs(line.data && !line.failed ? line.data : text, stderr);
    buf_clear(&line);
}

void cli_note(const struct cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cli_message(cli, format, args);
    va_end(args);
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cli_message(cli, format, args);
    va_end(args);
    return CLI_USAGE;
}

int cli_failed(const struct cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cli_message(cli, format, args);
    va_end(args);
    return CLI_FAILED;
}

int cli_exit_code(enum pawl_status status)
{
    switch (status) {
    case PAWL_EINVAL: return CLI_USAGE;
    case PAWL_NOT_FOUND: return CLI_NOT_FOUND;
    case PAWL_EUNREACHABLE:
    case PAWL_ETIMEOUT: return CLI_UNREACHABLE;
    case PAWL_WRONG_STATE:
    case PAWL_STALE: return CLI_FAILED;
    default: return status < 0 ? CLI_FAILED : CLI_DONE;
    }
}

int cli_error(const struct cli *cli, enum pawl_status status,
              const struct pawl_error *err)
{
    bool told = err && err->message[0];
    cli_note(cli, "%s", told ? err->message : pawl_status_text(status));
    return cli_exit_code(status);
}

int cli_only_spool(struct cli *cli)
{
    if (!cli->partial)
        cli_note(cli, "%s is away: this is about what is spooled on this host, and "
                      "nothing else", pawl_where(cli->pawl));
    cli->partial = true;
    return CLI_UNREACHABLE;
}

/* --- the storage --------------------------------------------------------------- */

/* "trace+…" was asked for, so what it reports is wanted. */
static bool cli_traced(const struct cli *cli)
{
    const char *url = cli->url ? cli->url : getenv("PAWL_URL");
    return url && strncmp(url, "trace+", 6) == 0;
}

static void cli_log(void *context, enum pawl_log_level level, const char *id,
                    const char *text)
{
    struct cli *cli = context;
    bool wanted = level >= PAWL_LOG_WARN ||
                  (level == PAWL_LOG_INFO && cli->verbose) || cli_traced(cli);
    if (strcmp(id, "no-fallback") == 0)
        snprintf(cli->spool_lost, sizeof cli->spool_lost, "%s", text);
    if (wanted)
        cli_note(cli, "%s", text);
}

/* "//USER:PASSWORD@", or an option that is one. */
static bool cli_shows_password(const char *url)
{
    const char *place = strstr(url, "://");
    const char *option = strstr(url, "sentinel-password=");
    if (option && (option[-1] == '?' || option[-1] == '&'))
        return true;
    if (!place)
        return false;
    size_t n = strcspn(place + 3, "/?");
    const char *at = memrchr(place + 3, '@', n);
    const char *colon = memchr(place + 3, ':', n);
    return at && colon && colon + 1 < at;
}

static void cli_warn_of_password(const struct cli *cli)
{
    if (cli->url && cli_shows_password(cli->url))
        cli_note(cli, "the password in --url is visible to other users in the "
                      "process list: put the URL in PAWL_URL, or the password in a "
                      "password-file");
}

int cli_open(struct cli *cli)
{
    struct pawl_options options = PAWL_OPTIONS_INIT;
    struct pawl_error err = {0};
    const char *url = getenv("PAWL_URL");
    if (cli->pawl)
        return CLI_DONE;
    cli_warn_of_password(cli);
    options.log = cli_log;
    options.log_context = cli;
    options.urgent = cli->urgent;
    options.brief = !cli->lasting;
    enum pawl_status status = pawl_open(cli->url, &options, &cli->pawl, &err);
    if (status == PAWL_EINVAL && url && *url && !cli->url)
        cli_note(cli, "PAWL_URL: %s", err.message);
    else if (status != PAWL_OK)
        return cli_error(cli, status, &err);
    return cli_exit_code(status);
}

/* --- standard output ------------------------------------------------------------ */

int cli_flush(const struct cli *cli)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CLI_DONE;
    clearerr(stdout);
    return cli_failed(cli, "cannot write to standard output: %s",
                      errno ? strerror(errno) : "an earlier write failed");
}

/* A terminal gets pure ASCII, since jansson lets through what reorders text and
 * the control characters U+0080..U+009F; for a program it is the same JSON. */
int cli_json(const struct cli *cli, json_t *value)
{
    size_t flags = JSON_COMPACT | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0);
    char *text = value ? json_dumps(value, flags) : NULL;
    json_decref(value);
    if (!text)
        return cli_failed(cli, "out of memory");
    puts(text);
    free(text);
    return CLI_DONE;
}

/* --- values that several verbs take ----------------------------------------------- */

int cli_add_queue(const struct cli *cli, struct cli_queues *queues,
                  const char *name)
{
    for (size_t i = 0; i < queues->count; i++)
        if (strcmp(queues->names[i], name) == 0)
            return CLI_DONE;
    if (queues->count == CLI_QUEUES_MAX)
        return cli_usage(cli, "more than %d queues", CLI_QUEUES_MAX);
    queues->names[queues->count++] = name;
    return CLI_DONE;
}

void cli_default_queue(struct cli_queues *queues)
{
    if (queues->count == 0)
        queues->names[queues->count++] = "default";
}

int cli_ids(const struct cli *cli, char *const *texts, size_t count,
            struct pawl_id **out)
{
    struct pawl_id *ids = calloc(count ? count : 1, sizeof *ids);
    if (!ids)
        return cli_failed(cli, "out of memory");
    for (size_t i = 0; i < count; i++) {
        if (!pawl_id_parse(texts[i], &ids[i])) {
            free(ids);
            return cli_usage(cli, "'%.100s' is not a job id", texts[i]);
        }
    }
    *out = ids;
    return CLI_DONE;
}

int cli_state(const struct cli *cli, const char *text, enum pawl_state *out)
{
    enum pawl_state state = pawl_state_parse(text);
    if (state == 0)
        return cli_usage(cli,
                         "state '%.100s' is not waiting, scheduled, pending, "
                         "processing, failed, completed, dead, cancelled or "
                         "held",
                         text);
    *out = state;
    return CLI_DONE;
}
