/* memory_put.c - storing new jobs.
 *
 * Everything that can run out of memory is made first: the queue, the session,
 * a record for each job, the replies to keep. Then the jobs are stored in the
 * order of the array, which cannot fail. */
#include <stdlib.h>
#include <string.h>

#include "storage/memory/memory_job.h"
#include "storage/memory/memory_methods.h"
#include "storage/memory/memory_session.h"

static bool records_make(struct memory_queue *queue, const struct pawl_put *in,
                         struct memory_job **records, pawl_time now)
{
    for (size_t i = 0; i < in->job_count; i++) {
        records[i] = memory_job_new(queue, &in->jobs[i], now);
        if (records[i] == NULL)
            return false;
    }
    return true;
}

static void records_free(struct memory_job **records, size_t count)
{
    for (size_t i = 0; records != NULL && i < count; i++)
        memory_job_remove(records[i]);
    free(records);
}

/* Store one job, unless its id or its key is taken. */
static struct pawl_put_result put_one(struct memory_job *job, pawl_time now)
{
    struct memory_queue *queue = job->queue;
    struct pawl_id id = job->job.id;
    if (memory_index_find(&queue->store->jobs, id.b, sizeof id.b) != NULL)
        return (struct pawl_put_result){ PAWL_DUPLICATE, id };

    if (job->key != NULL) {
        const struct memory_key *holder =
            memory_key_holder(&queue->keys, job->key, now);
        if (holder != NULL)
            return (struct pawl_put_result){ PAWL_KEY_TAKEN, holder->id };
        memory_key_take(&queue->keys, job->key);
    }
    if (job->job.run_at > now)
        memory_job_to_time(job, PAWL_SCHEDULED, job->job.run_at);
    else
        memory_job_to_tail(job);
    return (struct pawl_put_result){ PAWL_OK, id };
}

enum pawl_status memory_put(struct pawl_storage *storage,
                            const struct pawl_put *in,
                            struct pawl_put_result *results,
                            struct pawl_error *err)
{
    struct memory_store *store = memory_enter(storage);
    pawl_time now = memory_now((struct memory_instance *)storage);
    enum pawl_status status = PAWL_OK;
    struct memory_job **records = NULL;
    struct pawl_put_result *replies = NULL;
    struct memory_session *session = NULL;

    struct memory_queue *queue = memory_queue_at(store, in->queue);
    if (queue != NULL)
        session = memory_session_at(&queue->sessions, in->session);
    if (session == NULL)
        goto no_memory;
    if (memory_session_replay(session, in->queue, in->seq, results, in->job_count,
                              &status, err))
        goto out;
    records = calloc(in->job_count + 1, sizeof *records);
    replies = calloc(in->job_count + 1, sizeof *replies);
    if (records == NULL || replies == NULL ||
        !records_make(queue, in, records, now))
        goto no_memory;

    for (size_t i = 0; i < in->job_count; i++) {
        replies[i] = put_one(records[i], now);
        if (replies[i].status == PAWL_OK)
            records[i] = NULL;
        results[i] = replies[i];
    }
    memory_session_keep(session, in->seq, replies, in->job_count);
    replies = NULL;
    goto out;

no_memory:
    status = pawl_error_set(err, PAWL_ENOMEM, "out of memory for %zu jobs of '%s'",
                            in->job_count, in->queue);
out:
    records_free(records, in->job_count);
    free(replies);
    memory_leave(store);
    return status;
}
