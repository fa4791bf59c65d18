/* redis_stream.c - see redis_stream.h.
 *
 * Who notices that a server went silent: while we wait for bytes, the patience and the
 * deadline of the call, whatever the reason; between calls, the pool, which looks at a
 * connection that was idle before it hands it out (redis_conn_readable()); and the
 * kernel, that breaks the connection when bytes stay unanswered for 5 s or an idle
 * peer does not answer its probes (redis_socket.c). There is no watching thread: a
 * connection that nobody uses needs none.
 *
 * A command and its reply cost one send() and one recv() that waits (with TLS a
 * poll() between them): we send before asking whether we can, and do not look for a
 * reply that cannot be there yet. From a server that is quick it can be
 * (redis_socket.c).
 */
#include "storage/redis/redis_stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "storage/redis/redis_tls.h"
#include "util/clock.h"

#define EARLY_MOST (512u << 20) /* as much as one reply may have */

/* --- failures: the stream is of no more use ------------------------------------- */

static enum pawl_status failed_silent(struct redis_stream *stream, bool begun,
                                      int64_t from, int64_t to,
                                      struct pawl_error *err)
{
    stream->broken = true;
    return pawl_error_set(err, PAWL_ETIMEOUT,
                          begun ? "redis at %s: the rest of its answer did not come "
                                  "within %ld ms"
                                : "redis at %s: no answer within %ld ms",
                          stream->name, redis_socket_ms(from, to));
}

/* `result` is what reading or writing answered. */
static enum pawl_status failed_io(struct redis_stream *stream, ssize_t result,
                                  struct pawl_error *err)
{
    int number = errno;
    char reason[128];
    bool denied = false;
    stream->broken = true;
    if (result == REDIS_IO_CLOSED)
        return pawl_error_set(err, PAWL_EUNREACHABLE,
                              "redis at %s closed the connection", stream->name);
    if (stream->tls) {
        const char *problem = redis_tls_problem(stream->tls, &denied);
        return pawl_error_set(err, denied ? PAWL_EDENIED : PAWL_EUNREACHABLE,
                              "redis at %s: %s", stream->name, problem);
    }
    pawl_error_set(err, PAWL_EUNREACHABLE, "redis at %s: %s", stream->name,
                   redis_socket_reason(number, reason, sizeof reason));
    if (err)
        err->native = number;
    return PAWL_EUNREACHABLE;
}

/* --- bytes ------------------------------------------------------------------ */

static ssize_t write_some(struct redis_stream *stream, const char *bytes, size_t size,
                          short *wants)
{
    return stream->tls ? redis_tls_write(stream->tls, bytes, size, wants)
                       : redis_socket_write(stream->fd, bytes, size, wants);
}

/* Read what is there into stream->in, without waiting. */
static ssize_t read_some(struct redis_stream *stream, short *wants)
{
    char *in = stream->in;
    ssize_t n = stream->tls
                    ? redis_tls_read(stream->tls, in, REDIS_READ_SIZE, wants)
                    : redis_socket_read(stream->fd, in, REDIS_READ_SIZE, wants);
    stream->full_read = n == REDIS_READ_SIZE;
    return n;
}

/* The socket takes no more. A server that we send much to may itself be waiting
 * for us to take its replies, so those are read meanwhile. They wait outside of the
 * reader, which moves all that it holds with each reply. */
static enum pawl_status wait_to_write(struct redis_stream *stream, short wants,
                                      int64_t deadline, struct pawl_error *err)
{
    int64_t from = clock_mono_ns();
    int came = redis_socket_wait(stream->fd, (short)(wants | POLLIN), deadline);
    if (came == 0)
        return failed_silent(stream, false, from, deadline, err);
    if (came < 0)
        return failed_io(stream, REDIS_IO_FAILED, err);
    if (!(came & (POLLIN | POLLHUP | POLLERR)))
        return PAWL_OK;
    ssize_t n = read_some(stream, &wants);
    if (n < 0 && n != REDIS_IO_AGAIN)
        return failed_io(stream, n, err);
    if (n < 0 || buf_add(&stream->early, stream->in, (size_t)n))
        return PAWL_OK;
    stream->broken = true;
    return pawl_error_set(err, PAWL_ENOMEM,
                          "no room for what redis at %s answers while we send",
                          stream->name);
}

enum pawl_status redis_stream_write(struct redis_stream *stream, const char *bytes,
                                    size_t size, int64_t deadline, bool *sent,
                                    struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    size_t done = 0;
    while (status == PAWL_OK && done < size) {
        short wants = POLLOUT;
        ssize_t n = write_some(stream, bytes + done, size - done, &wants);
        if (n > 0)
            done += (size_t)n;
        else if (n == REDIS_IO_AGAIN)
            status = wait_to_write(stream, wants, deadline, err);
        else
            status = failed_io(stream, n, err);
        /* Part of a TLS record may be out even where it was not accepted. */
        if (sent && (done > 0 || stream->tls))
            *sent = true;
    }
    return status;
}

/* Take some of what came early. */
static size_t read_early(struct redis_stream *stream)
{
    size_t size = stream->early.len - stream->early_at;
    if (size == 0)
        return 0;
    if (size > REDIS_READ_SIZE)
        size = REDIS_READ_SIZE;
    memcpy(stream->in, stream->early.data + stream->early_at, size);
    stream->early_at += size;
    if (stream->early_at == stream->early.len) {
        buf_clear(&stream->early);
        stream->early_at = 0;
    }
    return size;
}

/* Until when, if nothing comes from now on. */
static int64_t limit_of(const struct redis_patience *patience, int64_t now)
{
    int64_t limit = now + patience->silence;
    return patience->silence == 0 || limit > patience->deadline ? patience->deadline
                                                                : limit;
}

/* Wait in recv() itself. */
static enum pawl_status read_plain(struct redis_stream *stream,
                                   const struct redis_patience *patience,
                                   size_t *size, struct pawl_error *err)
{
    int64_t from = clock_mono_ns(), limit = limit_of(patience, from);
    ssize_t n = redis_socket_read_by(stream->fd, stream->in, REDIS_READ_SIZE, limit,
                                     &stream->listening);
    if (n == REDIS_IO_AGAIN)
        return failed_silent(stream, patience->begun, from, limit, err);
    if (n < 0)
        return failed_io(stream, n, err);
    *size = (size_t)n;
    stream->full_read = n == REDIS_READ_SIZE;
    return PAWL_OK;
}

/* Bytes may come and not be a whole record yet: they end the silence all the same. */
static enum pawl_status read_tls(struct redis_stream *stream,
                                 const struct redis_patience *patience,
                                 size_t *size, struct pawl_error *err)
{
    short wants = POLLIN;
    bool here = stream->full_read || redis_tls_pending(stream->tls);
    for (;;) {
        if (!here) {
            int64_t from = clock_mono_ns(), limit = limit_of(patience, from);
            int came = redis_socket_wait(stream->fd, wants, limit);
            if (came == 0)
                return failed_silent(stream, patience->begun, from, limit, err);
            if (came < 0)
                return failed_io(stream, REDIS_IO_FAILED, err);
        }
        ssize_t n = read_some(stream, &wants);
        if (n > 0) {
            *size = (size_t)n;
            return PAWL_OK;
        }
        if (n != REDIS_IO_AGAIN)
            return failed_io(stream, n, err);
        here = false;
    }
}

enum pawl_status redis_stream_read(struct redis_stream *stream,
                                   const struct redis_patience *patience,
                                   size_t *size, struct pawl_error *err)
{
    if ((*size = read_early(stream)) > 0)
        return PAWL_OK;
    return stream->tls ? read_tls(stream, patience, size, err)
                       : read_plain(stream, patience, size, err);
}

bool redis_stream_stirs(struct redis_stream *stream, size_t *size)
{
    short wants;
    ssize_t n = read_some(stream, &wants);
    *size = n > 0 ? (size_t)n : 0;
    return n != REDIS_IO_AGAIN;
}

/* --- open and close --------------------------------------------------------- */

void redis_stream_init(struct redis_stream *stream,
                       const struct redis_address *address)
{
    stream->fd = -1;
    buf_init(&stream->early, EARLY_MOST);
    redis_address_format(address, stream->name, sizeof stream->name);
}

enum pawl_status redis_stream_open(struct redis_stream *stream,
                                   const struct redis_address *address,
                                   const struct redis_tls_settings *tls,
                                   int64_t deadline, struct pawl_error *err)
{
    enum pawl_status status = redis_socket_open(address, deadline, &stream->fd, err);
    if (status == PAWL_OK && tls->on)
        status = redis_tls_open(stream->fd, address, tls, deadline, &stream->tls, err);
    return status;
}

void redis_stream_clear(struct redis_stream *stream)
{
    redis_tls_close(stream->tls);
    if (stream->fd >= 0)
        close(stream->fd);
    buf_clear(&stream->early);
}
