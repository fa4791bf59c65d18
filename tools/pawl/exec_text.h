/* exec_text.h - what goes into a command and what comes out of it, as text: its
 * environment, the end of its standard error, the verdict's words. */
#ifndef PAWL_CLI_EXEC_TEXT_H
#define PAWL_CLI_EXEC_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "exec.h"
#include "util/buf.h"

#define EXEC_VARIABLES 6
#define EXEC_VARIABLE_MAX (PAWL_NAME_MAX + 32)

/* Ours plus PAWL_ID, PAWL_QUEUE, PAWL_TYPE, PAWL_ATTEMPT, PAWL_MAX_ATTEMPTS and
 * PAWL_EPOCH of the job. Do not copy: the list points into it. */
struct exec_environment {
    char **list;
    char text[EXEC_VARIABLES][EXEC_VARIABLE_MAX];
};
/* False when memory is out. Clear it in any case. */
bool exec_environment_build(struct exec_environment *env,
                            const struct pawl_job *job);
void exec_environment_clear(struct exec_environment *env);

/* The last PAWL_ERROR_MAX bytes, at least, of what was added. */
struct exec_tail {
    char bytes[2 * PAWL_ERROR_MAX];
    size_t len;
};
void exec_tail_add(struct exec_tail *tail, const char *bytes, size_t n);

/* Completed with the output, which is taken over. */
struct pawl_verdict exec_text_done(struct buf *output);
/* Failed or dead with the end of standard error and how the command ended:
 * "no such user (exit status 1)", "killed by signal 9 (Killed)". Of a command that was
 * told to stop only its words: the worker knows why. */
struct pawl_verdict exec_text_verdict(enum pawl_verdict_kind kind,
                                      const struct exec_tail *tail,
                                      const struct exec_report *report);

#endif
