/* redis_conn.c - see redis_conn.h.
 *
 * Commands are written into one block, and sent by the last of them; the bytes that
 * come (redis_stream.c) go to the reader, until a reply is whole. Who was silent or
 * hung up, and how that is said, is the stream's; what is not the protocol is ours.
 */
#include "storage/redis/redis_conn.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "storage/redis/redis_bytes.h"
#include "storage/redis/redis_handshake.h"
#include "storage/redis/redis_reader.h"
#include "storage/redis/redis_stream.h"
#include "util/buf.h"
#include "util/clock.h"

#define OUT_KEPT  (1u << 20) /* a larger request gives its room back */
#define ASK_MOST  16
#define NS_PER_MS 1000000

struct redis_conn {
    struct redis_reader reader;
    struct buf out; /* what is to be sent */
    struct redis_address address;
    struct redis_server_info server;
    struct redis_stream stream;
};

const struct redis_server_info *redis_conn_server(const struct redis_conn *conn)
{
    return &conn->server;
}

const struct redis_address *redis_conn_address(const struct redis_conn *conn)
{
    return &conn->address;
}

int redis_conn_fd(const struct redis_conn *conn)
{
    return conn->stream.fd;
}

/* --- failures: the connection is of no more use ---------------------------- */

static enum pawl_status failed_reader(struct redis_conn *conn,
                                      struct pawl_error *err)
{
    conn->stream.broken = true;
    if (conn->reader.status == PAWL_ENOMEM)
        return pawl_error_set(err, PAWL_ENOMEM,
                              "out of memory for a reply of redis at %s",
                              conn->stream.name);
    return pawl_error_set(err, PAWL_EFORMAT,
                          "redis at %s: its answer cannot be read: %s",
                          conn->stream.name, conn->reader.problem);
}

static enum pawl_status failed_before(const struct redis_conn *conn,
                                      struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_EUNREACHABLE,
                          "redis at %s: the connection is broken", conn->stream.name);
}

/* --- commands --------------------------------------------------------------- */

#define COUNT_MOST 24 /* bytes of "$12\r\n" */

static char *put_count(char *at, char kind, size_t count)
{
    *at++ = kind;
    at = redis_digits_write(at, count);
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

/* Our scripts have 20 words and more; hiredis' formatter makes two passes with
 * sprintf() and a fresh block (2.0 us for 40 words), and its size is an int. */
void redis_conn_queue(struct redis_conn *conn, int argc, const char **argv,
                      const size_t *argv_size)
{
    size_t size = COUNT_MOST;
    for (int i = 0; i < argc; i++)
        size += COUNT_MOST + argv_size[i] + 2;
    char *from = buf_space(&conn->out, size), *at = from;
    if (from == NULL)
        return;
    at = put_count(at, '*', (size_t)argc);
    for (int i = 0; i < argc; i++) {
        at = put_count(at, '$', argv_size[i]);
        memcpy(at, argv[i], argv_size[i]);
        at += argv_size[i];
        *at++ = '\r';
        *at++ = '\n';
    }
    conn->out.len += (size_t)(at - from);
}

/* Send what is queued. */
static enum pawl_status flush(struct redis_conn *conn, int64_t deadline,
                              bool *sent, struct pawl_error *err)
{
    enum pawl_status status = redis_stream_write(&conn->stream, conn->out.data,
                                                 conn->out.len, deadline, sent, err);
    conn->out.len = 0;
    if (conn->out.cap > OUT_KEPT)
        buf_clear(&conn->out);
    return status;
}

/* What could not be queued whole is not sent at all, and the connection stays. */
static enum pawl_status check_queue(struct redis_conn *conn,
                                    struct pawl_error *err)
{
    if (!conn->out.failed)
        return PAWL_OK;
    buf_clear(&conn->out);
    return pawl_error_set(err, PAWL_ENOMEM,
                          "out of memory for a request to redis at %s", conn->stream.name);
}

enum pawl_status redis_conn_send(struct redis_conn *conn, int argc,
                                 const char **argv, const size_t *argv_size,
                                 int64_t deadline, bool *sent,
                                 struct pawl_error *err)
{
    if (sent)
        *sent = false;
    if (conn->stream.broken)
        return failed_before(conn, err);
    redis_conn_queue(conn, argc, argv, argv_size);
    enum pawl_status status = check_queue(conn, err);
    return status == PAWL_OK ? flush(conn, deadline, sent, err) : status;
}

/* Wait for bytes and give them to the reader. */
static enum pawl_status fill(struct redis_conn *conn, struct redis_patience *patience,
                             struct pawl_error *err)
{
    size_t size = 0;
    patience->begun = redis_reader_holds(&conn->reader);
    enum pawl_status status = redis_stream_read(&conn->stream, patience, &size, err);
    if (status == PAWL_OK)
        redis_reader_feed(&conn->reader, conn->stream.in, size);
    return status;
}

static enum pawl_status receive(struct redis_conn *conn,
                                struct redis_patience *patience, redisReply **out,
                                struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    if (conn->stream.broken)
        return failed_before(conn, err);
    while (status == PAWL_OK) {
        int got = redis_reader_next(&conn->reader, out);
        if (got > 0)
            return PAWL_OK;
        status = got < 0 ? failed_reader(conn, err) : fill(conn, patience, err);
    }
    return status;
}

enum pawl_status redis_conn_receive(struct redis_conn *conn, int64_t deadline,
                                    redisReply **out, struct pawl_error *err)
{
    struct redis_patience patience = { .deadline = deadline };
    return receive(conn, &patience, out, err);
}

enum pawl_status redis_conn_hear(struct redis_conn *conn, pawl_duration patience,
                                 int64_t deadline, redisReply **out,
                                 struct pawl_error *err)
{
    struct redis_patience both = { .deadline = deadline, .silence = patience * NS_PER_MS };
    return receive(conn, &both, out, err);
}

bool redis_conn_out_of_step(const struct redis_conn *conn, struct pawl_error *err)
{
    if (!conn->stream.broken && conn->stream.early.len == 0 &&
        !redis_reader_holds(&conn->reader))
        return false;
    pawl_error_set(err, PAWL_EUNREACHABLE,
                   "redis at %s sent a reply that nobody asked for", conn->stream.name);
    return true;
}

bool redis_conn_readable(struct redis_conn *conn)
{
    size_t size;
    if (redis_conn_out_of_step(conn, NULL))
        return true;
    if (!redis_stream_stirs(&conn->stream, &size))
        return false;
    if (size > 0)
        redis_reader_feed(&conn->reader, conn->stream.in, size);
    return true;
}

enum pawl_status redis_conn_ask(struct redis_conn *conn, int64_t deadline,
                                redisReply **out, struct pawl_error *err, ...)
{
    const char *words[ASK_MOST];
    size_t sizes[ASK_MOST];
    int count = 0;
    va_list list;
    va_start(list, err);
    for (const char *word; (word = va_arg(list, const char *)) != NULL; count++) {
        assert(count < ASK_MOST);
        words[count] = word;
        sizes[count] = strlen(word);
    }
    va_end(list);
    enum pawl_status status =
        redis_conn_send(conn, count, words, sizes, deadline, NULL, err);
    return status == PAWL_OK ? redis_conn_receive(conn, deadline, out, err)
                             : status;
}

/* --- open and close --------------------------------------------------------- */

void redis_conn_close(struct redis_conn *conn)
{
    if (!conn)
        return;
    redis_stream_clear(&conn->stream);
    redis_reader_clear(&conn->reader);
    buf_clear(&conn->out);
    free(conn);
}

static struct redis_conn *new_conn(const struct redis_address *address,
                                   struct pawl_error *err)
{
    struct redis_conn *conn = calloc(1, sizeof *conn);
    if (!conn || !redis_reader_init(&conn->reader)) {
        free(conn);
        pawl_error_set(err, PAWL_ENOMEM, "out of memory for a connection to redis");
        return NULL;
    }
    conn->address = *address;
    buf_init(&conn->out, REDIS_REPLY_MAX);
    redis_stream_init(&conn->stream, address);
    return conn;
}

/* A server that has too many clients says so and closes before it reads: when the
 * request cannot be sent, the reason may be there to be read. */
static enum pawl_status greet(struct redis_conn *conn,
                              const struct redis_login *login, int db,
                              int64_t deadline, struct pawl_error *err)
{
    redis_handshake_add(conn, login, db);
    enum pawl_status status = check_queue(conn, err);
    if (status != PAWL_OK)
        return status;
    status = flush(conn, deadline, NULL, err);
    if (conn->out.data)
        explicit_bzero(conn->out.data, conn->out.cap); /* the password */
    if (status != PAWL_OK && status != PAWL_EUNREACHABLE)
        return status;
    conn->stream.broken = false;
    status = redis_handshake_read(conn, login, db, deadline, &conn->server, err);
    if (status == PAWL_EUNREACHABLE && !conn->stream.tls && conn->reader.fed == 0)
        pawl_error_set(err, status,
                       "redis at %s closed the connection at the first word; if it "
                       "wants TLS, use rediss:", conn->stream.name);
    return status;
}

enum pawl_status redis_conn_open(const struct redis_address *address,
                                 const struct redis_settings *settings,
                                 const struct redis_login *login, int db,
                                 int64_t deadline, struct redis_conn **out,
                                 struct pawl_error *err)
{
    int64_t own = clock_mono_ns() + settings->connect_timeout * NS_PER_MS;
    struct redis_conn *conn = new_conn(address, err);
    if (!conn)
        return PAWL_ENOMEM;
    if (own < deadline)
        deadline = own;
    enum pawl_status status =
        redis_stream_open(&conn->stream, address, &settings->tls, deadline, err);
    if (status == PAWL_OK)
        status = greet(conn, login, db, deadline, err);
    if (status == PAWL_OK)
        *out = conn;
    else
        redis_conn_close(conn);
    return status;
}
