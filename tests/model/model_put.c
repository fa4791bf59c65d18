/* model_put.c - random new jobs, and the same put again. */
#include "model.h"

#include <string.h>

const char *const model_queues[QUEUES] = { "mail", "{a}:b*%", "' OR 1=1; --",
                                           "\xf0\x9f\x90\xbe" };

static unsigned char bytes[65536]; /* what payloads are cut from */

/* An id as pawl_id_new() makes them, but from the seed: the time of the model,
 * a counter within the ms, the hash of the queue's name. */
struct pawl_id model_new_id(struct model *m, int queue)
{
    struct pawl_id id;
    uint16_t hash = pawl_queue_hash(model_queues[queue]);
    uint64_t floor = (uint64_t)atomic_load(&m->clock.now) << 12;
    m->tick = m->tick >= floor ? m->tick + 1 : floor;
    uint64_t ms = m->tick >> 12, random = chance_next(m);
    for (int i = 0; i < 6; i++)
        id.b[i] = (uint8_t)(ms >> (40 - 8 * i));
    id.b[6] = (uint8_t)(0x70 | ((m->tick >> 8) & 15));
    id.b[7] = (uint8_t)m->tick;
    memcpy(id.b + 8, &random, 8);
    id.b[8] = (uint8_t)(0x80 | (id.b[8] & 0x3f));
    id.b[9] = (uint8_t)(hash >> 8);
    id.b[10] = (uint8_t)hash;

    m->ids[m->id_count++ % IDS] = (struct known_id){ id, queue };
    return id;
}

/* An id that was used in this queue, if a few tries find one, else a new one. */
struct pawl_id model_some_id(struct model *m, int queue)
{
    size_t count = m->id_count < IDS ? m->id_count : IDS;
    for (int i = 0; i < 30 && count > 0; i++) {
        const struct known_id *known = &m->ids[chance(m, count)];
        if (known->queue == queue)
            return known->id;
    }
    return model_new_id(m, queue);
}

static void random_payload(struct model *m, struct pawl_new_job *job)
{
    size_t most = chance_of(m, 2) ? 20000 : chance_of(m, 5) ? 3000 : 40;
    if (bytes[1] == 0) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (unsigned char)((i * 2654435761u) >> 11);
        bytes[1] = 1;
    }
    job->payload_size = chance(m, most);
    job->payload = bytes + chance(m, sizeof bytes - most);
}

static void random_key(struct model *m, struct pawl_new_job *job)
{
    static const char *const keys[] = { "a", "b", "c", "user:1", "'", "%", "{}",
                                        "\xc3\xa9" };
    job->key = keys[chance(m, sizeof keys / sizeof *keys)];
    size_t kind = chance(m, 4);
    if (kind == 0)
        job->key_mode = PAWL_KEY_THROTTLE;
    if (kind <= 1)
        job->key_ttl = 1 + (pawl_duration)chance(m, 20000);
}

static struct pawl_backoff random_backoff(struct model *m)
{
    struct pawl_backoff backoff = { .kind = PAWL_BACKOFF_FIXED, .delay = 100 };
    if (chance_of(m, 50)) {
        backoff.kind = PAWL_BACKOFF_LIST;
        backoff.jitter = 10;
        backoff.delay_count = 1 + (int)chance(m, PAWL_BACKOFF_LIST_MAX);
        for (int i = 0; i < backoff.delay_count; i++)
            backoff.delays[i] = (pawl_duration)chance(m, 100000);
    }
    return backoff;
}

struct pawl_new_job model_random_job(struct model *m, int queue)
{
    static const int priorities[] = { 1, 3, 5, 5, 5, 5, 5, 10 };
    static const char *const types[] = { "", "send", "sen", "'" };
    struct pawl_new_job job = { .queue = model_queues[queue],
                                .type = types[chance(m, 4)],
                                .priority = priorities[chance(m, 8)],
                                .max_attempts = 1 + (int)chance(m, 5) };
    job.id = chance_of(m, 5) ? model_some_id(m, queue) : model_new_id(m, queue);
    random_payload(m, &job);
    if (chance_of(m, 25))
        job.delay = (pawl_duration)chance(m, 5000);
    else if (chance_of(m, 5))
        job.run_at = atomic_load(&m->clock.now) + (pawl_time)chance(m, 6000) - 3000;
    if (chance_of(m, 12))
        job.ttl = 1 + (pawl_duration)chance(m, 10000);
    if (chance_of(m, 20))
        random_key(m, &job);
    if (chance_of(m, 10))
        job.backoff = random_backoff(m);
    if (chance_of(m, 20))
        job.group = "tenant";
    if (chance_of(m, 10))
        job.timeout = 1 + (pawl_duration)chance(m, 60000);
    return job;
}

struct pawl_session model_session(int session)
{
    return (struct pawl_session){ { 's', (uint8_t)session } };
}

void same_put_results(const struct model *m, size_t count,
                      struct pawl_put_result results[SIDES][BATCH])
{
    for (int s = 1; s < m->sides; s++) {
        for (size_t i = 0; i < count; i++) {
            same_status(m, s, "put: status", results[0][i].status,
                        results[s][i].status);
            same_id(m, s, "put: id", results[0][i].id, results[s][i].id);
        }
    }
}

static void put_all(struct model *m, int session, int queue,
                     const struct sent_put *put)
{
    struct pawl_put_result results[SIDES][BATCH];
    struct pawl_error err[SIDES] = { 0 };
    enum pawl_status status[SIDES];
    struct pawl_put in = { .queue = model_queues[queue],
                           .session = model_session(session),
                           .seq = put->seq,
                           .jobs = put->jobs,
                           .job_count = put->count };
    size_t instance = chance(m, INSTANCES);
    for (int s = 0; s < m->sides; s++)
        status[s] = storage_put(m->side[s].instance[instance], &in, results[s],
                                &err[s]);
    same_answers(m, "put", status, err);
    if (status[0] >= 0)
        same_put_results(m, put->count, results);
}

struct sent_put *model_next_put(struct model *m, int session, int queue)
{
    struct sender *sender = &m->sender[session][queue];
    struct sent_put *put;
    uint64_t seq;
    if (sender->skipped_seq != 0 && chance_of(m, 50)) {
        seq = sender->skipped_seq; /* overtaken by up to SENT - 2 others */
        sender->skipped_seq = 0;
    } else {
        seq = ++sender->last_seq;
        if (sender->skipped_seq == 0 && chance_of(m, 5)) {
            sender->skipped_seq = seq;
            seq = ++sender->last_seq;
        }
    }
    if (sender->skipped_seq + SENT / 2 < sender->last_seq)
        sender->skipped_seq = 0;
    put = &sender->sent[seq % SENT];
    put->seq = seq;
    put->count = 1 + chance_large(m, 4);
    return put;
}

void op_put(struct model *m)
{
    int session = (int)chance(m, SESSIONS), queue = (int)chance(m, QUEUES);
    struct sent_put *put = model_next_put(m, session, queue);
    put->brought = false;
    for (size_t i = 0; i < put->count; i++) {
        put->jobs[i] = model_random_job(m, queue);
        if (i > 0 && chance_of(m, 3))
            put->jobs[i].id = put->jobs[chance(m, i)].id;
    }
    put_all(m, session, queue, put);
}

/* One of the last seqs again. With seqs left out, those within SENT / 2 of the
 * last are sure to be among the last SENT. */
void op_resend(struct model *m)
{
    int session = (int)chance(m, SESSIONS), queue = (int)chance(m, QUEUES);
    const struct sender *sender = &m->sender[session][queue];
    uint64_t back = chance(m, SENT / 2);
    if (sender->last_seq <= back)
        return;
    const struct sent_put *put = &sender->sent[(sender->last_seq - back) % SENT];
    if (put->seq != sender->last_seq - back)
        return;
    if (put->brought)
        model_bring_all(m, session, queue, put);
    else
        put_all(m, session, queue, put);
}
