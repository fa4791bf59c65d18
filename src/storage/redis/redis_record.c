/* redis_record.c - jobs as bytes; redis_record_read.c has the way back.
 *
 * Of each record the size is counted first, then one word of that size is filled.
 * A change here is a change of the format: FORMAT.md, both files, and the scripts.
 */
#include "storage/redis/redis_record.h"

#include <string.h>

#include "storage/redis/redis_bytes.h"

/* --- numbers and bytes ------------------------------------------------------- */

/* What the field cannot hold becomes the nearest number that it can. */
static void write_number(uint8_t **at, int64_t number, size_t size)
{
    int64_t most = (INT64_C(1) << (8 * size)) - 1;
    number = number < 0 ? 0 : number > most ? most : number;
    *at = redis_bytes_write(*at, (uint64_t)number, size);
}

static void write_bytes(uint8_t **at, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(*at, bytes, size);
    *at += size;
}

/* --- the spec ---------------------------------------------------------------- */

static size_t text_size(const char *text)
{
    return text == NULL ? 0 : strlen(text);
}

static bool backoff_set(const struct pawl_backoff *b)
{
    return b->kind != PAWL_BACKOFF_EXPONENTIAL || b->delay != 0 || b->cap != 0 ||
           b->jitter != 0 || b->delay_count != 0;
}

struct spec { /* a new job's and a whole job's fields alike */
    const struct pawl_new_job *job;
    size_t type_size, key_size, group_size;
    bool has_key, has_backoff;
};

static size_t spec_size(const struct spec *s)
{
    size_t size = 6 + s->type_size + s->job->payload_size;
    if (s->has_key)
        size += 8 + s->key_size;
    if (s->job->timeout != 0)
        size += 6;
    if (s->group_size > 0)
        size += 1 + s->group_size;
    if (s->has_backoff)
        size += 15 + 6 * (size_t)s->job->backoff.delay_count;
    return size;
}

static void write_backoff(uint8_t **at, const struct pawl_backoff *b)
{
    write_number(at, b->kind, 1);
    write_number(at, b->delay, 6);
    write_number(at, b->cap, 6);
    write_number(at, b->jitter, 1);
    write_number(at, b->delay_count, 1);
    for (int i = 0; i < b->delay_count; i++)
        write_number(at, b->delays[i], 6);
}

static void write_spec(uint8_t *at, const struct spec *s)
{
    const struct pawl_new_job *job = s->job;
    int flags = s->has_key ? REDIS_BODY_KEY : 0;
    if (s->has_key && job->key_mode == PAWL_KEY_THROTTLE)
        flags |= REDIS_BODY_THROTTLE;
    write_number(&at, flags, 1);
    write_number(&at, job->priority, 1);
    write_number(&at, job->max_attempts, 2);
    write_number(&at, (int64_t)s->type_size, 1);
    write_bytes(&at, job->type, s->type_size);
    if (s->has_key) {
        write_number(&at, (int64_t)s->key_size, 2);
        write_number(&at, job->key_ttl, 6);
        write_bytes(&at, job->key, s->key_size);
    }
    write_number(&at, (job->timeout != 0 ? REDIS_PART_TIMEOUT : 0) |
                      (s->group_size > 0 ? REDIS_PART_GROUP : 0) |
                      (s->has_backoff ? REDIS_PART_BACKOFF : 0), 1);
    if (job->timeout != 0)
        write_number(&at, job->timeout, 6);
    if (s->group_size > 0) {
        write_number(&at, (int64_t)s->group_size, 1);
        write_bytes(&at, job->group, s->group_size);
    }
    if (s->has_backoff)
        write_backoff(&at, &job->backoff);
    write_bytes(&at, job->payload, job->payload_size);
}

void redis_spec_add(struct redis_args *args, const struct pawl_new_job *job)
{
    struct spec spec = { .job = job,
                         .type_size = text_size(job->type),
                         .key_size = text_size(job->key),
                         .group_size = text_size(job->group),
                         .has_key = job->key != NULL,
                         .has_backoff = backoff_set(&job->backoff) };
    uint8_t *at = redis_args_space(args, spec_size(&spec));
    if (at != NULL)
        write_spec(at, &spec);
}

void redis_spec_add_whole(struct redis_args *args, const struct pawl_job *job)
{
    struct pawl_new_job as_new = { .type = job->type,
                                   .payload = job->payload,
                                   .payload_size = job->payload_size,
                                   .priority = job->priority,
                                   .max_attempts = job->max_attempts,
                                   .backoff = job->backoff,
                                   .timeout = job->timeout,
                                   .key = job->key[0] == '\0' ? NULL : job->key,
                                   .key_mode = job->key_mode,
                                   .key_ttl = job->key_ttl,
                                   .group = job->group };
    redis_spec_add(args, &as_new);
}

/* --- errors ------------------------------------------------------------------- */

void redis_errors_add(struct redis_args *args, const struct pawl_job *job)
{
    size_t first = job->error_count <= PAWL_ERRORS_KEPT
                       ? 0
                       : job->error_count - PAWL_ERRORS_KEPT;
    size_t size = 1;
    for (size_t i = first; i < job->error_count; i++)
        size += 10 + strlen(job->errors[i].message);
    if (job->error_count == 0) {
        redis_args_text(args, "");
        return;
    }
    uint8_t *at = redis_args_space(args, size);
    if (at == NULL)
        return;
    write_number(&at, (int64_t)(job->error_count - first), 1);
    for (size_t i = first; i < job->error_count; i++) {
        const struct pawl_job_error *error = &job->errors[i];
        size_t length = strlen(error->message);
        write_number(&at, error->at, 6);
        write_number(&at, error->attempt, 2);
        write_number(&at, (int64_t)length, 2);
        write_bytes(&at, error->message, length);
    }
}
