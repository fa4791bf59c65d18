/* utf8.h - is it text? (RFC 3629: no surrogates, nothing over U+10FFFF, no
 * over-long forms.) */
#ifndef PAWL_UTIL_UTF8_H
#define PAWL_UTIL_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length in bytes of the character at `p`, of which `n` > 0 bytes are there; 0
 * when it is not valid. */
size_t utf8_char(const void *p, size_t n);
bool utf8_valid(const void *p, size_t n);
/* Text without control characters (below U+0020, U+007F..U+009F). */
bool utf8_plain(const char *p, size_t n);

#endif
