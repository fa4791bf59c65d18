/* redis_waiter.c - see redis_waiter.h. Who the waiter waits for, and looking at them
 * before it falls asleep (lua/doze.lua). */
#include "storage/redis/redis_waiter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOK_MS 2000 /* for looks and for connecting: so long may a kick wait */

/* --- open and close ------------------------------------------------------------- */

bool redis_waiter_open(struct redis_instance *self)
{
    struct redis_waiter *waiter = calloc(1, sizeof *waiter);
    if (waiter == NULL)
        return false;
    waiter->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (waiter->kick_fd < 0) {
        free(waiter);
        return false;
    }
    waiter->client = self->client;
    waiter->client.opening = false;
    if (waiter->client.deadline > LOOK_MS)
        waiter->client.deadline = LOOK_MS;
    self->waiter = waiter;
    return true;
}

static void forget_queues(struct redis_waiter *waiter)
{
    for (size_t i = 0; i < waiter->group_count; i++)
        redis_conn_close(waiter->groups[i].conn);
    waiter->asked_count = waiter->sleeper_count = waiter->group_count = 0;
    free(waiter->asked);
    free(waiter->sleepers);
    free(waiter->groups);
    free(waiter->polls);
    free(waiter->calls);
    free(waiter->replies);
    free(waiter->statuses);
    free(waiter->looked);
    waiter->asked = NULL;
    waiter->sleepers = NULL;
    waiter->groups = NULL;
    waiter->polls = NULL;
    waiter->calls = NULL;
    waiter->replies = NULL;
    waiter->statuses = NULL;
    waiter->looked = NULL;
}

void redis_waiter_close(struct redis_instance *self)
{
    struct redis_waiter *waiter = self->waiter;
    if (waiter == NULL)
        return;
    forget_queues(waiter);
    close(waiter->kick_fd);
    redis_settings_clear(&waiter->client.settings);
    free(waiter);
    self->waiter = NULL;
}

/* --- which queues ---------------------------------------------------------------- */

static bool are_the_same(const struct redis_waiter *waiter,
                         const struct pawl_wait *in)
{
    if (waiter->polls == NULL || in->queue_count != waiter->asked_count)
        return false;
    for (size_t i = 0; i < in->queue_count; i++)
        if (strcmp(in->queues[i], waiter->asked[i]->name) != 0)
            return false;
    return true;
}

/* Several workers of a process may ask for one queue. */
static void add_sleeper(struct redis_waiter *waiter, struct redis_queue *queue)
{
    for (size_t i = 0; i < waiter->sleeper_count; i++)
        if (waiter->sleepers[i].queue == queue)
            return;
    waiter->sleepers[waiter->sleeper_count++].queue = queue;
}

/* One for all queues, or in a Cluster one for each. */
static void make_groups(struct redis_waiter *waiter)
{
    bool together = waiter->client.settings.kind != REDIS_CLUSTER;
    for (size_t i = 0; i < waiter->sleeper_count; i++) {
        struct redis_group *group = &waiter->groups[together ? 0 : i];
        if (group->count++ == 0) {
            group->sleepers = &waiter->sleepers[i];
            waiter->group_count++;
        }
        waiter->sleepers[i].group = group;
    }
}

static bool make_room(struct redis_waiter *waiter, size_t count)
{
    waiter->asked = calloc(count + 1, sizeof *waiter->asked);
    waiter->sleepers = calloc(count + 1, sizeof *waiter->sleepers);
    waiter->groups = calloc(count + 1, sizeof *waiter->groups);
    waiter->calls = calloc(count + 1, sizeof *waiter->calls);
    waiter->replies = calloc(count + 1, sizeof *waiter->replies);
    waiter->statuses = calloc(count + 1, sizeof *waiter->statuses);
    waiter->looked = calloc(count + 1, sizeof *waiter->looked);
    waiter->polls = calloc(count + 1, sizeof *waiter->polls);
    return waiter->asked != NULL && waiter->sleepers != NULL &&
           waiter->groups != NULL && waiter->calls != NULL &&
           waiter->replies != NULL && waiter->statuses != NULL &&
           waiter->looked != NULL && waiter->polls != NULL;
}

enum pawl_status redis_waiter_learn(struct redis_instance *self,
                                    const struct pawl_wait *in,
                                    struct pawl_error *err)
{
    struct redis_waiter *waiter = self->waiter;
    if (are_the_same(waiter, in))
        return PAWL_OK;
    forget_queues(waiter);
    bool made = make_room(waiter, in->queue_count);
    for (size_t i = 0; made && i < in->queue_count; i++) {
        waiter->asked[i] = redis_enter(self, in->queues[i], NULL);
        made = waiter->asked[i] != NULL;
        if (made)
            add_sleeper(waiter, waiter->asked[i]);
    }
    if (!made) {
        forget_queues(waiter);
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory for waiting");
    }
    waiter->asked_count = in->queue_count;
    make_groups(waiter);
    return PAWL_OK;
}

/* --- looking ----------------------------------------------------------------------- */

static void look_add(struct redis_instance *self, struct redis_sleeper *sleeper)
{
    struct redis_waiter *waiter = self->waiter;
    struct redis_call *call = &waiter->calls[waiter->look_count];
    redis_begin(self, sleeper->queue, &redis_script_doze, false, call);
    redis_args_text(&call->args, sleeper->seen);
    call->reads = true;
    waiter->replies[waiter->look_count] = NULL;
    waiter->looked[waiter->look_count++] = sleeper;
}

static void look_clear(struct redis_waiter *waiter)
{
    for (int i = 0; i < waiter->look_count; i++) {
        redis_args_clear(&waiter->calls[i].args);
        freeReplyObject(waiter->replies[i]);
    }
    waiter->look_count = 0;
}

/* True: there is something to claim. */
static bool read_answer(struct redis_waiter *waiter, const redisReply *reply,
                        struct redis_sleeper *sleeper)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        pawl_error_set(&waiter->error, PAWL_ECORRUPT,
                       "redis gave a look at queue '%s' a strange answer",
                       sleeper->queue->name);
        sleeper->group->missed = true;
        return false;
    }
    const redisReply *seen = reply->element[0], *last = reply->element[1];
    snprintf(sleeper->seen, sizeof sleeper->seen, "%s",
             seen->type == REDIS_REPLY_STRING ? seen->str : "");
    if (last->type != REDIS_REPLY_STRING)
        return true;
    snprintf(sleeper->last, sizeof sleeper->last, "%s", last->str);
    sleeper->marked = true;
    return false;
}

bool redis_waiter_look(struct redis_instance *self, int64_t now)
{
    struct redis_waiter *waiter = self->waiter;
    bool found = false;
    for (size_t i = 0; i < waiter->sleeper_count; i++) {
        struct redis_sleeper *sleeper = &waiter->sleepers[i];
        if (!sleeper->marked && redis_group_awake(sleeper->group, now))
            look_add(self, sleeper);
    }
    if (waiter->look_count == 0)
        return false;
    redis_call_all(&waiter->client, waiter->calls, waiter->look_count,
                   waiter->replies, waiter->statuses, &waiter->error);
    for (int i = 0; i < waiter->look_count; i++)
        if (waiter->statuses[i] != PAWL_OK)
            waiter->looked[i]->group->missed = true;
        else if (read_answer(waiter, waiter->replies[i], waiter->looked[i]))
            found = true;
    look_clear(waiter);
    return found;
}
