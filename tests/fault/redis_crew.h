/* redis_crew.h - producers and workers, each a process, on `store_under_test`; and
 * what their notes must say when all is over.
 */
#ifndef PAWL_TEST_REDIS_CREW_H
#define PAWL_TEST_REDIS_CREW_H

#include "lanes.h"
#include "store.h"

#define CREW_WORKERS_MOST 16
#define CREW_PRODUCERS_MOST 4
/* The handles' deadline in ms, and within how long everybody must go on after a
 * trouble: that, and 5 s. A test fails at ten times as much. */
#define CREW_DEADLINE 2000
#define CREW_TARGET (CREW_DEADLINE + 5000)
#define CREW_OPTIONS "timeout=500ms&connect-timeout=500ms"

struct crew {
    size_t worker_count, producer_count;
    const char *worker_words[12]; /* for the helper program; NULL at the end */
    const char *producer_words[12];
    /* filled by crew_start() */
    struct actor workers[CREW_WORKERS_MOST];
    struct actor producers[CREW_PRODUCERS_MOST];
    uint64_t random;
};

/* Workers of four threads, and a producer of four that asks until it is told. */
struct crew crew_usual(size_t worker_count);

/* The store is at this URL in this test. `options` are added to it. */
void crew_store_at(const char *url, const char *options);

/* All of them, and wait until they are ready. */
void crew_start(struct crew *crew);
void crew_start_worker(struct crew *crew, size_t i);
/* Wait until each producer has enqueued and each worker has begun a job after this
 * call; how long that took in ms. They must all be alive. */
int64_t crew_goes_on(struct crew *crew, const char *after_what);
/* Kill the producers: they never end by themselves, and may be in mid-call. */
void crew_stop_producing(struct crew *crew);
/* End the workers in peace. */
void crew_stop_working(struct crew *crew);

/* Work the queue empty; whoever is dead, killed three times by chance, is run
 * again. */
void crew_settle(void);

struct crew_rules {
    bool may_lose;       /* jobs, as a failover may; they are counted */
    bool epochs_go_back; /* the server has forgotten claims */
    size_t again_most;   /* how often, in all, a job may have begun again */
};
struct crew_findings {
    size_t accepted, unknown, refused, stored, lost, runs, again, dead;
};
/* Look at the store and at all notes; fails the test where they do not agree:
 *   - what was accepted is stored (or counted as lost), what was refused is not,
 *     and nothing is there that nobody enqueued
 *   - each stored job is completed, and was completed once: the total counts each
 *     completion that was accepted
 *   - each ran, each time under a higher epoch */
struct crew_findings crew_check(const struct crew_rules *rules, const char *what);

/* As store_run(), but the test says where its store is; `end` stops the servers. */
int crew_run(const char *name, const TTest *const *tests, size_t count,
             double seconds, void (*end)(void));
/* The same for tests that mostly wait: so many at the same time (lanes.h). */
int crew_run_lanes(const char *name, const struct lane_test *tests, size_t count,
                   int lane_count, double seconds, void (*end)(void));

#endif
