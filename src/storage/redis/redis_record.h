/* redis_record.h - jobs as bytes and back: bodies, heads and errors of FORMAT.md.
 *
 * A body has a part that the put script writes (30 bytes less the 5 that are ours:
 * times and place) and the rest, which is made here: REDIS_SPEC is that rest, from
 * the flags on.
 */
#ifndef PAWL_STORAGE_REDIS_RECORD_H
#define PAWL_STORAGE_REDIS_RECORD_H

#include "storage/redis/redis_call.h"

#define REDIS_BODY_SCRIPT_PART 25 /* bytes before the spec */
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
/* One job whole, in a block of its own. `head` nil: as put. `held`: its entry in
 * holds, for a job that is handed over with the state it had; else NULL.
 * NULL with status ENOMEM or ECORRUPT ("job ID of queue 'q' has a record that ..."). */
enum pawl_status redis_job_read(const char *queue, const struct redis_job_parts *parts,
                                struct pawl_job **out, struct pawl_error *err);

#endif
