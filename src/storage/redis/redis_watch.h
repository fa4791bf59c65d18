/* redis_watch.h - one thing done once a second, on a thread of its own. */
#ifndef PAWL_STORAGE_REDIS_WATCH_H
#define PAWL_STORAGE_REDIS_WATCH_H

#include <stdbool.h>

struct redis_watch;

/* NULL: out of memory, or no thread could be had. The first look comes after a
 * second; from the end of one to the next there is a second too. */
struct redis_watch *redis_watch_start(void (*look)(void *context), void *context);
/* Returns when a look that is under way is over. NULL is fine. */
void redis_watch_stop(struct redis_watch *watch);

#endif
