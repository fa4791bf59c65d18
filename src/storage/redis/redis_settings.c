/* redis_settings.c - the place in a Redis URL: who, where, which database.
 *
 * Everything is checked here, before anything is sent, and what is wrong is named.
 * Two things a message never has: the userinfo, and a port's text, since in
 * "redis://user:secret" (the host was forgotten) the port is the password.
 */
#include "storage/redis/redis_settings.h"

#include <stdio.h>
#include <string.h>

#include "storage/redis/redis_options.h"
#include "util/url.h"
#include "util/utf8.h"

#define USUAL_PREFIX "pawl:"
#define PORT 6379
#define SENTINEL_PORT 26379
#define SOCKET_PATH_ROOM 108 /* of struct sockaddr_un */

static const struct scheme {
    const char *name;
    enum redis_kind kind;
    bool tls, socket;
    int port;
    const char *form;
} scheme_list[] = {
    { "redis", REDIS_SINGLE, false, false, PORT,
      "redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]" },
    { "rediss", REDIS_SINGLE, true, false, PORT,
      "rediss://[[USER]:PASSWORD@]HOST[:PORT][/DB]" },
    { "redis+unix", REDIS_SINGLE, false, true, 0,
      "redis+unix://[[USER]:PASSWORD@]/PATH/TO/SOCKET" },
    { "redis-sentinel", REDIS_SENTINEL, false, false, SENTINEL_PORT,
      "redis-sentinel://[[USER]:PASSWORD@]HOST[:PORT][,HOST...]/MASTER" },
    { "redis-cluster", REDIS_CLUSTER, false, false, PORT,
      "redis-cluster://[[USER]:PASSWORD@]HOST[:PORT][,HOST...]" },
};

static enum pawl_status wrong_form(const struct scheme *scheme, struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_EINVAL, "a URL of this storage is %s",
                          scheme->form);
}

/* --- hosts ---------------------------------------------------------------------- */

/* n bytes of "HOST", "HOST:PORT" or "[IPv6]:PORT". */
static enum pawl_status read_host(const char *text, size_t n, int port,
                                  struct redis_address *out, struct pawl_error *err)
{
    const bool bracket = n > 0 && text[0] == '[';
    const char *end = bracket ? memchr(text, ']', n) : memchr(text, ':', n);
    const char *host = text + bracket;
    const char *const stop = text + n;
    int64_t number = port;

    if (bracket && !end)
        return pawl_error_set(err, PAWL_EINVAL, "a host begins with '[' and has no ']'");
    size_t size = end ? (size_t)(end - host) : n;
    const char *rest = end ? end + bracket : stop;
    size_t plain = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789.-_:%");
    if (size == 0)
        return pawl_error_set(err, PAWL_EINVAL, "a host is missing");
    if (size >= sizeof out->host || plain < size ||
        (!bracket && memchr(host, '%', size)))
        return pawl_error_set(err, PAWL_EINVAL, "a host has a character that no host "
                                                "has, or is too long");
    if (!bracket && end && memchr(rest + 1, ':', (size_t)(stop - rest - 1)))
        return pawl_error_set(err, PAWL_EINVAL,
                              "a host has two colons: an IPv6 address stands in "
                              "brackets, [::1]:6379");
    if (rest < stop && (*rest != ':' || !url_number(rest + 1, (size_t)(stop - rest - 1),
                                                      1, 65535, &number)))
        return pawl_error_set(err, PAWL_EINVAL,
                              "the port of host '%.*s' is no number 1..65535",
                              (int)size, host);
    memcpy(out->host, host, size);
    out->host[size] = '\0';
    out->port = (int)number;
    return PAWL_OK;
}

static enum pawl_status read_hosts(const struct scheme *scheme, const char *text,
                                   size_t n, struct redis_settings *out,
                                   struct pawl_error *err)
{
    const size_t most = scheme->kind == REDIS_SINGLE ? 1 : REDIS_HOSTS_MOST;
    const char *const stop = text + n;
    enum pawl_status status = PAWL_OK;

    for (;;) {
        const char *comma = memchr(text, ',', (size_t)(stop - text));
        const char *end = comma ? comma : stop;
        if ((size_t)out->host_count == most)
            return most == 1 ? wrong_form(scheme, err)
                             : pawl_error_set(err, PAWL_EINVAL, "more than %zu hosts",
                                              most);
        status = read_host(text, (size_t)(end - text), scheme->port,
                           &out->hosts[out->host_count++], err);
        if (status != PAWL_OK || !comma)
            return status;
        text = comma + 1;
    }
}

/* n bytes of "[USER]:PASSWORD". */
static enum pawl_status read_login(const char *text, size_t n,
                                   struct redis_login *out, struct pawl_error *err)
{
    const char *colon = memchr(text, ':', n);
    enum pawl_status status;

    if (!colon)
        return pawl_error_set(err, PAWL_EINVAL,
                              "what stands before '@' is not USER:PASSWORD or "
                              ":PASSWORD");
    status = redis_decode("the user", text, (size_t)(colon - text), out->user,
                          sizeof out->user, err);
    if (status == PAWL_OK)
        status = redis_decode("the password", colon + 1,
                              n - (size_t)(colon + 1 - text), out->password,
                              sizeof out->password, err);
    if (status == PAWL_OK && !utf8_plain(out->user, strlen(out->user)))
        status = pawl_error_set(err, PAWL_EINVAL,
                                "the user is not text without control characters");
    return status;
}

/* --- what follows the hosts ------------------------------------------------------ */

static enum pawl_status read_master(const struct scheme *scheme, const char *text,
                                    struct redis_settings *out, struct pawl_error *err)
{
    enum pawl_status status = redis_decode("the master's name", text, strlen(text),
                                           out->master, sizeof out->master, err);

    if (status != PAWL_OK)
        return status;
    if (strchr(text, '/') || out->master[0] == '\0')
        return wrong_form(scheme, err);
    if (!utf8_plain(out->master, strlen(out->master)))
        return pawl_error_set(err, PAWL_EINVAL, "the master's name is not text without "
                                                "control characters");
    return PAWL_OK;
}

/* `path`: from the first '/' on, or "". */
static enum pawl_status read_path(const struct scheme *scheme, const char *path,
                                  struct redis_settings *out, struct pawl_error *err)
{
    const char *name = path + (*path == '/');
    int64_t db;

    if (scheme->kind == REDIS_SENTINEL)
        return read_master(scheme, name, out, err);
    if (*name == '\0')
        return PAWL_OK;
    if (scheme->kind == REDIS_CLUSTER)
        return pawl_error_set(err, PAWL_EINVAL,
                              "a cluster has no databases: nothing follows the hosts");
    if (!url_number(name, strlen(name), 0, REDIS_DB_MAX, &db))
        return pawl_error_set(err, PAWL_EINVAL,
                              "the database behind the host is no number 0..%d",
                              REDIS_DB_MAX);
    out->db = (int)db;
    return PAWL_OK;
}

/* "/PATH", "///PATH" or "//LOGIN@/PATH". */
static enum pawl_status read_socket(const struct scheme *scheme, const char *location,
                                    struct redis_settings *out, struct pawl_error *err)
{
    struct redis_address *host = &out->hosts[0];
    enum pawl_status status = PAWL_OK;

    if (location[0] == '/' && location[1] == '/') {
        size_t n = strcspn(location += 2, "/");
        if (n > 0 && location[n - 1] == '@')
            status = read_login(location, n - 1, &out->login, err);
        else if (n > 0)
            return wrong_form(scheme, err);
        location += n;
    }
    if (status == PAWL_OK && (location[0] != '/' || location[1] == '\0'))
        return wrong_form(scheme, err);
    /* "redis+unix:/:PASSWORD@/PATH": the path would be shown. */
    if (status == PAWL_OK && strchr(location, '@'))
        return pawl_error_set(err, PAWL_EINVAL,
                              "the path of the socket has an '@': it is written %%40");
    if (status == PAWL_OK)
        status = redis_decode("the path of the socket", location, strlen(location),
                              host->host, SOCKET_PATH_ROOM, err);
    if (status == PAWL_OK && !utf8_plain(host->host, strlen(host->host)))
        status = pawl_error_set(err, PAWL_EINVAL, "the path of the socket is not text "
                                                  "without control characters");
    out->host_count = 1;
    return status;
}

static enum pawl_status read_location(const struct scheme *scheme, const char *location,
                                      struct redis_settings *out,
                                      struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;

    if (scheme->socket)
        return read_socket(scheme, location, out, err);
    if (location[0] != '/' || location[1] != '/')
        return wrong_form(scheme, err);
    location += 2;
    size_t n = strcspn(location, "/");
    const char *at = memrchr(location, '@', n);
    if (strchr(location + n, '@'))
        return pawl_error_set(err, PAWL_EINVAL,
                              "there is an '@' behind the host: a '/' in a password is "
                              "written %%2F");
    if (at)
        status = read_login(location, (size_t)(at - location), &out->login, err);
    const char *hosts = at ? at + 1 : location;
    if (status == PAWL_OK)
        status = read_hosts(scheme, hosts, n - (size_t)(hosts - location), out, err);
    if (status == PAWL_OK)
        status = read_path(scheme, location + n, out, err);
    return status;
}

/* --- what does not go together --------------------------------------------------- */

static enum pawl_status check_tls(const struct scheme *scheme,
                                  const struct redis_tls_settings *tls,
                                  struct pawl_error *err)
{
    const char *first = tls->name[0]        ? "tls-name"
                        : tls->ca_file[0]   ? "ca"
                        : tls->cert_file[0] ? "cert"
                        : tls->key_file[0]  ? "key"
                        : tls->insecure     ? "insecure"
                                            : NULL;

    if (tls->on && scheme->socket)
        return pawl_error_set(err, PAWL_EINVAL, "there is no TLS over a unix socket");
    if (scheme->tls && !tls->on)
        return pawl_error_set(err, PAWL_EINVAL,
                              "rediss: is TLS, and tls=no says the opposite");
    if (first && !tls->on)
        return pawl_error_set(err, PAWL_EINVAL,
                              "%s is given, but not TLS: use rediss:// or tls=yes",
                              first);
    if (!tls->cert_file[0] != !tls->key_file[0])
        return pawl_error_set(err, PAWL_EINVAL, "cert and key need each other");
    return PAWL_OK;
}

static enum pawl_status check(const struct scheme *scheme, struct redis_settings *out,
                              struct pawl_error *err)
{
    const struct redis_login *sentinel = &out->sentinel_login;

    if (scheme->kind != REDIS_SENTINEL && (sentinel->user[0] || sentinel->password[0]))
        return pawl_error_set(err, PAWL_EINVAL,
                              "sentinel-user and sentinel-password are for "
                              "redis-sentinel: only");
    if (scheme->kind == REDIS_CLUSTER && out->db > 0)
        return pawl_error_set(err, PAWL_EINVAL, "a cluster has no database but 0");
    if (out->db < 0)
        out->db = 0;
    return check_tls(scheme, &out->tls, err);
}

/* --- for people ------------------------------------------------------------------- */

void redis_address_format(const struct redis_address *address, char *text, size_t size)
{
    if (address->port == 0)
        snprintf(text, size, "%s", address->host);
    else
        snprintf(text, size, strchr(address->host, ':') ? "[%s]:%d" : "%s:%d",
                 address->host, address->port);
}

/* Hosts that find no room are left out. */
static void write_where(const char *scheme, struct redis_settings *out)
{
    char address[REDIS_TEXT_MAX + 10];
    size_t size = sizeof out->where;
    size_t tail = sizeof out->master + sizeof out->prefix + 48; /* for what follows */
    size_t n = (size_t)snprintf(out->where, size, "%s://", scheme);

    for (int i = 0; i < out->host_count && n + sizeof address + tail < size; i++) {
        redis_address_format(&out->hosts[i], address, sizeof address);
        n += (size_t)snprintf(out->where + n, size - n, "%s%s", i ? "," : "", address);
    }
    if (out->kind == REDIS_SENTINEL)
        n += (size_t)snprintf(out->where + n, size - n, "/%s", out->master);
    if (out->kind == REDIS_SINGLE && out->hosts[0].port != 0)
        n += (size_t)snprintf(out->where + n, size - n, "/%d", out->db);
    else if (out->db > 0)
        n += (size_t)snprintf(out->where + n, size - n, ", database %d", out->db);
    if (strcmp(out->prefix, USUAL_PREFIX) != 0)
        snprintf(out->where + n, size - n, ", prefix %s", out->prefix);
}

/* ---------------------------------------------------------------------------------- */

enum pawl_status redis_settings_parse(const char *scheme,
                                      const struct pawl_storage_config *config,
                                      struct redis_settings *out,
                                      struct pawl_error *err)
{
    const struct scheme *found = NULL;
    enum pawl_status status;

    for (size_t i = 0; i < sizeof scheme_list / sizeof *scheme_list; i++)
        if (strcmp(scheme_list[i].name, scheme) == 0)
            found = &scheme_list[i];
    if (!found)
        return pawl_error_set(err, PAWL_EINVAL, "'%s' is not a kind of redis", scheme);
    *out = (struct redis_settings){ .kind = found->kind,
                                    .tls.on = found->tls,
                                    .db = -1,
                                    .prefix = USUAL_PREFIX,
                                    .pool_size = 10,
                                    .max_retries = -1,
                                    .connect_timeout = 1000,
                                    .reply_timeout = 2000 };
    status = read_location(found, config->location, out, err);
    if (status == PAWL_OK)
        status = redis_options_read(config->options, out, err);
    if (status == PAWL_OK)
        status = check(found, out, err);
    if (status == PAWL_OK)
        write_where(scheme, out);
    else
        redis_settings_clear(out);
    return status;
}

void redis_settings_clear(struct redis_settings *settings)
{
    if (!settings)
        return;
    explicit_bzero(&settings->login, sizeof settings->login);
    explicit_bzero(&settings->sentinel_login, sizeof settings->sentinel_login);
}
