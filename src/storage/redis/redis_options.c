/* redis_options.c - what stands behind '?' in a Redis URL.
 *
 * One table has them all. To add one: give it a line there, a member in struct
 * redis_settings, and a line in docs/man/pawl.1. No message shows a secret, and a
 * name is shown only if it looks like one: a '?' that stands unencoded in a password
 * makes an option out of the rest of it.
 */
#include "storage/redis/redis_options.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/url.h"
#include "util/utf8.h"

enum option_type {
    OPTION_TEXT,
    OPTION_SECRET, /* any bytes but NUL, never shown */
    OPTION_SECRET_FILE,
    OPTION_FLAG,
    OPTION_NUMBER,
    OPTION_DURATION,
    OPTION_PREFIX,
    OPTION_CLOCK
};

#define AT(member) offsetof(struct redis_settings, member)
#define OPTION_LONGEST (INT64_C(3600) * 1000) /* of timeouts, ms */

static const struct option {
    const char *name;
    enum option_type type;
    size_t offset;
    int64_t min, max; /* NUMBER, DURATION */
} option_list[] = {
    { "prefix", OPTION_PREFIX, AT(prefix), 0, 0 },
    { "db", OPTION_NUMBER, AT(db), 0, REDIS_DB_MAX },
    { "user", OPTION_TEXT, AT(login.user), 0, 0 },
    { "password-file", OPTION_SECRET_FILE, AT(login.password), 0, 0 },
    { "sentinel-user", OPTION_TEXT, AT(sentinel_login.user), 0, 0 },
    { "sentinel-password", OPTION_SECRET, AT(sentinel_login.password), 0, 0 },
    { "sentinel-password-file", OPTION_SECRET_FILE, AT(sentinel_login.password), 0, 0 },
    { "tls", OPTION_FLAG, AT(tls.on), 0, 0 },
    { "tls-name", OPTION_TEXT, AT(tls.name), 0, 0 },
    { "ca", OPTION_TEXT, AT(tls.ca_file), 0, 0 },
    { "cert", OPTION_TEXT, AT(tls.cert_file), 0, 0 },
    { "key", OPTION_TEXT, AT(tls.key_file), 0, 0 },
    { "insecure", OPTION_FLAG, AT(tls.insecure), 0, 0 },
    { "pool", OPTION_NUMBER, AT(pool_size), 1, REDIS_POOL_MAX },
    { "retries", OPTION_NUMBER, AT(max_retries), 0, REDIS_RETRIES_MAX },
    { "replicas", OPTION_NUMBER, AT(replicas), 0, REDIS_REPLICAS_MAX },
    { "connect-timeout", OPTION_DURATION, AT(connect_timeout), 1, OPTION_LONGEST },
    { "timeout", OPTION_DURATION, AT(reply_timeout), 1, OPTION_LONGEST },
    { "clock", OPTION_CLOCK, AT(caller_clock), 0, 0 },
};
#define OPTION_COUNT (sizeof option_list / sizeof *option_list)

/* --- values ------------------------------------------------------------------ */

enum pawl_status redis_decode(const char *what, const char *text, size_t n, char *out,
                              size_t size, struct pawl_error *err)
{
    switch (url_decode(text, n, out, size)) {
    case URL_PERCENT:
        return pawl_error_set(err, PAWL_EINVAL,
                              "%s has a '%%' without two hex digits behind "
                              "it: '%%' itself is written %%25", what);
    case URL_NUL:
        return pawl_error_set(err, PAWL_EINVAL, "%s has a NUL byte", what);
    case URL_LONG:
        return pawl_error_set(err, PAWL_EINVAL, "%s is longer than %zu bytes", what,
                              size - 1);
    case URL_OK:
        break;
    }
    return PAWL_OK;
}

const char *redis_prefix_fault(const char *prefix)
{
    size_t n = strlen(prefix);

    if (n < 1 || n > sizeof((struct redis_settings *)0)->prefix - 1)
        return "has 1 to 63 bytes";
    if (strpbrk(prefix, "{}"))
        return "has no braces";
    if (!utf8_plain(prefix, n))
        return "is text without control characters";
    return NULL;
}

/* --- a password in a file -------------------------------------------------------- */

static enum pawl_status secret_check(const char *name, const char *path, int fd,
                                     struct pawl_error *err)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        return pawl_error_set(err, PAWL_EINVAL, "%s: cannot open '%s': %s", name, path,
                              strerror(errno));
    if (!S_ISREG(st.st_mode))
        return pawl_error_set(err, PAWL_EINVAL, "%s: '%s' is not a file", name, path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return pawl_error_set(err, PAWL_EINVAL, "%s: '%s' belongs to another user",
                              name, path);
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return pawl_error_set(err, PAWL_EINVAL,
                              "%s: '%s' is open to other users: use chmod 600", name,
                              path);
    return PAWL_OK;
}

/* The first line of the file. */
static enum pawl_status secret_read(const char *name, const char *path, char *out,
                                    struct pawl_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum pawl_status status = secret_check(name, path, fd, err);
    char text[REDIS_TEXT_MAX + 2]; /* and the end of the line */
    ssize_t n = 0;

    if (status == PAWL_OK)
        n = read(fd, text, sizeof text);
    if (n < 0)
        status = pawl_error_set(err, PAWL_EINVAL, "%s: cannot read '%s': %s", name,
                                path, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (status != PAWL_OK || n < 0)
        return status;
    char *end = memchr(text, '\n', (size_t)n);
    size_t size = end ? (size_t)(end - text) : (size_t)n;
    if (size > 0 && text[size - 1] == '\r')
        size--;
    if (size == 0 || size >= REDIS_TEXT_MAX || memchr(text, '\0', size))
        status = pawl_error_set(err, PAWL_EINVAL,
                                "%s: '%s' has no line of 1 to %d bytes", name, path,
                                REDIS_TEXT_MAX - 1);
    else {
        memcpy(out, text, size);
        out[size] = '\0';
    }
    explicit_bzero(text, sizeof text);
    return status;
}

/* --- one option --------------------------------------------------------------------- */

static enum pawl_status option_range(const struct option *option,
                                     struct pawl_error *err)
{
    if (option->type == OPTION_DURATION)
        return pawl_error_set(err, PAWL_EINVAL,
                              "%s is a length of time like 500ms or 2s, up to 1h",
                              option->name);
    return pawl_error_set(err, PAWL_EINVAL, "%s is a number %lld..%lld", option->name,
                          (long long)option->min, (long long)option->max);
}

static enum pawl_status option_text(const struct option *option, const char *value,
                                    char *out, struct pawl_error *err)
{
    const bool secret = option->type == OPTION_SECRET ||
                        option->type == OPTION_SECRET_FILE;

    if (*out)
        return pawl_error_set(err, PAWL_EINVAL, "the %s is given twice",
                              secret ? "password" : option->name);
    if (option->type == OPTION_SECRET_FILE)
        return secret_read(option->name, value, out, err);
    if (!secret && !utf8_plain(value, strlen(value)))
        return pawl_error_set(err, PAWL_EINVAL,
                              "%s is not text without control characters",
                              option->name);
    memcpy(out, value, strlen(value) + 1); /* both have REDIS_TEXT_MAX bytes */
    return PAWL_OK;
}

/* What has two words. */
static enum pawl_status option_word(const struct option *option, const char *value,
                                    const char *yes, const char *no, bool *out,
                                    struct pawl_error *err)
{
    if (strcmp(value, yes) != 0 && strcmp(value, no) != 0)
        return pawl_error_set(err, PAWL_EINVAL, "%s is %s or %s", option->name, yes,
                              no);
    *out = strcmp(value, yes) == 0;
    return PAWL_OK;
}

static enum pawl_status option_set(const struct option *option, const char *value,
                                   struct redis_settings *out, struct pawl_error *err)
{
    char *at = (char *)out + option->offset;
    const char *fault;
    int64_t number;

    switch (option->type) {
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_SECRET_FILE:
        return option_text(option, value, at, err);
    case OPTION_FLAG:
        return option_word(option, value, "yes", "no", (bool *)at, err);
    case OPTION_CLOCK:
        return option_word(option, value, "caller", "server", (bool *)at, err);
    case OPTION_NUMBER:
        if (!url_number(value, strlen(value), option->min, option->max, &number))
            return option_range(option, err);
        *(int *)(void *)at = (int)number;
        return PAWL_OK;
    case OPTION_DURATION:
        if (!url_duration(value, option->min, option->max, &number))
            return option_range(option, err);
        *(pawl_duration *)(void *)at = number;
        return PAWL_OK;
    case OPTION_PREFIX:
        fault = redis_prefix_fault(value);
        if (fault)
            return pawl_error_set(err, PAWL_EINVAL, "a prefix %s", fault);
        memcpy(at, value, strlen(value) + 1);
        return PAWL_OK;
    }
    return PAWL_OK;
}

static const struct option *option_find(const char *name, size_t n)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strlen(option_list[i].name) == n &&
            memcmp(option_list[i].name, name, n) == 0)
            return &option_list[i];
    return NULL;
}

static enum pawl_status option_unknown(const char *name, size_t n,
                                       struct pawl_error *err)
{
    size_t plain = strspn(name, "abcdefghijklmnopqrstuvwxyz-_");

    if (n == strlen("password") && memcmp(name, "password", n) == 0)
        return pawl_error_set(err, PAWL_EINVAL,
                              "password is no option: use password-file, or write "
                              "it before the host");
    if (n == 0 || n > 30 || plain < n || strchr(name, '@'))
        return pawl_error_set(err, PAWL_EINVAL,
                              "what follows '?' is not NAME=VALUE (a '?' in a "
                              "password is written %%3F)");
    return pawl_error_set(err, PAWL_EINVAL, "unknown option '%.*s'", (int)n, name);
}

/* One NAME=VALUE of n bytes. */
static enum pawl_status option_read(const char *text, size_t n, unsigned *seen,
                                    struct redis_settings *out, struct pawl_error *err)
{
    const char *equals = memchr(text, '=', n);
    size_t name_size = equals ? (size_t)(equals - text) : n;
    const struct option *option = option_find(text, name_size);
    char value[REDIS_TEXT_MAX];
    enum pawl_status status;

    if (!option)
        return option_unknown(text, name_size, err);
    if (*seen & (1u << (option - option_list)))
        return pawl_error_set(err, PAWL_EINVAL, "%s is given twice", option->name);
    if (!equals || name_size + 1 == n)
        return pawl_error_set(err, PAWL_EINVAL, "%s has no value", option->name);
    *seen |= 1u << (option - option_list);
    status = redis_decode(option->name, equals + 1, n - name_size - 1, value,
                          sizeof value, err);
    if (status == PAWL_OK && option->type == OPTION_NUMBER && option->offset == AT(db) &&
        out->db >= 0)
        status = pawl_error_set(err, PAWL_EINVAL, "the db is given twice");
    if (status == PAWL_OK)
        status = option_set(option, value, out, err);
    explicit_bzero(value, sizeof value);
    return status;
}

enum pawl_status redis_options_read(const char *options, struct redis_settings *out,
                                    struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    unsigned seen = 0;

    _Static_assert(OPTION_COUNT <= 32, "`seen` has a bit for each");
    while (*options && status == PAWL_OK) {
        size_t n = strcspn(options, "&");
        status = option_read(options, n, &seen, out, err);
        options += n + (options[n] == '&');
    }
    return status;
}
