/* redis_read.c - looking at jobs: get and list (lua/get.lua, lua/list.lua).
 *
 * An id alone does not say where its job is, and a Cluster cannot be asked as a
 * whole. But it carries a hash of its queue's name: of the queues that are known,
 * hardly ever more than one has it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/redis/redis_look.h"

/* --- get ----------------------------------------------------------------------- */

static enum pawl_status read_job(const struct redis_instance *self,
                                 const char *queue, struct pawl_id id,
                                 const redisReply *reply, struct pawl_job **out,
                                 struct pawl_error *err)
{
    if (reply->type == REDIS_REPLY_NIL)
        return PAWL_NOT_FOUND;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4)
        return redis_look_strange(self, "a job", err);
    redisReply id_reply = { .type = REDIS_REPLY_STRING,
                            .str = (char *)id.b,
                            .len = sizeof id.b };
    struct redis_job_parts parts = { .id = &id_reply,
                                     .head = reply->element[0],
                                     .body = reply->element[1],
                                     .errors = reply->element[2],
                                     .result = reply->element[3] };
    return redis_job_read(queue, &parts, out, err);
}

static enum pawl_status get_in(struct redis_instance *self,
                               const struct redis_queue *queue, struct pawl_id id,
                               int64_t until, struct pawl_job **out,
                               struct pawl_error *err)
{
    struct redis_call call;
    redisReply *reply = NULL;
    redis_begin(self, queue, &redis_script_get, false, &call);
    call.until = until;
    redis_args_add(&call.args, id.b, sizeof id.b);
    enum pawl_status status = redis_look(self, &call, &reply, err);
    if (status != PAWL_OK)
        return status;
    status = read_job(self, queue->name, id, reply, out, err);
    freeReplyObject(reply);
    return status;
}

#define NAMESAKES_MOST 16 /* queues whose names have one hash */

struct namesakes {
    struct redis_queue *queues[NAMESAKES_MOST];
    size_t count;
};

/* The queues met so far whose names have this hash. */
static void find_met(struct redis_instance *self, uint16_t hash,
                     struct namesakes *out)
{
    out->count = 0;
    pthread_mutex_lock(&self->queues.mutex);
    for (struct redis_queue *q = self->queues.first; q != NULL; q = q->next)
        if (q->hash == hash && out->count < NAMESAKES_MOST)
            out->queues[out->count++] = q;
    pthread_mutex_unlock(&self->queues.mutex);
}

/* Meet all queues that are registered and have this hash. */
static enum pawl_status meet(struct redis_instance *self, uint16_t hash,
                             int64_t until, struct pawl_error *err)
{
    struct redis_names names;
    enum pawl_status status = redis_names_read(self, until, &names, err);
    for (size_t i = 0; i < names.count && status == PAWL_OK; i++)
        if (pawl_queue_hash(names.names[i]) == hash &&
            redis_enter(self, names.names[i], err) == NULL)
            status = PAWL_ENOMEM;
    redis_names_clear(&names);
    return status;
}

static enum pawl_status get_met(struct redis_instance *self,
                                const struct namesakes *met, struct pawl_id id,
                                int64_t until, struct pawl_job **out,
                                struct pawl_error *err)
{
    enum pawl_status status = PAWL_NOT_FOUND;
    for (size_t i = 0; i < met->count && status == PAWL_NOT_FOUND; i++)
        status = get_in(self, met->queues[i], id, until, out, err);
    return status;
}

static enum pawl_status get_anywhere(struct redis_instance *self, struct pawl_id id,
                                     struct pawl_job **out, struct pawl_error *err)
{
    uint16_t hash = pawl_id_queue_hash(id);
    int64_t until = redis_call_until(&self->client);
    struct namesakes met, now_met;
    find_met(self, hash, &met);
    enum pawl_status status = get_met(self, &met, id, until, out, err);
    if (status != PAWL_NOT_FOUND)
        return status;
    status = meet(self, hash, until, err);
    if (status != PAWL_OK)
        return status;
    find_met(self, hash, &now_met);
    return now_met.count > met.count ? get_met(self, &now_met, id, until, out, err)
                                     : PAWL_NOT_FOUND;
}

enum pawl_status redis_get(struct pawl_storage *storage, const char *queue,
                           struct pawl_id id, struct pawl_job **out,
                           struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    if (queue == NULL)
        return get_anywhere(self, id, out, err);
    const struct redis_queue *entry = redis_enter(self, queue, err);
    return entry == NULL ? PAWL_ENOMEM : get_in(self, entry, id, 0, out, err);
}

/* --- places -------------------------------------------------------------------- */

#define PLACE_SIZE 8                      /* of a tie, where it is a place */
#define PLACE_MAX (UINT64_C(1) << 46)     /* no line has one as large */

/* The owner of these is gone, so that their lease ended before all time. */
#define LEASE_GONE "-inf"

/* The states whose order is by time and id; the others have lines. */
static bool by_time(enum pawl_state state)
{
    return state == PAWL_SCHEDULED || state == PAWL_FAILED ||
           state == PAWL_PROCESSING;
}

static void add_place(struct redis_args *args, const struct pawl_list *in)
{
    if (!in->after.set) {
        redis_args_text(args, "");
        redis_args_text(args, "");
        return;
    }
    if (in->after.rank == INT64_MIN)
        redis_args_text(args, LEASE_GONE);
    else
        redis_args_number(args, in->after.rank);
    if (by_time(in->state)) {
        redis_args_add(args, in->after.tie, sizeof in->after.tie);
        return;
    }
    uint64_t place = 0;
    for (int i = 0; i < PLACE_SIZE; i++)
        place = place << 8 | in->after.tie[i];
    redis_args_number(args, (int64_t)(place < PLACE_MAX ? place : PLACE_MAX));
}

/* False: the reply is none of ours. */
static bool read_place(const redisReply *rank, const redisReply *tie,
                       enum pawl_state state, struct pawl_place *out)
{
    int wanted = by_time(state) ? REDIS_REPLY_STRING : REDIS_REPLY_INTEGER;
    if (rank->type != REDIS_REPLY_INTEGER || tie->type != wanted)
        return false;
    out->set = true;
    out->rank = rank->integer;
    if (by_time(state)) {
        if (tie->len != sizeof out->tie)
            return false;
        memcpy(out->tie, tie->str, sizeof out->tie);
        return true;
    }
    uint64_t place = (uint64_t)tie->integer;
    for (int i = 0; i < PLACE_SIZE; i++)
        out->tie[i] = (uint8_t)(place >> 8 * (PLACE_SIZE - 1 - i));
    return true;
}

/* --- list ---------------------------------------------------------------------- */

#define PAGE_BEGIN 3 /* words before the first job */
#define JOB_PARTS 5

/* One damaged record must not hide the others: the page has one job less. */
static enum pawl_status read_page(const struct redis_instance *self,
                                  const struct pawl_list *in,
                                  const redisReply *reply,
                                  struct pawl_list_reply *out,
                                  struct pawl_error *err)
{
    size_t size = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
    size_t count = size < PAGE_BEGIN ? 0 : (size - PAGE_BEGIN) / JOB_PARTS;
    redisReply **at = reply->element;
    if (size < PAGE_BEGIN || count > in->limit || at[0]->type != REDIS_REPLY_INTEGER)
        return redis_look_strange(self, "a page of jobs", err);
    if (at[0]->integer != 0 && !read_place(at[1], at[2], in->state, &out->next))
        return redis_look_strange(self, "the end of a page", err);
    at += PAGE_BEGIN;
    for (size_t i = 0; i < count; i++, at += JOB_PARTS) {
        struct redis_job_parts parts = { .id = at[0],
                                         .head = at[1],
                                         .body = at[2],
                                         .errors = at[3],
                                         .result = at[4] };
        struct pawl_error why = { 0 };
        enum pawl_status status =
            redis_job_read(in->queue, &parts, &out->jobs[out->job_count], &why);
        if (status == PAWL_OK)
            out->job_count++;
        else if (status != PAWL_ECORRUPT)
            return pawl_error_set(err, status, "%s", why.message);
    }
    return PAWL_OK;
}

enum pawl_status redis_list(struct pawl_storage *storage, const struct pawl_list *in,
                            struct pawl_list_reply *out, struct pawl_error *err)
{
    struct redis_instance *self = (struct redis_instance *)storage;
    const struct redis_queue *queue = redis_enter(self, in->queue, err);
    struct redis_call call;
    redisReply *reply = NULL;
    out->job_count = 0;
    memset(&out->next, 0, sizeof out->next);
    if (queue == NULL)
        return PAWL_ENOMEM;
    redis_begin(self, queue, &redis_script_list, false, &call);
    redis_args_number(&call.args, in->state);
    add_place(&call.args, in);
    redis_args_number(&call.args, (int64_t)in->limit);
    if (in->type != NULL)
        redis_args_text(&call.args, in->type);
    enum pawl_status status = redis_look(self, &call, &reply, err);
    if (status != PAWL_OK)
        return status;
    status = read_page(self, in, reply, out, err);
    freeReplyObject(reply);
    while (status != PAWL_OK && out->job_count > 0)
        pawl_job_free(out->jobs[--out->job_count]);
    return status;
}
