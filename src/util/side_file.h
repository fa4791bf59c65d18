/* side_file.h - small files that processes share beside a store: for locks, futex
 * words and counters. */
#ifndef PAWL_UTIL_SIDE_FILE_H
#define PAWL_UTIL_SIDE_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum side_file_fault {
    SIDE_FILE_OK,
    SIDE_FILE_OPEN,     /* could not be opened or looked at */
    SIDE_FILE_NOT_OURS, /* a link, another kind of file, or another user's */
    SIDE_FILE_PREPARE   /* its mode or size could not be set */
};

/* Open `path`, made 0600 if missing, with `size` bytes of it really there (a hole
 * would kill us by SIGBUS when the disk is full). On success *fd > 2, closed on
 * exec; else *number is an errno. */
enum side_file_fault side_file_open(const char *path, size_t size, int *fd,
                                    int *number);

/* Was it deleted since? Who comes later makes another one, and does not meet us. */
bool side_file_is_gone(int fd);

#endif
