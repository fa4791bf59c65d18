/* redis_secure.c - servers that let not everybody in; see redis_server.h and
 * redis_door.h. */
#include "certificate.h"
#include "redis_door.h"

#include <stdio.h>
#include <string.h>

/* With it redis_server_ask() can do everything, whatever others may. */
static void add_tester(struct redis_server *s)
{
    snprintf(s->password, sizeof s->password, "let-the-tester-in");
    redis_server_config(s, "user tester on >%s ~* &* +@all", s->password);
}

void redis_server_listen(struct redis_server *s, const char *certificates)
{
    if (certificates == NULL) {
        redis_server_config(s, "port %d", s->port);
        return;
    }
    redis_server_config(s, "port 0");
    redis_server_config(s, "tls-port %d", s->port);
    redis_server_config(s, "tls-ca-cert-file %s/ca.crt", certificates);
    redis_server_config(s, "tls-cert-file %s/server.crt", certificates);
    redis_server_config(s, "tls-key-file %s/server.key", certificates);
}

void redis_server_admit(struct redis_server *s, const char *rights)
{
    redis_server_config(s, "user pawl on >" REDIS_PASSWORD " %s", rights);
}

void redis_tls_start(struct redis_server *s, bool ask_client,
                     const char *const *options)
{
    static const char password[] = "tls-secret";
    redis_server_prepare(s);
    certificate_make_usual(s->folder);
    redis_server_listen(s, s->folder);
    redis_server_config(s, "tls-auth-clients %s", ask_client ? "yes" : "no");
    redis_server_config(s, "requirepass %s", password);
    add_tester(s);
    redis_server_options(s, options);
    redis_server_run(s);
    snprintf(s->unix_url, sizeof s->unix_url, "redis+unix://:%s@%s", password,
             s->socket);
    int used = snprintf(s->url, sizeof s->url,
                        "rediss://:%s@localhost:%d/0?ca=%s/ca.crt", password,
                        s->port, s->folder);
    if (ask_client)
        snprintf(s->url + used, sizeof s->url - (size_t)used,
                 "&cert=%s/client.crt&key=%s/client.key", s->folder, s->folder);
}

void redis_acl_start(struct redis_server *s, const char *rights,
                     const char *const *options)
{
    redis_server_prepare(s);
    redis_server_listen(s, NULL);
    redis_server_config(s, "user default off");
    redis_server_admit(s, rights);
    add_tester(s);
    redis_server_options(s, options);
    redis_server_run(s);
    snprintf(s->url, sizeof s->url, "redis://%s127.0.0.1:%d/0", REDIS_ADMITTED,
             s->port);
    snprintf(s->unix_url, sizeof s->unix_url, "redis+unix://%s%s", REDIS_ADMITTED,
             s->socket);
}

/* --- servers that belong together -------------------------------------------------- */

void redis_door_hang(const struct redis_door *door, struct redis_server *node,
                     const struct redis_server *first)
{
    if (door->tls && node == first)
        certificate_make_usual(first->folder);
    redis_server_listen(node, door->tls ? first->folder : NULL);
    if (door->tls) {
        redis_server_config(node, "tls-auth-clients no");
        redis_server_config(node, "tls-replication yes");
    }
}

void redis_door_admit(const struct redis_door *door, struct redis_server *node)
{
    if (door->rights)
        redis_server_admit(node, door->rights);
}

const char *redis_door_login(const struct redis_door *door)
{
    return door->rights ? REDIS_ADMITTED : "";
}

void redis_door_key(const struct redis_door *door, const struct redis_server *first,
                    char *url, size_t size)
{
    size_t used = strlen(url);
    if (door->tls)
        snprintf(url + used, size - used, "?tls=yes&ca=%s/ca.crt", first->folder);
}
