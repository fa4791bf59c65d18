/* hash.h - a number for a text. It need not be secret, only another one for each. */
#ifndef PAWL_UTIL_HASH_H
#define PAWL_UTIL_HASH_H

#include <stdint.h>

/* FNV-1a. File names are made of it: it never changes. */
static inline uint64_t hash_text(const char *text)
{
    uint64_t value = UINT64_C(14695981039346656037);

    for (; *text; text++)
        value = (value ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return value;
}

#endif
