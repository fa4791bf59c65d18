/* storage.c - see storage.h: opening by URL, and the checked wrappers. */
#include "storage/storage.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/failover/failover.h"
#include "storage/registry.h"
#include "storage/trace.h"

#define TRACE_PREFIX "trace+"

/* --- opening ---------------------------------------------------------------- */

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
    else if (config->health_only)
        status = pawl_error_set(err, PAWL_NOT_FOUND,
                                "a store has no health before it is made");
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

void storage_close(struct pawl_storage *storage)
{
    if (!storage)
        return;
    storage->ops->close(storage);
    free(storage);
}

/* --- the wrappers ------------------------------------------------------------- */

static void check_new_job(const struct pawl_new_job *job, const char *queue)
{
    assert(!job->queue || strcmp(job->queue, queue) == 0);
    assert(job->priority >= 1 && job->priority <= 10);
    assert(job->max_attempts >= 1 && job->delay >= 0 && job->ttl >= 0);
    assert(!pawl_id_is_zero(job->id));
    assert(job->payload || job->payload_size == 0);
    (void)job;
    (void)queue;
}

enum pawl_status storage_put(struct pawl_storage *storage,
                             const struct pawl_put *in,
                             struct pawl_put_result *results,
                             struct pawl_error *err)
{
    enum pawl_status status;
    size_t i;

    assert(in->seq > 0 && in->job_count > 0);
    for (i = 0; i < in->job_count; i++)
        check_new_job(&in->jobs[i], in->queue);
    status = storage->ops->put(storage, in, results, err);
    for (i = 0; i < in->job_count && status >= 0; i++)
        assert(!pawl_id_is_zero(results[i].id));
    return status;
}

enum pawl_status storage_exchange(struct pawl_storage *storage,
                                  const struct pawl_exchange *in,
                                  struct pawl_exchange_reply *out,
                                  struct pawl_error *err)
{
    enum pawl_status status;

    assert(in->lease > 0 || in->claim_max == 0);
    out->job_count = 0;
    out->paused = false;
    out->more = false;
    out->next_at = 0;
    status = storage->ops->exchange(storage, in, out, err);
    assert(out->job_count <= in->claim_max);
    assert(status >= 0 || out->job_count == 0);
    return status;
}

enum pawl_status storage_renew(struct pawl_storage *storage,
                               const struct pawl_renew *in,
                               enum pawl_status *results, struct pawl_error *err)
{
    assert(in->lease > 0);
    return storage->ops->renew(storage, in, results, err);
}

enum pawl_status storage_sweep(struct pawl_storage *storage,
                               const struct pawl_sweep *in,
                               struct pawl_sweep_reply *out,
                               struct pawl_error *err)
{
    assert(in->limit > 0 && in->max_crashes > 0);
    memset(out, 0, sizeof *out);
    return storage->ops->sweep(storage, in, out, err);
}

enum pawl_status storage_wait(struct pawl_storage *storage,
                              const struct pawl_wait *in, struct pawl_error *err)
{
    return storage->ops->wait(storage, in, err);
}

void storage_kick(struct pawl_storage *storage)
{
    storage->ops->kick(storage);
}

enum pawl_status storage_get(struct pawl_storage *storage, const char *queue,
                             struct pawl_id id, struct pawl_job **out,
                             struct pawl_error *err)
{
    return storage->ops->get(storage, queue, id, out, err);
}

enum pawl_status storage_list(struct pawl_storage *storage,
                              const struct pawl_list *in,
                              struct pawl_list_reply *out,
                              struct pawl_error *err)
{
    enum pawl_status status;

    assert(in->limit >= 1 && in->limit <= 500 && pawl_state_name(in->state));
    out->job_count = 0;
    memset(&out->next, 0, sizeof out->next);
    status = storage->ops->list(storage, in, out, err);
    assert(out->job_count <= in->limit);
    return status;
}

/* The states from which a move makes sense at all, whatever the caller asks. */
static unsigned possible_from(enum pawl_alter_kind kind)
{
    const unsigned processing = PAWL_STATE_BIT(PAWL_PROCESSING);
    const unsigned unfinished =
        PAWL_STATE_BIT(PAWL_WAITING) | PAWL_STATE_BIT(PAWL_SCHEDULED) |
        PAWL_STATE_BIT(PAWL_PENDING) | PAWL_STATE_BIT(PAWL_FAILED);
    const unsigned finished = PAWL_STATE_BIT(PAWL_COMPLETED) |
                              PAWL_STATE_BIT(PAWL_DEAD) |
                              PAWL_STATE_BIT(PAWL_CANCELLED);

    switch (kind) {
    case PAWL_ALTER_RUN:
        return (unfinished | finished) & ~PAWL_STATE_BIT(PAWL_PENDING);
    case PAWL_ALTER_CANCEL:
        return unfinished | processing;
    case PAWL_ALTER_REMOVE:
        return unfinished | finished;
    case PAWL_ALTER_REPRIORITISE:
        return unfinished | finished | processing;
    case PAWL_ALTER_PAUSE:
    case PAWL_ALTER_RESUME:
    case PAWL_ALTER_RETENTION:
        break;
    }
    return 0;
}

enum pawl_status storage_alter(struct pawl_storage *storage,
                               const struct pawl_alter *in,
                               struct pawl_alter_reply *out,
                               struct pawl_error *err)
{
    struct pawl_alter own = *in;

    own.from_states &= possible_from(in->kind);
    assert(!in->ids || out->results || in->id_count == 0);
    out->changed = 0;
    out->more = false;
    return storage->ops->alter(storage, &own, out, err);
}

enum pawl_status storage_take_out(struct pawl_storage *storage,
                                  const struct pawl_take_out *in,
                                  struct pawl_take_out_reply *out,
                                  struct pawl_error *err)
{
    enum pawl_status status;

    if (in->kind == PAWL_TAKE_HOLD) {
        assert(in->limit >= 1 && in->limit <= 1000 && out->jobs);
        assert(!(in->from_states & (PAWL_STATE_BIT(PAWL_PROCESSING) |
                                    PAWL_STATE_BIT(PAWL_HELD))));
    } else {
        assert(in->id_count == 0 || (in->ids && out->results));
        assert(in->kind != PAWL_TAKE_PASS ||
               memcmp(&in->heir, &in->mover, sizeof in->heir) != 0);
        assert(!in->digests || in->kind == PAWL_TAKE_CONFIRM ||
               in->kind == PAWL_TAKE_PASS);
    }
    out->job_count = 0;
    status = storage->ops->take_out(storage, in, out, err);
    assert(status >= 0 || out->job_count == 0);
    return status;
}

/* Is this a state that a job can be brought in with? */
static inline bool can_be_brought(enum pawl_state state)
{
    return state == PAWL_SCHEDULED || state == PAWL_PENDING ||
           state == PAWL_FAILED || state == PAWL_COMPLETED ||
           state == PAWL_DEAD || state == PAWL_CANCELLED;
}

enum pawl_status storage_bring_in(struct pawl_storage *storage,
                                  const struct pawl_bring_in *in,
                                  struct pawl_put_result *results,
                                  struct pawl_error *err)
{
    size_t i;

    assert(in->seq > 0 && in->job_count > 0);
    for (i = 0; i < in->job_count; i++)
        assert(can_be_brought(in->jobs[i]->state));
    return storage->ops->bring_in(storage, in, results, err);
}

enum pawl_status storage_tally(struct pawl_storage *storage, const char *queue,
                               struct pawl_session mover, bool forget,
                               struct pawl_tally *out, struct pawl_error *err)
{
    memset(out, 0, sizeof *out);
    return storage->ops->tally(storage, queue, mover, forget, out, err);
}

enum pawl_status storage_stats(struct pawl_storage *storage, const char *queue,
                               struct pawl_stats **out, struct pawl_error *err)
{
    return storage->ops->stats(storage, queue, out, err);
}

enum pawl_status storage_health(struct pawl_storage *storage,
                                struct pawl_health *out, struct pawl_error *err)
{
    memset(out, 0, sizeof *out);
    return storage->ops->health(storage, out, err);
}
