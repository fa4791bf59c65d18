/* exec_text.c - see exec_text.h. */
#include "exec_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

/* --- the environment ----------------------------------------------------------- */

static const char *const exec_names[EXEC_VARIABLES] = {
    "PAWL_ID=",      "PAWL_QUEUE=",        "PAWL_TYPE=",
    "PAWL_ATTEMPT=", "PAWL_MAX_ATTEMPTS=", "PAWL_EPOCH=",
};

static bool exec_is_ours(const char *variable)
{
    for (size_t i = 0; i < EXEC_VARIABLES; i++)
        if (strncmp(variable, exec_names[i], strlen(exec_names[i])) == 0)
            return true;
    return false;
}

bool exec_environment_build(struct exec_environment *env,
                            const struct pawl_job *job)
{
    char id[PAWL_ID_TEXT];
    size_t count = 0, used = 0;
    while (environ && environ[count])
        count++;
    env->list = malloc((count + EXEC_VARIABLES + 1) * sizeof *env->list);
    if (!env->list)
        return false;
    pawl_id_format(job->id, id);
    snprintf(env->text[0], EXEC_VARIABLE_MAX, "%s%s", exec_names[0], id);
    snprintf(env->text[1], EXEC_VARIABLE_MAX, "%s%s", exec_names[1], job->queue);
    snprintf(env->text[2], EXEC_VARIABLE_MAX, "%s%s", exec_names[2], job->type);
    snprintf(env->text[3], EXEC_VARIABLE_MAX, "%s%d", exec_names[3],
             job->attempt);
    snprintf(env->text[4], EXEC_VARIABLE_MAX, "%s%d", exec_names[4],
             job->max_attempts);
    snprintf(env->text[5], EXEC_VARIABLE_MAX, "%s%" PRIu32, exec_names[5],
             job->epoch);
    for (size_t i = 0; i < count; i++)
        if (!exec_is_ours(environ[i]))
            env->list[used++] = environ[i];
    for (size_t i = 0; i < EXEC_VARIABLES; i++)
        env->list[used++] = env->text[i];
    env->list[used] = NULL;
    return true;
}

void exec_environment_clear(struct exec_environment *env)
{
    free(env->list);
    env->list = NULL;
}

/* --- the end of standard error --------------------------------------------------- */

void exec_tail_add(struct exec_tail *tail, const char *bytes, size_t n)
{
    if (n >= sizeof tail->bytes) {
        bytes += n - PAWL_ERROR_MAX;
        n = PAWL_ERROR_MAX;
        tail->len = 0;
    }
    if (n > sizeof tail->bytes - tail->len) {
        size_t keep = sizeof tail->bytes - n;
        keep = keep < PAWL_ERROR_MAX ? keep : PAWL_ERROR_MAX;
        keep = keep < tail->len ? keep : tail->len;
        memmove(tail->bytes, tail->bytes + tail->len - keep, keep);
        tail->len = keep;
    }
    memcpy(tail->bytes + tail->len, bytes, n);
    tail->len += n;
}

/* --- verdicts ----------------------------------------------------------------------- */

struct pawl_verdict exec_text_done(struct buf *output)
{
    struct pawl_verdict verdict = {.kind = PAWL_VERDICT_DONE,
                                   .data = output->data,
                                   .size = output->len,
                                   .release = free};
    buf_init(output, output->max);
    return verdict;
}

/* How the command ended; "" where its own words are enough. */
static void exec_text_end(char *out, size_t size, enum pawl_verdict_kind kind,
                          bool has_words, const struct exec_report *report)
{
    if (report->stop != PAWL_STOP_NONE)
        *out = '\0';
    else if (report->end == EXEC_KILLED)
        snprintf(out, size, "killed by signal %d (%s)", report->code,
                 strsignal(report->code));
    else if (kind == PAWL_VERDICT_DEAD && has_words)
        *out = '\0';
    else
        snprintf(out, size, "exit status %d", report->code);
}

/* Its last `max` bytes, without white space around, not beginning inside a
 * character. */
static size_t exec_text_trim(const char **text, size_t n, size_t max)
{
    const char *p = *text;
    while (n > 0 && strchr(" \t\r\n", p[n - 1]))
        n--;
    if (n > max) {
        p += n - max;
        n = max;
        for (; n > 0 && ((unsigned char)*p & 0xc0) == 0x80; n--)
            p++;
    }
    for (; n > 0 && strchr(" \t\r\n", *p); n--)
        p++;
    *text = p;
    return n;
}

struct pawl_verdict exec_text_verdict(enum pawl_verdict_kind kind,
                                      const struct exec_tail *tail,
                                      const struct exec_report *report)
{
    char end[128];
    const char *words = tail->bytes;
    struct buf text;
    size_t n = exec_text_trim(&words, tail->len, PAWL_ERROR_MAX - sizeof end);
    exec_text_end(end, sizeof end, kind, n > 0, report);
    buf_init(&text, PAWL_ERROR_MAX);
    buf_add(&text, words, n);
    if (*end)
        buf_printf(&text, n > 0 ? " (%s)" : "%s", end);
    if (text.failed) {
        buf_clear(&text);
        return (struct pawl_verdict){.kind = kind};
    }
    text_make_utf8(text.data, text.len);
    return (struct pawl_verdict){.kind = kind,
                                 .data = text.data,
                                 .size = text.len,
                                 .release = free};
}
