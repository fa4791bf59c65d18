/* input.h - payloads from standard input: all of it, or line by line. */
#ifndef PAWL_CLI_INPUT_H
#define PAWL_CLI_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"

/* Read to the end into `out`, which has been initialised. 0; EFBIG when there
 * is more than out->max; or another errno. */
int input_all(int fd, struct buf *out);

struct input_line {
    const char *text; /* valid until the next input_lines() */
    size_t size;      /* without the newline */
};

struct input {
    int fd;
    char *data;
    size_t used; /* bytes handed out by the last input_lines() */
    size_t len;
    bool ended;
};

/* 0 or ENOMEM. */
int input_open(struct input *in, int fd);
/* The next lines, at most `max` of them: as many as can be had without waiting,
 * and at least one, so that a slow writer's lines are not held back. *count is
 * 0 at the end. A line that is not ended by a newline counts if it is not empty.
 * One over 4 MiB is cut into pieces, which are all longer than any payload may
 * be. 0 or an errno. */
int input_lines(struct input *in, struct input_line *lines, size_t max,
                size_t *count);
void input_close(struct input *in);

#endif
