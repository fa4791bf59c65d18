/* job_state.c - the life of a job, once.
 *
 *                    enqueue
 *              due later | due now
 *             +----------+----------+
 *             v                     v        release, crash
 *        scheduled --- time --->  pending <---------------------+
 *             ^                   | ^  ^                        |
 *             |             claim | |  +--- time ---+           |
 *             |                   v |               |           |
 *             +---- snooze --- processing -- fail -> failed     |
 *                              |  |  |  +-----------------------+
 *                       done   |  |  |  attempts exhausted,
 *               +--------------+  |  +--failed for good-----+
 *               v                 v cancel, expiry          v
 *           completed         cancelled                    dead
 *                                 |                         |
 *                                 +------> retry <----------+
 *                                            (to pending)
 *
 * waiting is for flows and unused yet; held is while a job is handed to another
 * storage (take_out). Storages make the moves of workers and of time; the moves
 * that an operator may ask for are in the table below.
 */
#include "core/job_state.h"

#include <string.h>

static const char *const names[PAWL_STATE_COUNT] = {
    [PAWL_WAITING] = "waiting",       [PAWL_SCHEDULED] = "scheduled",
    [PAWL_PENDING] = "pending",       [PAWL_PROCESSING] = "processing",
    [PAWL_FAILED] = "failed",         [PAWL_COMPLETED] = "completed",
    [PAWL_DEAD] = "dead",             [PAWL_CANCELLED] = "cancelled",
    [PAWL_HELD] = "held",
};

#define BIT(state) PAWL_STATE_BIT(PAWL_##state)

static const unsigned from_states[] = {
    [PAWL_ACTION_RETRY] = BIT(FAILED) | BIT(DEAD) | BIT(CANCELLED),
    [PAWL_ACTION_CANCEL] = BIT(WAITING) | BIT(SCHEDULED) | BIT(PENDING) |
                           BIT(PROCESSING) | BIT(FAILED),
    [PAWL_ACTION_REMOVE] = BIT(WAITING) | BIT(SCHEDULED) | BIT(PENDING) |
                           BIT(FAILED) | BIT(COMPLETED) | BIT(DEAD) |
                           BIT(CANCELLED),
    [PAWL_ACTION_PROMOTE] = BIT(SCHEDULED) | BIT(FAILED),
    [PAWL_ACTION_REPRIORITISE] = BIT(SCHEDULED) | BIT(PENDING) | BIT(FAILED),
};

unsigned action_from_states(enum pawl_action action)
{
    return from_states[action];
}

enum pawl_state pawl_outcome_state(enum pawl_outcome_kind kind,
                                   bool cancel_requested)
{
    switch (kind) {
    case PAWL_OUTCOME_COMPLETED:
        return PAWL_COMPLETED;
    case PAWL_OUTCOME_DEAD:
        return PAWL_DEAD;
    case PAWL_OUTCOME_RETRY:
        return cancel_requested ? PAWL_CANCELLED : PAWL_FAILED;
    case PAWL_OUTCOME_SNOOZED:
        return cancel_requested ? PAWL_CANCELLED : PAWL_SCHEDULED;
    case PAWL_OUTCOME_RELEASED:
        return cancel_requested ? PAWL_CANCELLED : PAWL_PENDING;
    case PAWL_OUTCOME_CANCELLED:
        break;
    }
    return PAWL_CANCELLED;
}

const char *pawl_state_name(enum pawl_state state)
{
    int n = (int)state;

    return n >= PAWL_STATE_FIRST && n <= PAWL_STATE_LAST ? names[n] : NULL;
}

enum pawl_state pawl_state_parse(const char *name)
{
    int n;

    for (n = PAWL_STATE_FIRST; n <= PAWL_STATE_LAST; n++)
        if (strcmp(names[n], name) == 0)
            return (enum pawl_state)n;
    return (enum pawl_state)0;
}
