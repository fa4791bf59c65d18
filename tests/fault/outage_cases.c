/* outage_cases.c - single outages, each with a question of its own: requests that are
 * carried out late, a Redis that comes back empty or refuses us, two hosts at once,
 * a link that comes and goes, and how long a caller waits. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outage.h"
#include "storage/failover/breaker.h"

static bool kept_alone(void *context)
{
    return proxy_kept_alone(context);
}

static enum pawl_status enqueue(struct pawl *pawl, struct pawl_id *id)
{
    struct pawl_new_job job = { .queue = STORE_QUEUE };
    struct pawl_error err = { 0 };
    enum pawl_status status = pawl_enqueue(pawl, &job, id, &err);
    if (status < 0)
        say("enqueue: %s: %s", pawl_status_name(status), err.message);
    return status;
}

/* Jobs of the queue at the server, past any spool. */
static struct pawl_queue_stats at_server(void)
{
    char url[100];
    snprintf(url, sizeof url, "redis://127.0.0.1:%d/0?fallback=off", outage_server.port);
    struct pawl *pawl = outage_open(url);
    struct pawl_queue_stats totals = store_totals(pawl);
    pawl_close(pawl);
    return totals;
}

/* Work off and forget what the server has. */
static void work_off(void)
{
    char url[100];
    struct pawl_filter done = { .queue = STORE_QUEUE, .state = PAWL_COMPLETED };
    struct pawl_alteration removal = { .action = PAWL_ACTION_REMOVE };
    size_t changed;
    snprintf(url, sizeof url, "redis://127.0.0.1:%d/0?fallback=off", outage_server.port);
    struct store server = store_under_test;
    snprintf(server.url, sizeof server.url, "%s", url);
    store_drain(&server);
    struct pawl *pawl = outage_open(url);
    ck_assert_int_eq(pawl_alter_where(pawl, &removal, &done, &changed, NULL), PAWL_OK);
    pawl_close(pawl);
}

/* --- late ----------------------------------------------------------------------- */

/* The request stays in the network for as long as one likes; meanwhile it was spooled,
 * sent again, and its job done and forgotten. When it arrives, nothing happens. */
START_TEST(a_request_that_arrives_after_all)
{
    char url[sizeof store_under_test.url];
    struct pawl_id id;
    outage_begin();
    outage_url(url, sizeof url, true, "spool", "outage=spool&retries=0");
    store_make_at(&store_under_test, url);
    struct pawl *pawl = outage_open(url);
    ck_assert_int_eq(enqueue(pawl, &id), PAWL_OK);
    proxy_keep(&outage_proxy, PROXY_REQUEST);
    ck_assert_int_eq(enqueue(pawl, &id), PAWL_SPOOLED);
    redis_await(kept_alone, &outage_proxy, "the client hangs up");
    outage_await(pawl, PAWL_MODE_PRIMARY);
    ck_assert_uint_eq(at_server().jobs[PAWL_PENDING], 2);
    work_off();
    ck_assert_uint_gt(proxy_release(&outage_proxy), 100);
    ck_assert_uint_eq(at_server().jobs[PAWL_PENDING], 0);
    ck_assert_uint_eq(at_server().completed_total, 2);
    pawl_close(pawl);
}
END_TEST

/* The server is stopped with the request in its socket: it carries it out when it goes
 * on, and then again when it is sent again. One job each. */
START_TEST(requests_in_a_stopped_server)
{
    char url[sizeof store_under_test.url];
    struct pawl_id id;
    outage_begin();
    outage_url(url, sizeof url, false, "spool", "outage=spool");
    store_make_at(&store_under_test, url);
    struct pawl *pawl = outage_open(url);
    ck_assert_int_eq(enqueue(pawl, &id), PAWL_OK);
    for (int i = 0; i < 3; i++) {
        redis_server_signal(&outage_server, SIGSTOP);
        for (int k = 0; k < 5; k++)
            ck_assert_int_eq(enqueue(pawl, &id), PAWL_SPOOLED);
        redis_server_signal(&outage_server, SIGCONT);
        outage_await(pawl, PAWL_MODE_PRIMARY);
    }
    ck_assert_uint_eq(at_server().jobs[PAWL_PENDING], 16);
    pawl_close(pawl);
}
END_TEST

/* --- what comes back ------------------------------------------------------------ */

static pthread_mutex_t told_mutex = PTHREAD_MUTEX_INITIALIZER;
static char told[8192];
static atomic_int changes[PAWL_MODE_DRAINING + 1], replaced;

static void hear(void *context, enum pawl_log_level level, const char *id,
                 const char *text)
{
    (void)context;
    (void)level;
    pthread_mutex_lock(&told_mutex);
    size_t n = strlen(told);
    snprintf(told + n, sizeof told - n, "%s: %s\n", id, text);
    pthread_mutex_unlock(&told_mutex);
}

static void count_events(void *context, const struct pawl_event *event)
{
    (void)context;
    if (event->kind == PAWL_EVENT_MODE)
        changes[event->mode]++;
    replaced += event->kind == PAWL_EVENT_STORE_CHANGED;
}

static bool was_told(const char *what)
{
    pthread_mutex_lock(&told_mutex);
    bool found = strstr(told, what) != NULL;
    pthread_mutex_unlock(&told_mutex);
    return found;
}

static void await_told(const char *what)
{
    int64_t until = now_us() + ACTOR_PATIENCE * INT64_C(1000);
    while (!was_told(what) && now_us() < until)
        sleep_ms(5);
    ck_assert_msg(was_told(what), "'%s' was not told, but: %s", what, told);
}

static struct pawl *open_listening(const char *url)
{
    struct pawl_options options = PAWL_OPTIONS_INIT;
    struct pawl_error err = { 0 };
    struct pawl *pawl = NULL;
    options.deadline = 2000;
    options.log = hear;
    options.event = count_events;
    ck_assert_msg(pawl_open(url, &options, &pawl, &err) == PAWL_OK, "%s", err.message);
    return pawl;
}

/* It comes back empty: said, and what was spooled goes to it all the same. */
START_TEST(it_was_emptied)
{
    char url[sizeof store_under_test.url];
    struct pawl_id old, spooled;
    struct pawl_job *job = NULL;
    outage_begin();
    outage_url(url, sizeof url, false, "spool", "outage=spool&dwell=1s");
    store_make_at(&store_under_test, url);
    struct pawl *pawl = open_listening(url);
    ck_assert_int_eq(enqueue(pawl, &old), PAWL_OK);
    redis_server_kill(&outage_server);
    ck_assert_int_eq(enqueue(pawl, &spooled), PAWL_SPOOLED);
    redis_server_again(&outage_server);
    redis_server_do(&outage_server, "FLUSHALL");
    outage_await(pawl, PAWL_MODE_PRIMARY);
    ck_assert(was_told("store-changed: redis://127.0.0.1:"));
    ck_assert(was_told("was emptied or replaced"));
    ck_assert_int_eq(replaced, 1);
    ck_assert_int_eq(pawl_get(pawl, old, &job, NULL), PAWL_NOT_FOUND);
    ck_assert_int_eq(pawl_get(pawl, spooled, &job, NULL), PAWL_OK);
    pawl_job_free(job);
    pawl_close(pawl);
}
END_TEST

/* Wrong settings are errors at the start, not outages. */
START_TEST(wrong_settings)
{
    struct pawl_error err = { 0 };
    struct pawl *pawl = NULL;
    char url[300];
    outage_begin();
    store_make_at(&store_under_test, "");
    const char *const wrong[][2] = {
        { "redis://:wrong@127.0.0.1:%d/0", "password" },
        { "redis://nobody:wrong@127.0.0.1:%d/0", "password" },
        { "redis://127.0.0.1:%d/99", "no database of that number" },
        { "redis://poor:poor@127.0.0.1:%d/0", "may" },
    };
    redis_server_do(&outage_server, "ACL SETUSER poor on >poor ~* +ping +info +hello "
                                    "+select +client");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(url, sizeof url, wrong[i][0], outage_server.port);
#pragma GCC diagnostic pop
        snprintf(url + strlen(url), sizeof url - strlen(url), "?fallback=sqlite:%s/s.db",
                 outage_folder.path);
        enum pawl_status status = pawl_open(url, NULL, &pawl, &err);
        ck_assert_msg(status < 0 && status != PAWL_EUNREACHABLE, "%s: %s", url,
                      pawl_status_name(status));
        ck_assert_msg(strstr(err.message, wrong[i][1]) != NULL, "%s: %s", url,
                      err.message);
    }
}
END_TEST

/* It comes back with another password: said loudly, calls fail instead of being spooled
 * for ever, nothing is lost, and all goes on when that is mended. */
START_TEST(it_refuses_us)
{
    char url[sizeof store_under_test.url];
    struct pawl_id id, refused;
    outage_begin();
    outage_url(url, sizeof url, false, "spool", "outage=spool&dwell=1s");
    store_make_at(&store_under_test, url);
    struct pawl *pawl = open_listening(url);
    redis_server_kill(&outage_server);
    ck_assert_int_eq(enqueue(pawl, &id), PAWL_SPOOLED);
    redis_server_again(&outage_server);
    redisContext *within = redisConnect("127.0.0.1", outage_server.port);
    ck_assert(within != NULL && within->err == 0);
    freeReplyObject(redisCommand(within, "CONFIG SET requirepass other"));
    await_told("primary-refuses: redis://127.0.0.1:");
    ck_assert_int_eq(enqueue(pawl, &refused), PAWL_EDENIED);
    freeReplyObject(redisCommand(within, "AUTH other"));
    freeReplyObject(redisCommand(within, "CONFIG SET requirepass %s", ""));
    redisFree(within);
    outage_await(pawl, PAWL_MODE_PRIMARY);
    ck_assert_uint_eq(at_server().jobs[PAWL_PENDING], 1);
    ck_assert_int_eq(enqueue(pawl, &id), PAWL_OK);
    pawl_close(pawl);
}
END_TEST

/* Somebody overwrote a key of one queue: whoever writes there is told so, and at once, for
 * the server is not away, and other queues go on at the server. The key is mended, and the
 * queue goes on. */
START_TEST(one_queue_is_damaged)
{
    char url[sizeof store_under_test.url];
    struct pawl_new_job job = { .queue = STORE_QUEUE }, other = { .queue = "other" };
    struct pawl_error err = { 0 };
    struct pawl_id id;
    outage_begin();
    outage_url(url, sizeof url, false, "spool", "outage=spool&dwell=1s");
    store_make_at(&store_under_test, url);
    struct pawl *pawl = outage_open(url);
    ck_assert_int_eq(enqueue(pawl, &id), PAWL_OK);
    redis_server_do(&outage_server, "SET pawl:{" STORE_QUEUE "}:pending:5 x");
    ck_assert_int_eq(pawl_enqueue(pawl, &job, NULL, &err), PAWL_ECORRUPT);
    ck_assert_msg(strstr(err.message, "overwritten by somebody else") != NULL, "%s",
                  err.message);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(pawl_enqueue(pawl, &other, NULL, &err), PAWL_OK);
    redis_server_do(&outage_server, "DEL pawl:{" STORE_QUEUE "}:pending:5");
    ck_assert_int_eq(outage_mode(pawl), PAWL_MODE_PRIMARY);
    ck_assert_int_eq(pawl_enqueue(pawl, &job, NULL, &err), PAWL_OK);
    ck_assert_uint_eq(at_server().jobs[PAWL_PENDING], 1);
    pawl_close(pawl);
}
END_TEST

/* --- two hosts ------------------------------------------------------------------ */

/* Two folders, two spools, filled during one outage: both drain at once. */
START_TEST(two_hosts)
{
    static struct store hosts[2];
    struct actor producers[2], drainers[2];
    outage_begin();
    for (int i = 0; i < 2; i++) {
        char url[sizeof hosts[0].url];
        outage_url(url, sizeof url, false, i ? "b" : "a", "outage=spool&drain-rate=3000");
        store_make_at(&hosts[i], url);
    }
    store_under_test = hosts[0];
    snprintf(hosts[1].history, sizeof hosts[1].history, "%s", hosts[0].history);
    redis_server_kill(&outage_server);
    for (int i = 0; i < 2; i++) {
        store_actor(&hosts[i], &producers[i], "produce", "threads=4", "count=400",
                    i ? "seed=1" : "seed=2", NULL);
        ck_assert_int_eq(actor_wait(&producers[i], ACTOR_PATIENCE), 0);
    }
    redis_server_again(&outage_server);
    for (int i = 0; i < 2; i++)
        store_actor(&hosts[i], &drainers[i], "wait_drained", NULL);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(actor_wait(&drainers[i], ACTOR_PATIENCE), 0);
    ck_assert_uint_eq(at_server().jobs[PAWL_PENDING], 3200);
    crew_settle();
    struct crew_rules rules = { .again_most = 0 };
    struct crew_findings found = crew_check(&rules, "two hosts");
    ck_assert_uint_eq(found.accepted, 3200);
    temp_dir_remove(&hosts[1].folder);
}
END_TEST

/* --- flapping ------------------------------------------------------------------- */

/* A link that comes and goes each second, everything ten times as fast: at most two
 * changes of mode in a minute. (Ending the last drain is not one.) */
START_TEST(it_comes_and_goes)
{
    char url[sizeof store_under_test.url];
    struct pawl_id id;
    size_t jobs = 0;
    outage_begin();
    outage_url(url, sizeof url, false, "spool",
               "outage=spool&patience=60ms&dwell=500ms&trial=200ms");
    store_make_at(&store_under_test, url);
    struct pawl *pawl = open_listening(url);
    for (int i = 0; i < 60; i++) {
        redis_server_signal(&outage_server, i % 2 ? SIGCONT : SIGSTOP);
        int64_t until = now_us() + 100000;
        for (; now_us() < until; jobs++) {
            ck_assert_int_ge(enqueue(pawl, &id), 0);
            sleep_ms(5);
        }
    }
    int seen = changes[PAWL_MODE_SPOOLING] + changes[PAWL_MODE_DRAINING];
    say("%d changes of mode, %zu jobs", seen, jobs);
    ck_assert_int_ge(seen, 1);
    ck_assert_int_le(seen, 2);
    redis_server_signal(&outage_server, SIGCONT);
    outage_await(pawl, PAWL_MODE_PRIMARY);
    ck_assert_uint_eq(at_server().jobs[PAWL_PENDING], jobs);
    pawl_close(pawl);
}
END_TEST

/* --- how long it takes ---------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t median(int64_t *times, size_t count)
{
    qsort(times, count, sizeof *times, by_size);
    return times[count / 2];
}

/* The first call that meets a silent server, those that follow, and a lone command. The
 * targets are 2 s, 5 ms and 5 ms; a test fails at ten times as much. */
START_TEST(nobody_waits_long)
{
    enum { CALLS = 101, COMMANDS = 15 };
    char url[sizeof store_under_test.url];
    int64_t times[CALLS], began;
    struct pawl_id id;
    outage_begin();
    outage_url(url, sizeof url, false, "spool",
               "outage=spool&patience=1500ms&dwell=5s&trial=2s");
    store_make_at(&store_under_test, url);
    struct pawl *pawl = outage_open(url);
    ck_assert_int_eq(enqueue(pawl, &id), PAWL_OK);
    redis_server_signal(&outage_server, SIGSTOP);
    began = now_us();
    ck_assert_int_eq(enqueue(pawl, &id), PAWL_SPOOLED);
    int64_t first = now_us() - began;
    for (int i = 0; i < CALLS; i++) {
        began = now_us();
        ck_assert_int_eq(enqueue(pawl, &id), PAWL_SPOOLED);
        times[i] = now_us() - began;
    }
    int64_t usual = median(times, CALLS);
    pawl_close(pawl);
    for (int i = 0; i < COMMANDS; i++) {
        struct actor actor;
        began = now_us();
        store_command(&store_under_test, &actor, "enqueue", "-q", STORE_QUEUE, "x", NULL);
        ck_assert_int_eq(actor_wait(&actor, ACTOR_PATIENCE), 0);
        times[i] = now_us() - began;
    }
    int64_t command = median(times, COMMANDS);
    say("first %lld ms, then %lld us, a command %lld us", (long long)first / 1000,
        (long long)usual, (long long)command);
    ck_assert_int_le(first, 20000000);
    ck_assert_int_le(usual, 50000);
    ck_assert_int_le(command, 50000 + 200000); /* and a process to start */
    redis_server_signal(&outage_server, SIGCONT);
}
END_TEST

/* --- lone commands -------------------------------------------------------------- */

/* The breaker beside the spool, as a process that has no jobs open sees it. */
static void look_at_breaker(struct breaker *breaker)
{
    struct breaker_times times = { 100, 80, 200 };
    char path[300];
    snprintf(path, sizeof path, "%s/spool.db" BREAKER_SUFFIX, outage_folder.path);
    ck_assert_int_eq(breaker_open(breaker, path, "", &times, NULL), PAWL_OK);
}

/* For the commands, `patience` is the only bound of a probe. */
static void set_patience(int port, const char *patience)
{
    snprintf(store_under_test.url, sizeof store_under_test.url,
             "redis://127.0.0.1:%d/0?timeout=20s&connect-timeout=20s&dwell=100ms"
             "&trial=80ms&fallback=sqlite:%s/spool.db&patience=%s",
             port, outage_folder.path, patience);
}

/* An outage that begins with one job in the spool, when nobody has it open any more. */
static void begin_outage(int port)
{
    struct pawl_id id;
    store_make_at(&store_under_test, "");
    set_patience(port, "200ms");
    struct pawl *pawl = outage_open(store_under_test.url);
    ck_assert_int_eq(enqueue(pawl, &id), PAWL_SPOOLED);
    pawl_close(pawl);
    set_patience(port, "10s");
}

/* One that finds a probe due, or does not; in ms. */
static int64_t lone_command(const struct breaker *breaker)
{
    struct actor actor;
    while (breaker_away(breaker) && breaker_probe_in(breaker) > 0)
        sleep_ms(1);
    int64_t began = now_us();
    store_command(&store_under_test, &actor, "enqueue", "-q", STORE_QUEUE, "x", NULL);
    ck_assert_int_eq(actor_wait(&actor, ACTOR_PATIENCE), 0);
    return (now_us() - began) / 1000;
}

/* No other program has the jobs open: they see alone that the server is back, and give
 * it everything. */
static void must_come_back(const struct breaker *breaker, uint64_t spooled)
{
    uint64_t commands = 0;
    for (; breaker_state(breaker) != BREAKER_CLOSED && commands < 60; commands++)
        lone_command(breaker);
    ck_assert_int_eq(breaker_state(breaker), BREAKER_CLOSED);
    ck_assert_uint_eq(at_server().jobs[PAWL_PENDING], spooled + commands);
}

/* Each is the one that probes a silent server, and waits for it far shorter than the
 * patience. */
START_TEST(lone_commands_and_a_silent_server)
{
    enum { COMMANDS = 3 };
    struct breaker breaker;
    outage_begin();
    redis_server_signal(&outage_server, SIGSTOP);
    begin_outage(outage_server.port);
    look_at_breaker(&breaker);
    for (int i = 0; i < COMMANDS; i++) {
        int64_t before = atomic_load(&breaker.page->vain);
        int64_t took = lone_command(&breaker);
        say("%lld ms", (long long)took);
        ck_assert_int_eq(atomic_load(&breaker.page->vain), before + 1);
        ck_assert_int_le(took, 5000);
    }
    redis_server_signal(&outage_server, SIGCONT);
    must_come_back(&breaker, 1 + COMMANDS);
    breaker_close(&breaker);
}
END_TEST

/* One so far away that they give it up too soon, nearly always. */
START_TEST(lone_commands_and_a_far_server)
{
    struct breaker breaker;
    outage_begin();
    proxy_slow(&outage_proxy, 150);
    begin_outage(outage_proxy.port);
    look_at_breaker(&breaker);
    must_come_back(&breaker, 1);
    breaker_close(&breaker);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_request_that_arrives_after_all,
        requests_in_a_stopped_server,
        it_was_emptied,
        wrong_settings,
        it_refuses_us,
        one_queue_is_damaged,
        two_hosts,
        it_comes_and_goes,
        nobody_waits_long,
        lone_commands_and_a_silent_server,
        lone_commands_and_a_far_server,
    };
    return crew_run("outage-cases", tests, 11, 300, outage_end);
}
