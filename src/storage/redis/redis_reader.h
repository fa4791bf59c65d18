/* redis_reader.h - bytes from a server into replies, within limits.
 *
 * hiredis' reader does the parsing; what a hostile or broken server may make us
 * hold is decided here, before room is made for it: how deep, how many elements,
 * how many bytes. Once broken it stays so.
 */
#ifndef PAWL_STORAGE_REDIS_READER_H
#define PAWL_STORAGE_REDIS_READER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pawl/status.h"

/* The type of an array's size changed with hiredis 1.0. */
#if HIREDIS_MAJOR >= 1
typedef size_t redis_array_size;
#else
typedef int redis_array_size;
#endif

struct redis_reader {
    redisReader *base;
    redisReplyObjectFunctions functions;
    void *(*make_array)(const redisReadTask *, redis_array_size);
    uint64_t fed;      /* bytes since ever */
    uint64_t begun_at; /* `fed` where the reply that is being read begins */
    uint64_t elements; /* of it, in all its arrays */
    enum pawl_status status; /* EFORMAT or ENOMEM when broken */
    char problem[160];       /* why it is broken, for messages */
};

/* false: out of memory. */
bool redis_reader_init(struct redis_reader *reader);
/* A zeroed one is fine. */
void redis_reader_clear(struct redis_reader *reader);
/* false: broken. */
bool redis_reader_feed(struct redis_reader *reader, const void *bytes,
                       size_t size);
/* 1: *out is a whole reply, the caller's; 0: more bytes are needed; -1: broken. */
int redis_reader_next(struct redis_reader *reader, redisReply **out);
/* Bytes that are here and not part of a reply that was handed out. */
bool redis_reader_holds(const struct redis_reader *reader);

#endif
