/* model_move.c - random handing over: jobs taken out, and jobs brought in that
 * might have lived anywhere. */
#include "model.h"

#include <stdio.h>
#include <string.h>

static struct pawl_session mover_of(int mover)
{
    return (struct pawl_session){ { 'm', (uint8_t)mover } };
}

/* --- take_out -------------------------------------------------------------------- */

/* NULL: none are wanted. */
static const struct pawl_digest *random_digests(struct model *m, size_t count,
                                                struct pawl_digest digests[BATCH])
{
    if (chance_of(m, 30))
        return NULL;
    for (size_t i = 0; i < count; i++)
        for (int lane = 0; lane < 8; lane++)
            digests[i].lanes[lane] = (uint32_t)chance_next(m);
    return digests;
}

static unsigned random_states(struct model *m)
{
    const unsigned every =
        PAWL_STATE_BIT(PAWL_WAITING) | PAWL_STATE_BIT(PAWL_SCHEDULED) |
        PAWL_STATE_BIT(PAWL_PENDING) | PAWL_STATE_BIT(PAWL_FAILED) |
        PAWL_STATE_BIT(PAWL_COMPLETED) | PAWL_STATE_BIT(PAWL_DEAD) |
        PAWL_STATE_BIT(PAWL_CANCELLED);
    return chance_of(m, 30) ? every : every & (unsigned)chance_next(m);
}

static size_t latest_held(const struct model *m)
{
    return m->held_count < m->scale->held ? m->held_count : m->scale->held;
}

static const struct known_held *some_held(struct model *m, size_t have)
{
    return &m->held[(m->held_count - 1 - chance(m, have)) % HELD];
}

/* Mostly jobs that this mover was handed over, in any order, some twice. */
static size_t random_held(struct model *m, int mover, int queue,
                          struct pawl_id ids[BATCH])
{
    size_t have = latest_held(m), count = 0;
    size_t wanted = 1 + chance_large(m, 8);
    for (size_t tries = 0; count < wanted && tries < 50 + wanted && have > 0;
         tries++) {
        const struct known_held *held = some_held(m, have);
        if ((held->mover == mover || chance_of(m, 5)) &&
            (held->queue == queue || chance_of(m, 2)))
            ids[count++] = held->id;
    }
    if (count == 0 || (count < BATCH && chance_of(m, 10)))
        ids[count++] = model_some_id(m, queue);
    return count;
}

static void remember_held(struct model *m, const struct pawl_job *job, int mover,
                          int queue)
{
    struct known_held *held = &m->held[m->held_count++ % HELD];
    *held = (struct known_held){ .id = job->id,
                                 .mover = mover,
                                 .queue = queue,
                                 .key_mode = job->key_mode,
                                 .key_ttl = job->key_ttl,
                                 .enqueued_at = job->enqueued_at };
    snprintf(held->key, sizeof held->key, "%s", job->key);
}

static void same_held(struct model *m, int mover, int queue,
                      struct pawl_take_out_reply reply[SIDES])
{
    for (int s = 1; s < m->sides; s++) {
        same_number(m, s, "take out: job_count", (int64_t)reply[0].job_count,
                    (int64_t)reply[s].job_count);
        for (size_t i = 0; i < reply[0].job_count; i++)
            same_job(m, s, reply[0].jobs[i], reply[s].jobs[i]);
    }
    for (size_t i = 0; i < reply[0].job_count; i++) {
        remember_held(m, reply[0].jobs[i], mover, queue);
        for (int s = 0; s < m->sides; s++)
            pawl_job_free(reply[s].jobs[i]);
    }
}

void op_take_out(struct model *m)
{
    static const enum pawl_take_kind kinds[] = {
        PAWL_TAKE_HOLD,    PAWL_TAKE_HOLD,    PAWL_TAKE_CONFIRM,
        PAWL_TAKE_RELEASE, PAWL_TAKE_RELEASE, PAWL_TAKE_PASS,
    };
    struct pawl_digest digests[BATCH];
    struct pawl_job *jobs[SIDES][BATCH];
    enum pawl_status results[SIDES][BATCH], status[SIDES];
    struct pawl_take_out_reply reply[SIDES];
    struct pawl_error err[SIDES] = { 0 };
    struct pawl_id ids[BATCH];
    size_t instance = chance(m, INSTANCES);
    int mover = (int)chance(m, MOVERS), queue = (int)chance(m, QUEUES);
    struct pawl_take_out in = { .queue = model_queues[queue],
                                .mover = mover_of(mover),
                                .kind = kinds[chance(m, 6)],
                                .heir = mover_of(MOVERS - 1 - mover) };
    if (in.kind == PAWL_TAKE_HOLD) {
        in.from_states = random_states(m);
        in.limit = 1 + chance_large(m, 4);
        in.only_new = chance_of(m, 30);
    } else {
        in.ids = ids;
        in.id_count = random_held(m, mover, queue, ids);
    }
    if (in.kind == PAWL_TAKE_CONFIRM || in.kind == PAWL_TAKE_PASS)
        in.digests = random_digests(m, in.id_count, digests);
    for (int s = 0; s < m->sides; s++) {
        reply[s] = (struct pawl_take_out_reply){ .jobs = jobs[s],
                                                 .results = results[s] };
        status[s] = storage_take_out(m->side[s].instance[instance], &in, &reply[s],
                                     &err[s]);
    }
    same_answers(m, "take out", status, err);
    for (int s = 1; s < m->sides; s++) {
        for (size_t i = 0; i < in.id_count; i++)
            same_status(m, s, "take out: result", results[0][i], results[s][i]);
    }
    if (status[0] == PAWL_OK)
        same_held(m, mover, queue, reply);
}

/* --- bring_in ---------------------------------------------------------------------- */

static const struct pawl_job_error errors[] = {
    { 1600000000001, 1, "broke" },  { 1600000000002, 2, "" },
    { 1600000000003, 3, "'; --" },  { 1600000000004, 3, "\xc3\xa9" },
    { 1600000000005, 4, "again" },  { 1600000000006, 5, "and again" },
    { 1600000000007, 6, "7" },      { 1600000000008, 7, "8" },
    { 1600000000009, 8, "9" },      { 1600000000010, 9, "10" },
    { 1600000000011, 10, "11" },    { 1600000000012, 11, "expired" },
};

static void random_times(struct model *m, struct pawl_job *job)
{
    pawl_time now = atomic_load(&m->clock.now);
    job->enqueued_at = now - (pawl_time)chance(m, 30000);
    if (job->state == PAWL_SCHEDULED || job->state == PAWL_FAILED)
        job->run_at = now + (pawl_time)chance(m, 9000) - 3000;
    else
        job->run_at = now - (pawl_time)chance(m, 30000);
    if (job->attempt > 0)
        job->started_at = job->enqueued_at + (pawl_time)chance(m, 1000);
    if (job->state == PAWL_COMPLETED || job->state == PAWL_DEAD ||
        job->state == PAWL_CANCELLED)
        job->finished_at = now - (pawl_time)chance(m, 60000);
}

static struct pawl_job random_whole(struct model *m, int queue)
{
    static const enum pawl_state states[] = {
        PAWL_SCHEDULED, PAWL_PENDING, PAWL_PENDING,  PAWL_FAILED,
        PAWL_COMPLETED, PAWL_DEAD,    PAWL_CANCELLED,
    };
    static const char result[] = "of\0another store";
    struct pawl_new_job in = model_random_job(m, queue);
    struct pawl_job job = { .id = in.id,
                            .queue = in.queue,
                            .type = in.type,
                            .key = in.key == NULL ? "" : in.key,
                            .group = in.group == NULL ? "" : in.group,
                            .state = states[chance(m, 7)],
                            .key_mode = in.key_mode,
                            .priority = in.priority,
                            .attempt = (int)chance(m, 4),
                            .max_attempts = in.max_attempts,
                            .crashes = (int)chance(m, 3),
                            .epoch = (uint32_t)chance(m, 6),
                            .cancel_requested = chance_of(m, 5),
                            .backoff = in.backoff,
                            .timeout = in.timeout,
                            .key_ttl = in.key_ttl,
                            .payload = in.payload,
                            .payload_size = in.payload_size,
                            .result = result,
                            .errors = errors };
    random_times(m, &job);
    if (in.ttl > 0)
        job.expires_at = job.enqueued_at + in.ttl;
    if (job.state == PAWL_COMPLETED)
        job.result_size = chance(m, sizeof result);
    if (chance_of(m, 30))
        job.error_count = chance(m, sizeof errors / sizeof *errors + 1);
    return job;
}

/* One that was here before comes back, and may find its own throttle. */
static void come_back(struct model *m, int queue, struct pawl_job *job)
{
    size_t have = latest_held(m);
    const struct known_held *held = NULL;
    for (int tries = 0; tries < 20 && held == NULL && have > 0; tries++) {
        const struct known_held *one = some_held(m, have);
        if (one->queue == queue &&
            (one->key_mode == PAWL_KEY_THROTTLE || chance_of(m, 10)))
            held = one;
    }
    if (held == NULL)
        return;
    job->id = held->id;
    job->key = held->key;
    job->key_mode = held->key_mode;
    job->key_ttl = held->key_ttl;
    if (chance_of(m, 80))
        job->enqueued_at = held->enqueued_at;
}

void model_bring_all(struct model *m, int session, int queue,
                      const struct sent_put *put)
{
    const struct pawl_job *jobs[BATCH];
    struct pawl_put_result results[SIDES][BATCH];
    struct pawl_error err[SIDES] = { 0 };
    enum pawl_status status[SIDES];
    size_t instance = chance(m, INSTANCES);
    struct pawl_digest digests[BATCH];
    struct pawl_bring_in in = { .queue = model_queues[queue],
                                .session = model_session(session),
                                .seq = put->seq,
                                .jobs = jobs,
                                .job_count = put->count,
                                .mover = mover_of((int)chance(m, MOVERS)) };
    in.digests = random_digests(m, put->count, digests);
    for (size_t i = 0; i < put->count; i++)
        jobs[i] = &put->whole[i];
    for (int s = 0; s < m->sides; s++)
        status[s] = storage_bring_in(m->side[s].instance[instance], &in, results[s],
                                     &err[s]);
    same_answers(m, "bring in", status, err);
    if (status[0] >= 0)
        same_put_results(m, put->count, results);
}

void op_bring_in(struct model *m)
{
    int session = (int)chance(m, SESSIONS), queue = (int)chance(m, QUEUES);
    struct sent_put *put = model_next_put(m, session, queue);
    put->brought = true;
    for (size_t i = 0; i < put->count; i++) {
        put->whole[i] = random_whole(m, queue);
        if (chance_of(m, 25))
            come_back(m, queue, &put->whole[i]);
        if (i > 0 && chance_of(m, 3))
            put->whole[i].id = put->whole[chance(m, i)].id;
    }
    model_bring_all(m, session, queue, put);
}

/* --- tally ------------------------------------------------------------------------- */

void op_tally(struct model *m)
{
    int mover = (int)chance(m, MOVERS), queue = (int)chance(m, QUEUES);
    bool forget = chance_of(m, 20);
    size_t instance = chance(m, INSTANCES);
    struct pawl_tally tally[SIDES];
    struct pawl_error err[SIDES] = { 0 };
    enum pawl_status status[SIDES];
    for (int s = 0; s < m->sides; s++)
        status[s] = storage_tally(m->side[s].instance[instance], model_queues[queue],
                                  mover_of(mover), forget, &tally[s], &err[s]);
    same_answers(m, "tally", status, err);
    for (int s = 1; s < m->sides; s++) {
        same_number(m, s, "tally: count", (int64_t)tally[0].count,
                    (int64_t)tally[s].count);
        same_bytes(m, s, "tally: sum", &tally[0].sum, sizeof tally[0].sum,
                   &tally[s].sum, sizeof tally[s].sum);
    }
}
