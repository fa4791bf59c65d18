/* redis_waiter.h - the one who sleeps: its queues, and what it knows of them. A wait is
 * redis_wait.c: it looks (redis_waiter.c), and sleeps on connections (redis_xread.c).
 */
#ifndef PAWL_STORAGE_REDIS_WAITER_H
#define PAWL_STORAGE_REDIS_WAITER_H

#include <poll.h>

#include "storage/redis/redis_storage.h"

/* One queue. */
struct redis_sleeper {
    struct redis_queue *queue;
    struct redis_group *group;
    bool marked;   /* whatever happens after `last` will leave an entry */
    char seen[24]; /* what the latest look saw; "": there was none */
    char last[48]; /* id of the last entry then */
};

/* The queues that share a connection. */
struct redis_group {
    struct redis_sleeper *sleepers;
    size_t count;
    struct redis_conn *conn;
    struct redis_pool *pool; /* whose server it is connected to */
    bool blocked;            /* XREAD is outstanding */
    bool missed;             /* its latest look failed */
    int64_t answer_by;       /* when XREAD must have answered, ns */
    int64_t not_before;      /* of the next look, ns */
    int failures;            /* in a row */
    size_t again;            /* whose turn it is to be looked at anew */
};

struct redis_waiter {
    int kick_fd;
    struct redis_client client; /* as the instance's, but with a short deadline */
    struct pawl_error error;    /* the latest failure */

    struct redis_queue **asked; /* the queues of the wait before, as they came */
    size_t asked_count;
    struct redis_sleeper *sleepers; /* each of them once */
    size_t sleeper_count;
    struct redis_group *groups;
    size_t group_count;
    struct pollfd *polls; /* the kick, then the groups */

    struct redis_call *calls; /* of one look around; up to look_count in use */
    redisReply **replies;
    enum pawl_status *statuses;
    struct redis_sleeper **looked;
    int look_count;
};

/* Is it this group's turn to look, or to fall asleep? */
static inline bool redis_group_awake(const struct redis_group *group, int64_t now)
{
    return !group->blocked && group->not_before <= now;
}

/* --- redis_waiter.c -------------------------------------------------------------- */

/* The queues of this wait, if they are others than before: then what was known and
 * connected is dropped. ENOMEM. */
enum pawl_status redis_waiter_learn(struct redis_instance *self,
                                    const struct pawl_wait *in,
                                    struct pawl_error *err);
/* Look at all queues that need it, in one round trip, and leave the marks. Groups that
 * could not be looked at are `missed`, with the reason in waiter->error. True: there
 * is something to claim. */
bool redis_waiter_look(struct redis_instance *self, int64_t now);

/* --- redis_xread.c ---------------------------------------------------------------- */

/* Block on all queues of the group, if there is a mark on each. A failure is noted in
 * the group and in waiter->error. */
void redis_group_sleep(struct redis_waiter *waiter, struct redis_group *group);
/* There is something to read. True: there is news. */
bool redis_group_hear(struct redis_waiter *waiter, struct redis_group *group);
/* It did not answer in time. */
void redis_group_give_up(struct redis_waiter *waiter, struct redis_group *group);
/* The connection is of no more use, nor is what was known through it. */
void redis_group_close(struct redis_group *group);
/* ... and it is tried again: at once after the first failure, since mostly only a
 * connection was cut; else after a pause. */
void redis_group_failed(struct redis_waiter *waiter, struct redis_group *group);

#endif
