/* redis_args.c - the words of a command, without an allocation for each.
 *
 * Numbers and packed bytes lie in blocks that never move, so that the pointers to
 * them stay right while more words are added. A word too large for the rest of a
 * block gets a new one, at least as large as itself. */
#include "storage/redis/redis_call.h"

#include <stdlib.h>
#include <string.h>

#include "storage/redis/redis_bytes.h"

/* The first ones are enough for one job, and of a size that malloc() has at hand. */
#define BLOCK_FIRST 512
#define BLOCK_SIZE  4096
#define ROOM_FIRST  32

/* Room for one more word and its size. */
static bool args_grow(struct redis_args *args)
{
    int room = args->room ? 2 * args->room : ROOM_FIRST;
    const char **argv;
    size_t *sizes;

    if (args->count < args->room)
        return true;
    argv = realloc(args->argv, (size_t)room * sizeof *argv);
    if (argv)
        args->argv = argv;
    sizes = realloc(args->sizes, (size_t)room * sizeof *sizes);
    if (sizes)
        args->sizes = sizes;
    if (!argv || !sizes)
        return false;
    args->room = room;
    return true;
}

/* The newest block is the last one, and its free bytes are at its end. */
static char *args_block(struct redis_args *args, size_t size)
{
    size_t least = args->block_count == 0 ? BLOCK_FIRST : BLOCK_SIZE;
    size_t block_size = size > least ? size : least;
    int room = args->block_room ? 2 * args->block_room : 4;
    char **blocks = args->blocks;

    if (args->block_count == args->block_room) {
        blocks = realloc(blocks, (size_t)room * sizeof *blocks);
        if (!blocks)
            return NULL;
        args->blocks = blocks;
        args->block_room = room;
    }
    blocks[args->block_count] = malloc(block_size);
    if (!blocks[args->block_count])
        return NULL;
    args->block_end = blocks[args->block_count++] + block_size;
    args->block_left = block_size;
    return args->block_end - block_size;
}

void redis_args_add(struct redis_args *args, const void *bytes, size_t size)
{
    if (args->failed || !args_grow(args)) {
        args->failed = true;
        return;
    }
    args->argv[args->count] = size > 0 ? bytes : "";
    args->sizes[args->count++] = size;
}

void redis_args_text(struct redis_args *args, const char *text)
{
    redis_args_add(args, text, strlen(text));
}

void *redis_args_space(struct redis_args *args, size_t size)
{
    char *at = "";

    if (args->failed)
        return NULL;
    if (size > args->block_left && !args_block(args, size)) {
        args->failed = true;
        return NULL;
    }
    if (size > 0)
        at = args->block_end - args->block_left;
    args->block_left -= size;
    redis_args_add(args, at, size);
    return args->failed ? NULL : at;
}

void redis_args_number(struct redis_args *args, int64_t number)
{
    char text[24] = "-", *digits = text + (number < 0);
    uint64_t magnitude = number < 0 ? -(uint64_t)number : (uint64_t)number;
    size_t size = (size_t)(redis_digits_write(digits, magnitude) - text);
    void *at = redis_args_space(args, size);

    if (at)
        memcpy(at, text, size);
}

void redis_args_clear(struct redis_args *args)
{
    while (args->block_count > 0)
        free(args->blocks[--args->block_count]);
    free(args->blocks);
    free(args->argv);
    free(args->sizes);
    *args = (struct redis_args){ 0 };
}
