/* new_job.h - checking what a program wants enqueued, and filling in defaults.
 */
#ifndef PAWL_CORE_NEW_JOB_H
#define PAWL_CORE_NEW_JOB_H

#include "pawl.h"

#define DEFAULT_QUEUE "default"
#define DEFAULT_PRIORITY 5
#define DEFAULT_ATTEMPTS 3

/* *out becomes *in with defaults filled in and an id; its pointers are in's. A
 * backoff left at zero stays so: backoff_delay() knows what it means.
 * PAWL_EINVAL: the message names the field, the value and the rule. */
enum pawl_status new_job_normalise(const struct pawl *pawl,
                                   const struct pawl_new_job *in,
                                   struct pawl_new_job *out,
                                   struct pawl_error *err);

/* Bytes that new_job_copy needs beside the struct itself. */
size_t new_job_extra(const struct pawl_new_job *job);
/* *to becomes *from with everything it points to copied to `extra`; returns the
 * end of what was used there. */
char *new_job_copy(struct pawl_new_job *to, const struct pawl_new_job *from,
                   char *extra);

#endif
