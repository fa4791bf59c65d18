/* fork.h - what a forked child must not do with its parent's handles.
 *
 * A child that only forked has copies of our descriptors. They would keep its
 * parent's locks alive after the parent's death, so the child closes them before
 * fork() returns there; and every handle opened before the fork is refused in
 * it. (SQLite itself breaks the file when a connection crosses a fork.)
 */
#ifndef PAWL_UTIL_FORK_H
#define PAWL_UTIL_FORK_H

#include <stdbool.h>

#define FORK_DESCRIPTORS 4

struct fork_guard {
    struct fork_guard *next, **link;
    unsigned generation;         /* of the process that opened the handle; 0: not watched */
    int *fds[FORK_DESCRIPTORS];  /* each NULL, or closed and set to -1 in a child */
};

/* Remember a handle of this process; fill fds first. False: out of memory. */
bool fork_watch(struct fork_guard *fork);
/* A zeroed one is fine. */
void fork_unwatch(struct fork_guard *fork);
/* Was the handle opened by another process than this? Cheap. */
bool fork_crossed(const struct fork_guard *fork);

#endif
