/* breaker.h - is the primary to be used? One answer for all processes of a host.
 *
 *   CLOSED    the primary is used, and the spool is empty
 *   OPEN      it is away: nothing is sent to it, but for a probe now and then
 *   TRIAL     it answered a probe, and must go on doing so for a while
 *   DRAINING  it is used again, and gets what is in the spool
 *
 *   CLOSED --lost--> OPEN --probe--> TRIAL --for `trial`--> DRAINING --empty--> CLOSED
 *                     ^----------------+-------lost------------+
 *
 * OPEN lasts at least `dwell`, and twelve times that if the outage before ended
 * less than twelve dwells ago, and another `dwell` after each probe in vain, which
 * whoever makes it may have to wait for; TRIAL needs a probe in each quarter of
 * `trial`, and the first that fails ends it. So a link that comes and goes does not
 * make us come and go with it.
 *
 * The state lies in a small file that all processes map, so that one which just
 * began knows it without asking the network. Changes are made by compare and swap;
 * no process can block another one, wherever it is stopped or killed. Times are of
 * clock_boot_ms(); after a boot old ones lie in the future and count as past.
 */
#ifndef PAWL_STORAGE_FAILOVER_BREAKER_H
#define PAWL_STORAGE_FAILOVER_BREAKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "pawl/storage.h"
#include "storage/failover/breaker_page.h"
#include "util/fork.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_TRIAL, BREAKER_DRAINING };

struct breaker_times {
    pawl_duration dwell, trial;
    pawl_duration patience; /* so long may a probe take */
};

struct breaker {
    struct breaker_page *page;
    struct breaker_times times;
    const char *where; /* the primary; borrowed */
    bool shared; /* page is a file's */
    char *path;  /* NULL: of none */
    int fd, drain_fd;
    pthread_mutex_t drain_mutex; /* who drains, in this process */
    bool draining;
    struct fork_guard fork;
};

/* `path` NULL: for this process alone. `where`: the primary, as long as the breaker is
 * open; whether the spool is its own is asked next, below. EDENIED, EIO, EFULL, ENOMEM. */
enum pawl_status breaker_open(struct breaker *breaker, const char *path,
                              const char *where, const struct breaker_times *times,
                              struct pawl_error *err);
/* A zeroed one is fine. */
void breaker_close(struct breaker *breaker);

static inline uint32_t breaker_word(const struct breaker *breaker)
{
    return atomic_load_explicit(&breaker->page->state, memory_order_acquire);
}
static inline enum breaker_state breaker_state(const struct breaker *breaker)
{
    return (enum breaker_state)(breaker_word(breaker) & 0xff);
}
/* OPEN or TRIAL. */
static inline bool breaker_away(const struct breaker *breaker)
{
    enum breaker_state state = breaker_state(breaker);
    return state == BREAKER_OPEN || state == BREAKER_TRIAL;
}

/* The primary did not answer. */
void breaker_lost(struct breaker *breaker, const char *reason);
/* Is it time for a probe? Then it is this caller's, and nobody else's until it is
 * answered, or not; if he dies, until it would be. */
bool breaker_probe_due(struct breaker *breaker);
/* How long it may take. Whoever is `brief` would wait for it at his end: he gives it
 * 400 ms, which is enough for a server that is not far away. One that is must be seen,
 * too, by a host that has no other programs: each twelfth probe in vain of an outage has
 * all of the patience, and so has one that follows an answer. */
pawl_duration breaker_probe_time(const struct breaker *breaker, bool brief);
/* How long a call of a drain may take. As a probe of a trial it follows an answer; whoever
 * is `brief` gives it 400 ms, or more if it took him more to connect, `took` ms, just now
 * (0: not known). Each twelfth in vain has `most`: a batch gets no smaller, and where the
 * way is narrow it needs more. */
pawl_duration breaker_drain_time(const struct breaker *breaker, bool brief,
                                 pawl_duration took, pawl_duration most);
/* Some of a drain's calls were given up, in a state that stays. */
void breaker_drain_vain(struct breaker *breaker);
/* When the next is, at the latest: ms from now. */
pawl_duration breaker_probe_in(const struct breaker *breaker);
/* The next probe is due now. */
void breaker_hurry(struct breaker *breaker);
/* A probe was answered. `at_once`: it needs no trial. True: the outage is over. */
bool breaker_answered(struct breaker *breaker, bool at_once);
/* The same, but the answer was that it refuses us. It is there all the same, for others
 * maybe: whose password is wrong ends no outage sooner than they would. */
bool breaker_refused(struct breaker *breaker, bool at_once, const char *reason);
/* It was not, or not well. `soon`: the next is not put off for a dwell. */
void breaker_unanswered(struct breaker *breaker, bool soon, const char *reason);
/* Something was put into the spool: it is to be drained, whatever was thought of it. */
void breaker_refilled(struct breaker *breaker);
/* DRAINING, and the spool was empty when the word was `word` already. False: it was
 * filled, or changed, since then. */
bool breaker_drained(struct breaker *breaker, uint32_t word);

/* For which primary the spool is (breaker_owner.c). A breaker of this process alone is
 * always ours. */
enum breaker_owner { BREAKER_NOBODYS, BREAKER_OURS, BREAKER_ANOTHERS };
enum breaker_owner breaker_owner(const struct breaker *breaker);
/* What the page calls the primary at `where`. */
uint64_t breaker_owner_number(const char *where);
/* Say that this process uses the spool, until the breaker is closed; or, `alone`, that no
 * other does or may begin to. False: another is there, or is there alone. */
bool breaker_use(struct breaker *breaker, bool alone);
void breaker_let_go(struct breaker *breaker);
/* Nobody's becomes ours. False: somebody was faster. */
bool breaker_claim(struct breaker *breaker);
/* Another's becomes ours. Either it is the same store by another name, or the spool is
 * empty and we are alone: then all is forgotten that was known of the other. Afterwards we
 * use it, and are not alone any more. */
void breaker_take_over(struct breaker *breaker, bool same_store);

/* The store that answers: true if it is another one than at the last time. */
bool breaker_meet(struct breaker *breaker, const struct pawl_session *store);

/* Sleep until the word is another than `seen`, poked, or `ms` are over. */
void breaker_wait(const struct breaker *breaker, uint32_t seen, pawl_duration ms);
void breaker_poke(const struct breaker *breaker);

/* One drains at a time, on the whole host. False: another does. It ends with the
 * process. */
bool breaker_drain_begin(struct breaker *breaker);
/* Whoever drains does so still. */
void breaker_drain_beat(const struct breaker *breaker);
/* Another process drains, *who (0: not known), and has not moved for so many ms, as one
 * that is stopped; -1: none does. */
int64_t breaker_drain_stands(const struct breaker *breaker, int64_t *who);
void breaker_drain_end(struct breaker *breaker);

#endif
