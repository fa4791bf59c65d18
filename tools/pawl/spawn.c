/* spawn.c - see spawn.h.
 *
 * The parent has threads, so between fork and execve only async-signal-safe
 * functions may run: everything that needs memory is prepared before. If
 * execve fails the child sends its errno through a pipe that a successful
 * execve closes.
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- finding the command --------------------------------------------------------- */

static int spawn_executable(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno == EACCES ? EACCES : ENOENT;
    return S_ISREG(st.st_mode) && access(path, X_OK) == 0 ? 0 : EACCES;
}

int spawn_find(const char *name, char **path)
{
    const char *folders = getenv("PATH");
    int error = ENOENT;
    if (strchr(name, '/')) {
        error = spawn_executable(name);
        *path = error ? NULL : strdup(name);
        return error ? error : *path ? 0 : ENOMEM;
    }
    if (!folders || !*folders)
        folders = "/usr/bin:/bin";
    for (const char *p = folders; p && *name; p = *p ? p + 1 : NULL) {
        char *candidate = NULL;
        int n = (int)strcspn(p, ":");
        if (asprintf(&candidate, "%.*s/%s", n ? n : 1, n ? p : ".", name) < 0)
            return ENOMEM;
        int found = spawn_executable(candidate);
        if (found == 0) {
            *path = candidate;
            return 0;
        }
        free(candidate);
        error = found == EACCES ? EACCES : error;
        p += n;
    }
    return error;
}

/* --- in the child ------------------------------------------------------------------ */

struct spawn_pipes {
    int in[2], out[2], err[2], status[2]; /* [0] is read, [1] is written */
};

/* Nothing our parent ignores or blocks may reach a command that does not expect
 * it: with SIGPIPE ignored, "yes | head" would not end. */
static void spawn_reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Descriptors 0, 1, 2 become the pipes, 3 the way to tell of failure; all others
 * go. They were all above 2, so no dup2 hits one that is still needed. */
static bool spawn_arrange(const struct spawn_pipes *pipes, rlim_t fd_limit)
{
    if (dup2(pipes->in[0], 0) < 0 || dup2(pipes->out[1], 1) < 0 ||
        dup2(pipes->err[1], 2) < 0)
        return false;
    if (pipes->status[1] != 3 && dup2(pipes->status[1], 3) < 0)
        return false;
    if (fcntl(3, F_SETFD, FD_CLOEXEC) != 0)
        return false;
    if (close_range(4, ~0U, 0) != 0)
        for (int fd = 4; (rlim_t)fd < fd_limit; fd++)
            close(fd);
    return true;
}

_Noreturn static void spawn_child_main(const struct spawn_command *command,
                                       char *const *envp,
                                       const struct spawn_pipes *pipes,
                                       rlim_t fd_limit, pid_t parent)
{
    int tell = pipes->status[1], error;
    setpgid(0, 0);
    if (spawn_arrange(pipes, fd_limit)) {
        tell = 3;
        spawn_reset_signals();
        if (command->restore_nofile)
            setrlimit(RLIMIT_NOFILE, &command->nofile);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) /* it died before prctl */
            _exit(127);
        execve(command->path, command->argv, envp);
    }
    error = errno;
    if (write(tell, &error, sizeof error) < 0)
        _exit(126);
    _exit(127);
}

/* --- in the parent ------------------------------------------------------------------- */

static void spawn_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void spawn_close_pipes(struct spawn_pipes *pipes)
{
    int *ends[] = {pipes->in, pipes->out, pipes->err, pipes->status};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        spawn_close_fd(&ends[i][0]);
        spawn_close_fd(&ends[i][1]);
    }
}

static int spawn_open_pipes(struct spawn_pipes *pipes)
{
    int *ours[] = {&pipes->in[1], &pipes->out[0], &pipes->err[0]};
    if (pipe2(pipes->in, O_CLOEXEC) != 0 || pipe2(pipes->out, O_CLOEXEC) != 0 ||
        pipe2(pipes->err, O_CLOEXEC) != 0 ||
        pipe2(pipes->status, O_CLOEXEC) != 0)
        return errno;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (fcntl(*ours[i], F_SETFL, O_NONBLOCK) != 0)
            return errno;
    return 0;
}

/* 0 once the command runs, or the errno the child sent. */
static int spawn_wait_for_exec(int status)
{
    int error = 0;
    ssize_t n;
    do
        n = read(status, &error, sizeof error);
    while (n < 0 && errno == EINTR);
    return n == sizeof error ? error : 0;
}

static void spawn_reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

/* execve reports these when the machine, and not the command, is at fault. */
static enum spawn_failure spawn_blame(int error)
{
    return error == ENOMEM || error == ENFILE || error == EMFILE ||
                   error == EAGAIN || error == EIO
               ? SPAWN_NO_RESOURCES
               : SPAWN_NO_COMMAND;
}

enum spawn_failure spawn_start(const struct spawn_command *command,
                               char *const *envp, struct spawn_child *out,
                               int *error)
{
    struct spawn_pipes pipes = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    struct rlimit limit = {.rlim_cur = 1024};
    pid_t parent = getpid(), pid = -1;
    enum spawn_failure failure = SPAWN_NO_RESOURCES;
    getrlimit(RLIMIT_NOFILE, &limit);
    *error = spawn_open_pipes(&pipes);
    if (*error)
        goto out;
    pid = fork();
    if (pid == 0)
        spawn_child_main(command, envp, &pipes, limit.rlim_cur, parent);
    *error = pid < 0 ? errno : 0;
    if (*error)
        goto out;
    setpgid(pid, pid); /* whoever comes first; the other one fails, no matter */
    spawn_close_fd(&pipes.status[1]);
    *error = spawn_wait_for_exec(pipes.status[0]);
    if (*error) {
        spawn_reap(pid);
        failure = spawn_blame(*error);
        goto out;
    }
    *out = (struct spawn_child){.pid = pid, .pidfd = pidfd_open(pid, 0),
                                .in = pipes.in[1], .out = pipes.out[0],
                                .err = pipes.err[0]};
    pipes.in[1] = pipes.out[0] = pipes.err[0] = -1;
    failure = SPAWN_OK;
out:
    spawn_close_pipes(&pipes);
    return failure;
}

void spawn_close(struct spawn_child *child)
{
    spawn_close_fd(&child->pidfd);
    spawn_close_fd(&child->in);
    spawn_close_fd(&child->out);
    spawn_close_fd(&child->err);
}
