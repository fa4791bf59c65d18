/* test_redis_watch.c - sentinels are asked where the master is also while all goes
 * well: after a planned failover the old master would take jobs, and lose them, until
 * the sentinels make it a replica. Here they never can. And nobody's call waits for
 * that, least of all when the sentinels are silent. */
#include "redis_sentinels.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "direct.h"
#include "program.h"
#include "util/clock.h"

#define MS          INT64_C(1000000)
#define PATIENCE_NS (30000 * MS) /* the target is three seconds */
#define SLOW_NS     (100 * MS)

static struct redis_sentinels house;
static struct pawl_storage *store;

static void setup(void)
{
    redis_sentinels_start(&house, NULL);
    store = direct_open(house.url, 5000);
}

static void teardown(void)
{
    storage_close(store);
    redis_sentinels_stop(&house);
}

static bool has(struct redis_server *server, struct pawl_id id)
{
    return redis_server_number(server, "HEXISTS pawl:{mail}:jobs %b", id.b,
                               sizeof id.b) == 1;
}

/* Within moments what is put reaches the new master, and all that comes after. */
START_TEST(planned_failover)
{
    struct redis_server *old = redis_sentinels_master(&house), *new;
    direct_put(store, "mail");
    redis_server_do(old, "ACL SETUSER default -replicaof -slaveof");
    redis_server_do(&house.sentinel[0], "SENTINEL FAILOVER %s", house.master);
    new = redis_sentinels_await(&house, old);
    int64_t begin = clock_mono_ns();
    while (!has(new, direct_put(store, "mail")))
        ck_assert_msg(clock_mono_ns() - begin < PATIENCE_NS, "still the old master");
    printf("# the new master is found after %lld ms\n",
           (long long)((clock_mono_ns() - begin) / MS));
    ck_assert(redis_server_info_is(old, "role", "master"));
    for (int i = 0; i < 100; i++)
        ck_assert(has(new, direct_put(store, "mail")));
}
END_TEST

/* Sentinels that say nothing change nothing, and cost nobody time: while they are
 * asked, which is half of the time, calls go on. */
START_TEST(silent_sentinels)
{
    struct redis_server *master = redis_sentinels_master(&house);
    int64_t begin = clock_mono_ns(), before = begin, slow = 0;
    for (int i = 0; i < SENTINELS; i++)
        redis_server_signal(&house.sentinel[i], SIGSTOP);
    while (before - begin < 4000 * MS) {
        struct pawl_id id = direct_put(store, "mail");
        int64_t now = clock_mono_ns();
        slow += now - before > SLOW_NS ? now - before : 0;
        ck_assert(has(master, id));
        before = clock_mono_ns();
    }
    ck_assert_int_lt(slow, 1000 * MS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_watch");
    TCase *t = tcase_create("redis_watch");
    tcase_set_timeout(t, 100);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, planned_failover);
    tcase_add_test(t, silent_sentinels);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
