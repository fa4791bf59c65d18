/* enqueue_put.h - jobs are stored, and their ids printed.
 *
 * The id goes to standard output once the job is durable, and not before. An
 * answer that was lost (PAWL_EUNKNOWN) is asked for again with the same id,
 * which can never make a second job.
 */
#ifndef PAWL_CLI_ENQUEUE_PUT_H
#define PAWL_CLI_ENQUEUE_PUT_H

#include "cli.h"

/* A job like this one, with that payload. The exit code. */
int enqueue_put_one(struct cli *cli, const struct pawl_new_job *like,
                    const void *payload, size_t size);
/* They get the ids they were sent with. results[count] is written. The exit code. */
int enqueue_put_many(struct cli *cli, struct pawl_new_job *jobs, size_t count,
                     struct pawl_put_result *results);

#endif
