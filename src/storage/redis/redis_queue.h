/* redis_queue.h - the queues an instance has met: their keys, slots, and the turns
 * of the owners that claim from them. An entry stays until the instance is closed.
 */
#ifndef PAWL_STORAGE_REDIS_QUEUE_H
#define PAWL_STORAGE_REDIS_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/redis/redis_call.h"

/* The queue's keys, in the order that the scripts have them (lua/lib/step.lua):
 * KEYS[1 + n] there is keys[n] here. */
enum redis_key {
    REDIS_KEY_META,
    REDIS_KEY_JOBS,
    REDIS_KEY_HEADS,
    REDIS_KEY_ERRORS,
    REDIS_KEY_RESULTS,
    REDIS_KEY_SCHEDULED,
    REDIS_KEY_FAILED,
    REDIS_KEY_LEASES,
    REDIS_KEY_STRAYS,
    REDIS_KEY_HOLDS,
    REDIS_KEY_UNIQUE,
    REDIS_KEY_UNIQUE_TIMES,
    REDIS_KEY_SESSIONS,
    REDIS_KEY_CLAIMS,
    REDIS_KEY_WAKE,
    REDIS_KEY_LINE_FIRST, /* pending:1 .. pending:10, completed, dead, cancelled, held */
    REDIS_KEY_COUNT = REDIS_KEY_LINE_FIRST + 14
};

#define REDIS_TURNS_KEPT 4 /* of each owner, in the hash of claims */

/* The turn of one exchange that claims. */
struct redis_turn {
    uint64_t number; /* from 1 on; `number` mod REDIS_TURNS_KEPT is where it is kept */
    uint32_t from;   /* how much of its claim was handed out before */
    bool busy;       /* an exchange is under way with it */
    bool unfinished; /* its claim, or the rest of it, is still to be asked for */
};

struct redis_owner_turns {
    struct redis_owner_turns *next;
    struct pawl_owner owner;
    struct redis_turn turns[REDIS_TURNS_KEPT];
    unsigned crowd; /* which one to share when all are busy */
};

struct redis_queue {
    struct redis_queue *next;       /* of all; from the newest to the oldest */
    struct redis_queue *next_alike; /* in its place of the table */
    uint16_t hash;                  /* pawl_queue_hash() of its name */
    int slot;
    atomic_int unplain; /* redis_exchange.c: so many exchanges are likely not plain */
    struct redis_owner_turns *owners; /* guarded by the table's mutex */
    char *keys[REDIS_KEY_COUNT];
    size_t key_sizes[REDIS_KEY_COUNT];
    char name[]; /* and behind it the bytes of the keys */
};

/* Every call looks its queue up here, with the mutex: so it is a table by hash. */
struct redis_queues {
    pthread_mutex_t mutex;
    struct redis_queue *first;  /* of all */
    struct redis_queue **table; /* by the low bits of the hash */
    size_t table_size;          /* a power of two; 0: there is no table yet */
    size_t count;
};

void redis_queues_init(struct redis_queues *queues);
void redis_queues_clear(struct redis_queues *queues);
/* Find it or make it; NULL: out of memory. */
struct redis_queue *redis_queue_at(struct redis_queues *queues, const char *prefix,
                                   const char *name);
/* Begin an exchange that claims for this owner; false: out of memory. Each begin has
 * its end. An exchange whose answer never came may have claimed jobs that nobody
 * knows of: its turn is what the owner's next exchange begins, and gets those jobs. */
bool redis_turn_begin(struct redis_queues *queues, struct redis_queue *queue,
                      struct pawl_owner owner, struct redis_turn *out);
/* `answered`: its reply came. `rest`: from where on there is more to hand out of that
 * claim, when it was an earlier one and the room did not suffice; else 0. */
void redis_turn_end(struct redis_queues *queues, struct redis_queue *queue,
                    struct pawl_owner owner, const struct redis_turn *turn,
                    bool answered, uint32_t rest);
/* `prefix` "{" encoded name "}:"; malloc()ed. FORMAT.md says what is encoded. */
char *redis_queue_tag(const char *prefix, const char *name);

#endif
