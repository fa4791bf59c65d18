/* exec.c - see exec.h.
 *
 * One poll() watches the three pipes, the child (by pidfd) and the order to
 * stop. A child that does not read, or does not end its output, cannot hold us
 * up: every descriptor of ours is non-blocking, and what it writes beyond the
 * limit is read and dropped, so that it runs on into its exit or its timeout.
 *
 * The end of the child, not that of its output, ends the work: a grandchild may
 * hold the pipes open for ever. While the child is a zombie its process group
 * cannot be reused, so that is when the rest of the group is killed.
 */
#include "exec.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec_text.h"
#include "util/buf.h"
#include "util/clock.h"

#define EXEC_SHORTAGE_MS 100
#define EXEC_LAST_READS 32 /* chunks read after the end; a pipe holds 16 */

enum { ON_IN, ON_OUT, ON_ERR, ON_CHILD, ON_STOP, ON_COUNT };

struct exec {
    const struct exec_command *command;
    const struct pawl_job *job;
    struct pawl_run *run;
    struct spawn_child child;
    int stop_fd;
    size_t written;  /* of the payload */
    struct buf out;  /* up to PAWL_RESULT_MAX bytes */
    bool too_large;  /* there was more output than that */
    struct exec_tail err;
    enum pawl_stop_reason stop;
    int64_t kill_at; /* when TERM becomes KILL; 0: not stopping, or killed */
    bool ended;
};

/* --- the pipes ------------------------------------------------------------------- */

static void exec_close(int *fd)
{
    close(*fd);
    *fd = -1;
}

/* A child may close its input early, which is its right: EPIPE is no error. */
static void exec_feed(struct exec *e)
{
    const char *payload = e->job->payload;
    size_t left = e->job->payload_size - e->written;
    ssize_t n = left > 0 ? write(e->child.in, payload + e->written, left) : 0;
    if (n > 0)
        e->written += (size_t)n;
    bool failed = n < 0 && errno != EAGAIN && errno != EINTR;
    if (failed || e->written == e->job->payload_size)
        exec_close(&e->child.in);
}

static void exec_keep_output(struct exec *e, const char *bytes, size_t n)
{
    if (n > PAWL_RESULT_MAX - e->out.len)
        e->too_large = true;
    else if (!e->too_large)
        buf_add(&e->out, bytes, n);
}

/* One chunk. False when there is no more now, or ever. */
static bool exec_read(struct exec *e, int *fd)
{
    char chunk[65536];
    ssize_t n = read(*fd, chunk, sizeof chunk);
    if (n < 0)
        return errno == EINTR;
    if (n == 0) {
        exec_close(fd);
        return false;
    }
    if (fd == &e->child.out)
        exec_keep_output(e, chunk, (size_t)n);
    else
        exec_tail_add(&e->err, chunk, (size_t)n);
    if (fd == &e->child.err && e->command->echo &&
        write(STDERR_FILENO, chunk, (size_t)n) < 0)
        return true; /* nobody listens; the tail is kept all the same */
    return true;
}

/* What the child had written when it ended is in the pipes. */
static void exec_read_rest(struct exec *e)
{
    int *fds[] = {&e->child.out, &e->child.err};
    for (size_t i = 0; i < 2; i++)
        for (int n = 0; *fds[i] >= 0 && n < EXEC_LAST_READS; n++)
            if (!exec_read(e, fds[i]))
                break;
}

/* --- stopping ---------------------------------------------------------------------- */

static void exec_signal(const struct exec *e, int sig)
{
    kill(-e->child.pid, sig);
    if (getpgid(e->child.pid) != e->child.pid)
        kill(e->child.pid, sig); /* it left its group */
}

static void exec_check_stop(struct exec *e, int64_t now)
{
    enum pawl_stop_reason reason = pawl_run_stopped(e->run);
    bool first = e->stop == PAWL_STOP_NONE;
    if (reason == PAWL_STOP_NONE || (!first && e->kill_at == 0))
        return;
    e->stop = first || reason == PAWL_STOP_LOST ? reason : e->stop;
    if (e->stop == PAWL_STOP_LOST || (!first && now >= e->kill_at)) {
        exec_signal(e, SIGKILL);
        e->kill_at = 0;
    } else if (first) {
        exec_signal(e, SIGTERM);
        exec_signal(e, SIGCONT);
        e->kill_at = now + EXEC_TERM_MS * INT64_C(1000000);
    }
}

/* How long poll() may sleep, in ms: briefly where nothing would wake it. */
static int exec_patience(const struct exec *e)
{
    if (e->child.pidfd < 0)
        return 20;
    if (e->kill_at > 0 || e->stop_fd < 0)
        return 100;
    return -1;
}

/* --- the loop ---------------------------------------------------------------------- */

static bool exec_has_ended(const struct exec *e)
{
    siginfo_t info = {0};
    int flags = WEXITED | WNOHANG | WNOWAIT;
    return waitid(P_PID, (id_t)e->child.pid, &info, flags) == 0 &&
           info.si_pid == e->child.pid;
}

static void exec_step(struct exec *e)
{
    struct pollfd fds[ON_COUNT] = {
        [ON_IN] = {.fd = e->child.in, .events = POLLOUT},
        [ON_OUT] = {.fd = e->child.out, .events = POLLIN},
        [ON_ERR] = {.fd = e->child.err, .events = POLLIN},
        [ON_CHILD] = {.fd = e->child.pidfd, .events = POLLIN},
        [ON_STOP] = {.fd = e->stop ? -1 : e->stop_fd, .events = POLLIN},
    };
    if (poll(fds, ON_COUNT, exec_patience(e)) < 0)
        return;
    if (fds[ON_IN].revents)
        exec_feed(e);
    if (fds[ON_OUT].revents)
        exec_read(e, &e->child.out);
    if (fds[ON_ERR].revents)
        exec_read(e, &e->child.err);
    if (fds[ON_CHILD].revents || e->child.pidfd < 0)
        e->ended = exec_has_ended(e);
    if (!e->ended)
        exec_check_stop(e, clock_mono_ns());
}

/* The wait status of the child, of which nothing is left. */
static int exec_finish(struct exec *e)
{
    int status = 0;
    kill(-e->child.pid, SIGKILL);
    while (waitpid(e->child.pid, &status, 0) < 0 && errno == EINTR)
        continue;
    exec_read_rest(e);
    spawn_close(&e->child);
    return status;
}

/* --- the verdict --------------------------------------------------------------------- */

static struct pawl_verdict exec_judge(struct exec *e,
                                      const struct exec_report *report)
{
    bool stopped = e->stop != PAWL_STOP_NONE;
    bool zero = report->end == EXEC_EXITED && report->code == 0;
    if (e->stop == PAWL_STOP_TIMEOUT || e->stop == PAWL_STOP_LOST)
        return exec_text_verdict(PAWL_VERDICT_FAILED, &e->err, report);
    if (zero && e->too_large)
        return pawl_failed("output is larger than %d bytes", PAWL_RESULT_MAX);
    if (zero && e->out.failed)
        return pawl_failed("out of memory for the output");
    if (zero)
        return exec_text_done(&e->out);
    if (report->end == EXEC_EXITED && report->code == EXEC_EXIT_LATER)
        return pawl_snooze(-1);
    if (!stopped && report->end == EXEC_EXITED &&
        report->code == EXEC_EXIT_DEAD)
        return exec_text_verdict(PAWL_VERDICT_DEAD, &e->err, report);
    return exec_text_verdict(PAWL_VERDICT_FAILED, &e->err, report);
}

static enum spawn_failure exec_start(struct exec *e, char *const *envp,
                                     int *error)
{
    const struct exec_command *command = e->command;
    for (;;) {
        enum spawn_failure failure =
            spawn_start(&command->spawn, envp, &e->child, error);
        if (failure != SPAWN_NO_RESOURCES)
            return failure;
        command->shortage(command->context, *error);
        e->stop = pawl_run_sleep(e->run, EXEC_SHORTAGE_MS);
        if (e->stop != PAWL_STOP_NONE)
            return failure;
    }
}

/* Could not be started. */
static struct pawl_verdict exec_refuse(const struct exec_command *command,
                                       enum spawn_failure failure, int error,
                                       struct exec_report *report)
{
    report->code = error;
    report->end = failure == SPAWN_NO_COMMAND ? EXEC_NO_COMMAND
                                              : EXEC_NOT_STARTED;
    if (failure == SPAWN_NO_RESOURCES)
        return pawl_snooze(-1);
    return pawl_failed("cannot run '%s': %s%s", command->spawn.path,
                       strerror(error),
                       error == ENOEXEC ? " (a script needs a #! line)" : "");
}

struct pawl_verdict exec_job(const struct exec_command *command,
                             const struct pawl_job *job, struct pawl_run *run,
                             struct exec_report *report)
{
    struct exec e = {.command = command, .job = job, .run = run};
    struct exec_environment env;
    enum spawn_failure failure = SPAWN_NO_RESOURCES;
    int error = ENOMEM;
    memset(report, 0, sizeof *report);
    if (exec_environment_build(&env, job))
        failure = exec_start(&e, env.list, &error);
    exec_environment_clear(&env);
    report->stop = e.stop;
    if (failure != SPAWN_OK)
        return exec_refuse(command, failure, error, report);

    buf_init(&e.out, PAWL_RESULT_MAX);
    e.stop_fd = pawl_run_fd(run);
    exec_feed(&e);
    while (!e.ended)
        exec_step(&e);
    int status = exec_finish(&e);

    report->stop = e.stop;
    report->end = WIFEXITED(status) ? EXEC_EXITED : EXEC_KILLED;
    report->code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    struct pawl_verdict verdict = exec_judge(&e, report);
    buf_clear(&e.out);
    return verdict;
}
