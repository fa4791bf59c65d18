/* suite.h - the topics of the conformance suite. Each file is a topic, each test
 * says above it what it claims and which rule of docs/storage-contract.md that
 * is. No test knows which storage it runs on. */
#ifndef PAWL_TEST_SUITE_H
#define PAWL_TEST_SUITE_H

#include "conformance.h"

/* An empty test case; each of its tests will have a store of its own. */
TCase *topic(const char *name);

TCase *topic_put(void);
TCase *topic_session(void);
TCase *topic_key(void);
TCase *topic_order(void);
TCase *topic_claim(void);
TCase *topic_outcome(void);
TCase *topic_lease(void);
TCase *topic_sweep(void);
TCase *topic_retention(void);
TCase *topic_alter(void);
TCase *topic_list(void);
TCase *topic_stats(void);
TCase *topic_names(void);
TCase *topic_wait(void);
TCase *topic_threads(void);
TCase *topic_move(void);
TCase *topic_large(void);
TCase *topic_bring(void);
TCase *topic_relay(void);
TCase *topic_tally(void);

#endif
