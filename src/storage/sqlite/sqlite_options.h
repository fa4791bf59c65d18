/* sqlite_options.h - what a job seldom has, packed into one column.
 *
 * Most jobs have none of these, and then job.options is NULL, which costs one
 * byte where eleven columns would cost eleven. FORMAT.md lists the tags.
 */
#ifndef PAWL_SQLITE_OPTIONS_H
#define PAWL_SQLITE_OPTIONS_H

#include "pawl/job.h"

#define OPTIONS_MAX 512    /* bytes; 16 delays and a group need about 310 */
#define OPTIONS_ATTEMPTS 3 /* max_attempts when it is not in the options */

struct sqlite_options {
    int max_attempts;
    struct pawl_backoff backoff;
    pawl_duration timeout, key_ttl;
    enum pawl_key_mode key_mode;
    pawl_time expires_at;
    char group[PAWL_NAME_MAX + 1]; /* "": none */
};

/* Returns the number of bytes; 0: everything is at its default. */
size_t options_pack(const struct pawl_new_job *job, pawl_time expires_at,
                    uint8_t out[OPTIONS_MAX]);
/* Never fails: from a damaged place on, the defaults hold. One broken row must
 * not keep the others from being claimed. */
void options_unpack(const void *bytes, size_t size, struct sqlite_options *out);

#endif
