/* combine.h - many enqueues at once become one storage call.
 *
 * Each queue has a *lane*. A caller that finds its lane idle becomes the leader
 * and makes the storage call; callers that come meanwhile line up. When the
 * leader's own jobs are stored, whoever is first in line leads, and takes
 * everything that has lined up. So a lone caller pays nothing extra, and under
 * load one durable commit is shared by all: group commit, without a timer.
 *
 * The lane also numbers the puts of its queue (see struct pawl_session). A put
 * whose outcome is unknown is kept and sent again, the same jobs under the same
 * number, before anything else goes to that queue.
 */
#ifndef PAWL_CORE_COMBINE_H
#define PAWL_CORE_COMBINE_H

#include <pthread.h>

#include "pawl/storage.h"

struct pawl;
struct lane;

#define COMBINE_LANE_HEADS 64

struct combiner {
    pthread_mutex_t mutex; /* guards the lanes, their lines and numbers */
    struct pawl_session session;
    struct lane *lanes[COMBINE_LANE_HEADS]; /* chains by hash of the queue */
};

void combiner_init(struct combiner *combiner);
void combiner_clear(struct combiner *combiner);

/* Store normalised jobs, all of `queue`, in one atomic step, together with
 * whatever other threads want stored there right now. results[count] is written
 * when the status is 0 or above; on PAWL_EUNKNOWN, calling again with the same
 * ids gets the outcome of the first call. */
enum pawl_status combine_put(struct pawl *pawl, const char *queue,
                             const struct pawl_new_job *jobs, size_t count,
                             struct pawl_put_result *results,
                             struct pawl_error *err);

#endif
