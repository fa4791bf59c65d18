/* redis_error.c - the table of error replies.
 *
 * Matched by the reply's first word, or by the phrase after "ERR", which is the
 * first word of everything that has no code of its own. The first row that fits
 * decides, so phrases stand before the words they begin with.
 *
 * A script's error carries the code of the command that failed in it, with
 * " script: SHA, on @user_script:LINE." behind it. Provoked on 7.0.15:
 *
 *   in a script  OOM, MISCONF, READONLY, NOREPLICAS: refused at the script's first
 *                write, so nothing was written, and they count as outside
 *   in a script  WRONGTYPE; "ERR user_script:1: ..." (a Lua error): earlier writes of
 *                the script stay; REDIS_DAMAGED
 *   in a script  "ERR The user executing the script can't run this command or
 *                subcommand" and "... can't access at least one of the keys" (an ACL;
 *                newer ones say "ERR ACL failure in script: ..."): so they do here;
 *                REDIS_BROKEN
 *   outside      LOADING, BUSY, MASTERDOWN, NOSCRIPT, NOAUTH, WRONGPASS, NOPERM,
 *                NOPROTO, NOTBUSY, EXECABORT, max clients, unknown command, AUTH
 *                without a password, DB index, no Cluster, compiling, bad shebang
 *
 * BUSY comes before execution, also for a script that is running for too long: a
 * script that was killed says "ERR Script killed by user" and has written nothing.
 */
#include "storage/redis/redis_error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define REDIS_SLOT_LAST 16383
#define LACKS "the user lacks a right; " REDIS_RIGHTS_ADVICE

struct row {
    const char *start;
    enum redis_action action;
    enum pawl_status status;
    const char *means;
};

static const struct row rows[] = {
    { "LOADING", REDIS_LATER, PAWL_EUNREACHABLE, "still loads its data: wait" },
    { "BUSY", REDIS_LATER, PAWL_EUNREACHABLE,
      "is busy with somebody's slow script: wait, or SCRIPT KILL" },
    { "TRYAGAIN", REDIS_SLOT_LATER, PAWL_EUNREACHABLE, "moves the queue to another node" },
    { "CLUSTERDOWN", REDIS_SLOT_LATER, PAWL_EUNREACHABLE,
      "the Cluster does not serve this queue's slot: see CLUSTER INFO" },
    { "MASTERDOWN", REDIS_LATER, PAWL_EUNREACHABLE,
      "is a replica that lost its master" },
    { "NOREPLICAS", REDIS_LATER, PAWL_EUNREACHABLE,
      "has fewer good replicas than min-replicas-to-write asks for" },
    { "ERR max number of clients", REDIS_LATER, PAWL_EUNREACHABLE,
      "has no room for another client: raise maxclients" },
    { "ERR Script killed by user", REDIS_LATER, PAWL_EUNREACHABLE,
      "somebody killed our script" },

    { "NOSCRIPT", REDIS_RELOAD, PAWL_EUNREACHABLE, "lost our script" },
    { "MOVED", REDIS_MOVED, PAWL_EUNREACHABLE, "the queue lives elsewhere" },
    { "ASK", REDIS_ASK, PAWL_EUNREACHABLE, "the queue is being moved" },
    { "READONLY", REDIS_RESOLVE, PAWL_EUNREACHABLE,
      "is a replica: where is the master" },
    { "UNBLOCKED", REDIS_RESOLVE, PAWL_EUNREACHABLE,
      "became a replica: where is the master" },

    { "OOM", REDIS_REFUSED, PAWL_EFULL,
      "is at maxmemory: raise it, or let jobs be worked off" },
    { "MISCONF", REDIS_REFUSED, PAWL_EIO,
      "cannot write to its disk, and refuses writes until it can" },
    { "NOAUTH", REDIS_REFUSED, PAWL_EDENIED, "wants a password: put one in the url" },
    { "WRONGPASS", REDIS_REFUSED, PAWL_EDENIED, "refuses user or password" },
    { "DENIED", REDIS_REFUSED, PAWL_EDENIED,
      "is in protected mode: set a password there, or bind to this network" },
    { "NOPROTO", REDIS_REFUSED, PAWL_EFORMAT, "does not speak our protocol" },
    { "CROSSSLOT", REDIS_REFUSED, PAWL_EFORMAT,
      "keys of one queue are in two slots: the prefix must not contain braces" },
    { "ERR unknown command", REDIS_REFUSED, PAWL_EFORMAT,
      "lacks a command that pawl needs: is it Redis 7.0 or later" },
    { "ERR unknown subcommand", REDIS_REFUSED, PAWL_EFORMAT,
      "lacks a command that pawl needs: is it Redis 7.0 or later" },
    { "ERR DB index is out of range", REDIS_REFUSED, PAWL_EFORMAT,
      "has no database of that number" },
    { "ERR invalid DB index", REDIS_REFUSED, PAWL_EFORMAT,
      "has no database of that number" },
    { "ERR SELECT is not allowed in cluster mode", REDIS_REFUSED, PAWL_EFORMAT,
      "has only database 0, being of a Cluster" },
    { "ERR Client sent AUTH, but no password is set", REDIS_REFUSED, PAWL_EDENIED,
      "has no password: leave it out of the url" },
    { "ERR AUTH <password> called without any password", REDIS_REFUSED, PAWL_EDENIED,
      "has no password: leave it out of the url" },
    { "ERR This instance has cluster support disabled", REDIS_REFUSED, PAWL_EFORMAT,
      "is no Cluster: use a redis:// url" },
    { "ERR Error compiling script", REDIS_REFUSED, PAWL_EFORMAT,
      "cannot run pawl's scripts: is it Redis 7.0 or later" },
    { "ERR Unexpected flag in script shebang", REDIS_REFUSED, PAWL_EFORMAT,
      "cannot run pawl's scripts: is it Redis 7.0 or later" },

    { "ERR The user executing the script", REDIS_BROKEN, PAWL_EDENIED, LACKS },
    { "ERR ACL failure in script", REDIS_BROKEN, PAWL_EDENIED, LACKS },
    { "WRONGTYPE", REDIS_DAMAGED, PAWL_ECORRUPT,
      "a key of the queue was overwritten by somebody else" },
    { "EXECABORT", REDIS_BROKEN, PAWL_ECORRUPT, "answered out of turn" },
    { "UNKILLABLE", REDIS_BROKEN, PAWL_ECORRUPT, "answered out of turn" },
    { "NOTBUSY", REDIS_BROKEN, PAWL_ECORRUPT, "answered out of turn" },
};
/* NOPERM is told apart by where it comes from. */
static const struct row denied_row = { "NOPERM", REDIS_REFUSED, PAWL_EDENIED, LACKS };
static const struct row denied_inside_row = { "NOPERM", REDIS_BROKEN, PAWL_EDENIED,
                                              LACKS };
static const struct row script_row = { "", REDIS_DAMAGED, PAWL_ECORRUPT,
                                       "a script failed" };
static const struct row other_row = { "", REDIS_BROKEN, PAWL_ECORRUPT,
                                      "answers what pawl does not know" };

static bool starts(const char *text, const char *start)
{
    size_t size = strlen(start);

    if (strncasecmp(text, start, size) != 0)
        return false;
    return strchr(start, ' ') || text[size] == ' ' || text[size] == '\0';
}

static const struct row *row_of(const char *text)
{
    bool inside = strstr(text, " script: ") || strstr(text, "user_script:");

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (starts(text, rows[i].start))
            return &rows[i];
    if (starts(text, "NOPERM"))
        return inside ? &denied_inside_row : &denied_row;
    return inside ? &script_row : &other_row;
}

enum redis_action redis_error_action(const redisReply *reply, enum pawl_status *status)
{
    const struct row *row;

    if (reply->type != REDIS_REPLY_ERROR) {
        *status = PAWL_OK;
        return REDIS_FINE;
    }
    row = row_of(reply->str);
    *status = row->status;
    return row->action;
}

/* The server's words as one line. An unknown command is repeated with its
 * arguments, and one of AUTH's is the password. */
static void own_words(const char *reply, char *out, size_t size)
{
    const char *arguments = strstr(reply, ", with args");
    size_t n = arguments ? (size_t)(arguments - reply) : strlen(reply);
    size_t i;

    if (n >= size)
        n = size - 1;
    for (i = 0; i < n; i++)
        out[i] = reply[i] >= ' ' && reply[i] < 127 ? reply[i] : '?';
    while (i > 0 && (out[i - 1] == '.' || out[i - 1] == ' '))
        i--;
    out[i] = '\0';
}

enum pawl_status redis_error_say(const redisReply *reply, enum pawl_status status,
                                 const struct redis_address *address,
                                 struct pawl_error *err)
{
    const struct row *row = row_of(reply->str);
    char where[REDIS_TEXT_MAX + 10], words[96];

    redis_address_format(address, where, sizeof where);
    own_words(reply->str, words, sizeof words);
    pawl_error_set(err, status, "redis at %.80s: %s (%s)", where, row->means, words);
    if (err && (row->action == REDIS_LATER || row->action == REDIS_SLOT_LATER))
        err->native = EAGAIN;
    return status;
}

/* The decimal number at *at, which is moved behind it; -1: there is none. */
static int number_at(const char **at, int most)
{
    const char *start = *at;
    int number = 0;

    for (; **at >= '0' && **at <= '9'; (*at)++) {
        number = 10 * number + (**at - '0');
        if (number > most)
            return -1;
    }
    return *at > start ? number : -1;
}

/* "MOVED 3999 127.0.0.1:6381"; an IPv6 host has colons of its own. A host "?" is
 * one that the server cannot name. */
bool redis_error_redirect(const redisReply *reply, const struct redis_address *same,
                          int *slot, struct redis_address *out)
{
    const char *at = strchr(reply->str, ' '), *host, *colon;
    int number, port;
    size_t size;

    if (!at)
        return false;
    at++;
    number = number_at(&at, REDIS_SLOT_LAST);
    host = at + 1;
    colon = *at == ' ' ? strrchr(host, ':') : NULL;
    if (number < 0 || !colon)
        return false;
    at = colon + 1;
    port = number_at(&at, 65535);
    size = (size_t)(colon - host);
    if (port < 1 || *at != '\0' || size >= sizeof out->host)
        return false;
    if (size == 1 && *host == '?')
        return false;
    *slot = number;
    snprintf(out->host, sizeof out->host, "%.*s", (int)(size ? size : REDIS_TEXT_MAX),
             size ? host : same->host);
    out->port = port;
    return true;
}
