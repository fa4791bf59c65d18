/* url.h - the values in a URL: percent-encoding, numbers, lengths of time. */
#ifndef PAWL_UTIL_URL_H
#define PAWL_UTIL_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum url_fault {
    URL_OK,
    URL_PERCENT, /* a '%' without two hex digits behind it */
    URL_NUL,     /* a NUL byte */
    URL_LONG     /* `size` bytes are too few */
};

/* Undo the percent-encoding of n bytes, as text into out[size]. */
enum url_fault url_decode(const char *text, size_t n, char *out, size_t size);
/* A whole number without sign, of min..max, in all n bytes. */
bool url_number(const char *text, size_t n, int64_t min, int64_t max, int64_t *out);
/* "1500ms", "2s", "1m", "3h": in ms. */
bool url_duration(const char *text, int64_t min, int64_t max, int64_t *out);

#endif
