/* job.c - a whole job in one block of memory.
 *
 * Layout: the struct, its errors, payload and result, then the texts. One
 * allocation is one free, whatever the job carries.
 */
#include <stdlib.h>
#include <string.h>

#include "pawl/job.h"

struct block {
    char *at;
};

static const char *take_text(struct block *b, const char *text)
{
    char *to = b->at;
    size_t n;

    if (!text)
        text = "";
    n = strlen(text) + 1;
    memcpy(to, text, n);
    b->at += n;
    return to;
}

static const void *take_bytes(struct block *b, const void *bytes, size_t n)
{
    void *to = b->at;

    if (n > 0)
        memcpy(to, bytes, n);
    b->at += n;
    return to;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 1;
}

static size_t block_size(const struct pawl_job *job)
{
    size_t size = sizeof *job + job->payload_size + job->result_size;
    size_t i;

    size += job->error_count * sizeof *job->errors;
    size += text_size(job->queue) + text_size(job->type);
    size += text_size(job->key) + text_size(job->group);
    for (i = 0; i < job->error_count; i++)
        size += text_size(job->errors[i].message);
    return size;
}

struct pawl_job *pawl_job_copy(const struct pawl_job *src)
{
    struct pawl_job *job = malloc(block_size(src));
    struct pawl_job_error *errors;
    struct block b;
    size_t i;

    if (!job)
        return NULL;
    *job = *src;
    errors = (struct pawl_job_error *)(job + 1);
    b.at = (char *)(errors + src->error_count);
    job->payload = take_bytes(&b, src->payload, src->payload_size);
    job->result = take_bytes(&b, src->result, src->result_size);
    job->queue = take_text(&b, src->queue);
    job->type = take_text(&b, src->type);
    job->key = take_text(&b, src->key);
    job->group = take_text(&b, src->group);
    for (i = 0; i < src->error_count; i++) {
        errors[i] = src->errors[i];
        errors[i].message = take_text(&b, src->errors[i].message);
    }
    job->errors = errors;
    return job;
}

void pawl_job_free(struct pawl_job *job)
{
    free(job);
}
