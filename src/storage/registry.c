/* registry.c - the built-in storages, and those a program adds. */
#include "storage/registry.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/memory/memory.h"
#ifdef PAWL_WITH_SQLITE
#include "storage/sqlite/sqlite_storage.h"
#endif
#ifdef PAWL_WITH_REDIS
#include "storage/redis/redis_env.h"
#include "storage/redis/redis_storage.h"
#endif

#define CHOICE "JOB_QUEUE_STORAGE"

#define STORAGES_MOST 32

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the table */
static const struct pawl_storage_ops *storages[STORAGES_MOST] = {
    &memory_storage,
#ifdef PAWL_WITH_SQLITE
    &sqlite_storage_ops,
#endif
#ifdef PAWL_WITH_REDIS
    &redis_storage_ops[0], &redis_storage_ops[1], &redis_storage_ops[2],
    &redis_storage_ops[3], &redis_storage_ops[4],
#endif
};

/* --- without a URL ------------------------------------------------------------- */

static enum pawl_status default_url(char *url, size_t size)
{
#ifdef PAWL_WITH_SQLITE
    snprintf(url, size, "sqlite:");
#else
    snprintf(url, size, "memory:default");
#endif
    return PAWL_OK;
}

static enum pawl_status default_redis(char *url, size_t size, struct pawl_error *err)
{
#ifdef PAWL_WITH_REDIS
    return redis_env_url(url, size, err);
#else
    (void)url;
    (void)size;
    return pawl_error_set(err, PAWL_EINVAL,
                          CHOICE " is 'redis', and this pawl was built without it");
#endif
}

static enum pawl_status default_sqlite(char *url, size_t size, struct pawl_error *err)
{
#ifdef PAWL_WITH_SQLITE
    (void)err;
    return default_url(url, size);
#else
    (void)url;
    (void)size;
    return pawl_error_set(err, PAWL_EINVAL,
                          CHOICE " is 'sqlite', and this pawl was built without it");
#endif
}

enum pawl_status registry_default_url(char *url, size_t size, struct pawl_error *err)
{
    const char *choice = getenv(CHOICE);

    if (!choice || !*choice)
        return default_url(url, size);
    if (strcmp(choice, "redis") == 0)
        return default_redis(url, size, err);
    if (strcmp(choice, "sqlite") == 0)
        return default_sqlite(url, size, err);
    return pawl_error_set(err, PAWL_EINVAL,
                          CHOICE " is '%.40s': it may be 'sqlite' or 'redis'", choice);
}

/* --- the spool ------------------------------------------------------------------- */

enum pawl_status registry_spool_url(const char *where, char *url, size_t size,
                                    struct pawl_error *err)
{
#ifdef PAWL_WITH_SQLITE
    return sqlite_spool_url(where, url, size, err);
#else
    (void)where;
    (void)url;
    (void)size;
    return pawl_error_set(err, PAWL_EDENIED, "this pawl was built without SQLite");
#endif
}

/* --- the table -------------------------------------------------------------------- */

const struct pawl_storage_ops *registry_find(const char *scheme, size_t n)
{
    const struct pawl_storage_ops *found = NULL;
    int i;

    pthread_mutex_lock(&mutex);
    for (i = 0; i < STORAGES_MOST && storages[i] && !found; i++)
        if (strlen(storages[i]->scheme) == n &&
            memcmp(storages[i]->scheme, scheme, n) == 0)
            found = storages[i];
    pthread_mutex_unlock(&mutex);
    return found;
}

void registry_names(char *text, size_t size)
{
    size_t n = 0;
    int i;

    *text = '\0';
    pthread_mutex_lock(&mutex);
    for (i = 0; i < STORAGES_MOST && storages[i] && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%s:", i ? ", " : "",
                              storages[i]->scheme);
    pthread_mutex_unlock(&mutex);
}

static bool complete(const struct pawl_storage_ops *ops)
{
    return ops->scheme && *ops->scheme &&
           ops->instance_size >= sizeof(struct pawl_storage) &&
           ops->put_max > 0 && ops->exchanges_in_flight > 0 && ops->open &&
           ops->close && ops->put && ops->exchange && ops->renew &&
           ops->sweep && ops->wait && ops->kick && ops->get && ops->list &&
           ops->alter && ops->take_out && ops->bring_in && ops->tally &&
           ops->stats && ops->health;
}

enum pawl_status pawl_storage_register(const struct pawl_storage_ops *ops,
                                       struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    int i;

    if (ops->abi != PAWL_STORAGE_ABI)
        return pawl_error_set(err, PAWL_EINVAL,
                              "storage is made for abi %u, this pawl has %u",
                              (unsigned)ops->abi, (unsigned)PAWL_STORAGE_ABI);
    if (!complete(ops))
        return pawl_error_set(err, PAWL_EINVAL,
                              "storage lacks a method, a size or a scheme");
    pthread_mutex_lock(&mutex);
    for (i = 0; i < STORAGES_MOST && storages[i]; i++)
        if (strcmp(storages[i]->scheme, ops->scheme) == 0)
            break;
    if (i == STORAGES_MOST)
        status = pawl_error_set(err, PAWL_EINVAL, "too many storages");
    else if (storages[i])
        status = pawl_error_set(err, PAWL_EINVAL,
                                "a storage named '%s' is there already",
                                ops->scheme);
    else
        storages[i] = ops;
    pthread_mutex_unlock(&mutex);
    return status;
}
