/* sqlite_items.h - the first jobs of a state, gathered before any is changed: no
 * statement may stand on a row that moves in the very index it reads.
 */
#ifndef PAWL_SQLITE_ITEMS_H
#define PAWL_SQLITE_ITEMS_H

#include "sqlite_call.h"

struct item {
    int64_t rank, place;
    struct pawl_id id;
};

/* Zero-initialise it; `at` is to be freed. */
struct items {
    struct item *at;
    size_t count, room;
};

enum pawl_status items_add(struct sqlite_call *call, struct items *items,
                           struct item item);
/* Add the jobs of a state with a rank up to `until`: at least the first `limit`,
 * by rank and id, and maybe some of those that follow. */
enum pawl_status items_gather(struct sqlite_call *call, enum pawl_state state,
                              int64_t until, size_t limit, struct items *items);
/* By rank, then id. */
void items_sort(struct items *items);

#endif
