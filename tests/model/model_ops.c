/* model_ops.c - random calls on what is stored, made on all sides. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

static const char *random_queue(struct model *m)
{
    return model_queues[chance(m, QUEUES)];
}

struct pawl_retention model_retention(struct model *m)
{
    struct pawl_retention r;
    struct pawl_keep *keeps[] = { &r.completed, &r.dead, &r.cancelled };
    for (int i = 0; i < 3; i++) {
        keeps[i]->age = chance_of(m, 2)    ? 0
                        : chance_of(m, 20) ? -1
                                           : m->scale->keep *
                                                 (20000 + (int64_t)chance(m, 40000));
        keeps[i]->count = chance_of(m, 2)    ? 0
                          : chance_of(m, 20) ? -1
                                             : m->scale->keep *
                                                   (5 + (int64_t)chance(m, 20));
    }
    return r;
}

/* --- exchange and renew --------------------------------------------------------- */

static struct known_claim *random_claim(struct model *m)
{
    size_t most = m->scale->claims;
    size_t count = m->claim_count < most ? m->claim_count : most;
    if (count == 0)
        return NULL;
    size_t recent = count < m->scale->batch ? count : m->scale->batch;
    size_t back = chance(m, chance_of(m, 85) ? recent : count);
    return &m->claims[(m->claim_count - 1 - back) % CLAIMS];
}

static void random_outcome(struct model *m, struct pawl_outcome *outcome)
{
    static const char *const errors[] = { NULL, "", "broke", "'; --",
                                          "a longer text: \xc3\xa9\xf0\x9f\x90\xbe" };
    static const char results[] = "a result\0with more behind it";
    static const enum pawl_outcome_kind kinds[] = {
        PAWL_OUTCOME_COMPLETED, PAWL_OUTCOME_COMPLETED, PAWL_OUTCOME_COMPLETED,
        PAWL_OUTCOME_RETRY,     PAWL_OUTCOME_RETRY,     PAWL_OUTCOME_DEAD,
        PAWL_OUTCOME_SNOOZED,   PAWL_OUTCOME_RELEASED,  PAWL_OUTCOME_CANCELLED,
    };
    memset(outcome, 0, sizeof *outcome);
    outcome->kind = kinds[chance(m, sizeof kinds / sizeof *kinds)];
    if (outcome->kind == PAWL_OUTCOME_RETRY || outcome->kind == PAWL_OUTCOME_SNOOZED)
        outcome->delay = chance_of(m, 10) ? 0 : (pawl_duration)chance(m, 3000);
    if (outcome->kind == PAWL_OUTCOME_COMPLETED && chance_of(m, 50)) {
        outcome->result = results;
        outcome->result_size = chance(m, sizeof results);
    } else {
        outcome->error = errors[chance(m, 5)];
    }
}

/* Fill outcome arrays for all sides: mostly good ones of this owner's claims,
 * some written already, some of others, some of another epoch. */
static size_t random_outcomes(struct model *m, const struct pawl_owner *owner,
                              struct pawl_outcome outcomes[SIDES][BATCH],
                              int *queue)
{
    size_t wanted = chance_large(m, 8), count = 0;
    for (size_t tries = 0; count < wanted && tries < 60 + 2 * wanted; tries++) {
        struct known_claim *claim = random_claim(m);
        if (claim == NULL)
            break;
        if (count == 0)
            *queue = claim->queue;
        bool ours = memcmp(&claim->owner, owner, sizeof *owner) == 0;
        if ((!ours && !chance_of(m, 4)) ||
            (claim->queue != *queue && !chance_of(m, 2)))
            continue;
        struct pawl_outcome outcome;
        if (claim->written && chance_of(m, 80))
            outcome = claim->outcome;
        else
            random_outcome(m, &outcome);
        if (ours && !claim->written) {
            claim->written = true;
            claim->outcome = outcome;
        }
        outcome.id = claim->id;
        outcome.epoch = claim->epoch + (chance_of(m, 3) ? 1 : 0);
        for (int s = 0; s < m->sides; s++) {
            outcome.origin = chance_of(m, 1) ? 0 : claim->origin[s];
            outcomes[s][count] = outcome;
        }
        count++;
    }
    return count;
}

static void remember_claims(struct model *m, const struct pawl_exchange_reply *reply,
                            const struct pawl_owner *owner, int instance, int queue)
{
    for (size_t i = 0; i < reply[0].job_count; i++) {
        const struct pawl_job *job = reply[0].jobs[i];
        struct known_claim *claim = &m->claims[m->claim_count++ % CLAIMS];
        memset(claim, 0, sizeof *claim);
        claim->id = job->id;
        claim->owner = *owner;
        claim->epoch = job->epoch;
        claim->instance = instance;
        claim->queue = queue;
        for (int s = 0; s < m->sides; s++)
            claim->origin[s] = reply[s].jobs[i]->origin;
    }
}

static void same_exchange(const struct model *m, int s, size_t outcome_count,
                          const struct pawl_exchange_reply *memory,
                          const struct pawl_exchange_reply *other)
{
    for (size_t i = 0; i < outcome_count; i++)
        same_status(m, s, "exchange: outcome", memory->outcomes[i],
                    other->outcomes[i]);
    same_number(m, s, "exchange: job_count", (int64_t)memory->job_count,
                (int64_t)other->job_count);
    same_number(m, s, "exchange: paused", memory->paused, other->paused);
    same_number(m, s, "exchange: next_at", memory->next_at, other->next_at);
    for (size_t i = 0; i < memory->job_count; i++)
        same_job(m, s, memory->jobs[i], other->jobs[i]);
}

void op_exchange(struct model *m)
{
    const size_t claim_max[] = { 0, 0, 1, 1, 2, 3, 8, m->scale->batch / 2 };
    struct pawl_outcome outcomes[SIDES][BATCH];
    enum pawl_status results[SIDES][BATCH];
    struct pawl_job *jobs[SIDES][BATCH];
    struct pawl_exchange_reply reply[SIDES];
    struct pawl_error err[SIDES] = { 0 };
    enum pawl_status status[SIDES];
    int instance = (int)chance(m, INSTANCES), queue = (int)chance(m, QUEUES);
    struct pawl_owner owner = m->owner[instance][chance(m, OWNERS)];
    size_t count = random_outcomes(m, &owner, outcomes, &queue);
    struct pawl_exchange in = { .queue = model_queues[queue],
                                .owner = owner,
                                .outcome_count = count,
                                .claim_max = claim_max[chance(m, 8)],
                                .lease = chance_of(m, 20) ? 1000 : 30000,
                                .retention = model_retention(m) };
    for (int s = 0; s < m->sides; s++) {
        in.outcomes = outcomes[s];
        reply[s] = (struct pawl_exchange_reply){ .outcomes = results[s],
                                                 .jobs = jobs[s] };
        status[s] = storage_exchange(m->side[s].instance[instance], &in, &reply[s],
                                     &err[s]);
    }
    same_answers(m, "exchange", status, err);
    for (int s = 1; s < m->sides; s++)
        same_exchange(m, s, count, &reply[0], &reply[s]);
    remember_claims(m, reply, &owner, instance, queue);
    for (int s = 0; s < m->sides; s++)
        for (size_t i = 0; i < reply[s].job_count; i++)
            pawl_job_free(jobs[s][i]);
}

void op_renew(struct model *m)
{
    struct pawl_lease_ref leases[SIDES][BATCH];
    enum pawl_status results[SIDES][BATCH], status[SIDES];
    struct pawl_error err[SIDES] = { 0 };
    size_t count = 0, wanted = 1 + chance_large(m, 6);
    const struct known_claim *first = random_claim(m);
    if (first == NULL)
        return;
    for (size_t tries = 0; count < wanted && tries < 20 + wanted; tries++) {
        const struct known_claim *claim = count == 0 ? first : random_claim(m);
        if (claim->queue != first->queue && !chance_of(m, 2))
            continue;
        for (int s = 0; s < m->sides; s++)
            leases[s][count] = (struct pawl_lease_ref){ claim->id, claim->epoch,
                                                        claim->origin[s] };
        count++;
    }
    struct pawl_renew in = { .queue = model_queues[first->queue],
                             .owner = first->owner,
                             .lease_count = count,
                             .lease = 500 + (pawl_duration)chance(m, 30000) };
    for (int s = 0; s < m->sides; s++) {
        in.leases = leases[s];
        status[s] = storage_renew(m->side[s].instance[first->instance], &in,
                                  results[s], &err[s]);
    }
    same_answers(m, "renew", status, err);
    for (int s = 1; s < m->sides; s++) {
        for (size_t i = 0; i < count; i++)
            same_status(m, s, "renew: result", results[0][i], results[s][i]);
    }
}

/* --- sweep -------------------------------------------------------------------------- */

static void same_sweep(const struct model *m, int s,
                       const struct pawl_sweep_reply *memory,
                       const struct pawl_sweep_reply *other)
{
    same_number(m, s, "sweep: promoted", (int64_t)memory->promoted,
                (int64_t)other->promoted);
    same_number(m, s, "sweep: recovered", (int64_t)memory->recovered,
                (int64_t)other->recovered);
    same_number(m, s, "sweep: killed", (int64_t)memory->killed,
                (int64_t)other->killed);
    same_number(m, s, "sweep: expired", (int64_t)memory->expired,
                (int64_t)other->expired);
    same_number(m, s, "sweep: removed", (int64_t)memory->removed,
                (int64_t)other->removed);
    same_number(m, s, "sweep: more", memory->more, other->more);
    same_number(m, s, "sweep: next_at", memory->next_at, other->next_at);
}

void op_sweep(struct model *m)
{
    struct pawl_sweep_reply reply[SIDES];
    struct pawl_error err[SIDES] = { 0 };
    enum pawl_status status[SIDES];
    size_t instance = chance(m, INSTANCES);
    struct pawl_sweep in = { .queue = random_queue(m),
                             .limit = 2000,
                             .max_crashes = 3,
                             .retention = model_retention(m) };
    for (int s = 0; s < m->sides; s++)
        status[s] = storage_sweep(m->side[s].instance[instance], &in, &reply[s],
                                  &err[s]);
    same_answers(m, "sweep", status, err);
    for (int s = 1; s < m->sides; s++)
        same_sweep(m, s, &reply[0], &reply[s]);
}

/* --- alter --------------------------------------------------------------------------- */

static struct pawl_alter_reply alter_all(struct model *m, const struct pawl_alter *in)
{
    enum pawl_status results[SIDES][BATCH], status[SIDES];
    struct pawl_alter_reply reply[SIDES];
    struct pawl_error err[SIDES] = { 0 };
    size_t instance = chance(m, INSTANCES);
    for (int s = 0; s < m->sides; s++) {
        reply[s] = (struct pawl_alter_reply){
            .results = in->ids == NULL ? NULL : results[s]
        };
        status[s] = storage_alter(m->side[s].instance[instance], in, &reply[s],
                                  &err[s]);
    }
    same_answers(m, "alter", status, err);
    for (int s = 1; s < m->sides; s++) {
        for (size_t i = 0; i < in->id_count; i++)
            same_status(m, s, "alter: result", results[0][i], results[s][i]);
        same_number(m, s, "alter: changed", (int64_t)reply[0].changed,
                    (int64_t)reply[s].changed);
        reply[0].more |= reply[s].more;
    }
    reply[0].results = NULL;
    return reply[0];
}

static const unsigned any_from =
    PAWL_STATE_BIT(PAWL_SCHEDULED) | PAWL_STATE_BIT(PAWL_PENDING) |
    PAWL_STATE_BIT(PAWL_PROCESSING) | PAWL_STATE_BIT(PAWL_FAILED) |
    PAWL_STATE_BIT(PAWL_COMPLETED) | PAWL_STATE_BIT(PAWL_DEAD) |
    PAWL_STATE_BIT(PAWL_CANCELLED);

static struct pawl_alter random_alter(struct model *m)
{
    static const enum pawl_alter_kind kinds[] = {
        PAWL_ALTER_RUN, PAWL_ALTER_CANCEL, PAWL_ALTER_REMOVE,
        PAWL_ALTER_REPRIORITISE
    };
    struct pawl_alter in = { .queue = random_queue(m),
                             .kind = kinds[chance(m, 4)],
                             .from_states = any_from & (unsigned)chance_next(m),
                             .fresh_start = chance_of(m, 50),
                             .priority = 1 + (int)chance(m, 10) };
    if (chance_of(m, 60))
        in.from_states = any_from;
    return in;
}

void op_alter_named(struct model *m)
{
    struct pawl_id ids[BATCH];
    struct pawl_alter in = random_alter(m);
    int queue = (int)chance(m, QUEUES);
    in.queue = model_queues[queue];
    in.ids = ids;
    in.id_count = 1 + chance_large(m, 4);
    for (size_t i = 0; i < in.id_count; i++) {
        const struct known_claim *claim = random_claim(m);
        if (chance_of(m, 2))
            ids[i] = model_new_id(m, queue);
        else if (claim != NULL && chance_of(m, 30))
            ids[i] = claim->id;
        else
            ids[i] = model_some_id(m, queue);
    }
    alter_all(m, &in);
}

void op_alter_matching(struct model *m)
{
    struct pawl_alter in = random_alter(m);
    in.limit = chance_of(m, 30) ? 1 + chance(m, 5) : 2000;
    in.type = chance_of(m, 60) ? "send" : chance_of(m, 50) ? "" : NULL;
    in.older_than = chance_of(m, 60) ? (pawl_duration)chance(m, 20000) : 0;
    for (int turn = 0; turn < 2000 && alter_all(m, &in).more; turn++)
        continue;
}

void op_alter_queue(struct model *m)
{
    static const enum pawl_alter_kind kinds[] = {
        PAWL_ALTER_PAUSE, PAWL_ALTER_RESUME, PAWL_ALTER_RESUME,
        PAWL_ALTER_RESUME, PAWL_ALTER_RETENTION
    };
    struct pawl_alter in = { .queue = random_queue(m),
                             .kind = kinds[chance(m, 5)],
                             .retention = model_retention(m) };
    alter_all(m, &in);
}

/* --- get, list, dump ---------------------------------------------------------------------- */

void op_get(struct model *m)
{
    struct pawl_job *jobs[SIDES] = { NULL };
    struct pawl_error err[SIDES] = { 0 };
    enum pawl_status status[SIDES];
    int queue = (int)chance(m, QUEUES);
    struct pawl_id id = model_some_id(m, queue);
    const char *name = chance_of(m, 50)   ? NULL
                       : chance_of(m, 90) ? model_queues[queue]
                                          : random_queue(m);
    size_t instance = chance(m, INSTANCES);
    for (int s = 0; s < m->sides; s++)
        status[s] =
            storage_get(m->side[s].instance[instance], name, id, &jobs[s], &err[s]);
    same_answers(m, "get", status, err);
    for (int s = 1; s < m->sides && status[0] == PAWL_OK; s++)
        same_job(m, s, jobs[0], jobs[s]);
    for (int s = 0; s < m->sides; s++)
        pawl_job_free(jobs[s]);
}

struct whole_list {
    struct pawl_job **jobs;
    size_t count, room;
};

static void list_whole(struct model *m, int s, size_t instance,
                       struct pawl_list in, struct whole_list *out)
{
    struct pawl_list_reply reply;
    struct pawl_error err = { 0 };
    do {
        if (out->count + in.limit > out->room) {
            out->room = 2 * out->room + in.limit;
            out->jobs = realloc(out->jobs, out->room * sizeof(struct pawl_job *));
        }
        reply = (struct pawl_list_reply){ .jobs = out->jobs + out->count };
        same_status(m, s, "list", PAWL_OK,
                    storage_list(m->side[s].instance[instance], &in, &reply, &err));
        out->count += reply.job_count;
        in.after = reply.next;
    } while (reply.next.set);
}

static int by_id(const void *left, const void *right)
{
    const struct pawl_job *const *a = left, *const *b = right;
    return memcmp(&(*a)->id, &(*b)->id, sizeof(struct pawl_id));
}

/* All jobs of a state, through pages of any size. The order of those that are
 * processing is each storage's own. */
static size_t compare_lists(struct model *m, struct pawl_list in)
{
    struct whole_list lists[SIDES] = { { .jobs = NULL } };
    size_t instance = chance(m, INSTANCES);
    for (int s = 0; s < m->sides; s++) {
        list_whole(m, s, instance, in, &lists[s]);
        if (in.state == PAWL_PROCESSING && lists[s].count > 0)
            qsort(lists[s].jobs, lists[s].count, sizeof(struct pawl_job *), by_id);
    }
    for (int s = 1; s < m->sides; s++) {
        same_number(m, s, "list: jobs", (int64_t)lists[0].count,
                    (int64_t)lists[s].count);
        for (size_t i = 0; i < lists[0].count; i++)
            same_job(m, s, lists[0].jobs[i], lists[s].jobs[i]);
    }
    size_t count = lists[0].count;
    for (int s = 0; s < m->sides; s++) {
        for (size_t i = 0; i < lists[s].count; i++)
            pawl_job_free(lists[s].jobs[i]);
        free(lists[s].jobs);
    }
    return count;
}

void op_list(struct model *m)
{
    struct pawl_list in = { .queue = random_queue(m),
                            .state = (enum pawl_state)(1 + chance(m, 9)),
                            .limit = 1 + chance_large(m, 20) };
    if (chance_of(m, 30))
        in.type = "send";
    compare_lists(m, in);
}

static void compare_stats(struct model *m, const char *queue)
{
    struct pawl_stats *stats[SIDES] = { NULL };
    struct pawl_error err[SIDES] = { 0 };
    enum pawl_status status[SIDES];
    size_t instance = chance(m, INSTANCES);
    for (int s = 0; s < m->sides; s++)
        status[s] = storage_stats(m->side[s].instance[instance], queue, &stats[s],
                                  &err[s]);
    same_answers(m, "stats", status, err);
    for (int s = 1; s < m->sides && status[0] == PAWL_OK; s++)
        same_stats(m, s, stats[0], stats[s]);
    for (int s = 0; s < m->sides; s++)
        pawl_stats_free(stats[s]);
}

void op_dump(struct model *m)
{
    m->job_count = 0;
    compare_stats(m, NULL);
    for (int queue = 0; queue < QUEUES; queue++) {
        compare_stats(m, model_queues[queue]);
        for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++) {
            struct pawl_list in = { .queue = model_queues[queue],
                                    .state = (enum pawl_state)state,
                                    .limit = 50 + chance(m, 450) };
            m->job_count += compare_lists(m, in);
        }
    }
}
