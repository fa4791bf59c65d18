/* storage.c - see storage.h: the checked wrappers. */
#include "storage/storage.h"

#include <assert.h>
#include <string.h>

#define LIST_MOST 500

static void check_new_job(const struct pawl_new_job *job, const char *queue)
{
    assert(!job->queue || strcmp(job->queue, queue) == 0);
    assert(job->priority >= 1 && job->priority <= 10);
    assert(job->max_attempts >= 1 && job->delay >= 0 && job->ttl >= 0);
    assert(!pawl_id_is_zero(job->id));
    assert(job->payload || job->payload_size == 0);
    (void)job;
    (void)queue;
}

enum pawl_status storage_put(struct pawl_storage *storage,
                             const struct pawl_put *in,
                             struct pawl_put_result *results,
                             struct pawl_error *err)
{
    enum pawl_status status;
    size_t i;

    assert(in->seq > 0 && in->job_count > 0);
    for (i = 0; i < in->job_count; i++)
        check_new_job(&in->jobs[i], in->queue);
    status = storage->ops->put(storage, in, results, err);
    for (i = 0; i < in->job_count && status >= 0; i++)
        assert(!pawl_id_is_zero(results[i].id));
    return status;
}

enum pawl_status storage_exchange(struct pawl_storage *storage,
                                  const struct pawl_exchange *in,
                                  struct pawl_exchange_reply *out,
                                  struct pawl_error *err)
{
    enum pawl_status status;

    assert(in->lease > 0 || in->claim_max == 0);
    out->job_count = 0;
    out->paused = false;
    out->more = false;
    out->next_at = 0;
    status = storage->ops->exchange(storage, in, out, err);
    assert(out->job_count <= in->claim_max);
    assert(status >= 0 || out->job_count == 0);
    return status;
}

enum pawl_status storage_renew(struct pawl_storage *storage,
                               const struct pawl_renew *in,
                               enum pawl_status *results, struct pawl_error *err)
{
    assert(in->lease > 0);
    return storage->ops->renew(storage, in, results, err);
}

enum pawl_status storage_sweep(struct pawl_storage *storage,
                               const struct pawl_sweep *in,
                               struct pawl_sweep_reply *out,
                               struct pawl_error *err)
{
    assert(in->limit > 0 && in->max_crashes > 0);
    memset(out, 0, sizeof *out);
    return storage->ops->sweep(storage, in, out, err);
}

enum pawl_status storage_wait(struct pawl_storage *storage,
                              const struct pawl_wait *in, struct pawl_error *err)
{
    return storage->ops->wait(storage, in, err);
}

void storage_kick(struct pawl_storage *storage)
{
    storage->ops->kick(storage);
}

enum pawl_status storage_get(struct pawl_storage *storage, const char *queue,
                             struct pawl_id id, struct pawl_job **out,
                             struct pawl_error *err)
{
    return storage->ops->get(storage, queue, id, out, err);
}

enum pawl_status storage_list(struct pawl_storage *storage,
                              const struct pawl_list *in,
                              struct pawl_list_reply *out,
                              struct pawl_error *err)
{
    enum pawl_status status;

    assert(in->limit >= 1 && in->limit <= LIST_MOST && pawl_state_name(in->state));
    out->job_count = 0;
    memset(&out->next, 0, sizeof out->next);
    status = storage->ops->list(storage, in, out, err);
    assert(out->job_count <= in->limit);
    return status;
}

enum pawl_status storage_walk(struct storage_walk *walk, enum pawl_state state,
                              struct pawl_error *err)
{
    struct pawl_job *jobs[LIST_MOST];
    struct pawl_list in = { .queue = walk->queue, .state = state,
                            .limit = walk->page };
    struct pawl_list_reply out = { .jobs = jobs };
    enum pawl_status status;
    size_t i;

    if (walk->enough)
        return PAWL_OK;
    do {
        status = storage_list(walk->storage, &in, &out, err);
        for (i = 0; status >= 0 && i < out.job_count; i++) {
            walk->enough = walk->enough || !walk->visit(walk->context, jobs[i]);
            pawl_job_free(jobs[i]);
        }
        in.after = out.next;
    } while (status >= 0 && out.next.set && !walk->enough);
    return status < 0 ? status : PAWL_OK;
}

/* The states from which a move makes sense at all, whatever the caller asks. */
static unsigned possible_from(enum pawl_alter_kind kind)
{
    const unsigned processing = PAWL_STATE_BIT(PAWL_PROCESSING);
    const unsigned unfinished =
        PAWL_STATE_BIT(PAWL_WAITING) | PAWL_STATE_BIT(PAWL_SCHEDULED) |
        PAWL_STATE_BIT(PAWL_PENDING) | PAWL_STATE_BIT(PAWL_FAILED);
    const unsigned finished = PAWL_STATE_BIT(PAWL_COMPLETED) |
                              PAWL_STATE_BIT(PAWL_DEAD) |
                              PAWL_STATE_BIT(PAWL_CANCELLED);

    switch (kind) {
    case PAWL_ALTER_RUN:
        return (unfinished | finished) & ~PAWL_STATE_BIT(PAWL_PENDING);
    case PAWL_ALTER_CANCEL:
        return unfinished | processing;
    case PAWL_ALTER_REMOVE:
        return unfinished | finished;
    case PAWL_ALTER_REPRIORITISE:
        return unfinished | finished | processing;
    case PAWL_ALTER_PAUSE:
    case PAWL_ALTER_RESUME:
    case PAWL_ALTER_RETENTION:
        break;
    }
    return 0;
}

enum pawl_status storage_alter(struct pawl_storage *storage,
                               const struct pawl_alter *in,
                               struct pawl_alter_reply *out,
                               struct pawl_error *err)
{
    struct pawl_alter own = *in;

    own.from_states &= possible_from(in->kind);
    assert(!in->ids || out->results || in->id_count == 0);
    out->changed = 0;
    out->more = false;
    return storage->ops->alter(storage, &own, out, err);
}

enum pawl_status storage_take_out(struct pawl_storage *storage,
                                  const struct pawl_take_out *in,
                                  struct pawl_take_out_reply *out,
                                  struct pawl_error *err)
{
    enum pawl_status status;

    if (in->kind == PAWL_TAKE_HOLD) {
        assert(in->limit >= 1 && in->limit <= 1000 && out->jobs);
        assert(!(in->from_states & (PAWL_STATE_BIT(PAWL_PROCESSING) |
                                    PAWL_STATE_BIT(PAWL_HELD))));
    } else {
        assert(in->id_count == 0 || (in->ids && out->results));
        assert(in->kind != PAWL_TAKE_PASS ||
               memcmp(&in->heir, &in->mover, sizeof in->heir) != 0);
        assert(!in->digests || in->kind == PAWL_TAKE_CONFIRM ||
               in->kind == PAWL_TAKE_PASS);
    }
    out->job_count = 0;
    status = storage->ops->take_out(storage, in, out, err);
    assert(status >= 0 || out->job_count == 0);
    return status;
}

/* Is this a state that a job can be brought in with? */
static inline bool can_be_brought(enum pawl_state state)
{
    return state == PAWL_SCHEDULED || state == PAWL_PENDING ||
           state == PAWL_FAILED || state == PAWL_COMPLETED ||
           state == PAWL_DEAD || state == PAWL_CANCELLED;
}

enum pawl_status storage_bring_in(struct pawl_storage *storage,
                                  const struct pawl_bring_in *in,
                                  struct pawl_put_result *results,
                                  struct pawl_error *err)
{
    size_t i;

    assert(in->seq > 0 && in->job_count > 0);
    for (i = 0; i < in->job_count; i++)
        assert(can_be_brought(in->jobs[i]->state));
    return storage->ops->bring_in(storage, in, results, err);
}

enum pawl_status storage_tally(struct pawl_storage *storage, const char *queue,
                               struct pawl_session mover, bool forget,
                               struct pawl_tally *out, struct pawl_error *err)
{
    memset(out, 0, sizeof *out);
    return storage->ops->tally(storage, queue, mover, forget, out, err);
}

enum pawl_status storage_stats(struct pawl_storage *storage, const char *queue,
                               struct pawl_stats **out, struct pawl_error *err)
{
    return storage->ops->stats(storage, queue, out, err);
}

enum pawl_status storage_health(struct pawl_storage *storage,
                                struct pawl_health *out, struct pawl_error *err)
{
    memset(out, 0, sizeof *out);
    return storage->ops->health(storage, out, err);
}
