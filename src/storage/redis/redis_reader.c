/* redis_reader.c - see redis_reader.h.
 *
 * hiredis makes an array as soon as it has read its size, and waits patiently for
 * the end of a text of any size that the server announces. So arrays are made by a
 * function of ours that counts first, and after each step that was not enough for
 * a whole reply the announced size is looked at here.
 */
#include "storage/redis/redis_reader.h"

#include <stdio.h>
#include <string.h>

#include "storage/redis/redis_conn.h"

/* hiredis gives its buffer back when it is empty and larger than this. Ours is
 * larger than its own 16 KiB, since a claim of many jobs would otherwise grow it
 * anew each time. */
#define BUFFER_KEPT (1u << 20)
/* A line has a number, a status or an error. */
#define LINE_MAX_SIZE 65536

static void break_it(struct redis_reader *reader, enum pawl_status status,
                     const char *problem)
{
    if (reader->status != PAWL_OK)
        return; /* the first reason is the true one */
    reader->status = status;
    snprintf(reader->problem, sizeof reader->problem, "%s", problem);
}

static void *make_array(const redisReadTask *task, redis_array_size size)
{
    struct redis_reader *reader = task->privdata;
    char problem[96];
    int depth = 1;
    for (const redisReadTask *up = task->parent; up; up = up->parent)
        depth++;
    reader->elements += (uint64_t)size;
    if (depth > REDIS_DEPTH_MAX) {
        snprintf(problem, sizeof problem, "a reply of more than %d levels",
                 REDIS_DEPTH_MAX);
        break_it(reader, PAWL_EFORMAT, problem);
        return NULL;
    }
    if (reader->elements > REDIS_ELEMENTS_MAX) {
        snprintf(problem, sizeof problem, "a reply of more than %d elements",
                 REDIS_ELEMENTS_MAX);
        break_it(reader, PAWL_EFORMAT, problem);
        return NULL;
    }
    return reader->make_array(task, size);
}

bool redis_reader_init(struct redis_reader *reader)
{
    memset(reader, 0, sizeof *reader);
    reader->base = redisReaderCreate();
    if (!reader->base)
        return false;
    reader->functions = *reader->base->fn;
    reader->make_array = reader->functions.createArray;
    reader->functions.createArray = make_array;
    reader->base->fn = &reader->functions;
    reader->base->privdata = reader;
    reader->base->maxbuf = BUFFER_KEPT;
    return true;
}

void redis_reader_clear(struct redis_reader *reader)
{
    if (reader->base)
        redisReaderFree(reader->base);
    memset(reader, 0, sizeof *reader);
}

/* hiredis found nonsense, or no memory (also where make_array() refused). */
static void adopt_error(struct redis_reader *reader)
{
    break_it(reader,
             reader->base->err == REDIS_ERR_OOM ? PAWL_ENOMEM : PAWL_EFORMAT,
             reader->base->errstr);
}

static void too_large(struct redis_reader *reader)
{
    char problem[96];
    snprintf(problem, sizeof problem, "a reply of more than %u bytes",
             REDIS_REPLY_MAX);
    break_it(reader, PAWL_EFORMAT, problem);
}

bool redis_reader_feed(struct redis_reader *reader, const void *bytes,
                       size_t size)
{
    if (reader->status != PAWL_OK)
        return false;
    if (reader->fed + size - reader->begun_at > REDIS_REPLY_MAX)
        too_large(reader);
    else if (redisReaderFeed(reader->base, bytes, size) != REDIS_OK)
        adopt_error(reader);
    reader->fed += size;
    return reader->status == PAWL_OK;
}

/* hiredis wants more. Where a whole line is unread nevertheless, it is the size of
 * a text whose end is not here yet: all other lines would have been read. */
static void check_unread(struct redis_reader *reader)
{
    const char *unread = reader->base->buf + reader->base->pos;
    size_t size = reader->base->len - reader->base->pos;
    uint64_t announced = 0;
    if (!memmem(unread, size < LINE_MAX_SIZE ? size : LINE_MAX_SIZE, "\r\n", 2)) {
        if (size >= LINE_MAX_SIZE)
            break_it(reader, PAWL_EFORMAT, "a line without end");
        return;
    }
    for (; *unread >= '0' && *unread <= '9' && announced <= REDIS_REPLY_MAX; unread++)
        announced = announced * 10 + (uint64_t)(*unread - '0');
    if (announced > REDIS_REPLY_MAX)
        too_large(reader);
}

int redis_reader_next(struct redis_reader *reader, redisReply **out)
{
    void *reply = NULL;
    if (reader->status != PAWL_OK)
        return -1;
    if (redisReaderGetReply(reader->base, &reply) != REDIS_OK) {
        adopt_error(reader);
        return -1;
    }
    if (!reply) {
        check_unread(reader);
        return reader->status == PAWL_OK ? 0 : -1;
    }
    reader->begun_at = reader->fed - (reader->base->len - reader->base->pos);
    reader->elements = 0;
    *out = reply;
    return 1;
}

bool redis_reader_holds(const struct redis_reader *reader)
{
    return reader->fed != reader->begun_at;
}
