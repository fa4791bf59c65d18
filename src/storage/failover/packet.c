/* packet.c - see packet.h. Numbers are little-endian; texts end with a NUL, so that
 * they can be pointed to where they lie. */
#include "storage/failover/packet.h"

#include <stdlib.h>
#include <string.h>

#define VERSION 1
#define NONE UINT32_MAX /* the length of a text that is NULL */

enum kind { KIND_PUT = 'p', KIND_OUTCOMES = 'o' };

/* --- writing -------------------------------------------------------------------- */

static void add_number(struct buf *out, uint64_t value, int bytes)
{
    uint8_t word[8];

    for (int i = 0; i < bytes; i++)
        word[i] = (uint8_t)(value >> 8 * i);
    buf_add(out, word, (size_t)bytes);
}

static void add_bytes(struct buf *out, const void *bytes, size_t n)
{
    add_number(out, bytes ? n : NONE, 4);
    if (bytes)
        buf_add(out, bytes, n);
    buf_add(out, "", 1);
}

static void add_text(struct buf *out, const char *text)
{
    add_bytes(out, text, text ? strlen(text) : 0);
}

static void add_backoff(struct buf *out, const struct pawl_backoff *backoff)
{
    add_number(out, (uint64_t)backoff->kind, 1);
    add_number(out, (uint64_t)backoff->delay, 8);
    add_number(out, (uint64_t)backoff->cap, 8);
    add_number(out, (uint64_t)backoff->jitter, 1);
    add_number(out, (uint64_t)backoff->delay_count, 1);
    for (int i = 0; i < backoff->delay_count; i++)
        add_number(out, (uint64_t)backoff->delays[i], 8);
}

static void add_job(struct buf *out, const struct pawl_new_job *job)
{
    buf_add(out, job->id.b, sizeof job->id.b);
    add_text(out, job->type);
    add_bytes(out, job->payload, job->payload_size);
    add_number(out, (uint64_t)job->priority, 1);
    add_number(out, (uint64_t)job->delay, 8);
    add_number(out, (uint64_t)job->run_at, 8);
    add_number(out, (uint64_t)job->ttl, 8);
    add_number(out, (uint64_t)job->max_attempts, 4);
    add_backoff(out, &job->backoff);
    add_number(out, (uint64_t)job->timeout, 8);
    add_text(out, job->key);
    add_number(out, (uint64_t)job->key_mode, 1);
    add_number(out, (uint64_t)job->key_ttl, 8);
    add_text(out, job->group);
}

static void add_head(struct buf *out, enum kind kind, const char *queue, size_t count)
{
    add_number(out, VERSION, 1);
    add_number(out, (uint64_t)kind, 1);
    add_text(out, queue);
    add_number(out, count, 4);
}

void packet_write_put(struct buf *out, const struct pawl_put *put)
{
    add_head(out, KIND_PUT, put->queue, put->job_count);
    buf_add(out, put->session.b, sizeof put->session.b);
    add_number(out, put->seq, 8);
    for (size_t i = 0; i < put->job_count; i++)
        add_job(out, &put->jobs[i]);
}

static void add_keep(struct buf *out, const struct pawl_keep *keep)
{
    add_number(out, (uint64_t)keep->age, 8);
    add_number(out, (uint64_t)keep->count, 8);
}

void packet_write_outcomes(struct buf *out, const struct pawl_exchange *exchange)
{
    add_head(out, KIND_OUTCOMES, exchange->queue, exchange->outcome_count);
    buf_add(out, exchange->owner.b, sizeof exchange->owner.b);
    add_keep(out, &exchange->retention.completed);
    add_keep(out, &exchange->retention.dead);
    add_keep(out, &exchange->retention.cancelled);
    for (size_t i = 0; i < exchange->outcome_count; i++) {
        const struct pawl_outcome *o = &exchange->outcomes[i];
        buf_add(out, o->id.b, sizeof o->id.b);
        add_number(out, o->epoch, 4);
        add_number(out, o->origin, 8);
        add_number(out, (uint64_t)o->kind, 1);
        add_number(out, (uint64_t)o->delay, 8);
        add_text(out, o->error);
        add_bytes(out, o->result, o->result_size);
    }
}

/* --- reading -------------------------------------------------------------------- */

struct reader {
    const uint8_t *at, *end;
    bool bad;
};

static const uint8_t *take(struct reader *in, size_t n)
{
    const uint8_t *at = in->at;

    if (in->bad || (size_t)(in->end - in->at) < n) {
        in->bad = true;
        return NULL;
    }
    in->at += n;
    return at;
}

static void take_into(struct reader *in, void *out, size_t n)
{
    const uint8_t *at = take(in, n);

    if (at)
        memcpy(out, at, n);
}

static uint64_t take_number(struct reader *in, int bytes)
{
    const uint8_t *at = take(in, (size_t)bytes);
    uint64_t value = 0;

    for (int i = 0; at && i < bytes; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static const void *take_bytes(struct reader *in, size_t *n)
{
    uint64_t size = take_number(in, 4);
    const uint8_t *at = take(in, (size == NONE ? 0 : size) + 1);

    *n = size == NONE ? 0 : size;
    return size == NONE ? NULL : at;
}

static const char *take_text(struct reader *in)
{
    size_t n;
    const char *text = take_bytes(in, &n);

    if (text && (text[n] != '\0' || strlen(text) != n))
        in->bad = true;
    return in->bad ? NULL : text;
}

static int take_int(struct reader *in, int bytes)
{
    return (int)(uint32_t)take_number(in, bytes);
}

static int64_t take_time(struct reader *in)
{
    return (int64_t)take_number(in, 8);
}

static void take_backoff(struct reader *in, struct pawl_backoff *backoff)
{
    backoff->kind = (enum pawl_backoff_kind)take_int(in, 1);
    backoff->delay = take_time(in);
    backoff->cap = take_time(in);
    backoff->jitter = take_int(in, 1);
    backoff->delay_count = take_int(in, 1);
    if (backoff->kind > PAWL_BACKOFF_LIST ||
        backoff->delay_count > PAWL_BACKOFF_LIST_MAX)
        in->bad = true;
    for (int i = 0; !in->bad && i < backoff->delay_count; i++)
        backoff->delays[i] = take_time(in);
}

static void take_job(struct reader *in, struct pawl_new_job *job)
{
    take_into(in, job->id.b, sizeof job->id.b);
    job->type = take_text(in);
    job->payload = take_bytes(in, &job->payload_size);
    job->priority = take_int(in, 1);
    job->delay = take_time(in);
    job->run_at = take_time(in);
    job->ttl = take_time(in);
    job->max_attempts = take_int(in, 4);
    take_backoff(in, &job->backoff);
    job->timeout = take_time(in);
    job->key = take_text(in);
    job->key_mode = (enum pawl_key_mode)take_int(in, 1);
    job->key_ttl = take_time(in);
    job->group = take_text(in);
    if (job->priority < 1 || job->priority > 10 || job->max_attempts < 1 ||
        job->key_mode > PAWL_KEY_LATEST)
        in->bad = true;
}

static void take_outcome(struct reader *in, struct pawl_outcome *o)
{
    take_into(in, o->id.b, sizeof o->id.b);
    o->epoch = (uint32_t)take_number(in, 4);
    o->origin = take_number(in, 8);
    o->kind = (enum pawl_outcome_kind)take_int(in, 1);
    o->delay = take_time(in);
    o->error = take_text(in);
    o->result = take_bytes(in, &o->result_size);
    if (o->kind > PAWL_OUTCOME_CANCELLED)
        in->bad = true;
}

static enum pawl_status read_put(struct reader *in, const char *queue, size_t count,
                                 struct packet *out)
{
    out->jobs = calloc(count ? count : 1, sizeof *out->jobs);
    if (!out->jobs)
        return PAWL_ENOMEM;
    out->put = (struct pawl_put){ .queue = queue, .jobs = out->jobs,
                                  .job_count = count };
    take_into(in, out->put.session.b, sizeof out->put.session.b);
    out->put.seq = take_number(in, 8);
    for (size_t i = 0; !in->bad && i < count; i++) {
        take_job(in, &out->jobs[i]);
        out->jobs[i].queue = queue;
    }
    return out->put.seq > 0 ? PAWL_OK : PAWL_ECORRUPT;
}

static void take_keep(struct reader *in, struct pawl_keep *keep)
{
    keep->age = take_time(in);
    keep->count = take_time(in);
}

static enum pawl_status read_outcomes(struct reader *in, const char *queue,
                                      size_t count, struct packet *out)
{
    struct pawl_exchange *exchange = &out->exchange;

    out->outcomes = calloc(count ? count : 1, sizeof *out->outcomes);
    if (!out->outcomes)
        return PAWL_ENOMEM;
    *exchange = (struct pawl_exchange){ .queue = queue, .outcomes = out->outcomes,
                                        .outcome_count = count };
    take_into(in, exchange->owner.b, sizeof exchange->owner.b);
    take_keep(in, &exchange->retention.completed);
    take_keep(in, &exchange->retention.dead);
    take_keep(in, &exchange->retention.cancelled);
    for (size_t i = 0; !in->bad && i < count; i++)
        take_outcome(in, &out->outcomes[i]);
    return PAWL_OK;
}

enum pawl_status packet_read(const void *bytes, size_t size, struct packet *out,
                             struct pawl_error *err)
{
    struct reader in = { .at = bytes, .end = (const uint8_t *)bytes + size };
    uint64_t version = take_number(&in, 1), kind = take_number(&in, 1);
    const char *queue = take_text(&in);
    uint64_t count = take_number(&in, 4);
    enum pawl_status status = PAWL_ECORRUPT;

    memset(out, 0, sizeof *out);
    if (version > VERSION)
        return pawl_error_set(err, PAWL_EFORMAT,
                              "a call that was kept is of a newer pawl; use that one");
    /* Each item has more than 16 bytes: a damaged count allocates no more than that. */
    if (!in.bad && version == VERSION && queue && count <= size / 16) {
        if (kind == KIND_PUT)
            status = read_put(&in, queue, count, out);
        else if (kind == KIND_OUTCOMES)
            status = read_outcomes(&in, queue, count, out);
    }
    if (status == PAWL_OK && (in.bad || in.at != in.end || count == 0))
        status = PAWL_ECORRUPT;
    if (status == PAWL_OK)
        return PAWL_OK;
    packet_clear(out);
    if (status == PAWL_ENOMEM)
        return pawl_error_set(err, status, "out of memory");
    return pawl_error_set(err, status, "a call that was kept is damaged");
}

void packet_clear(struct packet *packet)
{
    free(packet->jobs);
    free(packet->outcomes);
    memset(packet, 0, sizeof *packet);
}
