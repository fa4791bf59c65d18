/* redis_door.h - how servers that belong together let us in: over TLS or not, and as
 * whom. */
#ifndef PAWL_TEST_REDIS_DOOR_H
#define PAWL_TEST_REDIS_DOOR_H

#include "redis_server.h"

/* Zeroed: plain, and everybody may do everything. */
struct redis_door {
    bool tls;           /* also among themselves */
    const char *rights; /* whom the URL logs in as on nodes: "pawl", with just these */
};

/* Of a node that is prepared, to its config. The certificates are all in the folder of
 * the `first` one, which comes first. */
void redis_door_hang(const struct redis_door *door, struct redis_server *node,
                     const struct redis_server *first);
/* Let "pawl" in, where not everybody is. */
void redis_door_admit(const struct redis_door *door, struct redis_server *node);
/* What stands before the hosts in a URL. */
const char *redis_door_login(const struct redis_door *door);
/* Add to a URL what it takes to get in. */
void redis_door_key(const struct redis_door *door, const struct redis_server *first,
                    char *url, size_t size);

#endif
