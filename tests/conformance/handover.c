/* handover.c - see handover.h. */
#include "handover.h"

const struct pawl_session mover_1 = { { 'm', 1 } }, mover_2 = { { 'm', 2 } };

struct taken hold_in(const char *queue, struct pawl_session mover,
                     unsigned from_states, size_t limit)
{
    struct taken taken = { .count = 0 };
    struct pawl_error err = { 0 };
    struct pawl_take_out in = { .queue = queue,
                                .mover = mover,
                                .kind = PAWL_TAKE_HOLD,
                                .from_states = from_states,
                                .limit = limit };
    struct pawl_take_out_reply reply = { .jobs = taken.jobs };
    assert_status(storage_take_out(store, &in, &reply, &err), PAWL_OK);
    taken.count = reply.job_count;
    for (size_t i = 0; i < taken.count; i++)
        own(taken.jobs[i]);
    return taken;
}

struct taken hold(unsigned from_states, size_t limit)
{
    return hold_in(QUEUE, mover_1, from_states, limit);
}

enum pawl_status settle(enum pawl_take_kind kind, struct pawl_session mover,
                        struct pawl_id id)
{
    struct pawl_error err = { 0 };
    enum pawl_status result = PAWL_EINTERNAL;
    struct pawl_take_out in = {
        .queue = QUEUE, .mover = mover, .kind = kind, .ids = &id, .id_count = 1
    };
    struct pawl_take_out_reply reply = { .results = &result };
    assert_status(storage_take_out(store, &in, &reply, &err), PAWL_OK);
    return result;
}

enum pawl_status confirm(struct pawl_id id)
{
    return settle(PAWL_TAKE_CONFIRM, mover_1, id);
}

enum pawl_status release(struct pawl_id id)
{
    return settle(PAWL_TAKE_RELEASE, mover_1, id);
}

struct pawl_job whole(struct pawl_job job)
{
    if (pawl_id_is_zero(job.id))
        job.id = new_id(QUEUE);
    job.queue = QUEUE;
    job.type = job.type == NULL ? "" : job.type;
    job.key = job.key == NULL ? "" : job.key;
    job.group = job.group == NULL ? "" : job.group;
    job.payload = job.payload == NULL ? "" : job.payload;
    job.result = job.result == NULL ? "" : job.result;
    job.state = job.state == 0 ? PAWL_PENDING : job.state;
    job.priority = job.priority == 0 ? 5 : job.priority;
    job.max_attempts = job.max_attempts == 0 ? 3 : job.max_attempts;
    job.enqueued_at = job.enqueued_at == 0 ? now() : job.enqueued_at;
    job.run_at = job.run_at == 0 ? now() : job.run_at;
    return job;
}

enum pawl_status bring_as(uint64_t seq, const struct pawl_job *jobs, size_t count,
                          struct pawl_put_result *results)
{
    const struct pawl_job *list[20];
    struct pawl_error err = { 0 };
    struct pawl_bring_in in = { .queue = QUEUE,
                                .session = mover_1,
                                .seq = seq,
                                .jobs = list,
                                .job_count = count };
    ck_assert_uint_le(count, 20);
    for (size_t i = 0; i < count; i++)
        list[i] = &jobs[i];
    return storage_bring_in(store, &in, results, &err);
}

struct pawl_put_result bring(struct pawl_job job)
{
    static uint64_t last_seq = 1000;
    struct pawl_put_result result = { 0 };
    job = whole(job);
    assert_status(bring_as(++last_seq, &job, 1, &result), PAWL_OK);
    return result;
}

struct pawl_id bring_ok(struct pawl_job job)
{
    struct pawl_put_result result = bring(job);
    assert_status(result.status, PAWL_OK);
    return result.id;
}

void assert_key_taken_by(struct pawl_put_result result, struct pawl_id id)
{
    assert_status(result.status, PAWL_KEY_TAKEN);
    assert_id(result.id, id);
}

void assert_wakes(void)
{
    const char *queue = QUEUE;
    struct pawl_error err = { 0 };
    struct pawl_wait in = { .queues = &queue, .queue_count = 1,
                            .until = INT64_C(1) << 40 };
    assert_status(storage_wait(store, &in, &err), PAWL_OK);
}

void run_next(struct pawl_id id)
{
    assert_id(claim_one()->id, id);
}
