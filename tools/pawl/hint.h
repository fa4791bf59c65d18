/* hint.h - when a file has more to do than it is good for. */
#ifndef PAWL_CLI_HINT_H
#define PAWL_CLI_HINT_H

#include <stdbool.h>

#include "pawl/admin.h"

#define HINT_TEXT 1300

/* True: there is something to say, in `text`. */
bool hint_of_redis(const struct pawl_health *health, char text[HINT_TEXT]);
/* The first time that this user is to be told? From then on: no. */
bool hint_is_news(void);

#endif
