/* sqlite_filter.c - see sqlite_filter.h. */
#include "sqlite_filter.h"

#include <stdlib.h>
#include <string.h>

#include "sqlite_queue.h"

/* --- one job -------------------------------------------------------------- */

bool filter_allows(const struct pawl_alter *in, enum pawl_state state)
{
    return (in->from_states & PAWL_STATE_BIT(state)) != 0;
}

bool filter_is_done(const struct pawl_alter *in, const struct sqlite_row *row)
{
    if (in->kind == PAWL_ALTER_CANCEL)
        return row->cancel_requested && row->state == PAWL_PROCESSING;
    if (in->kind == PAWL_ALTER_REPRIORITISE)
        return row->priority == in->priority;
    return false;
}

bool filter_matches(const struct pawl_alter *in, const struct sqlite_row *row,
                    pawl_time now)
{
    pawl_time since = state_is_finished(row->state) ? row->finished_at
                                                    : row->enqueued_at;

    if (in->type && strcmp(in->type, row->type) != 0)
        return false;
    return in->older_than == 0 || now - since >= in->older_than;
}

/* --- looking -------------------------------------------------------------- */

static enum pawl_status look_add(struct filter_look *look, int64_t place,
                                 struct pawl_error *err)
{
    int64_t *more;

    if (look->count == look->room) {
        look->room = look->room ? 2 * look->room : 64;
        more = realloc(look->places, look->room * sizeof *more);
        if (!more)
            return pawl_error_set(err, PAWL_ENOMEM,
                                  "out of memory for %zu jobs", look->room);
        look->places = more;
    }
    look->places[look->count++] = place;
    return PAWL_OK;
}

/* What is left of the state. SQLite itself passes over what does not match: row by
 * row, here, that took nearly three times as long. */
static sqlite3_stmt *look_statement(struct sqlite_storage *s,
                                    const struct filter_look *look)
{
    sqlite3_stmt *stmt = sql(&s->reader, SQL_MATCHING);
    pawl_duration age = look->in->older_than;

    order_bind(stmt, look->queue, (enum pawl_state)look->state, look->rank,
               ORDER_RANK_MAX);
    sqlite3_bind_int64(stmt, 3, look->place);
    if (look->in->type)
        sqlite3_bind_text(stmt, 4, look->in->type, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 5, age > 0 ? sqlite_seen(s) - age : INT64_MAX);
    return stmt;
}

/* *end: there is no more in this state. */
static enum pawl_status look_at_state(struct sqlite_storage *s,
                                      struct filter_look *look, size_t limit,
                                      bool *end, struct pawl_error *err)
{
    sqlite3_stmt *stmt = look_statement(s, look);
    enum pawl_status status = PAWL_OK;
    struct sqlite_row row;
    bool found = true;

    while (status == PAWL_OK && look->count <= limit) {
        status = sql_next(&s->reader, stmt, &found, err);
        if (status != PAWL_OK || !found)
            break;
        row_head(stmt, &row);
        look->rank = row.rank;
        look->place = row.place;
        if (!filter_is_done(look->in, &row))
            status = look_add(look, row.place, err);
    }
    sqlite3_reset(stmt);
    *end = !found;
    return status;
}

static void look_at_next(struct filter_look *look)
{
    do
        look->state++;
    while (look->state <= PAWL_STATE_LAST &&
           !filter_allows(look->in, (enum pawl_state)look->state));
    look->end = look->state > PAWL_STATE_LAST;
    look->rank = 0;
    look->place = INT64_MIN;
}

enum pawl_status filter_look(struct sqlite_storage *s, struct filter_look *look,
                             size_t limit, struct pawl_error *err)
{
    struct sqlite_queue queue = { 0 };
    enum pawl_status status = sqlite_read_begin(s, err);
    bool end;

    look->count = 0;
    if (status != PAWL_OK)
        return status;
    status = queue_find(&s->reader, look->in->queue, 0, &queue, err);
    look->queue = queue.n;
    if (queue.n == 0)
        look->end = true;
    else if (look->state == 0)
        look_at_next(look);
    while (status == PAWL_OK && look->count <= limit && !look->end) {
        status = look_at_state(s, look, limit, &end, err);
        if (end)
            look_at_next(look);
    }
    return sqlite_read_end(s, status, err);
}
