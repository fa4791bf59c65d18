/* redis_record.h - jobs as bytes and back: bodies, heads and errors of FORMAT.md.
 *
 * A body begins with what the scripts write, since it is known only there: format,
 * times and place. The rest, from the flags on, is the spec, which is made here.
 */
#ifndef PAWL_STORAGE_REDIS_RECORD_H
#define PAWL_STORAGE_REDIS_RECORD_H

#include "storage/redis/redis_call.h"

#define REDIS_HEAD_SIZE 52

enum redis_body_flag { REDIS_BODY_KEY = 1, REDIS_BODY_THROTTLE = 2 };
enum redis_body_part {
    REDIS_PART_TIMEOUT = 1,
    REDIS_PART_GROUP = 2,
    REDIS_PART_BACKOFF = 4
};

/* Add the spec of a new job, or of a whole one, as one word. */
void redis_spec_add(struct redis_args *args, const struct pawl_new_job *job);
void redis_spec_add_whole(struct redis_args *args, const struct pawl_job *job);
/* Add the errors of a whole job as one word; "" for none. */
void redis_errors_add(struct redis_args *args, const struct pawl_job *job);

/* What a script hands out of one job; NULL or nil where there is none. */
struct redis_job_parts {
    const redisReply *id, *head, *body, *errors, *result;
};
/* One job whole, in a block of its own. `head` nil: nothing has happened to it since
 * it was put. ENOMEM; ECORRUPT: "job ID of queue 'q' has a record that ...". */
enum pawl_status redis_job_read(const char *queue, const struct redis_job_parts *parts,
                                struct pawl_job **out, struct pawl_error *err);

#endif
