/* relay.c - jobs from store to store (storage/relay.h), between two stores of the
 * kind under test: whoever moves them may die after each step. */
#include "handover.h"
#include "storage/relay.h"
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#define ALL (REMOVE_FROM)

static struct pawl_storage *target;
static struct relay relay;
static struct relay_counts counts;
static size_t merged_count;
static struct pawl_id merged_id, merged_holder;

static void note_merged(void *context, const struct pawl_job *job,
                        struct pawl_id holder)
{
    (void)context;
    merged_count++;
    merged_id = job->id;
    merged_holder = holder;
}

static void begin(void)
{
    static struct pawl_clock clock;
    clock = fake_clock_as_clock(&test_clock);
    target = other_store_open();
    relay = (struct relay){ .from = store, .to = target, .mover = { { 'r', 7 } },
                            .states = ALL, .limit = 100, .clock = &clock,
                            .merged = note_merged };
    memset(&counts, 0, sizeof counts);
    merged_count = 0;
}

static const struct pawl_job *look_there(struct pawl_id id)
{
    struct pawl_job *job = NULL;
    enum pawl_status status = storage_get(target, QUEUE, id, &job, NULL);
    if (status == PAWL_NOT_FOUND)
        return NULL;
    assert_status(status, PAWL_OK);
    return own(job);
}

static uint64_t count_there(enum pawl_state state)
{
    struct pawl_stats *stats = NULL;
    assert_status(storage_stats(target, QUEUE, &stats, NULL), PAWL_OK);
    return ((struct pawl_stats *)own(stats))->queues[0].jobs[state];
}

static enum pawl_status resume(void)
{
    struct pawl_error err = { 0 };
    return relay_resume(&relay, QUEUE, &counts, &err);
}

static enum pawl_status next(void)
{
    struct pawl_error err = { 0 };
    return relay_next(&relay, QUEUE, &counts, &err);
}

static void move_all(void)
{
    assert_status(resume(), PAWL_OK);
    enum pawl_status status;
    while ((status = next()) == PAWL_OK)
        continue;
    assert_status(status, PAWL_EMPTY);
}

/* --- one method of an instance that does something else ------------------------- */

static struct pawl_storage_ops patched;
static const struct pawl_storage_ops *usual;

static enum pawl_status no_confirm(struct pawl_storage *self,
                                   const struct pawl_take_out *in,
                                   struct pawl_take_out_reply *out,
                                   struct pawl_error *err)
{
    if (in->kind == PAWL_TAKE_CONFIRM)
        return pawl_error_set(err, PAWL_EUNREACHABLE, "killed before confirming");
    return usual->take_out(self, in, out, err);
}

static enum pawl_status lost_reply(struct pawl_storage *self,
                                   const struct pawl_bring_in *in,
                                   struct pawl_put_result *results,
                                   struct pawl_error *err)
{
    assert_status(usual->bring_in(self, in, results, err), PAWL_OK);
    return pawl_error_set(err, PAWL_EUNKNOWN, "the reply was lost");
}

static enum pawl_status refusal(struct pawl_storage *self,
                                const struct pawl_bring_in *in,
                                struct pawl_put_result *results,
                                struct pawl_error *err)
{
    (void)self;
    (void)in;
    (void)results;
    return pawl_error_set(err, PAWL_EFULL, "no space there");
}

static struct pawl_storage_ops *patch(struct pawl_storage *instance)
{
    usual = instance->ops;
    patched = *usual;
    instance->ops = &patched;
    return &patched;
}

static void mend(struct pawl_storage *instance)
{
    instance->ops = usual;
}

/* Run what is there at the target, and forget it, as if long ago. */
static void complete_and_forget_there(void)
{
    struct pawl_job *jobs[50];
    enum pawl_status results[50];
    struct pawl_outcome outcomes[50];
    struct pawl_exchange in = { .queue = QUEUE, .owner = owner_b, .claim_max = 50,
                                .lease = LEASE };
    struct pawl_exchange_reply reply = { .outcomes = results, .jobs = jobs };
    assert_status(storage_exchange(target, &in, &reply, NULL), PAWL_OK);
    in.outcome_count = reply.job_count;
    in.outcomes = outcomes;
    in.claim_max = 0;
    for (size_t i = 0; i < in.outcome_count; i++) {
        outcomes[i] = outcome_of(jobs[i], PAWL_OUTCOME_COMPLETED);
        pawl_job_free(jobs[i]);
    }
    assert_status(storage_exchange(target, &in, &reply, NULL), PAWL_OK);
    assert_count(count_there(PAWL_COMPLETED), 0);
}

/* --- tests ------------------------------------------------------------------------ */

/* Jobs in all states arrive as they were, and are gone where they came from. */
START_TEST(all_states)
{
    static const enum pawl_state states[] = { PAWL_SCHEDULED, PAWL_FAILED,
                                              PAWL_COMPLETED, PAWL_DEAD,
                                              PAWL_CANCELLED, PAWL_PENDING };
    struct pawl_id ids[6];
    begin();
    for (int i = 0; i < 6; i++)
        ids[i] = put_in(states[i], (struct pawl_new_job){ .payload = "p",
                                                          .payload_size = 1,
                                                          .group = "g" });
    move_all();
    assert_count(counts.moved, 6);
    for (int i = 0; i < 6; i++) {
        const struct pawl_job *job = look_there(ids[i]);
        ck_assert_ptr_nonnull(job);
        ck_assert_int_eq(job->state, states[i]);
        ck_assert_str_eq(job->group, "g");
        ck_assert_mem_eq(job->payload, "p", 1);
        assert_gone(ids[i]);
    }
}
END_TEST

/* Died after holding: the next one takes up just that batch, and then the rest. */
START_TEST(died_holding)
{
    begin();
    put_many(30, NULL);
    struct taken taken = hold_in(QUEUE, relay.mover, ALL, 7);
    assert_count(taken.count, 7);
    assert_status(resume(), PAWL_OK);
    assert_count(counts.moved, 7);
    assert_count(count_there(PAWL_PENDING), 7);
    move_all();
    assert_count(counts.moved, 30);
    assert_count(count_there(PAWL_PENDING), 30);
}
END_TEST

/* Died before confirming, and the target has long worked off and forgotten what it
 * got: it is not brought in again. */
START_TEST(died_before_confirming)
{
    begin();
    put_many(10, NULL);
    patch(store)->take_out = no_confirm;
    assert_status(next(), PAWL_EUNREACHABLE);
    mend(store);
    complete_and_forget_there();
    put_many(5, NULL); /* must not get into the old batch */
    assert_status(resume(), PAWL_OK);
    assert_count(counts.moved, 10);
    assert_count(count_there(PAWL_PENDING), 0);
    move_all();
    assert_count(count_there(PAWL_PENDING), 5);
    assert_count(count_in(PAWL_HELD), 0);
}
END_TEST

/* A lost reply: the batch stays held, and is sent again under its number. */
START_TEST(reply_lost)
{
    begin();
    put_many(3, NULL);
    patch(target)->bring_in = lost_reply;
    assert_status(next(), PAWL_EUNKNOWN);
    mend(target);
    assert_count(count_in(PAWL_HELD), 3);
    assert_status(resume(), PAWL_OK);
    assert_count(count_there(PAWL_PENDING), 3);
    assert_count(counts.moved, 3);
}
END_TEST

/* Certainly refused: the jobs are back in their places. But not those that an earlier
 * attempt may have sent. */
START_TEST(refused)
{
    begin();
    struct pawl_id first = put_plain();
    put_many(2, NULL);
    patch(target)->bring_in = refusal;
    assert_status(next(), PAWL_EFULL);
    assert_count(count_in(PAWL_PENDING), 3);
    hold_in(QUEUE, relay.mover, ALL, 1);
    assert_status(resume(), PAWL_EFULL);
    mend(target);
    assert_state(first, PAWL_HELD);
    move_all();
    assert_count(count_there(PAWL_PENDING), 3);
}
END_TEST

/* Keys held on both sides: the holder there stays, the other one is cancelled, says
 * by whom, and can be found; also when all of it is done twice. */
START_TEST(key_on_both_sides)
{
    struct pawl_new_job new_job = { .key = "order-7" };
    begin();
    struct pawl_id here = put_ok(new_job), there = put_on(target, new_job).id;
    struct pawl_id other = put_plain();
    patch(store)->take_out = no_confirm;
    assert_status(next(), PAWL_EUNREACHABLE);
    mend(store);
    assert_status(resume(), PAWL_OK);
    assert_count(counts.merged, 1);
    assert_count(merged_count, 2); /* told each time */
    assert_id(merged_id, here);
    assert_id(merged_holder, there);
    const struct pawl_job *job = look_there(here);
    ck_assert_int_eq(job->state, PAWL_CANCELLED);
    ck_assert_str_eq(job->key, "");
    assert_count(job->error_count, 1);
    ck_assert_msg(strncmp(job->errors[0].message, "unique key is held by job ", 26) == 0,
                  "%s", job->errors[0].message);
    ck_assert_str_eq(job->errors[0].message + 26, id_text(there));
    ck_assert_int_eq(look_there(there)->state, PAWL_PENDING);
    ck_assert_int_eq(look_there(other)->state, PAWL_PENDING);
    assert_gone(here);
}
END_TEST

/* What is at the target already is not stored again, and gone here. */
START_TEST(there_already)
{
    begin();
    struct pawl_id id = new_id(QUEUE);
    put_ok((struct pawl_new_job){ .id = id });
    put_on(target, (struct pawl_new_job){ .id = id });
    move_all();
    assert_count(counts.duplicates, 1);
    assert_count(counts.moved, 0);
    assert_count(count_there(PAWL_PENDING), 1);
    assert_gone(id);
}
END_TEST

static void assert_proved(uint64_t count)
{
    struct pawl_tally here, there;
    struct pawl_error err = { 0 };
    assert_status(storage_tally(store, QUEUE, relay.mover, false, &here, &err),
                  PAWL_OK);
    assert_status(storage_tally(target, QUEUE, relay.mover, false, &there, &err),
                  PAWL_OK);
    assert_count(here.count, count);
    ck_assert_mem_eq(&here, &there, sizeof here);
}

/* The tallies agree, whoever died when and whatever workers did: jobs as they were
 * handed over, also one that was merged; not what was there already (rules 97, 98). */
START_TEST(proved)
{
    struct pawl_new_job taken = { .key = "k" };
    begin();
    relay.prove = true;
    put_many(10, NULL);
    put_ok(taken);
    put_on(target, taken);
    struct pawl_id twice = put_plain();
    put_on(target, (struct pawl_new_job){ .id = twice });
    patch(store)->take_out = no_confirm;
    assert_status(next(), PAWL_EUNREACHABLE);
    mend(store);
    complete_and_forget_there();
    move_all();
    assert_count(counts.duplicates, 1);
    assert_proved(11);
    put_many(3, NULL);
    move_all();
    assert_proved(14);
}
END_TEST

/* A copy stays held under the other mark, and does not go again (rule 100). */
START_TEST(copied)
{
    static const struct pawl_session kept = { { 'k', 'e', 'p', 't' } };
    begin();
    relay.prove = true;
    relay.kept = &kept;
    put_many(5, NULL);
    move_all();
    move_all();
    assert_count(counts.moved, 5);
    assert_count(count_there(PAWL_PENDING), 5);
    assert_count(count_in(PAWL_HELD), 5);
    assert_count(hold_in(QUEUE, relay.mover, 0, 10).count, 0);
    assert_count(hold_in(QUEUE, kept, 0, 10).count, 5);
    assert_proved(5);
}
END_TEST

/* One id comes a second time, at the head of another batch of the same size: that is
 * another batch, and nothing of it is taken for done. */
START_TEST(same_id_in_other_company)
{
    begin();
    struct pawl_id id = new_id(QUEUE), other;
    put_ok((struct pawl_new_job){ .id = id });
    put_ok((struct pawl_new_job){ .id = new_id(QUEUE) });
    move_all();
    complete_and_forget_there();
    put_ok((struct pawl_new_job){ .id = id });
    other = new_id(QUEUE);
    put_ok((struct pawl_new_job){ .id = other });
    move_all();
    assert_count(count_there(PAWL_PENDING), 2);
    ck_assert_ptr_nonnull(look_there(other));
}
END_TEST

/* Large jobs go in small batches, whatever the limit says. */
START_TEST(large_jobs)
{
    const size_t size = 1 << 20;
    char *payload = own(malloc(size));
    begin();
    memset(payload, 'x', size);
    for (int i = 0; i < 40; i++)
        put_ok((struct pawl_new_job){ .payload = payload, .payload_size = size });
    uint64_t most = 0, before = 0;
    while (next() == PAWL_OK) {
        if (counts.moved - before > most)
            most = counts.moved - before;
        before = counts.moved;
    }
    assert_count(counts.moved, 40);
    ck_assert_uint_le(most, 16);
}
END_TEST

/* Also when small ones before them had the relay ask for many at once: a batch that
 * is held can be made no smaller. */
START_TEST(large_after_small)
{
    const uint64_t small = 336, large = 30;
    const size_t size = 1 << 20;
    char *payload = own(malloc(size));
    uint64_t most = 0, before = 0;
    begin();
    relay.limit = RELAY_BATCH_MAX;
    memset(payload, 'x', size);
    put_many(small, NULL);
    for (uint64_t i = 0; i < large; i++)
        put_ok((struct pawl_new_job){ .payload = payload, .payload_size = size });
    while (next() == PAWL_OK) {
        uint64_t from = before > small ? before : small;
        if (counts.moved > from && counts.moved - from > most)
            most = counts.moved - from;
        before = counts.moved;
    }
    assert_count(counts.moved, small + large);
    ck_assert_uint_le(most, PAWL_HOLD_BYTES / size);
}
END_TEST

TCase *topic_relay(void)
{
    TCase *relay_case = topic("relay");
    tcase_add_test(relay_case, all_states);
    tcase_add_test(relay_case, died_holding);
    tcase_add_test(relay_case, died_before_confirming);
    tcase_add_test(relay_case, reply_lost);
    tcase_add_test(relay_case, refused);
    tcase_add_test(relay_case, key_on_both_sides);
    tcase_add_test(relay_case, there_already);
    tcase_add_test(relay_case, proved);
    tcase_add_test(relay_case, copied);
    tcase_add_test(relay_case, same_id_in_other_company);
    tcase_add_test(relay_case, large_jobs);
    tcase_add_test(relay_case, large_after_small);
    return relay_case;
}
