/* redis_rig.h - a Redis, a proxy before it, and the bare storage on both: one
 * instance `through` the proxy, whose calls go wrong, and one `beside` it, whose
 * calls prepare and look. Calls here must succeed; a failure ends the test.
 */
#ifndef PAWL_TEST_REDIS_RIG_H
#define PAWL_TEST_REDIS_RIG_H

#include <check.h>

#include "actor.h"
#include "lanes.h"
#include "proxy.h"
#include "redis_server.h"
#include "storage/storage.h"

#define RIG_QUEUE "rig"
#define RIG_MOST 100 /* jobs in one call */
#define RIG_LEASE 600000

struct rig {
    struct redis_server server;
    struct proxy proxy;
    struct pawl_storage *through, *beside;
    struct pawl_session session;
    uint64_t seq; /* of the last put of the session */
    struct pawl_owner owner, other; /* by whom `through` and `beside` claim */
    struct pawl_retention retention; /* for ever at first */
};

extern struct rig rig;

/* `options` for the URL of `through`, as "retries=0". */
void rig_open(const char *options);
void rig_close(void);
/* Close `through` and open it again. */
void rig_reopen(const char *options);
/* One more instance; to be closed by storage_close(). */
struct pawl_storage *rig_instance(int port, const char *options);
/* Make sure that `through` has a connection, and that it is whole. */
void rig_warm(void);

/* --- jobs ------------------------------------------------------------------- */
/* Normalised, with an id of its own. */
struct pawl_new_job rig_job(void);
/* Put so many by `beside`; ids may be NULL. */
void rig_put(size_t count, struct pawl_id *ids);
/* By `instance`, one of the two; outcomes must all be OK. Returns how many were
 * claimed; the caller frees them. */
size_t rig_exchange(struct pawl_storage *instance,
                    const struct pawl_outcome *outcomes, size_t outcome_count,
                    size_t claim_max, struct pawl_job **jobs);
struct pawl_outcome rig_outcome(const struct pawl_job *job,
                                enum pawl_outcome_kind kind);
void rig_free(struct pawl_job **jobs, size_t count);
/* Sweep by `beside` until nothing is left to do. */
void rig_sweep(void);
/* Remove all jobs of the queue but those that are processing. */
void rig_empty(void);

/* --- looking, by `beside` ------------------------------------------------------- */
struct pawl_queue_stats rig_stats(void);
uint64_t rig_count(enum pawl_state state);
/* All jobs, in whatever state. */
uint64_t rig_all(void);
/* NULL: there is none. The caller frees it. */
struct pawl_job *rig_get(struct pawl_id id);
bool rig_same_id(struct pawl_id a, struct pawl_id b);

/* Run the tests, each with a rig of its own, opened with `options`, and so many at the
 * same time; the exit status. */
int rig_run(const char *name, const char *options, const struct lane_test *tests,
            size_t count, int lane_count, double seconds);

#endif
