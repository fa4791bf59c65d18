/* registry.c - the built-in storages, and those a program adds. */
#include "storage/registry.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "storage/memory/memory.h"
#ifdef PAWL_WITH_SQLITE
#include "storage/sqlite/sqlite_storage.h"
#endif

#define STORAGES_MOST 32

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the table */
static const struct pawl_storage_ops *storages[STORAGES_MOST] = {
    &memory_storage,
#ifdef PAWL_WITH_SQLITE
    &sqlite_storage_ops,
#endif
};

const char *registry_default_url(void)
{
#ifdef PAWL_WITH_SQLITE
    return "sqlite:";
#else
    return "memory:default";
#endif
}

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
           ops->alter && ops->take_out && ops->bring_in && ops->stats &&
           ops->health;
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
