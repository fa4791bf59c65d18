/* redis_secure.c - servers that let not everybody in; see redis_server.h. */
#include "certificate.h"
#include "redis_server.h"

#include <stdio.h>

/* With it redis_server_ask() can do everything, whatever others may. */
static void add_tester(struct redis_server *s)
{
    snprintf(s->password, sizeof s->password, "let-the-tester-in");
    redis_server_config(s, "user tester on >%s ~* &* +@all", s->password);
}

void redis_tls_start(struct redis_server *s, bool ask_client,
                     const char *const *options)
{
    static const char password[] = "tls-secret";
    redis_server_prepare(s);
    certificate_make_usual(s->folder);
    redis_server_config(s, "port 0");
    redis_server_config(s, "tls-port %d", s->port);
    redis_server_config(s, "tls-ca-cert-file %s/ca.crt", s->folder);
    redis_server_config(s, "tls-cert-file %s/server.crt", s->folder);
    redis_server_config(s, "tls-key-file %s/server.key", s->folder);
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
    static const char password[] = "acl-secret";
    redis_server_prepare(s);
    redis_server_config(s, "port %d", s->port);
    redis_server_config(s, "user default off");
    redis_server_config(s, "user pawl on >%s %s", password, rights);
    add_tester(s);
    redis_server_options(s, options);
    redis_server_run(s);
    snprintf(s->url, sizeof s->url, "redis://pawl:%s@127.0.0.1:%d/0", password,
             s->port);
    snprintf(s->unix_url, sizeof s->unix_url, "redis+unix://pawl:%s@%s", password,
             s->socket);
}
