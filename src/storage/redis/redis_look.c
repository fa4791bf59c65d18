/* redis_look.c - see redis_look.h. */
#include "storage/redis/redis_look.h"

#include <stdlib.h>
#include <string.h>

#define REGISTRY "queues" /* behind the prefix */

enum pawl_status redis_look(struct redis_instance *self, struct redis_call *call,
                            redisReply **out, struct pawl_error *err)
{
    call->reads = true;
    enum pawl_status status = redis_call(&self->client, call, out, err);
    redis_args_clear(&call->args);
    return status;
}

enum pawl_status redis_look_strange(const struct redis_instance *self,
                                    const char *what, struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_ECORRUPT,
                          "redis at %s answered a question for %s in a way that "
                          "pawl does not know; are its keys written to by others?",
                          self->client.settings.where, what);
}

/* --- names --------------------------------------------------------------------- */

static int by_bytes(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* What is no name at all, pawl has not written. */
static bool is_name(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING && reply->len > 0 &&
           memchr(reply->str, '\0', reply->len) == NULL;
}

static enum pawl_status sort_names(const struct redis_instance *self,
                                   struct redis_names *names,
                                   struct pawl_error *err)
{
    const redisReply *reply = names->reply;
    if (reply->type != REDIS_REPLY_ARRAY)
        return redis_look_strange(self, "its queues", err);
    names->names = malloc((reply->elements + 1) * sizeof *names->names);
    if (names->names == NULL)
        return pawl_error_set(err, PAWL_ENOMEM,
                              "out of memory for the names of the queues");
    for (size_t i = 0; i < reply->elements; i++)
        if (is_name(reply->element[i]))
            names->names[names->count++] = reply->element[i]->str;
    qsort(names->names, names->count, sizeof *names->names, by_bytes);
    return PAWL_OK;
}

enum pawl_status redis_names_read(struct redis_instance *self, int64_t until,
                                  struct redis_names *out, struct pawl_error *err)
{
    const char *prefix = self->client.settings.prefix;
    size_t prefix_size = strlen(prefix), size = prefix_size + sizeof REGISTRY - 1;
    struct redis_call call = { .until = until };
    *out = (struct redis_names){ 0 };
    redis_args_text(&call.args, "SMEMBERS");
    char *key = redis_args_space(&call.args, size);
    if (key != NULL) {
        memcpy(key, prefix, prefix_size);
        memcpy(key + prefix_size, REGISTRY, sizeof REGISTRY - 1);
        call.slot = redis_key_slot(key, size);
    }
    enum pawl_status status = redis_look(self, &call, &out->reply, err);
    return status == PAWL_OK ? sort_names(self, out, err) : status;
}

void redis_names_clear(struct redis_names *names)
{
    freeReplyObject(names->reply);
    free(names->names);
    *names = (struct redis_names){ 0 };
}
