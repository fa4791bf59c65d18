/* log.c - telling the program's log function. The library itself never prints. */
#include <stdarg.h>
#include <stdio.h>

#include "core/core.h"

void core_log(struct pawl *pawl, enum pawl_log_level level, const char *id,
              const char *format, ...)
{
    char text[512];
    va_list args;

    if (!pawl->log)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&pawl->log_mutex);
    pawl->log(pawl->log_context, level, id, text);
    pthread_mutex_unlock(&pawl->log_mutex);
}
