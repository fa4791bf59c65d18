/* failover_settings.c - see failover_settings.h. To add an option: a line in the
 * table, a member, and a line in docs/man/pawl.1. */
#include "storage/failover/failover_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/url.h"

#define HOUR (INT64_C(3600) * 1000)
#define LONGEST (24 * 366 * HOUR)
#define VALUE_MAX 4096
#define ENVIRONMENT "PAWL_FALLBACK" /* where the URL has no fallback */

enum option_type { OPTION_FALLBACK, OPTION_OUTAGE, OPTION_TIME, OPTION_NUMBER };

#define AT(member) offsetof(struct failover_settings, member)

static const struct option {
    const char *name;
    enum option_type type;
    size_t offset;
    int64_t usual, min, max;
} option_list[] = {
    { "fallback", OPTION_FALLBACK, 0, 0, 0, 0 },
    { "outage", OPTION_OUTAGE, 0, 0, 0, 0 },
    { "patience", OPTION_TIME, AT(patience), 1500, 1, HOUR },
    { "dwell", OPTION_TIME, AT(dwell), 5000, 0, HOUR },
    { "trial", OPTION_TIME, AT(trial), 2000, 0, HOUR },
    { "spool-jobs", OPTION_NUMBER, AT(spool_jobs), 1000000, 1, INT64_MAX },
    { "spool-bytes", OPTION_NUMBER, AT(spool_bytes), INT64_C(4) << 30, 1, INT64_MAX },
    { "spool-age", OPTION_TIME, AT(spool_age), 72 * HOUR, 1, LONGEST },
    { "drain-rate", OPTION_NUMBER, AT(drain_rate), 20000, 0, INT64_MAX },
};
#define OPTION_COUNT (sizeof option_list / sizeof *option_list)

/* --- values --------------------------------------------------------------------- */

static bool read_policy(const char *text, size_t n, enum failover_policy *out)
{
    static const char *const names[] = { "run-local", "spool", "fail" };

    for (int i = 0; i < 3; i++)
        if (strlen(names[i]) == n && memcmp(names[i], text, n) == 0) {
            *out = (enum failover_policy)i;
            return true;
        }
    return false;
}

/* "POLICY" for all queues, or "POLICY:QUEUE". */
static enum pawl_status read_outage(const char *value, struct failover_settings *out,
                                    struct pawl_error *err)
{
    size_t n = strcspn(value, ":");
    struct failover_rule rule = { 0 }, *rules;

    if (!read_policy(value, n, &rule.policy))
        return pawl_error_set(err, PAWL_EINVAL,
                              "outage is run-local, spool or fail, or one of these "
                              "with a queue, as in spool:mail");
    if (!value[n]) {
        out->policy = rule.policy;
        return PAWL_OK;
    }
    if (strlen(value + n + 1) < 1 || strlen(value + n + 1) > PAWL_NAME_MAX)
        return pawl_error_set(err, PAWL_EINVAL,
                              "outage names a queue that has not 1 to %d bytes",
                              PAWL_NAME_MAX);
    memcpy(rule.queue, value + n + 1, strlen(value + n + 1) + 1);
    rules = realloc(out->rules, (out->rule_count + 1) * sizeof *rules);
    if (!rules)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    out->rules = rules;
    rules[out->rule_count++] = rule;
    return PAWL_OK;
}

static enum pawl_status read_fallback(const char *value, struct failover_settings *out,
                                      struct pawl_error *err)
{
    if (out->fallback || out->off)
        return pawl_error_set(err, PAWL_EINVAL, "fallback is given twice");
    if (strcmp(value, "off") == 0) {
        out->off = true;
        return PAWL_OK;
    }
    if (!strchr(value, ':'))
        return pawl_error_set(err, PAWL_EINVAL,
                              "fallback is 'off', or a URL like sqlite:PATH");
    out->fallback = strdup(value);
    return out->fallback ? PAWL_OK
                         : pawl_error_set(err, PAWL_ENOMEM, "out of memory");
}

/* A bound as a person writes it. */
static const char *show_time(int64_t ms, char text[24])
{
    if (ms == 0)
        return "0s";
    snprintf(text, 24, ms % HOUR ? "%lldms" : "%lldh",
             (long long)(ms % HOUR ? ms : ms / HOUR));
    return text;
}

static enum pawl_status wrong_time(const struct option *option, struct pawl_error *err)
{
    char min[24], max[24];

    return pawl_error_set(err, PAWL_EINVAL,
                          "%s is a length of time from %s to %s, like 500ms or 2s",
                          option->name, show_time(option->min, min),
                          show_time(option->max, max));
}

static enum pawl_status read_value(const struct option *option, const char *value,
                                   struct failover_settings *out,
                                   struct pawl_error *err)
{
    int64_t *at = (int64_t *)(void *)((char *)out + option->offset);

    switch (option->type) {
    case OPTION_FALLBACK:
        return read_fallback(value, out, err);
    case OPTION_OUTAGE:
        return read_outage(value, out, err);
    case OPTION_TIME:
        if (url_duration(value, option->min, option->max, at))
            return PAWL_OK;
        return wrong_time(option, err);
    case OPTION_NUMBER:
        if (url_number(value, strlen(value), option->min, option->max, at))
            return PAWL_OK;
        return pawl_error_set(err, PAWL_EINVAL, "%s is a whole number from %lld on",
                              option->name, (long long)option->min);
    }
    return PAWL_OK;
}

/* --- the list ------------------------------------------------------------------- */

static const struct option *find(const char *name, size_t n)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strlen(option_list[i].name) == n &&
            memcmp(option_list[i].name, name, n) == 0)
            return &option_list[i];
    return NULL;
}

static enum pawl_status read_one(const struct option *option, const char *text,
                                 size_t n, struct failover_settings *out,
                                 struct pawl_error *err)
{
    char value[VALUE_MAX];

    if (n == 0)
        return pawl_error_set(err, PAWL_EINVAL, "%s has no value", option->name);
    if (url_decode(text, n, value, sizeof value) != URL_OK)
        return pawl_error_set(err, PAWL_EINVAL,
                              "%s is too long, or has a '%%' without two hex digits "
                              "behind it", option->name);
    return read_value(option, value, out, err);
}

static void set_usual(struct failover_settings *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (option_list[i].type == OPTION_TIME || option_list[i].type == OPTION_NUMBER)
            *(int64_t *)(void *)((char *)out + option_list[i].offset) =
                option_list[i].usual;
}

/* Where a spool may lie is the host's to say, as much as the URL's. */
static enum pawl_status read_environment(struct failover_settings *out,
                                         struct pawl_error *err)
{
    const char *value = getenv(ENVIRONMENT);
    enum pawl_status status;

    if (out->fallback || out->off || !value || !*value)
        return PAWL_OK;
    status = read_fallback(value, out, err);
    if (status != PAWL_OK)
        pawl_error_prefix(err, ENVIRONMENT);
    return status;
}

enum pawl_status failover_settings_read(const char *options,
                                        struct failover_settings *out, char **rest,
                                        struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    struct buf others;

    set_usual(out);
    buf_init(&others, strlen(options) + 1);
    buf_str(&others, "");
    while (*options && status == PAWL_OK) {
        size_t n = strcspn(options, "&"), name = strcspn(options, "=&");
        const struct option *option = find(options, name);
        size_t value = name + (options[name] == '=');
        if (option)
            status = read_one(option, options + value, n - value, out, err);
        else
            buf_printf(&others, "%s%.*s", others.len ? "&" : "", (int)n, options);
        options += n + (options[n] == '&');
    }
    if (status == PAWL_OK)
        status = read_environment(out, err);
    if (status == PAWL_OK && (!others.data || others.failed))
        status = pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    if (status == PAWL_OK) {
        *rest = others.data;
        return PAWL_OK;
    }
    if (others.data)
        explicit_bzero(others.data, others.len);
    buf_clear(&others);
    failover_settings_clear(out);
    return status;
}

void failover_settings_clear(struct failover_settings *settings)
{
    free(settings->fallback);
    free(settings->rules);
    settings->fallback = NULL;
    settings->rules = NULL;
    settings->rule_count = 0;
}

enum failover_policy failover_policy_of(const struct failover_settings *settings,
                                        const char *queue)
{
    for (size_t i = settings->rule_count; i > 0; i--)
        if (strcmp(settings->rules[i - 1].queue, queue) == 0)
            return settings->rules[i - 1].policy;
    return settings->policy;
}
