/* bench_load.c - see bench_load.h.
 *
 * Three ways in, as programs use them: calls that wait, from one thread or from
 * several; batches; and many calls in flight from one thread. All take job
 * numbers from one counter, so that the total is exact whoever is faster.
 */
#include "bench_load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"

struct load_run {
    struct pawl *pawl;
    const struct bench_load *load;
    atomic_long next;   /* number of the next job */
    atomic_long stored;
    atomic_bool failed;
    pthread_mutex_t mutex; /* guards the fields below */
    pthread_cond_t ended;
    int alive; /* threads, or slots of jobs in flight, still at work */
    struct pawl_error error;
};

/* --- payloads ------------------------------------------------------------------- */

/* {"id":       123,"t":            456789,"pad":"xxxx"}: numbers have fixed
 * places, so that writing one costs nanoseconds and not a printf per job. */
#define ID_AT 6
#define ID_WIDTH 10
#define TIME_AT (ID_AT + ID_WIDTH + 5)
#define TIME_WIDTH 19
#define PAD_AT (TIME_AT + TIME_WIDTH + 8)

static void payload_number(char *end, int width, int64_t number)
{
    for (int i = 0; i < width; i++) {
        char digit = (char)('0' + number % 10);
        *--end = number || i == 0 ? digit : ' ';
        number /= 10;
    }
}

static void payload_init(char *bytes, size_t size)
{
    memset(bytes, 'x', size);
    if (size < BENCH_PAYLOAD_MIN)
        return;
    memcpy(bytes, "{\"id\":", ID_AT);
    memcpy(bytes + ID_AT + ID_WIDTH, ",\"t\":", 5);
    memcpy(bytes + TIME_AT + TIME_WIDTH, ",\"pad\":\"", 8);
    memcpy(bytes + size - 2, "\"}", 2);
}

static void payload_stamp(char *bytes, size_t size, long number, int64_t now)
{
    if (size < BENCH_PAYLOAD_MIN)
        return;
    payload_number(bytes + ID_AT + ID_WIDTH, ID_WIDTH, number);
    payload_number(bytes + TIME_AT + TIME_WIDTH, TIME_WIDTH, now);
}

int64_t bench_payload_time(const void *payload, size_t size)
{
    const char *bytes = payload;
    int64_t time = 0;
    if (size < BENCH_PAYLOAD_MIN || memcmp(bytes + TIME_AT - 5, ",\"t\":", 5) != 0)
        return 0;
    for (int i = 0; i < TIME_WIDTH; i++) {
        char digit = bytes[TIME_AT + i];
        if (digit >= '0' && digit <= '9')
            time = time * 10 + (digit - '0');
    }
    return time;
}

/* --- one run --------------------------------------------------------------------- */

double bench_rate(const struct bench_span *span)
{
    int64_t ns = span->to_ns - span->from_ns;
    return ns > 0 ? (double)span->count * 1e9 / (double)ns : 0;
}

/* The numbers of the next at most `most` jobs; how many, 0 when it is over. */
static long load_take(struct load_run *run, long most, long *first)
{
    const struct bench_load *load = run->load;
    if (atomic_load(&run->failed) ||
        (load->until_ns && clock_mono_ns() >= load->until_ns))
        return 0;
    *first = atomic_fetch_add(&run->next, most);
    if (*first >= load->jobs)
        return 0;
    return load->jobs - *first < most ? load->jobs - *first : most;
}

static void load_failed(struct load_run *run, enum pawl_status status,
                        const struct pawl_error *err)
{
    pthread_mutex_lock(&run->mutex);
    if (!atomic_exchange(&run->failed, true)) {
        run->error = *err;
        run->error.status = status;
    }
    pthread_mutex_unlock(&run->mutex);
}

static void load_ended(struct load_run *run)
{
    pthread_mutex_lock(&run->mutex);
    if (--run->alive == 0)
        pthread_cond_signal(&run->ended);
    pthread_mutex_unlock(&run->mutex);
}

static struct pawl_new_job load_job(const struct load_run *run,
                                    const char *payload)
{
    return (struct pawl_new_job){.queue = run->load->queue,
                                 .priority = run->load->priority,
                                 .payload = payload,
                                 .payload_size = run->load->payload};
}

/* --- calls that wait --------------------------------------------------------------- */

static void load_pace(const struct bench_load *load, int64_t from_ns, long number)
{
    if (load->pace_ns == 0)
        return;
    struct timespec at = clock_timespec(from_ns + number * load->pace_ns);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
        continue;
}

static void load_single(struct load_run *run)
{
    size_t size = run->load->payload;
    char *payload = malloc(size + 1);
    struct pawl_error err = {0};
    int64_t from_ns = clock_mono_ns();
    long number;
    if (!payload) {
        load_failed(run, PAWL_ENOMEM, &err);
        return;
    }
    payload_init(payload, size);
    while (load_take(run, 1, &number) > 0) {
        load_pace(run->load, from_ns, number);
        payload_stamp(payload, size, number, clock_mono_ns());
        struct pawl_new_job job = load_job(run, payload);
        enum pawl_status status = pawl_enqueue(run->pawl, &job, NULL, &err);
        if (status != PAWL_OK) {
            load_failed(run, status, &err);
            break;
        }
        atomic_fetch_add(&run->stored, 1);
    }
    free(payload);
}

static void load_many(struct load_run *run)
{
    size_t size = run->load->payload, batch = (size_t)run->load->batch;
    char *payloads = malloc(batch * size + 1);
    struct pawl_new_job *jobs = calloc(batch, sizeof *jobs);
    struct pawl_put_result *results = calloc(batch, sizeof *results);
    struct pawl_error err = {0};
    long first, count;
    if (!payloads || !jobs || !results) {
        load_failed(run, PAWL_ENOMEM, &err);
        goto out;
    }
    for (size_t i = 0; i < batch; i++) {
        payload_init(payloads + i * size, size);
        jobs[i] = load_job(run, payloads + i * size);
    }
    while ((count = load_take(run, run->load->batch, &first)) > 0) {
        int64_t now = clock_mono_ns();
        for (long i = 0; i < count; i++)
            payload_stamp(payloads + (size_t)i * size, size, first + i, now);
        enum pawl_status status = pawl_enqueue_many(run->pawl, jobs,
                                                    (size_t)count, results, &err);
        if (status != PAWL_OK) {
            load_failed(run, status, &err);
            break;
        }
        atomic_fetch_add(&run->stored, count);
    }
out:
    free(payloads);
    free(jobs);
    free(results);
}

static void *load_thread(void *arg)
{
    struct load_run *run = arg;
    if (run->load->batch > 1)
        load_many(run);
    else
        load_single(run);
    load_ended(run);
    return NULL;
}

static void load_threads(struct load_run *run)
{
    int count = run->load->producers, started = 0;
    pthread_t *threads = calloc((size_t)count, sizeof *threads);
    struct pawl_error err = {0};
    run->alive = count;
    for (; threads && started < count - 1; started++)
        if (pthread_create(&threads[started], NULL, load_thread, run) != 0)
            break;
    if (!threads || started < count - 1)
        load_failed(run, PAWL_ENOMEM, &err);
    load_thread(run);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
}

/* --- many in flight ------------------------------------------------------------------ */

/* One of the jobs in flight: when its outcome comes, the next is submitted. */
struct load_slot {
    struct load_run *run;
    char *payload;
};

static void load_done(void *context, const struct pawl_put_result *result,
                      const struct pawl_error *err);

static void load_submit(struct load_slot *slot)
{
    struct load_run *run = slot->run;
    struct pawl_error err = {0};
    long number;
    if (load_take(run, 1, &number) == 0) {
        load_ended(run);
        return;
    }
    payload_stamp(slot->payload, run->load->payload, number, clock_mono_ns());
    struct pawl_new_job job = load_job(run, slot->payload);
    enum pawl_status status = pawl_submit(run->pawl, &job, load_done, slot, &err);
    if (status != PAWL_OK) {
        load_failed(run, status, &err);
        load_ended(run);
    }
}

static void load_done(void *context, const struct pawl_put_result *result,
                      const struct pawl_error *err)
{
    struct load_slot *slot = context;
    if (result->status == PAWL_OK)
        atomic_fetch_add(&slot->run->stored, 1);
    else
        load_failed(slot->run, result->status, err);
    load_submit(slot);
}

static void load_flight(struct load_run *run)
{
    size_t count = (size_t)run->load->in_flight, size = run->load->payload;
    struct load_slot *slots = calloc(count, sizeof *slots);
    char *payloads = malloc(count * size + 1);
    struct pawl_error err = {0};
    if (!slots || !payloads) {
        load_failed(run, PAWL_ENOMEM, &err);
        goto out;
    }
    run->alive = run->load->in_flight;
    for (size_t i = 0; i < count; i++) {
        slots[i] = (struct load_slot){run, payloads + i * size};
        payload_init(slots[i].payload, size);
    }
    for (size_t i = 0; i < count; i++)
        load_submit(&slots[i]);
    pthread_mutex_lock(&run->mutex);
    while (run->alive > 0)
        pthread_cond_wait(&run->ended, &run->mutex);
    pthread_mutex_unlock(&run->mutex);
out:
    free(slots);
    free(payloads);
}

enum pawl_status bench_load(struct pawl *pawl, const struct bench_load *load,
                            struct bench_span *out, struct pawl_error *err)
{
    struct load_run run = {.pawl = pawl, .load = load};
    struct bench_span span = {.from_ns = clock_mono_ns()};
    pthread_mutex_init(&run.mutex, NULL);
    pthread_cond_init(&run.ended, NULL);
    if (load->in_flight > 1)
        load_flight(&run);
    else
        load_threads(&run);
    span.to_ns = clock_mono_ns();
    span.count = atomic_load(&run.stored);
    pthread_cond_destroy(&run.ended);
    pthread_mutex_destroy(&run.mutex);
    if (atomic_load(&run.failed))
        return pawl_error_set(err, run.error.status, "%s",
                              run.error.message[0]
                                  ? run.error.message
                                  : pawl_status_text(run.error.status));
    *out = span;
    return PAWL_OK;
}
