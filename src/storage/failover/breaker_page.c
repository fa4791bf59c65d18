/* breaker_page.c - see breaker_page.h. */
#include "storage/failover/breaker_page.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "storage/failover/breaker.h"
#include "util/side_file.h"

#define FORMAT 1

/* --- texts ---------------------------------------------------------------------- */

void breaker_set_text(_Atomic char *text, const char *to)
{
    size_t n = strnlen(to, BREAKER_TEXT - 1);

    for (size_t i = 0; i < BREAKER_TEXT; i++)
        atomic_store_explicit(&text[i], i < n ? to[i] : '\0', memory_order_relaxed);
}

const char *breaker_text(const _Atomic char *text, char out[BREAKER_TEXT])
{
    for (size_t i = 0; i < BREAKER_TEXT; i++)
        out[i] = atomic_load_explicit(&text[i], memory_order_relaxed);
    out[BREAKER_TEXT - 1] = '\0'; /* whoever wrote the file */
    return out;
}

/* --- the file ------------------------------------------------------------------- */

enum pawl_status breaker_page_open(const char *path, int *fd, struct pawl_error *err)
{
    int number;

    switch (side_file_open(path, sizeof(struct breaker_page), fd, &number)) {
    case SIDE_FILE_OK:
        return PAWL_OK;
    case SIDE_FILE_NOT_OURS:
        return pawl_error_set(err, PAWL_EDENIED,
                              "'%s' is not a plain file of ours: move it away", path);
    default:
        return pawl_error_set(err, number == ENOSPC ? PAWL_EFULL : PAWL_EIO,
                              "cannot open '%s': %s", path, strerror(number));
    }
}

enum pawl_status breaker_page_map(const char *path, int fd, struct breaker_page **out,
                                  struct pawl_error *err)
{
    uint32_t none = 0;
    void *page = mmap(NULL, sizeof **out, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (page == MAP_FAILED)
        return pawl_error_set(err, PAWL_EIO, "cannot map '%s': %s", path,
                              strerror(errno));
    *out = page;
    if (!atomic_compare_exchange_strong(&(*out)->format, &none, FORMAT) &&
        none != FORMAT)
        return pawl_error_set(err, PAWL_EFORMAT,
                              "'%s' has format %u, and this pawl knows only %d; use a "
                              "newer pawl", path, none, FORMAT);
    return PAWL_OK;
}

/* --- spools left behind --------------------------------------------------------- */

/* Only looked at: read, not mapped, and whatever is strange is passed over. A file that
 * an older pawl made may be shorter: what it lacks is 0. */
static bool read_page(int folder, const char *name, struct breaker_page *page)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    const ssize_t least = offsetof(struct breaker_page, vain);
    bool whole;

    memset(page, 0, sizeof *page);
    whole = fd >= 0 && read(fd, page, sizeof *page) >= least;
    if (fd >= 0)
        close(fd);
    return whole && atomic_load(&page->format) == FORMAT;
}

void breaker_others(const char *spool, breaker_found_fn *found, void *context)
{
    const char *slash = strrchr(spool, '/');
    char folder[PATH_MAX], path[2 * PATH_MAX];
    struct breaker_page page;
    struct dirent *entry;
    DIR *dir;

    if (!slash || (size_t)(slash - spool) >= sizeof folder - 1)
        return;
    snprintf(folder, sizeof folder, "%.*s/", (int)(slash - spool), spool);
    dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        size_t n = strlen(entry->d_name), suffix = strlen(BREAKER_SUFFIX);
        if (n <= suffix || strcmp(entry->d_name + n - suffix, BREAKER_SUFFIX) != 0)
            continue;
        snprintf(path, sizeof path, "%s%.*s", folder, (int)(n - suffix), entry->d_name);
        if (strcmp(path, spool) != 0 && read_page(dirfd(dir), entry->d_name, &page) &&
            (atomic_load(&page.state) & 0xff) != BREAKER_CLOSED)
            found(context, path, &page);
    }
    if (dir)
        closedir(dir);
}
