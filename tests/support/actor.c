/* actor.c - starting, watching and killing helper programs.
 *
 * An actor gets a death signal, so that a test that fails half-way (Check ends
 * its process) leaves none behind, stopped ones included.
 */
#include "actor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void print_line(const char *prefix, const char *format, va_list list)
{
    char line[512];
    int n = snprintf(line, sizeof line, "%s", prefix);
    n += vsnprintf(line + n, sizeof line - (size_t)n - 1, format, list);
    size_t length = (size_t)n < sizeof line - 2 ? (size_t)n : sizeof line - 2;
    line[length] = '\n';
    if (write(STDOUT_FILENO, line, length + 1) < 0)
        abort();
}

void say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print_line("# ", format, list);
    va_end(list);
}

_Noreturn void give_up(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print_line("# given up: ", format, list);
    va_end(list);
    exit(99);
}

int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void sleep_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        continue;
}

uint64_t env_number(const char *name, uint64_t usual, uint64_t thorough)
{
    const char *text = getenv(name), *longer = getenv("PAWL_TEST_LONG");
    char *end;
    if (!text || !*text)
        return longer && *longer ? thorough : usual;
    uint64_t number = strtoull(text, &end, 10);
    if (*end)
        give_up("$%s is no number: '%s'", name, text);
    return number;
}

uint64_t test_seed(void)
{
    uint64_t fresh = (uint64_t)now_us() * 1000003 + (uint64_t)getpid();
    uint64_t seed = env_number("PAWL_SEED", fresh % 1000000000,
                               fresh % 1000000000);
    say("PAWL_SEED=%llu", (unsigned long long)seed);
    return seed;
}

uint64_t seeded(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* After the fork: only what may be called there. Signals are still blocked: the
 * handlers of Check, which would end the test, must go first. */
static _Noreturn void become(const char *const *argv, int out, pid_t parent)
{
    struct sigaction usual = { .sa_handler = SIG_DFL };
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &usual, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || dup2(out, STDOUT_FILENO) < 0)
        _exit(126);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* exec wants char *const *, though it changes nothing. */
    char *const *words;
    memcpy(&words, &argv, sizeof words);
    execv(argv[0], words);
    _exit(127);
}

void actor_start(struct actor *actor, const char *const *argv)
{
    int ends[2];
    sigset_t all, before;
    pid_t parent = getpid();
    if (pipe2(ends, O_CLOEXEC) < 0)
        give_up("pipe: %s", strerror(errno));
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid_t pid = fork();
    if (pid < 0)
        give_up("fork: %s", strerror(errno));
    if (pid == 0)
        become(argv, ends[1], parent);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    actor->pid = pid;
    actor->out = ends[0];
    actor->length = 0;
}

/* Read more of what it prints; false at the end or after `ms`. */
static bool read_more(struct actor *actor, int ms)
{
    struct pollfd poller = { .fd = actor->out, .events = POLLIN };
    int ready = poll(&poller, 1, ms);
    if (ready == 0)
        give_up("process %d says nothing for %d ms", (int)actor->pid, ms);
    ssize_t n = read(actor->out, actor->text + actor->length,
                     sizeof actor->text - actor->length);
    if (n > 0)
        actor->length += (size_t)n;
    return n > 0;
}

bool actor_line(struct actor *actor, char *line, size_t size)
{
    for (;;) {
        char *end = memchr(actor->text, '\n', actor->length);
        if (end) {
            size_t length = (size_t)(end - actor->text);
            snprintf(line, size, "%.*s", (int)length, actor->text);
            actor->length -= length + 1;
            memmove(actor->text, end + 1, actor->length);
            return true;
        }
        if (actor->length == sizeof actor->text)
            give_up("process %d prints endless lines", (int)actor->pid);
        if (!read_more(actor, ACTOR_PATIENCE))
            return false;
    }
}

void actor_expect(struct actor *actor, const char *text)
{
    char line[sizeof actor->text];
    if (!actor_line(actor, line, sizeof line))
        give_up("process %d ended before it said '%s'", (int)actor->pid, text);
    if (strncmp(line, text, strlen(text)) != 0)
        give_up("process %d said '%s', not '%s'", (int)actor->pid, line, text);
}

bool actor_alive(const struct actor *actor)
{
    siginfo_t info = { 0 };
    return actor->pid > 0 &&
           waitid(P_PID, (id_t)actor->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
}

void actor_signal(const struct actor *actor, int number)
{
    if (actor->pid > 0)
        kill(actor->pid, number);
}

void actor_await_stop(const struct actor *actor)
{
    int status;
    int64_t until = now_us() + ACTOR_PATIENCE * INT64_C(1000);
    while (now_us() < until) {
        pid_t pid = waitpid(actor->pid, &status, WUNTRACED | WNOHANG);
        if (pid == actor->pid && WIFSTOPPED(status))
            return;
        if (pid == actor->pid)
            give_up("process %d ended instead of stopping", (int)pid);
        sleep_ms(1);
    }
    give_up("process %d does not stop", (int)actor->pid);
}

static void forget(struct actor *actor)
{
    if (actor->out >= 0)
        close(actor->out);
    actor->out = -1;
    actor->pid = 0;
}

int actor_wait(struct actor *actor, int ms)
{
    int status;
    int64_t until = now_us() + ms * INT64_C(1000);
    if (actor->pid <= 0)
        give_up("waiting for a process that was never started");
    for (;;) {
        pid_t pid = waitpid(actor->pid, &status, WNOHANG);
        if (pid == actor->pid)
            break;
        if (pid < 0)
            give_up("waitpid: %s", strerror(errno));
        if (now_us() >= until)
            return ACTOR_TIMED_OUT;
        /* A full pipe would keep it from ending. */
        struct pollfd poller = { .fd = actor->out, .events = POLLIN };
        if (poll(&poller, 1, 1) == 1 &&
            read(actor->out, actor->text, sizeof actor->text) <= 0)
            sleep_ms(1);
    }
    forget(actor);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void actor_kill(struct actor *actor)
{
    if (actor->pid <= 0)
        return;
    kill(actor->pid, SIGKILL);
    while (waitpid(actor->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    forget(actor);
}
