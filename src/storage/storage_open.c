/* storage_open.c - see storage.h: from a URL to a storage, and what belongs in front of
 * it. */
#include <stdlib.h>
#include <string.h>

#include "storage/failover/failover.h"
#include "storage/registry.h"
#include "storage/storage.h"
#include "storage/trace.h"

#define TRACE_PREFIX "trace+"

/* "scheme:location?options" in pieces; `text` is cut up. */
struct url_parts {
    char *text;
    size_t size;
    const char *location, *options;
    const struct pawl_storage_ops *ops;
};

static void free_parts(struct url_parts *parts)
{
    if (parts->text)
        explicit_bzero(parts->text, parts->size);
    free(parts->text);
}

/* Of what is no URL nothing is shown that could be a password. */
static enum pawl_status no_storage(const char *text, const char *colon,
                                   struct pawl_error *err)
{
    char names[200];
    int n = (int)strnlen(text, colon ? (size_t)(colon - text) : strlen(text));

    registry_names(names, sizeof names);
    if (memchr(text, '@', (size_t)n))
        return pawl_error_set(err, PAWL_EINVAL,
                              "this is no URL; it begins with one of %s", names);
    return pawl_error_set(err, PAWL_EINVAL,
                          "'%.*s' is not a storage; a URL begins with one of %s",
                          n < 40 ? n : 40, text, names);
}

static enum pawl_status split_url(const char *url, struct url_parts *parts,
                                  struct pawl_error *err)
{
    char *colon, *mark;

    parts->text = strdup(url);
    if (!parts->text)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    parts->size = strlen(url);
    colon = strchr(parts->text, ':');
    if (colon)
        parts->ops = registry_find(parts->text, (size_t)(colon - parts->text));
    if (!parts->ops)
        return no_storage(parts->text, colon, err);
    parts->location = colon + 1;
    parts->options = "";
    mark = strchr(colon + 1, '?');
    if (mark) {
        *mark = '\0';
        parts->options = mark + 1;
    }
    return PAWL_OK;
}

static enum pawl_status open_instance(const struct url_parts *parts,
                                      struct pawl_storage_config config,
                                      struct pawl_storage **out,
                                      struct pawl_error *err)
{
    struct pawl_storage *storage = calloc(1, parts->ops->instance_size);
    enum pawl_status status;

    if (!storage)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    storage->ops = parts->ops;
    config.location = parts->location;
    config.options = parts->options;
    status = storage->ops->open(storage, &config, err);
    if (status == PAWL_OK) {
        *out = storage;
        return PAWL_OK;
    }
    storage_close(storage);
    return status;
}

enum pawl_status storage_open_plain(const char *url,
                                    const struct pawl_storage_config *config,
                                    struct pawl_storage **out,
                                    struct pawl_error *err)
{
    struct pawl_storage_config own = *config;
    struct url_parts parts = { 0 };
    enum pawl_status status = split_url(url, &parts, err);

    own.url = url;
    if (status == PAWL_OK)
        status = open_instance(&parts, own, out, err);
    free_parts(&parts);
    return status;
}

/* With what belongs in front of it. */
static enum pawl_status open_url(const char *url,
                                 const struct pawl_storage_config *config,
                                 const struct storage_log *log,
                                 struct pawl_storage **out, struct pawl_error *err)
{
    bool traced = strncmp(url, TRACE_PREFIX, strlen(TRACE_PREFIX)) == 0;
    const char *plain = traced ? url + strlen(TRACE_PREFIX) : url;
    const struct pawl_storage_ops *ops =
        registry_find(plain, strcspn(plain, ":"));
    struct pawl_storage *storage = NULL;
    enum pawl_status status;

    if (ops && ops->remote)
        status = failover_open(ops, plain, config, log, &storage, err);
    else
        status = storage_open_plain(plain, config, &storage, err);
    if (status == PAWL_OK && traced && log)
        status = trace_wrap(&storage, log, err);
    if (status == PAWL_OK)
        *out = storage;
    else
        storage_close(storage);
    return status;
}

enum pawl_status storage_open(const char *url,
                              const struct pawl_storage_config *config,
                              const struct storage_log *log,
                              struct pawl_storage **out, struct pawl_error *err)
{
    char usual[REGISTRY_URL_MAX];
    enum pawl_status status;

    if (url)
        return open_url(url, config, log, out, err);
    status = registry_default_url(usual, sizeof usual, err);
    if (status == PAWL_OK)
        status = open_url(usual, config, log, out, err);
    explicit_bzero(usual, sizeof usual);
    return status;
}

void storage_left(const char *url, const char *where, storage_left_fn *found,
                  void *context)
{
    const struct pawl_storage_ops *ops = NULL;

    if (url && strncmp(url, TRACE_PREFIX, strlen(TRACE_PREFIX)) == 0)
        url += strlen(TRACE_PREFIX);
    if (url)
        ops = registry_find(url, strcspn(url, ":"));
    if (!url || (ops && ops->remote))
        failover_left(url, where, found, context);
}

void storage_close(struct pawl_storage *storage)
{
    if (!storage)
        return;
    storage->ops->close(storage);
    free(storage);
}
