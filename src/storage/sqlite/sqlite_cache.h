/* sqlite_cache.h - numbers of queues, sessions and owners that were looked up.
 *
 * A put must not pay for looking up the same two rows every time. Only what was
 * FOUND is remembered, never what the running transaction inserted: that may
 * still be rolled back, and is found, and remembered, by the next one. Rows of
 * queues are never deleted; who deletes a session or an owner drops it here.
 *
 * Each is a small table with one place per hash: a miss costs a lookup, no more.
 * Used inside sqlite_write_begin .. end only.
 */
#ifndef PAWL_SQLITE_CACHE_H
#define PAWL_SQLITE_CACHE_H

#include "pawl/storage.h"

#define CACHE_QUEUES 64
#define CACHE_SESSIONS 16
#define CACHE_OWNERS 16

struct sqlite_cache {
    struct {
        int64_t n; /* 0: nothing here */
        char name[PAWL_NAME_MAX + 1];
    } queues[CACHE_QUEUES];
    struct {
        int64_t n;
        struct pawl_session uuid;
        pawl_time touched_at; /* its last_at */
    } sessions[CACHE_SESSIONS];
    struct {
        int64_t n;
        int64_t queue;
        struct pawl_owner owner;
    } owners[CACHE_OWNERS];
    uint32_t live_byte;          /* of this instance; 0: none yet */
    pawl_time sessions_swept_at; /* when idle sessions were last looked for */
};

#endif
