/* json_read.h - a whole job, or what a queue was told, out of a line of JSON, as pawl
 * export writes it. */
#ifndef PAWL_CLI_JSON_READ_H
#define PAWL_CLI_JSON_READ_H

#include <jansson.h>

#include "pawl/admin.h"

struct json_read {
    bool is_queue;                 /* by its field "kind"; else it is a job */
    struct pawl_queue_stats queue; /* both point into what is below */
    struct pawl_job job;
    json_t *object;
    void *payload, *result;       /* decoded; NULL where they were text */
    struct pawl_job_error errors[PAWL_ERRORS_KEPT];
    char why[200]; /* after a failure: "field 'x' ..." */
};

/* False, and `why` says what is wrong. To be cleared in any case. */
bool json_read_line(const char *line, size_t size, struct json_read *out);
void json_read_clear(struct json_read *read);

#endif
