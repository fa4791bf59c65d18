/* redis_trouble.c - a server in trouble, under two workers and a producer.
 *
 * Scripts flushed, connections killed or cut in mid-word, clients paused, the server
 * stopped for longer than any deadline, and killed and started again on its AOF: each
 * time everybody goes on by himself, and at the end nothing accepted is lost and
 * nothing was completed twice.
 *
 * $PAWL_TROUBLES: how often each; 3, or 30 in a --long run.
 */
#include <signal.h>
#include <stdio.h>

#include "proxy.h"
#include "redis_crew.h"
#include "redis_server.h"

enum {
    WORKERS = 2,
    CONCURRENCY = 4,
    /* What one worker may have started, or finished, without a stored outcome. */
    IN_HAND = CONCURRENCY + 60,
    STOPPED_MS = CREW_DEADLINE + 1000,
    TRAFFIC_MS = 200, /* between two troubles */
};

static struct redis_server server;
static struct proxy proxy; /* before it, where that is asked for */

static void stop_server(void)
{
    proxy_stop(&proxy);
    redis_server_stop(&server);
}

static void flush_scripts(void)
{
    for (int i = 0; i < 20; i++) {
        redis_server_do(&server, "SCRIPT FLUSH");
        sleep_ms(5);
    }
}

static void kill_connections(void)
{
    long long killed = 0;
    for (int i = 0; i < 20; i++) {
        killed += redis_server_number(&server, "CLIENT KILL TYPE normal");
        sleep_ms(10);
    }
    ck_assert_int_gt(killed, 0);
}

static void pause_clients(void)
{
    redis_server_do(&server, "CLIENT PAUSE %d ALL", STOPPED_MS);
    sleep_ms(STOPPED_MS);
}

static void stop_and_continue(void)
{
    redis_server_signal(&server, SIGSTOP);
    sleep_ms(STOPPED_MS);
    redis_server_signal(&server, SIGCONT);
}

/* After any byte, out or back, now and then a hundred times a second. */
static void cut_connections(void)
{
    static uint64_t random = 1;
    uint64_t before = proxy_cuts(&proxy);
    for (int i = 0; i < 200; i++) {
        uint64_t dice = seeded(&random);
        proxy_arm(&proxy, dice & 1 ? PROXY_REPLY : PROXY_REQUEST,
                  (dice >> 8) % 3000, dice & 2);
        sleep_ms(3 + (long)(dice >> 32) % 10);
    }
    proxy_count(&proxy);
    ck_assert_uint_gt(proxy_cuts(&proxy), before + 20);
}

/* Away for a moment, and for so long that calls give up. */
static void kill_and_restart(void)
{
    static int round;
    redis_server_kill(&server);
    if (round++ % 2 == 1)
        sleep_ms(STOPPED_MS);
    redis_server_again(&server);
}

static void live_through(void (*trouble)(void), const char *what)
{
    char url[100];
    const char *const options[] = { "--appendonly", "yes", "--appendfsync",
                                    "always", NULL };
    int rounds = (int)env_number("PAWL_TROUBLES", 3, 30);
    struct crew crew = crew_usual(WORKERS);
    int64_t slowest = 0;
    redis_server_start(&server, options);
    proxy_start(&proxy, server.port);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d/0", proxy.port);
    crew_store_at(trouble == cut_connections ? url : server.url, CREW_OPTIONS);
    crew_start(&crew);
    crew_goes_on(&crew, "the start");
    for (int i = 0; i < rounds; i++) {
        sleep_ms(TRAFFIC_MS);
        trouble();
        int64_t took = crew_goes_on(&crew, what);
        if (took > slowest)
            slowest = took;
    }
    crew_stop_producing(&crew);
    crew_stop_working(&crew);
    crew_settle();
    struct crew_rules rules = {
        .again_most = (size_t)rounds * WORKERS * IN_HAND
    };
    struct crew_findings found = crew_check(&rules, what);
    ck_assert_uint_eq(found.refused, 0);
    say("everybody went on within %lld ms (target %d)", (long long)slowest,
        CREW_TARGET);
}

START_TEST(scripts_are_flushed)
{
    live_through(flush_scripts, "SCRIPT FLUSH");
}
END_TEST

START_TEST(connections_are_killed)
{
    live_through(kill_connections, "CLIENT KILL");
}
END_TEST

START_TEST(connections_are_cut_anywhere)
{
    live_through(cut_connections, "cut connections");
}
END_TEST

START_TEST(clients_are_paused)
{
    live_through(pause_clients, "CLIENT PAUSE");
}
END_TEST

START_TEST(the_server_is_stopped)
{
    live_through(stop_and_continue, "SIGSTOP");
}
END_TEST

START_TEST(the_server_is_killed)
{
    live_through(kill_and_restart, "kill -9");
}
END_TEST

int main(void)
{
    const struct lane_test tests[] = {
        { clients_are_paused }, /* the longest first */
        { the_server_is_stopped },
        { the_server_is_killed },
        { connections_are_cut_anywhere },
        { scripts_are_flushed },
        { connections_are_killed },
    };
    return crew_run_lanes("redis-trouble", tests, 6, 3, 1800, stop_server);
}
