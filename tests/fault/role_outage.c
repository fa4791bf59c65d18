/* role_outage.c - an actor that leaves one of everything in a spool, and one that
 * drains it until it is done or dies on the way.
 *
 * Both storages are reached through support/faulty.h: there=URL is the primary, here=
 * URL the spool. */
#include <stdio.h>
#include <string.h>

#include "actor.h"
#include "core/core.h"
#include "faulty.h"
#include "role.h"
#include "storage/storage.h"
#include "util/clock.h"

#define QUEUE "storm"
#define PLAIN_JOBS 4

static struct pawl_storage *storage;
static uint64_t last_seq;
static const struct pawl_owner owner = { { 3 } };

static void must(enum pawl_status status, const char *what, const struct pawl_error *err)
{
    if (status < 0)
        give_up("%s: %s: %s", what, pawl_status_name(status), err->message);
}

static void open_both(const struct role_args *args, bool urgent)
{
    struct pawl_storage_config config = { .clock = core_clock(NULL),
                                          .deadline = 2000, .urgent = urgent };
    struct pawl_error err = { 0 };
    char url[1500];
    faulty_register();
    snprintf(url, sizeof url,
             "faulty:%s?fallback=faulty-local:%s&outage=spool&dwell=50ms&trial=0ms",
             arg_text(args, "there", ""), arg_text(args, "here", ""));
    must(storage_open(url, &config, NULL, &storage, &err), "open", &err);
}

static void put(enum pawl_status wanted, const char *key)
{
    struct pawl_new_job job = { .queue = QUEUE, .type = "", .priority = 5,
                                .max_attempts = 3, .key = key,
                                .id = pawl_id_new(QUEUE, clock_wall_ms()) };
    struct pawl_put in = { .queue = QUEUE, .session = { { 8 } }, .seq = ++last_seq,
                           .jobs = &job, .job_count = 1 };
    struct pawl_put_result result = { .id = job.id };
    struct pawl_error err = { 0 };
    must(storage_put(storage, &in, &result, &err), "put", &err);
    if (result.status != wanted)
        give_up("put: %s", pawl_status_name(result.status));
}

static struct pawl_job *exchange(const struct pawl_outcome *outcome, size_t claim_max)
{
    struct pawl_job *job = NULL;
    enum pawl_status result = PAWL_OK;
    struct pawl_exchange in = { .queue = QUEUE, .owner = owner, .outcomes = outcome,
                                .outcome_count = outcome != NULL,
                                .claim_max = claim_max, .lease = 600000 };
    struct pawl_exchange_reply out = { .outcomes = &result, .jobs = &job };
    struct pawl_error err = { 0 };
    in.retention = (struct pawl_retention){ { -1, -1 }, { -1, -1 }, { -1, -1 } };
    must(storage_exchange(storage, &in, &out, &err), "exchange", &err);
    if (result != PAWL_OK)
        give_up("outcome: %s", pawl_status_name(result));
    return job;
}

/* At the primary: a job that runs, one with a key, one that was maybe sent. In the
 * spool: the running one's outcome, the call of the maybe sent one, plain jobs, and
 * one with the same key. */
void role_outage_fill(const struct role_args *args)
{
    open_both(args, false);
    put(PAWL_OK, NULL);
    struct pawl_job *running = exchange(NULL, 1);
    put(PAWL_OK, "order-7");
    faulty_for(FAULTY_LOST_AFTER, 1);
    put(PAWL_SPOOLED, NULL);
    faulty_set(FAULTY_AWAY);
    struct pawl_outcome outcome = { .id = running->id, .epoch = running->epoch,
                                    .origin = running->origin,
                                    .kind = PAWL_OUTCOME_COMPLETED };
    exchange(&outcome, 0);
    pawl_job_free(running);
    for (int i = 0; i < PLAIN_JOBS; i++)
        put(PAWL_SPOOLED, NULL);
    put(PAWL_SPOOLED, "order-7");
    storage_close(storage);
    tell("filled");
}

void role_outage_drain(const struct role_args *args)
{
    struct pawl_error err = { 0 };
    faulty_die_at(arg_number(args, "die_at", 0));
    open_both(args, true);
    for (;;) {
        struct pawl_stats *stats = NULL;
        enum pawl_status status = storage_stats(storage, NULL, &stats, &err);
        bool done = status == PAWL_OK && stats->mode == PAWL_MODE_PRIMARY;
        pawl_stats_free(stats);
        if (done)
            break;
        sleep_ms(10);
    }
    faulty_die_at(0);
    storage_close(storage);
    tell("drained");
}

/* A program that has nothing to do: until its store's spool is empty. */
void role_wait_drained(const struct role_args *args)
{
    struct pawl *pawl = arg_open(args);
    struct pawl_error err = { 0 };
    for (bool done = false; !done; sleep_ms(5)) {
        struct pawl_stats *stats = NULL;
        done = pawl_stats(pawl, NULL, &stats, &err) == PAWL_OK &&
               stats->mode == PAWL_MODE_PRIMARY;
        pawl_stats_free(stats);
    }
    pawl_close(pawl);
    tell("drained");
}
