/* redis_rights.c - the least that an ACL must allow us.
 *
 * Three lists must agree: this one, lua/probe.lua, and what the scripts and the C
 * files here send. tests/style/test_redis_rights.py compares them, and the whole
 * conformance suite runs under the rules made here, also on a Cluster and by sentinels.
 */
#include "storage/redis/redis_health.h"

#include <stdio.h>
#include <string.h>

/* In scripts and outside of them. AUTH, HELLO and QUIT are always allowed. */
static const char *const rights_commands =
    "+evalsha +eval +ping +info +role +client|setname "
    "+exists +hdel +hget +hgetall +hlen +hmget +hscan +hset +time +type "
    "+llen +lrange +lset +ltrim +rpush "
    "+sadd +smembers +xadd +xread +xrevrange "
    "+zadd +zcard +zcount +zmscore +zrange +zrangebyscore +zrem "
    "+zrevrangebyscore";

/* Of a pattern, what is not plain is any one byte: so no blank, quote or star of a
 * prefix is taken for something else. */
static void rights_pattern(const char *prefix, char *out)
{
    for (; *prefix; prefix++) {
        bool plain = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                            "0123456789:._-/", *prefix) != NULL;
        *out++ = plain ? *prefix : '?';
    }
    *out = '\0';
}

void redis_rights(const struct redis_settings *settings, char *text, size_t size)
{
    char pattern[sizeof settings->prefix];

    rights_pattern(settings->prefix, pattern);
    snprintf(text, size, "resetchannels ~%s* -@all %s%s%s%s", pattern, rights_commands,
             settings->db > 0 ? " +select" : "", settings->replicas > 0 ? " +wait" : "",
             settings->kind == REDIS_CLUSTER ? " +cluster|slots +asking" : "");
}

void redis_rights_line(const struct redis_settings *settings, char *text, size_t size)
{
    char rules[1024];

    redis_rights(settings, rules, sizeof rules);
    /* Never the name in the URL: that may be the administrator, whom this would make
     * small. */
    snprintf(text, size, "ACL SETUSER pawl reset on >PASSWORD %s", rules);
}

/* The names in the script's reply. */
static enum pawl_status rights_read(const redisReply *reply, char *refused, size_t size,
                                    struct pawl_error *err)
{
    size_t used = 0;

    if (reply->type != REDIS_REPLY_ARRAY)
        return pawl_error_set(err, PAWL_EFORMAT, "the self-test has a strange answer");
    for (size_t i = 0; i < reply->elements && used < size; i++) {
        const redisReply *name = reply->element[i];
        if (name->type == REDIS_REPLY_STRING)
            used += (size_t)snprintf(refused + used, size - used, "%s%s",
                                     used > 0 ? ", " : "", name->str);
    }
    return PAWL_OK;
}

enum pawl_status redis_rights_missing(struct redis_instance *self, char *refused,
                                      size_t size, struct pawl_error *err)
{
    struct redis_call call = { .script = &redis_script_probe, .key_count = 1,
                               .reads = true }; /* it leaves nothing behind */
    char key[128];
    redisReply *reply = NULL;
    enum pawl_status status;

    refused[0] = '\0';
    snprintf(key, sizeof key, "%s{pawl-probe}:probe", self->client.settings.prefix);
    redis_args_text(&call.args, key);
    call.slot = redis_key_slot(key, strlen(key));
    status = redis_call(&self->client, &call, &reply, err);
    if (status == PAWL_OK)
        status = rights_read(reply, refused, size, err);
    freeReplyObject(reply);
    redis_args_clear(&call.args);
    return status;
}
