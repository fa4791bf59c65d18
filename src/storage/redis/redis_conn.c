/* redis_conn.c - see redis_conn.h.
 *
 * Who notices that a server went silent: while we wait for a reply, the patience and
 * the deadline of the call, whatever the reason; between calls, the pool, which looks at a
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
#include "storage/redis/redis_conn.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/redis/redis_bytes.h"
#include "storage/redis/redis_handshake.h"
#include "storage/redis/redis_reader.h"
#include "storage/redis/redis_socket.h"
#include "storage/redis/redis_tls.h"
#include "util/buf.h"
#include "util/clock.h"

#define READ_SIZE    65536
#define OUT_KEPT     (1u << 20) /* a larger request gives its room back */
#define ASK_MOST     16
#define NS_PER_MS    1000000

struct redis_conn {
    int fd;
    struct redis_tls *tls; /* NULL: plain */
    struct redis_reader reader;
    struct buf out;   /* what is to be sent */
    struct buf early; /* replies that came while we sent, */
    size_t early_at;  /* and how much of them went to the reader */
    bool full_read;   /* the last read filled its buffer: there may be more */
    struct redis_listening listening;
    bool broken;
    struct redis_address address;
    struct redis_server_info server;
    char name[REDIS_NAME_SIZE]; /* of the server, for messages */
    char in[READ_SIZE];
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
    return conn->fd;
}

/* --- failures: the connection is of no more use ---------------------------- */

static enum pawl_status failed_silent(struct redis_conn *conn, int64_t from,
                                      int64_t to, struct pawl_error *err)
{
    bool begun = redis_reader_holds(&conn->reader);
    conn->broken = true;
    return pawl_error_set(err, PAWL_ETIMEOUT,
                          begun ? "redis at %s: the rest of its answer did not come "
                                  "within %ld ms"
                                : "redis at %s: no answer within %ld ms",
                          conn->name, redis_socket_ms(from, to));
}

/* `result` is what reading or writing answered. */
static enum pawl_status failed_io(struct redis_conn *conn, ssize_t result,
                                  struct pawl_error *err)
{
    int number = errno;
    char reason[128];
    bool denied = false;
    conn->broken = true;
    if (result == REDIS_IO_CLOSED)
        return pawl_error_set(err, PAWL_EUNREACHABLE,
                              "redis at %s closed the connection", conn->name);
    if (conn->tls) {
        const char *problem = redis_tls_problem(conn->tls, &denied);
        return pawl_error_set(err, denied ? PAWL_EDENIED : PAWL_EUNREACHABLE,
                              "redis at %s: %s", conn->name, problem);
    }
    pawl_error_set(err, PAWL_EUNREACHABLE, "redis at %s: %s", conn->name,
                   redis_socket_reason(number, reason, sizeof reason));
    if (err)
        err->native = number;
    return PAWL_EUNREACHABLE;
}

static enum pawl_status failed_reader(struct redis_conn *conn,
                                      struct pawl_error *err)
{
    conn->broken = true;
    if (conn->reader.status == PAWL_ENOMEM)
        return pawl_error_set(err, PAWL_ENOMEM,
                              "out of memory for a reply of redis at %s",
                              conn->name);
    return pawl_error_set(err, PAWL_EFORMAT,
                          "redis at %s: its answer cannot be read: %s",
                          conn->name, conn->reader.problem);
}

static enum pawl_status failed_before(const struct redis_conn *conn,
                                      struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_EUNREACHABLE,
                          "redis at %s: the connection is broken", conn->name);
}

/* --- bytes ------------------------------------------------------------------ */

static ssize_t write_some(struct redis_conn *conn, const char *bytes, size_t size,
                          short *wants)
{
    return conn->tls ? redis_tls_write(conn->tls, bytes, size, wants)
                     : redis_socket_write(conn->fd, bytes, size, wants);
}

/* Read what is there into conn->in, without waiting. */
static ssize_t read_some(struct redis_conn *conn, short *wants)
{
    ssize_t n = conn->tls ? redis_tls_read(conn->tls, conn->in, READ_SIZE, wants)
                          : redis_socket_read(conn->fd, conn->in, READ_SIZE, wants);
    conn->full_read = n == READ_SIZE;
    return n;
}

/* The socket takes no more. A server that we send much to may itself be waiting
 * for us to take its replies, so those are read meanwhile. They wait outside of the
 * reader, which moves all that it holds with each reply. */
static enum pawl_status wait_to_write(struct redis_conn *conn, short wants,
                                      int64_t deadline, struct pawl_error *err)
{
    int64_t from = clock_mono_ns();
    int came = redis_socket_wait(conn->fd, (short)(wants | POLLIN), deadline);
    if (came == 0)
        return failed_silent(conn, from, deadline, err);
    if (came < 0)
        return failed_io(conn, REDIS_IO_FAILED, err);
    if (!(came & (POLLIN | POLLHUP | POLLERR)))
        return PAWL_OK;
    ssize_t n = read_some(conn, &wants);
    if (n < 0 && n != REDIS_IO_AGAIN)
        return failed_io(conn, n, err);
    if (n < 0 || buf_add(&conn->early, conn->in, (size_t)n))
        return PAWL_OK;
    conn->broken = true;
    return pawl_error_set(err, PAWL_ENOMEM,
                          "no room for what redis at %s answers while we send",
                          conn->name);
}

static enum pawl_status flush(struct redis_conn *conn, int64_t deadline,
                              bool *sent, struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    size_t done = 0;
    while (status == PAWL_OK && done < conn->out.len) {
        short wants = POLLOUT;
        ssize_t n = write_some(conn, conn->out.data + done, conn->out.len - done,
                               &wants);
        if (n > 0)
            done += (size_t)n;
        else if (n == REDIS_IO_AGAIN)
            status = wait_to_write(conn, wants, deadline, err);
        else
            status = failed_io(conn, n, err);
        /* Part of a TLS record may be out even where it was not accepted. */
        if (sent && (done > 0 || conn->tls))
            *sent = true;
    }
    conn->out.len = 0;
    if (conn->out.cap > OUT_KEPT)
        buf_clear(&conn->out);
    return status;
}

/* Give the reader some of what came early. */
static bool fill_early(struct redis_conn *conn)
{
    size_t size = conn->early.len - conn->early_at;
    if (size == 0)
        return false;
    if (size > READ_SIZE)
        size = READ_SIZE;
    redis_reader_feed(&conn->reader, conn->early.data + conn->early_at, size);
    conn->early_at += size;
    if (conn->early_at == conn->early.len) {
        buf_clear(&conn->early);
        conn->early_at = 0;
    }
    return true;
}

/* How long a reply is waited for. */
struct patience {
    int64_t deadline; /* of the whole call */
    int64_t silence;  /* ns without a byte; 0: only the deadline counts */
};

/* Until when, if nothing comes from now on. */
static int64_t limit_of(const struct patience *patience, int64_t now)
{
    int64_t limit = now + patience->silence;
    return patience->silence == 0 || limit > patience->deadline ? patience->deadline
                                                                : limit;
}

/* Wait in recv() itself. */
static enum pawl_status fill_plain(struct redis_conn *conn,
                                   const struct patience *patience,
                                   struct pawl_error *err)
{
    int64_t from = clock_mono_ns(), limit = limit_of(patience, from);
    ssize_t n = redis_socket_read_by(conn->fd, conn->in, READ_SIZE, limit,
                                     &conn->listening);
    if (n == REDIS_IO_AGAIN)
        return failed_silent(conn, from, limit, err);
    if (n < 0)
        return failed_io(conn, n, err);
    redis_reader_feed(&conn->reader, conn->in, (size_t)n);
    conn->full_read = n == READ_SIZE;
    return PAWL_OK;
}

/* Bytes may come and not be a whole record yet: they end the silence all the same. */
static enum pawl_status fill_tls(struct redis_conn *conn,
                                 const struct patience *patience,
                                 struct pawl_error *err)
{
    short wants = POLLIN;
    bool here = conn->full_read || redis_tls_pending(conn->tls);
    for (;;) {
        if (!here) {
            int64_t from = clock_mono_ns(), limit = limit_of(patience, from);
            int came = redis_socket_wait(conn->fd, wants, limit);
            if (came == 0)
                return failed_silent(conn, from, limit, err);
            if (came < 0)
                return failed_io(conn, REDIS_IO_FAILED, err);
        }
        ssize_t n = read_some(conn, &wants);
        if (n > 0) {
            redis_reader_feed(&conn->reader, conn->in, (size_t)n);
            return PAWL_OK;
        }
        if (n != REDIS_IO_AGAIN)
            return failed_io(conn, n, err);
        here = false;
    }
}

/* Wait for bytes and give them to the reader. */
static enum pawl_status fill(struct redis_conn *conn, const struct patience *patience,
                             struct pawl_error *err)
{
    if (fill_early(conn))
        return PAWL_OK;
    return conn->tls ? fill_tls(conn, patience, err)
                     : fill_plain(conn, patience, err);
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

/* What could not be queued whole is not sent at all, and the connection stays. */
static enum pawl_status check_queue(struct redis_conn *conn,
                                    struct pawl_error *err)
{
    if (!conn->out.failed)
        return PAWL_OK;
    buf_clear(&conn->out);
    return pawl_error_set(err, PAWL_ENOMEM,
                          "out of memory for a request to redis at %s", conn->name);
}

enum pawl_status redis_conn_send(struct redis_conn *conn, int argc,
                                 const char **argv, const size_t *argv_size,
                                 int64_t deadline, bool *sent,
                                 struct pawl_error *err)
{
    if (sent)
        *sent = false;
    if (conn->broken)
        return failed_before(conn, err);
    redis_conn_queue(conn, argc, argv, argv_size);
    enum pawl_status status = check_queue(conn, err);
    return status == PAWL_OK ? flush(conn, deadline, sent, err) : status;
}

static enum pawl_status receive(struct redis_conn *conn,
                                const struct patience *patience, redisReply **out,
                                struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    if (conn->broken)
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
    struct patience patience = { .deadline = deadline };
    return receive(conn, &patience, out, err);
}

enum pawl_status redis_conn_hear(struct redis_conn *conn, pawl_duration patience,
                                 int64_t deadline, redisReply **out,
                                 struct pawl_error *err)
{
    struct patience both = { .deadline = deadline, .silence = patience * NS_PER_MS };
    return receive(conn, &both, out, err);
}

bool redis_conn_out_of_step(const struct redis_conn *conn)
{
    return conn->broken || conn->early.len > 0 || redis_reader_holds(&conn->reader);
}

bool redis_conn_readable(struct redis_conn *conn)
{
    short wants;
    if (redis_conn_out_of_step(conn))
        return true;
    ssize_t n = read_some(conn, &wants);
    if (n > 0)
        redis_reader_feed(&conn->reader, conn->in, (size_t)n);
    return n != REDIS_IO_AGAIN;
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
    redis_tls_close(conn->tls);
    if (conn->fd >= 0)
        close(conn->fd);
    redis_reader_clear(&conn->reader);
    buf_clear(&conn->out);
    buf_clear(&conn->early);
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
    conn->fd = -1;
    conn->address = *address;
    buf_init(&conn->out, REDIS_REPLY_MAX);
    buf_init(&conn->early, REDIS_REPLY_MAX);
    redis_address_format(address, conn->name, sizeof conn->name);
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
    conn->broken = false;
    status = redis_handshake_read(conn, login, db, deadline, &conn->server, err);
    if (status == PAWL_EUNREACHABLE && !conn->tls && conn->reader.fed == 0)
        pawl_error_set(err, status,
                       "redis at %s closed the connection at the first word; if it "
                       "wants TLS, use rediss:", conn->name);
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
    enum pawl_status status = redis_socket_open(address, deadline, &conn->fd, err);
    if (status == PAWL_OK && settings->tls.on)
        status = redis_tls_open(conn->fd, address, &settings->tls, deadline,
                                &conn->tls, err);
    if (status == PAWL_OK)
        status = greet(conn, login, db, deadline, err);
    if (status == PAWL_OK)
        *out = conn;
    else
        redis_conn_close(conn);
    return status;
}
