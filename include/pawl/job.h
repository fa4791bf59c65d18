/* pawl/job.h - the words: time, ids, states, a new job, a whole job.
 *
 * Everything here is a value. Instants are pawl_time and end in _at or _until;
 * lengths of time are pawl_duration. Both count milliseconds, everywhere.
 */
#ifndef PAWL_JOB_H
#define PAWL_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pawl/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef int64_t pawl_time;     /* ms since 1970-01-01T00:00:00Z; 0: unset */
typedef int64_t pawl_duration; /* ms */

/* Limits. Longer input is refused with PAWL_EINVAL, never cut. */
#define PAWL_NAME_MAX 128         /* bytes of a queue, type or group name */
#define PAWL_KEY_MAX 512          /* bytes of a unique key */
#define PAWL_PAYLOAD_MAX 1048576  /* bytes; the default, see pawl_options */
#define PAWL_RESULT_MAX 65536     /* bytes */
#define PAWL_ERROR_MAX 4096       /* bytes of one attempt's error; longer is
                                     cut at the front, the end says more */
#define PAWL_ERRORS_KEPT 10       /* the last ones of each job */
#define PAWL_ATTEMPTS_MAX 1000    /* highest max_attempts */
#define PAWL_DURATION_MAX (INT64_C(10) * 366 * 86400 * 1000) /* ten years */
#define PAWL_BACKOFF_LIST_MAX 16  /* delays in a list */

/* 128 bits, made by the client before the first send and never changed: a
 * UUIDv7, of whose random bits 16 are a hash of the queue's name. */
struct pawl_id {
    uint8_t b[16];
};
/* One worker process incarnation: 128 random bits, never a host name. */
struct pawl_owner {
    uint8_t b[16];
};

#define PAWL_ID_TEXT 27 /* 26 characters of Crockford base32 and a NUL */

/* Write the id as text. */
PAWL_API void pawl_id_format(struct pawl_id id, char text[PAWL_ID_TEXT]);
/* Read it back; letters of either case, and I, L, O as 1, 1, 0. False and *out
 * untouched when `text` is not exactly one id. */
PAWL_API bool pawl_id_parse(const char *text, struct pawl_id *out);
PAWL_API bool pawl_id_is_zero(struct pawl_id id);
/* Make an id for a job of `queue` at instant `now`. Ids made by one process
 * rise strictly. Any thread; never blocks. */
PAWL_API struct pawl_id pawl_id_new(const char *queue, pawl_time now);
/* The 16 bits of the queue's name that the id carries, and those of a name. */
PAWL_API uint16_t pawl_id_queue_hash(struct pawl_id id);
PAWL_API uint16_t pawl_queue_hash(const char *queue);

/* The states and what may follow what: docs/job-lifecycle.md, and the table in
 * src/core/job_state.c. The numbers are stored; never change one. */
enum pawl_state {
    PAWL_WAITING = 1,    /* for its parents (flows; none until they exist) */
    PAWL_SCHEDULED = 2,  /* for its time */
    PAWL_PENDING = 3,    /* ready to be claimed */
    PAWL_PROCESSING = 4, /* leased to a worker */
    PAWL_FAILED = 5,     /* an attempt failed; waits for its next */
    PAWL_COMPLETED = 6,  /* done; kept as retention says */
    PAWL_DEAD = 7,       /* attempts exhausted or failed for good */
    PAWL_CANCELLED = 8,  /* stopped by an operator or by expiry */
    PAWL_HELD = 9        /* being handed to another storage */
};
#define PAWL_STATE_FIRST 1
#define PAWL_STATE_LAST 9
#define PAWL_STATE_COUNT 10 /* for arrays indexed by state; [0] is unused */
#define PAWL_STATE_BIT(state) (1u << (unsigned)(state))

/* "pending" for PAWL_PENDING; NULL for a number that is no state. */
PAWL_API const char *pawl_state_name(enum pawl_state state);
/* 0 when `name` is no state. */
PAWL_API enum pawl_state pawl_state_parse(const char *name);

enum pawl_backoff_kind {
    PAWL_BACKOFF_EXPONENTIAL = 0, /* delay * 2^(n-1) after the n-th failure */
    PAWL_BACKOFF_FIXED = 1,       /* delay */
    PAWL_BACKOFF_LINEAR = 2,      /* delay * n */
    PAWL_BACKOFF_POLY4 = 3,       /* n^4 seconds + 15 s, as Sidekiq's */
    PAWL_BACKOFF_LIST = 4         /* delays[n-1]; the last one repeats */
};

/* How long to wait after a failed attempt. All zero: exponential from 2 s. */
struct pawl_backoff {
    enum pawl_backoff_kind kind;
    pawl_duration delay; /* 0: 2000 */
    pawl_duration cap;   /* no wait is longer; 0: 86400000 (a day) */
    int jitter;          /* 0..100: percent of the wait that is random */
    int delay_count;     /* LIST: 1..PAWL_BACKOFF_LIST_MAX */
    pawl_duration delays[PAWL_BACKOFF_LIST_MAX];
};

/* What happens when the unique key of a new job is already held. */
enum pawl_key_mode {
    PAWL_KEY_REJECT = 0,   /* not stored: KEY_TAKEN and the holder's id. Held
                              while the job is waiting..failed, and no longer
                              than key_ttl if that is set */
    PAWL_KEY_THROTTLE = 1, /* as REJECT, but held for exactly key_ttl, whatever
                              becomes of the job */
    PAWL_KEY_DEBOUNCE = 2, /* reserved in the format: refused for now */
    PAWL_KEY_LATEST = 3    /* reserved in the format: refused for now */
};

/* A job to be enqueued. Zero-initialise it (= PAWL_NEW_JOB_INIT) and set what
 * you need; zero means the default. Nothing is kept after the call returns. */
struct pawl_new_job {
    const char *queue;   /* NULL: "default". 1..PAWL_NAME_MAX bytes of UTF-8
                            without control characters */
    const char *type;    /* names the handler; NULL: none. Same rules, or "" */
    const void *payload; /* bytes; may be NULL when payload_size is 0 */
    size_t payload_size;
    int priority;         /* 1 (first) .. 10 (last); 0: 5 */
    pawl_duration delay;  /* run no earlier than this from now */
    pawl_time run_at;     /* or: no earlier than this instant; not both */
    pawl_duration ttl;    /* no attempt starts later than this from now: the job is
                             cancelled instead, also a retried one; 0: never */
    int max_attempts;     /* 1..PAWL_ATTEMPTS_MAX; 0: 3 */
    struct pawl_backoff backoff;
    pawl_duration timeout; /* of one attempt; 0: none */
    const char *key;       /* unique key; NULL: none. 1..PAWL_KEY_MAX bytes of
                              UTF-8 without control characters */
    enum pawl_key_mode key_mode;
    pawl_duration key_ttl; /* THROTTLE needs one */
    const char *group;     /* fairness and limits per tenant; NULL: none */
    struct pawl_id id;     /* zero: pawl_enqueue makes one. Set it to repeat a
                              call whose answer was PAWL_EUNKNOWN */
};
#define PAWL_NEW_JOB_INIT { 0 }

/* What became of one new job. */
struct pawl_put_result {
    enum pawl_status status; /* OK, DUPLICATE, KEY_TAKEN, REPLACED, SPOOLED, or
                                a failure */
    struct pawl_id id; /* the new job's; on KEY_TAKEN the holder's */
};

struct pawl_job_error {
    pawl_time at;
    int attempt;
    const char *message; /* up to PAWL_ERROR_MAX bytes of UTF-8 */
};

/* One job, whole. Its memory is one block: every pointer leads into it and is
 * valid until pawl_job_free(). Text is NUL-terminated and "" when unset,
 * never NULL. */
struct pawl_job {
    struct pawl_id id;
    const char *queue, *type, *key, *group;
    enum pawl_state state;
    enum pawl_key_mode key_mode;
    int priority;
    int attempt; /* number of the current or last try; 0 before the first.
                    Given back on snooze, release and crash */
    int max_attempts;
    int crashes;    /* attempts lost with their worker */
    uint32_t epoch; /* +1 at every claim, never reset: the fencing token */
    bool cancel_requested;
    struct pawl_backoff backoff;
    pawl_duration timeout, key_ttl;
    pawl_time enqueued_at, run_at, started_at, finished_at, expires_at;
    const void *payload;
    size_t payload_size;
    const void *result; /* of a completed job */
    size_t result_size;
    const struct pawl_job_error *errors; /* oldest first */
    size_t error_count;
    struct pawl_owner owner; /* while processing; zero otherwise */
    uint64_t origin; /* the storage's own; hand it back with outcomes */
};

/* A copy of *src in one block of its own; NULL when memory is out. */
PAWL_API struct pawl_job *pawl_job_copy(const struct pawl_job *src);
/* NULL is fine. */
PAWL_API void pawl_job_free(struct pawl_job *job);

#ifdef __cplusplus
}
#endif
#endif
