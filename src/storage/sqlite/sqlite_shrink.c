/* sqlite_shrink.c - see sqlite_shrink.h.
 *
 * Pages of deleted jobs are used again by new ones, so in steady work the file
 * keeps its size. Only after a great backlog most of it is free, and a program
 * that had a million jobs waiting once would keep 200 MiB for ever. A MiB a call
 * keeps the time in the gate short; the bounds keep a queue that breathes from
 * shrinking and growing all day.
 */
#include "sqlite_shrink.h"

#define SHRINK_FROM_PAGES 4096 /* 8 MiB free: less is soon used again */

static enum pawl_status pages(struct sqlite_call *call, enum sqlite_sql id,
                              int64_t *number)
{
    sqlite3_stmt *stmt = sql(call->db, id);
    enum pawl_status status;
    bool row = false;

    status = sql_next(call->db, stmt, &row, call->err);
    *number = status == PAWL_OK && row ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return status;
}

enum pawl_status shrink_file(struct sqlite_call *call)
{
    enum pawl_status status;
    int64_t free_pages, all;

    status = pages(call, SQL_PAGES_FREE, &free_pages);
    if (status != PAWL_OK || free_pages < SHRINK_FROM_PAGES)
        return status;
    status = pages(call, SQL_PAGES, &all);
    if (status != PAWL_OK || free_pages < all / 2)
        return status;
    return sql_run(call->db, sql(call->db, SQL_SHRINK), call->err);
}
