/* cmd_work.c - pawl work: run a command for every job.
 *
 * The worker is the library's; the handler is exec_job(). This file reads the
 * options, tells on standard error what happens, and ends in order: a signal or
 * --drain stops the worker, and only when it has ended is anything freed.
 */
#include "cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "args.h"
#include "exec.h"
#include "parse.h"
#include "signals.h"
#include "util/clock.h"

enum { DRAIN = 256, TIMEOUT, LEASE, GRACE };

#define WORK_CONCURRENCY_MAX 1024
#define WORK_DESCRIPTORS 12 /* of one running job, at most */
#define WORK_DESCRIPTORS_OTHER 64
#define WORK_SHORTAGE_NS (INT64_C(10) * 1000000000)

static const struct args_option work_options[] = {
    {"queue", 'q', "QUEUE", "claim from it; repeats; default: default"},
    {"concurrency", 'c', "N", "commands at once; default: one per CPU"},
    {"drain", DRAIN, NULL, "end when no job is pending, processing or failed"},
    {"timeout", TIMEOUT, "D", "of an attempt whose job has none of its own"},
    {"lease", LEASE, "D", "renewed at a third of it; default 30s"},
    {"grace", GRACE, "D", "for running jobs at a stop; 25s; or forever"},
    {"verbose", 'v', NULL, "a line per job, and the commands' own errors"},
};

static const struct args_spec work_spec = {
    .usage = "work [OPTION]... -- CMD [ARG]...",
    .about = "Run CMD for every job, without a shell, with the payload on its\n"
             "standard input and PAWL_ID, PAWL_QUEUE, PAWL_TYPE, PAWL_ATTEMPT,\n"
             "PAWL_MAX_ATTEMPTS and PAWL_EPOCH in its environment.\n",
    .options = work_options,
    .option_count = sizeof work_options / sizeof *work_options,
    .more = "CMD answers by its exit code: 0 completed, its standard output (up to\n"
            "64 KiB) is the result; 75 later, without using up an attempt; 65\n"
            "dead at once; anything else failed, to be tried again. The end of\n"
            "its standard error is the error.\n\n"
            "SIGTERM or SIGINT stops it, a second one at once.\n\n"
            "examples:\n"
            "  pawl work -q mail -q default -c 4 -- ./handler --fast\n"
            "  pawl work --drain -- sh -c 'curl -fsS --data-binary @- $URL'\n\n"
            "exit: 0 stopped or drained, 1 failed, 2 usage (also when CMD is not\n"
            "  found), 69 storage unreachable at start\n",
    .command = true,
};

struct work {
    struct cli *cli;
    struct cli_queues queues;
    struct pawl_worker_options options;
    struct exec_command command;
    _Atomic int64_t shortage_told_ns; /* when; 0: never */
};

/* --- the handler ----------------------------------------------------------------- */

static const char *work_outcome(const struct pawl_job *job,
                                const struct pawl_verdict *verdict,
                                const struct exec_report *report)
{
    bool done = verdict->kind == PAWL_VERDICT_DONE;
    bool last = job->attempt >= job->max_attempts;
    if (report->stop == PAWL_STOP_LOST)
        return "lost its lease and was stopped";
    if (report->stop == PAWL_STOP_CANCELLED && !done)
        return "cancelled";
    if (report->stop == PAWL_STOP_SHUTDOWN && !done)
        return "stopped and given back";
    if (report->stop == PAWL_STOP_TIMEOUT)
        return last ? "timed out for the last time" : "timed out";
    switch (verdict->kind) {
    case PAWL_VERDICT_DONE: return "completed";
    case PAWL_VERDICT_SNOOZE: return "later";
    case PAWL_VERDICT_DEAD: return "dead";
    case PAWL_VERDICT_FAILED: break;
    }
    return last ? "failed for the last time" : "failed";
}

static void work_tell(const struct work *work, const struct pawl_job *job,
                      const struct pawl_verdict *verdict,
                      const struct exec_report *report)
{
    char id[PAWL_ID_TEXT];
    bool bad = verdict->kind == PAWL_VERDICT_FAILED ||
               verdict->kind == PAWL_VERDICT_DEAD;
    int size = !bad ? 0 : verdict->size < 400 ? (int)verdict->size : 400;
    const char *text = verdict->data ? verdict->data : "";
    if (!bad && !work->cli->verbose)
        return;
    pawl_id_format(job->id, id);
    cli_note(work->cli, "job %s in '%s' %s (attempt %d of %d)%s%.*s", id,
             job->queue, work_outcome(job, verdict, report), job->attempt,
             job->max_attempts, size > 0 ? ": " : "", size, text);
}

/* No more than one line in 10 s, however many commands cannot be started. */
static void work_tell_shortage(void *context, int error)
{
    struct work *work = context;
    int64_t now = clock_mono_ns(), told = work->shortage_told_ns;
    if ((told == 0 || now - told > WORK_SHORTAGE_NS) &&
        atomic_compare_exchange_strong(&work->shortage_told_ns, &told, now))
        cli_note(work->cli, "cannot start a command, waiting: %s",
                 strerror(error));
}

static struct pawl_verdict work_handle(void *context, const struct pawl_job *job,
                                       struct pawl_run *run)
{
    const struct work *work = context;
    struct exec_report report;
    struct pawl_verdict verdict = exec_job(&work->command, job, run, &report);
    work_tell(work, job, &verdict, &report);
    return verdict;
}

/* --- running it ---------------------------------------------------------------------- */

/* Each running job has pipes to its command. The limit of descriptors is often
 * 1024 where the administrator allows more; the commands get the old limit.
 * Where it cannot be raised, fewer commands run at once. */
static void work_fit_limit(struct work *work)
{
    struct rlimit limit, raised;
    int *concurrency = &work->options.concurrency;
    rlim_t wanted = WORK_DESCRIPTORS_OTHER +
                    (rlim_t)*concurrency * WORK_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    raised = limit;
    raised.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &raised) != 0)
        raised.rlim_cur = limit.rlim_cur;
    work->command.spawn.nofile = limit;
    work->command.spawn.restore_nofile = true;
    if (raised.rlim_cur >= wanted)
        return;
    *concurrency = raised.rlim_cur < WORK_DESCRIPTORS_OTHER + WORK_DESCRIPTORS
                       ? 1
                       : (int)((raised.rlim_cur - WORK_DESCRIPTORS_OTHER) /
                               WORK_DESCRIPTORS);
    cli_note(work->cli, "only %llu open files are allowed: no more than %d "
                        "commands run at once",
             (unsigned long long)raised.rlim_cur, *concurrency);
}

static void work_tell_start(const struct work *work)
{
    char queues[512];
    size_t used = 0;
    for (size_t i = 0; i < work->queues.count && used < sizeof queues; i++) {
        int n = snprintf(queues + used, sizeof queues - used, "%s'%s'",
                         i ? ", " : "", work->queues.names[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    cli_note(work->cli, "jobs in %s, queue%s %s, %d at once",
             pawl_where(work->cli->pawl), work->queues.count > 1 ? "s" : "",
             queues, work->options.concurrency);
}

static void work_tell_end(const struct work *work,
                          const struct pawl_worker *worker)
{
    struct pawl_worker_counts n;
    pawl_worker_counts(worker, &n);
    cli_note(work->cli,
             "%" PRIu64 " completed, %" PRIu64 " failed, %" PRIu64 " dead, "
             "%" PRIu64 " later, %" PRIu64 " given back",
             n.completed, n.failed, n.dead, n.snoozed, n.released);
}

static int work_run(struct work *work, struct signals *signals)
{
    struct pawl_worker *worker = NULL;
    struct pawl_error err = {0};
    enum pawl_status status = pawl_worker_open(work->cli->pawl, &work->options,
                                               &worker, &err);
    if (status != PAWL_OK)
        return cli_error(work->cli, status, &err);
    work_tell_start(work);
    int error = signals_start(signals, worker);
    if (error == 0)
        status = pawl_worker_wait(worker, &err);
    signals_end(signals);
    work_tell_end(work, worker);
    pawl_worker_close(worker);
    if (error)
        return cli_failed(work->cli, "cannot start a thread: %s",
                          strerror(error));
    return status < 0 ? cli_error(work->cli, status, &err) : CLI_DONE;
}

static int work_start(struct work *work)
{
    work->cli->lasting = true;
    struct signals signals;
    signal(SIGPIPE, SIG_IGN); /* a command may not read its input */
    signal(SIGCHLD, SIG_DFL); /* ignored, children could not be waited for */
    int error = signals_block(&signals, work->cli);
    int code = error ? cli_failed(work->cli, "cannot receive signals: %s",
                                  strerror(error))
                     : cli_open(work->cli);
    if (code == CLI_DONE) {
        work_fit_limit(work);
        code = work_run(work, &signals);
    }
    signals_end(&signals);
    return code;
}

/* --- options ---------------------------------------------------------------------------- */

static int work_concurrency(struct work *work, const char *text)
{
    long n = 0;
    if (!parse_number(text, 1, WORK_CONCURRENCY_MAX, &n))
        return cli_usage(work->cli, "concurrency '%.100s' is not a number of 1 "
                                    "to %d", text, WORK_CONCURRENCY_MAX);
    work->options.concurrency = (int)n;
    return CLI_DONE;
}

static int work_duration(struct work *work, const char *what, const char *text,
                         pawl_duration *out)
{
    const char *why = NULL;
    if (!parse_duration(text, out, &why))
        return cli_usage(work->cli, "%s '%.100s' %s", what, text, why);
    return CLI_DONE;
}

/* The library takes 0 for its default; who writes 0 here means none. */
static int work_grace(struct work *work, const char *text)
{
    pawl_duration *grace = &work->options.grace;
    if (strcmp(text, "forever") == 0) {
        *grace = -1;
        return CLI_DONE;
    }
    int code = work_duration(work, "grace", text, grace);
    *grace = *grace == 0 ? 1 : *grace;
    return code;
}

static int work_lease(struct work *work, const char *text)
{
    int code = work_duration(work, "lease", text, &work->options.lease);
    if (code == CLI_DONE && (work->options.lease < 1000 ||
                             work->options.lease > 3600000))
        return cli_usage(work->cli, "lease '%.100s' is not of 1s to 1h", text);
    return code;
}

static int work_option(struct work *work, int key, const char *value)
{
    switch (key) {
    case 'q': return cli_add_queue(work->cli, &work->queues, value);
    case 'c': return work_concurrency(work, value);
    case DRAIN: work->options.drain = true; break;
    case TIMEOUT:
        return work_duration(work, "timeout", value, &work->options.timeout);
    case LEASE: return work_lease(work, value);
    case GRACE: return work_grace(work, value);
    case 'v': work->cli->verbose = true; break;
    }
    return CLI_DONE;
}

static int work_command(struct work *work, struct args *args)
{
    if (args->operand_count == 0)
        return cli_usage(work->cli, "no command (pawl work -- CMD [ARG]...)");
    char *name = args->operands[0];
    int error = spawn_find(name, &work->command.spawn.path);
    work->command.spawn.argv = args->operands;
    work->command.echo = work->cli->verbose;
    work->command.shortage = work_tell_shortage;
    work->command.context = work;
    if (error == EACCES)
        return cli_usage(work->cli, "command '%.200s' is not executable", name);
    if (error == ENOMEM)
        return cli_failed(work->cli, "out of memory");
    if (error)
        return cli_usage(work->cli, "command '%.200s' not found", name);
    return CLI_DONE;
}

static void work_defaults(struct work *work)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    cli_default_queue(&work->queues);
    work->options.version = PAWL_WORKER_OPTIONS_VERSION;
    work->options.queues = work->queues.names;
    work->options.queue_count = work->queues.count;
    work->options.handler = work_handle;
    work->options.context = work;
    /* No other worker gets the job while the command may still be at it. */
    work->options.stop_time = EXEC_TERM_MS + 1000;
    if (cpus < 1 || cpus > WORK_CONCURRENCY_MAX)
        cpus = cpus < 1 ? 1 : WORK_CONCURRENCY_MAX;
    if (work->options.concurrency == 0)
        work->options.concurrency = (int)cpus;
}

int cmd_work(struct cli *cli, int argc, char **argv)
{
    struct work work = {.cli = cli};
    struct args args;
    int key, code;
    args_begin(&args, cli, &work_spec, argc, argv);
    while ((key = args_next(&args)) > 0) {
        code = work_option(&work, key, args.value);
        if (code != CLI_DONE)
            return code;
    }
    code = key < 0 ? args.exit_code : work_command(&work, &args);
    if (code == CLI_DONE) {
        work_defaults(&work);
        code = work_start(&work);
    }
    free(work.command.spawn.path);
    return code;
}
