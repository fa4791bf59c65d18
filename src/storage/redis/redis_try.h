/* redis_try.h - one call's tries: what redis_call() and redis_call_all() share.
 *
 * The state from try to try is what must not be forgotten: once one try may have
 * been executed, no refusal of a later one says that the call was not.
 */
#ifndef PAWL_STORAGE_REDIS_TRY_H
#define PAWL_STORAGE_REDIS_TRY_H

#include "storage/redis/redis_call.h"

#define REDIS_PAUSE_FIRST 50 /* ms, before the first repeat that has to wait */

/* A call as the words that are sent: EVALSHA, the SHA, the number of keys, and the
 * call's own; or those alone. */
struct redis_words {
    const char **argv;
    size_t *sizes;
    int count;
    char key_count[24]; /* digits */
};

struct redis_tries {
    struct redis_client *client;
    const struct redis_call *call;
    struct redis_words words;
    int64_t started, deadline; /* ns of clock_mono_ns() */
    int retries;               /* how many more; < 0: any number */
    int redirects;             /* since the last pause */
    pawl_duration pause;       /* before the next repeat; 0: none was made yet */
    struct redis_pool *sent_to; /* MOVED, ASK: where the next try goes; else NULL */
    bool asking;                /* ... ASK */
    bool of_slot;               /* `failed` says nothing of the server's other slots */
    bool maybe;                 /* a try may have been executed, of this call or of one
                                   that it goes on from */
    bool partly;                /* one failed when it may have begun */
    struct pawl_error failed;   /* the latest failure */
};

enum redis_verdict {
    REDIS_ANSWERED, /* there is a reply that is no error */
    REDIS_FINAL,    /* `failed` is what to say */
    REDIS_AGAIN,    /* after a pause */
    REDIS_AT_ONCE,  /* without one: the connection may have been all that was wrong */
    REDIS_ELSEWHERE /* at once, and it is no repeat: the server said where */
};

/* `deadline` is that of a call that says none. ENOMEM: the words found no room.
 * ETIMEOUT: the call's time is over already. Or EUNKNOWN, if it goes on from one that may
 * have been executed. redis_tries_clear() in any case. */
enum pawl_status redis_tries_init(struct redis_tries *tries, struct redis_client *client,
                                  const struct redis_call *call, int64_t deadline,
                                  struct pawl_error *err);
void redis_tries_clear(struct redis_tries *tries);
/* The words as this server is to get them. */
void redis_tries_address(struct redis_tries *tries, const struct redis_conn *conn);
/* Go on until there is an answer or nothing more can be done. */
enum pawl_status redis_tries_run(struct redis_tries *tries, redisReply **out,
                                 struct pawl_error *err);

/* --- redis_verdict.c --------------------------------------------------------------- */

/* What an error reply asks for, if it is one. *broken: the connection is of no more
 * use. */
enum redis_verdict redis_tries_judge(struct redis_tries *tries, const redisReply *reply,
                                     const struct redis_address *address, bool *broken);
/* The connection failed; `sent`: a byte of this call may have left. */
enum redis_verdict redis_tries_lost(struct redis_tries *tries, bool sent);
/* There was no connection: nothing was sent. */
enum redis_verdict redis_tries_unconnected(struct redis_tries *tries);
/* The call was done here, and `count` replicas are all that took it in `ms`. */
enum redis_verdict redis_tries_alone(struct redis_tries *tries,
                                     const struct redis_address *address, int count,
                                     pawl_duration ms);
/* Is it the server that fails, so that all should ask it less often? */
bool redis_tries_is_failing(const struct redis_tries *tries,
                            enum redis_verdict verdict, bool broken);
/* `failed` as the call's answer: REDIS_FINAL. */
enum pawl_status redis_tries_end(struct redis_tries *tries, struct pawl_error *err);

#endif
