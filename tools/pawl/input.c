/* input.c - see input.h. */
#include "input.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_BUFFER ((size_t)4 << 20)

int input_all(int fd, struct buf *out)
{
    char chunk[65536];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno != EINTR)
            return errno;
        if (n == 0)
            return 0;
        if (n > 0 && (size_t)n > out->max - out->len)
            return EFBIG;
        if (n > 0 && !buf_add(out, chunk, (size_t)n))
            return ENOMEM;
    }
}

int input_open(struct input *in, int fd)
{
    memset(in, 0, sizeof *in);
    in->fd = fd;
    in->data = malloc(INPUT_BUFFER);
    return in->data ? 0 : ENOMEM;
}

void input_close(struct input *in)
{
    free(in->data);
    in->data = NULL;
}

/* Add the complete lines from in->used on to what was found. */
static void input_split(struct input *in, struct input_line *lines, size_t max,
                        size_t *count)
{
    while (*count < max && in->used < in->len) {
        char *start = in->data + in->used;
        size_t left = in->len - in->used;
        char *newline = memchr(start, '\n', left);
        bool last = !newline && (in->ended || left == INPUT_BUFFER);
        if (!newline && !last)
            return;
        size_t size = newline ? (size_t)(newline - start) : left;
        lines[*count].text = start;
        lines[*count].size = size;
        (*count)++;
        in->used += size + (newline != NULL);
    }
}

static bool input_would_wait(const struct input *in)
{
    struct pollfd fd = {.fd = in->fd, .events = POLLIN};
    return poll(&fd, 1, 0) == 0;
}

int input_lines(struct input *in, struct input_line *lines, size_t max,
                size_t *count)
{
    memmove(in->data, in->data + in->used, in->len - in->used);
    in->len -= in->used;
    in->used = 0;
    *count = 0;
    for (;;) {
        input_split(in, lines, max, count);
        bool full = in->len == INPUT_BUFFER;
        if (in->ended || *count == max ||
            (*count > 0 && (full || input_would_wait(in))))
            return 0;
        ssize_t n = read(in->fd, in->data + in->len, INPUT_BUFFER - in->len);
        if (n < 0 && errno != EINTR)
            return errno;
        in->ended = n == 0;
        in->len += n > 0 ? (size_t)n : 0;
    }
}
