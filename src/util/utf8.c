/* utf8.c - see utf8.h. */
#include "util/utf8.h"

size_t utf8_char(const void *p, size_t n)
{
    const unsigned char *s = p;
    size_t len, i;
    unsigned low = 0x80, high = 0xBF; /* bounds of the second byte */

    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    len = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (len > n)
        return 0;
    if (s[0] == 0xE0)
        low = 0xA0;
    if (s[0] == 0xED)
        high = 0x9F;
    if (s[0] == 0xF0)
        low = 0x90;
    if (s[0] == 0xF4)
        high = 0x8F;
    if (s[1] < low || s[1] > high)
        return 0;
    for (i = 2; i < len; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

bool utf8_valid(const void *p, size_t n)
{
    const unsigned char *s = p;
    size_t len;

    for (; n > 0; s += len, n -= len) {
        len = utf8_char(s, n);
        if (len == 0)
            return false;
    }
    return true;
}

bool utf8_plain(const char *p, size_t n)
{
    const unsigned char *s = (const unsigned char *)p;
    size_t i;

    if (!utf8_valid(p, n))
        return false;
    for (i = 0; i < n; i++) {
        if (s[i] < 0x20 || s[i] == 0x7F)
            return false;
        if (s[i] == 0xC2 && i + 1 < n && s[i + 1] < 0xA0)
            return false;
    }
    return true;
}
