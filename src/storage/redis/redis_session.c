/* redis_session.c - see redis_session.h; FORMAT.md, "Sessions and claims". */
#include "storage/redis/redis_session.h"

#include <string.h>

#include "storage/redis/redis_bytes.h"

#define SLOTS 16 /* seqs of a session that are remembered */

void redis_session_add_field(struct redis_args *args, struct pawl_session session,
                             uint64_t seq)
{
    uint8_t *field = redis_args_space(args, sizeof session + 1);
    if (field == NULL)
        return;
    memcpy(field, &session, sizeof session);
    field[sizeof session] = (uint8_t)(seq % SLOTS);
}

void redis_session_add(struct redis_args *args, struct pawl_session session,
                       uint64_t seq)
{
    redis_session_add_field(args, session, seq);
    uint8_t *word = redis_args_space(args, 8);
    if (word != NULL)
        redis_bytes_write(word, seq, 8);
}

static bool is_status(const redisReply *reply, const char *text)
{
    return reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, text) == 0;
}

/* A byte for each job, and the holder's id where the key is taken. False: it is
 * something else. */
static bool read_codes(const redisReply *reply, struct pawl_put_result *results,
                       size_t count)
{
    static const enum pawl_status statuses[] = { PAWL_OK, PAWL_DUPLICATE,
                                                 PAWL_KEY_TAKEN };
    if (reply->type != REDIS_REPLY_STRING)
        return false;
    const char *at = reply->str, *end = reply->str + reply->len;
    for (size_t i = 0; i < count; i++) {
        uint8_t code = at == end ? UINT8_MAX : (uint8_t)*at++;
        if (code >= sizeof statuses / sizeof *statuses)
            return false;
        results[i].status = statuses[code];
        if (results[i].status != PAWL_KEY_TAKEN)
            continue;
        if (end - at < (ptrdiff_t)sizeof results[i].id)
            return false;
        memcpy(&results[i].id, at, sizeof results[i].id);
        at += sizeof results[i].id;
    }
    return at == end;
}

enum pawl_status redis_session_read(const redisReply *reply, const char *queue,
                                    uint64_t seq, struct pawl_put_result *results,
                                    size_t count, struct pawl_error *err)
{
    if (is_status(reply, "OK")) {
        for (size_t i = 0; i < count; i++)
            results[i].status = PAWL_OK;
        return PAWL_OK;
    }
    if (is_status(reply, "TOOOLD"))
        return pawl_error_set(err, PAWL_ETOOOLD,
                              "put %llu into '%s' is older than those remembered",
                              (unsigned long long)seq, queue);
    if (reply->type == REDIS_REPLY_INTEGER)
        return pawl_error_set(err, PAWL_EINVAL,
                              "put %llu into '%s' was of %lld jobs, now of %zu",
                              (unsigned long long)seq, queue, reply->integer, count);
    if (!read_codes(reply, results, count))
        return pawl_error_set(err, PAWL_ECORRUPT,
                              "redis keeps a damaged reply to put %llu into '%s'",
                              (unsigned long long)seq, queue);
    return PAWL_OK;
}
