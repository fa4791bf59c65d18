/* signals.c - see signals.h. */
#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "util/thread.h"

/* SIGHUP counts too, unless nohup said that it shall not. */
static void signals_choose(sigset_t *set)
{
    struct sigaction hangup;
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaddset(set, SIGHUP);
}

int signals_block(struct signals *signals, const struct cli *cli)
{
    sigset_t set;
    *signals = (struct signals){.cli = cli, .fd = -1, .done = -1};
    signals_choose(&set);
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error)
        return error;
    signals->fd = signalfd(-1, &set, SFD_CLOEXEC);
    signals->done = eventfd(0, EFD_CLOEXEC);
    return signals->fd < 0 || signals->done < 0 ? errno : 0;
}

static void *signals_run(void *arg)
{
    struct signals *signals = arg;
    struct pollfd fds[] = {{.fd = signals->fd, .events = POLLIN},
                           {.fd = signals->done, .events = POLLIN}};
    for (int seen = 0; !fds[1].revents;) {
        struct signalfd_siginfo info;
        if (poll(fds, 2, -1) < 0 || !fds[0].revents)
            continue;
        if (read(signals->fd, &info, sizeof info) != sizeof info)
            continue;
        pawl_worker_stop(signals->worker);
        cli_note(signals->cli, seen++ ? "stopping at once"
                                      : "stopping when the running jobs are "
                                        "done; again to stop at once");
    }
    return NULL;
}

int signals_start(struct signals *signals, struct pawl_worker *worker)
{
    signals->worker = worker;
    int error = thread_start(&signals->thread, signals_run, signals,
                             "pawl-signals");
    signals->started = error == 0;
    return error;
}

void signals_end(struct signals *signals)
{
    uint64_t one = 1;
    if (signals->started &&
        write(signals->done, &one, sizeof one) == sizeof one)
        pthread_join(signals->thread, NULL);
    if (signals->fd >= 0)
        close(signals->fd);
    if (signals->done >= 0)
        close(signals->done);
    *signals = (struct signals){.fd = -1, .done = -1};
}
