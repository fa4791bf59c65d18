/* parse.c - see parse.h. No number here goes through strtol and its friends,
 * which take signs, spaces and overflow without a word. */
#include "parse.h"

#include <stddef.h>
#include <string.h>

/* Digits at *text, up to `max`. Moves *text behind them. False without a digit
 * or when the number is larger. */
static bool parse_digits(const char **text, int64_t max, int64_t *out)
{
    const char *p = *text;
    int64_t value = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        int digit = *p - '0';
        if (value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *text = p;
    *out = value;
    return true;
}

bool parse_number(const char *text, long min, long max, long *out)
{
    int64_t value = 0;
    if (!parse_digits(&text, max, &value) || *text || value < min)
        return false;
    *out = (long)value;
    return true;
}

/* --- lengths of time --------------------------------------------------------- */

static const struct parse_unit {
    const char *name;
    int64_t ms;
} parse_units[] = {
    {"ms", 1},         {"s", 1000},        {"m", 60000},
    {"h", 3600000},    {"d", 86400000},    {"w", INT64_C(7) * 86400000},
};

static int64_t parse_unit(const char **text)
{
    size_t n = strspn(*text, "abcdefghijklmnopqrstuvwxyz");
    for (size_t i = 0; i < sizeof parse_units / sizeof *parse_units; i++) {
        if (n == strlen(parse_units[i].name) &&
            memcmp(*text, parse_units[i].name, n) == 0) {
            *text += n;
            return parse_units[i].ms;
        }
    }
    return 0;
}

bool parse_duration(const char *text, pawl_duration *out, const char **why)
{
    const char *p = text;
    int64_t total = 0;
    if (strcmp(text, "0") == 0) {
        *out = 0;
        return true;
    }
    do {
        int64_t value = 0;
        *why = "is not a length of time like 10s, 500ms or 1h30m";
        if (!parse_digits(&p, PAWL_DURATION_MAX, &value))
            return false;
        if (*p == '\0') {
            *why = "has no unit: write 10s, 5m or 500ms";
            return false;
        }
        int64_t ms = parse_unit(&p);
        if (ms == 0)
            return false;
        *why = "is longer than ten years";
        if (value > (PAWL_DURATION_MAX - total) / ms)
            return false;
        total += value * ms;
    } while (*p);
    *out = total;
    return true;
}

/* --- instants ---------------------------------------------------------------- */

/* Exactly `n` digits. */
static bool parse_field(const char **text, int n, int min, int max, int *out)
{
    int value = 0;
    for (int i = 0; i < n; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        value = value * 10 + (**text - '0');
    }
    *out = value;
    return value >= min && value <= max;
}

static bool parse_literal(const char **text, const char *one_of)
{
    if (**text == '\0' || !strchr(one_of, **text))
        return false;
    (*text)++;
    return true;
}

/* ".25" as 250; nothing as 0. More than three digits are cut off. */
static bool parse_fraction(const char **text, int *ms)
{
    int scale = 100;
    *ms = 0;
    if (**text != '.')
        return true;
    (*text)++;
    if (**text < '0' || **text > '9')
        return false;
    for (; **text >= '0' && **text <= '9'; (*text)++, scale /= 10)
        *ms += (**text - '0') * scale;
    return true;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. Counted in years
 * that begin in March, so that the leap day comes last. */
static int64_t parse_days(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;
    int64_t leap_days = y / 4 - y / 100 + y / 400;
    return y * 365 + leap_days + (153 * m + 2) / 5 + day - 1 - 719468;
}

static int parse_month_length(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* Z, +01:00 or -01:00, as ms to take off local time. */
static bool parse_offset(const char **text, int64_t *ms)
{
    int hours = 0, minutes = 0;
    *ms = 0;
    if (parse_literal(text, "Zz"))
        return true;
    bool behind = **text == '-';
    if (!parse_literal(text, "+-") || !parse_field(text, 2, 0, 23, &hours) ||
        !parse_literal(text, ":") || !parse_field(text, 2, 0, 59, &minutes))
        return false;
    *ms = (hours * INT64_C(60) + minutes) * (behind ? -60000 : 60000);
    return true;
}

static bool parse_rfc3339(const char *p, int64_t *out)
{
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, ms = 0;
    int64_t offset = 0;
    bool good = parse_field(&p, 4, 0, 9999, &year) && parse_literal(&p, "-") &&
                parse_field(&p, 2, 1, 12, &month) && parse_literal(&p, "-") &&
                parse_field(&p, 2, 1, 31, &day) && parse_literal(&p, "Tt ") &&
                parse_field(&p, 2, 0, 23, &hour) && parse_literal(&p, ":") &&
                parse_field(&p, 2, 0, 59, &minute) && parse_literal(&p, ":") &&
                parse_field(&p, 2, 0, 60, &second) && parse_fraction(&p, &ms) &&
                parse_offset(&p, &offset) && *p == '\0';
    if (!good || day > parse_month_length(year, month))
        return false;
    int64_t seconds = parse_days(year, month, day) * 86400 +
                      hour * INT64_C(3600) + minute * INT64_C(60) + second;
    *out = seconds * 1000 + ms - offset;
    return true;
}

bool parse_instant(const char *text, pawl_time *out, const char **why)
{
    int64_t at = 0;
    if (*text == '@') {
        const char *p = text + 1;
        int ms = 0;
        *why = "is not @SECONDS since 1970";
        if (!parse_digits(&p, INT64_MAX / 2000, &at) ||
            !parse_fraction(&p, &ms) || *p)
            return false;
        at = at * 1000 + ms;
    } else {
        *why = "is not a time like 2026-11-21T10:00:00Z or @1795255200";
        if (!parse_rfc3339(text, &at))
            return false;
    }
    *why = "is not after 1970";
    if (at <= 0)
        return false;
    *out = at;
    return true;
}

/* --- backoff, key mode --------------------------------------------------------- */

static const char *const parse_backoff_kinds[] = {
    [PAWL_BACKOFF_EXPONENTIAL] = "exponential",
    [PAWL_BACKOFF_FIXED] = "fixed",
    [PAWL_BACKOFF_LINEAR] = "linear",
    [PAWL_BACKOFF_POLY4] = "poly4",
    [PAWL_BACKOFF_LIST] = "list",
};

static bool parse_backoff_kind(const char *text, size_t n,
                               enum pawl_backoff_kind *out)
{
    for (int i = PAWL_BACKOFF_EXPONENTIAL; i <= PAWL_BACKOFF_LIST; i++) {
        const char *name = parse_backoff_kinds[i];
        if (strlen(name) == n && memcmp(name, text, n) == 0) {
            *out = (enum pawl_backoff_kind)i;
            return true;
        }
    }
    return false;
}

/* One of the parts behind the kind: a delay, cap=D or jitter=N. */
static bool parse_backoff_part(const char *part, struct pawl_backoff *b,
                               const char **why)
{
    long jitter = 0;
    if (strncmp(part, "cap=", 4) == 0) {
        bool good = parse_duration(part + 4, &b->cap, why);
        *why = "has a cap that is not a length of time like 1h";
        return good;
    }
    if (strncmp(part, "jitter=", 7) == 0) {
        *why = "has a jitter that is not a percentage of 0 to 100";
        if (!parse_number(part + 7, 0, 100, &jitter))
            return false;
        b->jitter = (int)jitter;
        return true;
    }
    *why = "has too many delays";
    if (b->delay_count == PAWL_BACKOFF_LIST_MAX)
        return false;
    if (!parse_duration(part, &b->delays[b->delay_count], why)) {
        *why = "has a part that is not a delay like 10s, cap=1h or jitter=20";
        return false;
    }
    b->delay_count++;
    return true;
}

/* What was collected must suit the kind. */
static bool parse_backoff_check(struct pawl_backoff *b, const char **why)
{
    if (b->kind == PAWL_BACKOFF_LIST) {
        *why = "needs delays: list:1s,5s,1m";
        return b->delay_count > 0;
    }
    *why = b->kind == PAWL_BACKOFF_POLY4 ? "takes no delay, poly4 has its own"
                                         : "takes one delay, only list has more";
    if (b->delay_count > (b->kind == PAWL_BACKOFF_POLY4 ? 0 : 1))
        return false;
    *why = "has a delay of 0; the least is 1ms";
    if (b->delay_count == 1 && b->delays[0] == 0)
        return false;
    b->delay = b->delays[0];
    b->delays[0] = 0;
    b->delay_count = 0;
    return true;
}

bool parse_backoff(const char *text, struct pawl_backoff *out, const char **why)
{
    struct pawl_backoff b = {0};
    char part[64];
    size_t n = strcspn(text, ":,");
    *why = "is not exponential, fixed, linear, poly4 or list";
    if (!parse_backoff_kind(text, n, &b.kind))
        return false;
    for (const char *p = text + n; *p; p += n) {
        p++;
        n = strcspn(p, ",");
        *why = "has a part that is too long";
        if (n >= sizeof part)
            return false;
        memcpy(part, p, n);
        part[n] = '\0';
        if (!parse_backoff_part(part, &b, why))
            return false;
    }
    if (!parse_backoff_check(&b, why))
        return false;
    *out = b;
    return true;
}

bool parse_key_mode(const char *text, enum pawl_key_mode *out)
{
    static const char *const names[] = {
        [PAWL_KEY_REJECT] = "reject",
        [PAWL_KEY_THROTTLE] = "throttle",
        [PAWL_KEY_DEBOUNCE] = "debounce",
        [PAWL_KEY_LATEST] = "latest",
    };
    for (int i = PAWL_KEY_REJECT; i <= PAWL_KEY_LATEST; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum pawl_key_mode)i;
            return true;
        }
    }
    return false;
}
