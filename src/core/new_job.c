/* new_job.c - see new_job.h. The rules are written in pawl/job.h; here is the
 * only place that enforces them. */
#include "core/new_job.h"

#include <string.h>

#include "core/core.h"
#include "util/utf8.h"

const char *queue_or_default(const char *queue)
{
    return queue ? queue : DEFAULT_QUEUE;
}

/* A name of at most `max` bytes; `what` begins the message. */
static enum pawl_status check_text(const char *what, const char *text,
                                   size_t max, bool may_be_empty,
                                   struct pawl_error *err)
{
    size_t n = strlen(text);

    if (n == 0 && !may_be_empty)
        return pawl_error_set(err, PAWL_EINVAL, "%s is empty", what);
    if (n > max)
        return pawl_error_set(err, PAWL_EINVAL,
                              "%s is %zu bytes long; at most %zu are allowed",
                              what, n, max);
    if (!utf8_valid(text, n))
        return pawl_error_set(err, PAWL_EINVAL, "%s is not valid UTF-8", what);
    if (!utf8_plain(text, n))
        return pawl_error_set(err, PAWL_EINVAL,
                              "%s contains a control character", what);
    return PAWL_OK;
}

enum pawl_status check_queue(const char *queue, struct pawl_error *err)
{
    return check_text("queue name", queue, PAWL_NAME_MAX, false, err);
}

static enum pawl_status check_names(const struct pawl_new_job *job,
                                    struct pawl_error *err)
{
    enum pawl_status status = check_queue(job->queue, err);

    if (status == PAWL_OK)
        status = check_text("type", job->type, PAWL_NAME_MAX, true, err);
    if (status == PAWL_OK && job->key)
        status = check_text("unique key", job->key, PAWL_KEY_MAX, false, err);
    if (status == PAWL_OK && job->group)
        status = check_text("group", job->group, PAWL_NAME_MAX, false, err);
    return status;
}

static enum pawl_status check_duration(const char *what, pawl_duration value,
                                       struct pawl_error *err)
{
    if (value < 0 || value > PAWL_DURATION_MAX)
        return pawl_error_set(err, PAWL_EINVAL,
                              "%s of %lld ms is not between 0 and ten years",
                              what, (long long)value);
    return PAWL_OK;
}

static enum pawl_status check_times(const struct pawl_new_job *job,
                                    struct pawl_error *err)
{
    enum pawl_status status = check_duration("delay", job->delay, err);

    if (status == PAWL_OK)
        status = check_duration("ttl", job->ttl, err);
    if (status == PAWL_OK)
        status = check_duration("timeout", job->timeout, err);
    if (status == PAWL_OK)
        status = check_duration("key ttl", job->key_ttl, err);
    if (status != PAWL_OK)
        return status;
    if (job->delay > 0 && job->run_at != 0)
        return pawl_error_set(err, PAWL_EINVAL,
                              "both a delay and a time to run at were given");
    if (job->run_at < 0 || job->run_at > INT64_C(253402300799999))
        return pawl_error_set(err, PAWL_EINVAL,
                              "time to run at is not between 1970 and 9999");
    return PAWL_OK;
}

static enum pawl_status check_backoff(const struct pawl_backoff *b,
                                      struct pawl_error *err)
{
    enum pawl_status status;
    int i;

    if ((int)b->kind < 0 || b->kind > PAWL_BACKOFF_LIST)
        return pawl_error_set(err, PAWL_EINVAL, "backoff kind %d is unknown",
                              (int)b->kind);
    if (b->jitter < 0 || b->jitter > 100)
        return pawl_error_set(err, PAWL_EINVAL,
                              "backoff jitter %d is not between 0 and 100",
                              b->jitter);
    status = check_duration("backoff delay", b->delay, err);
    if (status == PAWL_OK)
        status = check_duration("backoff cap", b->cap, err);
    if (status != PAWL_OK || b->kind != PAWL_BACKOFF_LIST)
        return status;
    if (b->delay_count < 1 || b->delay_count > PAWL_BACKOFF_LIST_MAX)
        return pawl_error_set(err, PAWL_EINVAL,
                              "backoff list of %d delays; 1 to %d are allowed",
                              b->delay_count, PAWL_BACKOFF_LIST_MAX);
    for (i = 0; i < b->delay_count && status == PAWL_OK; i++)
        status = check_duration("backoff delay", b->delays[i], err);
    return status;
}

static enum pawl_status check_key(const struct pawl_new_job *job,
                                  struct pawl_error *err)
{
    if (!job->key && (job->key_ttl != 0 || job->key_mode != PAWL_KEY_REJECT))
        return pawl_error_set(err, PAWL_EINVAL,
                              "key mode or key ttl without a unique key");
    if (job->key_mode == PAWL_KEY_DEBOUNCE || job->key_mode == PAWL_KEY_LATEST)
        return pawl_error_set(err, PAWL_EINVAL,
                              "key mode '%s' is not available in this version",
                              job->key_mode == PAWL_KEY_LATEST ? "latest"
                                                               : "debounce");
    if (job->key_mode != PAWL_KEY_REJECT && job->key_mode != PAWL_KEY_THROTTLE)
        return pawl_error_set(err, PAWL_EINVAL, "key mode %d is unknown",
                              (int)job->key_mode);
    if (job->key_mode == PAWL_KEY_THROTTLE && job->key_ttl == 0)
        return pawl_error_set(err, PAWL_EINVAL,
                              "key mode 'throttle' needs a key ttl");
    return PAWL_OK;
}

static enum pawl_status check_numbers(const struct pawl *pawl,
                                      const struct pawl_new_job *job,
                                      struct pawl_error *err)
{
    if (job->payload_size > pawl->payload_max)
        return pawl_error_set(err, PAWL_EINVAL,
                              "payload is %zu bytes long; at most %zu are allowed",
                              job->payload_size, pawl->payload_max);
    if (job->payload_size > 0 && !job->payload)
        return pawl_error_set(err, PAWL_EINVAL, "payload is NULL");
    if (job->priority < 1 || job->priority > 10)
        return pawl_error_set(err, PAWL_EINVAL,
                              "priority %d is not between 1 and 10",
                              job->priority);
    if (job->max_attempts < 1 || job->max_attempts > PAWL_ATTEMPTS_MAX)
        return pawl_error_set(err, PAWL_EINVAL,
                              "max attempts %d is not between 1 and %d",
                              job->max_attempts, PAWL_ATTEMPTS_MAX);
    return PAWL_OK;
}

enum pawl_status new_job_normalise(const struct pawl *pawl,
                                   const struct pawl_new_job *in,
                                   struct pawl_new_job *out,
                                   struct pawl_error *err)
{
    enum pawl_status status;

    *out = *in;
    out->queue = queue_or_default(in->queue);
    out->type = in->type ? in->type : "";
    out->priority = in->priority ? in->priority : DEFAULT_PRIORITY;
    out->max_attempts = in->max_attempts ? in->max_attempts : DEFAULT_ATTEMPTS;
    status = check_names(out, err);
    if (status == PAWL_OK)
        status = check_numbers(pawl, out, err);
    if (status == PAWL_OK)
        status = check_times(out, err);
    if (status == PAWL_OK)
        status = check_backoff(&out->backoff, err);
    if (status == PAWL_OK)
        status = check_key(out, err);
    if (status == PAWL_OK && out->backoff.kind != PAWL_BACKOFF_LIST) {
        /* Not looked at, so not checked: a storage must not see it. */
        out->backoff.delay_count = 0;
        memset(out->backoff.delays, 0, sizeof out->backoff.delays);
    }
    if (status == PAWL_OK && pawl_id_is_zero(out->id))
        out->id = pawl_id_new(out->queue, pawl->clock.now(pawl->clock.context));
    return status;
}

static size_t text_extra(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

size_t new_job_extra(const struct pawl_new_job *job)
{
    return text_extra(job->queue) + text_extra(job->type) +
           text_extra(job->key) + text_extra(job->group) + job->payload_size;
}

static char *copy_text(const char **to, const char *from, char *extra)
{
    size_t n = text_extra(from);

    if (from)
        *to = memcpy(extra, from, n);
    return extra + n;
}

char *new_job_copy(struct pawl_new_job *to, const struct pawl_new_job *from,
                   char *extra)
{
    *to = *from;
    extra = copy_text(&to->queue, from->queue, extra);
    extra = copy_text(&to->type, from->type, extra);
    extra = copy_text(&to->key, from->key, extra);
    extra = copy_text(&to->group, from->group, extra);
    if (from->payload_size > 0) {
        memcpy(extra, from->payload, from->payload_size);
        to->payload = extra;
    }
    return extra + from->payload_size;
}
