/* redis_call.h - one command or script to the right server, and its one reply.
 *
 * Here is all that can go wrong between us and the server: finding it, cut
 * connections, silence, redirections, servers that are not ready. What the caller
 * sees is a reply that is no error, or a status:
 *
 *   EUNREACHABLE, EFULL, EIO, EDENIED, EFORMAT, ETIMEOUT   certainly not executed
 *   EUNKNOWN    maybe executed: it was sent, and no answer came; or maybe partly:
 *               a script failed in its midst, or the error is none that we know
 *   ECORRUPT    the same of a call that only reads, or looks first: keys are not as
 *               FORMAT.md says. Where it was an ACL, of one that reads: EDENIED
 *
 * With settings.replicas a change is answered when so many replicas have it, so a
 * failover cannot lose what was answered; while they are too few it is EUNKNOWN.
 *
 * A request is sent again, after a pause with jitter, until the call's deadline;
 * one that may have been executed only if `repeatable`.
 */
#ifndef PAWL_STORAGE_REDIS_CALL_H
#define PAWL_STORAGE_REDIS_CALL_H

#include "storage/redis/redis_route.h"
#include "redis_lua.h" /* made at build: struct redis_script, redis_script_put ... */
#include "util/buf.h"

/* A command's words. Numbers and packed bytes are kept in it, words given by
 * pointer must outlive the call. Zeroed: empty. Failure to grow is sticky, and
 * redis_call() answers ENOMEM then. */
struct redis_args {
    const char **argv;
    size_t *sizes;
    int count, room;
    char **blocks; /* of bytes that it keeps */
    int block_count, block_room;
    char *block_end; /* of the newest; its last block_left bytes are free */
    size_t block_left;
    bool failed;
};
void redis_args_add(struct redis_args *args, const void *bytes, size_t size);
void redis_args_text(struct redis_args *args, const char *text);
void redis_args_number(struct redis_args *args, int64_t number);
/* Room for `size` bytes as one more word, to be filled now; NULL: failed. */
void *redis_args_space(struct redis_args *args, size_t size);
void redis_args_clear(struct redis_args *args);

struct redis_client {
    struct redis_settings settings;
    struct redis_route *route;
    struct pawl_clock clock;
    pawl_duration deadline; /* of one call */
    bool opening; /* the store is being opened: a server that cannot be connected
                     fails the call at once; one that is loading is waited for */
};

struct redis_call {
    const struct redis_script *script; /* NULL: `args` is a whole command */
    int key_count;  /* script: how many of the first words in `args` are keys */
    struct redis_args args;
    int slot;        /* where it goes */
    bool repeatable; /* doing it twice is as good as once */
    bool reads;      /* changes nothing, and is repeatable: no answer is
                        EUNREACHABLE or ETIMEOUT, never EUNKNOWN */
    bool looks_first; /* its script looks at all that it will write to before it writes:
                         where it meets damage, nothing was done */
    bool maybe;      /* an earlier try may have been executed, so that no refusal says
                        that nothing was done. Set by redis_call(); a method that goes on
                        with another call hands it on to that one */
    bool passing;    /* a failover may take it back: leases have a grace then, and
                        what was swept is swept again. No replica is waited for */
    int64_t until;   /* ns of clock_mono_ns(), 0: client->deadline from now. A method
                        that makes several calls has one end for all of them */
    int run_id_word; /* > 0: args.argv[run_id_word] is replaced, at each try, by the
                        run_id of the server that it goes to */
};

/* When a method that begins now must be over: for call->until. */
int64_t redis_call_until(const struct redis_client *client);
/* *out is the caller's, to freeReplyObject(). call->args stays the caller's. Of `call`
 * only `maybe` changes. */
enum pawl_status redis_call(struct redis_client *client, struct redis_call *call,
                            redisReply **out, struct pawl_error *err);
/* The same for many calls: those to one server are sent together, so that all take
 * one round trip. replies[count] and statuses[count] are the caller's; the first
 * failure is also returned, with its message in err. */
enum pawl_status redis_call_all(struct redis_client *client,
                                const struct redis_call *calls, int count,
                                redisReply **replies, enum pawl_status *statuses,
                                struct pawl_error *err);

#endif
