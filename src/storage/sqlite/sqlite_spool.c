/* sqlite_spool.c - where the spool of a primary lies, if nobody said. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "sqlite_path.h"
#include "sqlite_storage.h"
#include "util/hash.h"

enum pawl_status sqlite_spool_url(const char *where, char *url, size_t size,
                                  struct pawl_error *err)
{
    char usual[PATH_MAX];
    enum pawl_status status = path_usual(usual, where != NULL, err);
    int stem, n;

    if (status != PAWL_OK)
        return status;
    stem = (int)strlen(usual);
    if (stem > 3 && strcmp(usual + stem - 3, ".db") == 0)
        stem -= 3;
    n = snprintf(url, size, "sqlite:%.*s-spool-%016llx.db", stem, usual,
                 (unsigned long long)hash_text(where ? where : ""));
    if (strchr(usual, '?') || n < 0 || (size_t)n >= size)
        return pawl_error_set(err, PAWL_EDENIED,
                              "'%s' cannot be written as a URL: name another file",
                              usual);
    return PAWL_OK;
}
