/* redis_wait.c - sleeping until something may be claimable, and waking at once.
 *
 * Before it sleeps the waiter looks at its queues (lua/doze.lua). A look that finds
 * something new to claim ends the wait. One that does not leaves a mark, `hungry`,
 * and brings back the last entry of the stream `wake`; whatever makes something
 * claimable after it finds the mark and adds an entry. So XREAD BLOCK from that
 * entry on sleeps without missing anything, and producers pay nothing while nobody
 * sleeps. XREAD's answer ends the wait: not a round trip more.
 *
 * Jobs that were there at the look before and still are end no wait: a queue that
 * nobody has hands for must not keep its neighbour's waiter from sleeping. The core
 * relies on no more than that.
 *
 * A wait that ends for another reason leaves its XREAD outstanding, and the next
 * wait goes on with it: its entries and marks are as right as they were.
 *
 * Which connection sleeps where, and how its answer is read: redis_xread.c.
 */
#include "storage/redis/redis_waiter.h"

#include <errno.h>
#include <unistd.h>

#include "util/clock.h"

#define NS_PER_MS     INT64_C(1000000)
#define FAKE_CLOCK_MS 50   /* look at a clock that a test sets */
#define STEP_MS       60000
/* A Cluster blocks on one slot per connection, so each queue needs its own. The
 * queues beyond these are looked at once a second. */
#define CONNECTIONS_MOST 16
#define BEYOND_MS        1000

/* --- falling asleep ----------------------------------------------------------------- */

/* One that is awake, and was looked at. */
static void settle_group(struct redis_waiter *waiter, struct redis_group *group)
{
    if (group->missed) {
        group->missed = false;
        group->failures += group->failures == 0; /* it was tried again already */
        redis_group_failed(waiter, group);
    } else if (group - waiter->groups < CONNECTIONS_MOST) {
        redis_group_sleep(waiter, group);
    } else {
        redis_group_close(group);
        group->failures = 0;
        group->not_before = clock_mono_ns() + BEYOND_MS * NS_PER_MS;
    }
}

/* Bring all groups to sleep that are awake. True: the wait is over, since there is
 * something to claim. */
static bool lie_down(struct redis_instance *self)
{
    struct redis_waiter *waiter = self->waiter;
    int64_t now = clock_mono_ns();
    bool found = redis_waiter_look(self, now);
    for (size_t i = 0; i < waiter->group_count; i++) {
        struct redis_group *group = &waiter->groups[i];
        if (redis_group_awake(group, now) && (!found || group->missed))
            settle_group(waiter, group);
    }
    return found;
}

/* --- waking ------------------------------------------------------------------------- */

static bool drain_kick(struct redis_waiter *waiter)
{
    uint64_t kicks;
    return read(waiter->kick_fd, &kicks, sizeof kicks) > 0;
}

/* How long poll() may sleep, at most `left` ms: until the first group wants attention. */
static int time_to_sleep(const struct redis_waiter *waiter, int64_t left)
{
    int64_t now = clock_mono_ns();
    for (size_t i = 0; i < waiter->group_count; i++) {
        const struct redis_group *group = &waiter->groups[i];
        int64_t at = group->blocked ? group->answer_by : group->not_before;
        int64_t ms = at <= now ? 0 : (at - now + NS_PER_MS - 1) / NS_PER_MS;
        if (ms < left)
            left = ms;
    }
    return (int)left;
}

/* Sleep. True: the wait is over. Only the first groups ever have a connection to wait
 * for, and poll() refuses more entries than a process may have files. */
static bool sleep_on(struct redis_waiter *waiter, int64_t left)
{
    struct pollfd *polls = waiter->polls;
    size_t count = waiter->group_count < CONNECTIONS_MOST ? waiter->group_count
                                                          : CONNECTIONS_MOST;
    bool over = false;
    polls[0] = (struct pollfd){ .fd = waiter->kick_fd, .events = POLLIN };
    for (size_t i = 0; i < count; i++) {
        const struct redis_group *group = &waiter->groups[i];
        polls[i + 1] = (struct pollfd){
            .fd = group->blocked ? redis_conn_fd(group->conn) : -1,
            .events = POLLIN
        };
    }
    if (poll(polls, count + 1, time_to_sleep(waiter, left)) < 0)
        return false; /* a signal: all is looked at again */
    for (size_t i = 0; i < count; i++) {
        struct redis_group *group = &waiter->groups[i];
        if (polls[i + 1].revents != 0)
            over = redis_group_hear(waiter, group) || over;
        else if (group->blocked && clock_mono_ns() >= group->answer_by)
            redis_group_give_up(waiter, group);
    }
    return over || (polls[0].revents != 0 && drain_kick(waiter));
}

/* --- wait and kick -------------------------------------------------------------------- */

/* Nobody sleeps, and nobody is about to: the worker had better know. While one of
 * several servers is away the others are slept on, and it is tried now and then. */
static bool all_failed(const struct redis_waiter *waiter)
{
    int64_t now = clock_mono_ns();
    for (size_t i = 0; i < waiter->group_count; i++) {
        const struct redis_group *group = &waiter->groups[i];
        if (group->blocked || group->failures == 0 || redis_group_awake(group, now))
            return false;
    }
    return waiter->group_count > 0;
}

/* ms until `until`, or until that is to be asked again. */
static int64_t time_left(const struct redis_waiter *waiter, pawl_time until)
{
    const struct pawl_clock *clock = &waiter->client.clock;
    int64_t most = waiter->client.settings.caller_clock ? FAKE_CLOCK_MS : STEP_MS;
    int64_t left = until - clock->steady(clock->context);
    return left < most ? left : most;
}

enum pawl_status redis_wait(struct pawl_storage *storage, const struct pawl_wait *in,
                            struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    struct redis_waiter *waiter = self->waiter;
    enum pawl_status status = redis_waiter_learn(self, in, err);
    if (status != PAWL_OK || drain_kick(waiter))
        return status;
    for (;;) {
        int64_t left = time_left(waiter, in->until);
        if (left <= 0 || lie_down(self))
            return PAWL_OK;
        if (all_failed(waiter)) {
            if (err != NULL)
                *err = waiter->error;
            return waiter->error.status;
        }
        if (sleep_on(waiter, left))
            return PAWL_OK;
    }
}

void redis_kick(struct pawl_storage *storage)
{
    const struct redis_waiter *waiter = ((struct redis_instance *)storage)->waiter;
    uint64_t one = 1;
    while (write(waiter->kick_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}
