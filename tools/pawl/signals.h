/* signals.h - SIGTERM and SIGINT stop a worker, in order.
 *
 * They are blocked before any other thread exists and read from a descriptor by
 * one thread of ours, where everything may be called. The first one lets running
 * jobs finish within the grace; the second one ends the grace.
 */
#ifndef PAWL_CLI_SIGNALS_H
#define PAWL_CLI_SIGNALS_H

#include <pthread.h>
#include <stdbool.h>

#include "cli.h"

struct signals {
    const struct cli *cli;
    struct pawl_worker *worker;
    int fd;   /* signals arrive here */
    int done; /* readable: the thread shall end */
    bool started;
    pthread_t thread;
};

/* Block the signals. Call it while there is one thread. 0 or an errno. */
int signals_block(struct signals *signals, const struct cli *cli);
/* From now on they stop the worker. One that came before does at once. */
int signals_start(struct signals *signals, struct pawl_worker *worker);
/* Before the worker is closed. Also after a failure of the others. */
void signals_end(struct signals *signals);

#endif
