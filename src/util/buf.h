/* buf.h - bytes that grow up to a bound.
 *
 * Invariants: data is NULL or NUL-terminated at data[len]; len <= max. An
 * append that would pass max, or finds no memory, changes nothing and sets
 * `failed`, which stays: build the whole thing, then check once.
 */
#ifndef PAWL_UTIL_BUF_H
#define PAWL_UTIL_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data;
    size_t len, cap, max;
    bool failed;
};

void buf_init(struct buf *b, size_t max);
bool buf_add(struct buf *b, const void *bytes, size_t n);
/* Room for n more bytes, to be written there and then added to len; NULL: as when
 * an append fails. */
char *buf_space(struct buf *b, size_t n);
bool buf_str(struct buf *b, const char *text);
bool buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Free the bytes; the bound stays, and the buffer can be used again. */
void buf_clear(struct buf *b);

#endif
