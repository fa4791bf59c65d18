/* combine.c - see combine.h. */
#include "core/combine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "core/unsettled.h"
#include "util/clock.h"
#include "util/random.h"

#define BATCH_BYTES (8u << 20) /* of payload: keeps one commit short */

enum turn { TURN_WAIT, TURN_LEAD, TURN_DONE };

/* One caller's jobs, on that caller's stack. */
struct request {
    struct request *next;
    const struct pawl_new_job *jobs;
    struct pawl_put_result *results;
    size_t count, bytes;
    bool answered; /* from an earlier put, see unsettled.h */
    enum turn turn;
    pthread_cond_t turned;
    enum pawl_status status;
    struct pawl_error err;
};

struct lane {
    struct lane *next;
    struct request *first, *last; /* in line; the leader's own is out of it */
    bool led;
    uint64_t seq;                /* of the last put; the leader's alone */
    struct unsettled unsettled;  /* the leader's alone */
    struct pawl_new_job *jobs;   /* scratch of the leader: a batch gathered */
    struct pawl_put_result *results;
    size_t cap;
    char queue[]; /* its name */
};

void combiner_init(struct combiner *combiner)
{
    memset(combiner, 0, sizeof *combiner);
    pthread_mutex_init(&combiner->mutex, NULL);
    random_bytes(&combiner->session, sizeof combiner->session);
}

void combiner_clear(struct combiner *combiner)
{
    int i;

    for (i = 0; i < COMBINE_LANE_HEADS; i++)
        while (combiner->lanes[i]) {
            struct lane *lane = combiner->lanes[i];
            combiner->lanes[i] = lane->next;
            unsettled_clear(&lane->unsettled);
            free(lane->jobs);
            free(lane->results);
            free(lane);
        }
    pthread_mutex_destroy(&combiner->mutex);
}

/* The queue's lane, made if it is new; NULL when memory is out. */
static struct lane *find_lane(struct combiner *combiner, const char *queue)
{
    struct lane **head =
        &combiner->lanes[pawl_queue_hash(queue) % COMBINE_LANE_HEADS];
    size_t size = strlen(queue) + 1;
    struct lane *lane;

    for (lane = *head; lane; lane = lane->next)
        if (strcmp(lane->queue, queue) == 0)
            return lane;
    lane = calloc(1, sizeof *lane + size);
    if (!lane)
        return NULL;
    memcpy(lane->queue, queue, size);
    lane->next = *head;
    *head = lane;
    return lane;
}

/* Take from the line, behind `own`, what fits into one put; the requests are
 * chained by `next` from own on. Returns the number of their jobs. */
static size_t take_batch(struct lane *lane, struct request *own, size_t max)
{
    struct request *last = own;
    size_t jobs = own->count, bytes = own->bytes;

    while (lane->first && jobs + lane->first->count <= max &&
           bytes + lane->first->bytes <= BATCH_BYTES) {
        struct request *r = lane->first;
        lane->first = r->next;
        last->next = r;
        last = r;
        jobs += r->count;
        bytes += r->bytes;
    }
    last->next = NULL;
    if (!lane->first)
        lane->last = NULL;
    return jobs;
}

static bool reserve_scratch(struct lane *lane, size_t count)
{
    struct pawl_new_job *jobs;
    struct pawl_put_result *results;

    if (count <= lane->cap)
        return true;
    jobs = realloc(lane->jobs, count * sizeof *jobs);
    if (jobs)
        lane->jobs = jobs;
    results = realloc(lane->results, count * sizeof *results);
    if (results)
        lane->results = results;
    if (!jobs || !results)
        return false;
    lane->cap = count;
    return true;
}

/* One put, under the lane's next number. */
static enum pawl_status send_put(struct pawl *pawl, struct lane *lane,
                                 const struct pawl_new_job *jobs, size_t count,
                                 struct pawl_put_result *results,
                                 struct pawl_error *err)
{
    struct pawl_put put = {
        .queue = lane->queue,
        .session = pawl->combiner.session,
        .seq = ++lane->seq,
        .jobs = jobs,
        .job_count = count,
    };
    enum pawl_status status = storage_put(pawl->storage, &put, results, err);

    if (status == PAWL_EUNKNOWN)
        status = unsettled_resend(&lane->unsettled, pawl, &put, results, err);
    return status;
}

/* Send what several callers want stored as one put. */
static enum pawl_status send_gathered(struct pawl *pawl, struct lane *lane,
                                      struct request *own, size_t job_count,
                                      struct pawl_error *err)
{
    enum pawl_status status;
    struct request *r;
    size_t at = 0;

    if (!reserve_scratch(lane, job_count))
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    for (r = own; r; r = r->next)
        if (!r->answered) {
            memcpy(lane->jobs + at, r->jobs, r->count * sizeof *r->jobs);
            at += r->count;
        }
    if (at == 0)
        return PAWL_OK;
    status = send_put(pawl, lane, lane->jobs, at, lane->results, err);
    if (status < 0)
        return status;
    for (r = own, at = 0; r; r = r->next)
        if (!r->answered) {
            memcpy(r->results, lane->results + at,
                   r->count * sizeof *r->results);
            at += r->count;
        }
    return status;
}

/* The storage refused the batch for what is in it. One caller's job must not fail
 * the others': each request goes alone, until one stays open. */
static void put_each(struct pawl *pawl, struct lane *lane, struct request *own)
{
    bool is_open = false;
    struct request *r;

    for (r = own; r; r = r->next) {
        if (r->answered)
            r->status = PAWL_OK;
        else if (is_open)
            r->status = pawl_error_set(&r->err, PAWL_EIO,
                                       "an earlier enqueue is uncertain");
        else
            r->status = send_put(pawl, lane, r->jobs, r->count, r->results, &r->err);
        is_open = is_open || r->status == PAWL_EUNKNOWN;
    }
}

/* The open put could not be settled: nobody else's jobs were sent, but those of
 * whoever comes back for it may have been stored the first time. */
static void refuse_all(const struct lane *lane, struct request *own,
                       enum pawl_status status, const struct pawl_error *err)
{
    struct request *r;

    for (r = own; r; r = r->next) {
        r->status = status;
        r->err = *err;
        if (unsettled_holds(&lane->unsettled, r->jobs, r->count))
            r->status = r->err.status = PAWL_EUNKNOWN;
    }
}

/* Store a batch of requests and give each its share of the answer. */
static void put_batch(struct pawl *pawl, struct lane *lane, struct request *own,
                      size_t job_count)
{
    struct pawl_error err = { 0 };
    enum pawl_status status;
    struct request *r;

    status = unsettled_settle(&lane->unsettled, pawl, lane->queue, &err);
    if (status < 0) {
        refuse_all(lane, own, status, &err);
        return;
    }
    for (r = own; r; r = r->next)
        r->answered = unsettled_answers(&lane->unsettled, r->jobs, r->count,
                                        r->results);
    if (!own->next && !own->answered)
        status = send_put(pawl, lane, own->jobs, own->count, own->results, &err);
    else
        status = send_gathered(pawl, lane, own, job_count, &err);
    if ((status == PAWL_EINVAL || status == PAWL_EINTERNAL) && own->next) {
        put_each(pawl, lane, own);
        return;
    }
    for (r = own; r; r = r->next) {
        r->status = r->answered ? PAWL_OK : status;
        r->err = err;
    }
}

/* Serve `own` and those in line behind it, then pass the lead on. */
static void lead(struct pawl *pawl, struct lane *lane, struct request *own)
{
    struct combiner *combiner = &pawl->combiner;
    struct request *r, *next;
    size_t job_count;

    job_count = take_batch(lane, own, pawl->storage->ops->put_max);
    pthread_mutex_unlock(&combiner->mutex);
    put_batch(pawl, lane, own, job_count);
    pthread_mutex_lock(&combiner->mutex);
    for (r = own->next; r; r = next) {
        next = r->next; /* r is its owner's again once its turn is done */
        r->turn = TURN_DONE;
        pthread_cond_signal(&r->turned);
    }
    r = lane->first;
    lane->led = r != NULL;
    if (!r)
        return;
    lane->first = r->next;
    if (!lane->first)
        lane->last = NULL;
    r->turn = TURN_LEAD;
    pthread_cond_signal(&r->turned);
}

static void line_up(struct combiner *combiner, struct lane *lane,
                    struct request *own)
{
    pthread_cond_init(&own->turned, NULL);
    own->turn = TURN_WAIT;
    if (lane->last)
        lane->last->next = own;
    else
        lane->first = own;
    lane->last = own;
    while (own->turn == TURN_WAIT)
        pthread_cond_wait(&own->turned, &combiner->mutex);
    pthread_cond_destroy(&own->turned);
}

enum pawl_status combine_put(struct pawl *pawl, const char *queue,
                             const struct pawl_new_job *jobs, size_t count,
                             struct pawl_put_result *results,
                             struct pawl_error *err)
{
    struct combiner *combiner = &pawl->combiner;
    struct request own = { .jobs = jobs, .results = results, .count = count };
    struct lane *lane;
    size_t i;

    assert(count > 0);
    for (i = 0; i < count; i++)
        own.bytes += jobs[i].payload_size;
    pthread_mutex_lock(&combiner->mutex);
    lane = find_lane(combiner, queue);
    if (!lane) {
        pthread_mutex_unlock(&combiner->mutex);
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    }
    if (lane->led)
        line_up(combiner, lane, &own);
    else
        own.turn = TURN_LEAD;
    if (own.turn == TURN_LEAD) {
        lane->led = true;
        lead(pawl, lane, &own);
    }
    pthread_mutex_unlock(&combiner->mutex);
    if (own.status < 0 && err)
        *err = own.err;
    return own.status;
}
