/* outage_storm.c - a Redis that goes away at random moments and comes back, under
 * four producers and four workers of one host.
 *
 * It is killed, stopped, cut off in the middle of a request or a reply and then gone,
 * restarted at once, or comes and goes. All go on by themselves, during the outage
 * and after it; at the end the spool is empty, nothing accepted is lost, and nothing
 * was completed twice.
 *
 * $PAWL_OUTAGES: how many; 40, or 500 in a --long run.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "outage.h"

enum {
    WORKERS = 4,
    CONCURRENCY = 4,
    /* What one worker may have in hand without a stored outcome. */
    IN_HAND = CONCURRENCY + 60,
};

static void away_for(uint64_t dice)
{
    sleep_ms(5 + (long)(dice % 700));
}

static void kill_it(uint64_t dice)
{
    redis_server_kill(&outage_server);
    away_for(dice);
    redis_server_again(&outage_server);
}

static void stop_it(uint64_t dice)
{
    redis_server_signal(&outage_server, SIGSTOP);
    away_for(dice);
    redis_server_signal(&outage_server, SIGCONT);
}

static void cut_it_off(uint64_t dice)
{
    proxy_arm(&outage_proxy, dice & 1 ? PROXY_REPLY : PROXY_REQUEST, (dice >> 8) % 2000,
              dice & 2);
    sleep_ms((long)(dice >> 20) % 5);
    redis_server_kill(&outage_server);
    proxy_cut_all(&outage_proxy);
    away_for(dice >> 24);
    redis_server_again(&outage_server);
    proxy_count(&outage_proxy);
}

static void flap_it(uint64_t dice)
{
    for (int i = 0; i < 5; i++) {
        redis_server_signal(&outage_server, SIGSTOP);
        sleep_ms(20 + (long)(dice % 200));
        redis_server_signal(&outage_server, SIGCONT);
        sleep_ms(20 + (long)((dice >> 8) % 200));
    }
}

static void restart_it(uint64_t dice)
{
    (void)dice;
    redis_server_again(&outage_server);
}

/* Enqueues that were told SPOOLED. */
static size_t spooled(void)
{
    struct history history;
    size_t count = 0;
    history_read(store_under_test.history, &history);
    for (size_t i = 0; i < history.count; i++)
        count += strcmp(history.events[i].what, "ok") == 0 &&
                 strstr(history.events[i].text, "SPOOLED") != NULL;
    history_clear(&history);
    return count;
}

START_TEST(outages)
{
    static void (*const kinds[])(uint64_t) = { kill_it, stop_it, cut_it_off,
                                               restart_it, flap_it };
    static const char *const names[] = { "kill", "stop", "cut", "restart", "flap" };
    size_t cycles = (size_t)env_number("PAWL_OUTAGES", 40, 500);
    struct crew crew = {
        .worker_count = WORKERS,
        .worker_words = { "concurrency=4", "work_us=2000", "lease=4000" },
        .producer_count = 4,
        .producer_words = { "threads=2", "pause_us=6000" },
    };
    char url[sizeof store_under_test.url];
    int64_t slowest = 0;
    outage_begin();
    outage_url(url, sizeof url, true, "spool", "");
    crew_store_at(url, "outage=run-local");
    crew_start(&crew);
    crew_goes_on(&crew, "the start");
    for (size_t i = 0; i < cycles; i++) {
        uint64_t dice = seeded(&crew.random);
        kinds[dice % 5](dice >> 8);
        int64_t took = crew_goes_on(&crew, names[dice % 5]);
        if (took > slowest)
            slowest = took;
        sleep_ms((long)(seeded(&crew.random) % 400));
    }
    crew_stop_producing(&crew);
    outage_drained(store_under_test.url);
    crew_stop_working(&crew);
    crew_settle();
    outage_drained(store_under_test.url);
    struct crew_rules rules = { .again_most = cycles * WORKERS * IN_HAND };
    struct crew_findings found = crew_check(&rules, "outages");
    ck_assert_uint_eq(found.refused, 0);
    say("%zu outages, %zu spooled; all went on within %lld ms", cycles, spooled(),
        (long long)slowest);
    ck_assert_uint_gt(spooled(), cycles);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { outages };
    return crew_run("outage-storm", tests, 1, 3600, outage_end);
}
