/* hint.c - see hint.h. */
#include "hint.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOBS_A_DAY 10000

bool hint_of_redis(const struct pawl_health *health, char text[HINT_TEXT])
{
    if (strcmp(health->storage, "sqlite") != 0 || health->jobs_a_day <= JOBS_A_DAY)
        return false;
    snprintf(text, HINT_TEXT,
             "about %" PRId64 " jobs a day finish in this file; Redis carries more, on "
             "many hosts: 'pawl migrate --from sqlite:%s --to redis://HOST/0 --dry-run' "
             "shows the way", health->jobs_a_day, health->where);
    return true;
}

/* A file in the user's state folder says that it was told. Where there is no such
 * folder nothing is said: it is a hint, and pawl doctor repeats it. */
bool hint_is_news(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char path[4096];
    int fd;
    if (state && state[0] == '/')
        snprintf(path, sizeof path, "%s/pawl/redis-hint", state);
    else if (home && home[0] == '/')
        snprintf(path, sizeof path, "%s/.local/state/pawl/redis-hint", home);
    else
        return false;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}
