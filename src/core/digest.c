/* digest.c - the digest of a whole job: SHA-256 over its fields in a fixed order.
 *
 * Numbers are eight bytes, high first; texts and bytes come after their length. So
 * no two jobs that differ have the same bytes, and the digest depends neither on the
 * storage nor on the machine. It is what a migration is proved by: never change what
 * goes in, or in which order, without another ENCODING.
 */
#include <pthread.h>
#include <string.h>

#include "pawl/storage.h"
#include "util/openssl.h"

#define ENCODING 1
#define NUMBERS_MOST (32 + PAWL_BACKOFF_LIST_MAX)
#define DIGEST_SIZE 32

/* Fetched once: looking an algorithm up costs as much as a short digest. */
static EVP_MD *sha256;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    sha256 = openssl.EVP_MD_fetch(NULL, "SHA256", NULL);
}

struct numbers {
    uint8_t bytes[NUMBERS_MOST * 8];
    size_t size;
};

static void add(struct numbers *n, int64_t number)
{
    int shift;

    for (shift = 56; shift >= 0; shift -= 8)
        n->bytes[n->size++] = (uint8_t)((uint64_t)number >> shift);
}

static void add_backoff(struct numbers *n, const struct pawl_backoff *backoff)
{
    int i;

    add(n, backoff->kind);
    add(n, backoff->delay);
    add(n, backoff->cap);
    add(n, backoff->jitter);
    add(n, backoff->delay_count);
    for (i = 0; i < backoff->delay_count && i < PAWL_BACKOFF_LIST_MAX; i++)
        add(n, backoff->delays[i]);
}

static bool put_numbers(EVP_MD_CTX *ctx, const struct pawl_job *job)
{
    struct numbers n = { .size = 0 };

    add(&n, ENCODING);
    add(&n, job->state);
    add(&n, job->key_mode);
    add(&n, job->priority);
    add(&n, job->attempt);
    add(&n, job->max_attempts);
    add(&n, job->crashes);
    add(&n, job->epoch);
    add_backoff(&n, &job->backoff);
    add(&n, job->timeout);
    add(&n, job->key_ttl);
    add(&n, job->enqueued_at);
    add(&n, job->run_at);
    add(&n, job->started_at);
    add(&n, job->finished_at);
    add(&n, job->expires_at);
    add(&n, (int64_t)job->error_count);
    return openssl.EVP_DigestUpdate(ctx, job->id.b, sizeof job->id.b) &&
           openssl.EVP_DigestUpdate(ctx, n.bytes, n.size);
}

static bool put_bytes(EVP_MD_CTX *ctx, const void *bytes, size_t size)
{
    struct numbers n = { .size = 0 };

    add(&n, (int64_t)size);
    return openssl.EVP_DigestUpdate(ctx, n.bytes, n.size) &&
           (size == 0 || openssl.EVP_DigestUpdate(ctx, bytes, size));
}

static bool put_text(EVP_MD_CTX *ctx, const char *text)
{
    return put_bytes(ctx, text, text ? strlen(text) : 0);
}

static bool put_errors(EVP_MD_CTX *ctx, const struct pawl_job *job)
{
    bool fine = true;
    size_t i;

    for (i = 0; i < job->error_count && fine; i++) {
        struct numbers n = { .size = 0 };
        add(&n, job->errors[i].at);
        add(&n, job->errors[i].attempt);
        fine = openssl.EVP_DigestUpdate(ctx, n.bytes, n.size) &&
               put_text(ctx, job->errors[i].message);
    }
    return fine;
}

static bool put_job(EVP_MD_CTX *ctx, const struct pawl_job *job)
{
    return put_numbers(ctx, job) && put_text(ctx, job->queue) &&
           put_text(ctx, job->type) && put_text(ctx, job->key) &&
           put_text(ctx, job->group) &&
           put_bytes(ctx, job->payload, job->payload_size) &&
           put_bytes(ctx, job->result, job->result_size) && put_errors(ctx, job);
}

bool pawl_job_digest(const struct pawl_job *job, struct pawl_digest *out)
{
    uint8_t bytes[DIGEST_SIZE];
    EVP_MD_CTX *ctx;
    bool fine;
    size_t i;

    if (openssl_load())
        return false;
    pthread_once(&once, fetch);
    ctx = openssl.EVP_MD_CTX_new();
    fine = ctx && sha256 && openssl.EVP_DigestInit_ex2(ctx, sha256, NULL) &&
           put_job(ctx, job) && openssl.EVP_DigestFinal_ex(ctx, bytes, NULL);
    openssl.EVP_MD_CTX_free(ctx);
    for (i = 0; i < 8 && fine; i++)
        out->lanes[i] = (uint32_t)bytes[4 * i] << 24 |
                        (uint32_t)bytes[4 * i + 1] << 16 |
                        (uint32_t)bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
    return fine;
}

void pawl_digest_add(struct pawl_digest *sum, const struct pawl_digest *one)
{
    size_t i;

    for (i = 0; i < 8; i++)
        sum->lanes[i] += one->lanes[i];
}

bool pawl_digest_is_zero(const struct pawl_digest *digest)
{
    static const struct pawl_digest zero;

    return memcmp(digest, &zero, sizeof zero) == 0;
}
