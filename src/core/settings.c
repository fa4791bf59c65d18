/* settings.c - see settings.h. */
#include "core/settings.h"

static enum pawl_status tell(struct pawl_storage *to, const struct pawl_alter *in,
                             bool *given, struct pawl_error *err)
{
    struct pawl_alter_reply out = { .results = NULL };
    enum pawl_status status = storage_alter(to, in, &out, err);

    *given = *given || status >= 0;
    return status < 0 ? status : PAWL_OK;
}

static struct pawl_retention retention_of(const struct pawl_queue_keep *keep)
{
    return (struct pawl_retention){
        .completed = { keep->completed_age, keep->completed_count },
        .dead = { keep->dead_age, keep->dead_count },
        .cancelled = { keep->cancelled_age, keep->cancelled_count },
    };
}

enum pawl_status settings_give(struct pawl_storage *to,
                               const struct pawl_queue_stats *as, bool *given,
                               struct pawl_error *err)
{
    struct pawl_stats *there = NULL;
    enum pawl_status status = storage_stats(to, as->name, &there, err);
    struct pawl_alter pause = { .queue = as->name, .kind = PAWL_ALTER_PAUSE };
    struct pawl_alter keep = { .queue = as->name, .kind = PAWL_ALTER_RETENTION,
                               .retention = retention_of(&as->keep) };

    *given = false;
    if (status == PAWL_NOT_FOUND && as->paused)
        status = tell(to, &pause, given, err);
    if (status >= 0 && as->has_keep && (!there || !there->queues[0].has_keep))
        status = tell(to, &keep, given, err);
    pawl_stats_free(there);
    return status < 0 ? status : PAWL_OK;
}
