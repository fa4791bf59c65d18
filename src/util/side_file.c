/* side_file.c - see side_file.h. */
#include "util/side_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A descriptor above the standard three: a program that closed its stderr would
 * write its messages into our file. */
static int above_standard(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    int above = fcntl(fd, F_DUPFD_CLOEXEC, 3), number = errno;
    close(fd);
    errno = number;
    return above;
}

static enum side_file_fault check(int fd, size_t size, int *number)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        *number = errno;
        return SIDE_FILE_OPEN;
    }
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink > 1)
        return SIDE_FILE_NOT_OURS;
    if ((st.st_mode & 0777) != 0600 && fchmod(fd, 0600) != 0)
        *number = errno;
    else if (size > (size_t)st.st_size)
        *number = posix_fallocate(fd, 0, (off_t)size);
    return *number ? SIDE_FILE_PREPARE : SIDE_FILE_OK;
}

enum side_file_fault side_file_open(const char *path, size_t size, int *out,
                                    int *number)
{
    int fd = above_standard(
        open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600));
    enum side_file_fault fault;

    *number = 0;
    if (fd < 0) {
        *number = errno;
        return SIDE_FILE_OPEN;
    }
    fault = check(fd, size, number);
    if (fault == SIDE_FILE_OK)
        *out = fd;
    else
        close(fd);
    return fault;
}

bool side_file_is_gone(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_nlink == 0;
}
