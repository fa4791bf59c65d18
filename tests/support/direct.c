/* direct.c - see direct.h. */
#include "direct.h"

#include <stdatomic.h>

#include "actor.h"
#include "core/core.h"
#include "util/clock.h"

struct pawl_storage *direct_open(const char *url, pawl_duration deadline)
{
    struct pawl_storage_config config = { .clock = core_clock(NULL),
                                          .deadline = deadline, .bare = true };
    struct pawl_storage *storage = NULL;
    struct pawl_error err = { 0 };
    if (storage_open(url, &config, NULL, &storage, &err) != PAWL_OK)
        give_up("cannot open '%s': %s", url, err.message);
    return storage;
}

struct pawl_id direct_put(struct pawl_storage *storage, const char *queue)
{
    static _Atomic uint64_t last_seq;
    struct pawl_new_job job = { .queue = queue, .type = "", .priority = 5,
                                .max_attempts = 1,
                                .id = pawl_id_new(queue, clock_wall_ms()) };
    struct pawl_put in = { .queue = queue, .session = { { 7 } }, .seq = ++last_seq,
                           .jobs = &job, .job_count = 1 };
    struct pawl_put_result result;
    struct pawl_error err = { 0 };
    enum pawl_status status = storage_put(storage, &in, &result, &err);
    if (status != PAWL_OK || result.status != PAWL_OK)
        give_up("put: %s: %s", pawl_status_name(status), err.message);
    return job.id;
}
