/* pawl/storage.h - for people who write a storage.
 *
 * Its stability promise is weaker than pawl.h's: PAWL_STORAGE_ABI rises with
 * every change here, and a storage must be compiled against the same number.
 *
 * A storage keeps jobs. It decides nothing: defaults, limits, backoff, retries
 * and retention are the core's, which hands over normalised values only. What
 * the storage alone can give is atomicity:
 *
 *   - Each method is ONE atomic step on ONE queue. After a crash or a failure
 *     the stored jobs are as they were, or as success would have left them;
 *     PAWL_EUNKNOWN says that we cannot know which.
 *   - Arrays in, arrays out, results per item. A method's own status tells of
 *     the step as a whole; when it is negative, item results are meaningless.
 *   - Methods never call back into the core, never log, never print.
 *
 * Threads: any number of threads may call any method of one instance at once,
 * except open and close. Methods other than wait block only for their own work
 * and for at most config.deadline, after which they answer PAWL_ETIMEOUT.
 *
 * Time: a storage reads `config.clock` itself, inside its atomic step, so that
 * what commits later has not an earlier time. Callers hand over durations where
 * they can and instants only where a person chose one.
 *
 * docs/storage-contract.md numbers these rules; the conformance suite cites the
 * numbers and runs on every storage. docs/new-storage.md is the guide.
 */
#ifndef PAWL_STORAGE_H
#define PAWL_STORAGE_H

#include <errno.h>

#include "pawl/admin.h"
#include "pawl/job.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PAWL_STORAGE_ABI 7

/* pawl_error.native of a PAWL_EUNKNOWN for which the server did answer, with an error
 * that leaves open what was done: it is not away, so there is no outage. */
#define PAWL_NATIVE_ANSWERED EBADMSG

/* Time and its uses. `now` is the wall clock in ms. `steady` counts ms while
 * the machine is up, suspended or not, and is never set (CLOCK_BOOTTIME):
 * leases are measured by it. Both may be called from any thread. */
struct pawl_clock {
    pawl_time (*now)(void *context);
    pawl_time (*steady)(void *context);
    void *context;
};

struct pawl_storage_config {
    const char *url;      /* as the user wrote it, for messages */
    const char *location; /* what follows "scheme:", without options; may be "" */
    const char *options;  /* what follows "?"; "" if nothing */
    struct pawl_clock clock;
    pawl_duration deadline; /* > 0: the longest a method may block */
    bool must_exist;        /* do not create: a missing store is NOT_FOUND */
    /* The core's; a storage need not look at them: */
    bool bare;   /* no local spool in front of a remote storage */
    bool urgent; /* look for the primary at once, drain as fast as it goes */
    bool brief;  /* closed again soon: no thread for what is not due yet */
    /* Only understand the URL and set `where`; nothing but close follows. Asked of
     * storages that are `remote`. */
    bool url_only;
    /* Only health and close follow, and nothing is made. A server without a store is
     * as good as one with it; a file that is missing is NOT_FOUND, or what would keep
     * it from being made: EINVAL, EDENIED. */
    bool health_only;
};

/* The caller's side of "the same call again". A session is one process
 * incarnation, or a store's own uuid; seq rises by one with each put of that
 * session on that queue. For at least the last 16 seqs of a session, the same
 * (session, seq) again gets the same replies, whatever became of the jobs in
 * the meantime; an older one gets those or PAWL_ETOOOLD. Never a second job. */
struct pawl_session {
    uint8_t b[16];
};

/* --- put ---------------------------------------------------------------- */
struct pawl_put {
    const char *queue;
    struct pawl_session session;
    uint64_t seq; /* from 1 */
    const struct pawl_new_job *jobs; /* normalised: nothing is left to default;
                                        every id set; queue as above or NULL */
    size_t job_count;
};

/* --- exchange ------------------------------------------------------------ */
enum pawl_outcome_kind {
    PAWL_OUTCOME_COMPLETED, /* -> completed, with the result */
    PAWL_OUTCOME_RETRY,     /* -> failed, runs again after `delay`; the error is
                               kept */
    PAWL_OUTCOME_DEAD,      /* -> dead; the error is kept */
    PAWL_OUTCOME_SNOOZED,   /* -> scheduled after `delay`; attempt given back */
    PAWL_OUTCOME_RELEASED,  /* -> pending, at the head; attempt given back */
    PAWL_OUTCOME_CANCELLED  /* -> cancelled; the error, if any, is kept */
};

/* Where an outcome takes a job. Whoever asked to cancel it gets that, unless the
 * job is already done or dead. */
PAWL_API enum pawl_state pawl_outcome_state(enum pawl_outcome_kind kind,
                                            bool cancel_requested);

struct pawl_outcome {
    struct pawl_id id;
    uint32_t epoch;
    uint64_t origin; /* as claimed; a hint where to look, never trusted */
    enum pawl_outcome_kind kind;
    pawl_duration delay;
    const char *error; /* NULL or "": none */
    const void *result;
    size_t result_size;
};

/* How long finished jobs stay. Zero counts and ages mean "not at all"; -1 means
 * "for ever". A job is over count when `count` jobs of its queue reached its
 * state after it. */
struct pawl_keep {
    pawl_duration age;
    int64_t count;
};
struct pawl_retention {
    struct pawl_keep completed, dead, cancelled;
};

/* As stats tell it. */
static inline struct pawl_queue_keep
pawl_retention_as_keep(const struct pawl_retention *r)
{
    struct pawl_queue_keep keep = { r->completed.age,   r->dead.age,
                                    r->cancelled.age,   r->completed.count,
                                    r->dead.count,      r->cancelled.count };
    return keep;
}

struct pawl_exchange {
    const char *queue;
    struct pawl_owner owner;
    const struct pawl_outcome *outcomes;
    size_t outcome_count;
    size_t claim_max;    /* 0: only write back */
    pawl_duration lease; /* of the claimed jobs */
    struct pawl_retention retention;
};

struct pawl_exchange_reply {
    enum pawl_status *outcomes; /* caller's array[outcome_count]: OK or STALE.
                                   The same outcome again is OK while the job
                                   still shows it */
    struct pawl_job **jobs; /* caller's array[claim_max], filled in run order;
                               each to be freed with pawl_job_free() */
    size_t job_count;
    bool paused;       /* nothing was claimed because the queue is paused */
    bool more;         /* fewer than claim_max only because they are large, or
                          because so many had expired: there may be more. False
                          before the call */
    pawl_time next_at; /* when the next scheduled or failed job of this queue is
                          due; 0: none known */
};

/* --- renew --------------------------------------------------------------- */
struct pawl_lease_ref {
    struct pawl_id id;
    uint32_t epoch;
    uint64_t origin;
};
struct pawl_renew {
    const char *queue;
    struct pawl_owner owner;
    const struct pawl_lease_ref *leases;
    size_t lease_count;
    pawl_duration lease; /* from now on */
};

/* --- sweep --------------------------------------------------------------- */
struct pawl_sweep {
    const char *queue;
    size_t limit; /* at most about this many jobs of each kind */
    int max_crashes;
    struct pawl_retention retention;
};
struct pawl_sweep_reply {
    size_t promoted;  /* scheduled and failed -> pending, in (run_at, id) order */
    size_t recovered; /* processing -> pending, their lease or owner being gone */
    size_t killed;    /* ... -> dead as worker_lost, at max_crashes */
    size_t expired;   /* -> cancelled, their ttl being over */
    size_t removed;   /* finished jobs over age or count */
    bool more;        /* the limit was reached: call again */
    pawl_time next_at; /* when the next scheduled or failed job is due; 0: none */
};

/* --- wait ---------------------------------------------------------------- */
struct pawl_wait {
    const char *const *queues; /* any of them */
    size_t queue_count;
    pawl_time until; /* steady clock */
};

/* --- list and alter ------------------------------------------------------ */
/* Where a page ended; made by list, opaque to everybody else. */
struct pawl_place {
    int64_t rank;
    uint8_t tie[16];
    uint8_t part; /* of a storage that is made of several: whose place it is; else 0 */
    bool set;
};
struct pawl_list {
    const char *queue;
    enum pawl_state state; /* one state; the core walks several */
    const char *type;      /* NULL: any */
    struct pawl_place after;
    size_t limit; /* at most this many jobs, 1..500 */
};
struct pawl_list_reply {
    struct pawl_job **jobs; /* caller's array[limit] */
    size_t job_count;
    struct pawl_place next; /* set if there may be more */
};

enum pawl_alter_kind {
    PAWL_ALTER_RUN,          /* -> pending, at the tail. With fresh_start, attempt
                                and crashes begin again at 0. A reject key is
                                taken again: KEY_TAKEN if another holds it */
    PAWL_ALTER_CANCEL,       /* -> cancelled; a processing job is asked to */
    PAWL_ALTER_REMOVE,       /* deleted, with its key unless it is a throttle */
    PAWL_ALTER_REPRIORITISE, /* `priority`; a pending job goes to that tail */
    PAWL_ALTER_PAUSE,        /* the queue: nothing is claimed any more */
    PAWL_ALTER_RESUME,
    PAWL_ALTER_RETENTION /* the queue's own, instead of the callers' */
};
struct pawl_alter {
    const char *queue;
    enum pawl_alter_kind kind;
    unsigned from_states; /* PAWL_STATE_BITs from which the move is allowed; only
                             such as the kind makes sense for */
    bool fresh_start;
    int priority;
    struct pawl_retention retention;
    /* Either ids ... */
    const struct pawl_id *ids;
    size_t id_count;
    /* ... or, when ids is NULL, every job in from_states that matches: */
    const char *type;          /* NULL: any */
    pawl_duration older_than;  /* finished longer ago; else enqueued; 0: any */
    size_t limit;              /* at most this many in this call */
};
struct pawl_alter_reply {
    enum pawl_status *results; /* caller's array[id_count], or NULL with a
                                  filter: OK, NOT_FOUND, WRONG_STATE, KEY_TAKEN */
    size_t changed;
    bool more; /* filter: the limit was reached, call again */
};

/* --- take_out and bring_in ------------------------------------------------ */
/* SHA-256 of a whole job as it is handed over, as eight numbers, the first bytes
 * first; of many jobs the sum of each number modulo 2^32, in whatever order. */
struct pawl_digest {
    uint32_t lanes[8];
};
/* All of it but what does not move: a request to cancel, the owner, the origin.
 * False: out of memory, or OpenSSL cannot be loaded. */
PAWL_API bool pawl_job_digest(const struct pawl_job *job, struct pawl_digest *out);
PAWL_API void pawl_digest_add(struct pawl_digest *sum, const struct pawl_digest *one);
/* All zeroes: of a job that is not to be counted. */
PAWL_API bool pawl_digest_is_zero(const struct pawl_digest *digest);

/* What a mover has taken out of a queue here, or brought in. The source's and the
 * target's are equal when all arrived that left, once, and whole. */
struct pawl_tally {
    uint64_t count;
    struct pawl_digest sum;
};

/* A HOLD ends with so many bytes of payloads and results, whatever its limit: what was
 * held in one call goes over in one, and that has to be done within a deadline. */
#define PAWL_HOLD_BYTES ((size_t)8 << 20)

enum pawl_take_kind {
    PAWL_TAKE_HOLD,    /* -> held by `mover`, and handed over whole */
    PAWL_TAKE_CONFIRM, /* held by `mover` -> deleted: it is elsewhere now */
    PAWL_TAKE_RELEASE, /* held by `mover` -> the state and place it had */
    PAWL_TAKE_PASS     /* held by `mover` -> held by `heir` */
};
struct pawl_take_out {
    const char *queue;
    struct pawl_session mover; /* whose mark it is; nobody else can confirm or
                                  release what it holds */
    enum pawl_take_kind kind;
    unsigned from_states;      /* HOLD: PAWL_STATE_BITs; never processing */
    size_t limit;              /* HOLD: 1..1000; fewer may come, none only when there
                                  is none */
    bool only_new;             /* HOLD: nothing of what `mover` holds already */
    struct pawl_session heir;  /* PASS: another mark */
    const struct pawl_id *ids; /* CONFIRM, RELEASE, PASS */
    size_t id_count;
    const struct pawl_digest *digests; /* CONFIRM, PASS: [id_count], added to the
                                          mover's tally where the result is OK;
                                          NULL: to none */
};
struct pawl_take_out_reply {
    struct pawl_job **jobs; /* HOLD: caller's array[limit], each with the state it
                               had before; to pawl_job_free() */
    size_t job_count;
    enum pawl_status *results; /* the others: caller's array[id_count]: OK, or
                                  NOT_FOUND where the mover holds no such job:
                                  doing it again finds nothing left to do */
};
struct pawl_bring_in {
    const char *queue;
    struct pawl_session session; /* with seq: as for put, from one count */
    uint64_t seq;
    const struct pawl_job *const *jobs; /* whole; scheduled, pending, failed or
                                           finished */
    size_t job_count;
    const struct pawl_digest *digests; /* [job_count], added to the tally of `mover`
                                          where the job is stored; NULL: to none */
    struct pawl_session mover;
};

/* --- the table ----------------------------------------------------------- */
struct pawl_storage; /* begins every instance */

struct pawl_storage_ops {
    uint32_t abi;         /* PAWL_STORAGE_ABI, exactly */
    const char *scheme;   /* "sqlite": its URLs begin "sqlite:" */
    const char *label;    /* "SQLite": for people; NULL: the scheme will do */
    size_t instance_size; /* the core allocates this much, zeroed */
    size_t put_max;       /* jobs in one put the storage is at its best with */
    int exchanges_in_flight; /* exchanges worth running side by side, 1..4 */
    bool remote; /* reached over a network, so it may be away: unless told not to,
                    the core puts a local spool behind it */
    bool fleeting; /* what it holds goes with the process: it is never a spool */

    /* Open the store, creating it or bringing its format up to date. close() is
     * called exactly once even when this fails. EFORMAT: written by a newer
     * pawl or by another program. EDENIED: not ours to use. EUNREACHABLE: may
     * work later. NOT_FOUND: config.must_exist and it does not. */
    enum pawl_status (*open)(struct pawl_storage *self,
                             const struct pawl_storage_config *config,
                             struct pawl_error *err);
    /* Never fails; an instance zeroed or half open is fine. Owners that claimed
     * through it are gone from now on, and their leases over; but those leases last
     * until they run out if base.keep_leases was set. */
    void (*close)(struct pawl_storage *self);

    /* Store new jobs: scheduled if due later, else pending at the tail of their
     * priority, in the order of the array. results[job_count] is the caller's.
     * OK, DUPLICATE (a job with this id exists; it is not looked at further) or
     * KEY_TAKEN per job; an id or key that comes twice in one call counts from
     * its first job. EFULL: nothing was stored. */
    enum pawl_status (*put)(struct pawl_storage *self, const struct pawl_put *in,
                            struct pawl_put_result *results,
                            struct pawl_error *err);

    /* Write back outcomes, then claim the first jobs in run order: priority,
     * then position. An outcome counts only while the job is processing with
     * that epoch and owner. Each completion removes at most two jobs over
     * count. A pending job whose ttl is over becomes cancelled instead of being
     * claimed. A claim adds 1 to attempt and epoch. A cancelled outcome and any
     * final state free a reject key. OK even if nothing could be claimed. */
    enum pawl_status (*exchange)(struct pawl_storage *self,
                                 const struct pawl_exchange *in,
                                 struct pawl_exchange_reply *out,
                                 struct pawl_error *err);

    /* Extend the named leases. results[lease_count]: OK, STALE (lost: stop the
     * handler) or CANCEL_ASKED (extended, but an operator asked to cancel it). */
    enum pawl_status (*renew)(struct pawl_storage *self,
                              const struct pawl_renew *in,
                              enum pawl_status *results, struct pawl_error *err);

    /* Housekeeping of one queue: bounded work, any number of callers. A job
     * whose lease ended or whose owner died goes to the pending tail, attempt
     * given back, crashes + 1; to cancelled if that was asked for. */
    enum pawl_status (*sweep)(struct pawl_storage *self,
                              const struct pawl_sweep *in,
                              struct pawl_sweep_reply *out,
                              struct pawl_error *err);

    /* Sleep until something may be claimable in one of the queues, kick() was
     * called, or `until` passed. A hint only: waking for nothing and waking
     * late are both allowed. One thread per instance. OK or a failure. */
    enum pawl_status (*wait)(struct pawl_storage *self,
                             const struct pawl_wait *in, struct pawl_error *err);
    /* Wake the waiter of this instance, or let its next wait return at once. */
    void (*kick)(struct pawl_storage *self);

    /* One job whole; *out is the caller's, to pawl_job_free(). NOT_FOUND.
     * `queue` may be NULL: look in the queues whose name has the id's hash. */
    enum pawl_status (*get)(struct pawl_storage *self, const char *queue,
                            struct pawl_id id, struct pawl_job **out,
                            struct pawl_error *err);
    /* A page of one state in its own order: pending: run order; scheduled and
     * failed: run_at, then id; processing: any fixed order; finished: newest
     * first. Fewer jobs than `limit` may come with `next` set, when a type
     * filter passed over many. */
    enum pawl_status (*list)(struct pawl_storage *self, const struct pawl_list *in,
                             struct pawl_list_reply *out, struct pawl_error *err);
    enum pawl_status (*alter)(struct pawl_storage *self,
                              const struct pawl_alter *in,
                              struct pawl_alter_reply *out,
                              struct pawl_error *err);
    /* Hand jobs over to another storage. HOLD first hands over again what `mover`
     * holds already, then holds more: the states in the enum's order, each in its
     * own; so a mover that died asks again under the same mark and misses nothing.
     * A held job is not claimed, promoted, expired or altered; it keeps its unique
     * key. CONFIRM deletes it, and frees its key unless that is a throttle. PASS
     * leaves it held, under another mark. */
    enum pawl_status (*take_out)(struct pawl_storage *self,
                                 const struct pawl_take_out *in,
                                 struct pawl_take_out_reply *out,
                                 struct pawl_error *err);
    /* Take jobs over whole: id, epoch, attempt, crashes, times, errors, result and
     * options as they are; a pending one goes to the tail of its lane, in the
     * order of the array; a finished one gets the next ordinal of its state. A
     * throttle key is held until enqueued_at + key_ttl. results[job_count]: as
     * for put, and idempotent like put. */
    enum pawl_status (*bring_in)(struct pawl_storage *self,
                                 const struct pawl_bring_in *in,
                                 struct pawl_put_result *results,
                                 struct pawl_error *err);
    /* What was added up under this mark in this queue; zeroes: nothing was. `forget`
     * it, too. */
    enum pawl_status (*tally)(struct pawl_storage *self, const char *queue,
                              struct pawl_session mover, bool forget,
                              struct pawl_tally *out, struct pawl_error *err);
    /* Every queue, sorted by name, or the one named (NOT_FOUND); *out is the
     * caller's, one block of malloc() that begins with the struct, to
     * pawl_stats_free(). A queue exists from its first put or alter on. */
    enum pawl_status (*stats)(struct pawl_storage *self, const char *queue,
                              struct pawl_stats **out, struct pawl_error *err);
    enum pawl_status (*health)(struct pawl_storage *self,
                               struct pawl_health *out, struct pawl_error *err);
};

/* The base of every instance; the storage's own fields follow it. */
struct pawl_storage {
    const struct pawl_storage_ops *ops;
    const char *where; /* set by open: path or host, for people, never a password;
                          the storage's, until close. Of a remote storage it is
                          the same for the same store, and not for another */
    struct pawl_session store; /* set by open: the store's own mark, by which one
                                  that was emptied or replaced is told; zero: it
                                  has none */
    bool keep_leases; /* set before close by whoever still has outcomes to deliver of
                         jobs that were claimed through it. A storage that is not
                         `remote` need not look at it */
};

/* Make a storage known under its scheme, for this process. EINVAL: wrong abi, a
 * missing method, or a scheme already taken. `ops` must live for ever. Any
 * thread. The built-in ones are there without it. */
PAWL_API enum pawl_status
pawl_storage_register(const struct pawl_storage_ops *ops, struct pawl_error *err);

#ifdef __cplusplus
}
#endif
#endif
