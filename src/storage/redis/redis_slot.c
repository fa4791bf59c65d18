/* redis_slot.c - the slot of a key, as the Cluster specification reckons it. */
#include "storage/redis/redis_route.h"

#include <string.h>

/* CRC-16/XMODEM: polynomial 0x1021, from 0, bits not turned round. Keys are short,
 * and each queue's slot is reckoned once, so there is no table. */
static unsigned crc16(const char *bytes, size_t size)
{
    unsigned crc = 0;
    size_t i;
    int bit;

    for (i = 0; i < size; i++) {
        crc ^= (unsigned)(unsigned char)bytes[i] << 8;
        for (bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
        crc &= 0xffff;
    }
    return crc;
}

int redis_key_slot(const char *key, size_t size)
{
    const char *open = memchr(key, '{', size), *close = NULL;

    if (open) {
        open++;
        close = memchr(open, '}', size - (size_t)(open - key));
    }
    if (close && close > open) {
        key = open;
        size = (size_t)(close - open);
    }
    return (int)(crc16(key, size) % REDIS_SLOTS);
}
