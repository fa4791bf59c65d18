/* outage.h - what the tests of outages share: a server of their own, a proxy before
 * it, and a folder for spools.
 */
#ifndef PAWL_TEST_OUTAGE_H
#define PAWL_TEST_OUTAGE_H

#include "proxy.h"
#include "redis_crew.h"
#include "redis_server.h"

/* The breaker's times, divided as a test needs them. */
#define OUTAGE_TIMES "patience=400ms&dwell=100ms&trial=80ms&drain-rate=0"

extern struct redis_server outage_server; /* AOF always */
extern struct proxy outage_proxy;
extern struct temp_dir outage_folder;

/* Start them. */
void outage_begin(void);
/* What ends a test: the `end` of crew_run(). */
void outage_end(void);
/* A URL for the server, through the proxy or not, with the spool NAME in the folder. */
void outage_url(char *url, size_t size, bool through, const char *spool,
                const char *more);
/* Open it here; nothing is trimmed. */
struct pawl *outage_open(const char *url);
enum pawl_mode outage_mode(struct pawl *pawl);
/* Wait for it. */
void outage_await(struct pawl *pawl, enum pawl_mode mode);
/* Open `url`, wait until its spool is empty and the primary is used, close. */
void outage_drained(const char *url);

#endif
