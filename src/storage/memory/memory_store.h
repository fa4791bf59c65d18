/* memory_store.h - the stores of this process, their queues, and who has them
 * open.
 *
 * Locking: one mutex per store guards all that is in it. memory_enter() takes
 * it and memory_leave() gives it back; every method is one such step, which
 * makes it atomic. One more mutex, never held for long, guards the list of
 * stores and is taken before a store's.
 */
#ifndef PAWL_STORAGE_MEMORY_STORE_H
#define PAWL_STORAGE_MEMORY_STORE_H

#include <pthread.h>

#include "pawl/storage.h"
#include "storage/memory/memory_index.h"
#include "storage/memory/memory_key.h"

struct memory_store {
    struct memory_store *next;
    char *name;
    struct memory_instance *instances; /* the store is gone with the last */
    pthread_mutex_t mutex;
    pthread_cond_t news; /* a queue's arrivals rose, or somebody was kicked */
    struct memory_index queues; /* struct memory_queue by name */
    struct memory_index jobs;   /* struct memory_job by id */
    pawl_time now;              /* the latest time seen: never goes back */
    size_t bytes;               /* of job records with their payloads */
};

struct memory_queue {
    struct memory_node node;
    struct memory_store *store;
    struct memory_index states[PAWL_STATE_COUNT]; /* jobs in the state's order */
    struct memory_keys keys;
    struct memory_index sessions;
    struct memory_index tallies;
    /* Places in the pending lanes: the next at the tail, the first at the head.
     * One pair does for all lanes, since only the order within one counts. */
    int64_t tail, head;
    /* How many jobs ever entered each finished state: the ordinal of the latest. */
    int64_t entered[PAWL_STATE_COUNT];
    int64_t holds; /* how many jobs were ever held: the place of the latest */
    uint64_t failed_total;
    uint64_t arrivals; /* how often something became claimable */
    bool paused;
    bool has_retention;
    struct pawl_retention retention; /* if so, instead of the callers' */
    char name[];
};

/* An owner that claimed through an instance. */
struct memory_owner {
    struct memory_node node;
    struct pawl_owner id;
};

struct memory_instance {
    struct pawl_storage base;
    struct pawl_clock clock;
    struct memory_store *store;
    struct memory_instance *next;
    struct memory_index owners;
    uint64_t arrivals_seen; /* by the last wait, summed over its queues */
    bool kicked;
};

/* Join the store of this name, making it if need be. NOT_FOUND, PAWL_ENOMEM. */
enum pawl_status memory_store_join(struct memory_instance *self,
                                   const char *name, bool must_exist,
                                   struct pawl_error *err);
/* The last to leave frees it. */
void memory_store_quit(struct memory_instance *self);

struct memory_store *memory_enter(struct pawl_storage *storage);
void memory_leave(struct memory_store *store);

/* The time of this step. */
pawl_time memory_now(struct memory_instance *self);
pawl_time memory_steady(const struct memory_instance *self);

/* NULL when it does not exist. */
struct memory_queue *memory_queue_find(const struct memory_store *store,
                                       const char *name);
/* Find it or make it; NULL when memory is out. */
struct memory_queue *memory_queue_at(struct memory_store *store,
                                     const char *name);
/* Something can be claimed that could not before. */
void memory_queue_arrived(struct memory_queue *queue);
/* When its next scheduled or failed job is due; 0: there is none. */
pawl_time memory_queue_next_at(const struct memory_queue *queue);
/* How long jobs that finish in `state` stay: as set for the queue, else as
 * `passed` says, else (NULL) for ever. */
struct pawl_keep memory_queue_keep(const struct memory_queue *queue,
                                   const struct pawl_retention *passed,
                                   enum pawl_state state);

/* Remember that `owner` claims through this instance. False: out of memory. */
bool memory_owner_add(struct memory_instance *self,
                      const struct pawl_owner *owner);

#endif
