/* relay.c - see relay.h: hold, bring in, confirm. */
#include "storage/relay.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/openssl.h"

#define BATCH_FIRST 16 /* until it is seen how large jobs are */

/* A batch on its way. */
struct batch {
    struct relay *relay;
    const char *queue;
    struct relay_counts *counts;
    uint64_t turn;
    bool fresh; /* held by us just now: nobody can have sent it before */
    struct pawl_job *jobs[RELAY_BATCH_MAX];
    size_t count;
    struct pawl_put_result results[RELAY_BATCH_MAX];
    struct pawl_digest digests[RELAY_BATCH_MAX]; /* if relay->prove */
};

/* --- holding ------------------------------------------------------------------- */

static enum pawl_status hold(struct batch *batch, unsigned states, size_t limit,
                             struct pawl_error *err)
{
    struct pawl_take_out in = { .queue = batch->queue,
                                .mover = batch->relay->mover,
                                .kind = PAWL_TAKE_HOLD,
                                .from_states = states,
                                .limit = limit,
                                .only_new = states != 0 };
    struct pawl_take_out_reply out = { .jobs = batch->jobs };
    const char *problem = openssl_load(); /* what is held is numbered by a digest */
    enum pawl_status status;

    if (problem)
        return pawl_error_set(err, PAWL_EIO, "%s", problem);
    status = storage_take_out(batch->relay->from, &in, &out, err);
    batch->count = status < 0 ? 0 : out.job_count;
    return status;
}

/* Hold the next batch and take a turn for it. */
static enum pawl_status hold_in_turn(struct batch *batch, size_t limit,
                                     struct pawl_error *err)
{
    struct relay_turns *turns = batch->relay->turns;
    enum pawl_status status;

    relay_turns_lock(turns);
    status = hold(batch, batch->relay->states, limit, err);
    batch->turn = relay_turns_unlock(turns, batch->count > 0);
    return status;
}

/* Settle the whole batch, in one step: a part of it would come again under another
 * number. What was at `to` already has a digest of zeroes, and is not counted. */
static enum pawl_status settle(struct batch *batch, enum pawl_take_kind kind,
                               struct pawl_error *err)
{
    const struct relay *relay = batch->relay;
    struct pawl_id ids[RELAY_BATCH_MAX];
    enum pawl_status results[RELAY_BATCH_MAX];
    struct pawl_take_out in = { .queue = batch->queue,
                                .mover = relay->mover,
                                .kind = kind,
                                .ids = ids,
                                .id_count = batch->count };
    struct pawl_take_out_reply out = { .results = results };
    size_t i;

    for (i = 0; i < batch->count; i++) {
        ids[i] = batch->jobs[i]->id;
        if (batch->results[i].status == PAWL_DUPLICATE)
            batch->digests[i] = (struct pawl_digest){ { 0 } };
    }
    if (kind == PAWL_TAKE_PASS)
        in.heir = *relay->kept;
    if (relay->prove && kind != PAWL_TAKE_RELEASE)
        in.digests = batch->digests;
    return storage_take_out(relay->from, &in, &out, err);
}

static enum pawl_status digest(struct batch *batch, struct pawl_error *err)
{
    size_t i;

    for (i = 0; i < batch->count && batch->relay->prove; i++)
        if (!pawl_job_digest(batch->jobs[i], &batch->digests[i]))
            return pawl_error_set(err, PAWL_ENOMEM, "out of memory for a digest");
    return PAWL_OK;
}

static void batch_clear(struct batch *batch)
{
    while (batch->count > 0)
        pawl_job_free(batch->jobs[--batch->count]);
}

/* Ask for as many jobs next as make PAWL_HOLD_BYTES, if they are like these. */
static void adapt(struct batch *batch)
{
    size_t bytes = 0, fit, i;

    for (i = 0; i < batch->count; i++)
        bytes += 256 + batch->jobs[i]->payload_size + batch->jobs[i]->result_size;
    fit = bytes ? PAWL_HOLD_BYTES * batch->count / bytes : 1;
    if (fit > 4 * batch->count)
        fit = 4 * batch->count; /* what follows may be larger */
    if (fit > batch->relay->limit)
        fit = batch->relay->limit;
    batch->relay->now = fit ? fit : 1;
}

/* --- bringing in ---------------------------------------------------------------- */

/* The number at `to` of these jobs: of all of them, in their order. Of the first id
 * alone it would not do: an id may come a second time, in other company. `kind` tells
 * a batch from what becomes of single jobs of it. */
static struct pawl_session session_of(const struct relay *relay,
                                      struct pawl_job *const *jobs, size_t count,
                                      uint8_t kind)
{
    uint8_t words[RELAY_BATCH_MAX + 1][16], digest[EVP_MAX_MD_SIZE];
    struct pawl_session session;
    unsigned size;
    size_t i;

    memcpy(words[0], relay->mover.b, sizeof words[0]);
    words[0][0] ^= kind;
    for (i = 0; i < count; i++)
        memcpy(words[i + 1], jobs[i]->id.b, sizeof words[0]);
    if (!openssl.EVP_Digest(words, (count + 1) * sizeof words[0], digest, &size,
                            openssl.EVP_sha256(), NULL))
        abort(); /* without memory for a few bytes; another number might double jobs */
    memcpy(session.b, digest, sizeof session.b);
    return session;
}

/* `as` says under which session, and to whose tally it adds which digest. */
static enum pawl_status merge_as(const struct pawl_bring_in *as,
                                 struct pawl_storage *to, const struct pawl_job *job,
                                 struct pawl_id holder,
                                 const struct pawl_clock *clock,
                                 struct pawl_error *err)
{
    struct pawl_job_error errors[PAWL_ERRORS_KEPT];
    size_t keep = job->error_count < PAWL_ERRORS_KEPT ? job->error_count
                                                       : PAWL_ERRORS_KEPT - 1;
    struct pawl_job merged = *job;
    const struct pawl_job *jobs[] = { &merged };
    struct pawl_bring_in in = *as;
    struct pawl_put_result result;
    char id[PAWL_ID_TEXT], text[80];

    in.queue = job->queue;
    in.seq = 1;
    in.jobs = jobs;
    in.job_count = 1;

    pawl_id_format(holder, id);
    snprintf(text, sizeof text, "unique key is held by job %s", id);
    for (size_t i = 0; i < keep; i++)
        errors[i] = job->errors[job->error_count - keep + i];
    merged.state = PAWL_CANCELLED;
    merged.key = "";
    merged.key_ttl = 0;
    merged.finished_at = clock->now(clock->context);
    errors[keep] = (struct pawl_job_error){ merged.finished_at, job->attempt, text };
    merged.errors = errors;
    merged.error_count = keep + 1;
    return storage_bring_in(to, &in, &result, err);
}

enum pawl_status relay_merge(struct pawl_storage *to, const struct pawl_job *job,
                             struct pawl_id holder, struct pawl_session session,
                             const struct pawl_clock *clock, struct pawl_error *err)
{
    struct pawl_bring_in as = { .session = session };

    return merge_as(&as, to, job, holder, clock, err);
}

static enum pawl_status merge(struct batch *batch, size_t i, struct pawl_error *err)
{
    const struct relay *relay = batch->relay;
    const struct pawl_job *job = batch->jobs[i];
    struct pawl_id holder = batch->results[i].id;
    struct pawl_bring_in as = { .session = session_of(relay, &batch->jobs[i], 1, 0x80),
                                .digests = relay->prove ? &batch->digests[i] : NULL,
                                .mover = relay->mover };
    enum pawl_status status;

    status = merge_as(&as, relay->to, job, holder, relay->clock, err);
    if (status >= 0 && relay->merged)
        relay->merged(relay->context, job, holder);
    return status;
}

static enum pawl_status bring_in(struct batch *batch, struct pawl_error *err)
{
    struct pawl_bring_in in = {
        .queue = batch->queue,
        .session = session_of(batch->relay, batch->jobs, batch->count, 0),
        .seq = 1,
        .jobs = (const struct pawl_job *const *)batch->jobs,
        .job_count = batch->count,
        .digests = batch->relay->prove ? batch->digests : NULL,
        .mover = batch->relay->mover,
    };
    return storage_bring_in(batch->relay->to, &in, batch->results, err);
}

static enum pawl_status check(struct batch *batch, struct pawl_error *err)
{
    const struct relay *relay = batch->relay;
    enum pawl_status status = PAWL_OK;
    size_t i;

    for (i = 0; relay->check && i < batch->count && status >= 0; i++)
        if (batch->results[i].status == PAWL_OK)
            status = relay->check(relay->context, batch->jobs[i], err);
    return status;
}

/* Is it certain that `to` has none of the batch, now and for ever? */
static bool is_certainly_out(const struct batch *batch, enum pawl_status status)
{
    return batch->fresh && status < 0 &&
           pawl_status_class(status) == PAWL_CLASS_REJECTED;
}

static void add_up(const struct batch *batch, size_t merged)
{
    size_t i;

    for (i = 0; i < batch->count; i++)
        if (batch->results[i].status == PAWL_DUPLICATE)
            batch->counts->duplicates++;
        else
            batch->counts->moved++;
    batch->counts->merged += merged;
}

/* What is held goes over, but for settling it. */
static enum pawl_status deliver(struct batch *batch, size_t *merged,
                                struct pawl_error *err)
{
    enum pawl_status status = bring_in(batch, err);
    size_t i;

    if (is_certainly_out(batch, status)) {
        settle(batch, PAWL_TAKE_RELEASE, NULL);
        return status;
    }
    for (i = 0; i < batch->count && status >= 0; i++)
        if (batch->results[i].status == PAWL_KEY_TAKEN) {
            status = merge(batch, i, err);
            ++*merged;
        }
    return status < 0 ? status : check(batch, err);
}

static enum pawl_status carry(struct batch *batch, struct pawl_error *err)
{
    struct relay_turns *turns = batch->relay->turns;
    enum pawl_status status = digest(batch, err);
    enum pawl_status before = relay_turns_begin(turns, batch->turn, err);
    size_t merged = 0;

    if (status >= 0)
        status = before;
    if (status >= 0)
        status = deliver(batch, &merged, err);
    else if (batch->fresh)
        settle(batch, PAWL_TAKE_RELEASE, NULL); /* not sent */
    relay_turns_end(turns, status);
    if (status >= 0)
        status = settle(batch, batch->relay->kept ? PAWL_TAKE_PASS
                                                  : PAWL_TAKE_CONFIRM, err);
    if (status < 0)
        return status;
    add_up(batch, merged);
    adapt(batch);
    return PAWL_OK;
}

enum pawl_status relay_resume(struct relay *relay, const char *queue,
                              struct relay_counts *counts, struct pawl_error *err)
{
    struct batch batch = { .relay = relay, .queue = queue, .counts = counts };
    enum pawl_status status;

    do {
        status = hold(&batch, 0, RELAY_BATCH_MAX, err);
        if (status < 0 || batch.count == 0)
            return status;
        status = carry(&batch, err);
        batch_clear(&batch);
    } while (status >= 0);
    return status;
}

enum pawl_status relay_next(struct relay *relay, const char *queue,
                            struct relay_counts *counts, struct pawl_error *err)
{
    struct batch batch = { .relay = relay, .queue = queue, .counts = counts,
                           .fresh = true };
    size_t limit = relay->now ? relay->now : BATCH_FIRST;
    enum pawl_status status;

    assert(relay->limit >= 1 && relay->limit <= RELAY_BATCH_MAX);
    status = hold_in_turn(&batch, limit < relay->limit ? limit : relay->limit, err);
    if (status < 0)
        return status;
    if (batch.count == 0)
        return PAWL_EMPTY;
    status = carry(&batch, err);
    batch_clear(&batch);
    return status;
}
