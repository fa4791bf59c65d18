/* test_redis_reader.c - what a server may make us hold, and what it may not. The
 * bytes are all that matters here, so no server is asked. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "storage/redis/redis_conn.h"
#include "storage/redis/redis_reader.h"
#include "util/buf.h"
#include "util/random.h"

static struct redis_reader reader;

static void setup(void)
{
    ck_assert(redis_reader_init(&reader));
}

static void teardown(void)
{
    redis_reader_clear(&reader);
}

static void feed(const char *bytes)
{
    ck_assert(redis_reader_feed(&reader, bytes, strlen(bytes)));
}

static redisReply *next(void)
{
    redisReply *reply = NULL;
    ck_assert_int_eq(redis_reader_next(&reader, &reply), 1);
    return reply;
}

/* All kinds of replies come out as they are, whole or in single bytes. */
START_TEST(kinds)
{
    const char text[] = "*6\r\n+OK\r\n-ERR no\r\n:-42\r\n$3\r\na\r\n\r\n$-1\r\n*0\r\n";
    redisReply *reply = NULL;
    if (_i == 0) {
        feed(text);
    } else {
        for (size_t i = 0; i < sizeof text - 1; i++) {
            ck_assert_int_eq(redis_reader_next(&reader, &reply), 0);
            ck_assert(redis_reader_feed(&reader, text + i, 1));
            ck_assert(redis_reader_holds(&reader));
        }
    }
    reply = next();
    ck_assert_uint_eq(reply->elements, 6);
    ck_assert_str_eq(reply->element[0]->str, "OK");
    ck_assert_int_eq(reply->element[1]->type, REDIS_REPLY_ERROR);
    ck_assert_int_eq(reply->element[2]->integer, -42);
    ck_assert_mem_eq(reply->element[3]->str, "a\r\n", 3);
    ck_assert_int_eq(reply->element[4]->type, REDIS_REPLY_NIL);
    ck_assert_uint_eq(reply->element[5]->elements, 0);
    ck_assert(!redis_reader_holds(&reader));
    freeReplyObject(reply);
}
END_TEST

/* A reader that has part of the next reply says so: the connection is not idle. */
START_TEST(holds_the_next)
{
    feed("+one\r\n+tw");
    freeReplyObject(next());
    ck_assert(redis_reader_holds(&reader));
    feed("o\r\n");
    freeReplyObject(next());
    ck_assert(!redis_reader_holds(&reader));
}
END_TEST

static const struct refusal {
    const char *bytes, *problem;
} refusals[] = {
    { "*2147483647\r\n", "a reply of more than 1000000 elements" },
    { "*1000001\r\n", "a reply of more than 1000000 elements" },
    { "*3\r\n*500000\r\n", NULL }, /* the next line makes it too much */
    { "*4294967297\r\n", "range" },
    { "*99999999999999999999\r\n", "length" },
    { "*-2\r\n", "range" },
    { "*\r\n", "length" },
    { "*x\r\n", "length" },
    { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "more than 7 levels" },
    { "$9223372036854775807\r\n", "a reply of more than 536870912 bytes" },
    { "$18446744073709551615\r\n", "length" },
    { "$536870913\r\n", "a reply of more than 536870912 bytes" },
    { "*2\r\n+a\r\n$999999999999\r\n", "a reply of more than 536870912 bytes" },
    { "$-2\r\n", "range" },
    { "$-9223372036854775808\r\n", "range" },
    { "$\r\n", "length" },
    { "$1x\r\n", "length" },
    { ":\r\n", "integer" },
    { ":99999999999999999999\r\n", "integer" },
    { "HTTP/1.1 400 Bad Request\r\n", "got \"H\"" },
    { "\r\n", "got" },
    { "\x15\x03\x01", "got" },
};

/* What no server of ours would send is refused as soon as it is announced. */
START_TEST(refused)
{
    const struct refusal *bad = &refusals[_i];
    redisReply *reply = NULL;
    feed(bad->bytes);
    int got = redis_reader_next(&reader, &reply);
    if (!bad->problem) {
        ck_assert_int_eq(got, 0);
        feed("+x\r\n*499998\r\n");
        got = redis_reader_next(&reader, &reply);
        bad = &refusals[0];
    }
    ck_assert_int_eq(got, -1);
    ck_assert_int_eq(reader.status, PAWL_EFORMAT);
    ck_assert_msg(strstr(reader.problem, bad->problem) != NULL, "%s: %s", bad->bytes,
                  reader.problem);
    ck_assert_int_eq(redis_reader_next(&reader, &reply), -1);
    ck_assert(!redis_reader_feed(&reader, "+OK\r\n", 5));
}
END_TEST

/* What is just within the limits is read. */
START_TEST(within)
{
    struct buf text;
    buf_init(&text, 16u << 20);
    for (int i = 0; i < REDIS_DEPTH_MAX - 1; i++)
        buf_str(&text, "*1\r\n");
    buf_str(&text, "*999994\r\n");
    for (int i = 0; i < 999994; i++)
        buf_str(&text, ":7\r\n");
    ck_assert(!text.failed);
    for (int round = 0; round < 2; round++) { /* the count begins anew */
        feed(text.data);
        redisReply *reply = next(), *at = reply;
        while (at->elements == 1)
            at = at->element[0];
        ck_assert_uint_eq(at->elements, 999994);
        ck_assert_int_eq(at->element[999993]->integer, 7);
        freeReplyObject(reply);
    }
    buf_clear(&text);
}
END_TEST

/* A status, an error or a number without end does not fill memory. */
START_TEST(endless_line)
{
    char bytes[4096];
    redisReply *reply = NULL;
    int got = 0, rounds = 0;
    memset(bytes, 'x', sizeof bytes);
    feed("+");
    while (got == 0 && rounds++ < 100) {
        ck_assert(redis_reader_feed(&reader, bytes, sizeof bytes));
        got = redis_reader_next(&reader, &reply);
    }
    ck_assert_int_eq(got, -1);
    ck_assert_int_le(rounds, 17);
    ck_assert_str_eq(reader.problem, "a line without end");
}
END_TEST

/* Many texts, each below the limit, are too much together. */
START_TEST(too_much_together)
{
    size_t size = 1u << 20;
    char *bytes = calloc(1, size);
    redisReply *reply = NULL;
    int got = 0, rounds = 0;
    ck_assert_ptr_nonnull(bytes);
    feed("*1000\r\n");
    while (got == 0 && rounds++ < 600) {
        feed("$1048576\r\n");
        if (!redis_reader_feed(&reader, bytes, size) ||
            !redis_reader_feed(&reader, "\r\n", 2))
            break;
        got = redis_reader_next(&reader, &reply);
    }
    ck_assert_int_eq(redis_reader_next(&reader, &reply), -1);
    ck_assert_int_eq(rounds, 512);
    ck_assert_str_eq(reader.problem, "a reply of more than 536870912 bytes");
    free(bytes);
}
END_TEST

static void *no_memory(const redisReadTask *task, char *text, size_t size)
{
    (void)task, (void)text, (void)size;
    return NULL;
}

/* Memory that cannot be had is told apart from nonsense. */
START_TEST(out_of_memory)
{
    redisReply *reply = NULL;
    reader.functions.createString = no_memory;
    feed("*2\r\n:1\r\n$3\r\nabc\r\n");
    ck_assert_int_eq(redis_reader_next(&reader, &reply), -1);
    ck_assert_ptr_null(reply);
    ck_assert_int_eq(reader.status, PAWL_ENOMEM);
}
END_TEST

/* Whatever comes, in whatever pieces: no crash, and what is broken stays broken.
 * Half of the bytes are picked so that they get past the first one. */
static size_t nonsense(char *bytes, size_t most)
{
    static const char *const pieces[] = { "*", "$", ":", "+", "-", "\r\n", "\r\n",
                                          "\r\n", "-1", "0", "1", "2", "7", "*2\r\n",
                                          "$3\r\nabc\r\n", "*-1\r\n", "$-1\r\n",
                                          "2147483647", "\r", "\n", "*1\r\n" };
    size_t size = 0, count = random_u64() % 40;
    while (count-- > 0 && size + 16 < most) {
        const char *piece = pieces[random_u64() % (sizeof pieces / sizeof *pieces)];
        if (random_u64() % 8 == 0) {
            random_bytes(bytes + size, 4);
            size += 4;
            continue;
        }
        memcpy(bytes + size, piece, strlen(piece));
        size += strlen(piece);
    }
    return size;
}

START_TEST(fuzz)
{
    char bytes[512];
    for (int round = 0; round < 20000; round++) {
        size_t size = nonsense(bytes, sizeof bytes), at = 0;
        int got = 0;
        while (at < size && got >= 0) {
            size_t step = 1 + random_u64() % 9;
            if (step > size - at)
                step = size - at;
            redisReply *reply = NULL;
            redis_reader_feed(&reader, bytes + at, step);
            at += step;
            while ((got = redis_reader_next(&reader, &reply)) > 0)
                freeReplyObject(reply);
        }
        ck_assert(got == 0 || reader.status == PAWL_EFORMAT);
        redis_reader_clear(&reader);
        ck_assert(redis_reader_init(&reader));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_reader");
    TCase *t = tcase_create("redis_reader");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, kinds, 0, 2);
    tcase_add_test(t, holds_the_next);
    tcase_add_loop_test(t, refused, 0, (int)(sizeof refusals / sizeof *refusals));
    tcase_add_test(t, within);
    tcase_add_test(t, endless_line);
    tcase_add_test(t, too_much_together);
    tcase_add_test(t, out_of_memory);
    tcase_add_test(t, fuzz);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
