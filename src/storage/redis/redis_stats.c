/* redis_stats.c - counting (lua/stats.lua).
 *
 * Each queue is counted in a step of its own; all of them cannot be, since they
 * may be on several nodes. Queues are asked in parts, each of which takes one round
 * trip, so that thousands of them do not become one huge request.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/redis/redis_look.h"
#include "util/clock.h"

#define PART_SIZE 64
#define NUMBERS 13 /* in the script's reply; behind them is the retention */

/* --- one block ----------------------------------------------------------------- */

/* Room for these queues and their names, as pawl_stats_free() wants it. None of
 * them is in it yet. */
static struct pawl_stats *stats_new(const struct redis_names *names)
{
    size_t size = sizeof(struct pawl_stats);
    for (size_t i = 0; i < names->count; i++)
        size += sizeof(struct pawl_queue_stats) + strlen(names->names[i]) + 1;
    struct pawl_stats *stats = calloc(1, size);
    if (stats == NULL)
        return NULL;
    stats->queues = (struct pawl_queue_stats *)(stats + 1);
    char *at = (char *)(stats->queues + names->count);
    for (size_t i = 0; i < names->count; i++) {
        size = strlen(names->names[i]) + 1;
        stats->queues[i].name = memcpy(at, names->names[i], size);
        at += size;
    }
    return stats;
}

static bool read_keep(const redisReply *reply, struct pawl_queue_stats *out)
{
    struct pawl_queue_keep *keep = &out->keep;
    if (reply->type != REDIS_REPLY_STRING)
        return false;
    out->has_keep = reply->len > 0;
    return !out->has_keep ||
           sscanf(reply->str,
                  "%" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
                  " %" SCNd64,
                  &keep->completed_age, &keep->completed_count, &keep->dead_age,
                  &keep->dead_count, &keep->cancelled_age,
                  &keep->cancelled_count) == 6;
}

/* False: it is none of the script's. */
static bool read_numbers(const redisReply *reply, struct pawl_queue_stats *out)
{
    uint64_t numbers[NUMBERS];
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != NUMBERS + 1)
        return false;
    for (int i = 0; i < NUMBERS; i++) {
        if (reply->element[i]->type != REDIS_REPLY_INTEGER)
            return false;
        numbers[i] = (uint64_t)reply->element[i]->integer;
    }
    out->paused = numbers[0] != 0;
    out->jobs[PAWL_SCHEDULED] = numbers[1];
    out->jobs[PAWL_PENDING] = numbers[2];
    out->jobs[PAWL_PROCESSING] = numbers[3];
    out->jobs[PAWL_FAILED] = numbers[4];
    out->jobs[PAWL_COMPLETED] = numbers[5];
    out->jobs[PAWL_DEAD] = numbers[6];
    out->jobs[PAWL_CANCELLED] = numbers[7];
    out->jobs[PAWL_HELD] = numbers[8];
    out->completed_total = numbers[9];
    out->dead_total = numbers[10];
    out->failed_total = numbers[11];
    out->oldest_pending = (pawl_duration)numbers[12];
    return read_keep(reply->element[NUMBERS], out);
}

/* --- asking -------------------------------------------------------------------- */

struct part {
    struct redis_call calls[PART_SIZE];
    redisReply *replies[PART_SIZE];
    enum pawl_status statuses[PART_SIZE];
    int count;
};

/* The queues of these names; calls up to part->count are to be cleared, always. */
static enum pawl_status part_ask(struct redis_instance *self,
                                 const char *const *names, size_t count,
                                 int64_t until, struct part *part,
                                 struct pawl_error *err)
{
    *part = (struct part){ .count = 0 };
    for (size_t i = 0; i < count; i++) {
        const struct redis_queue *queue = redis_enter(self, names[i], err);
        if (queue == NULL)
            return PAWL_ENOMEM;
        redis_begin(self, queue, &redis_script_stats, false, &part->calls[i]);
        part->calls[i].reads = true;
        part->calls[i].until = until;
        part->count++;
    }
    return redis_call_all(&self->client, part->calls, part->count, part->replies,
                          part->statuses, err);
}

static void part_clear(struct part *part)
{
    for (int i = 0; i < part->count; i++) {
        redis_args_clear(&part->calls[i].args);
        freeReplyObject(part->replies[i]);
    }
}

/* Count what exists of the queues from `done` on, behind those counted already. The
 * entry that is filled never is behind the one whose name is in use. */
static enum pawl_status count_part(struct redis_instance *self,
                                   const struct redis_names *names, size_t done,
                                   int64_t until, struct pawl_stats *stats,
                                   struct pawl_error *err)
{
    struct part *part = malloc(sizeof *part);
    size_t count = names->count - done < PART_SIZE ? names->count - done : PART_SIZE;
    if (part == NULL)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory for stats");
    enum pawl_status status =
        part_ask(self, names->names + done, count, until, part, err);
    for (size_t i = 0; i < count && status == PAWL_OK; i++) {
        if (part->replies[i]->type == REDIS_REPLY_NIL)
            continue;
        struct pawl_queue_stats *at = &stats->queues[stats->queue_count++];
        at->name = stats->queues[done + i].name;
        if (!read_numbers(part->replies[i], at))
            status = redis_look_strange(self, "the numbers of a queue", err);
    }
    part_clear(part);
    free(part);
    return status;
}

static enum pawl_status count_all(struct redis_instance *self,
                                  const struct redis_names *names, int64_t until,
                                  struct pawl_stats *stats, struct pawl_error *err)
{
    for (size_t done = 0; done < names->count; done += PART_SIZE) {
        if (done > 0 && clock_mono_ns() > until)
            return pawl_error_set(err, PAWL_ETIMEOUT,
                                  "redis at %s is too slow to count %zu queues",
                                  self->client.settings.where, names->count);
        enum pawl_status status = count_part(self, names, done, until, stats, err);
        if (status != PAWL_OK)
            return status;
    }
    return PAWL_OK;
}

enum pawl_status redis_stats(struct pawl_storage *storage, const char *queue,
                             struct pawl_stats **out, struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    struct redis_names all = { 0 }, one = { .names = &queue, .count = 1 };
    const struct redis_names *names = queue == NULL ? &all : &one;
    struct pawl_stats *stats = NULL;
    int64_t until = redis_call_until(&self->client);
    enum pawl_status status =
        queue == NULL ? redis_names_read(self, until, &all, err) : PAWL_OK;
    if (status == PAWL_OK) {
        stats = stats_new(names);
        if (stats == NULL)
            status = pawl_error_set(err, PAWL_ENOMEM, "out of memory for stats");
    }
    if (status == PAWL_OK)
        status = count_all(self, names, until, stats, err);
    if (status == PAWL_OK && queue != NULL && stats->queue_count == 0)
        status = pawl_error_set(err, PAWL_NOT_FOUND, "there is no queue '%s'", queue);
    if (status == PAWL_OK)
        *out = stats;
    else
        free(stats);
    redis_names_clear(&all);
    return status;
}
