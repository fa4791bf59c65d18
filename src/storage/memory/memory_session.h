/* memory_session.h - the replies of the last puts of each session, per queue. */
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
/* What was answered to this seq; NULL when that is not kept. */
const struct memory_replies *
memory_session_find(const struct memory_session *session, uint64_t seq);
/* So old that it may have been answered and forgotten? */
bool memory_session_too_old(const struct memory_session *session, uint64_t seq);
/* Keep `results`, which becomes the session's to free; the oldest go. */
void memory_session_keep(struct memory_session *session, uint64_t seq,
                         struct pawl_put_result *results, size_t count);
void memory_session_free(struct memory_session *session);

#endif
