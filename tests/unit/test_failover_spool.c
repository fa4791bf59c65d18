/* test_failover_spool.c - whose spool a file is: one that two primaries are given, one that
 * is taken over, and one that has jobs of its own. */
#include "failover_fixture.h"

#include "program.h"
#include "temp_dir.h"

static struct temp_dir folder;
static char file[300];
static const char one[] = "faulty:memory:one", two[] = "faulty:memory:two";
static struct pawl_storage *at_one, *at_two; /* past all spools */

static void begin(void)
{
    setup();
    temp_dir_make(&folder);
    snprintf(file, sizeof file, "%s/spool.db", folder.path);
    at_one = open_url("memory:one");
    at_two = open_url("memory:two");
}

static void end(void)
{
    teardown();
    storage_close(at_one);
    storage_close(at_two);
    temp_dir_remove(&folder);
}

static enum pawl_status open_at(const char *primary, struct pawl_storage **out)
{
    char url[500];
    snprintf(url, sizeof url, "%s?fallback=sqlite:%s&" TIMES, primary, file);
    return try_url(url, out);
}

/* One's spool, with a job in it, and closed. */
static void fill_for_one(void)
{
    faulty_set(FAULTY_AWAY);
    assert_status(open_at(one, &store), PAWL_OK);
    put_spooled();
    storage_close(store);
    store = NULL;
}

/* What waits for one primary is refused to another, as long as it cannot be known that it
 * is the same; then one gets it as ever. */
START_TEST(each_its_own)
{
    struct pawl_storage *other = NULL;
    fill_for_one();
    assert_status(open_at(two, &other), PAWL_EINVAL);
    ck_assert_str_eq(err.message, "fallback: it holds jobs for faulty:memory:one, not "
                     "faulty:memory:two: give each a file of its own, or 'pawl drain' with "
                     "the old URL first");
    faulty_set(FAULTY_FINE);
    assert_status(open_at(one, &store), PAWL_OK);
    await_mode(PAWL_MODE_PRIMARY);
    ck_assert_uint_eq(all_in(at_one), 1);
    ck_assert_uint_eq(all_in(at_two), 0);
}
END_TEST

/* One name more for the same store, as its mark tells, gets what waits. */
START_TEST(another_name)
{
    faulty_set(FAULTY_FINE);
    assert_status(open_at(one, &store), PAWL_OK); /* its mark is known now */
    storage_close(store);
    fill_for_one();
    faulty_set(FAULTY_FINE);
    assert_status(open_at(two, &store), PAWL_OK);
    await_mode(PAWL_MODE_PRIMARY);
    ck_assert_uint_eq(all_in(at_two), 1);
    storage_close(store);
    store = NULL;
    assert_status(open_at(one, &store), PAWL_OK); /* and back: it is the same */
    faulty_set(FAULTY_AWAY);
    put_spooled();
    storage_close(store);
    store = NULL;
    faulty_replace(); /* what answers as two now is not */
    faulty_set(FAULTY_FINE);
    struct pawl_storage *other = NULL;
    assert_status(open_at(two, &other), PAWL_EINVAL);
}
END_TEST

static atomic_int opened;

static void *open_two(void *unused)
{
    struct pawl_storage_config config = fixture_config();
    struct pawl_storage *own = NULL;
    char url[500];
    snprintf(url, sizeof url, "%s?fallback=sqlite:%s&" TIMES, two, file);
    if (storage_open(url, &config, NULL, &own, NULL) == PAWL_OK)
        atomic_fetch_add(&opened, 1);
    storage_close(own);
    return unused;
}

/* Several programs of one primary that take an empty spool over at once are in nobody's
 * way. While it is open for another one, all are refused. */
START_TEST(taken_over_by_many)
{
    pthread_t threads[8];
    faulty_set(FAULTY_AWAY);
    assert_status(open_at(one, &store), PAWL_OK);
    open_two(NULL);
    ck_assert_int_eq(atomic_load(&opened), 0);
    storage_close(store);
    store = NULL;
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, open_two, NULL), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(atomic_load(&opened), 8);
}
END_TEST

/* Who is stopped while he takes it over keeps nobody from the primary, and is no reason
 * to call the file somebody else's. */
START_TEST(stopped_while_taking)
{
    static const struct breaker_times times = { 20, 10, 200 };
    struct breaker stopped;
    char page[310];
    assert_status(open_at(one, &store), PAWL_OK);
    storage_close(store);
    snprintf(page, sizeof page, "%s" BREAKER_SUFFIX, file);
    assert_status(breaker_open(&stopped, page, two, &times, &err), PAWL_OK);
    ck_assert(breaker_use(&stopped, true));
    assert_status(open_at(one, &store), PAWL_OK);
    ck_assert_uint_eq(times_told("no-fallback: faulty:memory:one is used without a fallback: "
                                 "a process that takes it over does not come to an end"), 1);
    breaker_close(&stopped);
}
END_TEST

/* Jobs that were enqueued to a file stay in it. */
START_TEST(jobs_of_its_own)
{
    struct pawl_storage *other = NULL;
    char url[310];
    snprintf(url, sizeof url, "sqlite:%s", file);
    store = open_url(url);
    assert_status(put_job(new_job()), PAWL_OK);
    assert_status(open_at(one, &other), PAWL_EINVAL);
    ck_assert_str_eq(err.message, "fallback: it holds jobs and is not known as a spool: all "
                     "would go to faulty:memory:one. Use another file, or 'pawl migrate "
                     "--from sqlite:FILE --to URL'");
    ck_assert_uint_eq(all_in(store), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failover_spool");
    TCase *t = tcase_create("failover_spool");
    tcase_add_checked_fixture(t, begin, end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_its_own);
    tcase_add_test(t, another_name);
    tcase_add_test(t, taken_over_by_many);
    tcase_add_test(t, stopped_while_taking);
    tcase_add_test(t, jobs_of_its_own);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
