/* thread.h - starting the library's threads. */
#ifndef PAWL_UTIL_THREAD_H
#define PAWL_UTIL_THREAD_H

#include <pthread.h>

/* Start a thread with every signal blocked, so that signals go to the program's
 * own threads. `name` (up to 15 bytes) shows in top and gdb. 0 or an errno. */
int thread_start(pthread_t *thread, void *(*run)(void *), void *arg,
                 const char *name);
/* A condition variable that times out by CLOCK_MONOTONIC. */
int thread_cond_init(pthread_cond_t *cond);

#endif
