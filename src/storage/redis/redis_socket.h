/* redis_socket.h - a socket, TCP or unix, and waiting for it up to a deadline.
 *
 * Reading and writing answer how many bytes went, or one of REDIS_IO_*, and with
 * REDIS_IO_AGAIN what to wait for. redis_tls.h does the same over TLS, so that a
 * connection treats both alike. Nothing here raises SIGPIPE.
 */
#ifndef PAWL_STORAGE_REDIS_SOCKET_H
#define PAWL_STORAGE_REDIS_SOCKET_H

#include <stdint.h>
#include <sys/types.h>

#include "storage/redis/redis_settings.h"

#define REDIS_IO_AGAIN  (-1) /* not now: wait for *wants (POLLIN or POLLOUT) */
#define REDIS_IO_CLOSED (-2) /* the other side has closed */
#define REDIS_IO_FAILED (-3) /* errno says why (TLS: redis_tls_problem()) */

/* Of an address in a message: a longer one is cut off, so that the reason behind it
 * still fits. */
#define REDIS_NAME_SIZE 96

/* Connected by `deadline` (ns of clock_mono_ns()), or EUNREACHABLE, ETIMEOUT,
 * EDENIED with a message that names the address. All addresses that a name has are
 * tried. The caller closes *fd. */
enum pawl_status redis_socket_open(const struct redis_address *address,
                                   int64_t deadline, int *fd,
                                   struct pawl_error *err);
ssize_t redis_socket_read(int fd, void *bytes, size_t size, short *wants);
/* What is known from the reads before; zeroes at first. */
struct redis_listening {
    long patience_ms;  /* of the kernel, in a recv() that waits; 0: none was set */
    int quick_answers; /* in a row, there almost at once */
};

/* Waits for the first byte; REDIS_IO_AGAIN: `deadline` passed (up to 50 ms ago).
 * *listening is the caller's to keep with the socket. It saves a lone command the
 * poll() before its reply. */
ssize_t redis_socket_read_by(int fd, void *bytes, size_t size, int64_t deadline,
                             struct redis_listening *listening);
ssize_t redis_socket_write(int fd, const void *bytes, size_t size, short *wants);
/* What of `events` came (poll's POLLERR and POLLHUP too), 0 when `deadline` passed
 * first, -1 with errno. Signals do not end it. */
int redis_socket_wait(int fd, short events, int64_t deadline);

/* What errno's number means, as part of a message: "connection refused". */
const char *redis_socket_reason(int number, char *text, size_t size);
/* How many ms there were from `from` to `to`, both in ns, for messages. */
long redis_socket_ms(int64_t from, int64_t to);

#endif
