/* memory_index.h - an ordered map from byte strings to records.
 *
 * Invariants: keys are unique and rise as memcmp() orders them, a prefix before
 * what it begins. The node and the key live inside the record, so that adding
 * and removing never allocates and never fails: a step that has begun cannot
 * get stuck half-way. The key must not change while the node is in.
 */
#ifndef PAWL_STORAGE_MEMORY_INDEX_H
#define PAWL_STORAGE_MEMORY_INDEX_H

#include <stddef.h>
#include <stdint.h>

/* (rank, tie) as bytes that sort as the pair does. */
#define MEMORY_ORDER_SIZE 24
void memory_order_make(int64_t rank, const uint8_t tie[16],
                       uint8_t out[MEMORY_ORDER_SIZE]);
/* The same for a number alone: big-endian, the sign bit turned over. */
void memory_order_number(int64_t number, uint8_t out[8]);

struct memory_node {
    struct memory_node *child[2];
    void *item; /* the record this node is in */
    const void *key;
    uint32_t key_size;
    uint32_t weight;
};

struct memory_index { /* zeroed: empty */
    struct memory_node *root;
    size_t count;
    uint32_t seed;
};

void memory_index_add(struct memory_index *index, struct memory_node *node,
                      const void *key, size_t key_size, void *item);
void memory_index_remove(struct memory_index *index, struct memory_node *node);

/* The item with this key; NULL when there is none. So for all below. */
void *memory_index_find(const struct memory_index *index, const void *key,
                        size_t key_size);
void *memory_index_first(const struct memory_index *index);
void *memory_index_last(const struct memory_index *index);
/* The nearest item whose key is greater, or less, than this one, which need not
 * be in the index. */
void *memory_index_after(const struct memory_index *index, const void *key,
                         size_t key_size);
void *memory_index_before(const struct memory_index *index, const void *key,
                          size_t key_size);

#endif
