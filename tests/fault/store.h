/* store.h - the store that a fault test is about, a file of SQLite's unless its URL
 * is said, and its actors.
 *
 * A test opens it for a look and closes it again before it starts the next
 * actor: actors are never born of a process that holds a handle.
 */
#ifndef PAWL_TEST_STORE_H
#define PAWL_TEST_STORE_H

#include <check.h>

#include "actor.h"
#include "history.h"
#include "pawl.h"
#include "temp_dir.h"

#define STORE_QUEUE "storm"

struct store {
    struct temp_dir folder;
    char file[300];    /* the database; "" where it is none */
    char url[1100];    /* of a file: durability=full */
    char history[300]; /* of the actors */
};

void store_make(struct store *store);
/* The same, but it is wherever `url` says. */
void store_make_at(struct store *store, const char *url);

/* Nothing is trimmed by its handles. Must succeed. deadline 0: the default. */
struct pawl *store_open(const struct store *store, pawl_duration deadline);
/* Run the helper program: its role and NAME=VALUE words, NULL at the end. */
void store_actor(const struct store *store, struct actor *actor,
                 const char *role, ...) __attribute__((sentinel));
/* The same with the words in an array, NULL at the end. */
void store_actor_with(const struct store *store, struct actor *actor,
                      const char *role, const char *const *words);
/* Run the pawl command on the store. */
void store_command(const struct store *store, struct actor *actor, ...)
    __attribute__((sentinel));
/* Work until nothing is pending, processing or failed. */
void store_drain(const struct store *store);

/* Must succeed; the new job's id. */
struct pawl_id store_enqueue(struct pawl *pawl);
/* Jobs of the queue in that state. */
uint64_t store_count(struct pawl *pawl, enum pawl_state state);
struct pawl_queue_stats store_totals(struct pawl *pawl);
/* Wait until so many jobs are in the state. Opens and closes the store. */
void store_await(const struct store *store, enum pawl_state state,
                 uint64_t count);

/* The ids of the queue's jobs, in one state or (0) in all, sorted. */
struct id_list {
    char (*ids)[PAWL_ID_TEXT];
    size_t count;
};
void store_ids(struct pawl *pawl, enum pawl_state state, struct id_list *out);
bool id_list_has(const struct id_list *list, const char *id);
void id_list_clear(struct id_list *list);

/* PRAGMA quick_check says that the file is whole. */
void store_must_be_sound(const char *file);

/* Run the tests; the exit status for main. Each gets a fresh store in
 * `store_under_test` and may take `seconds`. */
extern struct store store_under_test;
int store_run(const char *name, const TTest *const *tests, size_t count,
              double seconds);
/* The same with what is done before and after each test. */
int store_run_with(const char *name, const TTest *const *tests, size_t count,
                   double seconds, void (*begin)(void), void (*end)(void));

#endif
