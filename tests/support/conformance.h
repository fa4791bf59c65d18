/* conformance.h - the storage under test, and one line for each call on it.
 *
 * PAWL_TEST_STORAGE names it. Every test gets an empty store, a clock that stands
 * still, and one open instance, `store`; fixture_open() and fixture_close() are
 * a checked fixture, since a handle must be opened after Check has forked. Calls
 * here fail the test when the storage fails; what it answers is returned. Jobs
 * and stats that are returned are freed with the fixture.
 */
#ifndef PAWL_TEST_CONFORMANCE_H
#define PAWL_TEST_CONFORMANCE_H

#include <check.h>

#include "fake_clock.h"
#include "storage/storage.h"

#define QUEUE "mail"
#define START INT64_C(1700000000000) /* what the clock shows at first */
#define LEASE 30000
#define MAX_CRASHES 3
#define CLAIMS_MOST 1024

extern struct pawl_storage *store;
extern struct fake_clock test_clock;
extern const struct pawl_owner owner_a, owner_b;
/* Passed with every exchange and sweep; for ever at first. */
extern struct pawl_retention retention;

/* --- the store --------------------------------------------------------------- */
/* Around program_run(), in the parent. */
void conformance_begin(void);
void conformance_end(void);
/* Of each test. */
void fixture_open(void);
void fixture_close(void);
/* A block of malloc() that goes with the test; the same is returned. */
void *own(void *block);
/* One more instance on the test's store; closed with the fixture, or before it
 * by instance_close(). */
struct pawl_storage *instance_open(void);
struct pawl_storage *instance_open_at(const struct pawl_clock *clock);
void instance_close(struct pawl_storage *instance);
/* An instance on another store, beside the test's, and empty. */
struct pawl_storage *other_store_open(void);
/* What instance_open() would answer for a store that is not there. */
enum pawl_status open_missing(struct pawl_error *err);

/* --- time --------------------------------------------------------------------- */
void pass(pawl_duration time);
pawl_time now(void);

/* --- put ------------------------------------------------------------------------ */
/* An id for a job of `queue`; each is greater than the one before. */
struct pawl_id new_id(const char *queue);
/* The same with defaults for what is zero: queue, id, priority, attempts, type. */
struct pawl_new_job normal(struct pawl_new_job job);
struct pawl_put_result put_on(struct pawl_storage *instance,
                              struct pawl_new_job job);
struct pawl_put_result put(struct pawl_new_job job);
/* It must be stored. */
struct pawl_id put_ok(struct pawl_new_job job);
struct pawl_id put_plain(void);
/* `count` plain jobs in one call; ids may be NULL. */
void put_many(size_t count, struct pawl_id *ids);
/* All in one call, under the session and seq given; the jobs must be normal. */
enum pawl_status put_as(struct pawl_session session, uint64_t seq,
                        const struct pawl_new_job *jobs, size_t count,
                        struct pawl_put_result *results);

/* --- exchange -------------------------------------------------------------------- */
struct claims {
    struct pawl_job *jobs[CLAIMS_MOST];
    size_t count;
    bool paused, more;
    pawl_time next_at;
};
/* Any exchange: outcomes by `owner`, then claims. */
struct claims exchange_on(struct pawl_storage *instance, const char *queue,
                          struct pawl_owner owner,
                          const struct pawl_outcome *outcomes,
                          enum pawl_status *results, size_t outcome_count,
                          size_t claim_max);
struct claims claim(struct pawl_owner owner, size_t most);
/* The next job, for owner_a; fails the test if there is none. */
struct pawl_job *claim_one(void);
/* Nothing must be claimable. */
void claim_none(void);
/* An outcome of this claim. */
struct pawl_outcome outcome_of(const struct pawl_job *job,
                               enum pawl_outcome_kind kind);
/* Write one back by the job's own owner. */
enum pawl_status write_back(const struct pawl_job *job,
                            struct pawl_outcome outcome);
enum pawl_status write_kind(const struct pawl_job *job,
                            enum pawl_outcome_kind kind);
/* Put a job and bring it into this state. */
struct pawl_id put_in(enum pawl_state state, struct pawl_new_job job);

/* --- renew, sweep ----------------------------------------------------------------- */
enum pawl_status renew(const struct pawl_job *job, pawl_duration lease);
struct pawl_sweep_reply sweep_some(size_t limit);
struct pawl_sweep_reply sweep(void);

/* --- looking ------------------------------------------------------------------------ */
/* NULL: not found. */
const struct pawl_job *look(struct pawl_id id);
/* All jobs of one state, page by page; `jobs` has room for CLAIMS_MOST. */
size_t list_all(const char *queue, enum pawl_state state, const char *type,
                size_t page, struct pawl_job **jobs);
size_t count_in(enum pawl_state state);
const struct pawl_queue_stats *stats_of(const char *queue);
const struct pawl_stats *stats_all(void);

/* --- alter --------------------------------------------------------------------------- */
#define BIT(state) PAWL_STATE_BIT(state)
#define RETRY_FROM (BIT(PAWL_FAILED) | BIT(PAWL_DEAD) | BIT(PAWL_CANCELLED))
#define PROMOTE_FROM (BIT(PAWL_SCHEDULED) | BIT(PAWL_FAILED))
#define CANCEL_FROM                                                             \
    (BIT(PAWL_SCHEDULED) | BIT(PAWL_PENDING) | BIT(PAWL_PROCESSING) |           \
     BIT(PAWL_FAILED))
#define REMOVE_FROM                                                             \
    (BIT(PAWL_SCHEDULED) | BIT(PAWL_PENDING) | BIT(PAWL_FAILED) |               \
     BIT(PAWL_COMPLETED) | BIT(PAWL_DEAD) | BIT(PAWL_CANCELLED))
#define REPRIORITISE_FROM                                                       \
    (BIT(PAWL_SCHEDULED) | BIT(PAWL_PENDING) | BIT(PAWL_FAILED))

struct pawl_alter_reply alter(struct pawl_alter what);
/* One job; from_states and fresh_start as the core has them. */
enum pawl_status alter_one(enum pawl_alter_kind kind, struct pawl_id id);
enum pawl_status reprioritise(struct pawl_id id, int priority);

/* --- asserting ------------------------------------------------------------------------- */
#define assert_status(got, wanted)                                              \
    ck_assert_str_eq(pawl_status_name(got), pawl_status_name(wanted))
#define assert_state(id, wanted)                                                \
    ck_assert_str_eq(state_of(id), pawl_state_name(wanted))
#define assert_gone(id) ck_assert_str_eq(state_of(id), "gone")
#define assert_id(got, wanted) ck_assert_str_eq(id_text(got), id_text(wanted))
#define assert_count(got, wanted)                                               \
    ck_assert_uint_eq((unsigned long)(got), (unsigned long)(wanted))
#define assert_time(got, wanted)                                                \
    ck_assert_int_eq((long long)(got), (long long)(wanted))

/* "pending"; "gone" when there is no such job. */
const char *state_of(struct pawl_id id);
/* One of a few static texts, used in turn. */
const char *id_text(struct pawl_id id);

#endif
