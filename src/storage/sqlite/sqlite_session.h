/* sqlite_session.h - which put stored what, so that a repeated put adds nothing.
 *
 * Every job row carries the number of its session and of its put, and that alone
 * tells a repeated put as long as its jobs are there: the put path has nothing
 * else to write. Only what the jobs cannot tell goes to the table reply: the
 * replies of a put of which some jobs were refused, and, when a job row is
 * deleted, that its put was made. Of each session and queue the newest 16 such
 * replies are kept.
 */
#ifndef PAWL_SQLITE_SESSION_H
#define PAWL_SQLITE_SESSION_H

#include "pawl/storage.h"
#include "sqlite_cache.h"
#include "sqlite_db.h"

#define SESSION_KEPT 16

/* The number of a session, which is made if need be. */
enum pawl_status session_number(struct sqlite_db *db,
                                struct sqlite_cache *cache,
                                const struct pawl_session *uuid, pawl_time now,
                                int64_t *n, struct pawl_error *err);
/* Forget sessions unused for a week; looks at most once an hour. */
enum pawl_status session_sweep(struct sqlite_db *db, struct sqlite_cache *cache,
                               pawl_time now, struct pawl_error *err);

/* What is written down of a put. */
enum reply_found {
    REPLY_NONE,
    REPLY_GIVEN,  /* the results are filled in */
    REPLY_TOO_OLD /* 16 later ones are kept: this one may have been, too */
};
enum pawl_status reply_find(struct sqlite_db *db, int64_t session,
                            int64_t queue, const struct pawl_put *in,
                            struct pawl_put_result *results,
                            enum reply_found *found, struct pawl_error *err);
/* Write down the results of a put that was not all OK. */
enum pawl_status reply_keep(struct sqlite_db *db, int64_t session,
                            int64_t queue, const struct pawl_put *in,
                            const struct pawl_put_result *results,
                            struct pawl_error *err);

/* The puts of which one call deleted jobs: gathered in memory, for there may be
 * thousands, and all but the newest 16 of each session would be dropped again.
 * Zero-initialise it. */
struct reply_notes {
    struct reply_note {
        int64_t session;
        int64_t seqs[SESSION_KEPT]; /* rising */
        int count;
    } * notes;
    size_t count, room, last;
};
enum pawl_status reply_note(struct reply_notes *notes, int64_t session,
                            int64_t seq, struct pawl_error *err);
/* Write them down. */
enum pawl_status reply_notes_flush(struct sqlite_db *db,
                                   const struct reply_notes *notes,
                                   int64_t queue, struct pawl_error *err);
void reply_notes_clear(struct reply_notes *notes);

#endif
