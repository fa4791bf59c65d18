/* sqlite_gate.c - manners at the gate.
 *
 * The lock decides who is in; the page in the file only decides who tries when:
 *
 *   - One turn lasts 1 ms, or as long as the one before had the lock in its
 *     turn: beside a worker whose exchanges of a thousand jobs take 9 ms, a
 *     producer of single jobs then has 9 ms for its own, and not one commit.
 *     Within a turn a process that comes right back wakes nobody, since changing
 *     over costs the page cache, and whoever waits does not slip in between. One
 *     that does not come right back ends its turn and wakes a waiter.
 *   - When the turn is over and somebody wants in, the leaver wakes one waiter
 *     and does not try again until `grants` has moved, but for at most 2 ms: the
 *     waiter may have died.
 *   - `want` is a flag, announced again before each bounded sleep, and no count
 *     of waiters: one killed in its sleep then costs a single 2 ms, once. Who
 *     gets in after waiting clears it, since it may have been its own.
 *
 * No rule here is needed for safety: with a page full of rubbish the gate is
 * still exclusive, and every sleep ends by itself.
 */
#include "sqlite_gate.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sqlite_path.h"
#include "util/clock.h"
#include "util/futex.h"
#include "util/random.h"

#define GATE_SIZE 4096
#define GATE_TURN_NS 1000000
#define GATE_TURN_MAX_NS 20000000
#define GATE_HOT_NS 200000      /* coming back within this is coming right back */
#define GATE_LOOK_MIN_NS 250000 /* how often a waiter looks while things move */
#define GATE_LOOK_MAX_NS 5000000 /* and while they do not */
#define GATE_GIVE_WAY_NS 2000000

/* Shared by all processes; a file of zeroes is a good one. */
struct gate_page {
    _Atomic uint32_t word;   /* waiters sleep on it */
    _Atomic uint32_t want;   /* somebody waits */
    _Atomic uint32_t grants; /* how often the gate changed hands */
    _Atomic uint32_t notes[GATE_NOTES];
    _Atomic uint64_t holder; /* token of the last one in */
    _Atomic int32_t pid;     /* its process, for messages */
    _Atomic uint64_t start_time;
    _Atomic int64_t since; /* clock_mono_ns() when it got in; moves every time */
    _Atomic int64_t left;  /* and when it was last out */
    _Atomic int64_t turn_ends; /* 0: over */
    _Atomic int64_t held;      /* ns that the lock was held in this turn */
};

/* Field 22 of /proc/PID/stat, with the state letter and the name on the way. */
static bool gate_process(int pid, uint64_t *start, char *state, char name[32])
{
    char file[40], text[512];
    snprintf(file, sizeof file, "/proc/%d/stat", pid);
    FILE *f = fopen(file, "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close)
        return false;
    *close = '\0';
    snprintf(name, 32, "%.31s", open + 1);
    return sscanf(close + 1,
                  " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d"
                  " %*d %*d %*d %*d %" SCNu64,
                  state, start) == 2;
}

enum pawl_status gate_open(struct sqlite_gate *gate, const char *path,
                           struct pawl_error *err)
{
    *gate = (struct sqlite_gate){ .fd = -1 };
    enum pawl_status status = path_open_side(path, ".gate", GATE_SIZE, &gate->fd,
                                             err);
    if (status < 0)
        return status;
    void *page = mmap(NULL, GATE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                      gate->fd, 0);
    if (page == MAP_FAILED) {
        int number = errno;
        gate_close(gate);
        return pawl_error_set(err, PAWL_EIO, "cannot map '%s.gate': %s", path,
                              strerror(number));
    }
    char state, name[32];
    gate->page = page;
    gate->token = random_u64() | 1;
    if (!gate_process(getpid(), &gate->start_time, &state, name))
        gate->start_time = 0;
    return PAWL_OK;
}

void gate_close(struct sqlite_gate *gate)
{
    if (gate->page)
        munmap(gate->page, GATE_SIZE);
    if (gate->fd > 0)
        close(gate->fd);
    gate->page = NULL;
    gate->fd = -1;
}

/* 0, EAGAIN or another errno. */
static int gate_lock(struct sqlite_gate *gate, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_len = 1 };
    if (fcntl(gate->fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    return errno == EACCES ? EAGAIN : errno;
}

/* Announce ourselves and sleep until woken or `until`. The caller has read
 * `word` before it looked whether it may go on: a change since then ends the
 * sleep at once. */
static void gate_sleep(struct sqlite_gate *gate, uint32_t word, int64_t until)
{
    futex_wait((const uint32_t *)&gate->page->word, word, FUTEX_ALL_BITS, until,
               true);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Our turn was over: somebody else goes first. */
static void gate_give_way(struct sqlite_gate *gate, int64_t now,
                          int64_t deadline_ns)
{
    struct gate_page *page = gate->page;
    int64_t limit = earlier(now + GATE_GIVE_WAY_NS, deadline_ns);
    gate->yielding = false;
    while (now < limit) {
        uint32_t word = atomic_load(&page->word);
        atomic_store(&page->want, 1);
        if (atomic_load(&page->grants) != gate->yielded_at)
            return;
        gate_sleep(gate, word, earlier(now + GATE_LOOK_MIN_NS, limit));
        now = clock_mono_ns();
    }
    /* Nobody came. The announcement is our own, and so is the next turn. */
    atomic_store(&page->want, 0);
}

/* Is somebody else in the middle of a turn, in the gate or about to come back?
 * The page outlives the machine's boot, and instants of another one can be days
 * ahead: those say nothing. (A little ahead is normal, `now` may be old.) */
static bool gate_is_busy(const struct sqlite_gate *gate, int64_t now)
{
    const struct gate_page *page = gate->page;
    int64_t in = atomic_load_explicit(&page->since, memory_order_relaxed);
    int64_t out = atomic_load_explicit(&page->left, memory_order_relaxed);
    int64_t last = in > out ? in : out;
    return now < atomic_load_explicit(&page->turn_ends, memory_order_relaxed) &&
           last > now - GATE_HOT_NS && last < now + GATE_TURN_MAX_NS &&
           atomic_load_explicit(&page->holder, memory_order_relaxed) !=
               gate->token;
}

/* Wait for the lock. 0, ETIMEDOUT or another errno. */
static int gate_wait(struct sqlite_gate *gate, int64_t now, int64_t deadline_ns)
{
    struct gate_page *page = gate->page;
    int64_t look = GATE_LOOK_MIN_NS;
    int64_t since = atomic_load(&page->since);
    for (;;) {
        uint32_t word = atomic_load(&page->word);
        atomic_store(&page->want, 1);
        int rc = gate_is_busy(gate, now) ? EAGAIN : gate_lock(gate, F_WRLCK);
        if (rc != EAGAIN) {
            atomic_store(&page->want, 0); /* it may have been our own */
            return rc;
        }
        if (now >= deadline_ns)
            return ETIMEDOUT;
        gate_sleep(gate, word, earlier(now + look, deadline_ns));
        now = clock_mono_ns();
        int64_t moved = atomic_load(&page->since);
        look = moved != since ? GATE_LOOK_MIN_NS
                              : earlier(look * 2, GATE_LOOK_MAX_NS);
        since = moved;
    }
}

/* Who keeps us out, for a person. */
static enum pawl_status gate_timeout(const struct sqlite_gate *gate,
                                     struct pawl_error *err)
{
    const struct gate_page *page = gate->page;
    int pid = atomic_load(&page->pid);
    int64_t held = (clock_mono_ns() - atomic_load(&page->since)) / 1000000;
    uint64_t start = 0;
    char state = '?', name[32] = "";
    /* A process of another container has another number here, or none. */
    bool known = pid > 0 && gate_process(pid, &start, &state, name) &&
                 start == atomic_load(&page->start_time);
    bool stopped = known && (state == 'T' || state == 't');
    return pawl_error_set(
        err, PAWL_ETIMEOUT,
        "the write gate is held by process %d%s%s%s since %" PRId64 ".%" PRId64
        " s%s", pid, known ? " (" : "", known ? name : "", known ? ")" : "",
        held / 1000, held % 1000 / 100,
        stopped ? "; it is stopped: continue it or end it" : "");
}

static void gate_begin_turn(struct gate_page *page, int64_t now, int64_t length)
{
    if (length < GATE_TURN_NS)
        length = GATE_TURN_NS;
    if (length > GATE_TURN_MAX_NS)
        length = GATE_TURN_MAX_NS;
    atomic_store_explicit(&page->held, 0, memory_order_relaxed);
    atomic_store_explicit(&page->turn_ends, now + length, memory_order_relaxed);
}

static void gate_taken(struct sqlite_gate *gate)
{
    struct gate_page *page = gate->page;
    int64_t now = clock_mono_ns();
    int64_t held = atomic_load_explicit(&page->held, memory_order_relaxed);
    int64_t ends = atomic_load_explicit(&page->turn_ends, memory_order_relaxed);
    atomic_store_explicit(&page->since, now, memory_order_relaxed);
    if (atomic_load_explicit(&page->holder, memory_order_relaxed) == gate->token) {
        if (now >= ends)
            gate_begin_turn(page, now, GATE_TURN_NS);
        return;
    }
    gate_begin_turn(page, now, held);
    atomic_store_explicit(&page->holder, gate->token, memory_order_relaxed);
    atomic_store_explicit(&page->pid, getpid(), memory_order_relaxed);
    atomic_store_explicit(&page->start_time, gate->start_time,
                          memory_order_relaxed);
    atomic_fetch_add(&page->grants, 1);
}

enum pawl_status gate_enter(struct sqlite_gate *gate, int64_t deadline_ns,
                            struct pawl_error *err)
{
    int64_t now = clock_mono_ns();
    gate->hot = now - gate->left_at < GATE_HOT_NS;
    if (gate->yielding)
        gate_give_way(gate, now, deadline_ns);
    int rc = gate_is_busy(gate, now) ? EAGAIN : gate_lock(gate, F_WRLCK);
    if (rc == EAGAIN)
        rc = gate_wait(gate, now, deadline_ns);
    if (rc == ETIMEDOUT)
        return gate_timeout(gate, err);
    if (rc != 0) {
        pawl_error_set(err, PAWL_EIO, "cannot lock the write gate: %s",
                       strerror(rc));
        if (err)
            err->native = rc;
        return PAWL_EIO;
    }
    gate_taken(gate);
    return PAWL_OK;
}

void gate_leave(struct sqlite_gate *gate)
{
    struct gate_page *page = gate->page;
    int64_t now = clock_mono_ns();
    uint32_t grants = atomic_load(&page->grants);
    int64_t held = now - atomic_load_explicit(&page->since, memory_order_relaxed);
    /* Over, too, when less than half of another hold like this one would fit. */
    bool over = now + held / 2 >=
                atomic_load_explicit(&page->turn_ends, memory_order_relaxed);
    held += atomic_load_explicit(&page->held, memory_order_relaxed);
    gate->left_at = now;
    atomic_store_explicit(&page->left, now, memory_order_relaxed);
    atomic_store_explicit(&page->held, held, memory_order_relaxed);
    if (!gate->hot)
        atomic_store_explicit(&page->turn_ends, 0, memory_order_relaxed);
    gate_lock(gate, F_UNLCK);
    if (atomic_load(&page->want) == 0)
        return;
    if (gate->hot && !over)
        return;
    atomic_store(&page->want, 0);
    atomic_fetch_add(&page->word, 1);
    futex_wake((const uint32_t *)&page->word, 1, FUTEX_ALL_BITS, true);
    gate->yielding = over;
    gate->yielded_at = grants;
}

bool gate_noted(const struct sqlite_gate *gate, enum gate_note note)
{
    return atomic_load_explicit(&gate->page->notes[note],
                                memory_order_relaxed) != 0;
}

void gate_set(struct sqlite_gate *gate, enum gate_note note, bool on)
{
    atomic_store(&gate->page->notes[note], on ? 1 : 0);
}
