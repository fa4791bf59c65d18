/* history.h - what actors did, in one file that outlives them.
 *
 * Each event is one line, appended by one write(), so that it is there whole or
 * not at all, however its writer dies, and lines of many processes never mix.
 */
#ifndef PAWL_TEST_HISTORY_H
#define PAWL_TEST_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "pawl.h"

struct event {
    char what[16];         /* "invoke", "ok", "unknown", "refused", "run" ... */
    char id[PAWL_ID_TEXT]; /* of the job */
    int pid;
    uint32_t epoch;
    int64_t at;     /* us, now_us() of its writer */
    char text[160]; /* whatever else there is to say */
    size_t number;  /* its place in the file */
};

struct history {
    struct event *events;
    size_t count;
};

/* The descriptor to append to. */
int history_open(const char *path);
void history_add(int fd, const char *what, struct pawl_id id, uint32_t epoch,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The whole file, in the order it was written. */
void history_read(const char *path, struct history *out);
/* How long it is now, and what came after it was so long. */
long history_size(const char *path);
void history_read_from(const char *path, long from, struct history *out);
/* By id, then in the order written: the events of one job lie together. */
void history_by_id(struct history *history);
/* Where the events of the next job begin. */
size_t history_next_id(const struct history *history, size_t from);
size_t history_count(const struct history *history, const char *what);
void history_clear(struct history *history);

#endif
