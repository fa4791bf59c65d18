/* test_redis_record.c - jobs as bytes: what is written is what is read, and a
 * damaged record is an error that names its job, whatever is wrong with it. */
#include "program.h"
#include "storage/redis/redis_record.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPT_PART 25 /* bytes of a body before the spec */
#define DAMAGES 200000

static const struct pawl_id id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 } };

/* The records of one job, and replies that hold them. */
static struct {
    char body[4096], head[REDIS_HEAD_SIZE], errors[4096];
    redisReply id, body_reply, head_reply, errors_reply, result_reply;
} stored;

static redisReply string_of(char *bytes, size_t size)
{
    return (redisReply){ .type = REDIS_REPLY_STRING, .str = bytes, .len = size };
}

/* Format 1, enqueued_at 2, run_at 3, expires_at 4, place 5; then the spec. */
static void store_body(const struct redis_args *args)
{
    static const int times[] = { 2, 3, 4, 5 };
    memset(stored.body, 0, sizeof stored.body);
    stored.body[0] = 1;
    for (int i = 0; i < 4; i++)
        stored.body[6 + 6 * i] = (char)times[i];
    ck_assert_uint_le(SCRIPT_PART + args->sizes[0], sizeof stored.body);
    memcpy(stored.body + SCRIPT_PART, args->argv[0], args->sizes[0]);
    stored.body_reply =
        string_of(stored.body, SCRIPT_PART + args->sizes[0]);
}

static struct redis_job_parts parts_of(const struct pawl_job *job)
{
    struct redis_args args = { 0 };
    redis_spec_add_whole(&args, job);
    redis_errors_add(&args, job);
    ck_assert(!args.failed);
    store_body(&args);
    memcpy(stored.errors, args.argv[1], args.sizes[1]);
    stored.errors_reply = string_of(stored.errors, args.sizes[1]);
    redis_args_clear(&args);

    stored.id = string_of((char *)(uintptr_t)id.b, sizeof id.b);
    stored.result_reply = string_of("a\0result", 8);
    memset(stored.head, 0, sizeof stored.head);
    stored.head[0] = 1;
    stored.head[1] = PAWL_PROCESSING;
    stored.head[2] = 9;     /* priority */
    stored.head[3] = 1;     /* cancel requested */
    stored.head[5] = 7;     /* attempt */
    stored.head[7] = 6;     /* crashes */
    stored.head[11] = 5;    /* epoch */
    stored.head[17] = 4;    /* run_at */
    stored.head[29] = 3;    /* started_at */
    stored.head[35] = 2;    /* finished_at */
    stored.head[51] = 0x11; /* owner */
    stored.head_reply = string_of(stored.head, sizeof stored.head);
    return (struct redis_job_parts){ .id = &stored.id,
                                     .head = &stored.head_reply,
                                     .body = &stored.body_reply,
                                     .errors = &stored.errors_reply,
                                     .result = &stored.result_reply };
}

static const struct pawl_job_error errors[] = { { 5, 1, "first" }, { 6, 2, "" },
                                                { 7, 3, "third" } };

static struct pawl_job full_job(void)
{
    return (struct pawl_job){
        .id = id, .queue = "q", .type = "mail", .key = "one of a kind",
        .group = "them", .key_mode = PAWL_KEY_THROTTLE, .key_ttl = 1234567890123,
        .priority = 3, .max_attempts = 1000, .timeout = 30000,
        .backoff = { .kind = PAWL_BACKOFF_LIST, .cap = 99, .jitter = 100,
                     .delay_count = 3, .delays = { 1, 2, PAWL_DURATION_MAX } },
        .payload = "pay\0load", .payload_size = 8,
        .errors = errors, .error_count = 3
    };
}

static void check_fixed_part(const struct pawl_job *in, const struct pawl_job *out)
{
    ck_assert_mem_eq(&out->id, &in->id, sizeof id);
    ck_assert_str_eq(out->queue, "q");
    ck_assert_str_eq(out->type, in->type);
    ck_assert_str_eq(out->key, in->key);
    ck_assert_str_eq(out->group, in->group);
    ck_assert_int_eq(out->key_mode, in->key_mode);
    ck_assert_int_eq(out->key_ttl, in->key_ttl);
    ck_assert_int_eq(out->max_attempts, in->max_attempts);
    ck_assert_int_eq(out->timeout, in->timeout);
    ck_assert_int_eq(out->backoff.kind, in->backoff.kind);
    ck_assert_int_eq(out->backoff.delay, in->backoff.delay);
    ck_assert_int_eq(out->backoff.cap, in->backoff.cap);
    ck_assert_int_eq(out->backoff.jitter, in->backoff.jitter);
    ck_assert_int_eq(out->backoff.delay_count, in->backoff.delay_count);
    ck_assert_mem_eq(out->backoff.delays, in->backoff.delays,
                     sizeof in->backoff.delays);
    ck_assert_uint_eq(out->payload_size, in->payload_size);
    if (in->payload_size > 0)
        ck_assert_mem_eq(out->payload, in->payload, in->payload_size);
    ck_assert_int_eq(out->enqueued_at, 2);
    ck_assert_int_eq(out->expires_at, 4);
}

START_TEST(everything_comes_back)
{
    struct pawl_job in = full_job(), *out = NULL;
    struct redis_job_parts parts = parts_of(&in);
    ck_assert_int_eq(redis_job_read("q", &parts, &out, NULL), PAWL_OK);
    check_fixed_part(&in, out);
    ck_assert_int_eq(out->state, PAWL_PROCESSING);
    ck_assert_int_eq(out->priority, 9);
    ck_assert(out->cancel_requested);
    ck_assert_int_eq(out->attempt, 7);
    ck_assert_int_eq(out->crashes, 6);
    ck_assert_uint_eq(out->epoch, 5);
    ck_assert_int_eq(out->run_at, 4);
    ck_assert_int_eq(out->started_at, 3);
    ck_assert_int_eq(out->finished_at, 2);
    ck_assert_uint_eq(out->owner.b[15], 0x11);
    ck_assert_uint_eq(out->result_size, 8);
    ck_assert_mem_eq(out->result, "a\0result", 8);
    ck_assert_uint_eq(out->error_count, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(out->errors[i].at, errors[i].at);
        ck_assert_int_eq(out->errors[i].attempt, errors[i].attempt);
        ck_assert_str_eq(out->errors[i].message, errors[i].message);
    }
    pawl_job_free(out);
}
END_TEST

START_TEST(nothing_comes_back)
{
    struct pawl_job in = { .id = id, .queue = "q", .type = "", .key = "",
                           .group = "", .priority = 10, .max_attempts = 1 };
    struct redis_job_parts parts = parts_of(&in);
    struct pawl_job *out = NULL;
    redisReply nil = { .type = REDIS_REPLY_NIL };
    parts.head = parts.errors = parts.result = &nil;
    ck_assert_int_eq(redis_job_read("q", &parts, &out, NULL), PAWL_OK);
    check_fixed_part(&in, out);
    ck_assert_int_eq(out->state, PAWL_PENDING);
    ck_assert_int_eq(out->priority, 10);
    ck_assert_int_eq(out->run_at, 3);
    ck_assert_uint_eq(out->epoch, 0);
    ck_assert_uint_eq(out->result_size, 0);
    ck_assert_uint_eq(out->error_count, 0);
    pawl_job_free(out);

    memset(stored.body + 19, 0, 6); /* no place */
    ck_assert_int_eq(redis_job_read("q", &parts, &out, NULL), PAWL_OK);
    ck_assert_int_eq(out->state, PAWL_SCHEDULED);
    pawl_job_free(out);
}
END_TEST

/* --- damage ----------------------------------------------------------------------- */

static void check_refused(const struct redis_job_parts *parts, const char *what)
{
    struct pawl_job *out = NULL;
    struct pawl_error err = { 0 };
    char text[PAWL_ID_TEXT];
    pawl_id_format(id, text);
    ck_assert_int_eq(redis_job_read("q", parts, &out, &err), PAWL_ECORRUPT);
    ck_assert_ptr_null(out);
    ck_assert_msg(strstr(err.message, text) != NULL, "%s", err.message);
    ck_assert_msg(strstr(err.message, what) != NULL, "%s", err.message);
}

/* Cut short anywhere but in the payload, which may be of any size. */
START_TEST(cut_short)
{
    struct pawl_job in = full_job();
    struct redis_job_parts parts = parts_of(&in);
    size_t body = stored.body_reply.len, fixed = body - in.payload_size;
    for (stored.body_reply.len = 0; stored.body_reply.len < fixed;
         stored.body_reply.len++)
        check_refused(&parts, "body");
    stored.body_reply.len = body;
    for (stored.head_reply.len = 0; stored.head_reply.len < REDIS_HEAD_SIZE;
         stored.head_reply.len++)
        check_refused(&parts, "head");
    size_t size = stored.errors_reply.len;
    for (stored.errors_reply.len = 0; stored.errors_reply.len < size;
         stored.errors_reply.len++)
        check_refused(&parts, "errors");
}
END_TEST

START_TEST(not_there)
{
    struct pawl_job in = full_job(), *out = NULL;
    struct redis_job_parts parts = parts_of(&in);
    redisReply nil = { .type = REDIS_REPLY_NIL };
    parts.body = &nil;
    check_refused(&parts, "body");
    parts.id = &nil;
    ck_assert_int_eq(redis_job_read("q", &parts, &out, NULL), PAWL_ECORRUPT);
    parts.id = NULL;
    ck_assert_int_eq(redis_job_read("q", &parts, &out, NULL), PAWL_ECORRUPT);
}
END_TEST

/* A small generator of our own, so that a failure comes again. */
static unsigned next(unsigned below)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % below;
}

static void damage(redisReply *reply)
{
    unsigned size = (unsigned)reply->len;
    if (size > 0 && next(2) == 0)
        reply->str[next(size)] = (char)next(256);
    if (size > 0 && next(4) == 0)
        reply->len = next(size + 1);
}

/* Any bytes are read or refused; the sanitizers see what is read beyond them, for
 * which each record is put in a block of its very size. */
START_TEST(random_damage)
{
    struct pawl_job in = full_job();
    for (int i = 0; i < DAMAGES; i++) {
        struct redis_job_parts parts = parts_of(&in);
        redisReply *replies[] = { &stored.body_reply, &stored.head_reply,
                                  &stored.errors_reply };
        char *blocks[3];
        struct pawl_job *out = NULL;
        for (int n = 0; n < 3; n++) {
            damage(replies[n]);
            blocks[n] = malloc(replies[n]->len > 0 ? replies[n]->len : 1);
            memcpy(blocks[n], replies[n]->str, replies[n]->len);
            replies[n]->str = blocks[n];
        }
        enum pawl_status status = redis_job_read("q", &parts, &out, NULL);
        ck_assert(status == PAWL_OK || status == PAWL_ECORRUPT);
        ck_assert((out != NULL) == (status == PAWL_OK));
        pawl_job_free(out);
        for (int n = 0; n < 3; n++)
            free(blocks[n]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_record");
    TCase *t = tcase_create("redis_record");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, everything_comes_back);
    tcase_add_test(t, nothing_comes_back);
    tcase_add_test(t, cut_short);
    tcase_add_test(t, not_there);
    tcase_add_test(t, random_damage);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
