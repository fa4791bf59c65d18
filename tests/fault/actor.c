/* actor.c - the helper program: finds its role and plays it. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "actor.h"
#include "history.h"
#include "role.h"

const char *arg_text(const struct role_args *args, const char *name,
                     const char *otherwise)
{
    size_t length = strlen(name);
    for (char **word = args->words; *word; word++) {
        if (strncmp(*word, name, length) == 0 && (*word)[length] == '=')
            return *word + length + 1;
    }
    return otherwise;
}

long arg_number(const struct role_args *args, const char *name, long otherwise)
{
    char *end;
    const char *text = arg_text(args, name, NULL);
    if (!text)
        return otherwise;
    long number = strtol(text, &end, 10);
    if (end == text || *end)
        give_up("%s=%s is no number", name, text);
    return number;
}

struct pawl *arg_open(const struct role_args *args)
{
    struct pawl_error err = { 0 };
    struct pawl *pawl = NULL;
    struct pawl_options options = PAWL_OPTIONS_INIT;
    options.deadline = arg_number(args, "deadline", 0);
    /* The tests count what is there: nothing may be trimmed. */
    options.keep = (struct pawl_queue_keep){ -1, -1, -1, -1, -1, -1 };
    if (pawl_open(arg_text(args, "url", NULL), &options, &pawl, &err) != PAWL_OK)
        give_up("cannot open: %s", err.message);
    return pawl;
}

int arg_history(const struct role_args *args)
{
    const char *path = arg_text(args, "history", NULL);
    if (!path)
        give_up("this role needs history=");
    return history_open(path);
}

void tell(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    putchar('\n');
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        role_fn *play;
    } roles[] = {
        { "produce", role_produce }, { "work", role_work },
        { "both", role_both },       { "hold", role_hold },
        { "zombie", role_zombie },   { "fork", role_fork },
        { "parent", role_parent },   { "tidy", role_tidy },
        { "migrate", role_migrate },
        { "outage_fill", role_outage_fill },
        { "outage_drain", role_outage_drain },
        { "wait_drained", role_wait_drained },
    };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Before any thread is there: the roles wait for it by sigwait. */
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    for (size_t i = 0; argc > 1 && i < sizeof roles / sizeof roles[0]; i++) {
        if (strcmp(argv[1], roles[i].name) != 0)
            continue;
        roles[i].play(&(struct role_args){ .words = argv + 2 });
        return 0;
    }
    give_up("no such role");
}
