/* redis_bytes.h - numbers as words and records have them: whole bytes, the highest
 * first; or digits.
 */
#ifndef PAWL_STORAGE_REDIS_BYTES_H
#define PAWL_STORAGE_REDIS_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* The lowest `size` (at most 8) bytes of it. Where the next field begins. */
static inline uint8_t *redis_bytes_write(uint8_t *at, uint64_t number, size_t size)
{
    for (size_t i = size; i-- > 0; number >>= 8)
        at[i] = (uint8_t)number;
    return at + size;
}

static inline uint64_t redis_bytes_read(const uint8_t *at, size_t size)
{
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++)
        number = number << 8 | at[i];
    return number;
}

/* Decimal, at most 20 digits and nothing behind them. Where they end. (snprintf()
 * takes ten times as long, and a request has some forty numbers.) */
static inline char *redis_digits_write(char *at, uint64_t number)
{
    size_t size = 1;
    for (uint64_t rest = number; rest >= 10; rest /= 10)
        size++;
    for (size_t i = size; i-- > 0; number /= 10)
        at[i] = (char)('0' + number % 10);
    return at + size;
}

#endif
