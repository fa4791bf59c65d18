/* sqlite_live.c - locks on single bytes of an empty file. */
#include "sqlite_live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sqlite_path.h"
#include "util/random.h"

#define LIVE_BYTES UINT32_C(0x7fffffff)
#define LIVE_TRIES 100

/* All zero where it cannot be read: then only the locks tell of an earlier
 * boot's owners, which is enough, since none of them holds one. */
static void live_read_boot_id(uint8_t out[16])
{
    char text[64] = "";
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    memset(out, 0, 16);
    if (!f)
        return;
    size_t n = fread(text, 1, sizeof text - 1, f), at = 0;
    fclose(f);
    for (size_t i = 0; i < n && at < 32; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        if (digit < 0)
            continue;
        out[at / 2] = (uint8_t)(out[at / 2] << 4 | digit);
        at++;
    }
}

enum pawl_status live_open(struct sqlite_live *live, const char *path,
                           struct pawl_error *err)
{
    live->holder = live->prober = -1;
    live_read_boot_id(live->boot_id);
    enum pawl_status status = path_open_side(path, ".live", 0, &live->holder, err);
    if (status == PAWL_OK)
        status = path_open_side(path, ".live", 0, &live->prober, err);
    return status;
}

void live_close(struct sqlite_live *live)
{
    if (live->holder > 0)
        close(live->holder);
    if (live->prober > 0)
        close(live->prober);
    live->holder = live->prober = -1;
}

static struct flock live_byte(uint32_t byte, short type)
{
    return (struct flock){ .l_type = type, .l_whence = SEEK_SET,
                           .l_start = (off_t)byte, .l_len = 1 };
}

enum pawl_status live_acquire(struct sqlite_live *live, uint32_t *byte,
                              struct pawl_error *err)
{
    int number = 0;
    for (int i = 0; i < LIVE_TRIES; i++) {
        uint32_t n = 1 + (uint32_t)(random_u64() % (LIVE_BYTES - 1));
        if (live_is_held(live, n))
            continue;
        struct flock lock = live_byte(n, F_WRLCK);
        if (fcntl(live->holder, F_OFD_SETLK, &lock) == 0) {
            *byte = n;
            return PAWL_OK;
        }
        number = errno;
        if (number != EAGAIN && number != EACCES)
            break;
    }
    pawl_error_set(err, PAWL_EIO, "cannot lock a byte of the .live file: %s",
                   strerror(number));
    if (err)
        err->native = number;
    return PAWL_EIO;
}

void live_release(struct sqlite_live *live, uint32_t byte)
{
    struct flock lock = live_byte(byte, F_UNLCK);
    fcntl(live->holder, F_OFD_SETLK, &lock);
}

bool live_is_held(const struct sqlite_live *live, uint32_t byte)
{
    struct flock lock = live_byte(byte, F_WRLCK);
    return fcntl(live->prober, F_OFD_GETLK, &lock) != 0 ||
           lock.l_type != F_UNLCK;
}

void live_boot_id(const struct sqlite_live *live, uint8_t out[16])
{
    memcpy(out, live->boot_id, 16);
}
