/* test_failover_random.c - random calls and random outages, several at once: what was
 * accepted is completed, each job once, whatever the link did.
 *
 * The primary answers, is away, loses requests or replies, or refuses, and changes that
 * at random; two hands enqueue and work through the failover, one more works at the
 * primary past it, as another host would. $PAWL_SEED, $PAWL_MODEL_OPS: again; how many
 * steps each.
 */
#include "failover_fixture.h"
#include "program.h"

#include <stdatomic.h>
#include <unistd.h>

#define HANDS 2
#define ACCEPTED_MOST 200000

static struct pawl_id accepted[ACCEPTED_MOST];
static _Atomic size_t accepted_count;
static atomic_bool over;

static uint64_t dice(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static long steps(void)
{
    const char *text = getenv("PAWL_MODEL_OPS");
    return text ? strtol(text, NULL, 10) / 10 : 3000;
}

struct hand {
    pthread_t thread;
    struct pawl_storage *storage; /* the failover, or the primary */
    uint64_t random, seq;
    struct pawl_session session;
    struct pawl_owner owner;
    struct pawl_job *jobs[16]; /* in hand */
    size_t job_count;
    bool only_outcomes;
};

/* Enqueue a few; an unknown outcome is asked for again until it is known. */
static void enqueue(struct hand *hand)
{
    size_t count = 1 + dice(&hand->random) % 3;
    struct pawl_new_job jobs[3];
    struct pawl_put_result results[3];
    struct pawl_put in = { .queue = QUEUE, .session = hand->session,
                           .seq = ++hand->seq, .jobs = jobs, .job_count = count };
    enum pawl_status status;
    for (size_t i = 0; i < count; i++) {
        jobs[i] = new_job();
        results[i].id = jobs[i].id;
    }
    do
        status = storage_put(hand->storage, &in, results, NULL);
    while (status == PAWL_EUNKNOWN);
    for (size_t i = 0; i < count && status >= 0; i++) {
        ck_assert(results[i].status == PAWL_OK || results[i].status == PAWL_SPOOLED);
        accepted[atomic_fetch_add(&accepted_count, 1)] = jobs[i].id;
    }
}

/* Write back some of what is in hand, and claim. */
static void work(struct hand *hand)
{
    static const enum pawl_outcome_kind kinds[] = { PAWL_OUTCOME_COMPLETED,
                                                    PAWL_OUTCOME_COMPLETED,
                                                    PAWL_OUTCOME_RELEASED,
                                                    PAWL_OUTCOME_SNOOZED };
    struct pawl_outcome outcomes[16];
    enum pawl_status results[16];
    struct pawl_job *claimed[16];
    size_t count = dice(&hand->random) % (hand->job_count + 1);
    struct pawl_exchange in = { .queue = QUEUE, .owner = hand->owner,
                                .outcomes = outcomes, .outcome_count = count,
                                .claim_max = hand->only_outcomes
                                                 ? 0 : 16 - hand->job_count,
                                .lease = 1000,
                                .retention = { { -1, -1 }, { -1, -1 }, { -1, -1 } } };
    struct pawl_exchange_reply out = { .outcomes = results, .jobs = claimed };
    for (size_t i = 0; i < count; i++) {
        const struct pawl_job *job = hand->jobs[i];
        outcomes[i] = (struct pawl_outcome){
            .id = job->id, .epoch = job->epoch, .origin = job->origin,
            .kind = kinds[dice(&hand->random) % 4],
        };
    }
    if (storage_exchange(hand->storage, &in, &out, NULL) < 0)
        return; /* the same outcomes or others are written back later */
    for (size_t i = 0; i < count; i++)
        pawl_job_free(hand->jobs[i]);
    memmove(hand->jobs, hand->jobs + count,
            (hand->job_count - count) * sizeof *hand->jobs);
    hand->job_count -= count;
    memcpy(hand->jobs + hand->job_count, claimed, out.job_count * sizeof *claimed);
    hand->job_count += out.job_count;
}

static void sweep(struct hand *hand)
{
    static const struct pawl_keep ever = { -1, -1 };
    struct pawl_sweep in = { .queue = QUEUE, .limit = 100, .max_crashes = 1000000,
                             .retention = { ever, ever, ever } };
    struct pawl_sweep_reply out;
    storage_sweep(hand->storage, &in, &out, NULL);
}

static void *live(void *context)
{
    struct hand *hand = context;
    for (long i = 0; i < steps(); i++) {
        switch (dice(&hand->random) % 8) {
        case 0: case 1: case 2:
            if (hand->storage == store)
                enqueue(hand);
            break;
        case 3:
            sweep(hand);
            break;
        default:
            work(hand);
        }
        if (dice(&hand->random) % 8 == 0)
            nap();
    }
    return NULL;
}

static void *disturb(void *context)
{
    uint64_t *random = context;
    while (!atomic_load(&over)) {
        faulty_set((enum faulty_mode)(dice(random) % 7 > 4 ? 0 : dice(random) % 5));
        for (uint64_t n = dice(random) % 20; n > 0; n--)
            nap();
    }
    return NULL;
}

/* Complete all that is left, by all hands, through the failover. */
static void finish(struct hand *hands)
{
    struct hand last = { .storage = store, .owner = { { 99 } }, .random = 5 };
    for (int h = 0; h <= HANDS; h++) {
        hands[h].only_outcomes = true;
        while (hands[h].job_count > 0)
            work(&hands[h]);
    }
    /* Claims whose answers were lost come back when their leases end. */
    int64_t end = clock_mono_ns() + 2 * PATIENCE_NS;
    size_t count = atomic_load(&accepted_count);
    while (stats_in(there).jobs[PAWL_COMPLETED] < count && clock_mono_ns() < end) {
        sweep(&last);
        work(&last);
        nap();
    }
    last.only_outcomes = true;
    while (last.job_count > 0)
        work(&last);
}

START_TEST(whatever_the_link_does)
{
    struct hand hands[HANDS + 1] = { { .seq = 0 } };
    const char *text = getenv("PAWL_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : random_u64() >> 32;
    uint64_t random = seed;
    pthread_t disturber;
    printf("# PAWL_SEED=%llu\n", (unsigned long long)seed);
    store = open_with("dwell=1ms&trial=0ms&drain-rate=0");
    for (int h = 0; h <= HANDS; h++) {
        hands[h].storage = h < HANDS ? store : there;
        hands[h].random = seed * 7 + (uint64_t)h;
        random_bytes(&hands[h].session, sizeof hands[h].session);
        random_bytes(&hands[h].owner, sizeof hands[h].owner);
    }
    pthread_create(&disturber, NULL, disturb, &random);
    for (int h = 0; h <= HANDS; h++)
        pthread_create(&hands[h].thread, NULL, live, &hands[h]);
    for (int h = 0; h <= HANDS; h++)
        pthread_join(hands[h].thread, NULL);
    atomic_store(&over, true);
    pthread_join(disturber, NULL);
    faulty_set(FAULTY_FINE);
    finish(hands);
    await_mode(PAWL_MODE_PRIMARY);
    size_t count = atomic_load(&accepted_count);
    struct pawl_queue_stats all = stats_in(there);
    printf("# %zu jobs, %zu spooled at times\n", count, times_told("event 0 spooling"));
    fflush(stdout);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(state_in(there, accepted[i]), PAWL_COMPLETED);
    ck_assert_uint_eq(all.completed_total, count);
    ck_assert_uint_eq(all.jobs[PAWL_COMPLETED], count);
    ck_assert_uint_eq(all_in(there), count);
    ck_assert_uint_eq(all_in(here), 0);
    ck_assert_uint_gt(count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failover_random");
    TCase *t = tcase_create("failover_random");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 110);
    tcase_add_test(t, whatever_the_link_does);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
