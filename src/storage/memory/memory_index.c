/* memory_index.c - a treap: a search tree by key that is also a heap by random
 * weight, which keeps it about 2 log n deep whatever order the keys come in.
 * Chosen because adding is one split and removing one merge, and both fit in a
 * loop of five lines. */
#include "storage/memory/memory_index.h"

#include <stdbool.h>
#include <string.h>

void memory_order_number(int64_t number, uint8_t out[8])
{
    uint64_t bits = (uint64_t)number ^ (UINT64_C(1) << 63);
    for (int i = 7; i >= 0; i--) {
        out[i] = (uint8_t)(bits & 0xff);
        bits >>= 8;
    }
}

void memory_order_make(int64_t rank, const uint8_t tie[16],
                       uint8_t out[MEMORY_ORDER_SIZE])
{
    memory_order_number(rank, out);
    memcpy(out + 8, tie, 16);
}

enum { LESS = 0, GREATER = 1 };

static int compare(const struct memory_node *node, const void *key, size_t size)
{
    size_t common = node->key_size < size ? node->key_size : size;
    int order = common == 0 ? 0 : memcmp(node->key, key, common);
    if (order != 0)
        return order;
    return (node->key_size > size) - (node->key_size < size);
}

/* xorshift32: the weights need to be spread out, not secret. */
static uint32_t next_weight(struct memory_index *index)
{
    uint32_t x = index->seed == 0 ? 2463534242u : index->seed;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    index->seed = x;
    return x;
}

void memory_index_add(struct memory_index *index, struct memory_node *node,
                      const void *key, size_t key_size, void *item)
{
    node->item = item;
    node->key = key;
    node->key_size = (uint32_t)key_size;
    node->weight = next_weight(index);
    index->count++;

    struct memory_node **link = &index->root;
    while (*link != NULL && (*link)->weight >= node->weight)
        link = &(*link)->child[compare(*link, key, key_size) < 0];

    struct memory_node *rest = *link;
    struct memory_node **less = &node->child[LESS];
    struct memory_node **greater = &node->child[GREATER];
    *link = node;
    while (rest != NULL) {
        struct memory_node ***side = &greater;
        int inner = LESS;
        if (compare(rest, key, key_size) < 0) {
            side = &less;
            inner = GREATER;
        }
        **side = rest;
        *side = &rest->child[inner];
        rest = rest->child[inner];
    }
    *less = NULL;
    *greater = NULL;
}

void memory_index_remove(struct memory_index *index, struct memory_node *node)
{
    struct memory_node **link = &index->root;
    while (*link != node)
        link = &(*link)->child[compare(*link, node->key, node->key_size) < 0];

    struct memory_node *less = node->child[LESS];
    struct memory_node *greater = node->child[GREATER];
    while (less != NULL && greater != NULL) {
        if (less->weight > greater->weight) {
            *link = less;
            link = &less->child[GREATER];
            less = *link;
        } else {
            *link = greater;
            link = &greater->child[LESS];
            greater = *link;
        }
    }
    *link = less != NULL ? less : greater;
    index->count--;
}

void *memory_index_find(const struct memory_index *index, const void *key,
                        size_t key_size)
{
    const struct memory_node *node = index->root;
    while (node != NULL) {
        int order = compare(node, key, key_size);
        if (order == 0)
            return node->item;
        node = node->child[order < 0];
    }
    return NULL;
}

static void *outermost(const struct memory_index *index, int side)
{
    const struct memory_node *node = index->root;
    while (node != NULL && node->child[side] != NULL)
        node = node->child[side];
    return node == NULL ? NULL : node->item;
}

void *memory_index_first(const struct memory_index *index)
{
    return outermost(index, LESS);
}

void *memory_index_last(const struct memory_index *index)
{
    return outermost(index, GREATER);
}

void *memory_index_after(const struct memory_index *index, const void *key,
                         size_t key_size)
{
    const struct memory_node *node = index->root;
    void *best = NULL;
    while (node != NULL) {
        bool greater = compare(node, key, key_size) > 0;
        if (greater)
            best = node->item;
        node = node->child[greater ? LESS : GREATER];
    }
    return best;
}

void *memory_index_before(const struct memory_index *index, const void *key,
                          size_t key_size)
{
    const struct memory_node *node = index->root;
    void *best = NULL;
    while (node != NULL) {
        bool less = compare(node, key, key_size) < 0;
        if (less)
            best = node->item;
        node = node->child[less ? GREATER : LESS];
    }
    return best;
}
