/* exec.h - running a command for a job, from its start to a verdict.
 *
 * The payload goes to its standard input, its standard output is the result,
 * the end of its standard error the error, and its exit code the verdict:
 * 0 completed, 75 later without using up an attempt, 65 dead, else failed.
 */
#ifndef PAWL_CLI_EXEC_H
#define PAWL_CLI_EXEC_H

#include "pawl/worker.h"
#include "spawn.h"

#define EXEC_TERM_MS 5000 /* from SIGTERM to SIGKILL, when an attempt has to end */

enum { EXEC_EXIT_DEAD = 65, EXEC_EXIT_LATER = 75 }; /* EX_DATAERR, EX_TEMPFAIL */

struct exec_command {
    struct spawn_command spawn;
    bool echo; /* pass standard error on */
    /* Called, from any thread, each time no process or descriptor was to be had:
     * it is tried again until the attempt should stop, so that a machine in need
     * is not asked for more and no job is used up. */
    void (*shortage)(void *context, int error);
    void *context;
};

enum exec_end {
    EXEC_NOT_STARTED, /* no process was to be had until it was to stop */
    EXEC_NO_COMMAND,  /* it cannot be executed */
    EXEC_EXITED,
    EXEC_KILLED,
    EXEC_STOPPED /* it ended after we told it to stop */
};

/* What happened, for the worker's messages. */
struct exec_report {
    enum exec_end end;
    int code; /* errno, exit code or signal */
    enum pawl_stop_reason stop;
};

/* Blocks until the command and its process group are gone. */
struct pawl_verdict exec_job(const struct exec_command *command,
                             const struct pawl_job *job, struct pawl_run *run,
                             struct exec_report *report);

#endif
