/* test_redis_read.c - what only Redis' way to look at jobs can get wrong: places in
 * lines with holes and strays, times that many jobs share, pages that end early, and
 * finding a job by its id alone. The rest is the conformance suite's. */
#include "conformance.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 3000

static struct pawl_id ids[MANY];
static struct pawl_job *jobs[MANY + 500];

/* All pages; how many there were, in *pages. */
static size_t list_pages(struct pawl_list in, size_t *pages)
{
    struct pawl_list_reply reply;
    size_t count = 0;
    *pages = 0;
    do {
        struct pawl_error err = { 0 };
        reply = (struct pawl_list_reply){ .jobs = jobs + count };
        ck_assert_uint_le(count + in.limit, sizeof jobs / sizeof *jobs);
        enum pawl_status status = storage_list(store, &in, &reply, &err);
        ck_assert_msg(status == PAWL_OK, "list: %s", err.message);
        for (size_t i = 0; i < reply.job_count; i++)
            own(jobs[count + i]);
        count += reply.job_count;
        in.after = reply.next;
        ++*pages;
    } while (reply.next.set);
    return count;
}

static void put_batch(struct pawl_new_job like, size_t count, struct pawl_id *out)
{
    static struct pawl_new_job batch[1000];
    static struct pawl_put_result results[1000];
    static uint64_t seq;
    for (size_t done = 0; done < count;) {
        size_t n = count - done < 1000 ? count - done : 1000;
        for (size_t i = 0; i < n; i++) {
            batch[i] = normal(like);
            out[done + i] = batch[i].id;
        }
        assert_status(put_as((struct pawl_session){ { 9 } }, ++seq, batch, n, results),
                      PAWL_OK);
        done += n;
    }
}

/* --- times ----------------------------------------------------------------------- */

/* Thousands of jobs due at one time come once each, by id, whatever becomes of the
 * job where a page ended. */
START_TEST(one_time_for_all)
{
    struct pawl_list in = { .queue = QUEUE, .state = PAWL_SCHEDULED, .limit = 7 };
    struct pawl_list_reply reply = { .jobs = jobs };
    size_t pages;
    put_batch((struct pawl_new_job){ .run_at = START + 5000 }, MANY, ids);
    assert_count(list_pages(in, &pages), MANY);
    for (int i = 0; i < MANY; i++)
        assert_id(jobs[i]->id, ids[i]);

    in.limit = 100;
    assert_status(storage_list(store, &in, &reply, NULL), PAWL_OK);
    for (int i = 0; i < 100; i++)
        own(jobs[i]);
    alter_one(PAWL_ALTER_REMOVE, ids[99]);
    alter_one(PAWL_ALTER_REMOVE, ids[3]);
    alter_one(PAWL_ALTER_REMOVE, ids[100]);
    in.after = reply.next;
    assert_count(list_pages(in, &pages), MANY - 101);
    assert_id(jobs[0]->id, ids[101]);
}
END_TEST

/* Bytes of an id above 127 come after those below, in whatever language. */
START_TEST(ids_as_bytes)
{
    static const uint8_t last[] = { 'b', 0x00, 0xff, 'B', 0x80, 'a' };
    static const uint8_t order[] = { 0x00, 'B', 'a', 'b', 0x80, 0xff };
    struct pawl_list in = { .queue = QUEUE, .state = PAWL_SCHEDULED, .limit = 1 };
    struct pawl_id id = new_id(QUEUE);
    size_t pages;
    for (int i = 0; i < 6; i++) {
        id.b[15] = last[i];
        put_ok((struct pawl_new_job){ .id = id, .run_at = START + 5000 });
    }
    assert_count(list_pages(in, &pages), 6);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(jobs[i]->id.b[15], order[i]);
}
END_TEST

/* Processing jobs whose owner is gone have no time; they are listed too. */
START_TEST(owner_gone)
{
    struct pawl_storage *other = instance_open();
    struct pawl_list in = { .queue = QUEUE, .state = PAWL_PROCESSING, .limit = 3 };
    size_t pages;
    put_batch((struct pawl_new_job){ 0 }, 20, ids);
    exchange_on(other, QUEUE, owner_b, NULL, NULL, 0, 10);
    claim(owner_a, 5);
    instance_close(other);
    assert_count(list_pages(in, &pages), 15);
    for (int i = 0; i < 15; i++)
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(id_text(jobs[i]->id), id_text(jobs[j]->id));
}
END_TEST

/* --- lines ------------------------------------------------------------------------ */

static void hold_all(unsigned states, struct pawl_session mover)
{
    static struct pawl_job *held[1000];
    struct pawl_take_out in = { .queue = QUEUE,
                                .mover = mover,
                                .kind = PAWL_TAKE_HOLD,
                                .from_states = states,
                                .limit = 1000 };
    struct pawl_take_out_reply out = { .jobs = held };
    assert_status(storage_take_out(store, &in, &out, NULL), PAWL_OK);
    for (size_t i = 0; i < out.job_count; i++)
        pawl_job_free(held[i]);
}

static void release_one(struct pawl_session mover, struct pawl_id id)
{
    enum pawl_status result = PAWL_EINTERNAL;
    struct pawl_take_out in = { .queue = QUEUE,
                                .mover = mover,
                                .kind = PAWL_TAKE_RELEASE,
                                .ids = &id,
                                .id_count = 1 };
    struct pawl_take_out_reply out = { .results = &result };
    assert_status(storage_take_out(store, &in, &out, NULL), PAWL_OK);
    assert_status(result, PAWL_OK);
}

/* Jobs that came back to places which their lane had passed stand before it, in
 * order; so pages of every size show them, and they are counted. */
START_TEST(strays_of_a_lane)
{
    static const int order[] = { 2, 4, 0, 1, 5, 6 }; /* 2, 4 are of priority 4 */
    struct pawl_session mover = { { 3 } };
    struct pawl_list in = { .queue = QUEUE, .state = PAWL_PENDING };
    size_t pages;
    for (int i = 0; i < 5; i++)
        ids[i] = put_ok((struct pawl_new_job){ .priority = i % 2 == 0 && i > 0 ? 4 : 5 });
    hold_all(BIT(PAWL_PENDING), mover);
    put_plain();
    claim(owner_a, 1); /* drops the holes before it */
    ids[5] = put_plain();
    ids[6] = put_plain();
    for (int i = 4; i >= 0; i--)
        if (i != 3)
            release_one(mover, ids[i]);
    assert_count(count_in(PAWL_PENDING), 6);
    for (in.limit = 1; in.limit <= 7; in.limit++) {
        assert_count(list_pages(in, &pages), 6);
        for (int i = 0; i < 6; i++)
            assert_id(jobs[i]->id, ids[order[i]]);
        assert_count(pages, (6 + in.limit - 1) / in.limit);
    }
    assert_count(count_in(PAWL_HELD), 1);
}
END_TEST

/* Finished jobs that came back stand behind the newer ones. */
START_TEST(strays_of_finished)
{
    struct pawl_session mover = { { 3 } };
    struct pawl_list in = { .queue = QUEUE, .state = PAWL_COMPLETED };
    size_t pages;
    for (int i = 0; i < 6; i++)
        ids[i] = put_in(PAWL_COMPLETED, (struct pawl_new_job){ 0 });
    hold_all(BIT(PAWL_COMPLETED), mover);
    retention.completed.count = 3;
    for (int i = 6; i < 10; i++)
        ids[i] = put_in(PAWL_COMPLETED, (struct pawl_new_job){ 0 });
    retention.completed.count = -1;
    for (int i = 3; i < 6; i++)
        release_one(mover, ids[i]);
    size_t count = count_in(PAWL_COMPLETED);
    for (in.limit = 1; in.limit <= count + 1; in.limit++) {
        assert_count(list_pages(in, &pages), count);
        for (size_t i = 1; i < count; i++)
            ck_assert_int_gt(memcmp(jobs[i - 1]->id.b, jobs[i]->id.b, 16), 0);
    }
    assert_count(stats_of(QUEUE)->completed_total, 10);
}
END_TEST

/* A page looks at so many jobs and no more; holes are passed over. */
START_TEST(holes_and_rare_types)
{
    struct pawl_list in = { .queue = QUEUE, .state = PAWL_PENDING, .limit = 500 };
    size_t pages;
    put_batch((struct pawl_new_job){ .type = "common" }, MANY, ids);
    struct pawl_id rare = put_ok((struct pawl_new_job){ .type = "rare" });
    in.type = "rare";
    assert_count(list_pages(in, &pages), 1);
    assert_id(jobs[0]->id, rare);
    ck_assert_uint_gt(pages, 1);
    ck_assert_uint_lt(pages, 10);
    alter((struct pawl_alter){ .kind = PAWL_ALTER_REMOVE,
                               .from_states = BIT(PAWL_PENDING),
                               .type = "common",
                               .limit = MANY });
    in.type = NULL;
    assert_count(list_pages(in, &pages), 1);
    assert_id(jobs[0]->id, rare);
    assert_count(count_in(PAWL_PENDING), 1);
    pass(40);
    assert_time(stats_of(QUEUE)->oldest_pending, 40);
}
END_TEST

/* --- pages ------------------------------------------------------------------------ */

/* Large payloads end a page early, and all of them come. */
START_TEST(large_payloads)
{
    struct pawl_list in = { .queue = QUEUE, .state = PAWL_PENDING, .limit = 100 };
    size_t pages, size = 1 << 20;
    char *payload = own(malloc(size));
    memset(payload, 'x', size);
    for (int i = 0; i < 20; i++)
        ids[i] = put_ok((struct pawl_new_job){ .payload = payload,
                                               .payload_size = size });
    assert_count(list_pages(in, &pages), 20);
    for (int i = 0; i < 20; i++)
        assert_id(jobs[i]->id, ids[i]);
    assert_count(pages, 3);
}
END_TEST

/* The end of a page may be any 24 bytes, since it comes from outside. */
START_TEST(any_place)
{
    static const int64_t ranks[] = { INT64_MIN, -1, 0, 5, 11, START, INT64_MAX };
    size_t pages;
    for (int s = PAWL_CANCELLED; s >= PAWL_SCHEDULED; s--) /* pending: not claimed */
        put_in((enum pawl_state)s, (struct pawl_new_job){ 0 });
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++) {
        for (int i = 0; i < 7; i++) {
            struct pawl_list in = { .queue = QUEUE,
                                    .state = (enum pawl_state)state,
                                    .limit = 10 };
            in.after.set = true;
            in.after.rank = ranks[i];
            ck_assert_uint_le(list_pages(in, &pages), 1);
            memset(in.after.tie, 0xff, sizeof in.after.tie);
            ck_assert_uint_le(list_pages(in, &pages), 1);
        }
    }
}
END_TEST

/* --- all queues ------------------------------------------------------------------- */

/* By its id alone, in a queue this instance has not met; also where another queue's
 * name has the same hash. */
START_TEST(get_in_unknown_queues)
{
    char twin[32] = "";
    struct pawl_storage *other = instance_open();
    for (int i = 0; pawl_queue_hash(twin) != pawl_queue_hash("first"); i++)
        snprintf(twin, sizeof twin, "twin%d", i);
    struct pawl_id id = new_id("first"), twin_id = new_id(twin), late = new_id(twin);
    struct pawl_job *job = NULL;
    put_on(other, (struct pawl_new_job){ .queue = "first", .id = id });
    assert_status(storage_get(store, NULL, id, &job, NULL), PAWL_OK);
    ck_assert_str_eq(job->queue, "first");
    pawl_job_free(job);
    assert_status(storage_get(store, NULL, late, &job, NULL), PAWL_NOT_FOUND);
    put_on(other, (struct pawl_new_job){ .queue = twin, .id = twin_id });
    assert_status(storage_get(store, NULL, twin_id, &job, NULL), PAWL_OK);
    ck_assert_str_eq(job->queue, twin);
    pawl_job_free(job);
    put_on(other, (struct pawl_new_job){ .queue = twin, .id = late });
    assert_status(storage_get(store, NULL, late, &job, NULL), PAWL_OK);
    pawl_job_free(job);
}
END_TEST

/* More queues than are asked at once. */
START_TEST(many_queues)
{
    char name[16];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "q%03d", i);
        put_ok((struct pawl_new_job){ .queue = name });
    }
    const struct pawl_stats *stats = stats_all();
    assert_count(stats->queue_count, 300);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "q%03d", i);
        ck_assert_str_eq(stats->queues[i].name, name);
        assert_count(stats->queues[i].jobs[PAWL_PENDING], 1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_read");
    TCase *t = tcase_create("redis_read");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, fixture_open, fixture_close);
    tcase_add_test(t, one_time_for_all);
    tcase_add_test(t, ids_as_bytes);
    tcase_add_test(t, owner_gone);
    tcase_add_test(t, strays_of_a_lane);
    tcase_add_test(t, strays_of_finished);
    tcase_add_test(t, holes_and_rare_types);
    tcase_add_test(t, large_payloads);
    tcase_add_test(t, any_place);
    tcase_add_test(t, get_in_unknown_queues);
    tcase_add_test(t, many_queues);
    suite_add_tcase(suite, t);
    setenv("PAWL_TEST_STORAGE", "redis", 1);
    conformance_begin();
    int status = program_run(suite);
    conformance_end();
    return status;
}
