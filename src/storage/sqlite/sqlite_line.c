/* sqlite_line.c - threads queue here before their process queues at the gate.
 *
 * `reserved` is set by a leaver whose side had its 1 ms while others waited, and
 * cleared by the waiter that takes its place. A waiter takes a free place even
 * when its time is over, so no signal is ever lost with one that gave up.
 */
#include "sqlite_line.h"

#include "util/clock.h"
#include "util/thread.h"

#define LINE_TURN_NS 1000000

bool line_open(struct sqlite_line *line)
{
    *line = (struct sqlite_line){ .busy = false };
    if (pthread_mutex_init(&line->lock, NULL) != 0)
        return false;
    if (thread_cond_init(&line->moved) == 0)
        return true;
    pthread_mutex_destroy(&line->lock);
    return false;
}

void line_close(struct sqlite_line *line)
{
    pthread_cond_destroy(&line->moved);
    pthread_mutex_destroy(&line->lock);
}

static bool line_wait(struct sqlite_line *line, int64_t deadline_ns)
{
    struct timespec until = clock_timespec(deadline_ns);
    bool in_time = true;
    line->waiting++;
    do {
        in_time = pthread_cond_timedwait(&line->moved, &line->lock, &until) == 0;
    } while (line->busy && in_time);
    line->waiting--;
    if (!line->busy) {
        line->reserved = false;
        line->turn_started = clock_mono_ns();
        return true;
    }
    return false;
}

bool line_enter(struct sqlite_line *line, int64_t deadline_ns)
{
    pthread_mutex_lock(&line->lock);
    bool in = true;
    if (line->busy || (line->reserved && line->waiting > 0))
        in = line_wait(line, deadline_ns);
    if (in)
        line->busy = true;
    pthread_mutex_unlock(&line->lock);
    return in;
}

void line_leave(struct sqlite_line *line)
{
    pthread_mutex_lock(&line->lock);
    line->busy = false;
    if (line->waiting > 0) {
        if (clock_mono_ns() - line->turn_started >= LINE_TURN_NS)
            line->reserved = true;
        pthread_cond_signal(&line->moved);
    }
    pthread_mutex_unlock(&line->lock);
}
