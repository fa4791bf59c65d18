/* flavour.c - see flavour.h. To add a storage, add its lines to the table. */
#include "flavour.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "temp_dir.h"
#ifdef PAWL_WITH_REDIS
#include "faulty.h"
#include "redis_cluster.h"
#include "redis_sentinels.h"
#include "storage/redis/redis_health.h"
#endif

struct flavour {
    const char *name;
    void (*begin)(void);
    void (*store)(const char *name, char *url, size_t size);
    void (*end)(void);
};

static void nothing(void)
{
}

/* --- memory, SQLite ------------------------------------------------------------- */

static void memory_store(const char *name, char *url, size_t size)
{
    snprintf(url, size, "memory:%s", name);
}

#ifdef PAWL_WITH_SQLITE
static struct temp_dir folder;

static void sqlite_begin(void)
{
    temp_dir_make(&folder);
}

static void sqlite_store(const char *name, char *url, size_t size)
{
    snprintf(url, size, "sqlite:%s/%s.db", folder.path, name);
}

static void sqlite_end(void)
{
    temp_dir_remove(&folder);
}
#endif

/* --- Redis ------------------------------------------------------------------------ */

#ifdef PAWL_WITH_REDIS
#define PREFIX "test:" /* every store's begins like this: one ACL fits all */

static struct redis_server server;
static struct redis_sentinels sentinels;
static struct redis_cluster cluster;

/* A store is a prefix of its own. */
static void with_prefix(const char *base, const char *name, char *url, size_t size)
{
    snprintf(url, size, "%s%cprefix=" PREFIX "%s:&clock=caller", base,
             strchr(base, '?') == NULL ? '?' : '&', name);
}

static void plain_store(const char *name, char *url, size_t size)
{
    with_prefix(server.url, name, url, size);
}

static void server_end(void)
{
    redis_server_stop(&server);
}

static void plain_begin(void)
{
    redis_server_start(&server, NULL);
}

/* The same with a spool behind it, which stays empty however slow the machine is. */
static void fallback_begin(void)
{
    faulty_register(); /* what is memory by another name may be a spool */
    plain_begin();
}

static void fallback_store(const char *name, char *url, size_t size)
{
    with_prefix(server.url, name, url, size);
    size_t n = strlen(url);
    snprintf(url + n, size - n, "&fallback=faulty-local:memory:spool-of-%s&patience=30s", name);
}

static void unix_store(const char *name, char *url, size_t size)
{
    with_prefix(server.unix_url, name, url, size);
}

static void tls_begin(void)
{
    redis_tls_start(&server, true, NULL);
}

/* Those that `pawl doctor --acl` prints. */
static const char *rights_of(enum redis_kind kind, int replicas)
{
    static char rights[2048];
    struct redis_settings settings = { .kind = kind, .prefix = PREFIX,
                                       .replicas = replicas };
    redis_rights(&settings, rights, sizeof rights);
    return rights;
}

static void acl_begin(void)
{
    redis_acl_start(&server, rights_of(REDIS_SINGLE, 0), NULL);
}

static void sentinel_begin(void)
{
    struct redis_door door = { .tls = true, .rights = rights_of(REDIS_SENTINEL, 1) };
    redis_sentinels_start_behind(&sentinels, &door, NULL);
}

static void sentinel_store(const char *name, char *url, size_t size)
{
    with_prefix(sentinels.url, name, url, size);
    strncat(url, "&replicas=1", size - strlen(url) - 1);
}

static void sentinel_end(void)
{
    redis_sentinels_stop(&sentinels);
}

static void cluster_begin(void)
{
    struct redis_door door = { .rights = rights_of(REDIS_CLUSTER, 0) };
    redis_cluster_start_behind(&cluster, &door, NULL);
}

static void cluster_tls_begin(void)
{
    struct redis_door door = { .tls = true, .rights = rights_of(REDIS_CLUSTER, 0) };
    redis_cluster_start_behind(&cluster, &door, NULL);
}

static void cluster_store(const char *name, char *url, size_t size)
{
    with_prefix(cluster.url, name, url, size);
}

static void cluster_end(void)
{
    redis_cluster_stop(&cluster);
}
#endif

/* --- the table ----------------------------------------------------------------------- */

static const struct flavour flavours[] = {
    { "memory", nothing, memory_store, nothing },
#ifdef PAWL_WITH_SQLITE
    { "sqlite", sqlite_begin, sqlite_store, sqlite_end },
#endif
#ifdef PAWL_WITH_REDIS
    { "redis", plain_begin, plain_store, server_end },
    { "redis-fallback", fallback_begin, fallback_store, server_end },
    { "redis-unix", plain_begin, unix_store, server_end },
    { "redis-tls", tls_begin, plain_store, server_end },
    { "redis-acl", acl_begin, plain_store, server_end },
    { "redis-sentinel", sentinel_begin, sentinel_store, sentinel_end },
    { "redis-cluster", cluster_begin, cluster_store, cluster_end },
    { "redis-cluster-tls", cluster_tls_begin, cluster_store, cluster_end },
#endif
};

const struct flavour *flavour_find(const char *name)
{
    const size_t count = sizeof flavours / sizeof *flavours;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(flavours[i].name, name) == 0)
            return &flavours[i];
    }
    printf("Bail out! there is no storage '%s', but", name);
    for (size_t i = 0; i < count; i++)
        printf(" %s", flavours[i].name);
    printf("\n");
    fflush(stdout);
    exit(1);
}

void flavour_begin(const struct flavour *flavour)
{
    flavour->begin();
}

void flavour_store(const struct flavour *flavour, const char *name, char *url,
                   size_t size)
{
    flavour->store(name, url, size);
}

void flavour_end(const struct flavour *flavour)
{
    flavour->end();
}
