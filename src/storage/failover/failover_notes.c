/* failover_notes.c - calls that the primary did not answer, kept in the spool until it
 * does: jobs of reserved queues, whose payload is the call (packet.h). So there is no
 * second format, and what holds for jobs holds for them. */
#include <stdlib.h>
#include <string.h>

#include "storage/failover/failover_internal.h"
#include "storage/relay.h"
#include "util/clock.h"

#define NOTE_MAX ((size_t)256 << 20) /* bytes of one */
#define NOTE_TRIES 3
#define HOLD_MOST 8 /* notes in the hand at once: each may be large */

static const struct pawl_session note_mover = { "pawl-failover\0\0\001" };

/* --- keeping -------------------------------------------------------------------- */

static enum pawl_status note(struct failover *f, const char *queue, struct buf *packet,
                             struct pawl_error *err)
{
    struct pawl_new_job job = {
        .queue = queue, .type = "", .payload = packet->data,
        .payload_size = packet->len, .priority = 1, .max_attempts = 1,
        .id = pawl_id_new(queue, clock_wall_ms()),
    };
    struct pawl_put put = { .queue = queue, .session = f->note_session,
                            .seq = atomic_fetch_add(&f->note_seq, 1) + 1,
                            .jobs = &job, .job_count = 1 };
    struct pawl_put_result result;
    enum pawl_status status = PAWL_EUNKNOWN;

    if (packet->failed)
        status = pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    for (int i = 0; i < NOTE_TRIES && status == PAWL_EUNKNOWN; i++)
        status = storage_put(f->spool, &put, &result, err);
    buf_clear(packet);
    if (status >= 0) {
        breaker_refilled(&f->breaker);
        failover_heed(f);
    }
    return status;
}

enum pawl_status failover_note_put(struct failover *f, const struct pawl_put *put,
                                   struct pawl_error *err)
{
    struct buf packet;

    buf_init(&packet, NOTE_MAX);
    packet_write_put(&packet, put);
    return note(f, FAILOVER_SENT, &packet, err);
}

enum pawl_status failover_note_outcomes(struct failover *f,
                                        const struct pawl_exchange *exchange,
                                        struct pawl_error *err)
{
    struct buf packet;

    buf_init(&packet, NOTE_MAX);
    packet_write_outcomes(&packet, exchange);
    return note(f, FAILOVER_OUTCOMES, &packet, err);
}

/* How long it was kept. */
static pawl_duration since(const struct failover *f, const struct pawl_job *note)
{
    pawl_duration passed = f->config.clock.now(f->config.clock.context) -
                           note->enqueued_at;

    return passed > 0 ? passed : 0;
}

/* What is left of a length of time; at least 1, as 0 means none. */
static pawl_duration less(pawl_duration time, pawl_duration passed)
{
    return time == 0 ? 0 : time > passed ? time - passed : 1;
}

/* --- delivering: outcomes ------------------------------------------------------- */

static enum pawl_status deliver_outcomes(struct failover *f, struct pawl_storage *to,
                                         const struct packet *packet,
                                         const struct pawl_job *note,
                                         struct pawl_error *err)
{
    const struct pawl_exchange *exchange = &packet->exchange;
    enum pawl_status *results = calloc(exchange->outcome_count, sizeof *results);
    struct pawl_exchange_reply reply = { .outcomes = results };
    enum pawl_status status;
    size_t stale = 0;

    if (!results)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    for (size_t i = 0; i < exchange->outcome_count; i++)
        packet->outcomes[i].delay = less(packet->outcomes[i].delay, since(f, note));
    status = storage_exchange(to, exchange, &reply, err);
    for (size_t i = 0; i < exchange->outcome_count && status >= 0; i++)
        stale += results[i] == PAWL_STALE;
    free(results);
    if (stale > 0)
        failover_log(f, PAWL_LOG_WARN, "outcome-stale",
                     "%zu outcomes in queue '%s' came back too late: others have "
                     "those jobs by now", stale, exchange->queue);
    return status;
}

/* --- delivering: puts ----------------------------------------------------------- */

/* What was meant from then on is meant from then on still. */
static void age(struct pawl_new_job *job, const struct pawl_job *note,
                pawl_duration passed)
{
    if (job->delay > 0) {
        job->run_at = note->enqueued_at + job->delay;
        job->delay = 0;
    }
    job->ttl = less(job->ttl, passed);
    job->key_ttl = less(job->key_ttl, passed);
}

/* Their key is another's there: they are not lost without a word. */
static enum pawl_status merge_refused(struct failover *f, struct pawl_storage *to,
                                      const struct packet *packet,
                                      const struct pawl_job *note,
                                      const struct pawl_put_result *results,
                                      struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;

    for (size_t i = 0; i < packet->put.job_count && status >= 0; i++) {
        struct pawl_job job = failover_kept_job(&packet->jobs[i], note);
        struct pawl_session session;
        if (results[i].status != PAWL_KEY_TAKEN)
            continue;
        memcpy(session.b, job.id.b, sizeof session.b);
        session.b[0] ^= 0x80;
        status = relay_merge(to, &job, results[i].id, session, &f->config.clock, err);
        if (status >= 0)
            failover_tell_merged(f, &job, results[i].id);
    }
    return status;
}

static enum pawl_status deliver_put(struct failover *f, struct pawl_storage *to,
                                    struct packet *packet, const struct pawl_job *note,
                                    struct pawl_error *err)
{
    size_t count = packet->put.job_count;
    struct pawl_put_result *results = calloc(count, sizeof *results);
    enum pawl_status status;

    if (!results)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        age(&packet->jobs[i], note, since(f, note));
    status = storage_put(to, &packet->put, results, err);
    if (status >= 0)
        status = merge_refused(f, to, packet, note, results, err);
    free(results);
    return status;
}

/* --- delivering ----------------------------------------------------------------- */

static enum pawl_status settle(struct failover *f, const char *queue,
                               enum pawl_take_kind kind, struct pawl_id id,
                               struct pawl_error *err)
{
    enum pawl_status result;
    struct pawl_take_out in = { .queue = queue, .mover = note_mover, .kind = kind,
                                .ids = &id, .id_count = 1 };
    struct pawl_take_out_reply out = { .results = &result };

    return storage_take_out(f->spool, &in, &out, err);
}

/* One that cannot be read must not stop the others: it is set aside as cancelled. */
static enum pawl_status set_aside(struct failover *f, const char *queue,
                                  const struct pawl_job *note,
                                  const struct pawl_error *why)
{
    struct pawl_alter alter = { .queue = queue, .kind = PAWL_ALTER_CANCEL,
                                .from_states = PAWL_STATE_BIT(PAWL_PENDING),
                                .ids = &note->id, .id_count = 1 };
    enum pawl_status result;
    struct pawl_alter_reply reply = { .results = &result };
    char id[PAWL_ID_TEXT];

    pawl_id_format(note->id, id);
    failover_log(f, PAWL_LOG_ERROR, "spool-damaged",
                 "%s: %s; it is set aside there, as job %s", f->spool->where,
                 why->message, id);
    settle(f, queue, PAWL_TAKE_RELEASE, note->id, NULL);
    return storage_alter(f->spool, &alter, &reply, NULL);
}

static enum pawl_status make_call(struct failover *f, struct pawl_storage *to,
                                  struct packet *call, const struct pawl_job *note,
                                  uint64_t *done, struct pawl_error *err)
{
    *done += call->put.job_count + call->exchange.outcome_count;
    return call->put.queue ? deliver_put(f, to, call, note, err)
                           : deliver_outcomes(f, to, call, note, err);
}

/* It is over there and gone here, or set aside since it never will be, or left held for
 * the next round: its queue is stuck, or a newer pawl must deliver it. */
static enum pawl_status deliver_one(struct failover *f, struct pawl_storage *to,
                                    const char *queue, const struct pawl_job *note,
                                    uint64_t *done, struct pawl_error *err)
{
    struct packet call;
    struct pawl_error own = { 0 };
    enum pawl_status status = packet_read(note->payload, note->payload_size, &call,
                                          &own);
    const char *whose;

    if (status == PAWL_ECORRUPT)
        return set_aside(f, queue, note, &own);
    if (status == PAWL_EFORMAT) {
        failover_tell_refused(f, &f->refused, &own);
        if (f->stuck.status == PAWL_OK)
            f->stuck = own;
        return PAWL_OK;
    }
    if (status < 0) {
        *err = own;
        return status;
    }
    whose = call.put.queue ? call.put.queue : call.exchange.queue;
    if (!failover_is_stuck(f, whose)) {
        status = make_call(f, to, &call, note, done, &own);
        if (status == PAWL_ETOOOLD)
            status = set_aside(f, queue, note, &own);
        else if (status < 0)
            status = failover_stuck(f, to, whose, &own, err);
        else {
            failover_unstuck(f, whose);
            status = settle(f, queue, PAWL_TAKE_CONFIRM, note->id, err);
        }
    }
    packet_clear(&call);
    return status;
}

/* The next few, in their order, but for those that this round has left. */
static enum pawl_status hold(struct failover *f, const char *queue, bool left,
                             struct pawl_job **notes, size_t *count,
                             struct pawl_error *err)
{
    struct pawl_take_out in = { .queue = queue, .mover = note_mover,
                                .kind = PAWL_TAKE_HOLD, .limit = HOLD_MOST,
                                .from_states = left ? 0 : PAWL_STATE_BIT(PAWL_PENDING),
                                .only_new = !left };
    struct pawl_take_out_reply out = { .jobs = notes };
    enum pawl_status status = storage_take_out(f->spool, &in, &out, err);

    *count = status < 0 ? 0 : out.job_count;
    return status;
}

static enum pawl_status deliver_from(struct failover *f, struct pawl_storage *to,
                                     const char *queue, uint64_t *done,
                                     struct pawl_error *err)
{
    struct pawl_job *notes[HOLD_MOST];
    size_t count;
    enum pawl_status status = hold(f, queue, false, notes, &count, err);

    for (size_t i = 0; i < count; i++) {
        if (status >= 0)
            status = deliver_one(f, to, queue, notes[i], done, err);
        pawl_job_free(notes[i]);
    }
    return status < 0 ? status : count == 0 ? PAWL_EMPTY : PAWL_OK;
}

enum pawl_status failover_deliver(struct failover *f, struct pawl_storage *to,
                                  uint64_t *done, struct pawl_error *err)
{
    /* Outcomes first: the leases of their jobs run out. */
    enum pawl_status status = deliver_from(f, to, FAILOVER_OUTCOMES, done, err);

    return status == PAWL_EMPTY ? deliver_from(f, to, FAILOVER_SENT, done, err)
                                : status;
}

/* They stand where they stood: what is held again comes in the same order. */
static enum pawl_status let_go(struct failover *f, const char *queue,
                               struct pawl_error *err)
{
    struct pawl_job *notes[HOLD_MOST];
    size_t count;
    enum pawl_status status;

    do {
        status = hold(f, queue, true, notes, &count, err);
        for (size_t i = 0; i < count; i++) {
            if (status >= 0)
                status = settle(f, queue, PAWL_TAKE_RELEASE, notes[i]->id, err);
            pawl_job_free(notes[i]);
        }
    } while (status >= 0 && count > 0);
    return status;
}

enum pawl_status failover_take_up(struct failover *f, struct pawl_error *err)
{
    enum pawl_status status = let_go(f, FAILOVER_OUTCOMES, err);

    if (status >= 0)
        status = let_go(f, FAILOVER_SENT, err);
    return status < 0 ? status : PAWL_OK;
}
