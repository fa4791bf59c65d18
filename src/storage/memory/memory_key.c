/* memory_key.c - see memory_key.h. */
#include "storage/memory/memory_key.h"

#include <stdlib.h>
#include <string.h>

struct memory_key *memory_key_new(const struct pawl_new_job *job, pawl_time now)
{
    size_t size = strlen(job->key);
    struct memory_key *key = calloc(1, sizeof *key + size);
    if (key == NULL)
        return NULL;
    key->id = job->id;
    key->until = job->key_ttl > 0 ? now + job->key_ttl : 0;
    key->throttle = job->key_mode == PAWL_KEY_THROTTLE;
    key->text_size = size;
    memcpy(key->text, job->key, size);
    return key;
}

bool memory_key_over(const struct memory_key *key, pawl_time now)
{
    return key->until != 0 && key->until <= now;
}

struct memory_key *memory_key_holder(struct memory_keys *keys,
                                     const struct memory_key *key, pawl_time now)
{
    struct memory_key *holder =
        memory_index_find(&keys->by_text, key->text, key->text_size);
    if (holder != NULL && memory_key_over(holder, now)) {
        memory_key_release(keys, holder);
        holder = NULL;
    }
    return holder;
}

void memory_key_take(struct memory_keys *keys, struct memory_key *key)
{
    key->held = true;
    memory_index_add(&keys->by_text, &key->by_text, key->text, key->text_size, key);
    if (key->until == 0)
        return;
    memory_order_number(key->until, key->order);
    memory_order_number(keys->serial++, key->order + 8);
    memory_index_add(&keys->by_until, &key->by_until, key->order,
                     sizeof key->order, key);
}

void memory_key_release(struct memory_keys *keys, struct memory_key *key)
{
    if (key == NULL || !key->held)
        return;
    key->held = false;
    memory_index_remove(&keys->by_text, &key->by_text);
    if (key->until != 0)
        memory_index_remove(&keys->by_until, &key->by_until);
    if (key->orphan)
        free(key);
}

void memory_key_drop(struct memory_keys *keys, struct memory_key *key)
{
    if (key == NULL)
        return;
    key->orphan = true;
    if (!key->held)
        free(key);
    else if (!key->throttle)
        memory_key_release(keys, key);
}

void memory_key_sweep(struct memory_keys *keys, pawl_time now, size_t limit)
{
    for (size_t i = 0; i < limit; i++) {
        struct memory_key *key = memory_index_first(&keys->by_until);
        if (key == NULL || !memory_key_over(key, now))
            return;
        memory_key_release(keys, key);
    }
}
