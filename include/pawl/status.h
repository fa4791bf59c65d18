/* pawl/status.h - what a call can answer.
 *
 * A status is an ordinary outcome (0 and above) or a failure (below 0).
 * Every failure has a class that says what the caller may assume:
 *
 *   REJECTED  certainly not applied; the stored jobs are as they were
 *   UNKNOWN   may or may not have been applied. EUNKNOWN: make the same call
 *             again with the same ids, which never applies it twice. ETOOOLD:
 *             that was done too late; look whether the job is there
 *
 * The one list below makes the enum, the names and the texts, so that they
 * cannot disagree.
 */
#ifndef PAWL_STATUS_H
#define PAWL_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PAWL_API __attribute__((visibility("default")))
#define PAWL_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define PAWL_API
#define PAWL_PRINTF(f, a)
#endif

/* X(name, value, class, text) */
#define PAWL_STATUS_LIST(X)                                                    \
    X(OK, 0, OUTCOME, "done")                                                  \
    X(DUPLICATE, 1, OUTCOME, "a job with this id is already there")            \
    X(KEY_TAKEN, 2, OUTCOME, "the unique key is held by another job")          \
    X(REPLACED, 3, OUTCOME, "took the place of a job not yet started")         \
    X(SPOOLED, 4, OUTCOME, "kept locally until the primary is back")           \
    X(EMPTY, 5, OUTCOME, "nothing to claim")                                   \
    X(STALE, 6, OUTCOME, "the lease was lost; nothing was changed")            \
    X(NOT_FOUND, 7, OUTCOME, "no such job")                                    \
    X(WRONG_STATE, 8, OUTCOME, "the job's state does not allow this")          \
    X(CANCEL_ASKED, 9, OUTCOME, "an operator asked to cancel the job")               \
    X(EINVAL, -1, REJECTED, "invalid argument")                                \
    X(ENOMEM, -2, REJECTED, "out of memory")                                   \
    X(ETIMEOUT, -3, REJECTED, "deadline passed")                               \
    X(EFULL, -4, REJECTED, "no space or over a limit")                         \
    X(EUNREACHABLE, -5, REJECTED, "storage cannot be reached")                 \
    X(EFORMAT, -6, REJECTED, "not a format this version can use")              \
    X(ECORRUPT, -7, REJECTED, "storage is damaged")                            \
    X(EDENIED, -8, REJECTED, "permission denied")                              \
    X(ETOOOLD, -9, UNKNOWN, "sent again too late to be told apart")            \
    X(EFORKED, -10, REJECTED, "handle was opened by the parent process")       \
    X(ECLOSED, -11, REJECTED, "handle is closed or closing")                   \
    X(EIO, -12, REJECTED, "input/output error")                                \
    X(EINTERNAL, -13, REJECTED, "internal error, please report")               \
    X(EUNKNOWN, -14, UNKNOWN, "may or may not have been applied; send again")

enum pawl_status {
#define X(name, value, class_, text) PAWL_##name = (value),
    PAWL_STATUS_LIST(X)
#undef X
};

enum pawl_status_class {
    PAWL_CLASS_OUTCOME,
    PAWL_CLASS_REJECTED,
    PAWL_CLASS_UNKNOWN
};

/* Why a call failed. Owned by the caller; zero-initialise it, and reuse it as
 * often as you like. NULL is accepted everywhere. Written only on failure
 * (status < 0) and on NOT_FOUND, KEY_TAKEN and WRONG_STATE where there is more
 * to say. Nothing in it needs freeing. */
struct pawl_error {
    enum pawl_status status;
    int native;        /* errno or extended SQLite code; 0 if neither */
    char message[248]; /* one line, lower case, no full stop, never NULL */
};

/* "KEY_TAKEN" for PAWL_KEY_TAKEN. Static; "?" for a number that is no status. */
PAWL_API const char *pawl_status_name(enum pawl_status status);
/* One line for a person. Static. */
PAWL_API const char *pawl_status_text(enum pawl_status status);
PAWL_API enum pawl_status_class pawl_status_class(enum pawl_status status);

/* Fill *err (if not NULL) and return `status`, so that it fits in a return
 * statement. For storages and tools; programs only read errors. */
PAWL_API enum pawl_status pawl_error_set(struct pawl_error *err,
                                         enum pawl_status status,
                                         const char *format, ...)
    PAWL_PRINTF(3, 4);
/* Put "text: " in front of the message already there; the end is cut off if it
 * no longer fits. */
PAWL_API void pawl_error_prefix(struct pawl_error *err, const char *format, ...)
    PAWL_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif
#endif
