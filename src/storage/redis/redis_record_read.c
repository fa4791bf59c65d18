/* redis_record_read.c - what a script hands out, as a whole job.
 *
 * Nothing in a record is trusted: each field is taken by a reader that knows where
 * the record ends and remembers that something was missing, and the job is made
 * only when all of it was there.
 */
#include "storage/redis/redis_record.h"

#include <stdlib.h>
#include <string.h>

#include "storage/redis/redis_bytes.h"

#define RECORD_FORMAT 1
#define HEAD_CANCEL_ASKED 1 /* the other flags are for the scripts */

/* --- fields ----------------------------------------------------------------- */

struct reader {
    const uint8_t *at;
    size_t left;
    bool bad; /* it ended too early, or a text in it is none; stays */
};

struct slice {
    const uint8_t *at;
    size_t size;
};

static struct slice read_bytes(struct reader *r, size_t size)
{
    struct slice slice = { (const uint8_t *)"", 0 };
    if (r->bad || size > r->left) {
        r->bad = true;
        return slice;
    }
    slice = (struct slice){ r->at, size };
    r->at += size;
    r->left -= size;
    return slice;
}

static int64_t read_number(struct reader *r, size_t size)
{
    struct slice bytes = read_bytes(r, size);
    return (int64_t)redis_bytes_read(bytes.at, bytes.size);
}

static struct slice read_text(struct reader *r, size_t size)
{
    struct slice text = read_bytes(r, size);
    if (text.size > 0 && memchr(text.at, '\0', text.size) != NULL)
        r->bad = true;
    return text;
}

static bool is_string(const redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_STRING;
}

/* A missing one has no bytes, so that the first field is already bad. */
static struct reader reader_of(const redisReply *reply)
{
    struct reader r = { 0 };
    if (is_string(reply))
        r = (struct reader){ (const uint8_t *)reply->str, reply->len, false };
    return r;
}

/* --- the records ------------------------------------------------------------- */

/* A job with its texts where the reply has them. */
struct loose {
    struct pawl_job job;
    struct slice type, key, group, payload, result;
    struct reader errors;
    struct slice messages[PAWL_ERRORS_KEPT];
    struct pawl_job_error error_list[PAWL_ERRORS_KEPT];
};

static void read_backoff(struct reader *r, struct pawl_backoff *b)
{
    int64_t kind = read_number(r, 1);
    b->delay = read_number(r, 6);
    b->cap = read_number(r, 6);
    b->jitter = (int)read_number(r, 1);
    int64_t count = read_number(r, 1);
    if (kind > PAWL_BACKOFF_LIST || count > PAWL_BACKOFF_LIST_MAX)
        r->bad = true;
    if (r->bad)
        return;
    b->kind = (enum pawl_backoff_kind)kind;
    b->delay_count = (int)count;
    for (int i = 0; i < b->delay_count; i++)
        b->delays[i] = read_number(r, 6);
}

static void read_key(struct reader *r, struct loose *out, int64_t flags)
{
    if ((flags & REDIS_BODY_KEY) == 0)
        return;
    size_t size = (size_t)read_number(r, 2);
    out->job.key_ttl = read_number(r, 6);
    out->key = read_text(r, size);
    if ((flags & REDIS_BODY_THROTTLE) != 0)
        out->job.key_mode = PAWL_KEY_THROTTLE;
}

static bool read_body(const redisReply *reply, struct loose *out)
{
    struct reader reader = reader_of(reply), *r = &reader;
    struct pawl_job *job = &out->job;
    if (read_number(r, 1) != RECORD_FORMAT)
        return false;
    job->enqueued_at = read_number(r, 6);
    job->run_at = read_number(r, 6);
    job->expires_at = read_number(r, 6);
    job->state = read_number(r, 6) == 0 ? PAWL_SCHEDULED : PAWL_PENDING;
    int64_t flags = read_number(r, 1);
    job->priority = (int)read_number(r, 1);
    job->max_attempts = (int)read_number(r, 2);
    out->type = read_text(r, (size_t)read_number(r, 1));
    read_key(r, out, flags);
    int64_t parts = read_number(r, 1);
    if ((parts & REDIS_PART_TIMEOUT) != 0)
        job->timeout = read_number(r, 6);
    if ((parts & REDIS_PART_GROUP) != 0)
        out->group = read_text(r, (size_t)read_number(r, 1));
    if ((parts & REDIS_PART_BACKOFF) != 0)
        read_backoff(r, &job->backoff);
    out->payload = read_bytes(r, r->left);
    return !r->bad;
}

static bool read_head(const redisReply *reply, struct pawl_job *job)
{
    struct reader reader = reader_of(reply), *r = &reader;
    if (r->left != REDIS_HEAD_SIZE || read_number(r, 1) != RECORD_FORMAT)
        return false;
    int64_t state = read_number(r, 1);
    if (state < PAWL_STATE_FIRST || state > PAWL_STATE_LAST)
        return false;
    job->state = (enum pawl_state)state;
    job->priority = (int)read_number(r, 1);
    job->cancel_requested = (read_number(r, 1) & HEAD_CANCEL_ASKED) != 0;
    job->attempt = (int)read_number(r, 2);
    job->crashes = (int)read_number(r, 2);
    job->epoch = (uint32_t)read_number(r, 4);
    job->run_at = read_number(r, 6);
    read_number(r, 6); /* its place */
    job->started_at = read_number(r, 6);
    job->finished_at = read_number(r, 6);
    struct slice owner = read_bytes(r, sizeof job->owner);
    if (job->state == PAWL_PROCESSING)
        memcpy(&job->owner, owner.at, sizeof job->owner);
    return !r->bad;
}

static bool read_errors(const redisReply *reply, struct loose *out)
{
    struct reader reader = reader_of(reply), *r = &reader;
    int64_t count = read_number(r, 1);
    if (count > PAWL_ERRORS_KEPT)
        return false;
    for (int64_t i = 0; i < count; i++) {
        struct pawl_job_error *error = &out->error_list[i];
        error->at = read_number(r, 6);
        error->attempt = (int)read_number(r, 2);
        out->messages[i] = read_text(r, (size_t)read_number(r, 2));
    }
    out->job.error_count = (size_t)count;
    return !r->bad && r->left == 0;
}

/* What is wrong with it; NULL: nothing. */
static const char *read_parts(const struct redis_job_parts *parts,
                              struct loose *out)
{
    memcpy(&out->job.id, parts->id->str, sizeof out->job.id);
    if (!read_body(parts->body, out))
        return "body";
    if (is_string(parts->head) && !read_head(parts->head, &out->job))
        return "head";
    if (is_string(parts->errors) && !read_errors(parts->errors, out))
        return "list of errors";
    if (is_string(parts->result)) {
        out->result = (struct slice){ (const uint8_t *)parts->result->str,
                                      parts->result->len };
    }
    return NULL;
}

/* --- one block -------------------------------------------------------------- */

static const char *take(char **at, struct slice from)
{
    char *to = *at;
    if (from.size > 0)
        memcpy(to, from.at, from.size);
    *at += from.size;
    return to;
}

static const char *take_text(char **at, struct slice from)
{
    const char *text = take(at, from);
    *(*at)++ = '\0';
    return text;
}

/* As pawl_job_copy() would lay it out; but the texts here have no ends yet. */
static struct pawl_job *assemble(const struct loose *from, const char *queue)
{
    size_t queue_size = strlen(queue), count = from->job.error_count;
    size_t size = sizeof(struct pawl_job) + count * sizeof from->error_list[0] +
                  from->payload.size + from->result.size + queue_size +
                  from->type.size + from->key.size + from->group.size + 4;
    for (size_t i = 0; i < count; i++)
        size += from->messages[i].size + 1;

    struct pawl_job *job = malloc(size);
    if (job == NULL)
        return NULL;
    struct pawl_job_error *errors = (struct pawl_job_error *)(job + 1);
    char *at = (char *)(errors + count);
    *job = from->job;
    job->payload = take(&at, from->payload);
    job->payload_size = from->payload.size;
    job->result = take(&at, from->result);
    job->result_size = from->result.size;
    job->queue = take_text(&at, (struct slice){ (const uint8_t *)queue, queue_size });
    job->type = take_text(&at, from->type);
    job->key = take_text(&at, from->key);
    job->group = take_text(&at, from->group);
    for (size_t i = 0; i < count; i++) {
        errors[i] = from->error_list[i];
        errors[i].message = take_text(&at, from->messages[i]);
    }
    job->errors = errors;
    return job;
}

enum pawl_status redis_job_read(const char *queue,
                                const struct redis_job_parts *parts,
                                struct pawl_job **out, struct pawl_error *err)
{
    char id[PAWL_ID_TEXT];
    struct loose loose;
    if (!is_string(parts->id) || parts->id->len != sizeof loose.job.id)
        return pawl_error_set(err, PAWL_ECORRUPT,
                              "redis handed out a job of queue '%s' whose id is "
                              "not one of 16 bytes", queue);
    memset(&loose, 0, sizeof loose);
    const char *wrong = read_parts(parts, &loose);
    if (wrong != NULL) {
        pawl_id_format(loose.job.id, id);
        return pawl_error_set(err, PAWL_ECORRUPT,
                              "job %s of queue '%s' has a record that is damaged: "
                              "its %s", id, queue, wrong);
    }
    *out = assemble(&loose, queue);
    if (*out == NULL)
        return pawl_error_set(err, PAWL_ENOMEM,
                              "out of memory for a job of queue '%s'", queue);
    return PAWL_OK;
}
