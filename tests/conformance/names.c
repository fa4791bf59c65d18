/* names.c - names and bytes that mean something elsewhere: rule 4. */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

/* Whatever they look like: words of a protocol, of a pattern, of a format, of a
 * shell, of SQL, of Lua; and names that some encoding makes the same. No storage
 * may take two of them for one. */
static const char *const hostile[] = {
    "{}",
    "{a}b",
    "a{b",
    "a%7Bb",
    "a%7bb",
    "a}b",
    "}{",
    "*",
    "a?b[c]",
    "[^a]",
    ":",
    "a:b:c",
    "a:b:c:",
    "%",
    "%25",
    "%2525",
    "%s%n%00",
    "'",
    "\"",
    "`",
    "' OR 1=1; --",
    "$(id)`id`",
    "\\",
    "\\x00",
    "\\r\\n",
    "/",
    "../..",
    " ",
    " a ",
    "a",
    ",",
    "\r\n",
    "a\r\n$3\r\nFOO\r\n",
    "\n*1\r\n$8\r\nFLUSHALL\r\n",
    "\t\x01\x7f",
    "]]..os.exit()--",
    "\"); redis.call(\"FLUSHALL\"); (\"",
    "__proto__",
    "meta",
    "jobs",
    "KEYS[1]",
    "\xc3\xa9",                 /* one accented letter */
    "e\xcc\x81",                /* the same in two characters: another name */
    "\xf0\x9f\x90\xbe",         /* four bytes */
    "\xe2\x80\xae" "abc",       /* right to left */
    "NULL",
    "0",
    "-0",
    "mail",
    "Mail",
    "0123456789012345678901234567890123456789012345678901234567890123"
    "0123456789012345678901234567890123456789012345678901234567890123",
    "0123456789012345678901234567890123456789012345678901234567890123"
    "012345678901234567890123456789012345678901234567890123456789012%",
};
#define HOSTILE (sizeof hostile / sizeof *hostile)

/* Every name makes a queue of its own, and its jobs come back by it (rule 4). */
START_TEST(queue_names)
{
    struct pawl_id ids[HOSTILE];
    for (size_t i = 0; i < HOSTILE; i++)
        ids[i] = put_ok((struct pawl_new_job){ .queue = hostile[i] });
    assert_count(stats_all()->queue_count, HOSTILE);
    for (size_t i = 0; i < HOSTILE; i++) {
        assert_count(stats_of(hostile[i])->jobs[PAWL_PENDING], 1);
        struct claims claims =
            exchange_on(store, hostile[i], owner_a, NULL, NULL, 0, 5);
        assert_count(claims.count, 1);
        assert_id(claims.jobs[0]->id, ids[i]);
        ck_assert_str_eq(claims.jobs[0]->queue, hostile[i]);
        ck_assert_str_eq(look(ids[i])->queue, hostile[i]);
    }
}
END_TEST

/* What is put into one queue is in no other, whatever their names (rules 4,
 * 6). */
START_TEST(queues_share_no_job)
{
    struct pawl_stats *none = NULL;
    for (size_t i = 0; i < HOSTILE; i++) {
        put_ok((struct pawl_new_job){ .queue = hostile[i] });
        for (size_t j = 0; j <= i; j++)
            assert_count(stats_of(hostile[j])->jobs[PAWL_PENDING], 1);
        for (size_t j = i + 1; j < HOSTILE; j++)
            assert_status(storage_stats(store, hostile[j], &none, NULL),
                          PAWL_NOT_FOUND);
    }
}
END_TEST

/* Nor a session, a unique key, a pause or a claim (rules 4, 15, 20). */
START_TEST(queues_share_nothing_else)
{
    const struct pawl_session session = { { 'n', 'a', 'm', 'e' } };
    for (size_t i = 0; i < HOSTILE; i++) {
        struct pawl_put_result result;
        struct pawl_new_job job = normal(
            (struct pawl_new_job){ .queue = hostile[i], .key = "the same" });
        assert_status(put_as(session, 1, &job, 1, &result), PAWL_OK);
        assert_status(result.status, PAWL_OK);
        assert_id(result.id, job.id);
    }
    alter((struct pawl_alter){ .queue = hostile[0], .kind = PAWL_ALTER_PAUSE });
    for (size_t i = 0; i < HOSTILE; i++) {
        struct claims claims =
            exchange_on(store, hostile[i], owner_a, NULL, NULL, 0, 5);
        assert_count(claims.count, i == 0 ? 0 : 1);
        ck_assert_int_eq(claims.paused, i == 0);
    }
}
END_TEST

/* Two stores side by side do not see each other, whatever the names in them. */
START_TEST(stores_are_apart)
{
    struct pawl_storage *other = other_store_open();
    struct pawl_stats *stats = NULL;
    for (size_t i = 0; i < HOSTILE; i++) {
        put_ok((struct pawl_new_job){ .queue = hostile[i], .key = "the same" });
        assert_count(
            exchange_on(other, hostile[i], owner_a, NULL, NULL, 0, 5).count, 0);
    }
    assert_status(storage_stats(other, NULL, &stats, NULL), PAWL_OK);
    assert_count(stats->queue_count, 0);
    pawl_stats_free(stats);
    for (size_t i = 0; i < HOSTILE; i++)
        assert_status(put_on(other, (struct pawl_new_job){ .queue = hostile[i],
                                                           .key = "the same" })
                          .status,
                      PAWL_OK);
    assert_count(stats_all()->queue_count, HOSTILE);
}
END_TEST

/* Every type comes back and can be asked for (rules 4, 72). */
START_TEST(type_names)
{
    static struct pawl_job *jobs[CLAIMS_MOST];
    for (size_t i = 0; i < HOSTILE; i++)
        put_ok((struct pawl_new_job){ .type = hostile[i] });
    for (size_t i = 0; i < HOSTILE; i++) {
        assert_count(list_all(QUEUE, PAWL_PENDING, hostile[i], 50, jobs), 1);
        ck_assert_str_eq(jobs[0]->type, hostile[i]);
    }
}
END_TEST

/* Every key is its own and comes back (rules 4, 16). */
START_TEST(key_names)
{
    struct pawl_id ids[HOSTILE];
    for (size_t i = 0; i < HOSTILE; i++)
        ids[i] = put_ok((struct pawl_new_job){ .key = hostile[i] });
    for (size_t i = 0; i < HOSTILE; i++) {
        struct pawl_put_result result =
            put((struct pawl_new_job){ .key = hostile[i] });
        assert_status(result.status, PAWL_KEY_TAKEN);
        assert_id(result.id, ids[i]);
        ck_assert_str_eq(look(ids[i])->key, hostile[i]);
    }
}
END_TEST

/* Every group comes back (rule 4). */
START_TEST(group_names)
{
    for (size_t i = 0; i < HOSTILE; i++) {
        struct pawl_id id = put_ok((struct pawl_new_job){ .group = hostile[i] });
        ck_assert_str_eq(look(id)->group, hostile[i]);
    }
}
END_TEST

/* The longest key there can be (rule 4). */
START_TEST(longest_key)
{
    char key[PAWL_KEY_MAX + 1];
    memset(key, 'k', PAWL_KEY_MAX);
    key[PAWL_KEY_MAX] = '\0';
    struct pawl_id id = put_ok((struct pawl_new_job){ .key = key });
    ck_assert_str_eq(look(id)->key, key);
    assert_id(put((struct pawl_new_job){ .key = key }).id, id);
    key[PAWL_KEY_MAX - 1] = 'x';
    put_ok((struct pawl_new_job){ .key = key });
}
END_TEST

/* Two keys of the greatest length that differ in one byte, the last, are two. */
START_TEST(long_hostile_keys)
{
    char key[PAWL_KEY_MAX + 1];
    struct pawl_id ids[4];
    for (size_t i = 0; i < PAWL_KEY_MAX; i++)
        key[i] = "{}%:*\r\n'"[i % 8];
    key[PAWL_KEY_MAX] = '\0';
    for (size_t i = 0; i < 4; i++) {
        key[PAWL_KEY_MAX - 1] = "{}%7"[i];
        ids[i] = put_ok((struct pawl_new_job){ .key = key });
    }
    for (size_t i = 0; i < 4; i++) {
        key[PAWL_KEY_MAX - 1] = "{}%7"[i];
        assert_id(put((struct pawl_new_job){ .key = key }).id, ids[i]);
        ck_assert_str_eq(look(ids[i])->key, key);
    }
}
END_TEST

/* An error text is bytes of UTF-8 like any other (rule 4). */
START_TEST(error_texts)
{
    for (size_t i = 0; i < HOSTILE; i++) {
        put_plain();
        const struct pawl_job *job = claim_one();
        struct pawl_outcome outcome = outcome_of(job, PAWL_OUTCOME_DEAD);
        outcome.error = hostile[i];
        write_back(job, outcome);
        ck_assert_str_eq(look(job->id)->errors[0].message, hostile[i]);
    }
}
END_TEST

/* A result may be any bytes, like a payload (rule 4). */
START_TEST(result_of_any_bytes)
{
    unsigned char bytes[512];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(255 - i);
    const struct {
        const void *data;
        size_t size;
    } results[] = { { bytes, sizeof bytes },
                    { "\0", 1 },
                    { "\r\n", 2 },
                    { "\xff\xfe\0\r\n+OK\r\n", 10 },
                    { "]]..os.exit()", 13 } };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        put_plain();
        const struct pawl_job *job = claim_one();
        struct pawl_outcome outcome = outcome_of(job, PAWL_OUTCOME_COMPLETED);
        outcome.result = results[i].data;
        outcome.result_size = results[i].size;
        write_back(job, outcome);
        const struct pawl_job *done = look(job->id);
        assert_count(done->result_size, results[i].size);
        ck_assert_int_eq(memcmp(done->result, results[i].data, results[i].size), 0);
    }
}
END_TEST

static void comes_back(const unsigned char *payload, size_t size)
{
    struct pawl_id id =
        put_ok((struct pawl_new_job){ .payload = payload, .payload_size = size });
    const struct pawl_job *claimed = claim_one();
    const struct pawl_job *seen = look(id);
    assert_id(claimed->id, id);
    assert_count(claimed->payload_size, size);
    assert_count(seen->payload_size, size);
    if (size > 0) {
        ck_assert_int_eq(memcmp(claimed->payload, payload, size), 0);
        ck_assert_int_eq(memcmp(seen->payload, payload, size), 0);
    }
}

/* A payload may be any bytes, NUL among them (rule 4). */
START_TEST(payload_of_any_bytes)
{
    unsigned char payload[512];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (unsigned char)i;
    comes_back(payload, sizeof payload);
    comes_back(payload, 1);
    comes_back((const unsigned char *)"\0\0\0\0", 4);
    comes_back((const unsigned char *)"\xff\xfe", 2);
    for (size_t i = 0; i < HOSTILE; i++)
        comes_back((const unsigned char *)hostile[i], strlen(hostile[i]) + 1);
}
END_TEST

/* A payload may be empty (rule 4). */
START_TEST(payload_of_nothing)
{
    comes_back(NULL, 0);
    comes_back((const unsigned char *)"", 0);
}
END_TEST

/* Sizes around powers of two, up to the largest (rule 4). */
START_TEST(payload_of_every_size)
{
    static unsigned char payload[PAWL_PAYLOAD_MAX];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (unsigned char)((i * 2654435761u) >> 13);
    for (size_t size = 64; size <= sizeof payload; size *= 4) {
        comes_back(payload, size - 1);
        comes_back(payload, size);
        if (size < sizeof payload)
            comes_back(payload, size + 1);
    }
}
END_TEST

TCase *topic_names(void)
{
    TCase *t = topic("names");
    tcase_add_test(t, queue_names);
    tcase_add_test(t, queues_share_no_job);
    tcase_add_test(t, queues_share_nothing_else);
    tcase_add_test(t, stores_are_apart);
    tcase_add_test(t, type_names);
    tcase_add_test(t, key_names);
    tcase_add_test(t, group_names);
    tcase_add_test(t, longest_key);
    tcase_add_test(t, long_hostile_keys);
    tcase_add_test(t, error_texts);
    tcase_add_test(t, result_of_any_bytes);
    tcase_add_test(t, payload_of_any_bytes);
    tcase_add_test(t, payload_of_nothing);
    tcase_add_test(t, payload_of_every_size);
    return t;
}
