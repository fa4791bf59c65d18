/* random.c - getrandom(), a page at a time.
 *
 * One system call per job id would cost more than the rest of making the id, so each
 * thread draws a page of bytes at once. Used bytes are not kept. In a child the page is
 * wiped by the kernel, however the child was made (MADV_WIPEONFORK, Linux 4.14), and
 * is drawn anew: two processes never use the same. To ask getpid() each time instead
 * took a quarter of the time of enqueuing in batches.
 */
#include "util/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

struct pool {
    size_t left; /* of bytes[], at its beginning; 0 in a child */
    unsigned char bytes[4096 - sizeof(size_t)];
};

static _Thread_local struct pool *pool;
static pthread_key_t pool_key; /* frees the pool of a thread that ends */
static bool pool_has_key;
static pthread_once_t pool_once = PTHREAD_ONCE_INIT;

static void draw(void *out, size_t n)
{
    unsigned char *at = out;

    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            abort();
        at += got;
        n -= (size_t)got;
    }
}

static void pool_free(void *memory)
{
    munmap(memory, sizeof(struct pool));
    pool = NULL;
}

static void make_key(void)
{
    pool_has_key = pthread_key_create(&pool_key, pool_free) == 0;
}

/* A library that is unloaded must not be called when a thread ends. */
__attribute__((destructor)) static void delete_key(void)
{
    if (pool_has_key)
        pthread_key_delete(pool_key);
}

/* NULL: there is none, and each request is drawn by itself. */
static struct pool *pool_of_thread(void)
{
    void *memory;

    if (pool)
        return pool;
    pthread_once(&pool_once, make_key);
    if (!pool_has_key)
        return NULL;
    memory = mmap(NULL, sizeof *pool, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (madvise(memory, sizeof *pool, MADV_WIPEONFORK) != 0 ||
        pthread_setspecific(pool_key, memory) != 0) {
        munmap(memory, sizeof *pool);
        return NULL;
    }
    return pool = memory;
}

void random_bytes(void *out, size_t n)
{
    struct pool *own = n <= sizeof own->bytes / 8 ? pool_of_thread() : NULL;

    if (!own) {
        draw(out, n);
        return;
    }
    if (own->left < n) {
        draw(own->bytes, sizeof own->bytes);
        own->left = sizeof own->bytes;
    }
    own->left -= n;
    memcpy(out, own->bytes + own->left, n);
    memset(own->bytes + own->left, 0, n);
}

uint64_t random_u64(void)
{
    uint64_t value;

    random_bytes(&value, sizeof value);
    return value;
}
