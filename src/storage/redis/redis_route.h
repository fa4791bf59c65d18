/* redis_route.h - which server has a queue: the one there is, the master that the
 * sentinels name, or the node of a Cluster that has the slot.
 *
 * A route keeps one pool per server it ever met. Any thread.
 */
#ifndef PAWL_STORAGE_REDIS_ROUTE_H
#define PAWL_STORAGE_REDIS_ROUTE_H

#include "storage/redis/redis_pool.h"

#define REDIS_SLOTS 16384

struct redis_route;

/* Nothing is connected yet. NULL: out of memory. `settings` must outlive it. */
struct redis_route *redis_route_new(const struct redis_settings *settings);
void redis_route_free(struct redis_route *route);

/* The slot of a key: of what is between its first '{' and the next '}'. */
int redis_key_slot(const char *key, size_t size);

/* The pool for a slot (any slot where there is no Cluster), asking sentinels or
 * nodes if that is not known. The pool lives as long as the route. That no sentinel
 * answers and that those which do know no such master is EUNREACHABLE both times; the
 * message tells which it is. */
enum pawl_status redis_route_to(struct redis_route *route, int slot,
                                int64_t deadline, struct redis_pool **out,
                                struct pawl_error *err);
/* The answer was wrong: READONLY, a cut connection, a master that is none. The next
 * redis_route_to() asks again; at most a few times a second. */
void redis_route_doubt(struct redis_route *route, int slot);
/* The server said MOVED: believe it, and fetch the whole map soon. */
enum pawl_status redis_route_moved(struct redis_route *route, int slot,
                                   const struct redis_address *to,
                                   struct redis_pool **out, struct pawl_error *err);
/* The pool of a server named by ASK; the map does not change. */
enum pawl_status redis_route_ask(struct redis_route *route,
                                 const struct redis_address *to,
                                 struct redis_pool **out, struct pawl_error *err);
/* One pool for each master there is: for health. */
enum pawl_status redis_route_all(struct redis_route *route, int64_t deadline,
                                 struct redis_pool **out, int most, int *count,
                                 struct pawl_error *err);

#endif
