/* memory_session.c - see memory_session.h. */
#include "storage/memory/memory_session.h"

#include <stdlib.h>
#include <string.h>

struct memory_session *memory_session_at(struct memory_index *sessions,
                                         struct pawl_session id)
{
    struct memory_session *session =
        memory_index_find(sessions, id.b, sizeof id.b);
    if (session != NULL)
        return session;
    session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->id = id;
    memory_index_add(sessions, &session->node, session->id.b,
                     sizeof session->id.b, session);
    return session;
}

const struct memory_replies *
memory_session_find(const struct memory_session *session, uint64_t seq)
{
    for (int i = 0; i < session->kept_count; i++) {
        if (session->kept[i].seq == seq)
            return &session->kept[i];
    }
    return NULL;
}

bool memory_session_too_old(const struct memory_session *session, uint64_t seq)
{
    return session->kept_count == MEMORY_SESSION_KEPT &&
           seq < session->kept[0].seq;
}

void memory_session_keep(struct memory_session *session, uint64_t seq,
                         struct pawl_put_result *results, size_t count)
{
    struct memory_replies *kept = session->kept;
    if (session->kept_count == MEMORY_SESSION_KEPT) {
        free(kept[0].results);
        memmove(kept, kept + 1, (MEMORY_SESSION_KEPT - 1) * sizeof *kept);
        session->kept_count--;
    }
    int at = session->kept_count++;
    for (; at > 0 && kept[at - 1].seq > seq; at--)
        kept[at] = kept[at - 1];
    kept[at] = (struct memory_replies){ seq, count, results };
}

void memory_session_free(struct memory_session *session)
{
    if (session == NULL)
        return;
    for (int i = 0; i < session->kept_count; i++)
        free(session->kept[i].results);
    free(session);
}
