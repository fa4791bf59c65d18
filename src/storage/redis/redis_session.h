/* redis_session.h - (session, seq), which put and bring_in have in common: the words
 * that say it, and the replies that are kept under it. */
#ifndef PAWL_STORAGE_REDIS_SESSION_H
#define PAWL_STORAGE_REDIS_SESSION_H

#include "storage/redis/redis_call.h"

/* Add the field in the hash of sessions, as one word. */
void redis_session_add_field(struct redis_args *args, struct pawl_session session,
                             uint64_t seq);
/* The same, and the seq as another. */
void redis_session_add(struct redis_args *args, struct pawl_session session,
                       uint64_t seq);
/* What became of each job. results[].id are the jobs' own before the call. ETOOOLD,
 * EINVAL: that seq was another put; ECORRUPT. */
enum pawl_status redis_session_read(const redisReply *reply, const char *queue,
                                    uint64_t seq, struct pawl_put_result *results,
                                    size_t count, struct pawl_error *err);

#endif
