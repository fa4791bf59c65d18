/* redis_handshake.c - who we are, and who it is.
 *
 * All is sent in one go and the replies are judged in order, so that the first
 * refusal is what a person gets to read. A name for CLIENT LIST is courtesy: that
 * it is refused is no failure, and it comes last, since a server that turns us away
 * unasked says so as its first reply. INFO and ROLE are needed; a user without the right
 * to them is told which right is missing.
 */
#include "storage/redis/redis_handshake.h"

#include <stdio.h>
#include <string.h>

#include "storage/redis/redis_error.h"
#include "storage/redis/redis_socket.h"

#define OLDEST_MAJOR 7

struct greeting {
    struct redis_conn *conn;
    const struct redis_login *login;
    int64_t deadline;
    struct redis_server_info *server;
    char name[REDIS_NAME_SIZE]; /* of the server, for messages */
};

static bool has_login(const struct redis_login *login)
{
    return login->user[0] || login->password[0];
}

static void queue_words(struct redis_conn *conn, const char *first,
                        const char *second, const char *third)
{
    const char *words[3] = { first, second, third };
    size_t sizes[3] = { 0 };
    int count = 0;
    while (count < 3 && words[count]) {
        sizes[count] = strlen(words[count]);
        count++;
    }
    redis_conn_queue(conn, count, words, sizes);
}

void redis_handshake_add(struct redis_conn *conn,
                         const struct redis_login *login, int db)
{
    char number[16];
    if (has_login(login) && login->user[0])
        queue_words(conn, "AUTH", login->user, login->password);
    else if (has_login(login))
        queue_words(conn, "AUTH", login->password, NULL);
    if (db > 0) {
        snprintf(number, sizeof number, "%d", db);
        queue_words(conn, "SELECT", number, NULL);
    }
    queue_words(conn, "INFO", "server", NULL);
    queue_words(conn, "ROLE", NULL, NULL);
    queue_words(conn, "CLIENT", "SETNAME", "pawl");
}

/* What an error reply to `command` means for this connection. */
static enum pawl_status judge(const struct greeting *self, const redisReply *reply,
                              const char *command, struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    enum redis_action action = redis_error_action(reply, &status);
    if (action == REDIS_FINE)
        return PAWL_OK;
    if (strncmp(reply->str, "NOPERM", 6) == 0)
        return pawl_error_set(
            err, PAWL_EDENIED,
            "redis at %.80s: user '%.40s' has no right to %s; " REDIS_RIGHTS_ADVICE,
            self->name, self->login->user[0] ? self->login->user : "default",
            command);
    /* No script ran, so nothing is damaged. */
    if (action == REDIS_DAMAGED || action == REDIS_BROKEN)
        status = strcmp(command, "AUTH") == 0 ? PAWL_EDENIED : PAWL_EFORMAT;
    return redis_error_say(reply, status, redis_conn_address(self->conn), err);
}

/* The next reply, which must not be an error. */
static enum pawl_status next(const struct greeting *self, const char *command,
                             redisReply **out, struct pawl_error *err)
{
    redisReply *reply = NULL;
    enum pawl_status status =
        redis_conn_receive(self->conn, self->deadline, &reply, err);
    if (status == PAWL_OK)
        status = judge(self, reply, command, err);
    if (status == PAWL_OK)
        *out = reply;
    else if (reply)
        freeReplyObject(reply);
    return status;
}

static enum pawl_status skip(const struct greeting *self, const char *command,
                             struct pawl_error *err)
{
    redisReply *reply = NULL;
    enum pawl_status status = next(self, command, &reply, err);
    if (status == PAWL_OK)
        freeReplyObject(reply);
    return status;
}

void redis_info_field(const char *info, const char *field, char *value, size_t size)
{
    size_t length = strlen(field);
    value[0] = '\0';
    for (const char *line = info; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, field, length) != 0 || line[length] != ':')
            continue;
        line += length + 1;
        snprintf(value, size, "%.*s", (int)strcspn(line, "\r\n"), line);
        return;
    }
}

static enum pawl_status read_info(const struct greeting *self,
                                  struct pawl_error *err)
{
    struct redis_server_info *server = self->server;
    redisReply *reply = NULL;
    int major = 0;
    enum pawl_status status = next(self, "INFO", &reply, err);
    if (status != PAWL_OK)
        return status;
    if (reply->type == REDIS_REPLY_STRING) {
        redis_info_field(reply->str, "run_id", server->run_id,
                         sizeof server->run_id);
        redis_info_field(reply->str, "redis_version", server->version,
                         sizeof server->version);
        redis_info_field(reply->str, "redis_mode", server->mode,
                         sizeof server->mode);
    }
    freeReplyObject(reply);
    for (const char *at = server->version; *at >= '0' && *at <= '9' && major < 1000; at++)
        major = major * 10 + (*at - '0');
    if (major == 0 || !server->run_id[0])
        return pawl_error_set(err, PAWL_EFORMAT,
                              "what answers at %s does not say that it is a redis",
                              self->name);
    if (major < OLDEST_MAJOR)
        return pawl_error_set(err, PAWL_EFORMAT,
                              "redis at %s is version %s; pawl needs %d.0 or later",
                              self->name, server->version, OLDEST_MAJOR);
    return PAWL_OK;
}

static enum pawl_status read_role(const struct greeting *self,
                                  struct pawl_error *err)
{
    redisReply *reply = NULL;
    enum pawl_status status = next(self, "ROLE", &reply, err);
    if (status != PAWL_OK)
        return status;
    const redisReply *role = reply;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0)
        role = reply->element[0];
    if (role->type != REDIS_REPLY_STRING)
        status = pawl_error_set(err, PAWL_EFORMAT,
                                "redis at %s: its answer to ROLE has no role in it",
                                self->name);
    else
        self->server->is_replica = strcmp(role->str, "slave") == 0;
    freeReplyObject(reply);
    return status;
}

enum pawl_status redis_handshake_read(struct redis_conn *conn,
                                      const struct redis_login *login, int db,
                                      int64_t deadline,
                                      struct redis_server_info *server,
                                      struct pawl_error *err)
{
    struct greeting self = { .conn = conn, .login = login, .deadline = deadline,
                             .server = server };
    redisReply *named = NULL;
    enum pawl_status status = PAWL_OK;
    redis_address_format(redis_conn_address(conn), self.name, sizeof self.name);
    if (has_login(login))
        status = skip(&self, "AUTH", err);
    if (status == PAWL_OK && db > 0)
        status = skip(&self, "SELECT", err);
    if (status == PAWL_OK)
        status = read_info(&self, err);
    if (status == PAWL_OK)
        status = read_role(&self, err);
    if (status == PAWL_OK)
        status = redis_conn_receive(conn, deadline, &named, err);
    if (status == PAWL_OK)
        freeReplyObject(named);
    return status;
}
