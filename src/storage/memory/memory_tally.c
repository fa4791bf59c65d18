/* memory_tally.c - see memory_tally.h. */
#include "storage/memory/memory_tally.h"

#include <stdlib.h>

#include "storage/memory/memory_methods.h"

static struct memory_tally *find(const struct memory_queue *queue,
                                 struct pawl_session mover)
{
    return memory_index_find(&queue->tallies, mover.b, sizeof mover.b);
}

struct memory_tally *memory_tally_at(struct memory_queue *queue,
                                     struct pawl_session mover)
{
    struct memory_tally *tally = find(queue, mover);
    if (tally != NULL)
        return tally;
    tally = calloc(1, sizeof *tally);
    if (tally == NULL)
        return NULL;
    tally->mover = mover;
    memory_index_add(&queue->tallies, &tally->node, tally->mover.b,
                     sizeof tally->mover.b, tally);
    return tally;
}

void memory_tally_add(struct memory_tally *tally, const struct pawl_digest *digest)
{
    if (pawl_digest_is_zero(digest))
        return;
    tally->tally.count++;
    pawl_digest_add(&tally->tally.sum, digest);
}

void memory_tally_forget(struct memory_queue *queue, struct memory_tally *tally)
{
    if (tally == NULL)
        return;
    memory_index_remove(&queue->tallies, &tally->node);
    free(tally);
}

enum pawl_status memory_tally(struct pawl_storage *storage, const char *name,
                              struct pawl_session mover, bool forget,
                              struct pawl_tally *out, struct pawl_error *err)
{
    struct memory_store *store = memory_enter(storage);
    struct memory_queue *queue = memory_queue_find(store, name);
    struct memory_tally *tally = queue == NULL ? NULL : find(queue, mover);
    (void)err;
    if (tally != NULL)
        *out = tally->tally;
    if (forget)
        memory_tally_forget(queue, tally);
    memory_leave(store);
    return PAWL_OK;
}
