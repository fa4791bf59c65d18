/* history.c - see history.h. */
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actor.h"

int history_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        give_up("cannot open '%s': %s", path, strerror(errno));
    return fd;
}

void history_add(int fd, const char *what, struct pawl_id id, uint32_t epoch,
                 const char *format, ...)
{
    char line[320], id_text[PAWL_ID_TEXT];
    va_list list;
    pawl_id_format(id, id_text);
    int n = snprintf(line, sizeof line, "%s %s %d %" PRIu32 " %" PRId64 " ", what,
                     id_text, (int)getpid(), epoch, now_us());
    va_start(list, format);
    n += vsnprintf(line + n, sizeof line - (size_t)n - 1, format, list);
    va_end(list);
    size_t length = (size_t)n < sizeof line - 2 ? (size_t)n : sizeof line - 2;
    line[length] = '\n';
    if (write(fd, line, length + 1) != (ssize_t)length + 1)
        give_up("cannot write the history: %s", strerror(errno));
}

static void parse(const char *line, struct event *out)
{
    int used = 0;
    if (sscanf(line, "%15s %26s %d %" SCNu32 " %" SCNd64 " %n", out->what,
               out->id, &out->pid, &out->epoch, &out->at, &used) != 5)
        give_up("not a line of history: '%s'", line);
    snprintf(out->text, sizeof out->text, "%s", line + used);
}

long history_size(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (long)info.st_size : 0;
}

void history_read(const char *path, struct history *out)
{
    history_read_from(path, 0, out);
}

void history_read_from(const char *path, long from, struct history *out)
{
    char line[512];
    size_t room = 0;
    FILE *file = fopen(path, "re");
    *out = (struct history){ 0 };
    if (!file || fseek(file, from, SEEK_SET) < 0)
        give_up("cannot read '%s': %s", path, strerror(errno));
    while (fgets(line, sizeof line, file)) {
        size_t length = strcspn(line, "\n");
        /* Half a line: it is being written. */
        if (!line[length])
            break;
        line[length] = '\0';
        if (out->count == room) {
            room = room ? room * 2 : 1024;
            out->events = realloc(out->events, room * sizeof *out->events);
            if (!out->events)
                give_up("out of memory");
        }
        struct event *event = &out->events[out->count];
        *event = (struct event){ .number = out->count };
        parse(line, event);
        out->count++;
    }
    fclose(file);
}

static int by_id(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

void history_by_id(struct history *history)
{
    if (history->count > 0)
        qsort(history->events, history->count, sizeof *history->events, by_id);
}

size_t history_next_id(const struct history *history, size_t from)
{
    size_t i = from;
    while (i < history->count &&
           strcmp(history->events[i].id, history->events[from].id) == 0)
        i++;
    return i;
}

size_t history_count(const struct history *history, const char *what)
{
    size_t count = 0;
    for (size_t i = 0; i < history->count; i++)
        count += strcmp(history->events[i].what, what) == 0;
    return count;
}

void history_clear(struct history *history)
{
    free(history->events);
    *history = (struct history){ 0 };
}
