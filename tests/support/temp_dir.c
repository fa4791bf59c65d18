/* temp_dir.c - see temp_dir.h. */
#include "temp_dir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

void temp_dir_make(struct temp_dir *dir)
{
    const char *base = getenv("TMPDIR");
    if (base == NULL || *base == '\0')
        base = "/tmp";
    int size = snprintf(dir->path, sizeof dir->path, "%s/pawl-test-XXXXXX", base);
    if (size >= (int)sizeof dir->path || mkdtemp(dir->path) == NULL) {
        perror("temporary folder");
        exit(1);
    }
}

static int remove_one(const char *path, const struct stat *info, int kind,
                      struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

void temp_dir_remove(struct temp_dir *dir)
{
    if (dir->path[0] == '\0')
        return;
    nftw(dir->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    dir->path[0] = '\0';
}
