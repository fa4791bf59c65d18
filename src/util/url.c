/* url.c - see url.h. */
#include "util/url.h"

#include <string.h>

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) % 16 : -1;
}

enum url_fault url_decode(const char *text, size_t n, char *out, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            int high = n - i > 2 ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            if (low < 0)
                return URL_PERCENT;
            c = high * 16 + low;
            i += 2;
        }
        if (c == 0)
            return URL_NUL;
        if (used + 1 >= size)
            return URL_LONG;
        out[used++] = (char)c;
    }
    out[used] = '\0';
    return URL_OK;
}

bool url_number(const char *text, size_t n, int64_t min, int64_t max, int64_t *out)
{
    int64_t value = 0;

    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9' || value > max / 10)
            return false;
        value = value * 10 + (text[i] - '0');
    }
    if (n == 0 || value < min || value > max)
        return false;
    *out = value;
    return true;
}

bool url_duration(const char *text, int64_t min, int64_t max, int64_t *out)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
    size_t digits = strspn(text, "0123456789");
    int64_t value;

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(text + digits, units[i].name) == 0 &&
            url_number(text, digits, 0, max / units[i].ms, &value)) {
            *out = value * units[i].ms;
            return *out >= min;
        }
    return false;
}
