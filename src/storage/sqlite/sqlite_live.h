/* sqlite_live.h - who is alive, told by the kernel.
 *
 * A process that claims jobs holds a lock on one byte of PATH.live, and the
 * kernel lets go of it the moment the process dies, however it dies. Byte
 * numbers are drawn at random from 2^31, so that a number seen in the database
 * is practically never taken again by somebody else. The locks are open-file-
 * description locks: they work across PID namespaces and exclude two handles of
 * one process from each other.
 *
 * Any thread. After a fork the child has none of the descriptors, so its life
 * does not keep its parent's byte held.
 */
#ifndef PAWL_SQLITE_LIVE_H
#define PAWL_SQLITE_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "pawl/status.h"

struct sqlite_live {
    int holder; /* the description that holds our bytes */
    int prober; /* another one, so that our own bytes are seen as held, too */
    uint8_t boot_id[16];
};

enum pawl_status live_open(struct sqlite_live *live, const char *path,
                           struct pawl_error *err);
/* Lets go of every byte. One that live_open did not open is fine. */
void live_close(struct sqlite_live *live);

/* Take a byte that nobody holds; *byte >= 1. */
enum pawl_status live_acquire(struct sqlite_live *live, uint32_t *byte,
                              struct pawl_error *err);
void live_release(struct sqlite_live *live, uint32_t byte);
/* Does a living process, this one included, hold the byte? True when in doubt:
 * the lease still ends by itself. */
bool live_is_held(const struct sqlite_live *live, uint32_t byte);

/* Which boot of the machine this is: instants of the steady clock of another
 * boot mean nothing. */
void live_boot_id(const struct sqlite_live *live, uint8_t out[16]);

#endif
