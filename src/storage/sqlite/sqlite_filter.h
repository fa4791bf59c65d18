/* sqlite_filter.h - which jobs an alter is for, and finding those that it names by
 * a filter.
 *
 * There is no index by type or by age: a filter that matches little reads much.
 * That is done through the reader, outside the gate, where nobody waits for it.
 */
#ifndef PAWL_SQLITE_FILTER_H
#define PAWL_SQLITE_FILTER_H

#include "sqlite_row.h"
#include "sqlite_storage.h"

/* May this call alter a job in this state? */
bool filter_allows(const struct pawl_alter *in, enum pawl_state state);
/* Is the job already as this call would have it? */
bool filter_is_done(const struct pawl_alter *in, const struct sqlite_row *row);
/* Is it of the type, and of the age, that the filter asks for? */
bool filter_matches(const struct pawl_alter *in, const struct sqlite_row *row,
                    pawl_time now);

/* Jobs that were found, and where the next look goes on. Zero-initialise all but
 * `in`; `places` is to be freed. */
struct filter_look {
    const struct pawl_alter *in;
    int64_t queue; /* its number; 0: there is no such queue */
    int64_t *places;
    size_t count, room;
    bool end;            /* there are no others */
    int state;           /* 0: nothing was looked at yet */
    int64_t rank, place; /* of the last job passed, in that state */
};

/* Find the next jobs that are allowed, match and are not done, `limit` and one
 * more, in the order in which alter takes them. All are of one snapshot, so that a
 * job which moves between the states meanwhile is not missed; a checkpoint cannot
 * finish as long, half a second for a million jobs. What was found may have changed by the
 * time it is altered, and is to be checked again. */
enum pawl_status filter_look(struct sqlite_storage *s, struct filter_look *look,
                             size_t limit, struct pawl_error *err);

#endif
