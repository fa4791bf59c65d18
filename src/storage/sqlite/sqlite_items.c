/* sqlite_items.c - see sqlite_items.h. */
#include "sqlite_items.h"

#include <stdlib.h>
#include <string.h>

enum pawl_status items_add(struct sqlite_call *call, struct items *items,
                           struct item item)
{
    struct item *more;

    if (items->count == items->room) {
        items->room = items->room ? 2 * items->room : 64;
        more = realloc(items->at, items->room * sizeof *more);
        if (!more)
            return pawl_error_set(call->err, PAWL_ENOMEM,
                                  "out of memory for %zu jobs", items->room);
        items->at = more;
    }
    items->at[items->count++] = item;
    return PAWL_OK;
}

/* Add what a statement with the columns rank, place, id gives. */
static enum pawl_status items_read(struct sqlite_call *call,
                                   struct items *items, sqlite3_stmt *stmt)
{
    enum pawl_status status;
    struct item item;
    bool found;

    while ((status = sql_next(call->db, stmt, &found, call->err)) == PAWL_OK &&
           found) {
        memset(&item, 0, sizeof item);
        item.rank = sqlite3_column_int64(stmt, 0);
        item.place = sqlite3_column_int64(stmt, 1);
        if (sqlite3_column_bytes(stmt, 2) == (int)sizeof item.id.b)
            memcpy(item.id.b, sqlite3_column_blob(stmt, 2), sizeof item.id.b);
        status = items_add(call, items, item);
        if (status != PAWL_OK)
            break;
    }
    sqlite3_reset(stmt);
    return status;
}

static int compare(const void *left, const void *right)
{
    const struct item *a = left, *b = right;

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return memcmp(a->id.b, b->id.b, sizeof a->id.b);
}

void items_sort(struct items *items)
{
    if (items->count > 1)
        qsort(items->at, items->count, sizeof *items->at, compare);
}

/* The index has equal ranks in the order of places, which is that of ids for the
 * ids of one process only; so when the cut falls among equals, more of them are
 * read. */
enum pawl_status items_gather(struct sqlite_call *call, enum pawl_state state,
                              int64_t until, size_t limit, struct items *items)
{
    sqlite3_stmt *stmt = sql(call->db, SQL_DUE);
    size_t before = items->count;
    enum pawl_status status;
    struct item last;

    order_bind(stmt, call->queue.n, state, 0, until);
    sqlite3_bind_int64(stmt, 3, (int64_t)limit);
    status = items_read(call, items, stmt);
    if (status != PAWL_OK || items->count - before < limit || limit == 0)
        return status;
    last = items->at[items->count - 1];
    stmt = sql(call->db, SQL_DUE_TIES);
    sqlite3_bind_int64(stmt, 1, order_number(call->queue.n, state, last.rank));
    sqlite3_bind_int64(stmt, 2, last.place);
    return items_read(call, items, stmt);
}
