/* large.c - how much one HOLD hands over: rule 102. */
#include "handover.h"

#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)
#define MOST (PAWL_HOLD_BYTES / MIB) /* jobs of 1 MiB in one call */

static const char *bytes(size_t size)
{
    char *text = own(malloc(size));
    memset(text, 'x', size);
    return text;
}

static void put_large(int count, struct pawl_id *ids)
{
    struct pawl_new_job job = { .payload = bytes(MIB), .payload_size = MIB };
    for (int i = 0; i < count; i++)
        ids[i] = put_ok(job);
}

/* Some of these, from the first on, but no more than fit. */
static void assert_some(const struct taken *taken, const struct pawl_id *ids)
{
    ck_assert_uint_ge(taken->count, 1);
    ck_assert_uint_le(taken->count, MOST);
    for (size_t i = 0; i < taken->count; i++)
        assert_id(taken->jobs[i]->id, ids[i]);
}

static void settle_all(enum pawl_take_kind kind, const struct taken *taken)
{
    for (size_t i = 0; i < taken->count; i++) {
        struct pawl_id id = taken->jobs[i]->id;
        struct pawl_error err = { 0 };
        enum pawl_status result;
        struct pawl_take_out in = { .queue = QUEUE, .mover = mover_1, .kind = kind,
                                    .heir = mover_2, .ids = &id, .id_count = 1 };
        struct pawl_take_out_reply reply = { .results = &result };
        assert_status(storage_take_out(store, &in, &reply, &err), PAWL_OK);
        assert_status(result, PAWL_OK);
    }
}

/* Fewer come than were asked for, and only those are held; the others come to
 * whoever holds next, until none is left. */
START_TEST(fewer_come)
{
    struct pawl_id ids[20];
    put_large(20, ids);
    struct taken first = hold(ANY, 100);
    assert_some(&first, ids);
    assert_count(count_in(PAWL_HELD), first.count);
    struct taken second = hold_in(QUEUE, mover_2, ANY, 100);
    assert_some(&second, ids + first.count);
    size_t total = first.count + second.count;
    while (settle_all(PAWL_TAKE_CONFIRM, &first),
           (first = hold(ANY, 100)).count > 0) {
        assert_some(&first, ids + total);
        total += first.count;
    }
    assert_count(total, 20);
}
END_TEST

/* What one call held comes back whole, and nothing with it. */
START_TEST(comes_again_whole)
{
    struct pawl_id ids[20];
    put_large(20, ids);
    size_t count = hold(ANY, 100).count;
    struct taken again = hold(0, 100);
    assert_count(again.count, count);
    assert_some(&again, ids);
    again = hold(ANY, 100);
    assert_count(again.count, count);
    assert_some(&again, ids);
    assert_count(count_in(PAWL_HELD), count);
}
END_TEST

/* Of what several calls held, or were passed, no more comes at a time. */
START_TEST(held_come_fewer)
{
    struct pawl_id ids[20];
    put_large(20, ids);
    struct taken first = hold(ANY, 100);
    settle_all(PAWL_TAKE_PASS, &first);
    struct taken second = hold(ANY, 100);
    settle_all(PAWL_TAKE_PASS, &second);
    struct taken all = hold_in(QUEUE, mover_2, 0, 100);
    assert_some(&all, ids);
    assert_count(all.count, first.count);
}
END_TEST

/* Small jobs before them do not make room for more large ones. */
START_TEST(large_after_small)
{
    struct pawl_id small[20], ids[20];
    put_many(20, small);
    put_large(20, ids);
    struct taken taken = hold(ANY, 100);
    ck_assert_uint_gt(taken.count, 20);
    ck_assert_uint_le(taken.count, 20 + MOST);
    assert_id(taken.jobs[20]->id, ids[0]);
}
END_TEST

/* Results count as payloads do. */
START_TEST(results_count)
{
    struct pawl_job job = { .state = PAWL_COMPLETED, .result = bytes(MIB),
                            .result_size = MIB };
    struct pawl_id ids[20];
    for (int i = 0; i < 20; i++)
        ids[i] = bring_ok(job);
    struct taken taken = hold(ANY, 100);
    assert_some(&taken, ids);
}
END_TEST

/* One comes, however large it is: else it would never. */
START_TEST(one_comes)
{
    size_t size = PAWL_HOLD_BYTES + MIB;
    struct pawl_new_job job = { .payload = bytes(size), .payload_size = size };
    struct pawl_id first = put_ok(job), second = put_ok(job);
    struct taken taken = hold(ANY, 100);
    assert_count(taken.count, 1);
    assert_id(taken.jobs[0]->id, first);
    assert_count(taken.jobs[0]->payload_size, size);
    assert_status(confirm(first), PAWL_OK);
    taken = hold(ANY, 100);
    assert_count(taken.count, 1);
    assert_id(taken.jobs[0]->id, second);
}
END_TEST

TCase *topic_large(void)
{
    TCase *t = topic("large");
    tcase_add_test(t, fewer_come);
    tcase_add_test(t, comes_again_whole);
    tcase_add_test(t, held_come_fewer);
    tcase_add_test(t, large_after_small);
    tcase_add_test(t, results_count);
    tcase_add_test(t, one_comes);
    return t;
}
