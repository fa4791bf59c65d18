/* memory_session.h - the replies of the last puts of each session, per
 * queue. Bringing jobs in counts as a put here. */
#ifndef PAWL_STORAGE_MEMORY_SESSION_H
#define PAWL_STORAGE_MEMORY_SESSION_H

#include "pawl/storage.h"
#include "storage/memory/memory_index.h"

#define MEMORY_SESSION_KEPT 16

struct memory_replies {
    uint64_t seq;
    size_t count;
    struct pawl_put_result *results;
};

struct memory_session {
    struct memory_node node;
    struct pawl_session id;
    struct memory_replies kept[MEMORY_SESSION_KEPT]; /* by rising seq */
    int kept_count;
};

/* Find it or make it; NULL when memory is out. */
struct memory_session *memory_session_at(struct memory_index *sessions,
                                         struct pawl_session id);
/* True: this call was answered before, or is refused; *status is its answer, and
 * results[count] hold the replies again. */
bool memory_session_replay(const struct memory_session *session,
                           const char *queue, uint64_t seq,
                           struct pawl_put_result *results, size_t count,
                           enum pawl_status *status, struct pawl_error *err);
/* Keep `results`, which becomes the session's to free; the oldest go. */
void memory_session_keep(struct memory_session *session, uint64_t seq,
                         struct pawl_put_result *results, size_t count);
void memory_session_free(struct memory_session *session);

#endif
