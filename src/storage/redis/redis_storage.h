/* redis_storage.h - the Redis storage: one instance, and the methods of
 * pawl/storage.h, each in the file that has its name. FORMAT.md says how jobs lie
 * in the server; lua/ has the steps.
 *
 * Locking: `queues` has a mutex, and so has each pool; nothing else changes after
 * open, but for the waiter, which is one thread's.
 */
#ifndef PAWL_STORAGE_REDIS_STORAGE_H
#define PAWL_STORAGE_REDIS_STORAGE_H

#include "storage/redis/redis_queue.h"
#include "storage/redis/redis_record.h"

struct redis_waiter;

struct redis_instance {
    struct pawl_storage base;
    struct redis_client client;
    struct redis_queues queues;
    struct redis_waiter *waiter; /* redis_wait.c */
    uint8_t store_uuid[16];
};

/* One for each scheme: redis, rediss, redis+unix, redis-sentinel, redis-cluster. */
#define REDIS_SCHEME_COUNT 5
extern const struct pawl_storage_ops redis_storage_ops[REDIS_SCHEME_COUNT];

/* The queue's entry; sets ENOMEM and answers NULL when memory is out. */
struct redis_queue *redis_enter(struct redis_instance *self, const char *queue,
                                struct pawl_error *err);
/* Begin a script: all keys of the queue (REDIS_KEY_COUNT), then the two words of
 * the clock, then "0" if it may make a queue (see redis_call_making). Words of its
 * own follow. To be ended by redis_args_clear(). */
void redis_begin(struct redis_instance *self, const struct redis_queue *queue,
                 const struct redis_script *script, bool making,
                 struct redis_call *call);
/* The two words of the clock alone: what the caller's clock says, or twice "". */
void redis_add_clock(struct redis_instance *self, struct redis_args *args);
/* The first of them. */
void redis_add_now(struct redis_instance *self, struct redis_args *args);
/* A digest for each of `count` jobs as one word; "" when there are none. */
void redis_add_digests(struct redis_args *args, const struct pawl_digest *digests,
                       size_t count);
/* The retention as one word: six numbers, see FORMAT.md, "keep". */
void redis_add_retention(struct redis_args *args,
                         const struct pawl_retention *retention);

/* redis_call() for the scripts that may make a queue: put, bring_in, alter. The word
 * behind the clock is theirs to say so: redis_begin() leaves it "0", and where the
 * script answers +NEW (the queue is not there, and nothing was done) the queue is
 * registered and the script called again with the server's run_id, which it keeps:
 * from another one the first sweep sees that the server was away. */
enum pawl_status redis_call_making(struct redis_instance *self,
                                   const struct redis_queue *queue,
                                   struct redis_call *call, redisReply **out,
                                   struct pawl_error *err);

/* The script has answered, so that it is done, but the answer cannot be read, as `err`
 * says: EUNKNOWN, by a server that is not away. */
enum pawl_status redis_unread(struct pawl_error *err);

enum pawl_status redis_put(struct pawl_storage *, const struct pawl_put *,
                           struct pawl_put_result *, struct pawl_error *);
enum pawl_status redis_exchange(struct pawl_storage *, const struct pawl_exchange *,
                                struct pawl_exchange_reply *, struct pawl_error *);
enum pawl_status redis_renew(struct pawl_storage *, const struct pawl_renew *,
                             enum pawl_status *, struct pawl_error *);
enum pawl_status redis_sweep(struct pawl_storage *, const struct pawl_sweep *,
                             struct pawl_sweep_reply *, struct pawl_error *);
enum pawl_status redis_wait(struct pawl_storage *, const struct pawl_wait *,
                            struct pawl_error *);
void redis_kick(struct pawl_storage *);
enum pawl_status redis_get(struct pawl_storage *, const char *, struct pawl_id,
                           struct pawl_job **, struct pawl_error *);
enum pawl_status redis_list(struct pawl_storage *, const struct pawl_list *,
                            struct pawl_list_reply *, struct pawl_error *);
enum pawl_status redis_alter(struct pawl_storage *, const struct pawl_alter *,
                             struct pawl_alter_reply *, struct pawl_error *);
enum pawl_status redis_take_out(struct pawl_storage *, const struct pawl_take_out *,
                                struct pawl_take_out_reply *, struct pawl_error *);
enum pawl_status redis_bring_in(struct pawl_storage *, const struct pawl_bring_in *,
                                struct pawl_put_result *, struct pawl_error *);
enum pawl_status redis_tally(struct pawl_storage *, const char *,
                             struct pawl_session, bool, struct pawl_tally *,
                             struct pawl_error *);
enum pawl_status redis_stats(struct pawl_storage *, const char *,
                             struct pawl_stats **, struct pawl_error *);
enum pawl_status redis_health(struct pawl_storage *, struct pawl_health *,
                              struct pawl_error *);

/* redis_wait.c */
bool redis_waiter_open(struct redis_instance *self);
void redis_waiter_close(struct redis_instance *self);
/* redis_exchange.c: the leases of all owners that claimed through it are over. */
void redis_leave(struct redis_instance *self);

#endif
