/* submit.c - see submit.h. */
#include "core/submit.h"

#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "core/new_job.h"
#include "util/thread.h"

#define IN_FLIGHT_JOBS 65536
#define IN_FLIGHT_BYTES (64u << 20)
#define BATCH_JOBS 1000

/* One block: this and what the job points to. */
struct submission {
    struct submission *next;
    struct pawl_new_job job;
    size_t size;
    pawl_submit_fn *done;
    void *context;
};

void submitter_init(struct submitter *s)
{
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->arrived, NULL);
    pthread_cond_init(&s->left, NULL);
}

void submitter_clear(struct submitter *s)
{
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    pthread_cond_signal(&s->arrived);
    pthread_mutex_unlock(&s->mutex);
    if (s->started)
        pthread_join(s->thread, NULL);
    free(s->batch);
    pthread_cond_destroy(&s->left);
    pthread_cond_destroy(&s->arrived);
    pthread_mutex_destroy(&s->mutex);
}

/* A batch of one queue, on its way. */
struct batch {
    struct submission *subs[BATCH_JOBS];
    struct pawl_new_job jobs[BATCH_JOBS];
    struct pawl_put_result results[BATCH_JOBS];
    size_t count;
};

/* Move the first job of the line, and all others of its queue, into the batch;
 * the others stay in order. */
static void gather(struct submission **line, struct batch *batch)
{
    const char *queue = (*line)->job.queue;
    struct submission **at = line;

    batch->count = 0;
    while (*at && batch->count < BATCH_JOBS) {
        struct submission *sub = *at;
        if (strcmp(sub->job.queue, queue) == 0) {
            *at = sub->next;
            batch->subs[batch->count] = sub;
            batch->jobs[batch->count++] = sub->job;
        } else {
            at = &sub->next;
        }
    }
}

static void put_and_tell(struct pawl *pawl, struct batch *batch)
{
    struct pawl_error err = { 0 };
    enum pawl_status status;
    size_t i;

    status = combine_put(pawl, batch->jobs[0].queue, batch->jobs, batch->count,
                         batch->results, &err);
    for (i = 0; i < batch->count; i++) {
        struct submission *sub = batch->subs[i];
        if (status < 0) {
            batch->results[i].status = status;
            batch->results[i].id = sub->job.id;
        }
        if (sub->done)
            sub->done(sub->context, &batch->results[i], &err);
    }
}

static void finish(struct submitter *s, struct batch *batch, bool end_of_line)
{
    size_t i, bytes = 0;

    for (i = 0; i < batch->count; i++) {
        bytes += batch->subs[i]->size;
        free(batch->subs[i]);
    }
    pthread_mutex_lock(&s->mutex);
    s->bytes -= bytes;
    s->finished += batch->count;
    if (end_of_line)
        s->settled = s->finished;
    pthread_cond_broadcast(&s->left);
    pthread_mutex_unlock(&s->mutex);
}

/* The next line; NULL when the submitter stops and nothing is left. */
static struct submission *next_line(struct submitter *s)
{
    struct submission *line;

    pthread_mutex_lock(&s->mutex);
    while (!s->first && !s->stopping) {
        s->sleeping = true;
        pthread_cond_wait(&s->arrived, &s->mutex);
        s->sleeping = false;
    }
    line = s->first;
    s->first = s->last = NULL;
    pthread_mutex_unlock(&s->mutex);
    return line;
}

static void *submit_thread(void *arg)
{
    struct pawl *pawl = arg;
    struct batch *batch = pawl->submitter.batch;
    struct submission *line;

    while ((line = next_line(&pawl->submitter)))
        while (line) {
            gather(&line, batch);
            put_and_tell(pawl, batch);
            finish(&pawl->submitter, batch, !line);
        }
    return NULL;
}

static enum pawl_status copy_submission(const struct pawl *pawl,
                                        const struct pawl_new_job *job,
                                        struct submission **out,
                                        struct pawl_error *err)
{
    struct pawl_new_job normal;
    struct submission *sub;
    size_t extra;
    enum pawl_status status = new_job_normalise(pawl, job, &normal, err);

    if (status != PAWL_OK)
        return status;
    extra = new_job_extra(&normal);
    sub = calloc(1, sizeof *sub + extra);
    if (!sub)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    new_job_copy(&sub->job, &normal, (char *)(sub + 1));
    sub->size = sizeof *sub + extra;
    *out = sub;
    return PAWL_OK;
}

/* With the mutex. */
static bool start(struct submitter *s, struct pawl *pawl)
{
    if (!s->batch)
        s->batch = malloc(sizeof *s->batch);
    if (s->batch && !s->started)
        s->started = thread_start(&s->thread, submit_thread, pawl,
                                  "pawl-submit") == 0;
    return s->started;
}

/* On the submitter's own thread (a callback that submits again) waiting for room
 * would wait for itself. */
static bool must_wait(const struct submitter *s)
{
    if (s->submitted - s->finished < IN_FLIGHT_JOBS && s->bytes < IN_FLIGHT_BYTES)
        return false;
    return !(s->started && pthread_equal(pthread_self(), s->thread));
}

enum pawl_status pawl_submit(struct pawl *pawl, const struct pawl_new_job *job,
                             pawl_submit_fn *done, void *context,
                             struct pawl_error *err)
{
    struct submission *sub = NULL;
    struct submitter *s = &pawl->submitter;
    enum pawl_status status = core_enter(pawl, err);

    if (status == PAWL_OK)
        status = copy_submission(pawl, job, &sub, err);
    if (status != PAWL_OK)
        return status;
    sub->done = done;
    sub->context = context;
    pthread_mutex_lock(&s->mutex);
    if (!start(s, pawl)) {
        pthread_mutex_unlock(&s->mutex);
        free(sub);
        return pawl_error_set(err, PAWL_ENOMEM,
                              "cannot submit: out of memory or threads");
    }
    while (must_wait(s))
        pthread_cond_wait(&s->left, &s->mutex);
    if (s->last)
        s->last->next = sub;
    else
        s->first = sub;
    s->last = sub;
    s->bytes += sub->size;
    s->submitted++;
    if (s->sleeping)
        pthread_cond_signal(&s->arrived);
    pthread_mutex_unlock(&s->mutex);
    return PAWL_OK;
}

void pawl_flush(struct pawl *pawl)
{
    struct submitter *s;
    uint64_t until;

    if (core_enter(pawl, NULL) != PAWL_OK)
        return;
    s = &pawl->submitter;
    pthread_mutex_lock(&s->mutex);
    until = s->submitted;
    while (s->settled < until)
        pthread_cond_wait(&s->left, &s->mutex);
    pthread_mutex_unlock(&s->mutex);
}
