/* redis_trial.h - one call on a rig, made again and again, each time with the
 * connection cut after another byte.
 *
 * A cut call is repeated until it has an answer: by the storage itself, or, with
 * "retries=0", here, as a caller would.
 */
#ifndef PAWL_TEST_REDIS_TRIAL_H
#define PAWL_TEST_REDIS_TRIAL_H

#include "redis_rig.h"

#define TRIAL_REPEATING "prefix=pawl:"
/* With time for a machine that is busy: a cut is seen, whatever the time. */
#define TRIAL_SINGLE "prefix=pawl:&retries=0&timeout=9s&connect-timeout=9s"

struct trial {
    const char *name;
    void (*prepare)(void);
    enum pawl_status (*call)(struct pawl_error *err); /* by rig.through */
    /* A call answered a failure that is not EUNKNOWN: nothing was done. NULL: the
     * call does nothing anyway. */
    void (*check_undone)(void);
    void (*check)(void);
};

/* After each byte of the request and, in other runs, of the reply. */
void trial_every_cut(const struct trial *trial);
/* After about `count` of them; `cold`: while the server does not know the script. */
void trial_some_cuts(const struct trial *trial, unsigned count, bool cold);

#endif
