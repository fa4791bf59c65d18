/* json.c - see json.h.
 *
 * jansson refuses text that is not UTF-8, so a NULL value is both "not UTF-8"
 * and "memory is out". Where text may be anything it is checked first; every
 * json_object_set_new() then carries the failure on, and `failed` collects it.
 */
#include "json.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "util/utf8.h"

struct json_builder {
    json_t *object;
    bool failed;
};

static void json_set(struct json_builder *b, const char *key, json_t *value)
{
    if (json_object_set_new(b->object, key, value) != 0)
        b->failed = true;
}

static json_t *json_finish(struct json_builder *b)
{
    if (!b->failed)
        return b->object;
    json_decref(b->object);
    return NULL;
}

json_t *json_text(const char *text)
{
    size_t n = strlen(text);
    if (utf8_valid(text, n))
        return json_stringn(text, n);
    char *copy = strdup(text);
    if (!copy)
        return NULL;
    text_make_utf8(copy, n);
    json_t *value = json_stringn(copy, n);
    free(copy);
    return value;
}

json_t *json_id(struct pawl_id id)
{
    char text[PAWL_ID_TEXT];
    pawl_id_format(id, text);
    return json_string(text);
}

/* --- bytes ------------------------------------------------------------------- */

static json_t *json_base64(const unsigned char *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = (n + 2) / 3 * 4;
    char *text = malloc(size + 1), *out = text;
    if (!text)
        return NULL;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        unsigned bits = (unsigned)p[i] << 16;
        bits |= left > 1 ? (unsigned)p[i + 1] << 8 : 0;
        bits |= left > 2 ? p[i + 2] : 0;
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[bits & 63] : '=';
    }
    json_t *value = json_stringn_nocheck(text, size);
    free(text);
    return value;
}

static void json_set_bytes(struct json_builder *b, const char *text_key,
                           const char *base64_key, const void *bytes, size_t n)
{
    if (n == 0)
        json_set(b, text_key, json_string(""));
    else if (utf8_valid(bytes, n))
        json_set(b, text_key, json_stringn(bytes, n));
    else
        json_set(b, base64_key, json_base64(bytes, n));
}

/* --- a job --------------------------------------------------------------------- */

static void json_set_time(struct json_builder *b, const char *key, pawl_time at)
{
    if (at != 0)
        json_set(b, key, json_integer(at));
}

static void json_set_text(struct json_builder *b, const char *key,
                          const char *text)
{
    if (*text)
        json_set(b, key, json_text(text));
}

static json_t *json_job_error(const struct pawl_job_error *error)
{
    struct json_builder b = {json_object(), false};
    json_set_time(&b, "at", error->at);
    json_set(&b, "attempt", json_integer(error->attempt));
    json_set(&b, "message", json_text(error->message));
    return json_finish(&b);
}

static void json_set_errors(struct json_builder *b, const struct pawl_job *job)
{
    json_t *errors = json_array();
    if (job->error_count > 0)
        json_set(b, "error",
                 json_text(job->errors[job->error_count - 1].message));
    for (size_t i = 0; i < job->error_count; i++)
        if (json_array_append_new(errors, json_job_error(&job->errors[i])) != 0)
            b->failed = true;
    json_set(b, "errors", errors);
}

json_t *json_job(const struct pawl_job *job)
{
    struct json_builder b = {json_object(), false};
    const char *state = pawl_state_name(job->state);
    json_set(&b, "id", json_id(job->id));
    json_set(&b, "queue", json_text(job->queue));
    json_set(&b, "type", json_text(job->type));
    json_set(&b, "state", json_string(state ? state : "?"));
    json_set(&b, "priority", json_integer(job->priority));
    json_set(&b, "attempt", json_integer(job->attempt));
    json_set(&b, "max_attempts", json_integer(job->max_attempts));
    json_set(&b, "crashes", json_integer(job->crashes));
    json_set(&b, "epoch", json_integer(job->epoch));
    json_set_time(&b, "enqueued_at", job->enqueued_at);
    json_set_time(&b, "run_at", job->run_at);
    json_set_time(&b, "started_at", job->started_at);
    json_set_time(&b, "finished_at", job->finished_at);
    json_set_text(&b, "key", job->key);
    json_set_text(&b, "group", job->group);
    json_set_bytes(&b, "payload", "payload_base64", job->payload,
                   job->payload_size);
    if (job->state == PAWL_COMPLETED || job->result_size > 0)
        json_set_bytes(&b, "result", "result_base64", job->result,
                       job->result_size);
    json_set_errors(&b, job);
    return json_finish(&b);
}

static json_t *json_backoff(const struct pawl_backoff *backoff)
{
    static const char *const kinds[] = {"exponential", "fixed", "linear", "poly4",
                                        "list"};
    struct json_builder b = {json_object(), false};
    json_set(&b, "kind", json_string(kinds[backoff->kind % 5]));
    json_set_time(&b, "delay", backoff->delay);
    json_set_time(&b, "cap", backoff->cap);
    json_set_time(&b, "jitter", backoff->jitter);
    if (backoff->delay_count > 0) {
        json_t *delays = json_array();
        for (int i = 0; i < backoff->delay_count; i++)
            json_array_append_new(delays, json_integer(backoff->delays[i]));
        json_set(&b, "delays", delays);
    }
    return json_finish(&b);
}

json_t *json_job_whole(const struct pawl_job *job)
{
    struct json_builder b = {json_job(job), false};
    if (!b.object)
        return NULL;
    json_set_time(&b, "expires_at", job->expires_at);
    json_set_time(&b, "timeout", job->timeout);
    json_set_time(&b, "key_ttl", job->key_ttl);
    if (job->key_mode == PAWL_KEY_THROTTLE)
        json_set(&b, "key_mode", json_string("throttle"));
    json_set(&b, "backoff", json_backoff(&job->backoff));
    return json_finish(&b);
}

/* --- a queue --------------------------------------------------------------------- */

json_t *json_queue_whole(const struct pawl_queue_stats *stats)
{
    const struct pawl_queue_keep *keep = &stats->keep;
    struct json_builder b = {json_object(), false};
    json_set(&b, "kind", json_string("queue"));
    json_set(&b, "queue", json_text(stats->name));
    json_set(&b, "paused", json_boolean(stats->paused));
    if (stats->has_keep)
        json_set(&b, "keep",
                 json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "completed_age",
                           (json_int_t)keep->completed_age, "completed_count",
                           (json_int_t)keep->completed_count, "dead_age",
                           (json_int_t)keep->dead_age, "dead_count",
                           (json_int_t)keep->dead_count, "cancelled_age",
                           (json_int_t)keep->cancelled_age, "cancelled_count",
                           (json_int_t)keep->cancelled_count));
    return json_finish(&b);
}

json_t *json_queue_stats(const struct pawl_queue_stats *stats)
{
    struct json_builder b = {json_object(), false};
    json_set(&b, "name", json_text(stats->name));
    json_set(&b, "paused", json_boolean(stats->paused));
    for (int state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        json_set(&b, pawl_state_name((enum pawl_state)state),
                 json_integer((json_int_t)stats->jobs[state]));
    json_set(&b, "completed_total",
             json_integer((json_int_t)stats->completed_total));
    json_set(&b, "failed_total", json_integer((json_int_t)stats->failed_total));
    json_set(&b, "dead_total", json_integer((json_int_t)stats->dead_total));
    json_set(&b, "oldest_pending_ms",
             json_integer(stats->oldest_pending > 0 ? stats->oldest_pending : 0));
    return json_finish(&b);
}
