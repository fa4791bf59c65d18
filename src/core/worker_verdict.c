/* worker_verdict.c - from a handler's verdict to an outcome, and the ready-made
 * verdicts.
 *
 * All that a handler says is checked here, so that a storage gets valid text and
 * numbers within the limits whatever a handler does. */
#include "core/worker_verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/backoff.h"
#include "util/utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD, for what is no text */
#define REPLACEMENT_SIZE 3
#define PREFIX_MAX 128

/* --- ready-made verdicts -------------------------------------------------- */

struct pawl_verdict pawl_done(void)
{
    return (struct pawl_verdict){ .kind = PAWL_VERDICT_DONE };
}

struct pawl_verdict pawl_snooze(pawl_duration delay)
{
    return (struct pawl_verdict){ .kind = PAWL_VERDICT_SNOOZE, .delay = delay };
}

static struct pawl_verdict with_text(enum pawl_verdict_kind kind,
                                     const char *format, va_list args)
{
    static const char no_memory[] = "out of memory for the error text";
    struct pawl_verdict verdict = { .kind = kind };
    char *text;
    int n = vasprintf(&text, format, args);

    if (n < 0) {
        verdict.data = no_memory;
        verdict.size = sizeof no_memory - 1;
        return verdict;
    }
    verdict.data = text;
    verdict.size = (size_t)n;
    verdict.release = free;
    return verdict;
}

struct pawl_verdict pawl_failed(const char *format, ...)
{
    struct pawl_verdict verdict;
    va_list args;

    va_start(args, format);
    verdict = with_text(PAWL_VERDICT_FAILED, format, args);
    va_end(args);
    return verdict;
}

struct pawl_verdict pawl_dead(const char *format, ...)
{
    struct pawl_verdict verdict;
    va_list args;

    va_start(args, format);
    verdict = with_text(PAWL_VERDICT_DEAD, format, args);
    va_end(args);
    return verdict;
}

/* --- error texts ---------------------------------------------------------- */

/* The last `max` bytes of text[size], less half a character at the front. */
static const char *tail(const char *text, size_t *size, size_t max)
{
    size_t skip;

    if (*size <= max)
        return text;
    skip = *size - max;
    while (skip < *size && ((unsigned char)text[skip] & 0xC0) == 0x80)
        skip++;
    *size -= skip;
    return text + skip;
}

/* Copy as valid UTF-8 without NUL; `out` has room for three times `size`. */
static size_t to_text(const char *in, size_t size, char *out)
{
    size_t at = 0, used = 0, n;

    while (at < size) {
        n = in[at] == '\0' ? 0 : utf8_char(in + at, size - at);
        if (n > 0) {
            memcpy(out + used, in + at, n);
            used += n;
            at += n;
        } else {
            memcpy(out + used, REPLACEMENT, REPLACEMENT_SIZE);
            used += REPLACEMENT_SIZE;
            at++;
        }
    }
    return used;
}

/* "prefix: the end of what the handler said", in a block of its own. Without
 * memory the outcome goes without a text. */
static void set_error(struct ending *out, const char *prefix, const char *said,
                      size_t size)
{
    size_t prefix_size = strlen(prefix), colon_size = prefix_size ? 2 : 0;
    size_t max = PAWL_ERROR_MAX - prefix_size - colon_size, used;
    char *block, *text;

    if (!said)
        size = 0;
    said = tail(said, &size, max);
    block = malloc(prefix_size + colon_size + 3 * size + 1);
    if (!block)
        return;
    memcpy(block, prefix, prefix_size);
    if (size == 0)
        colon_size = 0;
    memcpy(block + prefix_size, ": ", colon_size);
    text = block + prefix_size + colon_size;
    used = to_text(said, size, text);
    said = tail(text, &used, max);
    memmove(text, said, used);
    text[used] = '\0';
    out->outcome.error = block;
    out->data = block;
    out->release = free;
}

/* --- the rules ------------------------------------------------------------ */

static void drop(const struct pawl_verdict *verdict)
{
    if (verdict->release)
        verdict->release((void *)verdict->data);
}

static pawl_duration own_backoff(const struct pawl_job *job, uint64_t random)
{
    return backoff_delay(&job->backoff, job->attempt, random);
}

/* The attempt failed: again later, or dead after the last. */
static void end_failed(const struct pawl_job *job, uint64_t random,
                       struct ending *out)
{
    if (job->attempt >= job->max_attempts) {
        out->outcome.kind = PAWL_OUTCOME_DEAD;
    } else {
        out->outcome.kind = PAWL_OUTCOME_RETRY;
        out->outcome.delay = own_backoff(job, random);
    }
}

static void end_done(const struct pawl_verdict *verdict, struct ending *out)
{
    out->outcome.kind = PAWL_OUTCOME_COMPLETED;
    out->outcome.result = verdict->data;
    out->outcome.result_size = verdict->data ? verdict->size : 0;
    out->data = (void *)verdict->data;
    out->release = verdict->release;
}

/* The attempt was stopped and the handler did not insist on being done. */
static void end_stopped(const struct pawl_job *job,
                        const struct pawl_verdict *verdict,
                        enum pawl_stop_reason stopped, pawl_duration timeout,
                        uint64_t random, struct ending *out)
{
    bool spoke = verdict->kind == PAWL_VERDICT_FAILED ||
                 verdict->kind == PAWL_VERDICT_DEAD;
    size_t size = spoke ? verdict->size : 0;
    char prefix[PREFIX_MAX] = "";

    if (stopped == PAWL_STOP_SHUTDOWN) {
        out->outcome.kind = PAWL_OUTCOME_RELEASED;
    } else if (stopped == PAWL_STOP_CANCELLED) {
        out->outcome.kind = PAWL_OUTCOME_CANCELLED;
        if (size > 0)
            set_error(out, prefix, verdict->data, size);
    } else {
        end_failed(job, random, out);
        snprintf(prefix, sizeof prefix, "timed out after %lld ms",
                 (long long)timeout);
        set_error(out, prefix, verdict->data, size);
    }
    drop(verdict);
}

static void end_as_said(const struct pawl_job *job,
                        const struct pawl_verdict *verdict, uint64_t random,
                        struct ending *out)
{
    char prefix[PREFIX_MAX] = "";
    size_t size = verdict->size;

    switch (verdict->kind) {
    case PAWL_VERDICT_DONE:
        snprintf(prefix, sizeof prefix, "result of %zu bytes is longer than %d",
                 size, PAWL_RESULT_MAX);
        size = 0;
        end_failed(job, random, out);
        break;
    case PAWL_VERDICT_SNOOZE:
        out->outcome.kind = PAWL_OUTCOME_SNOOZED;
        out->outcome.delay = verdict->delay;
        if (verdict->delay < 0)
            out->outcome.delay = own_backoff(job, random);
        if (verdict->delay > PAWL_DURATION_MAX)
            out->outcome.delay = PAWL_DURATION_MAX;
        drop(verdict);
        return;
    case PAWL_VERDICT_DEAD:
        out->outcome.kind = PAWL_OUTCOME_DEAD;
        break;
    case PAWL_VERDICT_FAILED:
        end_failed(job, random, out);
        break;
    default:
        snprintf(prefix, sizeof prefix, "the handler's verdict %d is unknown",
                 (int)verdict->kind);
        size = 0;
        end_failed(job, random, out);
    }
    set_error(out, prefix, verdict->data, size);
    drop(verdict);
}

void verdict_end(const struct pawl_job *job, const struct pawl_verdict *verdict,
                 enum pawl_stop_reason stopped, pawl_duration timeout,
                 uint64_t random, struct ending *out)
{
    bool done = verdict->kind == PAWL_VERDICT_DONE &&
                verdict->size <= PAWL_RESULT_MAX;

    *out = (struct ending){ .outcome = { .id = job->id,
                                         .epoch = job->epoch,
                                         .origin = job->origin } };
    if (done && stopped != PAWL_STOP_TIMEOUT)
        end_done(verdict, out);
    else if (stopped == PAWL_STOP_NONE || stopped == PAWL_STOP_LOST)
        end_as_said(job, verdict, random, out);
    else
        end_stopped(job, verdict, stopped, timeout, random, out);
}

void ending_clear(struct ending *ending)
{
    if (ending->release)
        ending->release(ending->data);
    ending->release = NULL;
}
