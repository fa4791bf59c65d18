/* worker_held.h - the record of one job that a worker holds.
 *
 * A record goes round: spare -> ready -> with its run -> outbox -> in flight ->
 * spare. It is always in exactly one list, or a run's. Records come from one
 * array made with the worker, so that a job costs no allocation of its own and
 * what a worker holds is bounded.
 */
#ifndef PAWL_CORE_WORKER_HELD_H
#define PAWL_CORE_WORKER_HELD_H

#include "core/worker_verdict.h"

struct worker_queue;

struct held {
    struct held *next;
    struct worker_queue *queue;
    struct pawl_job *job; /* until it is run; the run owns it from then on */
    int64_t leased_ns;    /* when its lease was last asked for */
    struct ending ending; /* id, epoch, origin; released until it has run */
};

struct held_list { /* zeroed: empty. First in, first out */
    struct held *first, *last;
    size_t count;
};

static inline void held_push(struct held_list *list, struct held *held)
{
    held->next = NULL;
    if (list->last)
        list->last->next = held;
    else
        list->first = held;
    list->last = held;
    list->count++;
}

/* NULL when there is none. */
static inline struct held *held_pop(struct held_list *list)
{
    struct held *held = list->first;

    if (!held)
        return NULL;
    list->first = held->next;
    if (!list->first)
        list->last = NULL;
    list->count--;
    return held;
}

/* All of `from` behind `list`; `from` is empty afterwards. */
static inline void held_append(struct held_list *list, struct held_list *from)
{
    if (!from->first)
        return;
    if (list->last)
        list->last->next = from->first;
    else
        list->first = from->first;
    list->last = from->last;
    list->count += from->count;
    *from = (struct held_list){ 0 };
}

/* Free what the record holds; the record itself can be used again. */
void held_clear(struct held *held);

#endif
