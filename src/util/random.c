/* random.c - getrandom(), a buffer at a time.
 *
 * One system call per job id would cost as much as the rest of making the id,
 * so each thread draws 512 bytes at once. Used bytes are not kept, and a child
 * after fork() starts with an empty buffer: two processes never draw the same.
 */
#include "util/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

struct pool {
    unsigned char bytes[512];
    size_t left;
    pid_t pid;
};

static _Thread_local struct pool pool;

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

void random_bytes(void *out, size_t n)
{
    if (n > sizeof pool.bytes / 4) {
        draw(out, n);
        return;
    }
    if (pool.left < n || pool.pid != getpid()) {
        draw(pool.bytes, sizeof pool.bytes);
        pool.left = sizeof pool.bytes;
        pool.pid = getpid();
    }
    pool.left -= n;
    memcpy(out, pool.bytes + pool.left, n);
    memset(pool.bytes + pool.left, 0, n);
}

uint64_t random_u64(void)
{
    uint64_t value;

    random_bytes(&value, sizeof value);
    return value;
}
