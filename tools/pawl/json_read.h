/* json_read.h - a whole job out of a line of JSON, as pawl export writes it. */
#ifndef PAWL_CLI_JSON_READ_H
#define PAWL_CLI_JSON_READ_H

#include <jansson.h>

#include "pawl/job.h"

struct json_read {
    struct pawl_job job;          /* points into what is below */
    json_t *object;
    void *payload, *result;       /* decoded; NULL where they were text */
    struct pawl_job_error errors[PAWL_ERRORS_KEPT];
    char why[200]; /* after a failure: "field 'x' ..." */
};

/* False, and `why` says what is wrong. To be cleared in any case. */
bool json_read_job(const char *line, size_t size, struct json_read *out);
void json_read_clear(struct json_read *read);

#endif
