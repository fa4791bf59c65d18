/* sqlite_wake.h - waking sleeping workers, also of other processes.
 *
 * PATH.wake is mapped by everybody who has the database open. Each instance that
 * waits owns one slot of it: a futex word and the set of queues it waits for. A
 * put that committed bumps the word of every slot that waits for its queue and
 * wakes as many sleepers as it stored jobs. A slot belongs to whoever holds the
 * lock on its byte, so the slots of the dead are free again at once.
 *
 * Nothing is missed: a wait returns at once if its word was bumped since the
 * wait before returned, so whoever looks after each wait sees every commit. The
 * exchange itself has nothing to call.
 */
#ifndef PAWL_SQLITE_WAKE_H
#define PAWL_SQLITE_WAKE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "pawl/storage.h"

struct wake_page;

struct sqlite_wake {
    int fd;
    struct wake_page *page;
    atomic_int slot;        /* ours; -1: none yet; -2: all of them are taken */
    _Atomic uint32_t kicks; /* slept on without a slot: kicks still arrive then,
                               and signals are noticed late */
    atomic_uint turn;       /* where the next signal begins to look */
    uint32_t bits;          /* the queues of the last wait */
    uint32_t seen;          /* our word when the last wait returned */
    uint32_t kicks_seen;
};

enum pawl_status wake_open(struct sqlite_wake *wake, const char *path,
                           struct pawl_error *err);
void wake_close(struct sqlite_wake *wake);

/* `count` jobs of the queue became pending. After the commit, and best after
 * leaving the gate. Any thread, no failure. */
void wake_signal(struct sqlite_wake *wake, const char *queue, size_t count);
/* See pawl/storage.h: wait. One thread at a time. */
void wake_wait(struct sqlite_wake *wake, const struct pawl_wait *in,
               const struct pawl_clock *clock);
void wake_kick(struct sqlite_wake *wake);

#endif
