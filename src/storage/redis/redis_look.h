/* redis_look.h - what the methods share that only look: asking, and the names of all
 * queues.
 */
#ifndef PAWL_STORAGE_REDIS_LOOK_H
#define PAWL_STORAGE_REDIS_LOOK_H

#include "storage/redis/redis_storage.h"

/* redis_call() for what changes nothing. Clears call->args. */
enum pawl_status redis_look(struct redis_instance *self, struct redis_call *call,
                            redisReply **out, struct pawl_error *err);

struct redis_names {
    redisReply *reply; /* has the bytes */
    const char **names;
    size_t count;
};
/* The registry: every name that a queue was ever registered under, sorted by bytes.
 * A queue among them need not exist yet. To be cleared, also after failure. `until` is
 * that of struct redis_call. */
enum pawl_status redis_names_read(struct redis_instance *self, int64_t until,
                                  struct redis_names *out, struct pawl_error *err);
void redis_names_clear(struct redis_names *names);

/* "redis at WHERE answered ... in a way that no pawl script does". */
enum pawl_status redis_look_strange(const struct redis_instance *self,
                                    const char *what, struct pawl_error *err);

#endif
