/* sqlite_line.h - a lock between threads that is fair enough and has a deadline.
 *
 * A plain mutex lets a busy thread take it again and again before a woken waiter
 * has opened its eyes; strict first come, first served costs a thread switch per
 * transaction. Here whoever is running may overtake for 1 ms, then one waiter
 * gets it.
 */
#ifndef PAWL_SQLITE_LINE_H
#define PAWL_SQLITE_LINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct sqlite_line {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    int waiting;
    bool busy;
    bool reserved;       /* for one of the waiting: newcomers queue up */
    int64_t turn_started; /* when a waiter last got it */
};

/* False: the system has no more locks. */
bool line_open(struct sqlite_line *line);
/* A zeroed one is not fine; nobody may be inside. */
void line_close(struct sqlite_line *line);
/* False: `deadline_ns` of clock_mono_ns() passed. */
bool line_enter(struct sqlite_line *line, int64_t deadline_ns);
void line_leave(struct sqlite_line *line);

#endif
