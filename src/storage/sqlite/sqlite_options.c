/* sqlite_options.c - see sqlite_options.h.
 *
 * A sequence of (tag, value); a value is a number of seven bits a byte, low bits
 * first, the high bit set in all but the last byte. To add one: give it the next
 * tag, pack it only when it is not the default, and add it to FORMAT.md. A tag
 * is never used for anything else, and a file that has a new one must also have
 * a new user_version, since an older pawl would take the default for it.
 */
#include "sqlite_options.h"

#include <string.h>

enum tag {
    TAG_MAX_ATTEMPTS = 1,
    TAG_TIMEOUT,
    TAG_EXPIRES_AT,
    TAG_KEY_TTL,
    TAG_KEY_MODE,
    TAG_BACKOFF_KIND,
    TAG_BACKOFF_DELAY,
    TAG_BACKOFF_CAP,
    TAG_BACKOFF_JITTER,
    TAG_BACKOFF_LIST, /* how many, then each */
    TAG_GROUP         /* how many bytes, then those */
};

struct writer {
    uint8_t *at;
};

static void write_number(struct writer *w, uint64_t value)
{
    while (value >= 0x80) {
        *w->at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *w->at++ = (uint8_t)value;
}

static void write_option(struct writer *w, enum tag tag, int64_t value,
                         int64_t is_default)
{
    if (value == is_default)
        return;
    *w->at++ = (uint8_t)tag;
    write_number(w, (uint64_t)value);
}

static void write_list(struct writer *w, const struct pawl_backoff *backoff)
{
    if (backoff->delay_count < 1 ||
        backoff->delay_count > PAWL_BACKOFF_LIST_MAX)
        return;
    *w->at++ = TAG_BACKOFF_LIST;
    write_number(w, (uint64_t)backoff->delay_count);
    for (int i = 0; i < backoff->delay_count; i++)
        write_number(w, (uint64_t)backoff->delays[i]);
}

static void write_group(struct writer *w, const char *group)
{
    size_t size = group ? strlen(group) : 0;

    if (size == 0 || size > PAWL_NAME_MAX)
        return;
    *w->at++ = TAG_GROUP;
    write_number(w, size);
    memcpy(w->at, group, size);
    w->at += size;
}

size_t options_pack(const struct pawl_new_job *job, pawl_time expires_at,
                    uint8_t out[OPTIONS_MAX])
{
    const struct pawl_backoff *backoff = &job->backoff;
    struct writer w = { out };

    write_option(&w, TAG_MAX_ATTEMPTS, job->max_attempts, OPTIONS_ATTEMPTS);
    write_option(&w, TAG_TIMEOUT, job->timeout, 0);
    write_option(&w, TAG_EXPIRES_AT, expires_at, 0);
    write_option(&w, TAG_KEY_TTL, job->key_ttl, 0);
    write_option(&w, TAG_KEY_MODE, (int64_t)job->key_mode, PAWL_KEY_REJECT);
    write_option(&w, TAG_BACKOFF_KIND, (int64_t)backoff->kind,
                 PAWL_BACKOFF_EXPONENTIAL);
    write_option(&w, TAG_BACKOFF_DELAY, backoff->delay, 0);
    write_option(&w, TAG_BACKOFF_CAP, backoff->cap, 0);
    write_option(&w, TAG_BACKOFF_JITTER, backoff->jitter, 0);
    write_list(&w, backoff);
    write_group(&w, job->group);
    return (size_t)(w.at - out);
}

struct reader {
    const uint8_t *at, *end;
    bool broken;
};

static int64_t read_number(struct reader *r)
{
    uint64_t value = 0;
    unsigned shift = 0;

    while (r->at < r->end && shift < 63) {
        uint8_t byte = *r->at++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return (int64_t)value;
        shift += 7;
    }
    r->broken = true;
    return 0;
}

static void read_list(struct reader *r, struct pawl_backoff *backoff)
{
    int64_t count = read_number(r);

    if (count > PAWL_BACKOFF_LIST_MAX)
        r->broken = true;
    for (int i = 0; i < count && !r->broken; i++) {
        backoff->delays[i] = read_number(r);
        backoff->delay_count = i + 1;
    }
}

static void read_group(struct reader *r, char group[PAWL_NAME_MAX + 1])
{
    int64_t size = read_number(r);

    if (r->broken || size > PAWL_NAME_MAX || size > r->end - r->at) {
        r->broken = true;
        return;
    }
    memcpy(group, r->at, (size_t)size);
    group[size] = '\0';
    r->at += size;
}

static void read_option(struct reader *r, struct sqlite_options *out)
{
    switch (*r->at++) {
    case TAG_MAX_ATTEMPTS:
        out->max_attempts = (int)read_number(r);
        break;
    case TAG_TIMEOUT:
        out->timeout = read_number(r);
        break;
    case TAG_EXPIRES_AT:
        out->expires_at = read_number(r);
        break;
    case TAG_KEY_TTL:
        out->key_ttl = read_number(r);
        break;
    case TAG_KEY_MODE:
        out->key_mode = (enum pawl_key_mode)read_number(r);
        break;
    case TAG_BACKOFF_KIND:
        out->backoff.kind = (enum pawl_backoff_kind)read_number(r);
        break;
    case TAG_BACKOFF_DELAY:
        out->backoff.delay = read_number(r);
        break;
    case TAG_BACKOFF_CAP:
        out->backoff.cap = read_number(r);
        break;
    case TAG_BACKOFF_JITTER:
        out->backoff.jitter = (int)read_number(r);
        break;
    case TAG_BACKOFF_LIST:
        read_list(r, &out->backoff);
        break;
    case TAG_GROUP:
        read_group(r, out->group);
        break;
    default:
        r->broken = true;
    }
}

void options_unpack(const void *bytes, size_t size, struct sqlite_options *out)
{
    struct reader r = { bytes, bytes, false };

    *out = (struct sqlite_options){ .max_attempts = OPTIONS_ATTEMPTS };
    if (!bytes)
        return;
    r.end += size;
    while (r.at < r.end && !r.broken) {
        struct sqlite_options next = *out;
        read_option(&r, &next);
        if (!r.broken)
            *out = next;
    }
}
