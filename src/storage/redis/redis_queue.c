/* redis_queue.c - see redis_queue.h. */
#include "storage/redis/redis_queue.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_FIRST 64
#define TABLE_MOST  65536 /* there are no more hashes */

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

/* --- one queue -------------------------------------------------------------- */

static void queue_free(struct redis_queue *queue)
{
    while (queue->owners != NULL) {
        struct redis_owner_turns *owner = queue->owners;
        queue->owners = owner->next;
        free(owner);
    }
    free(queue);
}

/* The queue, its name and all its keys in one block; NULL: out of memory. */
static struct redis_queue *queue_alloc(const char *name, const char *tag)
{
    size_t name_size = strlen(name) + 1, tag_size = strlen(tag);
    size_t size = sizeof(struct redis_queue) + name_size;
    for (int i = 0; i < REDIS_KEY_COUNT; i++)
        size += tag_size + strlen(key_names[i]) + 1;
    struct redis_queue *queue = calloc(1, size);
    if (queue == NULL)
        return NULL;
    memcpy(queue->name, name, name_size);
    char *at = queue->name + name_size;
    for (int i = 0; i < REDIS_KEY_COUNT; i++) {
        size_t key_size = strlen(key_names[i]);
        queue->keys[i] = at;
        queue->key_sizes[i] = tag_size + key_size;
        memcpy(at, tag, tag_size);
        memcpy(at + tag_size, key_names[i], key_size + 1);
        at += tag_size + key_size + 1;
    }
    return queue;
}

static struct redis_queue *queue_new(const char *prefix, const char *name,
                                     uint16_t hash)
{
    char *tag = redis_queue_tag(prefix, name);
    struct redis_queue *queue = tag == NULL ? NULL : queue_alloc(name, tag);
    free(tag);
    if (queue == NULL)
        return NULL;
    queue->hash = hash;
    queue->slot = redis_key_slot(queue->keys[0], queue->key_sizes[0]);
    return queue;
}

/* --- the table -------------------------------------------------------------- */

void redis_queues_init(struct redis_queues *queues)
{
    *queues = (struct redis_queues){ .first = NULL };
    pthread_mutex_init(&queues->mutex, NULL);
}

void redis_queues_clear(struct redis_queues *queues)
{
    while (queues->first != NULL) {
        struct redis_queue *queue = queues->first;
        queues->first = queue->next;
        queue_free(queue);
    }
    free(queues->table);
    queues->table = NULL;
    pthread_mutex_destroy(&queues->mutex);
}

static struct redis_queue **place_of(const struct redis_queues *queues,
                                     uint16_t hash)
{
    return &queues->table[hash & (queues->table_size - 1)];
}

/* Twice as large, or the first one. Without memory the one there is does, if there
 * is one; more places than hashes would stay empty. */
static bool table_grow(struct redis_queues *queues)
{
    size_t size = queues->table_size == 0 ? TABLE_FIRST : 2 * queues->table_size;
    struct redis_queue **table = size > TABLE_MOST ? NULL : calloc(size, sizeof *table);
    if (table == NULL)
        return queues->table_size > 0;
    free(queues->table);
    queues->table = table;
    queues->table_size = size;
    for (struct redis_queue *queue = queues->first; queue != NULL;
         queue = queue->next) {
        struct redis_queue **place = place_of(queues, queue->hash);
        queue->next_alike = *place;
        *place = queue;
    }
    return true;
}

static bool table_add(struct redis_queues *queues, struct redis_queue *queue)
{
    if (queues->count >= queues->table_size && !table_grow(queues))
        return false;
    struct redis_queue **place = place_of(queues, queue->hash);
    queue->next_alike = *place;
    *place = queue;
    queue->next = queues->first;
    queues->first = queue;
    queues->count++;
    return true;
}

static struct redis_queue *table_find(const struct redis_queues *queues,
                                      const char *name, uint16_t hash)
{
    struct redis_queue *queue =
        queues->table_size == 0 ? NULL : *place_of(queues, hash);
    while (queue != NULL && (queue->hash != hash || strcmp(queue->name, name) != 0))
        queue = queue->next_alike;
    return queue;
}

struct redis_queue *redis_queue_at(struct redis_queues *queues, const char *prefix,
                                   const char *name)
{
    uint16_t hash = pawl_queue_hash(name);
    pthread_mutex_lock(&queues->mutex);
    struct redis_queue *queue = table_find(queues, name, hash);
    if (queue == NULL) {
        queue = queue_new(prefix, name, hash);
        if (queue != NULL && !table_add(queues, queue)) {
            queue_free(queue);
            queue = NULL;
        }
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
