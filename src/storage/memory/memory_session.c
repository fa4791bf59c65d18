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

/* What was answered to this seq; NULL when that is not kept. */
static const struct memory_replies *find(const struct memory_session *session,
                                         uint64_t seq)
{
    for (int i = 0; i < session->kept_count; i++) {
        if (session->kept[i].seq == seq)
            return &session->kept[i];
    }
    return NULL;
}

/* So old that it may have been answered and forgotten? */
static bool too_old(const struct memory_session *session, uint64_t seq)
{
    return session->kept_count == MEMORY_SESSION_KEPT &&
           seq < session->kept[0].seq;
}

bool memory_session_replay(const struct memory_session *session,
                           const char *queue, uint64_t seq,
                           struct pawl_put_result *results, size_t count,
                           enum pawl_status *status, struct pawl_error *err)
{
    const struct memory_replies *kept = find(session, seq);
    *status = PAWL_OK;
    if (kept != NULL && kept->count == count) {
        if (count > 0)
            memcpy(results, kept->results, count * sizeof *results);
        return true;
    }
    if (kept != NULL) {
        *status = pawl_error_set(err, PAWL_EINVAL,
                                 "put %llu into '%s' was of %zu jobs, now of %zu",
                                 (unsigned long long)seq, queue, kept->count,
                                 count);
        return true;
    }
    if (too_old(session, seq)) {
        *status = pawl_error_set(err, PAWL_ETOOOLD,
                                 "put %llu into '%s' is older than those remembered",
                                 (unsigned long long)seq, queue);
        return true;
    }
    return false;
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
