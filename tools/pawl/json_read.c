/* json_read.c - see json_read.h. */
#include "json_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

/* The fields that there may be; any other is a mistake, or from a newer pawl. */
static const char *const queue_fields[] = { "kind", "queue", "paused", "keep", NULL };
static const char *const keep_fields[] = {
    "completed_age",   "dead_age",   "cancelled_age",
    "completed_count", "dead_count", "cancelled_count", NULL,
};
static const char *const job_fields[] = {
    "id", "queue", "type", "state", "priority", "attempt", "max_attempts", "crashes",
    "epoch", "enqueued_at", "run_at", "started_at", "finished_at", "expires_at", "key",
    "key_mode", "key_ttl", "group", "timeout", "backoff", "payload", "payload_base64",
    "result", "result_base64", "error", "errors", NULL,
};

PAWL_PRINTF(2, 3)
static bool wrong(struct json_read *read, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(read->why, sizeof read->why, format, args);
    va_end(args);
    return false;
}

/* --- fields -------------------------------------------------------------------- */

static bool get_number(struct json_read *read, const json_t *object, const char *field,
                       int64_t otherwise, int64_t *out)
{
    const json_t *value = json_object_get(object, field);
    *out = otherwise;
    if (!value)
        return true;
    if (!json_is_integer(value))
        return wrong(read, "field '%s' is not a whole number", field);
    *out = json_integer_value(value);
    return true;
}

static bool get_int(struct json_read *read, const json_t *object, const char *field,
                    int64_t otherwise, int *out)
{
    int64_t number;
    if (!get_number(read, object, field, otherwise, &number))
        return false;
    if (number < INT32_MIN || number > INT32_MAX)
        return wrong(read, "field '%s' is out of range", field);
    *out = (int)number;
    return true;
}

static bool get_text(struct json_read *read, const json_t *object, const char *field,
                     const char **out)
{
    const json_t *value = json_object_get(object, field);
    *out = "";
    if (!value)
        return true;
    if (!json_is_string(value))
        return wrong(read, "field '%s' is not text", field);
    if (strlen(json_string_value(value)) != json_string_length(value))
        return wrong(read, "field '%s' contains a NUL", field);
    *out = json_string_value(value);
    return true;
}

/* --- bytes ---------------------------------------------------------------------- */

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* NULL: it is no base64, or memory is out. */
static void *decode(const char *text, size_t n, size_t *size)
{
    size_t padding = n >= 4 && text[n - 1] == '=' ? 1u + (text[n - 2] == '=') : 0;
    unsigned char *bytes = n % 4 == 0 ? malloc(n / 4 * 3 + 1) : NULL, *out = bytes;
    for (size_t i = 0; bytes && i < n; i += 4) {
        unsigned bits = 0;
        for (size_t k = i; k < i + 4; k++) {
            int digit = k < n - padding ? digit_of(text[k]) : 0;
            if (digit < 0) {
                free(bytes);
                return NULL;
            }
            bits = bits << 6 | (unsigned)digit;
        }
        *out++ = (unsigned char)(bits >> 16);
        *out++ = (unsigned char)(bits >> 8);
        *out++ = (unsigned char)bits;
    }
    *size = n / 4 * 3 - padding;
    return bytes;
}

static bool get_bytes(struct json_read *read, const char *field, const char *base64,
                      const void **bytes, size_t *size, void **decoded)
{
    const json_t *text = json_object_get(read->object, field);
    const json_t *coded = json_object_get(read->object, base64);
    *bytes = "";
    *size = 0;
    if (text && coded)
        return wrong(read, "fields '%s' and '%s' exclude each other", field, base64);
    if (text && !json_is_string(text))
        return wrong(read, "field '%s' is not text", field);
    if (text) {
        *bytes = json_string_value(text);
        *size = json_string_length(text);
    }
    if (!coded)
        return true;
    if (json_is_string(coded))
        *decoded = decode(json_string_value(coded), json_string_length(coded), size);
    if (!*decoded)
        return wrong(read, "field '%s' is not base64", base64);
    *bytes = *decoded;
    return true;
}

/* --- parts ----------------------------------------------------------------------- */

static bool get_backoff(struct json_read *read)
{
    static const char *const kinds[] = { "exponential", "fixed", "linear", "poly4",
                                         "list" };
    const json_t *object = json_object_get(read->object, "backoff"), *delays;
    struct pawl_backoff *backoff = &read->job.backoff;
    const char *kind;
    int at = 0;
    if (!object)
        return true;
    if (!json_is_object(object))
        return wrong(read, "field 'backoff' is not an object");
    if (!get_text(read, object, "kind", &kind))
        return false;
    while (at < 5 && strcmp(kinds[at], kind) != 0)
        at++;
    if (at == 5)
        return wrong(read, "field 'backoff.kind' '%.40s' is unknown", kind);
    backoff->kind = (enum pawl_backoff_kind)at;
    delays = json_object_get(object, "delays");
    if (delays && (!json_is_array(delays) ||
                   json_array_size(delays) > PAWL_BACKOFF_LIST_MAX))
        return wrong(read, "field 'backoff.delays' is not a list of at most %d",
                     PAWL_BACKOFF_LIST_MAX);
    for (size_t i = 0; i < json_array_size(delays); i++) {
        const json_t *delay = json_array_get(delays, i);
        if (!json_is_integer(delay))
            return wrong(read, "field 'backoff.delays' has what is no number");
        backoff->delays[backoff->delay_count++] = json_integer_value(delay);
    }
    return get_number(read, object, "delay", 0, &backoff->delay) &&
           get_number(read, object, "cap", 0, &backoff->cap) &&
           get_int(read, object, "jitter", 0, &backoff->jitter);
}

static bool get_errors(struct json_read *read)
{
    const json_t *errors = json_object_get(read->object, "errors");
    read->job.errors = read->errors;
    if (!errors)
        return true;
    if (!json_is_array(errors) || json_array_size(errors) > PAWL_ERRORS_KEPT)
        return wrong(read, "field 'errors' is not a list of at most %d",
                     PAWL_ERRORS_KEPT);
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const json_t *one = json_array_get(errors, i);
        struct pawl_job_error *error = &read->errors[read->job.error_count++];
        if (!json_is_object(one))
            return wrong(read, "field 'errors' has what is no object");
        if (!get_number(read, one, "at", 0, &error->at) ||
            !get_int(read, one, "attempt", 0, &error->attempt) ||
            !get_text(read, one, "message", &error->message))
            return false;
    }
    return true;
}

static bool get_names(struct json_read *read)
{
    struct pawl_job *job = &read->job;
    const char *id, *state, *mode;
    if (!get_text(read, read->object, "id", &id) ||
        !get_text(read, read->object, "state", &state) ||
        !get_text(read, read->object, "key_mode", &mode))
        return false;
    if (!pawl_id_parse(id, &job->id))
        return wrong(read, "field 'id' '%.60s' is not a job id", id);
    job->state = pawl_state_parse(state);
    if (job->state == 0)
        return wrong(read, "field 'state' '%.60s' is unknown", state);
    if (mode[0] && !parse_key_mode(mode, &job->key_mode))
        return wrong(read, "field 'key_mode' '%.60s' is unknown", mode);
    return get_text(read, read->object, "queue", &job->queue) &&
           get_text(read, read->object, "type", &job->type) &&
           get_text(read, read->object, "key", &job->key) &&
           get_text(read, read->object, "group", &job->group);
}

static bool get_numbers(struct json_read *read)
{
    struct pawl_job *job = &read->job;
    const json_t *from = read->object;
    int64_t epoch;
    if (!get_number(read, from, "epoch", 0, &epoch))
        return false;
    if (epoch < 0 || epoch > UINT32_MAX)
        return wrong(read, "field 'epoch' is out of range");
    job->epoch = (uint32_t)epoch;
    return get_int(read, from, "priority", 5, &job->priority) &&
           get_int(read, from, "attempt", 0, &job->attempt) &&
           get_int(read, from, "max_attempts", 3, &job->max_attempts) &&
           get_int(read, from, "crashes", 0, &job->crashes) &&
           get_number(read, from, "timeout", 0, &job->timeout) &&
           get_number(read, from, "key_ttl", 0, &job->key_ttl) &&
           get_number(read, from, "enqueued_at", 0, &job->enqueued_at) &&
           get_number(read, from, "run_at", 0, &job->run_at) &&
           get_number(read, from, "started_at", 0, &job->started_at) &&
           get_number(read, from, "finished_at", 0, &job->finished_at) &&
           get_number(read, from, "expires_at", 0, &job->expires_at);
}

static bool check_fields(struct json_read *read, json_t *object,
                         const char *const *known)
{
    const char *field;
    json_t *value;
    json_object_foreach(object, field, value) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], field) != 0)
            i++;
        if (!known[i])
            return wrong(read, "field '%.60s' is unknown", field);
    }
    return true;
}

static bool read_job(struct json_read *read)
{
    struct pawl_job *job = &read->job;
    return check_fields(read, read->object, job_fields) && get_names(read) &&
           get_numbers(read) && get_backoff(read) && get_errors(read) &&
           get_bytes(read, "payload", "payload_base64", &job->payload,
                     &job->payload_size, &read->payload) &&
           get_bytes(read, "result", "result_base64", &job->result, &job->result_size,
                     &read->result);
}

/* --- a queue -------------------------------------------------------------------- */

static bool get_keep(struct json_read *read)
{
    struct pawl_queue_keep *keep = &read->queue.keep;
    json_t *object = json_object_get(read->object, "keep");
    read->queue.has_keep = object != NULL;
    if (!object)
        return true;
    if (!json_is_object(object))
        return wrong(read, "field 'keep' is not an object");
    return check_fields(read, object, keep_fields) &&
           get_number(read, object, "completed_age", -1, &keep->completed_age) &&
           get_number(read, object, "dead_age", -1, &keep->dead_age) &&
           get_number(read, object, "cancelled_age", -1, &keep->cancelled_age) &&
           get_number(read, object, "completed_count", -1, &keep->completed_count) &&
           get_number(read, object, "dead_count", -1, &keep->dead_count) &&
           get_number(read, object, "cancelled_count", -1, &keep->cancelled_count);
}

static bool read_queue(struct json_read *read)
{
    const json_t *paused = json_object_get(read->object, "paused");
    const char *kind;
    if (!get_text(read, read->object, "kind", &kind))
        return false;
    if (strcmp(kind, "queue") != 0)
        return wrong(read, "field 'kind' '%.60s' is unknown", kind);
    if (paused && !json_is_boolean(paused))
        return wrong(read, "field 'paused' is not true or false");
    read->queue.paused = json_is_true(paused);
    return check_fields(read, read->object, queue_fields) &&
           get_text(read, read->object, "queue", &read->queue.name) && get_keep(read);
}

bool json_read_line(const char *line, size_t size, struct json_read *out)
{
    json_error_t error;
    *out = (struct json_read){ .object = NULL };
    out->object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
    if (!out->object)
        return wrong(out, "is not JSON: %.120s", error.text);
    if (!json_is_object(out->object))
        return wrong(out, "is not a JSON object");
    out->is_queue = json_object_get(out->object, "kind") != NULL;
    return out->is_queue ? read_queue(out) : read_job(out);
}

void json_read_clear(struct json_read *read)
{
    json_decref(read->object);
    free(read->payload);
    free(read->result);
    *read = (struct json_read){ .object = NULL };
}
