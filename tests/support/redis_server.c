/* redis_server.c - see redis_server.h.
 *
 * What a server is started with is all in redis.conf in its folder, so that it
 * can be looked at after a failure and run again as it was. */
#include "redis_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

#define LOG_TAIL 3000
#define REPLY_PATIENCE 20 /* s until a silent server is a failure */

/* --- failing ---------------------------------------------------------------------- */

static void show_log(const struct redis_server *s)
{
    char path[300], text[LOG_TAIL + 1];
    snprintf(path, sizeof path, "%s/log", s->folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    off_t end = lseek(fd, 0, SEEK_END);
    lseek(fd, end > LOG_TAIL ? end - LOG_TAIL : 0, SEEK_SET);
    ssize_t size = read(fd, text, LOG_TAIL);
    close(fd);
    if (size <= 0)
        return;
    text[size] = '\0';
    dprintf(STDERR_FILENO, "# %s ends with:\n", path);
    char *next = text;
    for (char *line = strsep(&next, "\n"); line != NULL; line = strsep(&next, "\n"))
        dprintf(STDERR_FILENO, "#   %s\n", line);
}

/* _exit: buffered output of a forked test is its parent's too. */
_Noreturn static void fail(const struct redis_server *s, const char *what,
                           const char *why)
{
    dprintf(STDERR_FILENO, "# redis server on port %d, in %s: %s: %s\n", s->port,
            s->folder, what, why);
    show_log(s);
    _exit(1);
}

static void pause_ms(long ms)
{
    struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&time, NULL);
}

void redis_await(bool (*holds)(void *context), void *context, const char *what)
{
    int64_t until = clock_mono_ns() + REDIS_SERVER_PATIENCE * INT64_C(1000000);
    while (!holds(context)) {
        if (clock_mono_ns() > until) {
            dprintf(STDERR_FILENO, "# waited for this in vain: %s\n", what);
            _exit(1);
        }
        pause_ms(5);
    }
}

/* --- a place to live ---------------------------------------------------------------- */

/* Binding without SO_REUSEADDR finds a port nobody has; setting it afterwards
 * lets the server, who sets it too, bind the same while this socket, which never
 * listens, keeps all others away: a bind() to port 0, and a connect()'s own port,
 * pass over it. */
static int reserve_port(const struct redis_server *s, int *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof address;
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0)
        fail(s, "a free port", strerror(errno));
    *port = ntohs(address.sin_port);
    return fd;
}

void redis_server_prepare(struct redis_server *s)
{
    struct temp_dir folder;
    memset(s, 0, sizeof *s);
    s->keeper = getpid();
    temp_dir_make(&folder);
    snprintf(s->folder, sizeof s->folder, "%s", folder.path);
    snprintf(s->socket, sizeof s->socket, "%s/redis.sock", folder.path);
    s->reserved[0] = reserve_port(s, &s->port);
    s->reserved[1] = reserve_port(s, &s->bus_port);
    snprintf(s->url, sizeof s->url, "redis://127.0.0.1:%d/0", s->port);
    snprintf(s->unix_url, sizeof s->unix_url, "redis+unix://%s", s->socket);
    redis_server_config(s, "bind 127.0.0.1");
    redis_server_config(s, "unixsocket %s", s->socket);
    redis_server_config(s, "unixsocketperm 700");
    redis_server_config(s, "dir %s", s->folder);
    redis_server_config(s, "logfile %s/log", s->folder);
    redis_server_config(s, "daemonize no");
    redis_server_config(s, "save \"\"");
    redis_server_config(s, "enable-debug-command local");
}

void redis_server_config(struct redis_server *s, const char *format, ...)
{
    char path[300];
    va_list args;
    snprintf(path, sizeof path, "%s/redis.conf", s->folder);
    FILE *file = fopen(path, "ae");
    if (file == NULL)
        fail(s, path, strerror(errno));
    va_start(args, format);
    vfprintf(file, format, args);
    va_end(args);
    fputc('\n', file);
    if (fclose(file) != 0)
        fail(s, path, strerror(errno));
}

/* "--name" begins a line; what follows is quoted, as a value may be empty. */
void redis_server_options(struct redis_server *s, const char *const *options)
{
    char line[4096];
    while (options != NULL && *options != NULL) {
        int used = snprintf(line, sizeof line, "%s", *options++ + 2);
        while (*options != NULL && strncmp(*options, "--", 2) != 0 &&
               used < (int)sizeof line)
            used += snprintf(line + used, sizeof line - (size_t)used, " \"%s\"",
                             *options++);
        if (used >= (int)sizeof line)
            fail(s, "options", "a line is too long");
        redis_server_config(s, "%s", line);
    }
}

/* --- running ---------------------------------------------------------------------------- */

/* In the child: no allocation, no locks. */
_Noreturn static void become_server(const struct redis_server *s, pid_t parent,
                                    const char *program, const char *config,
                                    const char *output)
{
    sigset_t none;
    int in = open("/dev/null", O_RDONLY);
    int out = open(output, O_WRONLY | O_CREAT | O_APPEND, 0600);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* It may have ended between fork() and prctl(). */
    if (getppid() != parent)
        _exit(1);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execlp(program, program, config, s->sentinel ? "--sentinel" : NULL,
           (char *)NULL);
    dprintf(STDERR_FILENO, "%s: %s (tools/setup.sh --test installs it)\n", program,
            strerror(errno));
    _exit(127);
}

/* Has it ended? Then it is waited for. */
static bool ended(struct redis_server *s)
{
    return waitpid(s->pid, NULL, WNOHANG) == s->pid;
}

static redisContext *reach(const struct redis_server *s)
{
    struct timeval patience = { REPLY_PATIENCE, 0 };
    redisContext *link = redisConnectUnixWithTimeout(s->socket, patience);
    if (link == NULL || link->err != 0) {
        redisFree(link);
        return NULL;
    }
    redisSetTimeout(link, patience);
    return link;
}

/* Loading its data is not answering yet; wanting a password is. */
static bool answers(const struct redis_server *s)
{
    redisContext *link = reach(s);
    if (link == NULL)
        return false;
    redisReply *reply = redisCommand(link, "PING");
    bool yes = reply != NULL && (reply->type != REDIS_REPLY_ERROR ||
                                 strncmp(reply->str, "LOADING", 7) != 0);
    freeReplyObject(reply);
    redisFree(link);
    return yes;
}

void redis_server_run(struct redis_server *s)
{
    char config[300], output[300];
    const char *program = getenv("PAWL_TEST_REDIS_SERVER");
    if (program == NULL || *program == '\0')
        program = "redis-server";
    snprintf(config, sizeof config, "%s/redis.conf", s->folder);
    snprintf(output, sizeof output, "%s/log", s->folder);
    pid_t parent = getpid();
    if (s->keeper != parent)
        fail(s, "run", "only the process that started it can run it again");
    unlink(s->socket); /* of a killed one: nobody would answer there */
    s->pid = fork();
    if (s->pid < 0)
        fail(s, "fork", strerror(errno));
    if (s->pid == 0)
        become_server(s, parent, program, config, output);

    int64_t until = clock_mono_ns() + REDIS_SERVER_PATIENCE * INT64_C(1000000);
    while (!answers(s)) {
        if (ended(s))
            fail(s, "start", "it ended");
        if (clock_mono_ns() > until)
            fail(s, "start", "it does not answer");
        pause_ms(2);
    }
}

void redis_server_start(struct redis_server *s, const char *const *options)
{
    redis_server_prepare(s);
    redis_server_config(s, "port %d", s->port);
    redis_server_options(s, options);
    redis_server_run(s);
}

void redis_server_signal(const struct redis_server *s, int number)
{
    if (s->pid <= 0 || kill(s->pid, number) != 0)
        fail(s, "signal", s->pid <= 0 ? "it does not run" : strerror(errno));
}

void redis_server_kill(struct redis_server *s)
{
    if (s->keeper != getpid())
        fail(s, "kill", "only the process that started it can");
    if (s->pid <= 0)
        return;
    kill(s->pid, SIGKILL);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    s->pid = 0;
}

void redis_server_again(struct redis_server *s)
{
    redis_server_kill(s);
    redis_server_run(s);
}

void redis_server_stop(struct redis_server *s)
{
    struct temp_dir folder;
    if (s->keeper != getpid())
        return;
    redis_server_kill(s);
    close(s->reserved[0]);
    close(s->reserved[1]);
    snprintf(folder.path, sizeof folder.path, "%s", s->folder);
    temp_dir_remove(&folder);
    memset(s, 0, sizeof *s);
}

/* --- asking -------------------------------------------------------------------------------- */

static redisContext *log_in(struct redis_server *s)
{
    redisContext *link = reach(s);
    if (link == NULL)
        fail(s, "ask", "cannot connect");
    if (s->password[0] == '\0')
        return link;
    redisReply *reply = redisCommand(link, "AUTH tester %s", s->password);
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
        fail(s, "AUTH tester", reply == NULL ? link->errstr : reply->str);
    freeReplyObject(reply);
    return link;
}

static redisReply *ask(struct redis_server *s, bool errors_too, const char *format,
                       va_list args)
{
    redisContext *link = log_in(s);
    redisReply *reply = redisvCommand(link, format, args);
    if (reply == NULL)
        fail(s, format, link->errstr);
    if (reply->type == REDIS_REPLY_ERROR && !errors_too)
        fail(s, format, reply->str);
    redisFree(link);
    return reply;
}

redisReply *redis_server_ask(struct redis_server *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = ask(s, false, format, args);
    va_end(args);
    return reply;
}

redisReply *redis_server_try(struct redis_server *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = ask(s, true, format, args);
    va_end(args);
    return reply;
}

void redis_server_do(struct redis_server *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    freeReplyObject(ask(s, false, format, args));
    va_end(args);
}

long long redis_server_number(struct redis_server *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = ask(s, false, format, args);
    va_end(args);
    if (reply->type != REDIS_REPLY_INTEGER)
        fail(s, format, "the answer is no number");
    long long number = reply->integer;
    freeReplyObject(reply);
    return number;
}

/* A server that changes its role cuts its connections: then it is not known. */
bool redis_server_info_is(struct redis_server *s, const char *name,
                          const char *value)
{
    char line[256];
    snprintf(line, sizeof line, "\n%s:%s\r\n", name, value);
    redisContext *link = log_in(s);
    redisReply *reply = redisCommand(link, "INFO everything");
    bool yes = reply != NULL && reply->type == REDIS_REPLY_STRING &&
               strstr(reply->str, line) != NULL;
    freeReplyObject(reply);
    redisFree(link);
    return yes;
}
