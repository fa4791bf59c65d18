/* failover_left.c - spools that nobody drains, seen from outside: by a program that has
 * other jobs open, or is about to move away from the primary they are for.
 *
 * Only what lies on the disk is read, and nothing is made or opened for it.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/failover/failover_internal.h"
#include "storage/registry.h"

struct search {
    uint64_t owner; /* as the page has it; 0: any */
    storage_left_fn *found;
    void *context;
};

static void pass_on(void *context, const char *path, const struct breaker_page *page)
{
    const struct search *search = context;
    char where[BREAKER_TEXT];

    if (search->owner != 0 && search->owner != atomic_load(&page->owner))
        return;
    search->found(search->context, path, breaker_text(page->where, where),
                  atomic_load(&page->since));
}

/* "sqlite:PATH?OPTIONS" names the folder of PATH; of a relative one, where we are. */
static void look_beside(const char *spool_url, struct search *search)
{
    const char *path = strchr(spool_url, ':');
    char folder[PATH_MAX];
    size_t n;

    if (!path)
        return;
    path++;
    n = strcspn(path, "?");
    while (n > 0 && path[n - 1] != '/')
        n--;
    if (n >= sizeof folder - 2)
        return;
    snprintf(folder, sizeof folder, "%.*s", n ? (int)n : 2, n ? path : "./");
    breaker_others(folder, pass_on, search);
}

void failover_left(const char *url, const char *where, storage_left_fn *found,
                   void *context)
{
    struct search search = { where ? breaker_owner_number(where) : 0, found, context };
    struct failover_settings settings = { 0 };
    char usual[REGISTRY_URL_MAX];
    char *rest = NULL;
    const char *mark = url ? strchr(url, '?') : NULL;

    if (failover_settings_read(mark ? mark + 1 : "", &settings, &rest, NULL) < 0)
        return;
    if (!settings.fallback &&
        registry_spool_url(NULL, usual, sizeof usual, NULL) == PAWL_OK)
        look_beside(usual, &search);
    else if (settings.fallback)
        look_beside(settings.fallback, &search);
    if (rest)
        explicit_bzero(rest, strlen(rest));
    free(rest);
    failover_settings_clear(&settings);
}
