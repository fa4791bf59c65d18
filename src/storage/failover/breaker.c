/* breaker.c - see breaker.h. */
#include "storage/failover/breaker.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/futex.h"

#define CALM 12 /* dwells between outages, or the next is longer by as many */
#define PROBES 4 /* in a trial */
#define PROBE_LEAST_MS 20
#define BRIEF_MS 400 /* a probe of who is about to end, */
#define BRIEF_PATIENT 12 /* but for each so many in vain */
#define BRIEF_CALLS 4 /* so often as long as connecting may a call of a drain take him */

/* --- open and close ------------------------------------------------------------- */

enum pawl_status breaker_open(struct breaker *breaker, const char *path,
                              const char *where, const struct breaker_times *times,
                              struct pawl_error *err)
{
    enum pawl_status status;

    *breaker = (struct breaker){ .times = *times, .where = where, .fd = -1,
                                 .drain_fd = -1 };
    pthread_mutex_init(&breaker->drain_mutex, NULL);
    if (!path) {
        breaker->page = calloc(1, sizeof *breaker->page);
        return breaker->page ? PAWL_OK
                             : pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    }
    breaker->path = strdup(path);
    breaker->fork.fds[0] = &breaker->fd;
    breaker->fork.fds[1] = &breaker->drain_fd;
    if (!breaker->path || !fork_watch(&breaker->fork))
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    status = breaker_page_open(path, &breaker->fd, err);
    if (status == PAWL_OK) /* a description of its own, for the lock */
        status = breaker_page_open(path, &breaker->drain_fd, err);
    if (status == PAWL_OK)
        status = breaker_page_map(path, breaker->fd, &breaker->page, err);
    breaker->shared = breaker->page != NULL;
    return status;
}

void breaker_close(struct breaker *breaker)
{
    fork_unwatch(&breaker->fork);
    if (breaker->shared)
        munmap(breaker->page, sizeof *breaker->page);
    else
        free(breaker->page);
    if (breaker->fd > 0)
        close(breaker->fd);
    if (breaker->drain_fd > 0)
        close(breaker->drain_fd);
    free(breaker->path);
    memset(breaker, 0, sizeof *breaker);
}

/* --- waiting -------------------------------------------------------------------- */

/* The futex word also counts, so that a change back is seen as a change. */
void breaker_wait(const struct breaker *breaker, uint32_t seen, pawl_duration ms)
{
    futex_wait((const uint32_t *)&breaker->page->state, seen, FUTEX_ALL_BITS,
               clock_mono_ns() + ms * 1000000, breaker->shared);
}

static void wake(const struct breaker *breaker)
{
    futex_wake((const uint32_t *)&breaker->page->state, INT32_MAX, FUTEX_ALL_BITS,
               breaker->shared);
}

/* The word changes, or who is about to sleep would not notice. */
void breaker_poke(const struct breaker *breaker)
{
    atomic_fetch_add(&breaker->page->state, 0x100);
    wake(breaker);
}

/* --- changes -------------------------------------------------------------------- */

/* From the state in `word` to another. False: somebody was faster. */
static bool change(struct breaker *breaker, uint32_t word, enum breaker_state to)
{
    const uint32_t from = word & 0xff;
    uint32_t next;

    do {
        if ((word & 0xff) != from)
            return false;
        next = ((word & ~UINT32_C(0xff)) + 0x100) | (uint32_t)to;
    } while (!atomic_compare_exchange_weak(&breaker->page->state, &word, next));
    wake(breaker);
    return true;
}

/* Of an instant that another process wrote, maybe before the last boot. */
static int64_t ago(int64_t now, int64_t then)
{
    return then > now ? INT64_MAX : now - then;
}

/* From one probe of a trial to the next. */
static int64_t probe_gap(const struct breaker *breaker)
{
    int64_t gap = breaker->times.trial / PROBES;

    return gap < PROBE_LEAST_MS ? PROBE_LEAST_MS : gap;
}

void breaker_lost(struct breaker *breaker, const char *reason)
{
    struct breaker_page *page = breaker->page;
    int64_t now = clock_boot_ms(), dwell = breaker->times.dwell;
    uint32_t word = breaker_word(breaker);
    enum breaker_state state = (enum breaker_state)(word & 0xff);

    if (state == BREAKER_OPEN)
        return;
    if (atomic_load(&page->ended) != 0 &&
        ago(now, atomic_load(&page->ended)) < CALM * dwell)
        dwell *= CALM;
    if (state == BREAKER_TRIAL)
        dwell = probe_gap(breaker); /* it has not ended: the dwell is over */
    else
        breaker_set_text(page->reason, reason);
    if (dwell < PROBE_LEAST_MS)
        dwell = PROBE_LEAST_MS;
    /* Before the change: whoever sees OPEN must not see an old instant. */
    atomic_store(&page->not_before, now + dwell);
    if (state != BREAKER_TRIAL) {
        atomic_store(&page->since, clock_wall_ms());
        atomic_store(&page->vain, 0);
    }
    change(breaker, word, BREAKER_OPEN);
}

bool breaker_probe_due(struct breaker *breaker)
{
    struct breaker_page *page = breaker->page;
    int64_t now = clock_boot_ms(), at = atomic_load(&page->not_before);
    int64_t most = probe_gap(breaker);

    if (!breaker_away(breaker) || breaker_probe_in(breaker) > 0)
        return false;
    if (most < breaker->times.patience)
        most = breaker->times.patience;
    return atomic_compare_exchange_strong(&page->not_before, &at, now + most);
}

pawl_duration breaker_probe_time(const struct breaker *breaker, bool brief)
{
    int64_t nth = atomic_load(&breaker->page->vain) + 1;
    pawl_duration patience = breaker->times.patience;

    if (!brief || breaker_state(breaker) == BREAKER_TRIAL || nth % BRIEF_PATIENT == 0)
        return patience;
    return patience < BRIEF_MS ? patience : BRIEF_MS;
}

pawl_duration breaker_drain_time(const struct breaker *breaker, bool brief,
                                 pawl_duration took, pawl_duration most)
{
    int64_t nth = atomic_load(&breaker->page->vain) + 1;
    pawl_duration time = breaker->times.patience;

    if (nth % BRIEF_PATIENT == 0 || time > most)
        return most;
    if (!brief || took == 0 || took > time / BRIEF_CALLS)
        return time;
    took *= BRIEF_CALLS;
    return took > BRIEF_MS ? took : time < BRIEF_MS ? time : BRIEF_MS;
}

void breaker_drain_vain(struct breaker *breaker)
{
    atomic_fetch_add(&breaker->page->vain, 1);
}

pawl_duration breaker_probe_in(const struct breaker *breaker)
{
    int64_t left = atomic_load(&breaker->page->not_before) - clock_boot_ms();
    const struct breaker_times *times = &breaker->times;
    int64_t most = CALM * times->dwell + times->trial + times->patience +
                   2 * PROBE_LEAST_MS;

    return left < 0 || left > most ? 0 : left;
}

void breaker_hurry(struct breaker *breaker)
{
    atomic_store(&breaker->page->not_before, 0);
}

static bool answered(struct breaker *breaker, bool at_once)
{
    struct breaker_page *page = breaker->page;
    uint32_t word = breaker_word(breaker);
    enum breaker_state state = (enum breaker_state)(word & 0xff);
    int64_t now = clock_boot_ms();

    if (state == BREAKER_OPEN || state == BREAKER_TRIAL)
        atomic_store(&page->not_before, now + probe_gap(breaker));
    if (state == BREAKER_OPEN && !at_once && breaker->times.trial > 0) {
        atomic_store(&page->trial_since, now);
        change(breaker, word, BREAKER_TRIAL);
        return false;
    }
    if (state != BREAKER_OPEN && state != BREAKER_TRIAL)
        return false;
    if (state == BREAKER_TRIAL && !at_once &&
        ago(now, atomic_load(&page->trial_since)) < breaker->times.trial)
        return false;
    atomic_store(&page->ended, now);
    atomic_store(&page->vain, 0); /* of the drain from now on */
    atomic_store(&page->since, clock_wall_ms());
    return change(breaker, word, BREAKER_DRAINING);
}

bool breaker_answered(struct breaker *breaker, bool at_once)
{
    atomic_store(&breaker->page->refuses, 0);
    return answered(breaker, at_once);
}

bool breaker_refused(struct breaker *breaker, bool at_once, const char *reason)
{
    breaker_set_text(breaker->page->reason, reason);
    atomic_store(&breaker->page->refuses, 1);
    return answered(breaker, at_once);
}

void breaker_unanswered(struct breaker *breaker, bool soon, const char *reason)
{
    int64_t pause = probe_gap(breaker);

    if (breaker_state(breaker) != BREAKER_OPEN) {
        breaker_lost(breaker, reason);
        return;
    }
    atomic_fetch_add(&breaker->page->vain, 1);
    if (!soon && pause < breaker->times.dwell)
        pause = breaker->times.dwell;
    atomic_store(&breaker->page->not_before, clock_boot_ms() + pause);
}

void breaker_refilled(struct breaker *breaker)
{
    uint32_t word;

    /* Also from DRAINING to the same: who found it empty must look again. What ends an
     * outage looks by itself. */
    do {
        word = breaker_word(breaker);
        if ((word & 0xff) != BREAKER_CLOSED && (word & 0xff) != BREAKER_DRAINING)
            return;
    } while (!change(breaker, word, BREAKER_DRAINING));
}

bool breaker_drained(struct breaker *breaker, uint32_t word)
{
    uint32_t next = ((word & ~UINT32_C(0xff)) + 0x100) | BREAKER_CLOSED;

    if ((word & 0xff) != BREAKER_DRAINING ||
        !atomic_compare_exchange_strong(&breaker->page->state, &word, next))
        return false;
    atomic_store(&breaker->page->fill_counted, 0);
    wake(breaker);
    return true;
}

/* --- who is there --------------------------------------------------------------- */

bool breaker_meet(struct breaker *breaker, const struct pawl_session *store)
{
    struct breaker_page *page = breaker->page;
    uint64_t mark[2], known[2];

    memcpy(mark, store->b, sizeof mark);
    if (mark[0] == 0 && mark[1] == 0)
        return false;
    for (int i = 0; i < 2; i++)
        known[i] = atomic_exchange(&page->store[i], mark[i]);
    if ((known[0] == 0 && known[1] == 0) || memcmp(known, mark, sizeof mark) == 0)
        return false;
    atomic_store(&page->replaced, clock_wall_ms());
    return true;
}

/* --- draining ------------------------------------------------------------------- */

static bool lock_file(const struct breaker *breaker, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_len = 1 };

    return !breaker->shared || fcntl(breaker->drain_fd, F_OFD_SETLK, &lock) == 0;
}

void breaker_drain_beat(const struct breaker *breaker)
{
    atomic_store(&breaker->page->drain_beat, clock_boot_ms());
}

/* The lock tells whether, and not who: the page does, which is wrong at worst where pids
 * are another container's. */
int64_t breaker_drain_stands(const struct breaker *breaker, int64_t *who)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
    int64_t passed;

    if (!breaker->shared || fcntl(breaker->drain_fd, F_OFD_GETLK, &lock) != 0 ||
        lock.l_type == F_UNLCK)
        return -1;
    *who = atomic_load(&breaker->page->drainer);
    passed = clock_boot_ms() - atomic_load(&breaker->page->drain_beat);
    return passed > 0 ? passed : 0;
}

bool breaker_drain_begin(struct breaker *breaker)
{
    bool mine;

    pthread_mutex_lock(&breaker->drain_mutex);
    mine = !breaker->draining && lock_file(breaker, F_WRLCK);
    breaker->draining = breaker->draining || mine;
    if (mine) {
        breaker_drain_beat(breaker); /* first: the name is that of who was killed */
        atomic_store(&breaker->page->drainer, getpid());
    }
    pthread_mutex_unlock(&breaker->drain_mutex);
    return mine;
}

void breaker_drain_end(struct breaker *breaker)
{
    pthread_mutex_lock(&breaker->drain_mutex);
    atomic_store(&breaker->page->drainer, 0);
    lock_file(breaker, F_UNLCK);
    breaker->draining = false;
    pthread_mutex_unlock(&breaker->drain_mutex);
}
