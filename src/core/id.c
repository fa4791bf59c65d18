/* id.c - making, writing and reading job ids.
 *
 * A UUIDv7 (RFC 9562): 48 bits of ms, 4 of version, 12 that count the ids of
 * one ms, 2 of variant, 16 of a hash of the queue's name, 46 random. The counter
 * makes the ids of one process rise strictly, which keeps a storage's tree
 * growing at its end; when 4,096 are not enough for a ms, the ms is run ahead,
 * as the RFC allows.
 */
#include <stdatomic.h>
#include <string.h>

#include "pawl/job.h"
#include "util/random.h"

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* ms << 12 | counter of the last id made by this process. */
static _Atomic uint64_t last_tick;

uint16_t pawl_queue_hash(const char *queue)
{
    uint32_t h = 2166136261u; /* FNV-1a, folded to 16 bits */

    for (; *queue; queue++)
        h = (h ^ (unsigned char)*queue) * 16777619u;
    return (uint16_t)(h ^ (h >> 16));
}

uint16_t pawl_id_queue_hash(struct pawl_id id)
{
    return (uint16_t)((id.b[9] << 8) | id.b[10]);
}

static uint64_t next_tick(pawl_time now)
{
    uint64_t floor = (uint64_t)now << 12;
    uint64_t last = atomic_load_explicit(&last_tick, memory_order_relaxed);
    uint64_t next;

    do
        next = last >= floor ? last + 1 : floor;
    while (!atomic_compare_exchange_weak_explicit(&last_tick, &last, next,
                                                  memory_order_relaxed,
                                                  memory_order_relaxed));
    return next;
}

struct pawl_id pawl_id_new(const char *queue, pawl_time now)
{
    uint64_t tick = next_tick(now);
    uint64_t ms = tick >> 12;
    uint16_t hash = pawl_queue_hash(queue);
    struct pawl_id id;
    int i;

    random_bytes(id.b + 8, 8);
    for (i = 0; i < 6; i++)
        id.b[i] = (uint8_t)(ms >> (40 - 8 * i));
    id.b[6] = (uint8_t)(0x70 | ((tick >> 8) & 0x0F));
    id.b[7] = (uint8_t)tick;
    id.b[8] = (uint8_t)(0x80 | (id.b[8] & 0x3F));
    id.b[9] = (uint8_t)(hash >> 8);
    id.b[10] = (uint8_t)hash;
    return id;
}

bool pawl_id_is_zero(struct pawl_id id)
{
    static const struct pawl_id zero;

    return memcmp(&id, &zero, sizeof id) == 0;
}

/* 26 digits of 5 bits hold 130: the first digit has two zero bits in front. */
void pawl_id_format(struct pawl_id id, char text[PAWL_ID_TEXT])
{
    unsigned bits = 0, count = 2;
    int at = 0, i;

    for (i = 0; i < 16; i++) {
        bits = (bits << 8) | id.b[i];
        count += 8;
        while (count >= 5) {
            count -= 5;
            text[at++] = digits[(bits >> count) & 31];
        }
    }
    text[at] = '\0';
}

static int digit_value(char c)
{
    const char *at;

    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'I' || c == 'L')
        c = '1';
    if (c == 'O')
        c = '0';
    at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

bool pawl_id_parse(const char *text, struct pawl_id *out)
{
    struct pawl_id id;
    unsigned bits = 0, count = 0;
    int at = 0, i;

    if (strlen(text) != PAWL_ID_TEXT - 1 || digit_value(text[0]) > 7)
        return false;
    for (i = 0; i < PAWL_ID_TEXT - 1; i++) {
        int value = digit_value(text[i]);
        if (value < 0)
            return false;
        bits = (bits << 5) | (unsigned)value;
        count += i == 0 ? 3 : 5;
        if (count >= 8) {
            count -= 8;
            id.b[at++] = (uint8_t)(bits >> count);
        }
    }
    *out = id;
    return true;
}
