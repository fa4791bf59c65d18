/* redis_storage.c - the tables of the Redis storage, opening and closing, and what
 * every method begins with.
 *
 * Opening makes one round trip: it finds or makes the store's own record, so that
 * whoever opens knows that the server is there, lets us in, and is ours.
 */
#include "storage/redis/redis_storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/random.h"

#define STORE_FORMAT "1"

static struct redis_instance *self_of(struct pawl_storage *storage)
{
    return (struct redis_instance *)storage;
}

/* --- keys of the store itself ------------------------------------------------ */

/* Add PREFIX + `name` as a word; the slot it lives in, or -1: out of memory. */
static int add_store_key(const struct redis_instance *self,
                         struct redis_args *args, const char *name)
{
    const char *prefix = self->client.settings.prefix;
    size_t prefix_size = strlen(prefix), name_size = strlen(name);
    char *key = redis_args_space(args, prefix_size + name_size);
    if (key == NULL)
        return -1;
    memcpy(key, prefix, prefix_size);
    memcpy(key + prefix_size, name, name_size);
    return redis_key_slot(key, prefix_size + name_size);
}

/* Write down that the queue exists (the set of all queues), for `making`, which found
 * that it does not. */
static enum pawl_status register_queue(struct redis_instance *self, const char *queue,
                                       const struct redis_call *making,
                                       struct pawl_error *err)
{
    struct redis_call call = { .repeatable = true, .until = making->until,
                               .maybe = making->maybe };
    redisReply *reply = NULL;
    redis_args_text(&call.args, "SADD");
    call.slot = add_store_key(self, &call.args, "queues");
    redis_args_text(&call.args, queue);
    enum pawl_status status = redis_call(&self->client, &call, &reply, err);
    redis_args_clear(&call.args);
    if (status == PAWL_OK)
        freeReplyObject(reply);
    return status;
}

/* --- beginning a script ------------------------------------------------------ */

struct redis_queue *redis_enter(struct redis_instance *self, const char *queue,
                                struct pawl_error *err)
{
    struct redis_queue *entry =
        redis_queue_at(&self->queues, self->client.settings.prefix, queue);
    if (entry == NULL)
        pawl_error_set(err, PAWL_ENOMEM, "out of memory for queue '%s'", queue);
    return entry;
}

void redis_add_now(struct redis_instance *self, struct redis_args *args)
{
    const struct pawl_clock *clock = &self->client.clock;
    if (self->client.settings.caller_clock)
        redis_args_number(args, clock->now(clock->context));
    else
        redis_args_text(args, "");
}

void redis_add_clock(struct redis_instance *self, struct redis_args *args)
{
    const struct pawl_clock *clock = &self->client.clock;
    redis_add_now(self, args);
    if (self->client.settings.caller_clock)
        redis_args_number(args, clock->steady(clock->context));
    else
        redis_args_text(args, "");
}

void redis_begin(struct redis_instance *self, const struct redis_queue *queue,
                 const struct redis_script *script, bool making,
                 struct redis_call *call)
{
    *call = (struct redis_call){ .script = script,
                                 .key_count = REDIS_KEY_COUNT,
                                 .slot = queue->slot };
    for (int i = 0; i < REDIS_KEY_COUNT; i++)
        redis_args_add(&call->args, queue->keys[i], queue->key_sizes[i]);
    redis_add_clock(self, &call->args);
    if (making)
        redis_args_text(&call->args, "0");
}

void redis_add_retention(struct redis_args *args,
                         const struct pawl_retention *retention)
{
    const struct pawl_keep *c = &retention->completed, *d = &retention->dead,
                           *x = &retention->cancelled;
    char text[6 * 24];
    int size = snprintf(text, sizeof text, "%lld %lld %lld %lld %lld %lld",
                        (long long)c->age, (long long)c->count, (long long)d->age,
                        (long long)d->count, (long long)x->age,
                        (long long)x->count);
    char *word = redis_args_space(args, (size_t)size);
    if (word != NULL)
        memcpy(word, text, (size_t)size);
}

static bool says_new(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "NEW") == 0;
}

enum pawl_status redis_call_making(struct redis_instance *self,
                                   const struct redis_queue *queue,
                                   struct redis_call *call, redisReply **out,
                                   struct pawl_error *err)
{
    redisReply *reply = NULL;
    if (call->until == 0)
        call->until = redis_call_until(&self->client);
    enum pawl_status status = redis_call(&self->client, call, &reply, err);
    if (status != PAWL_OK || !says_new(reply)) {
        *out = reply;
        return status;
    }
    freeReplyObject(reply);
    status = register_queue(self, queue->name, call, err);
    if (status != PAWL_OK)
        return status;
    call->run_id_word = call->key_count + 2;
    return redis_call(&self->client, call, out, err);
}

enum pawl_status redis_unread(struct pawl_error *err)
{
    pawl_error_prefix(err, "done, but not understood");
    if (err != NULL) {
        err->status = PAWL_EUNKNOWN;
        err->native = PAWL_NATIVE_ANSWERED;
    }
    return PAWL_EUNKNOWN;
}

/* --- open and close ----------------------------------------------------------- */

static bool is_bytes(const redisReply *reply, size_t least, size_t most)
{
    return reply->type == REDIS_REPLY_STRING && reply->len >= least &&
           reply->len <= most;
}

static enum pawl_status read_store(struct redis_instance *self,
                                   const redisReply *reply, struct pawl_error *err)
{
    const char *where = self->client.settings.where;
    const char *prefix = self->client.settings.prefix;
    if (reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "NONE") == 0)
        return pawl_error_set(err, PAWL_NOT_FOUND,
                              "there is no pawl store at %s with prefix '%s'", where,
                              prefix);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !is_bytes(reply->element[0], 1, 9) ||
        !is_bytes(reply->element[1], sizeof self->store_uuid,
                  sizeof self->store_uuid) ||
        strspn(reply->element[0]->str, "0123456789") != reply->element[0]->len)
        return pawl_error_set(err, PAWL_EFORMAT,
                              "key '%sstore' at %s was not made by pawl; use "
                              "another prefix", prefix, where);
    if (strcmp(reply->element[0]->str, STORE_FORMAT) != 0)
        return pawl_error_set(err, PAWL_EFORMAT,
                              "the store at %s with prefix '%s' has format %s, and "
                              "this pawl knows only " STORE_FORMAT
                              "; use a newer pawl",
                              where, prefix, reply->element[0]->str);
    memcpy(self->store_uuid, reply->element[1]->str, sizeof self->store_uuid);
    return PAWL_OK;
}

static enum pawl_status find_store(struct redis_instance *self, bool must_exist,
                                   struct pawl_error *err)
{
    struct redis_call call = { .script = &redis_script_open,
                               .key_count = 1,
                               .repeatable = true,
                               .reads = true }; /* doing it again finds it done */
    redisReply *reply = NULL;
    call.slot = add_store_key(self, &call.args, "store");
    redis_args_text(&call.args, STORE_FORMAT);
    uint8_t *uuid = redis_args_space(&call.args, sizeof self->store_uuid);
    if (uuid != NULL)
        random_bytes(uuid, sizeof self->store_uuid);
    redis_args_text(&call.args, must_exist ? "1" : "0");
    enum pawl_status status = redis_call(&self->client, &call, &reply, err);
    if (status == PAWL_OK)
        status = read_store(self, reply, err);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return status;
}

static enum pawl_status redis_open(struct pawl_storage *storage,
                                   const struct pawl_storage_config *config,
                                   struct pawl_error *err)
{
    struct redis_instance *self = self_of(storage);
    struct redis_client *client = &self->client;
    redis_queues_init(&self->queues);
    enum pawl_status status = redis_settings_parse(self->base.ops->scheme, config,
                                                   &client->settings, err);
    if (status != PAWL_OK)
        return status;
    self->base.where = client->settings.where;
    if (config->url_only)
        return PAWL_OK;
    client->clock = config->clock;
    /* A century is for ever, and leaves room to count in ns. */
    client->deadline = config->deadline < 10 * PAWL_DURATION_MAX
                           ? config->deadline
                           : 10 * PAWL_DURATION_MAX;
    client->route = redis_route_new(&client->settings);
    if (client->route == NULL || !redis_waiter_open(self))
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory");
    if (config->health_only)
        return PAWL_OK;
    client->opening = true;
    status = find_store(self, config->must_exist, err);
    client->opening = false;
    memcpy(self->base.store.b, self->store_uuid, sizeof self->base.store.b);
    return status;
}

static void redis_close(struct pawl_storage *storage)
{
    struct redis_instance *self = self_of(storage);
    redis_waiter_close(self);
    if (self->client.route != NULL && !self->base.keep_leases)
        redis_leave(self);
    redis_route_free(self->client.route);
    redis_queues_clear(&self->queues);
    redis_settings_clear(&self->client.settings);
    self->client.route = NULL;
}

/* --- the tables ---------------------------------------------------------------- */

#define TABLE(name)                                                               \
    {                                                                             \
        .abi = PAWL_STORAGE_ABI, .scheme = (name), .label = "Redis",              \
        .remote = true,                                                           \
        .instance_size = sizeof(struct redis_instance), .put_max = 1000,          \
        .exchanges_in_flight = 2, .open = redis_open, .close = redis_close,       \
        .put = redis_put, .exchange = redis_exchange, .renew = redis_renew,       \
        .sweep = redis_sweep, .wait = redis_wait, .kick = redis_kick,             \
        .get = redis_get, .list = redis_list, .alter = redis_alter,               \
        .take_out = redis_take_out, .bring_in = redis_bring_in,                   \
        .tally = redis_tally, .stats = redis_stats, .health = redis_health,       \
    }

const struct pawl_storage_ops redis_storage_ops[REDIS_SCHEME_COUNT] = {
    TABLE("redis"), TABLE("rediss"), TABLE("redis+unix"), TABLE("redis-sentinel"),
    TABLE("redis-cluster"),
};
