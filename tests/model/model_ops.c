/* model_ops.c - random calls on what is stored, made on both sides. */
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
                                           : 20000 + (int64_t)chance(m, 40000);
        keeps[i]->count = chance_of(m, 2)    ? 0
                          : chance_of(m, 20) ? -1
                                             : 5 + (int64_t)chance(m, 20);
    }
    return r;
}

/* --- exchange and renew --------------------------------------------------------- */

static struct known_claim *random_claim(struct model *m)
{
    size_t count = m->claim_count < CLAIMS ? m->claim_count : CLAIMS;
    if (count == 0)
        return NULL;
    size_t recent = count < 40 ? count : 40;
    if (chance_of(m, 85))
        return &m->claims[(m->claim_count - 1 - chance(m, recent)) % CLAIMS];
    return &m->claims[chance(m, count)];
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

/* Fill outcome arrays for both sides: mostly good ones of this owner's claims,
 * some written already, some of others, some of another epoch. */
static size_t random_outcomes(struct model *m, const struct pawl_owner *owner,
                              struct pawl_outcome outcomes[SIDES][BATCH],
                              int *queue)
{
    size_t wanted = chance(m, 8), count = 0;
    for (int tries = 0; count < wanted && tries < 60; tries++) {
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
        for (int s = 0; s < SIDES; s++) {
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
        for (int s = 0; s < SIDES; s++)
            claim->origin[s] = reply[s].jobs[i]->origin;
    }
}

void op_exchange(struct model *m)
{
    static const size_t claim_max[] = { 0, 0, 1, 1, 2, 3, 8, 20 };
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
    for (int s = 0; s < SIDES; s++) {
        in.outcomes = outcomes[s];
        reply[s] = (struct pawl_exchange_reply){ .outcomes = results[s],
                                                 .jobs = jobs[s] };
        status[s] = storage_exchange(m->side[s].instance[instance], &in, &reply[s],
                                     &err[s]);
    }
    same_answer(m, "exchange", status, err);
    for (size_t i = 0; i < count; i++)
        same_status(m, "exchange: outcome", results[0][i], results[1][i]);
    same_number(m, "exchange: job_count", (int64_t)reply[0].job_count,
                (int64_t)reply[1].job_count);
    same_number(m, "exchange: paused", reply[0].paused, reply[1].paused);
    same_number(m, "exchange: next_at", reply[0].next_at, reply[1].next_at);
    for (size_t i = 0; i < reply[0].job_count; i++)
        same_job(m, jobs[0][i], jobs[1][i]);
    remember_claims(m, reply, &owner, instance, queue);
    for (int s = 0; s < SIDES; s++)
        for (size_t i = 0; i < reply[s].job_count; i++)
            pawl_job_free(jobs[s][i]);
}

void op_renew(struct model *m)
{
    struct pawl_lease_ref leases[SIDES][BATCH];
    enum pawl_status results[SIDES][BATCH], status[SIDES];
    struct pawl_error err[SIDES] = { 0 };
    size_t count = 0, wanted = 1 + chance(m, 6);
    const struct known_claim *first = random_claim(m);
    if (first == NULL)
        return;
    for (int tries = 0; count < wanted && tries < 20; tries++) {
        const struct known_claim *claim = count == 0 ? first : random_claim(m);
        if (claim->queue != first->queue && !chance_of(m, 2))
            continue;
        for (int s = 0; s < SIDES; s++)
            leases[s][count] = (struct pawl_lease_ref){ claim->id, claim->epoch,
                                                        claim->origin[s] };
        count++;
    }
    struct pawl_renew in = { .queue = model_queues[first->queue],
                             .owner = first->owner,
                             .lease_count = count,
                             .lease = 500 + (pawl_duration)chance(m, 30000) };
    for (int s = 0; s < SIDES; s++) {
        in.leases = leases[s];
        status[s] = storage_renew(m->side[s].instance[first->instance], &in,
                                  results[s], &err[s]);
    }
    same_answer(m, "renew", status, err);
    for (size_t i = 0; i < count; i++)
        same_status(m, "renew: result", results[0][i], results[1][i]);
}

/* --- sweep -------------------------------------------------------------------------- */

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
    for (int s = 0; s < SIDES; s++)
        status[s] = storage_sweep(m->side[s].instance[instance], &in, &reply[s],
                                  &err[s]);
    same_answer(m, "sweep", status, err);
    same_number(m, "sweep: promoted", (int64_t)reply[0].promoted,
                (int64_t)reply[1].promoted);
    same_number(m, "sweep: recovered", (int64_t)reply[0].recovered,
                (int64_t)reply[1].recovered);
    same_number(m, "sweep: killed", (int64_t)reply[0].killed,
                (int64_t)reply[1].killed);
    same_number(m, "sweep: expired", (int64_t)reply[0].expired,
                (int64_t)reply[1].expired);
    same_number(m, "sweep: removed", (int64_t)reply[0].removed,
                (int64_t)reply[1].removed);
    same_number(m, "sweep: more", reply[0].more, reply[1].more);
    same_number(m, "sweep: next_at", reply[0].next_at, reply[1].next_at);
}

/* --- alter --------------------------------------------------------------------------- */

static struct pawl_alter_reply alter_both(struct model *m, const struct pawl_alter *in)
{
    enum pawl_status results[SIDES][BATCH], status[SIDES];
    struct pawl_alter_reply reply[SIDES];
    struct pawl_error err[SIDES] = { 0 };
    size_t instance = chance(m, INSTANCES);
    for (int s = 0; s < SIDES; s++) {
        reply[s] = (struct pawl_alter_reply){
            .results = in->ids == NULL ? NULL : results[s]
        };
        status[s] = storage_alter(m->side[s].instance[instance], in, &reply[s],
                                  &err[s]);
    }
    same_answer(m, "alter", status, err);
    for (size_t i = 0; i < in->id_count; i++)
        same_status(m, "alter: result", results[0][i], results[1][i]);
    same_number(m, "alter: changed", (int64_t)reply[0].changed,
                (int64_t)reply[1].changed);
    reply[0].more |= reply[1].more;
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
    in.id_count = 1 + chance(m, 4);
    for (size_t i = 0; i < in.id_count; i++) {
        const struct known_claim *claim = random_claim(m);
        if (chance_of(m, 2))
            ids[i] = model_new_id(m, queue);
        else if (claim != NULL && chance_of(m, 30))
            ids[i] = claim->id;
        else
            ids[i] = model_some_id(m, queue);
    }
    alter_both(m, &in);
}

void op_alter_matching(struct model *m)
{
    struct pawl_alter in = random_alter(m);
    in.limit = chance_of(m, 30) ? 1 + chance(m, 5) : 2000;
    in.type = chance_of(m, 60) ? "send" : chance_of(m, 50) ? "" : NULL;
    in.older_than = chance_of(m, 60) ? (pawl_duration)chance(m, 20000) : 0;
    for (int turn = 0; turn < 2000 && alter_both(m, &in).more; turn++)
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
    alter_both(m, &in);
}

/* --- get, list, dump ---------------------------------------------------------------------- */

void op_get(struct model *m)
{
    struct pawl_job *jobs[SIDES] = { NULL, NULL };
    struct pawl_error err[SIDES] = { 0 };
    enum pawl_status status[SIDES];
    int queue = (int)chance(m, QUEUES);
    struct pawl_id id = model_some_id(m, queue);
    const char *name = chance_of(m, 50)   ? NULL
                       : chance_of(m, 90) ? model_queues[queue]
                                          : random_queue(m);
    size_t instance = chance(m, INSTANCES);
    for (int s = 0; s < SIDES; s++)
        status[s] =
            storage_get(m->side[s].instance[instance], name, id, &jobs[s], &err[s]);
    same_answer(m, "get", status, err);
    if (status[0] == PAWL_OK)
        same_job(m, jobs[0], jobs[1]);
    for (int s = 0; s < SIDES; s++)
        pawl_job_free(jobs[s]);
}

struct whole_list {
    struct pawl_job **jobs;
    size_t count, room;
};

static void list_whole(struct model *m, struct pawl_storage *instance,
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
        same_status(m, "list", PAWL_OK, storage_list(instance, &in, &reply, &err));
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
    for (int s = 0; s < SIDES; s++) {
        list_whole(m, m->side[s].instance[instance], in, &lists[s]);
        if (in.state == PAWL_PROCESSING && lists[s].count > 0)
            qsort(lists[s].jobs, lists[s].count, sizeof(struct pawl_job *), by_id);
    }
    same_number(m, "list: jobs", (int64_t)lists[0].count, (int64_t)lists[1].count);
    for (size_t i = 0; i < lists[0].count; i++)
        same_job(m, lists[0].jobs[i], lists[1].jobs[i]);
    size_t count = lists[0].count;
    for (int s = 0; s < SIDES; s++) {
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
                            .limit = 1 + chance(m, 20) };
    if (chance_of(m, 30))
        in.type = "send";
    compare_lists(m, in);
}

static void compare_stats(struct model *m, const char *queue)
{
    struct pawl_stats *stats[SIDES] = { NULL, NULL };
    struct pawl_error err[SIDES] = { 0 };
    enum pawl_status status[SIDES];
    size_t instance = chance(m, INSTANCES);
    for (int s = 0; s < SIDES; s++)
        status[s] = storage_stats(m->side[s].instance[instance], queue, &stats[s],
                                  &err[s]);
    same_answer(m, "stats", status, err);
    if (status[0] == PAWL_OK)
        same_stats(m, stats[0], stats[1]);
    for (int s = 0; s < SIDES; s++)
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
