/* worker_exchange.c - one exchange with the storage: outcomes out, jobs in.
 *
 * One that failed is not lost: its outcomes go back to the front of the outbox and
 * are sent again as they are, which the storage answers with OK or STALE however far
 * the first try got. */
#include "core/worker_internal.h"
#include "util/clock.h"
#include "util/random.h"

#define RETRY_FIRST_MS 50
#define RETRY_MOST_MS 5000
#define RETRY_STOPPING_MS 250

/* The dispatcher is back. With the mutex. */
static void land(struct dispatcher *d)
{
    struct pawl_worker *w = d->worker;

    w->wanted -= d->trial ? 0 : d->want;
    w->trials -= d->trial;
    w->in_flight--;
    d->queue->in_flight--;
}

static void count(struct pawl_worker_counts *counts, enum pawl_outcome_kind kind)
{
    switch (kind) {
    case PAWL_OUTCOME_COMPLETED:
        counts->completed++;
        break;
    case PAWL_OUTCOME_RETRY:
        counts->failed++;
        break;
    case PAWL_OUTCOME_DEAD:
        counts->dead++;
        break;
    case PAWL_OUTCOME_SNOOZED:
        counts->snoozed++;
        break;
    case PAWL_OUTCOME_RELEASED:
        counts->released++;
        break;
    case PAWL_OUTCOME_CANCELLED:
        counts->cancelled++;
        break;
    }
}

/* The outcomes were answered: count them, and their records are spare. */
static void settle_outcomes(struct dispatcher *d,
                            struct pawl_worker_counts *counts)
{
    struct held *held;
    size_t i;

    for (i = 0; (held = held_pop(&d->flying)); i++) {
        if (d->statuses[i] == PAWL_OK)
            count(counts, held->ending.outcome.kind);
        else
            counts->lost++;
        held_clear(held);
        held_push(&d->spare, held);
    }
    if (counts->lost > 0)
        core_log(d->worker->pawl, PAWL_LOG_WARN, "outcome-stale",
                 "%llu outcomes in queue '%s' came too late: the leases were lost",
                 (unsigned long long)counts->lost, d->queue->name);
}

static void take_claims(struct dispatcher *d, size_t job_count, int64_t asked_ns,
                        struct held_list *claimed)
{
    struct pawl_job *job;
    struct held *held;
    size_t i;

    for (i = 0; i < job_count; i++) {
        job = d->jobs[i];
        held = held_pop(&d->spare);
        held->queue = d->queue;
        held->job = job;
        held->leased_ns = asked_ns;
        held->ending = (struct ending){
            .outcome = { .id = job->id,
                         .epoch = job->epoch,
                         .origin = job->origin,
                         .kind = PAWL_OUTCOME_RELEASED },
        };
        held_push(claimed, held);
    }
}

static void add_counts(struct pawl_worker_counts *to,
                       const struct pawl_worker_counts *from)
{
    to->completed += from->completed;
    to->failed += from->failed;
    to->dead += from->dead;
    to->snoozed += from->snoozed;
    to->released += from->released;
    to->cancelled += from->cancelled;
    to->lost += from->lost;
}

/* Wake one run for each new job, at most all that sleep. Without the mutex: who
 * is woken wants it. */
static void wake_runs(struct pawl_worker *w, size_t jobs, size_t idle)
{
    size_t i;

    if (jobs >= idle && idle > 1) {
        pthread_cond_broadcast(&w->work);
        return;
    }
    for (i = 0; i < jobs && i < idle; i++)
        pthread_cond_signal(&w->work);
}

static void exchange_done(struct dispatcher *d,
                          const struct pawl_exchange_reply *reply,
                          int64_t asked_ns)
{
    struct pawl_worker *w = d->worker;
    struct pawl_worker_counts counts = { 0 };
    struct held_list claimed = { 0 };
    size_t job_count = reply->job_count, idle;

    settle_outcomes(d, &counts);
    take_claims(d, job_count, asked_ns, &claimed);

    pthread_mutex_lock(&w->mutex);
    add_counts(&w->counts, &counts);
    land(d);
    d->queue->retry_delay = 0;
    held_append(&w->ready, &claimed);
    if (d->want > 0 && d->news == w->news)
        d->queue->dry = job_count < d->want && !reply->more;
    if (reply->paused)
        dispatch_release(w, d->queue);
    if (w->stopping)
        dispatch_release(w, NULL);
    idle = w->idle;
    pthread_mutex_unlock(&w->mutex);
    wake_runs(w, job_count, idle);
}

static void exchange_failed(struct dispatcher *d, const struct pawl_error *err)
{
    struct pawl_worker *w = d->worker;
    struct worker_queue *queue = d->queue;
    pawl_duration delay, most;

    pthread_mutex_lock(&w->mutex);
    held_append(&d->flying, &queue->outbox);
    held_append(&queue->outbox, &d->flying);
    land(d);
    w->last_error = *err;
    most = w->stopping ? RETRY_STOPPING_MS : RETRY_MOST_MS;
    delay = queue->retry_delay ? 2 * queue->retry_delay : RETRY_FIRST_MS;
    if (delay > most)
        delay = most;
    queue->retry_delay = delay;
    delay = delay / 2 + (pawl_duration)(random_u64() % (uint64_t)delay);
    queue->retry_ns = clock_mono_ns() + delay * WORKER_NS_PER_MS;
    pthread_mutex_unlock(&w->mutex);
}

void dispatch_exchange(struct dispatcher *d)
{
    struct pawl_worker *w = d->worker;
    struct pawl_exchange_reply reply = { .outcomes = d->statuses,
                                         .jobs = d->jobs };
    struct pawl_exchange in = {
        .queue = d->queue->name,
        .owner = w->owner,
        .outcomes = d->outcomes,
        .outcome_count = d->flying.count,
        .claim_max = d->want,
        .lease = w->lease,
        .retention = w->pawl->retention,
    };
    int64_t asked_ns = clock_mono_ns();
    struct pawl_error err = { 0 };
    enum pawl_status status;
    struct held *held;
    size_t i = 0;

    for (held = d->flying.first; held; held = held->next)
        d->outcomes[i++] = held->ending.outcome;
    status = storage_exchange(w->pawl->storage, &in, &reply, &err);
    worker_heard(w, d->queue, WORKER_EXCHANGE, status, &err);
    if (status < 0) {
        exchange_failed(d, &err);
        return;
    }
    exchange_done(d, &reply, asked_ns);
    if (reply.next_at != 0)
        lease_due(w, d->queue, reply.next_at);
}
