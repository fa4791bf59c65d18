/* sqlite_key.h - unique keys: who holds which.
 *
 * A reject key is held until its job is finished or removed, or its time is
 * over; a throttle key until its time is over, whatever becomes of the job. A
 * key whose time is over counts as free although its row may still be there.
 */
#ifndef PAWL_SQLITE_KEY_H
#define PAWL_SQLITE_KEY_H

#include "pawl/job.h"
#include "sqlite_db.h"

struct sqlite_key {
    int64_t queue;
    const char *text;
    const struct pawl_id *id; /* of the job */
    enum pawl_key_mode mode;
    pawl_time until; /* 0: no end */
    bool again;      /* take it over from an earlier stay of this very id */
};

/* Take the key for its job. *taken is false when another job holds it, and
 * then *holder is that job. */
enum pawl_status key_take(struct sqlite_db *db, const struct sqlite_key *key,
                          pawl_time now, bool *taken, struct pawl_id *holder,
                          struct pawl_error *err);
/* Let go of a reject key, if this job holds it. */
enum pawl_status key_release(struct sqlite_db *db, int64_t queue,
                             const char *text, const struct pawl_id *id,
                             struct pawl_error *err);
/* Delete at most `limit` keys of the queue whose time is over. */
enum pawl_status key_sweep(struct sqlite_db *db, int64_t queue, pawl_time now,
                           size_t limit, struct pawl_error *err);

#endif
