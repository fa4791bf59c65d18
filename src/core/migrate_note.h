/* migrate_note.h - what a migration keeps at the source until it is done.
 *
 * A job in a reserved queue that nobody claims. It says where the jobs go and under
 * which mark: random, for a job may come back and go again, and must not find the
 * number of its batch taken by the first time. For the same reason a copy that is being
 * rolled back can only be rolled back: a second job says so.
 */
#ifndef PAWL_CORE_MIGRATE_NOTE_H
#define PAWL_CORE_MIGRATE_NOTE_H

#include "storage/storage.h"

struct migrate_note {
    struct pawl_id ids[2]; /* of the note, and of the one that says `back` */
    struct pawl_session mover;
    bool copy;
    bool back; /* a copy whose rollback has begun */
    char to[1024]; /* where the target is */
};

/* PAWL_NOT_FOUND: there is none, so no migration is under way. */
enum pawl_status migrate_note_read(struct pawl_storage *storage,
                                   struct migrate_note *note, struct pawl_error *err);
/* Make a mark and write it down, with `copy` and `to` as they are. */
enum pawl_status migrate_note_write(struct pawl_storage *storage,
                                    const struct pawl_clock *clock,
                                    struct migrate_note *note, struct pawl_error *err);
/* Write down that the rollback begins. */
enum pawl_status migrate_note_turn_back(struct pawl_storage *storage,
                                        const struct pawl_clock *clock,
                                        struct migrate_note *note,
                                        struct pawl_error *err);
enum pawl_status migrate_note_remove(struct pawl_storage *storage,
                                     const struct migrate_note *note,
                                     struct pawl_error *err);

#endif
