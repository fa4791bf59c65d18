/* migrate_lock.c - see migrate_lock.h. */
#include "core/migrate_lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/migrate_who.h"
#include "util/clock.h"
#include "util/random.h"
#include "util/thread.h"

#define LOCK_QUEUE  "\1migrate:lock"
#define LOCK_KEY    "lock"
#define LEASE       10000
#define RENEW_NS    INT64_C(2000000000)
#define TRIES       10

static void name_holder(struct migrate_lock *lock, const struct migrate_who *who)
{
    pawl_time now = lock->clock->now(lock->clock->context);

    snprintf(lock->holder, sizeof lock->holder,
             "process %ld on '%s', begun %" PRId64 " s ago", who->pid, who->host,
             (now - who->since) / 1000);
}

enum pawl_status migrate_lock_refuse(const struct migrate_lock *lock,
                                     struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_EDENIED,
                          "another migration of this storage is running: %s: wait for "
                          "it, or stop it", lock->holder);
}

/* --- the job --------------------------------------------------------------------- */

static enum pawl_status put_job(struct migrate_lock *lock, struct pawl_put_result *result,
                                struct pawl_error *err)
{
    char who[MIGRATE_WHO_MAX];
    pawl_time now = lock->clock->now(lock->clock->context);
    struct pawl_new_job job = { .payload = who, .priority = 5, .max_attempts = 1,
                                .key = LOCK_KEY, .id = pawl_id_new(LOCK_QUEUE, now) };
    struct pawl_put put = { .queue = LOCK_QUEUE, .seq = 1, .jobs = &job,
                            .job_count = 1 };

    migrate_who_write(who, now);
    job.payload_size = strlen(who);
    random_bytes(put.session.b, sizeof put.session.b);
    lock->id = job.id;
    return storage_put(lock->storage, &put, result, err);
}

/* Write it off as `owner`: it is gone then, and its key free. */
static enum pawl_status end_job(struct pawl_storage *storage, struct pawl_owner owner,
                                const struct pawl_outcome *outcome,
                                struct pawl_error *err)
{
    enum pawl_status result;
    struct pawl_exchange in = { .queue = LOCK_QUEUE, .owner = owner,
                                .outcomes = outcome, .outcome_count = 1 };
    struct pawl_exchange_reply out = { .outcomes = &result };

    return storage_exchange(storage, &in, &out, err);
}

static enum pawl_status end_claimed(struct pawl_storage *storage,
                                    struct pawl_owner owner,
                                    const struct pawl_job *job, struct pawl_error *err)
{
    struct pawl_outcome outcome = { .id = job->id, .epoch = job->epoch,
                                    .origin = job->origin,
                                    .kind = PAWL_OUTCOME_CANCELLED };

    return end_job(storage, owner, &outcome, err);
}

/* Who died without ending it is taken back here. */
static enum pawl_status sweep(struct pawl_storage *storage, struct pawl_error *err)
{
    struct pawl_sweep in = { .queue = LOCK_QUEUE, .limit = 100,
                             .max_crashes = 1000000 };
    struct pawl_sweep_reply out;

    return storage_sweep(storage, &in, &out, err);
}

/* Claim what is there: our own, or what somebody left behind, which is ended.
 * EMPTY: there is nothing to claim. */
static enum pawl_status claim(struct migrate_lock *lock, bool *is_ours,
                              struct pawl_error *err)
{
    struct pawl_job *job = NULL;
    struct pawl_exchange in = { .queue = LOCK_QUEUE, .owner = lock->owner,
                                .claim_max = 1, .lease = LEASE };
    struct pawl_exchange_reply out = { .jobs = &job };
    enum pawl_status status = storage_exchange(lock->storage, &in, &out, err);

    *is_ours = false;
    if (status < 0)
        return status;
    if (out.job_count == 0)
        return PAWL_EMPTY;
    if (memcmp(&job->id, &lock->id, sizeof job->id) == 0) {
        *is_ours = true;
        lock->epoch = job->epoch;
        lock->origin = job->origin;
    } else {
        status = end_claimed(lock->storage, lock->owner, job, err);
    }
    pawl_job_free(job);
    return status < 0 ? status : PAWL_OK;
}

/* Somebody has claimed it. PAWL_OK: but is gone. KEY_TAKEN: may be gone. */
static enum pawl_status look_at(struct migrate_lock *lock, struct pawl_id holder,
                                bool take_over, struct pawl_error *err)
{
    struct pawl_job *job = NULL;
    struct migrate_who who = { "?", "", 0, 0 };
    enum pawl_status status = storage_get(lock->storage, LOCK_QUEUE, holder, &job, err);

    if (status == PAWL_NOT_FOUND)
        return PAWL_OK;
    if (status < 0)
        return status;
    if (job->state == PAWL_PROCESSING) {
        bool near = migrate_who_read(job, &who) && migrate_who_is_near(&who);
        name_holder(lock, &who);
        if (!near)
            status = PAWL_KEY_TAKEN;
        else if (!migrate_who_is_dead(&who))
            status = migrate_lock_refuse(lock, err);
        else if (take_over)
            status = end_claimed(lock->storage, job->owner, job, err);
    }
    pawl_job_free(job);
    return status < 0 || status == PAWL_KEY_TAKEN ? status : PAWL_OK;
}

static enum pawl_status take_once(struct migrate_lock *lock, bool *is_ours,
                                  struct pawl_error *err)
{
    struct pawl_put_result result = { 0 };
    enum pawl_status status = sweep(lock->storage, err);

    if (status >= 0)
        status = put_job(lock, &result, err);
    if (status >= 0)
        status = claim(lock, is_ours, err);
    if (status == PAWL_EMPTY && result.status == PAWL_KEY_TAKEN)
        status = look_at(lock, result.id, true, err);
    return status;
}

/* --- keeping it -------------------------------------------------------------------- */

/* Lost: not ours any more. What fails otherwise is tried again, and seen by whoever
 * works with the storage. */
static bool renew(const struct migrate_lock *lock)
{
    struct pawl_lease_ref ref = { lock->id, lock->epoch, lock->origin };
    struct pawl_renew in = { .queue = LOCK_QUEUE, .owner = lock->owner, .leases = &ref,
                             .lease_count = 1, .lease = LEASE };
    enum pawl_status result = PAWL_OK;

    return storage_renew(lock->storage, &in, &result, NULL) < 0 || result != PAWL_STALE;
}

static void *keep(void *context)
{
    struct migrate_lock *lock = context;

    pthread_mutex_lock(&lock->mutex);
    while (!lock->stop && !lock->lost) {
        struct timespec until = clock_timespec(clock_mono_ns() + RENEW_NS);
        bool kept;
        if (pthread_cond_timedwait(&lock->changed, &lock->mutex, &until) == 0)
            continue;
        pthread_mutex_unlock(&lock->mutex);
        kept = renew(lock);
        pthread_mutex_lock(&lock->mutex);
        lock->lost = !kept;
    }
    pthread_mutex_unlock(&lock->mutex);
    return NULL;
}

/* Write it off; others can have it. */
static void end_own(struct migrate_lock *lock)
{
    struct pawl_outcome outcome = { .id = lock->id, .epoch = lock->epoch,
                                    .origin = lock->origin,
                                    .kind = PAWL_OUTCOME_CANCELLED };

    end_job(lock->storage, lock->owner, &outcome, NULL);
    lock->storage = NULL;
}

static enum pawl_status start_keeper(struct migrate_lock *lock, struct pawl_error *err)
{
    pthread_mutex_init(&lock->mutex, NULL);
    thread_cond_init(&lock->changed);
    if (thread_start(&lock->keeper, keep, lock, "pawl-lock") == 0)
        return PAWL_OK;
    pthread_cond_destroy(&lock->changed);
    pthread_mutex_destroy(&lock->mutex);
    end_own(lock);
    return pawl_error_set(err, PAWL_ENOMEM, "no thread could be started");
}

static void stop_keeper(struct migrate_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    lock->stop = true;
    pthread_cond_signal(&lock->changed);
    pthread_mutex_unlock(&lock->mutex);
    pthread_join(lock->keeper, NULL);
    pthread_cond_destroy(&lock->changed);
    pthread_mutex_destroy(&lock->mutex);
}

enum pawl_status migrate_lock_check(struct migrate_lock *lock, struct pawl_error *err)
{
    bool lost;

    if (!lock->storage)
        return PAWL_OK;
    pthread_mutex_lock(&lock->mutex);
    lost = lock->lost;
    pthread_mutex_unlock(&lock->mutex);
    return lost ? pawl_error_set(err, PAWL_EDENIED,
                                 "this migration stood still for so long that another "
                                 "may have begun: run it again")
                : PAWL_OK;
}

/* --- taking it --------------------------------------------------------------------- */

enum pawl_status migrate_lock_take(struct migrate_lock *lock,
                                   struct pawl_storage *storage,
                                   const struct pawl_clock *clock,
                                   struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    bool is_ours = false;
    int i;

    *lock = (struct migrate_lock){ .storage = storage, .clock = clock };
    random_bytes(lock->owner.b, sizeof lock->owner.b);
    for (i = 0; i < TRIES && status >= 0 && status != PAWL_KEY_TAKEN && !is_ours; i++)
        status = take_once(lock, &is_ours, err);
    if (is_ours)
        return start_keeper(lock, err);
    lock->storage = NULL;
    if (status < 0 || status == PAWL_KEY_TAKEN)
        return status;
    return pawl_error_set(err, PAWL_EDENIED,
                          "others begin a migration of this storage at the same time: "
                          "try again");
}

/* The first processing job of the lock's queue, if there is one. */
enum pawl_status migrate_lock_peek(struct migrate_lock *lock,
                                   struct pawl_storage *storage,
                                   const struct pawl_clock *clock,
                                   struct pawl_error *err)
{
    struct pawl_job *job = NULL;
    struct pawl_list in = { .queue = LOCK_QUEUE, .state = PAWL_PROCESSING, .limit = 1 };
    struct pawl_list_reply out = { .jobs = &job };
    enum pawl_status status = storage_list(storage, &in, &out, err);

    *lock = (struct migrate_lock){ .storage = storage, .clock = clock };
    if (status >= 0 && out.job_count > 0)
        status = look_at(lock, job->id, false, err);
    pawl_job_free(job);
    lock->storage = NULL;
    return status;
}

bool migrate_lock_is_in(const struct migrate_lock *lock, struct pawl_storage *storage)
{
    struct pawl_job *job = NULL;
    bool found = storage_get(storage, LOCK_QUEUE, lock->id, &job, NULL) == PAWL_OK;

    pawl_job_free(job);
    return found;
}

void migrate_lock_drop(struct migrate_lock *lock)
{
    if (!lock->storage)
        return;
    stop_keeper(lock);
    end_own(lock);
}
