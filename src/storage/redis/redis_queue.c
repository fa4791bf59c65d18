/* redis_queue.c - see redis_queue.h. */
#include "storage/redis/redis_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const key_names[REDIS_KEY_COUNT] = {
    [REDIS_KEY_META] = "meta",
    [REDIS_KEY_JOBS] = "jobs",
    [REDIS_KEY_HEADS] = "heads",
    [REDIS_KEY_ERRORS] = "errors",
    [REDIS_KEY_RESULTS] = "results",
    [REDIS_KEY_SCHEDULED] = "scheduled",
    [REDIS_KEY_FAILED] = "failed",
    [REDIS_KEY_LEASES] = "leases",
    [REDIS_KEY_STRAYS] = "strays",
    [REDIS_KEY_HOLDS] = "holds",
    [REDIS_KEY_UNIQUE] = "keys",
    [REDIS_KEY_UNIQUE_TIMES] = "key_times",
    [REDIS_KEY_SESSIONS] = "sessions",
    [REDIS_KEY_CLAIMS] = "claims",
    [REDIS_KEY_WAKE] = "wake",
    [REDIS_KEY_LINE_FIRST + 0] = "pending:1",
    [REDIS_KEY_LINE_FIRST + 1] = "pending:2",
    [REDIS_KEY_LINE_FIRST + 2] = "pending:3",
    [REDIS_KEY_LINE_FIRST + 3] = "pending:4",
    [REDIS_KEY_LINE_FIRST + 4] = "pending:5",
    [REDIS_KEY_LINE_FIRST + 5] = "pending:6",
    [REDIS_KEY_LINE_FIRST + 6] = "pending:7",
    [REDIS_KEY_LINE_FIRST + 7] = "pending:8",
    [REDIS_KEY_LINE_FIRST + 8] = "pending:9",
    [REDIS_KEY_LINE_FIRST + 9] = "pending:10",
    [REDIS_KEY_LINE_FIRST + 10] = "completed",
    [REDIS_KEY_LINE_FIRST + 11] = "dead",
    [REDIS_KEY_LINE_FIRST + 12] = "cancelled",
    [REDIS_KEY_LINE_FIRST + 13] = "held",
};

/* --- names ------------------------------------------------------------------ */

/* A brace would end the tag early, and '%' begins what is encoded. */
static bool is_encoded(unsigned char c)
{
    return c < 33 || c == 127 || c == '%' || c == '{' || c == '}';
}

char *redis_queue_tag(const char *prefix, const char *name)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t prefix_size = strlen(prefix);
    char *tag = malloc(prefix_size + 3 * strlen(name) + sizeof "{}:");
    if (tag == NULL)
        return NULL;
    char *at = tag + prefix_size;
    memcpy(tag, prefix, prefix_size);
    *at++ = '{';
    for (; *name != '\0'; name++) {
        unsigned char c = (unsigned char)*name;
        if (is_encoded(c)) {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        } else {
            *at++ = *name;
        }
    }
    memcpy(at, "}:", sizeof "}:");
    return tag;
}

/* --- the table -------------------------------------------------------------- */

void redis_queues_init(struct redis_queues *queues)
{
    pthread_mutex_init(&queues->mutex, NULL);
    queues->first = NULL;
}

static void queue_free(struct redis_queue *queue)
{
    while (queue->owners != NULL) {
        struct redis_owner_turns *owner = queue->owners;
        queue->owners = owner->next;
        free(owner);
    }
    for (int i = 0; i < REDIS_KEY_COUNT; i++)
        free(queue->keys[i]);
    free(queue);
}

void redis_queues_clear(struct redis_queues *queues)
{
    while (queues->first != NULL) {
        struct redis_queue *queue = queues->first;
        queues->first = queue->next;
        queue_free(queue);
    }
    pthread_mutex_destroy(&queues->mutex);
}

/* False: out of memory. */
static bool make_keys(struct redis_queue *queue, const char *prefix)
{
    char *tag = redis_queue_tag(prefix, queue->name);
    bool made = tag != NULL;
    for (int i = 0; made && i < REDIS_KEY_COUNT; i++) {
        size_t size = strlen(tag) + strlen(key_names[i]);
        queue->keys[i] = malloc(size + 1);
        queue->key_sizes[i] = size;
        made = queue->keys[i] != NULL;
        if (made)
            snprintf(queue->keys[i], size + 1, "%s%s", tag, key_names[i]);
    }
    free(tag);
    return made;
}

static struct redis_queue *queue_new(const char *prefix, const char *name)
{
    size_t size = strlen(name) + 1;
    struct redis_queue *queue = calloc(1, sizeof *queue + size);
    if (queue == NULL)
        return NULL;
    memcpy(queue->name, name, size);
    if (!make_keys(queue, prefix)) {
        queue_free(queue);
        return NULL;
    }
    queue->slot = redis_key_slot(queue->keys[0], queue->key_sizes[0]);
    return queue;
}

struct redis_queue *redis_queue_at(struct redis_queues *queues, const char *prefix,
                                   const char *name)
{
    pthread_mutex_lock(&queues->mutex);
    struct redis_queue **link = &queues->first;
    while (*link != NULL && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    struct redis_queue *queue = *link;
    if (queue == NULL)
        queue = queue_new(prefix, name);
    else
        *link = queue->next;
    if (queue != NULL) { /* to the front: the same one is wanted soon */
        queue->next = queues->first;
        queues->first = queue;
    }
    pthread_mutex_unlock(&queues->mutex);
    return queue;
}

/* --- turns ------------------------------------------------------------------ */

/* The owner's entry, made if need be; NULL: out of memory. With the mutex. */
static struct redis_owner_turns *owner_at(struct redis_queue *queue,
                                          struct pawl_owner id)
{
    struct redis_owner_turns *owner = queue->owners;
    while (owner != NULL && memcmp(&owner->owner, &id, sizeof id) != 0)
        owner = owner->next;
    if (owner != NULL)
        return owner;
    owner = calloc(1, sizeof *owner);
    if (owner == NULL)
        return NULL;
    for (unsigned i = 0; i < REDIS_TURNS_KEPT; i++)
        owner->turns[i].number = i;
    owner->owner = id;
    owner->next = queue->owners;
    queue->owners = owner;
    return owner;
}

/* One whose claim is to be asked for again, else one that is free, whose next number
 * then is new where it is kept. A fifth exchange at once shares: it is served, but
 * one of the two could lose its claim with its reply. */
static struct redis_turn *pick_turn(struct redis_owner_turns *owner)
{
    struct redis_turn *turns = owner->turns, *pick = NULL;
    for (int i = REDIS_TURNS_KEPT - 1; i >= 0; i--) {
        if (turns[i].busy)
            continue;
        if (turns[i].unfinished)
            return &turns[i];
        pick = &turns[i];
    }
    if (pick == NULL)
        pick = &turns[owner->crowd++ % REDIS_TURNS_KEPT];
    pick->number += REDIS_TURNS_KEPT;
    pick->from = 0;
    return pick;
}

bool redis_turn_begin(struct redis_queues *queues, struct redis_queue *queue,
                      struct pawl_owner id, struct redis_turn *out)
{
    pthread_mutex_lock(&queues->mutex);
    struct redis_owner_turns *owner = owner_at(queue, id);
    if (owner != NULL) {
        struct redis_turn *turn = pick_turn(owner);
        turn->busy = true;
        *out = *turn;
    }
    pthread_mutex_unlock(&queues->mutex);
    return owner != NULL;
}

void redis_turn_end(struct redis_queues *queues, struct redis_queue *queue,
                    struct pawl_owner id, const struct redis_turn *turn,
                    bool answered, uint32_t rest)
{
    pthread_mutex_lock(&queues->mutex);
    struct redis_owner_turns *owner = owner_at(queue, id);
    struct redis_turn *kept =
        owner == NULL ? NULL : &owner->turns[turn->number % REDIS_TURNS_KEPT];
    if (kept != NULL && kept->number == turn->number) { /* else: it was shared */
        kept->busy = false;
        kept->unfinished = !answered || rest > 0;
        if (answered)
            kept->from = rest;
    }
    pthread_mutex_unlock(&queues->mutex);
}
