/* redis_pool.c - see redis_pool.h.
 *
 * Who has to wait stands in a line, and only the first of it acts: takes what came
 * back, or connects, or waits out the pause. So nobody starves while others take
 * and give in a circle. While it is not sure that the server is there, one thread
 * at a time tries; the others hear of its failure, which counts for them as well.
 *
 * When one connection broke, the others are probably dead too (the server was
 * restarted), so each is looked at before it is lent again, as is one that was idle
 * for a second. A look is one recv(); a connection in steady use does without. The
 * first reconnect is made at once; a connection that broke before it was of any use
 * counts as a failed attempt, or a server that accepts and hangs up would be
 * connected to in a tight circle.
 */
#include "storage/redis/redis_pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "storage/redis/redis_socket.h"
#include "util/clock.h"
#include "util/random.h"
#include "util/thread.h"

#define NS_PER_MS     1000000
#define IDLE_TRUST_NS (INT64_C(1000) * NS_PER_MS)
#define PAUSE_FIRST   (INT64_C(50) * NS_PER_MS)
#define PAUSE_MOST    (INT64_C(5000) * NS_PER_MS)
/* With full jitter some pauses are next to nothing. From the second failure in a
 * row on, attempts begin at least this far apart: ten a second. */
#define PAUSE_LEAST   (INT64_C(100) * NS_PER_MS)

struct pool_slot {
    struct redis_conn *conn; /* NULL: none, or it is being connected */
    bool lent;               /* to a caller, or for one that connects */
    bool stale;              /* to be closed when it comes back */
    bool served;             /* came back whole before */
    int64_t seen;            /* when it last came back, ns; 0: in doubt */
};

struct pool_waiter {
    struct pool_waiter *next;
    pthread_cond_t turn;
};

struct redis_pool {
    struct redis_address address;
    const struct redis_settings *settings;
    pthread_mutex_t mutex; /* guards all below */
    struct pool_waiter *first;
    bool proven;            /* the latest attempt succeeded, and no cut since */
    int trying;             /* attempts going on */
    int failures;           /* in a row, until a connection was of use */
    uint64_t failed_total;  /* since ever: how waiters notice */
    int64_t failed_at;      /* when `failures` was last raised */
    int64_t not_before;     /* of the next attempt */
    struct pawl_error last; /* why the latest attempt failed; PAWL_OK: it did not */
    bool last_final;        /* and trying again here will not help */
    int slot_count;
    struct pool_slot slots[];
};

/* One call that wants a connection. */
struct pool_need {
    bool extra; /* beside the pool */
    bool hasty; /* does not wait out the pause that somebody else's failure made */
    int64_t started, deadline;
    int *tries_left;
    uint64_t heard; /* so many of failed_total are counted */
};

#define HEARD_NOTHING UINT64_MAX

struct redis_pool *redis_pool_new(const struct redis_address *address,
                                  const struct redis_settings *settings)
{
    int count = settings->pool_size > 0 ? settings->pool_size : 1;
    struct redis_pool *pool =
        calloc(1, sizeof *pool + (size_t)count * sizeof pool->slots[0]);
    if (!pool)
        return NULL;
    if (pthread_mutex_init(&pool->mutex, NULL) != 0) {
        free(pool);
        return NULL;
    }
    pool->address = *address;
    pool->settings = settings;
    pool->slot_count = count;
    return pool;
}

const struct redis_address *redis_pool_address(const struct redis_pool *pool)
{
    return &pool->address;
}

static void empty_slot(struct pool_slot *slot)
{
    redis_conn_close(slot->conn);
    *slot = (struct pool_slot){ .conn = NULL };
}

void redis_pool_free(struct redis_pool *pool)
{
    if (!pool)
        return;
    assert(!pool->first);
    for (int i = 0; i < pool->slot_count; i++) {
        assert(!pool->slots[i].lent);
        empty_slot(&pool->slots[i]);
    }
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

/* --- the line; all with the mutex held -------------------------------------- */

static void wake_first(struct redis_pool *pool)
{
    if (pool->first)
        pthread_cond_signal(&pool->first->turn);
}

static void wake_all(struct redis_pool *pool)
{
    for (struct pool_waiter *at = pool->first; at; at = at->next)
        pthread_cond_signal(&at->turn);
}

static void line_join(struct redis_pool *pool, struct pool_waiter *me)
{
    struct pool_waiter **end = &pool->first;
    while (*end)
        end = &(*end)->next;
    me->next = NULL;
    *end = me;
}

static void line_leave(struct redis_pool *pool, const struct pool_waiter *me)
{
    struct pool_waiter **at = &pool->first;
    while (*at != me)
        at = &(*at)->next;
    *at = me->next;
    wake_first(pool);
}

/* --- who may go on; all with the mutex held ----------------------------------- */

/* The idle connection that was used last, so that few are in use and the others
 * stay cold. Those that turn out to be dead are closed. */
static struct pool_slot *take_idle(struct redis_pool *pool)
{
    for (;;) {
        struct pool_slot *best = NULL;
        for (int i = 0; i < pool->slot_count; i++) {
            struct pool_slot *slot = &pool->slots[i];
            if (slot->conn && !slot->lent && (!best || slot->seen > best->seen))
                best = slot;
        }
        if (!best)
            return NULL;
        if (clock_mono_ns() - best->seen < IDLE_TRUST_NS ||
            !redis_conn_readable(best->conn)) {
            best->lent = true;
            return best;
        }
        empty_slot(best);
    }
}

static struct pool_slot *free_slot(struct redis_pool *pool)
{
    for (int i = 0; i < pool->slot_count; i++)
        if (!pool->slots[i].conn && !pool->slots[i].lent)
            return &pool->slots[i];
    return NULL;
}

/* Whether the first of the line may go on: with *slot's connection, or, where that
 * has none, to make one. */
static bool may_go(struct redis_pool *pool, const struct pool_need *need,
                   struct pool_slot **slot)
{
    *slot = need->extra ? NULL : take_idle(pool);
    if (*slot)
        return true;
    int64_t now = clock_mono_ns();
    if ((pool->trying > 0 && !pool->proven) || now < pool->not_before ||
        now >= need->deadline)
        return false;
    if (!need->extra) {
        *slot = free_slot(pool);
        if (!*slot)
            return false;
        (*slot)->lent = true;
    }
    pool->trying++;
    return true;
}

/* Will somebody give back a connection that was of use before? */
static bool awaits_one(const struct redis_pool *pool)
{
    for (int i = 0; i < pool->slot_count; i++)
        if (pool->slots[i].lent && pool->slots[i].served)
            return true;
    return false;
}

/* Is the end of the pause all that there is to wait for? */
static bool only_pauses(const struct redis_pool *pool)
{
    return pool->last.status != PAWL_OK && clock_mono_ns() < pool->not_before &&
           !awaits_one(pool);
}

/* Count the attempts that failed since this call last looked; true when it is not
 * to wait for more. */
static bool had_enough(const struct redis_pool *pool, struct pool_need *need)
{
    uint64_t news = need->heard == HEARD_NOTHING ? 0 : pool->failed_total - need->heard;
    need->heard = pool->failed_total;
    if (news == 0 || pool->last.status == PAWL_OK)
        return false;
    if (pool->last_final)
        return true;
    if (!need->tries_left || *need->tries_left < 0)
        return false;
    bool enough = news > (uint64_t)*need->tries_left;
    *need->tries_left = enough ? 0 : *need->tries_left - (int)news;
    return enough;
}

static enum pawl_status give_up(const struct redis_pool *pool,
                                const struct pool_need *need,
                                struct pawl_error *err)
{
    char name[REDIS_NAME_SIZE];
    if (pool->last.status != PAWL_OK) {
        if (err)
            *err = pool->last;
        return pool->last.status;
    }
    redis_address_format(&pool->address, name, sizeof name);
    return pawl_error_set(err, PAWL_ETIMEOUT,
                          "redis at %s: all %d connections were in use for %ld ms",
                          name, pool->slot_count,
                          redis_socket_ms(need->started, clock_mono_ns()));
}

static enum pawl_status wait_in_line(struct redis_pool *pool, struct pool_need *need,
                                     struct pool_slot **slot,
                                     struct pawl_error *err)
{
    struct pool_waiter me;
    enum pawl_status status = PAWL_OK;
    if (thread_cond_init(&me.turn) != 0)
        return pawl_error_set(err, PAWL_ENOMEM, "out of memory for waiting");
    line_join(pool, &me);
    while (pool->first != &me || !may_go(pool, need, slot)) {
        int64_t now = clock_mono_ns(), until = need->deadline;
        if (had_enough(pool, need) || (need->hasty && only_pauses(pool)) ||
            now >= need->deadline) {
            status = give_up(pool, need, err);
            break;
        }
        if (pool->first == &me && pool->not_before > now && pool->not_before < until)
            until = pool->not_before;
        struct timespec time = clock_timespec(until);
        pthread_cond_timedwait(&me.turn, &pool->mutex, &time);
    }
    line_leave(pool, &me);
    pthread_cond_destroy(&me.turn);
    return status;
}

/* --- connecting --------------------------------------------------------------- */

/* With the mutex held. Attempts that were under way together are one failure. */
static void note_failure(struct redis_pool *pool, int64_t started,
                         const struct pawl_error *why, bool final)
{
    pool->proven = false;
    pool->failed_total++;
    pool->last = *why;
    pool->last_final = final;
    if (started < pool->failed_at)
        return;
    int64_t now = clock_mono_ns(), most = PAUSE_FIRST;
    for (int i = 0; i < pool->failures && most < PAUSE_MOST; i++)
        most *= 2;
    if (most > PAUSE_MOST)
        most = PAUSE_MOST;
    pool->not_before = now + (int64_t)(random_u64() % (uint64_t)most);
    if (pool->failures > 0 && pool->not_before < started + PAUSE_LEAST)
        pool->not_before = started + PAUSE_LEAST;
    pool->failed_at = now;
    if (most < PAUSE_MOST)
        pool->failures++;
}

static enum pawl_status connect_master(struct redis_pool *pool, int64_t deadline,
                                       struct redis_conn **out, bool *final,
                                       struct pawl_error *err)
{
    const struct redis_settings *settings = pool->settings;
    char name[REDIS_NAME_SIZE];
    enum pawl_status status =
        redis_conn_open(&pool->address, settings, &settings->login, settings->db,
                        deadline, out, err);
    *final = status != PAWL_EUNREACHABLE && status != PAWL_ETIMEOUT;
    if (status != PAWL_OK || !redis_conn_server(*out)->is_replica)
        return status;
    redis_conn_close(*out);
    *out = NULL;
    *final = true;
    redis_address_format(&pool->address, name, sizeof name);
    return pawl_error_set(err, PAWL_EUNREACHABLE,
                          "redis at %s is a replica; its master is needed", name);
}

/* Without the mutex. `slot` is ours, NULL for a connection beside the pool. */
static struct redis_conn *connect_now(struct redis_pool *pool, int64_t deadline,
                                      struct pool_slot *slot)
{
    struct redis_conn *conn = NULL;
    struct pawl_error why = { .status = PAWL_OK };
    bool final = false;
    int64_t started = clock_mono_ns();
    enum pawl_status status = connect_master(pool, deadline, &conn, &final, &why);
    pthread_mutex_lock(&pool->mutex);
    pool->trying--;
    if (status == PAWL_OK) {
        pool->proven = true;
        pool->last.status = PAWL_OK;
    } else {
        note_failure(pool, started, &why, final);
    }
    if (slot && conn)
        slot->conn = conn;
    else if (slot)
        empty_slot(slot);
    wake_all(pool);
    pthread_mutex_unlock(&pool->mutex);
    return conn;
}

static enum pawl_status obtain(struct redis_pool *pool, struct pool_need *need,
                               struct redis_conn **out, struct pawl_error *err)
{
    struct redis_conn *conn = NULL;
    need->started = clock_mono_ns();
    need->heard = HEARD_NOTHING;
    while (!conn) {
        struct pool_slot *slot = NULL;
        enum pawl_status status = PAWL_OK;
        pthread_mutex_lock(&pool->mutex);
        if (had_enough(pool, need))
            status = give_up(pool, need, err);
        else if (pool->first || !may_go(pool, need, &slot))
            status = wait_in_line(pool, need, &slot, err);
        pthread_mutex_unlock(&pool->mutex);
        if (status != PAWL_OK)
            return status;
        conn = slot && slot->conn ? slot->conn
                                  : connect_now(pool, need->deadline, slot);
    }
    *out = conn;
    return PAWL_OK;
}

/* --- the door ------------------------------------------------------------------ */

enum pawl_status redis_pool_take(struct redis_pool *pool, int64_t deadline,
                                 int *tries_left, struct redis_conn **out,
                                 struct pawl_error *err)
{
    struct pool_need need = { .deadline = deadline, .tries_left = tries_left,
                              .hasty = tries_left && *tries_left == 0 };
    return obtain(pool, &need, out, err);
}

enum pawl_status redis_pool_extra(struct redis_pool *pool, int64_t deadline,
                                  struct redis_conn **out, struct pawl_error *err)
{
    struct pool_need need = { .extra = true, .deadline = deadline };
    return obtain(pool, &need, out, err);
}

/* With the mutex held: a connection that was lent is dead. */
static void note_broken(struct redis_pool *pool, const struct pool_slot *slot)
{
    struct pawl_error why;
    char name[REDIS_NAME_SIZE];
    pool->proven = false;
    for (int i = 0; i < pool->slot_count; i++)
        pool->slots[i].seen = 0;
    if (slot->served)
        return;
    redis_address_format(&pool->address, name, sizeof name);
    pawl_error_set(&why, PAWL_EUNREACHABLE,
                   "redis at %s breaks its connections at their first use", name);
    note_failure(pool, clock_mono_ns(), &why, false);
}

void redis_pool_give(struct redis_pool *pool, struct redis_conn *conn, bool broken)
{
    broken = broken || redis_conn_out_of_step(conn);
    pthread_mutex_lock(&pool->mutex);
    struct pool_slot *slot = pool->slots;
    while (slot->conn != conn) {
        slot++;
        assert(slot < pool->slots + pool->slot_count);
    }
    if (broken) {
        note_broken(pool, slot);
    } else {
        pool->failures = 0;
        slot->served = true;
        slot->seen = clock_mono_ns();
        slot->lent = false;
    }
    if (broken || slot->stale)
        empty_slot(slot);
    if (broken)
        wake_all(pool); /* not only the first may have waited for this one */
    else
        wake_first(pool);
    pthread_mutex_unlock(&pool->mutex);
}

void redis_pool_drop(struct redis_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    for (int i = 0; i < pool->slot_count; i++) {
        if (pool->slots[i].lent)
            pool->slots[i].stale = true;
        else
            empty_slot(&pool->slots[i]);
    }
    wake_first(pool);
    pthread_mutex_unlock(&pool->mutex);
}
