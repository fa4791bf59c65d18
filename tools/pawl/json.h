/* json.h - jobs as JSON, with the same keys everywhere. */
#ifndef PAWL_CLI_JSON_H
#define PAWL_CLI_JSON_H

#include <jansson.h>

#include "pawl/admin.h"

/* A new object, or NULL when memory is out. Times are ms since the epoch; what
 * is unset has no key. Payload and result are text, or base64 under
 * "payload_base64" and "result_base64" when they are not UTF-8. */
json_t *json_job(const struct pawl_job *job);
/* The same with all that pawl import wants to know of it. */
json_t *json_job_whole(const struct pawl_job *job);
/* One queue's counts. */
json_t *json_queue_stats(const struct pawl_queue_stats *stats);
/* What it was told, as pawl import reads it. */
json_t *json_queue_whole(const struct pawl_queue_stats *stats);
/* The id as a JSON string. */
json_t *json_id(struct pawl_id id);
/* Any bytes of ours that should be text; what is not UTF-8 becomes '?'. */
json_t *json_text(const char *text);

#endif
