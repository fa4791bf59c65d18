/* direct.h - a storage past the core: opened as that opens one, on the machine's clock.
 * Whatever goes wrong here ends the test with a message.
 */
#ifndef PAWL_TEST_DIRECT_H
#define PAWL_TEST_DIRECT_H

#include "storage/storage.h"

/* Without a spool before it; `deadline` of its calls. */
struct pawl_storage *direct_open(const char *url, pawl_duration deadline);
/* A job with nothing in it. */
struct pawl_id direct_put(struct pawl_storage *storage, const char *queue);

#endif
