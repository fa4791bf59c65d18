/* status.c - names, texts and classes of statuses, and filling in errors. */
#include "pawl/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *pawl_status_name(enum pawl_status status)
{
    switch (status) {
#define X(name, value, class_, text)                                           \
    case PAWL_##name:                                                          \
        return #name;
        PAWL_STATUS_LIST(X)
#undef X
    }
    return "?";
}

const char *pawl_status_text(enum pawl_status status)
{
    switch (status) {
#define X(name, value, class_, text)                                           \
    case PAWL_##name:                                                          \
        return text;
        PAWL_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

enum pawl_status_class pawl_status_class(enum pawl_status status)
{
    switch (status) {
#define X(name, value, class_, text)                                           \
    case PAWL_##name:                                                          \
        return PAWL_CLASS_##class_;
        PAWL_STATUS_LIST(X)
#undef X
    }
    return PAWL_CLASS_REJECTED;
}

enum pawl_status pawl_error_set(struct pawl_error *err, enum pawl_status status,
                                const char *format, ...)
{
    va_list args;

    if (!err)
        return status;
    err->status = status;
    err->native = 0;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}

void pawl_error_prefix(struct pawl_error *err, const char *format, ...)
{
    char text[2 * sizeof err->message + 2];
    size_t used;
    va_list args;

    if (!err)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof err->message, format, args);
    va_end(args);
    used = strlen(text);
    snprintf(text + used, sizeof text - used, ": %s", err->message);
    memcpy(err->message, text, sizeof err->message - 1);
}
