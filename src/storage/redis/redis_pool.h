/* redis_pool.h - the connections to one server: a bounded number, kept open.
 *
 * One mutex per pool. A failed attempt to connect makes all callers of the pool
 * wait before the next one (redis_dial.h).
 */
#ifndef PAWL_STORAGE_REDIS_POOL_H
#define PAWL_STORAGE_REDIS_POOL_H

#include "storage/redis/redis_conn.h"

struct redis_pool;

/* NULL: out of memory. `settings` must outlive it. */
struct redis_pool *redis_pool_new(const struct redis_address *address,
                                  const struct redis_settings *settings);
/* All connections must be back. NULL is fine. */
void redis_pool_free(struct redis_pool *pool);
const struct redis_address *redis_pool_address(const struct redis_pool *pool);

/* An idle connection, or a new one. Blocks while all are in use or while the pool
 * waits after a failure, up to `deadline`. `tries_left`: how many failed attempts
 * to connect this call may still wait out (NULL or < 0: any number); counted down.
 * With 0 it does not wait out the pause after somebody else's attempt either: it
 * fails at once, as that did, unless a connection that works is to come back.
 * A server that turns out to be a replica: EUNREACHABLE. */
enum pawl_status redis_pool_take(struct redis_pool *pool, int64_t deadline,
                                 int *tries_left, struct redis_conn **out,
                                 struct pawl_error *err);
/* Give it back; or, with `broken`, why it is of no use any more: it is closed, as is one
 * that holds a reply which nobody asked for (it would be taken for the answer to the
 * next command). If it never was of use, that counts as a failed attempt to connect,
 * and who waits is told of it. NULL: it is whole. */
void redis_pool_give(struct redis_pool *pool, struct redis_conn *conn,
                     const struct pawl_error *broken);
/* A connection beside the pool, for waiting; the caller closes it. */
enum pawl_status redis_pool_extra(struct redis_pool *pool, int64_t deadline,
                                  struct redis_conn **out, struct pawl_error *err);
/* Close all idle ones, and those in use when they come back: the master is
 * another one now. */
void redis_pool_drop(struct redis_pool *pool);

#endif
