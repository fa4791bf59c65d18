/* redis_error.h - error replies, and what to do about each.
 *
 * The one table of them (redis_error.c), by the first word of the reply.
 */
#ifndef PAWL_STORAGE_REDIS_ERROR_H
#define PAWL_STORAGE_REDIS_ERROR_H

#include "storage/redis/redis_conn.h"

enum redis_action {
    REDIS_FINE,     /* no error */
    REDIS_LATER,    /* not executed; the same again after a pause: LOADING, BUSY,
                       MASTERDOWN, NOREPLICAS, too many clients */
    REDIS_SLOT_LATER, /* the same, but only for the slots of this request: TRYAGAIN,
                         CLUSTERDOWN. The server has others that it serves */
    REDIS_RELOAD,   /* NOSCRIPT: send the script's text */
    REDIS_MOVED,    /* the slot lives elsewhere from now on */
    REDIS_ASK,      /* this once, ask elsewhere */
    REDIS_RESOLVE,  /* wrong server: close, look again where the master is:
                       READONLY, UNBLOCKED */
    REDIS_REFUSED,  /* certainly not executed, and trying again will not help:
                       OOM, MISCONF, NOAUTH, WRONGPASS, NOPERM, DENIED, NOPROTO,
                       unknown command, CROSSSLOT */
    REDIS_DAMAGED,  /* a script met what it cannot work with: WRONGTYPE, a Lua error.
                       Maybe partly executed, so that a call that writes is UNKNOWN
                       then, unless its script looks before it writes */
    REDIS_BROKEN    /* maybe partly executed, or nonsense: a right that was found missing
                       in a script's midst, an error that is none of these. Must not
                       happen; a call that writes is UNKNOWN then */
};

/* For whoever lacks a right. Who may not even open the store cannot ask pawl which. */
#define REDIS_RIGHTS_ADVICE                                                       \
    "an administrator gets the rights that pawl needs from: pawl doctor --acl "   \
    "(as a user that may)"

/* What this reply asks for. *status is what the call answers if nothing else can
 * be done: EUNREACHABLE, EFULL (OOM), EIO (MISCONF), EDENIED, EFORMAT, ECORRUPT. */
enum redis_action redis_error_action(const redisReply *reply,
                                     enum pawl_status *status);
/* Fill `err` from the reply: "redis at HOST:PORT: what it means and what to do
 * (the reply's own words)". Returns `status`. */
enum pawl_status redis_error_say(const redisReply *reply, enum pawl_status status,
                                 const struct redis_address *address,
                                 struct pawl_error *err);
/* MOVED and ASK: slot and address; an empty host is `same`'s. */
bool redis_error_redirect(const redisReply *reply,
                          const struct redis_address *same, int *slot,
                          struct redis_address *out);

#endif
