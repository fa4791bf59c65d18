/* settings.h - what a queue has been told: its pause and its retention. */
#ifndef PAWL_CORE_SETTINGS_H
#define PAWL_CORE_SETTINGS_H

#include "storage/storage.h"

/* Tell it to a queue at `to`, before its first job arrives there, since one that is
 * paused here must not run there. What `to` was told already stays: a pause is given
 * only together with the queue, in the step that makes it; a retention unless it has
 * one. *given: there was something to tell. */
enum pawl_status settings_give(struct pawl_storage *to,
                               const struct pawl_queue_stats *as, bool *given,
                               struct pawl_error *err);

#endif
