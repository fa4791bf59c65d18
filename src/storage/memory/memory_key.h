/* memory_key.h - unique keys of one queue.
 *
 * A key is made with its job, and is held or not. A reject key that was let go
 * stays with its job, so that a retry can take it again without allocating. A
 * throttle key outlives its job: then it is an orphan, freed when let go.
 */
#ifndef PAWL_STORAGE_MEMORY_KEY_H
#define PAWL_STORAGE_MEMORY_KEY_H

#include "pawl/storage.h"
#include "storage/memory/memory_index.h"

struct memory_keys { /* of one queue, those that are held; zeroed: none */
    struct memory_index by_text;
    struct memory_index by_until; /* those that run out */
    int64_t serial;
};

struct memory_key {
    struct memory_node by_text, by_until;
    uint8_t order[16]; /* in by_until: until, then a serial number */
    struct pawl_id id; /* the job's */
    pawl_time until;   /* over from then on; 0: only when it is let go */
    bool held;
    bool throttle;
    bool orphan; /* its job is gone */
    size_t text_size;
    char text[];
};

/* NULL when memory is out. */
struct memory_key *memory_key_new(const struct pawl_new_job *job, pawl_time now);
/* Is its time over? */
bool memory_key_over(const struct memory_key *key, pawl_time now);
/* The one that holds the same text now; NULL when it is free. */
struct memory_key *memory_key_holder(struct memory_keys *keys,
                                     const struct memory_key *key, pawl_time now);
/* Hold it. Its text must be free. */
void memory_key_take(struct memory_keys *keys, struct memory_key *key);
/* Let go, if it is held. An orphan is freed. NULL is fine. */
void memory_key_release(struct memory_keys *keys, struct memory_key *key);
/* Its job is being removed: a throttle is held on. NULL is fine. */
void memory_key_drop(struct memory_keys *keys, struct memory_key *key);
/* Let go of at most `limit` keys whose time is over. */
void memory_key_sweep(struct memory_keys *keys, pawl_time now, size_t limit);

#endif
