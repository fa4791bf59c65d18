/* bench_store.c - where a benchmark keeps its jobs.
 *
 * Without --url that is a folder of its own on a real disk: $TMPDIR, else
 * /var/tmp, since /tmp is memory on many machines and would flatter every
 * number. It is removed at the end, whatever the end is. A store that the user
 * names must hold no jobs and is left as it was found.
 */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char store_folder[1000]; /* "" when there is none */

void bench_store_remove(void)
{
    DIR *folder = store_folder[0] ? opendir(store_folder) : NULL;
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2)
            unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    rmdir(store_folder);
    store_folder[0] = '\0';
}

static void *store_guard(void *arg)
{
    const sigset_t *signals = arg;
    int number = 0;
    sigwait(signals, &number);
    bench_store_remove();
    _exit(128 + number);
}

/* A thread waits for the signals, so that it may do what a handler may not. */
static int store_guard_start(const struct cli *cli)
{
    static sigset_t signals;
    pthread_t thread;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    int error = pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (error == 0)
        error = pthread_create(&thread, NULL, store_guard, &signals);
    if (error)
        return cli_failed(cli, "cannot start a thread: %s", strerror(error));
    pthread_detach(thread);
    return CLI_DONE;
}

int bench_store_make(const struct cli *cli, const char *durability,
                     char url[BENCH_URL_MAX])
{
    const char *base = getenv("TMPDIR");
    if (!base || !base[0])
        base = "/var/tmp";
    if (strchr(base, '?') || strlen(base) > sizeof store_folder - 32)
        return cli_failed(cli, "the folder '%.100s' cannot be part of a URL; "
                               "set TMPDIR to another one", base);
    int code = store_guard_start(cli);
    if (code != CLI_DONE)
        return code;
    char folder[sizeof store_folder];
    snprintf(folder, sizeof folder, "%s/pawl-bench-XXXXXX", base);
    if (!mkdtemp(folder))
        return cli_failed(cli, "cannot make a folder in '%.200s': %s; set TMPDIR "
                               "to a folder on a disk", base, strerror(errno));
    memcpy(store_folder, folder, sizeof folder);
    snprintf(url, BENCH_URL_MAX, "sqlite:%s/pawl.db%s%s", folder,
             durability ? "?durability=" : "", durability ? durability : "");
    return CLI_DONE;
}

int bench_store_empty(const struct cli *cli)
{
    struct pawl_stats *stats = NULL;
    struct pawl_error err = {0};
    uint64_t jobs = 0;
    enum pawl_status status = pawl_stats(cli->pawl, NULL, &stats, &err);
    if (status != PAWL_OK)
        return cli_error(cli, status, &err);
    for (size_t i = 0; i < stats->queue_count; i++)
        for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
            jobs += stats->queues[i].jobs[state];
    bool away = stats->mode != PAWL_MODE_PRIMARY;
    pawl_stats_free(stats);
    if (away) {
        cli_note(cli, "%.500s is away, or not yet done with a spool: that would be "
                      "measured instead", pawl_where(cli->pawl));
        return CLI_UNREACHABLE;
    }
    if (jobs > 0)
        return cli_failed(cli, "'%.500s' holds %llu jobs; a benchmark wants an "
                               "empty store",
                          pawl_where(cli->pawl), (unsigned long long)jobs);
    return CLI_DONE;
}

int bench_store_clean(const struct cli *cli)
{
    static const char *const queues[] = {BENCH_QUEUE, BENCH_BACKLOG_QUEUE};
    const struct pawl_alteration what = {.action = PAWL_ACTION_REMOVE};
    struct pawl_error err = {0};
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++) {
        struct pawl_filter filter = {.queue = queues[i]};
        struct pawl_stats *stats = NULL;
        size_t changed = 0;
        /* A move makes its queue; one that was not used is not to be made. */
        enum pawl_status status = pawl_stats(cli->pawl, queues[i], &stats, &err);
        pawl_stats_free(stats);
        if (status == PAWL_OK)
            status = pawl_alter_where(cli->pawl, &what, &filter, &changed, &err);
        if (status < 0)
            return cli_error(cli, status, &err);
    }
    return CLI_DONE;
}
