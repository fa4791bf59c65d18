/* breaker_owner.c - for which primary the spool beside a breaker is, and how it comes to
 * be another's.
 *
 * Jobs that were spooled for one primary must never flow to another. So the page names
 * the one it is for, from before the first job is put into the spool, and the name is on
 * the disk by then: the jobs outlive a power cut, and would else be nobody's after it.
 *
 * Who uses the spool holds byte 1 of the file read-locked. Only who gets it write-locked
 * may make it another primary's: a program that runs on for the first one would spool its
 * jobs for the second. Nobody waits for these locks, so whoever is stopped or killed
 * blocks nobody, and the locks end with their process.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "storage/failover/breaker.h"
#include "util/hash.h"

#define USED_BYTE 1 /* byte 0 is of who drains */

/* --- whose it is ---------------------------------------------------------------- */

uint64_t breaker_owner_number(const char *where)
{
    uint64_t number = hash_text(where);

    return number ? number : 1; /* 0 says that there is none */
}

enum breaker_owner breaker_owner(const struct breaker *breaker)
{
    uint64_t number;

    if (!breaker->shared)
        return BREAKER_OURS;
    number = atomic_load(&breaker->page->owner);
    if (number == 0)
        return BREAKER_NOBODYS;
    return number == breaker_owner_number(breaker->where) ? BREAKER_OURS
                                                          : BREAKER_ANOTHERS;
}

/* --- who uses it ---------------------------------------------------------------- */

static bool lock(const struct breaker *breaker, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET,
                          .l_start = USED_BYTE, .l_len = 1 };

    return !breaker->shared || fcntl(breaker->fd, F_OFD_SETLK, &lock) == 0;
}

bool breaker_use(struct breaker *breaker, bool alone)
{
    return lock(breaker, alone ? F_WRLCK : F_RDLCK);
}

void breaker_let_go(struct breaker *breaker)
{
    lock(breaker, F_UNLCK);
}

/* --- becoming ours -------------------------------------------------------------- */

/* The page, and that there is such a file. A disk that cannot do it does not stop us:
 * then a power cut may leave a spool that nobody owns, and that is told of. */
static void sync_page(const struct breaker *breaker)
{
    const char *slash = strrchr(breaker->path, '/');
    char above[PATH_MAX];
    int folder;

    fsync(breaker->fd);
    snprintf(above, sizeof above, "%.*s/", slash ? (int)(slash - breaker->path) : 1,
             slash ? breaker->path : ".");
    folder = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return;
    fsync(folder);
    close(folder);
}

/* As much of our name as there is room for. */
static bool is_named(const struct breaker *breaker)
{
    char text[BREAKER_TEXT];

    breaker_text(breaker->page->where, text);
    return strncmp(text, breaker->where, BREAKER_TEXT - 1) == 0;
}

/* Whoever was first may have been killed before he wrote the name. */
bool breaker_claim(struct breaker *breaker)
{
    uint64_t none = 0;

    if (!breaker->shared)
        return true;
    atomic_compare_exchange_strong(&breaker->page->owner, &none,
                                   breaker_owner_number(breaker->where));
    if (breaker_owner(breaker) != BREAKER_OURS)
        return false;
    if (!is_named(breaker)) {
        breaker_set_text(breaker->page->where, breaker->where);
        sync_page(breaker);
    }
    return true;
}

void breaker_take_over(struct breaker *breaker, bool same_store)
{
    struct breaker_page *page = breaker->page;
    uint32_t word = breaker_word(breaker);

    if (!same_store) {
        atomic_store(&page->store[0], 0);
        atomic_store(&page->store[1], 0);
        atomic_store(&page->replaced, 0);
        atomic_store(&page->ended, 0);
        atomic_store(&page->fill_counted, 0);
        atomic_store(&page->vain, 0);
        atomic_store(&page->refuses, 0);
        atomic_store(&page->not_before, 0);
        breaker_set_text(page->reason, "");
        atomic_store(&page->state,
                     ((word & ~UINT32_C(0xff)) + 0x100) | BREAKER_CLOSED);
    }
    breaker_set_text(page->where, breaker->where);
    atomic_store(&page->owner, breaker_owner_number(breaker->where));
    breaker_use(breaker, false); /* others need not wait for the disk */
    sync_page(breaker);
}
