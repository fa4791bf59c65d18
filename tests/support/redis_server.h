/* redis_server.h - Redis servers of a test's own.
 *
 * Each has its own folder (mode 0700) with its config, log and data, listens on
 * a free port of the loopback address and on a unix socket in the folder, keeps
 * nothing on disk unless told to, and is killed when the thread that started it
 * ends: so start servers from a test's main thread. Nobody else's server is ever
 * touched, whatever it listens on.
 *
 * A port stays reserved from start to stop, also while the server is down, so
 * that redis_server_again() finds it free and nobody else answers there.
 *
 * Check forks its tests: a server that was started before program_run() is
 * used by all of them and stopped by the parent; redis_server_stop() in another
 * process than the one that started it does nothing.
 *
 * Whatever goes wrong ends the process with a message and the log's last lines:
 * there is nothing a caller could do about it.
 *
 * $PAWL_TEST_REDIS_SERVER is run if set (say, a Valkey), else redis-server.
 */
#ifndef PAWL_TEST_REDIS_SERVER_H
#define PAWL_TEST_REDIS_SERVER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <sys/types.h>

#include "temp_dir.h"

#define REDIS_SERVER_PATIENCE 30000 /* ms until a test gives up on a server */

struct redis_server {
    pid_t pid;        /* 0: not running */
    pid_t keeper;     /* the process that started it */
    int port;         /* 127.0.0.1; with TLS where that was asked for */
    int bus_port;     /* of a Cluster's node */
    int reserved[2];  /* sockets that are bound to these ports */
    bool sentinel;
    char folder[256], socket[280];
    char url[1024];      /* what pawl is to open; more options: add '&' */
    char unix_url[1024]; /* the same by the socket, always without TLS */
    char password[64];   /* redis_server_ask() logs in with, as "tester"; "" */
};

/* --- one server -------------------------------------------------------------- */
/* `options`: "--maxmemory", "20mb", ..., NULL; or NULL. Waits until it answers.
 * Beyond Redis' defaults: save "", and DEBUG is allowed. */
void redis_server_start(struct redis_server *s, const char *const *options);
/* Kill it if it runs, even when stopped by a signal; remove its folder. Safe on
 * a zeroed one, and twice. */
void redis_server_stop(struct redis_server *s);
/* kill -9, and wait until it is gone; the folder stays. */
void redis_server_kill(struct redis_server *s);
/* Run it again: the same port, socket, config and data. */
void redis_server_again(struct redis_server *s);
/* SIGSTOP, SIGCONT and the like; any process may. */
void redis_server_signal(const struct redis_server *s, int number);

/* The same in steps, for what a list of options cannot say: make the folder and
 * reserve the port; add lines to its config file; run it. */
void redis_server_prepare(struct redis_server *s);
void redis_server_config(struct redis_server *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void redis_server_options(struct redis_server *s, const char *const *options);
void redis_server_run(struct redis_server *s);

/* --- asking it ----------------------------------------------------------------- */
/* By hiredis, on a connection of its own to the unix socket, so that what belongs
 * to a connection (WAIT, MULTI, SELECT) has no effect; the format is that of
 * redisCommand(). The caller frees the reply. Ends the test when it does not
 * answer or answers an error; _try: an error reply is returned like another. */
redisReply *redis_server_ask(struct redis_server *s, const char *format, ...);
redisReply *redis_server_try(struct redis_server *s, const char *format, ...);
/* Ask, and free the reply. */
void redis_server_do(struct redis_server *s, const char *format, ...);
/* The number it answers. */
long long redis_server_number(struct redis_server *s, const char *format, ...);
/* Of INFO's field `name`: is it `value`? "role", "master". False also when the
 * connection is cut meanwhile. */
bool redis_server_info_is(struct redis_server *s, const char *name,
                          const char *value);
/* Repeat `holds` until it is true; ends the test, saying `what`, when it has not
 * become so within REDIS_SERVER_PATIENCE. */
void redis_await(bool (*holds)(void *context), void *context, const char *what);

/* --- flavours of one server -------------------------------------------------------- */
/* TLS only, with a password. Certificates are made by certificate.h into the
 * folder: ca.crt, server.crt (for localhost and 127.0.0.1) and client.crt with
 * their .key. `ask_client`: the server wants the client's certificate. The URL
 * has the password and the files that are needed. */
void redis_tls_start(struct redis_server *s, bool ask_client,
                     const char *const *options);
/* Listen on its port: over TLS if there is a folder of `certificates`; NULL: plain. */
void redis_server_listen(struct redis_server *s, const char *certificates);
/* A user "pawl" who has just these rights. */
void redis_server_admit(struct redis_server *s, const char *rights);
#define REDIS_PASSWORD "acl-secret"
#define REDIS_ADMITTED "pawl:" REDIS_PASSWORD "@" /* in a URL */
/* The default user is off; the URL logs in as "pawl", who has just `rights`, as
 * in "~pawl:* &pawl:* -@all +get". */
void redis_acl_start(struct redis_server *s, const char *rights,
                     const char *const *options);

#endif
