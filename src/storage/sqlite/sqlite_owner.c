/* sqlite_owner.c - see sqlite_owner.h. */
#include "sqlite_owner.h"

#include <stdlib.h>
#include <string.h>

#define FORGET_AFTER INT64_C(86400000) /* a day */

static size_t cache_place(const struct sqlite_call *call,
                          const struct pawl_owner *owner)
{
    return (owner->b[0] ^ (uint64_t)call->queue.n) % CACHE_OWNERS;
}

/* Found ones are remembered only when they are as an owner that claims has to
 * be: here, alive. */
static void remember(struct sqlite_call *call, const struct pawl_owner *owner,
                     int64_t n)
{
    struct sqlite_cache *cache = &call->storage->cache;
    size_t place = cache_place(call, owner);

    cache->owners[place].n = n;
    cache->owners[place].queue = call->queue.n;
    cache->owners[place].owner = *owner;
}

static int64_t recall(const struct sqlite_call *call,
                      const struct pawl_owner *owner)
{
    const struct sqlite_cache *cache = &call->storage->cache;
    size_t place = cache_place(call, owner);

    if (cache->owners[place].queue == call->queue.n &&
        memcmp(&cache->owners[place].owner, owner, sizeof *owner) == 0)
        return cache->owners[place].n;
    return 0;
}

/* *here: the row says that it claims through this very instance. */
static enum pawl_status look_up(struct sqlite_call *call,
                                const struct pawl_owner *owner, int64_t *n,
                                bool *here)
{
    sqlite3_stmt *stmt = sql(call->db, SQL_OWNER_FIND);
    const struct sqlite_storage *s = call->storage;
    enum pawl_status status;
    uint8_t boot[16];
    bool found;

    *n = 0;
    *here = false;
    sqlite3_bind_int64(stmt, 1, call->queue.n);
    sqlite3_bind_blob(stmt, 2, owner->b, sizeof owner->b, SQLITE_STATIC);
    status = sql_next(call->db, stmt, &found, call->err);
    if (status != PAWL_OK || !found)
        return status;
    *n = sqlite3_column_int64(stmt, 0);
    live_boot_id(&s->live, boot);
    *here = sqlite3_column_int64(stmt, 2) == (int64_t)s->cache.live_byte &&
            sqlite3_column_type(stmt, 3) == SQLITE_NULL &&
            sqlite3_column_bytes(stmt, 1) == (int)sizeof boot &&
            memcmp(sqlite3_column_blob(stmt, 1), boot, sizeof boot) == 0;
    sqlite3_reset(stmt);
    return PAWL_OK;
}

enum pawl_status owner_find(struct sqlite_call *call,
                            const struct pawl_owner *owner, int64_t *n)
{
    bool here;

    *n = recall(call, owner);
    return *n != 0 ? PAWL_OK : look_up(call, owner, n, &here);
}

enum pawl_status owner_enter(struct sqlite_call *call,
                             const struct pawl_owner *owner, int64_t *n)
{
    struct sqlite_storage *s = call->storage;
    enum pawl_status status = PAWL_OK;
    uint8_t boot[16];
    sqlite3_stmt *stmt;
    bool here;

    *n = recall(call, owner);
    if (*n != 0)
        return PAWL_OK;
    if (s->cache.live_byte == 0)
        status = live_acquire(&s->live, &s->cache.live_byte, call->err);
    if (status == PAWL_OK)
        status = look_up(call, owner, n, &here);
    if (status != PAWL_OK)
        return status;
    if (here) {
        remember(call, owner, *n);
        return PAWL_OK;
    }
    live_boot_id(&s->live, boot);
    stmt = sql(call->db, *n != 0 ? SQL_OWNER_HERE : SQL_OWNER_ADD);
    if (*n != 0) {
        sqlite3_bind_int64(stmt, 1, *n);
    } else {
        sqlite3_bind_int64(stmt, 1, call->queue.n);
        sqlite3_bind_blob(stmt, 4, owner->b, sizeof owner->b, SQLITE_STATIC);
    }
    sqlite3_bind_blob(stmt, 2, boot, sizeof boot, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 3, s->cache.live_byte);
    status = sql_run(call->db, stmt, call->err);
    if (status == PAWL_OK && *n == 0)
        *n = sqlite3_last_insert_rowid(call->db->handle);
    return status;
}

enum pawl_status owner_dead(struct sqlite_call *call, int64_t **dead,
                            size_t *count)
{
    sqlite3_stmt *stmt = sql(call->db, SQL_OWNER_LIST);
    const struct sqlite_live *live = &call->storage->live;
    int64_t *found = NULL, *more;
    enum pawl_status status;
    uint8_t boot[16];
    size_t n = 0;
    bool row;

    live_boot_id(live, boot);
    sqlite3_bind_int64(stmt, 1, call->queue.n);
    while ((status = sql_next(call->db, stmt, &row, call->err)) == PAWL_OK &&
           row) {
        bool same_boot = sqlite3_column_bytes(stmt, 1) == (int)sizeof boot &&
                         memcmp(sqlite3_column_blob(stmt, 1), boot,
                                sizeof boot) == 0;
        if (same_boot &&
            live_is_held(live, (uint32_t)sqlite3_column_int64(stmt, 2)))
            continue;
        if (n % 16 == 0) {
            more = realloc(found, (n + 16) * sizeof *found);
            if (!more) {
                sqlite3_reset(stmt);
                status = pawl_error_set(call->err, PAWL_ENOMEM,
                                        "out of memory for dead owners");
                break;
            }
            found = more;
        }
        found[n++] = sqlite3_column_int64(stmt, 0);
    }
    if (status != PAWL_OK) {
        free(found);
        return status;
    }
    *dead = found;
    *count = n;
    return PAWL_OK;
}

enum pawl_status owner_gone(struct sqlite_call *call, int64_t n)
{
    struct sqlite_cache *cache = &call->storage->cache;
    sqlite3_stmt *stmt = sql(call->db, SQL_OWNER_GONE);

    for (int i = 0; i < CACHE_OWNERS; i++) {
        if (cache->owners[i].n == n)
            cache->owners[i].n = 0;
    }
    sqlite3_bind_int64(stmt, 1, n);
    sqlite3_bind_int64(stmt, 2, call->now);
    return sql_run(call->db, stmt, call->err);
}

enum pawl_status owner_sweep(struct sqlite_call *call)
{
    sqlite3_stmt *stmt = sql(call->db, SQL_OWNER_FORGET);

    sqlite3_bind_int64(stmt, 1, call->queue.n);
    sqlite3_bind_int64(stmt, 2, call->now - FORGET_AFTER);
    return sql_run(call->db, stmt, call->err);
}
