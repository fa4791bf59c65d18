/* redis_dial.h - connecting to one server again and again: when it may be tried, and
 * how it went.
 *
 * A failed attempt makes all wait before the next one (50 ms, doubling up to 5 s, with
 * full jitter), so that a server that is away sees few attempts however many threads
 * want it. The first reconnect is made at once; a connection that broke before it was
 * of any use counts as a failed attempt, or a server that accepts and hangs up would
 * be connected to in a tight circle. While it is not sure that the server is there,
 * one thread at a time tries; the others hear of its failure, which counts for them as
 * well.
 *
 * It has no lock: its owner's guards all but redis_dial_connect().
 */
#ifndef PAWL_STORAGE_REDIS_DIAL_H
#define PAWL_STORAGE_REDIS_DIAL_H

#include "storage/redis/redis_conn.h"

/* Zeroed at first, but for what it connects to. */
struct redis_dial {
    struct redis_address address;
    const struct redis_settings *settings;
    bool proven;            /* the latest attempt succeeded, and no cut since */
    int trying;             /* attempts going on */
    int failures;           /* in a row, until a connection was of use */
    uint64_t failed_total;  /* since ever: how listeners notice */
    int64_t failed_at;      /* when `failures` was last raised */
    int64_t not_before;     /* of the next attempt */
    struct pawl_error last; /* why the latest attempt failed; PAWL_OK: it did not */
    bool last_final;        /* and trying again here will not help */
};

/* Somebody who waits for a connection and counts the failures meanwhile. */
struct redis_listener {
    int *tries_left; /* failures that are waited out; NULL or < 0: any number */
    uint64_t heard;  /* so many of failed_total are counted */
};
#define REDIS_HEARD_NOTHING UINT64_MAX

bool redis_dial_may_begin(const struct redis_dial *dial, int64_t now);
/* Count the attempts that failed since the listener last looked; true when it is not to
 * wait for more: dial->last says why. */
bool redis_dial_had_enough(const struct redis_dial *dial,
                           struct redis_listener *listener);

/* One attempt, between begin and end: `dial` is not changed, and no lock is needed. A
 * replica is refused. *final: the same will happen the next time. */
void redis_dial_begin(struct redis_dial *dial);
enum pawl_status redis_dial_connect(const struct redis_dial *dial, int64_t deadline,
                                    struct redis_conn **out, bool *final,
                                    struct pawl_error *err);
/* `started`: when it began; why->status: what came of it. Attempts that were under way
 * together are one failure. */
void redis_dial_end(struct redis_dial *dial, int64_t started,
                    const struct pawl_error *why, bool final);

/* A connection came back whole; or it broke because of *why, at its first use or later. */
void redis_dial_served(struct redis_dial *dial);
void redis_dial_broke(struct redis_dial *dial, bool at_first_use,
                      const struct pawl_error *why);

#endif
