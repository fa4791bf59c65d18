/* sqlite_ballast.c - making and deleting one file. */
#include "sqlite_ballast.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "sqlite_path.h"

#define BALLAST_SIZE (1u << 20)
/* Free space below which none is made: it would be the last of it. */
#define BALLAST_SPARE (4ull * BALLAST_SIZE)

bool ballast_keep(const char *path)
{
    char name[PATH_MAX];
    struct stat st;
    struct statvfs fs;
    snprintf(name, sizeof name, "%s.ballast", path);
    if (lstat(name, &st) == 0 && st.st_size >= (off_t)BALLAST_SIZE)
        return true;
    if (statvfs(path, &fs) != 0 ||
        (unsigned long long)fs.f_bavail * fs.f_frsize < BALLAST_SPARE)
        return false;
    int fd = -1;
    if (path_open_side(path, ".ballast", BALLAST_SIZE, &fd, NULL) < 0) {
        unlink(name);
        return false;
    }
    close(fd);
    return true;
}

void ballast_spend(const char *path)
{
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s.ballast", path);
    unlink(name);
}
