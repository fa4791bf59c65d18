/* redis_conn.h - one connection: a socket, TLS if asked for, and the protocol.
 *
 * A connection is used by one thread at a time. Every call has a deadline (ns of
 * clock_mono_ns()); when it fails in any way the connection is broken and must
 * be closed: a reply that comes late would answer the next command. The socket
 * calls wait by themselves or not at all; with TLS, waiting is poll().
 *
 * Replies are hiredis' redisReply, freed by freeReplyObject(). The reader refuses
 * more than REDIS_DEPTH_MAX levels, REDIS_ELEMENTS_MAX elements in an array and
 * REDIS_REPLY_MAX bytes in all before it makes room for them.
 */
#ifndef PAWL_STORAGE_REDIS_CONN_H
#define PAWL_STORAGE_REDIS_CONN_H

#include <hiredis/hiredis.h>

#include "storage/redis/redis_settings.h"

#define REDIS_DEPTH_MAX 7
#define REDIS_ELEMENTS_MAX 1000000
#define REDIS_REPLY_MAX (512u << 20)

struct redis_conn; /* hides the socket, TLS and the reader */

/* What the handshake learned of the server. */
struct redis_server_info {
    char run_id[64];
    char version[32];
    char mode[16]; /* "standalone", "cluster", "sentinel" */
    bool is_replica;
};

/* Connect, AUTH, SELECT, CLIENT SETNAME, and ask who it is. `settings` is of the
 * whole store: timeouts, TLS, db; `login` and `db` are said apart because
 * sentinels have others (db < 0: none). Connecting has settings->connect_timeout,
 * but no longer than `deadline`. Statuses: EUNREACHABLE, ETIMEOUT (both: nothing
 * was sent that could change anything), EDENIED, EFORMAT (not a Redis, or older
 * than 7.0), ENOMEM. A replica is no failure here. An error reply to the handshake
 * is classified as redis_error.h says. The message names host and port, never the
 * password. */
enum pawl_status redis_conn_open(const struct redis_address *address,
                                 const struct redis_settings *settings,
                                 const struct redis_login *login, int db,
                                 int64_t deadline, struct redis_conn **out,
                                 struct pawl_error *err);
/* NULL is fine. */
void redis_conn_close(struct redis_conn *conn);

const struct redis_server_info *redis_conn_server(const struct redis_conn *conn);
const struct redis_address *redis_conn_address(const struct redis_conn *conn);
int redis_conn_fd(const struct redis_conn *conn);

/* Send one command. Several may be sent before their replies are read. What is
 * written goes out at once. *sent (may be NULL) tells whether any byte of it may
 * have left, also on failure. */
enum pawl_status redis_conn_send(struct redis_conn *conn, int argc,
                                 const char **argv, const size_t *argv_size,
                                 int64_t deadline, bool *sent,
                                 struct pawl_error *err);
/* The next reply; *out is the caller's. ETIMEOUT: silent up to the deadline.
 * EUNREACHABLE: the connection was cut. EFORMAT: not the protocol, or over a
 * limit. An error reply is a reply. */
enum pawl_status redis_conn_receive(struct redis_conn *conn, int64_t deadline,
                                    redisReply **out, struct pawl_error *err);
/* The same for a reply that may be large: each piece of it that arrives begins the
 * patience (ms) anew, so that a slow link is not taken for a silent server. ETIMEOUT:
 * silent for that long, or not whole at the deadline. */
enum pawl_status redis_conn_hear(struct redis_conn *conn, pawl_duration patience,
                                 int64_t deadline, redisReply **out,
                                 struct pawl_error *err);
/* Is a whole reply here, or part of one, without waiting? For idle connections:
 * readable means cut, or out of step. */
bool redis_conn_readable(struct redis_conn *conn);

/* Did it break, or does it hold bytes that nobody asked for? Without looking at the
 * socket. Whoever sent and received alike is to have none left. `err` says so then. */
bool redis_conn_out_of_step(const struct redis_conn *conn, struct pawl_error *err);

/* send and receive of a command given as texts, NULL at the end. */
enum pawl_status redis_conn_ask(struct redis_conn *conn, int64_t deadline,
                                redisReply **out, struct pawl_error *err,
                                ... /* const char *, NULL */);

#endif
