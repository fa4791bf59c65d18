/* redis_info.h - one server's own account of itself: INFO, CONFIG GET, PING. */
#ifndef PAWL_STORAGE_REDIS_INFO_H
#define PAWL_STORAGE_REDIS_INFO_H

#include "storage/redis/redis_pool.h"

struct redis_info {
    char address[REDIS_TEXT_MAX + 10];
    char engine[64]; /* "redis 7.0.15" */
    int major;       /* 7; of the Redis that it is, or is compatible with */
    char run_id[64];
    bool replica;
    char policy[32]; /* of eviction */
    int64_t memory, memory_most; /* bytes; 0: no limit */
    int64_t clients, clients_most;
    int64_t replicas; /* connected */
    int64_t uptime; /* s */
    bool aof;
    bool snapshots;   /* one was made since it runs */
    bool write_failed; /* the latest AOF write, AOF rewrite or snapshot */
    /* What CONFIG GET says, where that is allowed. */
    bool config_known;
    char fsync[16]; /* "always", "everysec", "no" */
    bool saves;     /* snapshots are made */
    int ping_least, ping_median, ping_most; /* us */
};

/* Ask the server of this pool. */
enum pawl_status redis_info_ask(struct redis_pool *pool, int64_t deadline,
                                struct redis_info *out, struct pawl_error *err);

#endif
