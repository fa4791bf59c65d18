/* bench_child.c - see bench_child.h. */
#include "bench_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_ARGS 32

/* The command line of a role, in one block of text. */
struct child_args {
    char *argv[CHILD_ARGS];
    int argc;
    char text[12][24];
    int used;
};

static void child_arg(struct child_args *args, const char *option, long value)
{
    char *text = args->text[args->used++];
    snprintf(text, sizeof args->text[0], "%ld", value);
    args->argv[args->argc++] = (char *)option;
    args->argv[args->argc++] = text;
}

static void child_args(struct child_args *args, const char *role,
                       const struct bench_settings *set)
{
    memset(args, 0, sizeof *args);
    args->argv[args->argc++] = (char *)"pawl";
    args->argv[args->argc++] = (char *)"bench";
    args->argv[args->argc++] = (char *)role;
    child_arg(args, "--jobs", set->jobs);
    child_arg(args, "--payload", set->payload);
    child_arg(args, "--producers", set->producers);
    child_arg(args, "--in-flight", set->in_flight);
    child_arg(args, "--batch", set->batch);
    child_arg(args, "--concurrency", set->concurrency);
    child_arg(args, "--seconds", set->seconds);
    child_arg(args, "--pace", set->pace_ms);
}

/* Not spawn_start(): a benchmark's child speaks to our standard error itself and
 * is read line by line. Signals that the parent's guard thread waits for end it
 * as usual. Between fork and exec only what a signal handler might call, since
 * there are other threads. */
static int child_spawn(char **argv, int in, int out, pid_t *pid)
{
    /* By its path, not by the link itself: under valgrind that is valgrind. */
    char self[4096];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    sigset_t none;
    if (size < 0)
        return errno;
    self[size] = '\0';
    sigemptyset(&none);
    *pid = fork();
    if (*pid != 0)
        return *pid < 0 ? errno : 0;
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
        execv(self, argv);
    _exit(127);
}

int bench_child_start(const struct bench *bench, const char *role,
                      const struct bench_settings *set, struct bench_child *out)
{
    struct child_args args;
    struct bench_child child = {0};
    int to[2] = {-1, -1}, from[2] = {-1, -1};
    char line[64];
    child_args(&args, role, set);
    /* Not among the arguments, which everybody can read: it may have a password. */
    setenv("PAWL_URL", bench->cli->url, 1);
    int error = pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC) ? errno : 0;
    if (error == 0)
        error = child_spawn(args.argv, to[0], from[1], &child.pid);
    close(to[0]);
    close(from[1]);
    if (error) {
        close(to[1]);
        close(from[0]);
        return cli_failed(bench->cli, "cannot start a process: %s",
                          strerror(error));
    }
    child.to = fdopen(to[1], "w");
    child.from = fdopen(from[0], "r");
    if (!child.to || !child.from || !fgets(line, sizeof line, child.from) ||
        strcmp(line, "READY\n") != 0) {
        bench_child_kill(&child);
        return cli_failed(bench->cli, "the %s process did not start", role + 1);
    }
    *out = child;
    return CLI_DONE;
}

void bench_child_go(struct bench_child *child)
{
    fputs("GO\n", child->to);
    fflush(child->to);
}

int bench_child_end(const struct bench *bench, struct bench_child *child,
                    struct bench_answer *out)
{
    char line[512] = "";
    int state = 0;
    json_int_t count = 0, from_ns = 0, to_ns = 0;
    if (!fgets(line, sizeof line, child->from))
        line[0] = '\0';
    while (waitpid(child->pid, &state, 0) < 0 && errno == EINTR)
        continue;
    child->pid = 0;
    bench_child_kill(child);
    if (state != 0) /* it has told why */
        return WIFEXITED(state) ? WEXITSTATUS(state) : CLI_FAILED;
    json_t *json = json_loads(line, 0, NULL);
    int bad = json_unpack(json, "{s:I, s:I, s:I, s?F, s?F}", "count", &count,
                          "from_ns", &from_ns, "to_ns", &to_ns, "p50_us",
                          &out->p50_us, "p99_us", &out->p99_us);
    json_decref(json);
    if (bad)
        return cli_failed(bench->cli, "a process gave no answer");
    out->span = (struct bench_span){(long)count, from_ns, to_ns};
    return CLI_DONE;
}

void bench_child_kill(struct bench_child *child)
{
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
    }
    if (child->to)
        fclose(child->to);
    if (child->from)
        fclose(child->from);
    *child = (struct bench_child){0};
}

int bench_child_ready(const struct bench *bench)
{
    char line[16];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    puts("READY");
    int code = cli_flush(bench->cli);
    if (code == CLI_DONE && !fgets(line, sizeof line, stdin))
        code = CLI_FAILED;
    return code;
}
