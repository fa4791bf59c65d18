/* redis_pace.h - how often a server that fails is asked, by all threads together.
 *
 * While it works a pace costs nothing. Once a request came back with "not now", or
 * was lost, all threads that want this server stand in line: one request at a
 * time, 100 ms apart at first, then up to 1 s, with jitter. The first answer that
 * is one lets all of them go at once. That also holds for a server that refuses for a
 * reason that waiting does not change (a password, a right, a disk): those who ask
 * again must not do so in a busy loop.
 */
#ifndef PAWL_STORAGE_REDIS_PACE_H
#define PAWL_STORAGE_REDIS_PACE_H

#include <pthread.h>

#include "pawl/storage.h"

struct redis_pace {
    pthread_mutex_t mutex;
    pthread_cond_t better; /* it works again */
    bool failing;
    int64_t next_ns;     /* while failing: when the next request may go */
    pawl_duration pause; /* between that one and the one after */
    struct pawl_error error; /* what it said last */
};

void redis_pace_init(struct redis_pace *pace);
void redis_pace_clear(struct redis_pace *pace);
/* Wait for a turn. What was passed to redis_pace_failed(): there is none before
 * `deadline` (ns of clock_mono_ns(); 0: wait for nothing). */
enum pawl_status redis_pace_turn(struct redis_pace *pace, int64_t deadline,
                                 struct pawl_error *err);
bool redis_pace_is_failing(struct redis_pace *pace);
/* What became of the request; error->status is negative. A failed one may be followed
 * `at_once` by another if the server worked before: the connection, or that request,
 * may have been all that was wrong. */
void redis_pace_failed(struct redis_pace *pace, bool at_once,
                       const struct pawl_error *error);
void redis_pace_worked(struct redis_pace *pace);
/* `most` or up to half of it: ms. So a series of pauses is never shorter than half
 * of what it is meant to be, however the dice fall. */
pawl_duration redis_pace_jitter(pawl_duration most);

#endif
