/* queue.c - what a queue as a whole is told: to pause, to go on, what to keep. */
#include "core/core.h"

static enum pawl_status alter_queue(struct pawl *pawl, const char *queue,
                                    struct pawl_alter *alter,
                                    struct pawl_error *err)
{
    struct pawl_alter_reply reply = { 0 };
    enum pawl_status status = core_enter(pawl, err);

    alter->queue = queue_or_default(queue);
    if (status == PAWL_OK)
        status = check_queue(alter->queue, err);
    if (status == PAWL_OK)
        status = storage_alter(pawl->storage, alter, &reply, err);
    return status;
}

enum pawl_status pawl_pause(struct pawl *pawl, const char *queue,
                            struct pawl_error *err)
{
    struct pawl_alter alter = { .kind = PAWL_ALTER_PAUSE };

    return alter_queue(pawl, queue, &alter, err);
}

enum pawl_status pawl_resume(struct pawl *pawl, const char *queue,
                             struct pawl_error *err)
{
    struct pawl_alter alter = { .kind = PAWL_ALTER_RESUME };

    return alter_queue(pawl, queue, &alter, err);
}

enum pawl_status pawl_keep(struct pawl *pawl, const char *queue,
                           const struct pawl_queue_keep *keep,
                           struct pawl_error *err)
{
    struct pawl_alter alter = {
        .kind = PAWL_ALTER_RETENTION,
        .retention = {
            .completed = { keep->completed_age, keep->completed_count },
            .dead = { keep->dead_age, keep->dead_count },
            .cancelled = { keep->cancelled_age, keep->cancelled_count },
        },
    };

    if (keep->completed_age < -1 || keep->completed_count < -1 ||
        keep->dead_age < -1 || keep->dead_count < -1 ||
        keep->cancelled_age < -1 || keep->cancelled_count < -1)
        return pawl_error_set(err, PAWL_EINVAL,
                              "an age or count to keep is below -1");
    return alter_queue(pawl, queue, &alter, err);
}
