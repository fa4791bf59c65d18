/* sqlite_wake.c - one futex word per waiting instance.
 *
 * Why a word each and not one for all: a kick must reach this instance's waiter
 * and no other process, and a sleeper must be woken for its own queues only. The
 * queues are 32 bits, one per hash value, so that most slots are passed over at a
 * glance; two queues that share a bit wake each other's workers for nothing. Such a
 * wake-up must not count, or the worker that the job is for would sleep on: the
 * longer hashes tell. Of a slot that does not have them (it has too many queues, or
 * an older pawl), it is not known, and another one is woken, too.
 *
 * Signalling costs a look at each slot in use, and a system call only for those
 * who really sleep.
 */
#include "sqlite_wake.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pawl/job.h"
#include "sqlite_path.h"
#include "util/clock.h"
#include "util/futex.h"

#define WAKE_SLOTS 255
/* The clock is looked at this often: it may be a test's, and a sleeping futex
 * does not count the time the machine was suspended. */
#define WAKE_SLICE_MS 250
#define WAKE_NAMES 12
#define NO_SLOT (-1)
#define ALL_TAKEN (-2)

/* Each in a cache line of its own: they are written by different processes. */
struct wake_slot {
    alignas(64) _Atomic uint32_t word;
    _Atomic uint32_t bits;       /* of the queues it waits for */
    _Atomic uint32_t asleep;     /* worth a system call */
    _Atomic uint32_t name_count; /* 0: not known */
    _Atomic uint32_t names[WAKE_NAMES];
};
static_assert(sizeof(struct wake_slot) == 64, "older processes map it, too");

struct wake_page {
    alignas(64) _Atomic uint32_t used; /* no slot from here on was ever taken */
    struct wake_slot slots[WAKE_SLOTS];
};

enum pawl_status wake_open(struct sqlite_wake *wake, const char *path,
                           struct pawl_error *err)
{
    wake->fd = -1;
    atomic_init(&wake->slot, NO_SLOT);
    enum pawl_status status = path_open_side(
        path, ".wake", sizeof(struct wake_page), &wake->fd, err);
    if (status < 0)
        return status;
    void *page = mmap(NULL, sizeof(struct wake_page), PROT_READ | PROT_WRITE,
                      MAP_SHARED, wake->fd, 0);
    if (page == MAP_FAILED)
        return pawl_error_set(err, PAWL_EIO, "cannot map '%s.wake': %s", path,
                              strerror(errno));
    wake->page = page;
    return PAWL_OK;
}

void wake_close(struct sqlite_wake *wake)
{
    if (wake->page) {
        int slot = atomic_load(&wake->slot);
        if (slot >= 0)
            atomic_store(&wake->page->slots[slot].bits, 0);
        munmap(wake->page, sizeof(struct wake_page));
    }
    if (wake->fd > 0)
        close(wake->fd);
    wake->page = NULL;
    wake->fd = -1;
}

/* The first slot whose byte nobody has locked. */
static void wake_take_slot(struct sqlite_wake *wake)
{
    for (int i = 0; i < WAKE_SLOTS; i++) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
                              .l_start = i, .l_len = 1 };
        if (fcntl(wake->fd, F_OFD_SETLK, &lock) != 0)
            continue;
        struct wake_slot *slot = &wake->page->slots[i];
        atomic_store(&slot->bits, 0);
        atomic_store(&slot->asleep, 0);
        uint32_t used = atomic_load(&wake->page->used);
        while (used <= (uint32_t)i &&
               !atomic_compare_exchange_weak(&wake->page->used, &used,
                                             (uint32_t)i + 1))
            continue;
        atomic_store(&wake->slot, i);
        return;
    }
    atomic_store(&wake->slot, ALL_TAKEN);
}

/* FNV-1a, whole. */
static uint32_t wake_name(const char *queue)
{
    uint32_t h = 2166136261u;
    for (; *queue; queue++)
        h = (h ^ (unsigned char)*queue) * 16777619u;
    return h;
}

static uint32_t wake_bit(const char *queue)
{
    return UINT32_C(1) << (pawl_queue_hash(queue) & 31);
}

/* Is it known to wait for the queue of this name? */
static bool wake_is_for(struct wake_slot *slot, uint32_t name)
{
    uint32_t count = atomic_load(&slot->name_count);
    for (uint32_t i = 0; i < count && i < WAKE_NAMES; i++)
        if (atomic_load(&slot->names[i]) == name)
            return true;
    return false;
}

void wake_signal(struct sqlite_wake *wake, const char *queue, size_t count)
{
    uint32_t used = atomic_load(&wake->page->used);
    if (used == 0 || used > WAKE_SLOTS)
        return;
    uint32_t bit = wake_bit(queue), name = wake_name(queue);
    /* Begin elsewhere each time, or the first sleepers would get all the work. */
    uint32_t first = atomic_fetch_add_explicit(&wake->turn, 1,
                                               memory_order_relaxed);
    size_t woken = 0;
    for (uint32_t i = 0; i < used && woken < count; i++) {
        struct wake_slot *slot = &wake->page->slots[(first + i) % used];
        if ((atomic_load(&slot->bits) & bit) == 0)
            continue;
        /* The word first: who goes to sleep sets `asleep` before it compares. And
         * whoever sleeps in spite of it leaves its names as they are. */
        atomic_fetch_add(&slot->word, 1);
        bool right = wake_is_for(slot, name);
        if (atomic_load(&slot->asleep) && atomic_exchange(&slot->asleep, 0) &&
            futex_wake((const uint32_t *)&slot->word, 1, FUTEX_ALL_BITS, true) > 0)
            woken += right;
    }
}

/* True when queues came in whose signals did not reach us so far. */
static bool wake_set_queues(struct sqlite_wake *wake, struct wake_slot *slot,
                            const struct pawl_wait *in)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < in->queue_count; i++) {
        bits |= wake_bit(in->queues[i]);
        if (i < WAKE_NAMES)
            atomic_store(&slot->names[i], wake_name(in->queues[i]));
    }
    atomic_store(&slot->name_count,
                 in->queue_count <= WAKE_NAMES ? (uint32_t)in->queue_count : 0);
    bool more = (bits & ~wake->bits) != 0;
    if (bits != wake->bits)
        atomic_store(&slot->bits, bits);
    wake->bits = bits;
    return more;
}

/* Was there a signal or a kick since the last wait? Takes note of it. */
static bool wake_news(struct sqlite_wake *wake, struct wake_slot *slot)
{
    uint32_t kicks = atomic_load(&wake->kicks);
    uint32_t word = slot ? atomic_load(&slot->word) : 0;
    bool news = kicks != wake->kicks_seen || word != wake->seen;
    wake->kicks_seen = kicks;
    wake->seen = word;
    return news;
}

static void wake_sleep(struct sqlite_wake *wake, struct wake_slot *slot,
                       int64_t until_ns)
{
    if (!slot) {
        futex_wait((const uint32_t *)&wake->kicks, wake->kicks_seen,
                   FUTEX_ALL_BITS, until_ns, false);
        return;
    }
    atomic_store(&slot->asleep, 1);
    /* A kick from before the word could be seen as ours bumps nothing. */
    if (atomic_load(&wake->kicks) == wake->kicks_seen)
        futex_wait((const uint32_t *)&slot->word, wake->seen, FUTEX_ALL_BITS,
                   until_ns, true);
    atomic_store(&slot->asleep, 0);
}

void wake_wait(struct sqlite_wake *wake, const struct pawl_wait *in,
               const struct pawl_clock *clock)
{
    if (atomic_load(&wake->slot) == NO_SLOT)
        wake_take_slot(wake);
    int index = atomic_load(&wake->slot);
    struct wake_slot *slot = index >= 0 ? &wake->page->slots[index] : NULL;
    bool more = slot && wake_set_queues(wake, slot, in);
    if (wake_news(wake, slot) || more)
        return;
    for (;;) {
        int64_t left = in->until - clock->steady(clock->context);
        if (left <= 0)
            return;
        if (left > WAKE_SLICE_MS)
            left = WAKE_SLICE_MS;
        wake_sleep(wake, slot, clock_mono_ns() + left * 1000000);
        if (wake_news(wake, slot))
            return;
    }
}

void wake_kick(struct sqlite_wake *wake)
{
    atomic_fetch_add(&wake->kicks, 1);
    int slot = atomic_load(&wake->slot);
    if (slot >= 0) {
        _Atomic uint32_t *word = &wake->page->slots[slot].word;
        atomic_fetch_add(word, 1);
        futex_wake((const uint32_t *)word, 1, FUTEX_ALL_BITS, true);
    } else {
        futex_wake((const uint32_t *)&wake->kicks, 1, FUTEX_ALL_BITS, false);
    }
}
