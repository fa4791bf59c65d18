/* cmd_migrate.c - pawl migrate: every job to another storage, once. */
#include "cmd.h"

#include <signal.h>
#include <stdio.h>

#include "args.h"
#include "migrate_show.h"

enum { FROM = 256, TO, STATE, COPY, MOVE, DRY_RUN, VERIFY, LEAVE, FINALIZE, ROLLBACK };

static const struct args_option migrate_options[] = {
    {"from", FROM, "URL", "the storage that has the jobs"},
    {"to", TO, "URL", "the storage that is to have them"},
    {"queue", 'q', "QUEUE", "only this queue; repeats; default: all"},
    {"state", STATE, "S", "only this state; repeats; default: see below"},
    {"move", MOVE, NULL, "delete at the source what has arrived (the default)"},
    {"copy", COPY, NULL, "keep it held at the source instead"},
    {"finalize", FINALIZE, NULL, "delete what a copy left held"},
    {"rollback", ROLLBACK, NULL, "take a copy back"},
    {"leave-processing", LEAVE, NULL, "do not wait for running jobs: they stay"},
    {"verify", VERIFY, NULL, "read each job back at the target"},
    {"dry-run", DRY_RUN, NULL, "print the plan and move nothing"},
};

static const struct args_spec migrate_spec = {
    .usage = "migrate --from URL --to URL [-q QUEUE]... [--state S]...\n"
             "                   [--copy | --move | --finalize | --rollback]\n"
             "                   [--leave-processing] [--verify] [--dry-run]",
    .about = "Move jobs to another storage, each exactly once, while producers and\n"
             "workers run on both sides. It prints a plan first and a proof last.\n"
             "Stopped or killed at any moment, it goes on when it is run again.\n",
    .options = migrate_options,
    .option_count = sizeof migrate_options / sizeof *migrate_options,
    .more = "example: pawl migrate --from sqlite: --to redis://db.example/0\n\n"
            "Scheduled, pending, processing and failed jobs move unless --state says\n"
            "otherwise; processing ones when their attempt is over. With --json plan,\n"
            "merged and report are one object a line. Progress is on standard error:\n"
            "a bar on a terminal, else JSON lines.\n\n"
            "exit: 0 done, 1 failed or refused, 2 usage, 3 no such store, queue or\n"
            "  copy, 69 storage unreachable\n",
};

struct migrate {
    struct cli *cli;
    struct pawl_migrate_options options;
    struct cli_queues queues;
    int mode; /* COPY, MOVE, FINALIZE, ROLLBACK; 0: not said */
    bool dry_run, leave;
    struct migrate_show show;
};

/* --- options ------------------------------------------------------------------------ */

static int migrate_mode(struct migrate *m, int mode)
{
    if (m->mode != 0 && m->mode != mode)
        return cli_usage(m->cli, "only one of --copy, --move, --finalize and "
                                 "--rollback");
    m->mode = mode;
    return CLI_DONE;
}

static int migrate_state(struct migrate *m, const char *value)
{
    enum pawl_state state;
    int code = cli_state(m->cli, value, &state);
    if (code == CLI_DONE)
        m->options.states |= PAWL_STATE_BIT(state);
    return code;
}

static int migrate_option(struct migrate *m, int key, const char *value)
{
    switch (key) {
    case FROM: m->options.from = value; break;
    case TO: m->options.to = value; break;
    case 'q': return cli_add_queue(m->cli, &m->queues, value);
    case STATE: return migrate_state(m, value);
    case LEAVE: m->leave = true; break;
    case VERIFY: m->options.verify = true; break;
    case DRY_RUN: m->dry_run = true; break;
    default: return migrate_mode(m, key);
    }
    return CLI_DONE;
}

static int migrate_check(struct migrate *m, const struct args *args)
{
    bool settles = m->mode == FINALIZE || m->mode == ROLLBACK;
    if (args->operand_count > 0)
        return cli_usage(m->cli, "unexpected '%.100s' (storages are named by --from "
                                 "and --to)", args->operands[0]);
    if (!m->options.from || !m->options.to)
        return cli_usage(m->cli, "no --%s", m->options.from ? "to" : "from");
    if (m->cli->url)
        return cli_usage(m->cli, "--url has no meaning here: give --from and --to");
    if (settles && (m->options.states || m->leave || m->options.verify))
        return cli_usage(m->cli, "--%s takes no --state, --leave-processing or --verify",
                         m->mode == FINALIZE ? "finalize" : "rollback");
    if (m->mode == ROLLBACK && m->queues.count > 0)
        return cli_usage(m->cli, "--rollback takes no --queue: a copy is taken back whole");
    m->options.queues = m->queues.names;
    m->options.queue_count = m->queues.count;
    m->options.copy = m->mode == COPY || settles;
    if (m->leave && !m->options.states)
        m->options.states = PAWL_STATE_BIT(PAWL_SCHEDULED) |
                            PAWL_STATE_BIT(PAWL_PENDING) | PAWL_STATE_BIT(PAWL_FAILED);
    if (m->leave)
        m->options.states &= ~PAWL_STATE_BIT(PAWL_PROCESSING);
    return CLI_DONE;
}

/* --- running -------------------------------------------------------------------------- */

static volatile sig_atomic_t stop_asked;

static void ask_to_stop(int number)
{
    (void)number;
    stop_asked = 1;
}

/* Between two batches; a second signal ends the process at once. */
static void stop_on_signals(void)
{
    struct sigaction action = {.sa_handler = ask_to_stop,
                               .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static bool migrate_progress(void *context, const struct pawl_migrate_progress *progress)
{
    struct migrate *m = context;
    migrate_show_progress(&m->show, progress);
    return !stop_asked;
}

static void migrate_merged(void *context, const struct pawl_job *job,
                           struct pawl_id holder)
{
    struct migrate *m = context;
    migrate_show_merged(&m->show, job, holder);
}

static enum pawl_status migrate_call(const struct migrate *m,
                                     struct pawl_migration *migration,
                                     struct pawl_error *err)
{
    if (m->mode == FINALIZE)
        return pawl_migrate_finalize(migration, err);
    if (m->mode == ROLLBACK)
        return pawl_migrate_rollback(migration, err);
    return pawl_migrate_run(migration, err);
}

static const char *migrate_done(const struct migrate *m)
{
    return m->mode == FINALIZE   ? "deleted at the source"
           : m->mode == ROLLBACK ? "taken back"
           : m->mode == COPY     ? "copied, and held at the source"
                                 : "moved";
}

static const char *migrate_after(const struct migrate *m)
{
    return m->mode == COPY ? "then: the same with --finalize deletes them at the source, "
                             "with --rollback takes them back"
           : m->mode == ROLLBACK ? "at the target these queues are paused, until 'pawl "
                                   "resume'"
                                 : NULL;
}

static int migrate_refused(const struct pawl_migrate_plan *plan)
{
    for (size_t i = 0; i < plan->problem_count; i++)
        if (plan->problems[i].is_fatal)
            return CLI_FAILED;
    return CLI_DONE;
}

/* A storage that goes away in the midst of a batch leaves it unknown: the same command
 * finds out. */
static int migrate_failed(const struct migrate *m, enum pawl_status status,
                          const struct pawl_error *err)
{
    int code = cli_error(m->cli, status, err);
    return status == PAWL_EUNKNOWN ? CLI_UNREACHABLE : code;
}

static int migrate_go(struct migrate *m, struct pawl_migration *migration)
{
    const struct pawl_migrate_plan *plan = pawl_migrate_plan(migration);
    struct pawl_error err = {0};
    migrate_show_plan(&m->show, plan);
    if (m->dry_run)
        return migrate_refused(plan);
    migrate_show_begin(&m->show);
    stop_on_signals();
    enum pawl_status status = migrate_call(m, migration, &err);
    migrate_show_end(&m->show);
    if (status != PAWL_OK)
        return migrate_failed(m, status, &err);
    migrate_show_report(&m->show, plan, migrate_done(m),
                        m->mode == ROLLBACK ? m->options.from : m->options.to,
                        migrate_after(m));
    return CLI_DONE;
}

static int migrate_run(struct migrate *m)
{
    struct pawl_migration *migration = NULL;
    struct pawl_error err = {0};
    m->show.cli = m->cli;
    m->options.progress = migrate_progress;
    m->options.merged = migrate_merged;
    m->options.context = m;
    enum pawl_status status = pawl_migrate_open(&m->options, &migration, &err);
    if (status != PAWL_OK)
        return cli_error(m->cli, status, &err);
    int code = migrate_go(m, migration);
    pawl_migrate_close(migration);
    return code;
}

int cmd_migrate(struct cli *cli, int argc, char **argv)
{
    struct migrate m = {.cli = cli};
    struct args args;
    int key, code = CLI_DONE;
    args_begin(&args, cli, &migrate_spec, argc, argv);
    while ((key = args_next(&args)) > 0) {
        code = migrate_option(&m, key, args.value);
        if (code != CLI_DONE)
            return code;
    }
    code = key < 0 ? args.exit_code : migrate_check(&m, &args);
    return code == CLI_DONE ? migrate_run(&m) : code;
}
