/* cmd_drain.c - pawl drain: give the primary what was spooled on this host, now.
 *
 * Any process that has the jobs open drains; this one does nothing else, does not
 * wait for the breaker's times, and keeps no rate.
 */
#include "cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "util/clock.h"

#define LOOK_MS 50
#define TELL_MS 500
#define AWAY_MS 5000  /* so long it may be away before we give up, */
#define STUCK_MS 10000 /* or nothing go over though it is there */

enum { WAIT = 256 };

static const struct args_option drain_options[] = {
    {"wait", WAIT, NULL, "wait for the primary, however long it is away"},
};

static const struct args_spec drain_spec = {
    .usage = "drain [--wait]",
    .about = "Give the primary what was spooled on this host while it was away.\n"
             "Any running program does that by itself; this does it at once and, if\n"
             "no other is at it already, as fast as it goes, and shows how far it is.\n",
    .options = drain_options,
    .option_count = 1,
    .more = "With --json one object per line: mode, spooled, drained.\n\n"
            "exit: 0 the spool is empty, 1 failed or refused, or something was set\n"
            "  aside there since it cannot go over, 2 usage,\n"
            "  69 the primary is away\n",
};

struct drain {
    struct cli *cli;
    bool wait;
    uint64_t first, spooled; /* jobs in the spool, at first and now */
    enum pawl_mode mode;
    bool fallback;
    uint64_t set_aside; /* calls that never will go over */
    bool working; /* all that is left runs on this host still: it goes over later */
    int64_t moved_ns; /* when there was less in the spool than before */
    bool line;    /* a line of progress stands on the terminal */
    uint64_t told; /* in the last such line otherwise */
    bool waiting; /* that we wait for the primary was said */
};

static void drain_end_line(struct drain *d)
{
    if (d->line)
        fputc('\n', stderr);
    d->line = false;
}

static int drain_look(struct drain *d)
{
    struct pawl_stats *stats = NULL;
    struct pawl_error err = {0};
    enum pawl_status status = pawl_stats(d->cli->pawl, NULL, &stats, &err);
    if (status != PAWL_OK) {
        drain_end_line(d);
        return cli_error(d->cli, status, &err);
    }
    d->mode = stats->mode;
    d->fallback = stats->fallback;
    d->set_aside = stats->set_aside;
    if (stats->spooled < d->spooled || d->moved_ns == 0)
        d->moved_ns = clock_mono_ns();
    d->spooled = stats->spooled;
    d->working = stats->spooled_running > 0 &&
                 stats->spooled <= stats->spooled_running;
    if (d->spooled > d->first)
        d->first = d->spooled;
    pawl_stats_free(stats);
    return CLI_DONE;
}

static const char *drain_stay(const struct drain *d)
{
    return d->spooled == 1 ? "job stays" : "jobs stay";
}

/* A bar on a terminal, otherwise a line each time that there is more. */
static int drain_tell(struct drain *d)
{
    uint64_t drained = d->first - d->spooled;
    if (d->cli->json) {
        int code = cli_json(d->cli, json_pack("{s:s, s:I, s:I}", "mode",
                                              pawl_mode_name(d->mode), "spooled",
                                              (json_int_t)d->spooled, "drained",
                                              (json_int_t)drained));
        return code == CLI_DONE ? cli_flush(d->cli) : code;
    }
    if (d->mode == PAWL_MODE_SPOOLING) {
        if (!d->waiting)
            cli_note(d->cli, "waiting for %s", pawl_where(d->cli->pawl));
        d->waiting = true;
    } else if (isatty(STDERR_FILENO)) {
        int done = d->first ? (int)(drained * 30 / d->first) : 30;
        fprintf(stderr, "\r[%.*s%*s] %" PRIu64 " of %" PRIu64 " ", done,
                "##############################", 30 - done, "", drained, d->first);
        fflush(stderr);
        d->line = true;
    } else if (drained > d->told) {
        cli_note(d->cli, "%" PRIu64 " of %" PRIu64 " drained", drained, d->first);
        d->told = drained;
    }
    return CLI_DONE;
}

/* The two ways to give up. */
static int drain_away(struct drain *d)
{
    drain_end_line(d);
    cli_note(d->cli, "%s is away; %" PRIu64 " %s in the spool",
             pawl_where(d->cli->pawl), d->spooled, drain_stay(d));
    return CLI_UNREACHABLE;
}

static int drain_stuck(struct drain *d)
{
    drain_end_line(d);
    return cli_failed(d->cli, "%" PRIu64 " %s in the spool: nothing went over for %d s",
                      d->spooled, drain_stay(d), STUCK_MS / 1000);
}

/* There is nothing left; or nothing that we can see. */
static int drain_done(struct drain *d)
{
    drain_end_line(d);
    if (d->cli->spool_lost[0])
        return cli_failed(d->cli, "the spool of %s cannot be used: what it holds stays "
                          "there", pawl_where(d->cli->pawl));
    int code = d->cli->json ? drain_tell(d) : CLI_DONE;
    if (code == CLI_DONE && d->set_aside > 0)
        return cli_failed(d->cli, "calls that cannot be made are set aside in the spool, %"
                          PRIu64 " of them: see 'pawl doctor'", d->set_aside);
    if (d->cli->json)
        return code;
    if (d->fallback)
        cli_note(d->cli, "the spool is empty: %" PRIu64 " drained", d->first);
    else
        cli_note(d->cli, "%s has no spool", pawl_where(d->cli->pawl));
    return CLI_DONE;
}

static int drain_run(struct drain *d)
{
    int64_t now = clock_mono_ns(), away = now, told = now;
    struct timespec look = {.tv_nsec = LOOK_MS * 1000000};
    int code = drain_look(d);
    while (code == CLI_DONE && d->mode != PAWL_MODE_PRIMARY) {
        now = clock_mono_ns();
        if (d->mode == PAWL_MODE_DRAINING)
            away = now;
        if (!d->wait && now - away > AWAY_MS * INT64_C(1000000))
            return drain_away(d);
        if (d->mode == PAWL_MODE_DRAINING && !d->working &&
            now - d->moved_ns > STUCK_MS * INT64_C(1000000))
            return drain_stuck(d);
        if (now - told >= TELL_MS * INT64_C(1000000)) {
            told = now;
            code = drain_tell(d);
        }
        nanosleep(&look, NULL);
        if (code == CLI_DONE)
            code = drain_look(d);
    }
    return code == CLI_DONE ? drain_done(d) : code;
}

int cmd_drain(struct cli *cli, int argc, char **argv)
{
    struct drain d = {.cli = cli};
    struct args args;
    int key;
    args_begin(&args, cli, &drain_spec, argc, argv);
    while ((key = args_next(&args)) > 0)
        d.wait = d.wait || key == WAIT;
    if (key < 0)
        return args.exit_code;
    if (args.operand_count > 0)
        return cli_usage(cli, "unexpected '%.100s'", args.operands[0]);
    cli->urgent = cli->lasting = true;
    int code = cli_open(cli);
    return code == CLI_DONE ? drain_run(&d) : code;
}
