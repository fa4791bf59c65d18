/* redis_many.c - sixteen workers and four producers, each a process, on one Redis:
 * each job is handled exactly once, and no call answers anything but success.
 *
 * $PAWL_JOBS: how many; 100,000, fewer under a sanitizer.
 */
#include <inttypes.h>
#include <stdio.h>

#include "redis_crew.h"
#include "redis_server.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
#define JOBS 10000
#else
#define JOBS 100000
#endif

enum { WORKERS = 16, PRODUCERS = 4, THREADS = 16, TARGET_MS = 60000 };

static struct redis_server server;

static void stop_server(void)
{
    redis_server_stop(&server);
}

START_TEST(each_job_is_handled_once)
{
    uint64_t least = env_number("PAWL_JOBS", JOBS, JOBS), threads = PRODUCERS * THREADS;
    uint64_t each = (least + threads - 1) / threads, jobs = each * threads;
    char count[40];
    snprintf(count, sizeof count, "count=%" PRIu64, each);
    struct crew crew = {
        .worker_count = WORKERS,
        .worker_words = { "concurrency=4" },
        .producer_count = PRODUCERS,
        .producer_words = { "threads=16", "priorities=1", count },
    };
    redis_server_start(&server, NULL);
    crew_store_at(server.url, CREW_OPTIONS);
    int64_t began = now_us();
    crew_start(&crew);
    for (size_t i = 0; i < PRODUCERS; i++)
        ck_assert_int_eq(actor_wait(&crew.producers[i], 10 * TARGET_MS), 0);
    store_await(&store_under_test, PAWL_COMPLETED, jobs);
    int64_t took = (now_us() - began) / 1000;
    crew_stop_working(&crew);
    struct crew_rules rules = { .again_most = 0 };
    struct crew_findings found = crew_check(&rules, "many");
    ck_assert_uint_eq(found.accepted, jobs);
    ck_assert_uint_eq(found.stored, jobs);
    ck_assert_uint_eq(found.runs, jobs);
    say("%" PRIu64 " jobs, %d workers, %d producers: %" PRId64 " ms (target %d)",
        jobs, WORKERS, PRODUCERS, took, TARGET_MS);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { each_job_is_handled_once };
    return crew_run("redis-many", tests, 1, 600, stop_server);
}
