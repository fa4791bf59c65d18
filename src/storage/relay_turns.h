/* relay_turns.h - the order of batches, where several relays overlap.
 *
 * Each holds its next batch alone and takes a turn for it; what was held first is
 * brought in first; and once a batch has failed, nothing that was held after it is.
 * Without turns (NULL) a relay is alone, and every call answers at once.
 */
#ifndef PAWL_SRC_STORAGE_RELAY_TURNS_H
#define PAWL_SRC_STORAGE_RELAY_TURNS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "pawl/status.h"

struct relay_turns {
    pthread_mutex_t holding; /* one holds at a time; then its turn is known */
    pthread_mutex_t mutex;   /* guards the rest, and comes after `holding` */
    pthread_cond_t changed;
    uint64_t given, served;
    bool failed;
};

void relay_turns_init(struct relay_turns *turns);
void relay_turns_clear(struct relay_turns *turns);

/* Around holding a batch. The turn of what was held, if anything was. */
void relay_turns_lock(struct relay_turns *turns);
uint64_t relay_turns_unlock(struct relay_turns *turns, bool held);

/* Around bringing it in: wait for the turn, and give it on, whatever came of it.
 * ECLOSED: a batch before it has failed. */
enum pawl_status relay_turns_begin(struct relay_turns *turns, uint64_t turn,
                                   struct pawl_error *err);
void relay_turns_end(struct relay_turns *turns, enum pawl_status status);

#endif
