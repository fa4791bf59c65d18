/* redis_stream.h - bytes to a server and back, plain or over TLS, by a deadline.
 *
 * What is written is written whole; what comes meanwhile is kept for the reader. Every
 * failure breaks the stream: half of a request may be out, or half of a reply in.
 * Whoever wants one that works opens another.
 */
#ifndef PAWL_STORAGE_REDIS_STREAM_H
#define PAWL_STORAGE_REDIS_STREAM_H

#include "storage/redis/redis_socket.h"
#include "util/buf.h"

#define REDIS_READ_SIZE 65536

struct redis_stream {
    int fd;                /* -1: none */
    struct redis_tls *tls; /* NULL: plain */
    bool broken;
    bool full_read;   /* the last read filled its buffer: there may be more */
    struct buf early; /* what came while we wrote, */
    size_t early_at;  /* and how much of it was handed on */
    struct redis_listening listening;
    char name[REDIS_NAME_SIZE]; /* of the server, for messages */
    char in[REDIS_READ_SIZE]; /* what was read last */
};

/* Zeroed but for what has to be set; then it may be cleared. */
void redis_stream_init(struct redis_stream *stream,
                       const struct redis_address *address);
void redis_stream_clear(struct redis_stream *stream);
/* Connect, and begin TLS if the settings want it; statuses as redis_socket_open() and
 * redis_tls_open(). */
enum pawl_status redis_stream_open(struct redis_stream *stream,
                                   const struct redis_address *address,
                                   const struct redis_tls_settings *tls,
                                   int64_t deadline, struct pawl_error *err);

/* Write it all. *sent (may be NULL) becomes true when any byte may have left. */
enum pawl_status redis_stream_write(struct redis_stream *stream, const char *bytes,
                                    size_t size, int64_t deadline, bool *sent,
                                    struct pawl_error *err);

/* How long is waited for bytes. */
struct redis_patience {
    int64_t deadline; /* of the whole call, ns of clock_mono_ns() */
    int64_t silence;  /* ns without a byte; 0: only the deadline counts */
    bool begun;       /* part of a reply is here already; for the message */
};

/* Wait for the next bytes: *size of them, 1 or more, in stream->in. ETIMEOUT: silent;
 * EUNREACHABLE: cut. */
enum pawl_status redis_stream_read(struct redis_stream *stream,
                                   const struct redis_patience *patience,
                                   size_t *size, struct pawl_error *err);
/* The same without waiting. False: all is quiet. True: it was cut, or there are *size
 * bytes. */
bool redis_stream_stirs(struct redis_stream *stream, size_t *size);

#endif
