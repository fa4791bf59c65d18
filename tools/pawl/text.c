/* text.c - see text.h. */
#include "text.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util/utf8.h"

/* The code point of a valid character of `n` bytes. */
static uint32_t text_code_point(const unsigned char *p, size_t n)
{
    static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = p[0] & lead_bits[n];
    for (size_t i = 1; i < n; i++)
        point = point << 6 | (p[i] & 0x3fu);
    return point;
}

/* Controls of both ranges, line separators, and the marks that reorder text. */
static bool text_is_hostile(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point <= 0x9f) ||
           point == 0x061c || (point >= 0x200e && point <= 0x200f) ||
           (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

static void text_escape_point(struct buf *out, uint32_t point)
{
    switch (point) {
    case '\n': buf_str(out, "\\n"); break;
    case '\r': buf_str(out, "\\r"); break;
    case '\t': buf_str(out, "\\t"); break;
    default:
        buf_printf(out, point < 0x80 ? "\\x%02" PRIx32 : "\\u%04" PRIx32,
                   point);
    }
}

void text_escape(struct buf *out, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    while (n > 0) {
        size_t size = utf8_char(p, n);
        uint32_t point = size ? text_code_point(p, size) : 0;
        if (size == 0) {
            buf_printf(out, "\\x%02x", p[0]);
            size = 1;
        } else if (text_is_hostile(point)) {
            text_escape_point(out, point);
        } else {
            buf_add(out, p, size);
        }
        p += size;
        n -= size;
    }
}

void text_make_utf8(char *bytes, size_t n)
{
    while (n > 0) {
        size_t size = utf8_char(bytes, n);
        if (size == 0 || *bytes == '\0') {
            *bytes = '?';
            size = 1;
        }
        bytes += size;
        n -= size;
    }
}

size_t text_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void text_instant(char out[TEXT_TIME], pawl_time at)
{
    struct tm tm;
    char date[TEXT_TIME - 8];
    time_t seconds = (time_t)(at / 1000);
    if (at <= 0) {
        snprintf(out, TEXT_TIME, "-");
    } else if (!gmtime_r(&seconds, &tm) ||
               !strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm)) {
        snprintf(out, TEXT_TIME, "@%" PRId64, at / 1000);
    } else {
        snprintf(out, TEXT_TIME, "%s.%03uZ", date, (unsigned)(at % 1000));
    }
}

static const struct text_unit {
    int64_t ms;
    const char *name;
} text_units[] = {
    {INT64_C(365) * 86400000, "y"}, {86400000, "d"}, {3600000, "h"},
    {60000, "m"}, {1000, "s"}, {1, "ms"},
};
#define TEXT_UNITS (sizeof text_units / sizeof *text_units)
#define TEXT_SECONDS (TEXT_UNITS - 2) /* the smallest of relative times */

void text_duration(char out[TEXT_TIME], pawl_duration time)
{
    size_t i = 0;
    while (i + 1 < TEXT_UNITS && time < text_units[i].ms)
        i++;
    int64_t whole = time / text_units[i].ms;
    int64_t rest = time % text_units[i].ms;
    int n = snprintf(out, TEXT_TIME, "%" PRId64 "%s", whole, text_units[i].name);
    if (i + 1 == TEXT_UNITS || n < 0)
        return;
    i++;
    if (rest / text_units[i].ms > 0)
        snprintf(out + n, TEXT_TIME - (size_t)n, " %" PRId64 "%s",
                 rest / text_units[i].ms, text_units[i].name);
}

void text_relative(char out[TEXT_TIME], pawl_time at, pawl_time now)
{
    char length[TEXT_TIME];
    if (at <= 0) {
        snprintf(out, TEXT_TIME, "-");
        return;
    }
    int64_t distance = at > now ? at - now : now - at;
    size_t i = 0;
    while (i < TEXT_SECONDS && distance < text_units[i].ms)
        i++;
    snprintf(length, sizeof length, "%" PRId64 "%s",
             distance / text_units[i].ms, text_units[i].name);
    if (distance < 1000)
        snprintf(out, TEXT_TIME, "now");
    else if (at > now)
        snprintf(out, TEXT_TIME, "in %.32s", length);
    else
        snprintf(out, TEXT_TIME, "%.32s ago", length);
}

void text_bytes(char out[TEXT_TIME], long long bytes)
{
    static const char *const names[] = {"KiB", "MiB", "GiB", "TiB"};
    double amount = (double)bytes / 1024;
    size_t i = 0;
    if (bytes < 1024) {
        snprintf(out, TEXT_TIME, "%lld bytes", bytes);
        return;
    }
    for (; amount >= 1024 && i + 1 < sizeof names / sizeof *names; i++)
        amount /= 1024;
    snprintf(out, TEXT_TIME, "%.1f %s", amount, names[i]);
}
