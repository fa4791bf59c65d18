/* memory_tally.h - what each mover has taken out of a queue, or brought in. */
#ifndef PAWL_STORAGE_MEMORY_TALLY_H
#define PAWL_STORAGE_MEMORY_TALLY_H

#include "storage/memory/memory_store.h"

struct memory_tally {
    struct memory_node node;
    struct pawl_session mover;
    struct pawl_tally tally;
};

/* Find it or make it; NULL when memory is out. */
struct memory_tally *memory_tally_at(struct memory_queue *queue,
                                     struct pawl_session mover);
void memory_tally_add(struct memory_tally *tally, const struct pawl_digest *digest);
/* NULL is fine. */
void memory_tally_forget(struct memory_queue *queue, struct memory_tally *tally);

#endif
