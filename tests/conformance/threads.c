/* threads.c - eight threads at once: rules 1, 3 and 32. Threads count what they
 * did and the test asserts afterwards, since an assertion that fails may only be
 * made by the thread that runs the test. */
#include "suite.h"

#include <pthread.h>
#include <string.h>

#include "util/clock.h"

#define THREADS 8
#define EACH 250
#define BATCH 10
#define ALL (THREADS * EACH)

struct actor {
    pthread_t thread;
    struct pawl_storage *instance;
    int number;
    struct pawl_owner owner;
    struct pawl_session session;
    struct pawl_id ids[EACH]; /* put, or completed */
    size_t count;
    size_t wrong; /* calls that failed, outcomes that did not count */
};

static struct actor actors[THREADS];
static atomic_size_t completed;

/* Four instances, two threads on each. */
static void run_all(void *(*act)(void *))
{
    struct pawl_storage *instances[THREADS / 2];
    for (int i = 0; i < THREADS / 2; i++)
        instances[i] = i == 0 ? store : instance_open();
    atomic_store(&completed, 0);
    for (int i = 0; i < THREADS; i++) {
        memset(&actors[i], 0, sizeof actors[i]);
        actors[i].instance = instances[i / 2];
        actors[i].number = i;
        actors[i].owner.b[0] = (uint8_t)(i + 1);
        actors[i].session.b[0] = (uint8_t)(i + 1);
        ck_assert_int_eq(pthread_create(&actors[i].thread, NULL, act, &actors[i]),
                         0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(actors[i].thread, NULL);
}

static size_t wrong(void)
{
    size_t sum = 0;
    for (int i = 0; i < THREADS; i++)
        sum += actors[i].wrong;
    return sum;
}

static void *produce(void *arg)
{
    struct actor *self = arg;
    for (uint64_t seq = 1; self->count < EACH; seq++) {
        struct pawl_new_job jobs[BATCH];
        struct pawl_put_result results[BATCH];
        for (int i = 0; i < BATCH; i++)
            jobs[i] = normal((struct pawl_new_job){ 0 });
        struct pawl_put in = { .queue = QUEUE,
                               .session = self->session,
                               .seq = seq,
                               .jobs = jobs,
                               .job_count = BATCH };
        if (storage_put(self->instance, &in, results, NULL) != PAWL_OK) {
            self->wrong++;
            return NULL;
        }
        for (int i = 0; i < BATCH; i++) {
            self->wrong += results[i].status != PAWL_OK;
            self->ids[self->count++] = jobs[i].id;
        }
    }
    return NULL;
}

/* Complete what was claimed, claim the next, until all are done by anybody. */
static void *consume(void *arg)
{
    struct actor *self = arg;
    struct pawl_outcome outcomes[BATCH];
    enum pawl_status results[BATCH];
    struct pawl_job *jobs[BATCH];
    size_t held = 0;
    int64_t end = clock_mono_ns() + INT64_C(40000000000);
    while (atomic_load(&completed) < ALL && clock_mono_ns() < end) {
        struct pawl_exchange in = { .queue = QUEUE,
                                    .owner = self->owner,
                                    .outcomes = outcomes,
                                    .outcome_count = held,
                                    .claim_max = BATCH,
                                    .lease = LEASE,
                                    .retention = retention };
        struct pawl_exchange_reply reply = { .outcomes = results, .jobs = jobs };
        if (storage_exchange(self->instance, &in, &reply, NULL) != PAWL_OK) {
            self->wrong++;
            return NULL;
        }
        for (size_t i = 0; i < held; i++)
            self->wrong += results[i] != PAWL_OK;
        atomic_fetch_add(&completed, held);
        held = reply.job_count;
        for (size_t i = 0; i < held; i++) {
            outcomes[i] = outcome_of(jobs[i], PAWL_OUTCOME_COMPLETED);
            self->wrong += jobs[i]->epoch != 1;
            pawl_job_free(jobs[i]);
        }
    }
    return NULL;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct pawl_id));
}

/* Eight threads put at once: every job is stored once (rule 3). */
START_TEST(puts_at_once)
{
    run_all(produce);
    assert_count(wrong(), 0);
    assert_count(count_in(PAWL_PENDING), ALL);
}
END_TEST

/* What one thread put stays in its order (rules 9, 23). */
START_TEST(order_within_a_producer)
{
    run_all(produce);
    struct claims claims = { .count = 0 };
    size_t next[THREADS] = { 0 };
    do {
        claims = claim(owner_a, 1000);
        for (size_t i = 0; i < claims.count; i++) {
            int by = 0;
            while (by < THREADS &&
                   (next[by] == EACH ||
                    by_bytes(&actors[by].ids[next[by]], &claims.jobs[i]->id) != 0))
                by++;
            ck_assert_int_lt(by, THREADS);
            next[by]++;
        }
    } while (claims.count > 0);
    for (int i = 0; i < THREADS; i++)
        assert_count(next[i], EACH);
}
END_TEST

/* Eight threads on four instances complete each job exactly once (rules 27,
 * 32). */
START_TEST(each_job_exactly_once)
{
    for (int i = 0; i < ALL / 1000; i++)
        put_many(1000, NULL);
    run_all(consume);
    assert_count(wrong(), 0);
    assert_count(atomic_load(&completed), ALL);
    assert_count(count_in(PAWL_COMPLETED), ALL);
    assert_count(stats_of(QUEUE)->completed_total, ALL);
}
END_TEST

static void *produce_or_consume(void *arg)
{
    struct actor *self = arg;
    if (self->number % 2 == 0) {
        produce(self);
        self->count = 0;
        self->session.b[1] = 1;
        produce(self);
        return NULL;
    }
    return consume(self);
}

/* Producers and consumers at once: all that was put is completed once (rules 3,
 * 32). */
START_TEST(producers_and_consumers)
{
    run_all(produce_or_consume);
    assert_count(wrong(), 0);
    assert_count(atomic_load(&completed), ALL);
    assert_count(count_in(PAWL_COMPLETED), ALL);
}
END_TEST

static struct pawl_id contested[EACH];

static void *put_the_same(void *arg)
{
    struct actor *self = arg;
    for (size_t i = 0; i < EACH; i++) {
        struct pawl_new_job job =
            normal((struct pawl_new_job){ .id = contested[i] });
        struct pawl_put in = { .queue = QUEUE,
                               .session = self->session,
                               .seq = i + 1,
                               .jobs = &job,
                               .job_count = 1 };
        struct pawl_put_result result;
        if (storage_put(self->instance, &in, &result, NULL) != PAWL_OK)
            self->wrong++;
        else if (result.status == PAWL_OK)
            self->ids[self->count++] = job.id;
        else
            self->wrong += result.status != PAWL_DUPLICATE;
    }
    return NULL;
}

/* The same ids from eight threads: each is stored once, by one of them (rule
 * 10). */
START_TEST(same_ids_at_once)
{
    for (int i = 0; i < EACH; i++)
        contested[i] = new_id(QUEUE);
    run_all(put_the_same);
    assert_count(wrong(), 0);
    size_t stored = 0;
    for (int i = 0; i < THREADS; i++)
        stored += actors[i].count;
    assert_count(stored, EACH);
    assert_count(count_in(PAWL_PENDING), EACH);
}
END_TEST

static void *sweep_often(void *arg)
{
    struct actor *self = arg;
    struct pawl_sweep in = { .queue = QUEUE,
                             .limit = 20,
                             .max_crashes = 1000,
                             .retention = retention };
    struct pawl_sweep_reply reply;
    for (int i = 0; i < 50; i++) {
        if (self->number < 2)
            pass(LEASE / 10);
        if (storage_sweep(self->instance, &in, &reply, NULL) != PAWL_OK)
            self->wrong++;
        self->count += reply.promoted;
    }
    return NULL;
}

/* Many sweepers promote each job once (rules 52, 54). */
START_TEST(sweeps_at_once)
{
    for (int i = 0; i < 200; i++)
        put_ok((struct pawl_new_job){ .delay = 1 + i });
    run_all(sweep_often);
    while (sweep().more)
        continue;
    assert_count(wrong(), 0);
    assert_count(count_in(PAWL_PENDING), 200);
    assert_count(count_in(PAWL_SCHEDULED), 0);
    assert_count(claim(owner_a, 1000).count, 200);
}
END_TEST

TCase *topic_threads(void)
{
    TCase *t = topic("threads");
    tcase_add_test(t, puts_at_once);
    tcase_add_test(t, order_within_a_producer);
    tcase_add_test(t, each_job_exactly_once);
    tcase_add_test(t, producers_and_consumers);
    tcase_add_test(t, same_ids_at_once);
    tcase_add_test(t, sweeps_at_once);
    return t;
}
