/* model.h - the same random steps on several storages.
 *
 * Side 0 is always the memory storage, the readable one; the others are what
 * PAWL_TEST_STORAGE names. All see the same clock, which only the model moves,
 * so that every reply of each must be the same as that of side 0, but for what
 * docs/storage-contract.md leaves open.
 */
#ifndef PAWL_TEST_MODEL_H
#define PAWL_TEST_MODEL_H

#include "fake_clock.h"
#include "flavour.h"
#include "storage/storage.h"

enum {
    SIDES = 4, /* at most */
    INSTANCES = 2,
    QUEUES = 4,
    SESSIONS = 2,
    OWNERS = 2,  /* of each instance */
    SENT = 16,   /* puts that may be sent again, per session and queue */
    BATCH = 300, /* most jobs, outcomes, claims or ids in one call */
    IDS = 1024,  /* latest ids remembered */
    CLAIMS = 2048, /* latest claims remembered */
    MOVERS = 2,
    HELD = 512 /* latest jobs held remembered */
};

/* How large it all becomes. */
struct scale {
    size_t crowd;  /* jobs: then more goes out than comes in */
    size_t batch;  /* a large call, up to BATCH */
    unsigned large; /* percent of the calls that are large */
    size_t claims, held; /* latest that are still used, up to CLAIMS, HELD */
    int64_t keep;  /* times as many finished jobs are kept, as long */
};

struct side {
    const char *name;
    const struct flavour *flavour;
    char url[FLAVOUR_URL_MAX];
    struct pawl_storage *instance[INSTANCES];
};

struct known_id {
    struct pawl_id id;
    int queue;
};

/* A claim, and the outcome that was written for it, if any. */
struct known_claim {
    struct pawl_id id;
    struct pawl_owner owner;
    uint32_t epoch;
    uint64_t origin[SIDES];
    int instance, queue;
    bool written;
    struct pawl_outcome outcome;
};

/* A job that was handed over to a mover, settled since or not. */
struct known_held {
    struct pawl_id id;
    int mover, queue;
    char key[8]; /* the longest that model_put.c makes has 6 bytes */
    enum pawl_key_mode key_mode;
    pawl_duration key_ttl;
    pawl_time enqueued_at;
};

struct sent_put {
    uint64_t seq;
    size_t count;
    bool brought; /* it was a bring_in, of `whole`, not a put */
    struct pawl_new_job jobs[BATCH];
    struct pawl_job whole[BATCH];
};

struct sender { /* one session on one queue */
    uint64_t last_seq, skipped_seq; /* the latter: to be used later, or 0 */
    struct sent_put sent[SENT];
};

struct model {
    uint64_t seed, random;
    const struct scale *scale;
    size_t step;
    const char *op;
    size_t job_count; /* at the last dump */
    uint64_t tick;    /* of the last id made */
    struct fake_clock clock;
    int sides;
    struct side side[SIDES];
    struct pawl_owner owner[INSTANCES][OWNERS];
    uint64_t owners_made;
    struct sender sender[SESSIONS][QUEUES];
    struct known_id ids[IDS];
    size_t id_count;
    struct known_claim claims[CLAIMS];
    size_t claim_count;
    struct known_held held[HELD];
    size_t held_count;
};

extern const char *const model_queues[QUEUES];

/* --- chance (model_random.c) ------------------------------------------------- */
uint64_t chance_next(struct model *m);
/* 0 .. below - 1 */
size_t chance(struct model *m, size_t below);
/* True in `percent` of cases. */
bool chance_of(struct model *m, unsigned percent);
/* 0 .. `usually` - 1, or sometimes up to a large call's number less one. */
size_t chance_large(struct model *m, size_t usually);

/* --- steps (model_put.c, model_move.c, model_ops.c) ------------------------------ */
void op_put(struct model *m);
void op_resend(struct model *m);
void op_take_out(struct model *m);
void op_bring_in(struct model *m);
void op_tally(struct model *m);
void op_exchange(struct model *m);
void op_renew(struct model *m);
void op_sweep(struct model *m);
void op_alter_named(struct model *m);
void op_alter_matching(struct model *m);
void op_alter_queue(struct model *m);
void op_get(struct model *m);
void op_list(struct model *m);
void op_time(struct model *m);
void op_reopen(struct model *m);
/* Compare all jobs of all states and all numbers. */
void op_dump(struct model *m);

struct pawl_id model_new_id(struct model *m, int queue);
struct pawl_id model_some_id(struct model *m, int queue);
/* The next put of a session: a new seq, and how many jobs. */
struct sent_put *model_next_put(struct model *m, int session, int queue);
struct pawl_session model_session(int session);
struct pawl_new_job model_random_job(struct model *m, int queue);
void model_bring_all(struct model *m, int session, int queue,
                      const struct sent_put *put);
void same_put_results(const struct model *m, size_t count,
                      struct pawl_put_result results[SIDES][BATCH]);
struct pawl_retention model_retention(struct model *m);

/* --- comparing (model_compare.c) -------------------------------------------------- */
/* These end the program, saying where and what, when `other`, which is what side
 * `s` answered, is not what the memory storage did. */
void same_number(const struct model *m, int s, const char *what, int64_t memory,
                 int64_t other);
void same_status(const struct model *m, int s, const char *what,
                 enum pawl_status memory, enum pawl_status other);
void same_text(const struct model *m, int s, const char *what, const char *memory,
               const char *other);
void same_bytes(const struct model *m, int s, const char *what, const void *memory,
                size_t memory_size, const void *other, size_t other_size);
void same_id(const struct model *m, int s, const char *what, struct pawl_id memory,
             struct pawl_id other);
void same_job(const struct model *m, int s, const struct pawl_job *memory,
              const struct pawl_job *other);
void same_stats(const struct model *m, int s, const struct pawl_stats *memory,
                const struct pawl_stats *other);
/* A call must answer the same on all sides. */
void same_answers(const struct model *m, const char *call,
                  const enum pawl_status status[SIDES],
                  const struct pawl_error err[SIDES]);

#endif
