/* failover_internal.h - what a failover is, inside.
 *
 *   failover.c           the two storages: which is in use, waiting in it
 *   failover_open.c      opening and closing
 *   failover_spool.c     opening the spool, and whether it may be this primary's
 *   failover_put.c       new jobs
 *   failover_room.c      how full the spool is
 *   failover_exchange.c  outcomes, claims, leases, sweeps
 *   failover_admin.c     looking and altering
 *   failover_stats.c     counts
 *   failover_health.c    health
 *   failover_notes.c     calls that are kept for the primary
 *   failover_kept.c      looking into these
 *   failover_drain.c     all that flows back
 *   failover_stuck.c     what does not
 *   failover_link.c      the thread pawl-link: probing, draining, telling
 *   breaker.c            which of the two storages is in use
 *   breaker_page.c       the file that all processes of the host know it by
 *   breaker_owner.c      for which primary that is
 *
 * Locking: `mutex` guards the lines and the primary's arrival; it is never held
 * across a call to a storage. The thread's own things need none.
 */
#ifndef PAWL_STORAGE_FAILOVER_INTERNAL_H
#define PAWL_STORAGE_FAILOVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/failover/breaker.h"
#include "storage/failover/failover.h"
#include "storage/failover/failover_settings.h"
#include "storage/failover/packet.h"

/* Reserved queues of the spool: no name of a user's begins like this. */
#define FAILOVER_SENT "\001sent"         /* puts that were maybe carried out */
#define FAILOVER_OUTCOMES "\001outcomes" /* of jobs that the primary handed out */
static inline bool failover_is_reserved(const char *queue)
{
    return storage_is_reserved(queue);
}

/* Jobs that the spool handed out come back with this in their origin. */
#define FAILOVER_LOCAL (UINT64_C(1) << 63)

/* Where a put must go that is sent again, and as what. */
enum failover_pin { FAILOVER_FREE, FAILOVER_AT_PRIMARY, FAILOVER_AT_SPOOL };
struct failover_pinned {
    struct pawl_session session; /* the caller's */
    uint64_t seq;
    enum failover_pin where;
    struct pawl_session sent_as; /* to the primary */
};
#define FAILOVER_PINS 16 /* the last ones of a queue: who repeats does so soon */

/* What is remembered of a queue, in this process. */
struct failover_line {
    struct failover_line *next;
    enum failover_policy policy;
    uint32_t turn; /* of the session we put under at the primary: another one after
                      each put that was kept as maybe sent, so that its seq stays
                      among the last of its session however long the outage */
    struct failover_pinned pins[FAILOVER_PINS];
    size_t next_pin;
    _Atomic int paused;   /* as last told to the spool: 0 no, 1 yes, -1 not known */
    uint64_t stuck_in;    /* the drain's: the round in which it did not take something, */
    enum pawl_status refused; /* and what was said of it last */
    char queue[];
};

struct failover {
    struct pawl_storage base;
    struct pawl_storage_ops ops; /* our methods, the primary's numbers */
    struct failover_settings settings;
    struct pawl_storage_config config; /* what the primary is opened with */
    char *url;                         /* of the primary, without our options */
    char *where;
    struct storage_log log;
    struct pawl_storage *_Atomic primary; /* NULL until it was there once */
    struct pawl_storage *spool;
    struct breaker breaker;

    pthread_mutex_t mutex;
    struct failover_line *lines;
    pthread_mutex_t open_mutex; /* who opens the primary */
    int64_t open_again_ns;      /* not before: it was just refused */
    _Atomic pawl_duration open_took; /* ms, rounded up; 0: it was not opened */
    struct pawl_error open_error;

    struct pawl_session note_session; /* our puts into the reserved queues */
    _Atomic uint64_t note_seq;

    /* The thread; failover_link.c. */
    pthread_t link;
    atomic_bool link_runs;
    atomic_bool stopping;
    _Atomic uint32_t told; /* the breaker's word that was last told of */
    pthread_mutex_t told_mutex;
    /* The thread's alone: */
    enum pawl_status refused; /* what the primary said to the last drain */
    int64_t stands;           /* 1 + the process that was said to stand in our way */
    uint64_t round;           /* of draining; the first is 1 */
    struct pawl_error stuck;  /* the first failure of this round that left others alone */
    bool lost;                /* in this drain the primary did not answer, to nothing */
    struct pawl_storage *prober; /* during a trial */
    int64_t fastest_ns;          /* of its answers */
    int slow;                    /* its last so many answers were */
};

static inline struct failover *failover_of(struct pawl_storage *self)
{
    return (struct failover *)self;
}

/* --- failover.c ----------------------------------------------------------------- */

/* The primary, opened if it was away until now; NULL: why not. */
struct pawl_storage *failover_primary(struct failover *f, struct pawl_error *err);
/* Make an instance that was just opened the primary, if there is none yet; returns
 * what is left to be closed: NULL, or the instance. */
struct pawl_storage *failover_adopt(struct failover *f, struct pawl_storage *primary);
/* So long may a call to the primary take that a program waits for. */
pawl_duration failover_patience(const struct failover *f);
/* An instance of the primary of the caller's own; `deadline` of its calls. */
enum pawl_status failover_connect(struct failover *f, pawl_duration deadline,
                                  struct pawl_storage **out, struct pawl_error *err);
/* Which store is it? One that was emptied or replaced is told of. */
void failover_met(struct failover *f, const struct pawl_storage *primary);
/* The line of a queue, made if it is new; NULL when memory is out. */
struct failover_line *failover_line(struct failover *f, const char *queue);

/* Is the primary to be left alone now? */
static inline bool failover_away(struct failover *f)
{
    return breaker_away(&f->breaker);
}
/* May the spool hold anything? */
static inline bool failover_spooled(const struct failover *f)
{
    return breaker_state(&f->breaker) != BREAKER_CLOSED;
}
/* Does this mean that the primary is away, and not that it has something against
 * us? */
bool failover_is_away(enum pawl_status status);
/* The same of a call's answer: one that leaves open what was done is an answer still. */
bool failover_is_lost(enum pawl_status status, const struct pawl_error *err);
/* Did the primary not answer, or not in time? Then it is away from now on, and true
 * is returned. */
bool failover_lost(struct failover *f, enum pawl_status status,
                   const struct pawl_error *err);
/* Asking the primary goes
 *     primary = failover_ask(f, &status, &own);
 *     if (primary)
 *         status = storage_X(primary, ..., &own);
 *     if (failover_final(f, status, &own, err))
 *         return status;
 * and behind that the spool is asked, since the primary is away.
 *
 * ask: NULL, with the status and error to go on with, if it is away or refuses us.
 * final: is that the answer? Then *err has the error. */
struct pawl_storage *failover_ask(struct failover *f, enum pawl_status *status,
                                  struct pawl_error *own);
bool failover_final(struct failover *f, enum pawl_status status,
                    const struct pawl_error *own, struct pawl_error *err);
/* UNREACHABLE, with what is known of the outage. */
enum pawl_status failover_unreachable(struct failover *f, struct pawl_error *err);

/* --- failover_room.c ------------------------------------------------------------ */

/* Jobs that wait or run. */
uint64_t failover_unfinished(const struct pawl_queue_stats *queue);
/* EFULL: the spool has one of its limits reached. */
enum pawl_status failover_take_room(struct failover *f, const struct pawl_put *in,
                                    struct pawl_error *err);

/* --- failover_spool.c --------------------------------------------------------------- */

/* Open it, and its breaker. EINVAL: the program named one that cannot be, or must not
 * be, this primary's. */
enum pawl_status failover_open_spool(struct failover *f, struct pawl_error *err);

/* --- failover_stats.c ------------------------------------------------------------ */

/* What waits in the spool, at least: unfinished jobs, and one of each call, none of which
 * is read for it. */
uint64_t failover_waiting(struct failover *f);

/* --- failover_exchange.c ------------------------------------------------------------- */

/* A queue that is paused at the primary is paused in the spool: as far as we heard
 * before it went away. */
void failover_mirror_pause(struct failover *f, struct failover_line *line, bool paused);

/* --- failover_notes.c --------------------------------------------------------------- */

/* Keep a call for the primary, durably. */
enum pawl_status failover_note_put(struct failover *f, const struct pawl_put *put,
                                   struct pawl_error *err);
enum pawl_status failover_note_outcomes(struct failover *f,
                                        const struct pawl_exchange *exchange,
                                        struct pawl_error *err);
/* Let go of those that the last round left, or somebody who died. */
enum pawl_status failover_take_up(struct failover *f, struct pawl_error *err);
/* Make some of those calls at `to`; EMPTY: there are no more for this round. *done
 * counts jobs. */
enum pawl_status failover_deliver(struct failover *f, struct pawl_storage *to,
                                  uint64_t *done, struct pawl_error *err);

/* --- failover_kept.c ---------------------------------------------------------------- */

/* The call in a note; false: enough. */
typedef bool failover_kept_fn(void *context, const struct pawl_job *note,
                              const struct packet *call);
/* Calls that were set aside, since they cannot be made, and the first of them. */
uint64_t failover_set_aside(struct failover *f, struct pawl_id *first);
/* Each call that is kept, outcomes first. What cannot be read is passed over. */
enum pawl_status failover_each_kept(struct failover *f, failover_kept_fn *visit,
                                    void *context, struct pawl_error *err);
/* A job of a put that is kept, as if it stood in a store: held. It points into both. */
struct pawl_job failover_kept_job(const struct pawl_new_job *job,
                                  const struct pawl_job *note);
/* NOT_FOUND. *out is the caller's. */
enum pawl_status failover_find_kept(struct failover *f, struct pawl_id id,
                                    struct pawl_job **out, struct pawl_error *err);
/* Those of a queue, as list does; its places have this rank, and the first no tie. */
#define FAILOVER_KEPT INT64_MAX
enum pawl_status failover_list_kept(struct failover *f, const struct pawl_list *in,
                                    struct pawl_list_reply *out, struct pawl_error *err);

/* --- failover_drain.c ----------------------------------------------------------------- */

/* Give the primary what is in the spool, until that is empty, or the state another, or
 * something fails. ms until it is to be tried again. */
pawl_duration failover_drain(struct failover *f);
/* Does the spool hold nothing for the primary? False also when it cannot be told. */
bool failover_spool_empty(struct failover *f);

/* --- failover_stuck.c ---------------------------------------------------------------- */

/* Something of a queue did not go over to `to`. OK: that is the queue's own trouble, and
 * others go on; in this round it gets nothing more, or its order would not be kept. */
enum pawl_status failover_stuck(struct failover *f, struct pawl_storage *to,
                                const char *queue, const struct pawl_error *why,
                                struct pawl_error *err);
bool failover_is_stuck(struct failover *f, const char *queue);
/* Something of it did. */
void failover_unstuck(struct failover *f, const char *queue);
/* Another process drains and has not moved for a while: a text of that, or false. */
#define FAILOVER_STANDS 160
bool failover_drain_stands(struct failover *f, char text[FAILOVER_STANDS]);
/* The primary refused something, and is not away. *told is what was said of it last. */
void failover_tell_refused(struct failover *f, enum pawl_status *told,
                           const struct pawl_error *err);
void failover_tell_stands(struct failover *f);

/* --- failover_link.c ----------------------------------------------------------------- */

/* Tell of what changed since the last time, and see to it that the thread runs if
 * there is anything for it. To be called when the state may have changed; cheap. */
void failover_heed(struct failover *f);
/* The same at the beginning, when what there is to say was said. */
void failover_heed_silently(struct failover *f);
void failover_stop(struct failover *f);
enum pawl_mode failover_mode(enum breaker_state state);
/* Tell that a spooled job's key is another's at the primary. */
void failover_tell_merged(void *failover, const struct pawl_job *job,
                          struct pawl_id holder);
PAWL_PRINTF(4, 5)
void failover_log(struct failover *f, enum pawl_log_level level, const char *id,
                  const char *format, ...);

/* --- the methods ---------------------------------------------------------------- */

enum pawl_status failover_put(struct pawl_storage *, const struct pawl_put *,
                              struct pawl_put_result *, struct pawl_error *);
enum pawl_status failover_exchange(struct pawl_storage *, const struct pawl_exchange *,
                                   struct pawl_exchange_reply *, struct pawl_error *);
enum pawl_status failover_renew(struct pawl_storage *, const struct pawl_renew *,
                                enum pawl_status *, struct pawl_error *);
enum pawl_status failover_sweep(struct pawl_storage *, const struct pawl_sweep *,
                                struct pawl_sweep_reply *, struct pawl_error *);
enum pawl_status failover_wait(struct pawl_storage *, const struct pawl_wait *,
                               struct pawl_error *);
void failover_kick(struct pawl_storage *);
enum pawl_status failover_get(struct pawl_storage *, const char *, struct pawl_id,
                              struct pawl_job **, struct pawl_error *);
enum pawl_status failover_list(struct pawl_storage *, const struct pawl_list *,
                               struct pawl_list_reply *, struct pawl_error *);
enum pawl_status failover_alter(struct pawl_storage *, const struct pawl_alter *,
                                struct pawl_alter_reply *, struct pawl_error *);
enum pawl_status failover_take_out(struct pawl_storage *, const struct pawl_take_out *,
                                   struct pawl_take_out_reply *, struct pawl_error *);
enum pawl_status failover_bring_in(struct pawl_storage *, const struct pawl_bring_in *,
                                   struct pawl_put_result *, struct pawl_error *);
enum pawl_status failover_tally(struct pawl_storage *, const char *,
                                struct pawl_session, bool, struct pawl_tally *,
                                struct pawl_error *);
enum pawl_status failover_stats(struct pawl_storage *, const char *,
                                struct pawl_stats **, struct pawl_error *);
enum pawl_status failover_health(struct pawl_storage *, struct pawl_health *,
                                 struct pawl_error *);

#endif
