/* redis_pool.c - see redis_pool.h.
 *
 * Who has to wait stands in a line, and only the first of it acts: takes what came
 * back, or connects, or waits out the pause. So nobody starves while others take
 * and give in a circle. When it may connect, and what it learns when that failed, is
 * redis_dial.c's.
 *
 * When one connection broke, the others are probably dead too (the server was
 * restarted), so each is looked at before it is lent again, as is one that was idle
 * for a second. A look is one recv(); a connection in steady use does without.
 */
#include "storage/redis/redis_pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "storage/redis/redis_dial.h"
#include "storage/redis/redis_socket.h"
#include "util/clock.h"
#include "util/thread.h"

#define NS_PER_MS     1000000
#define IDLE_TRUST_NS (INT64_C(1000) * NS_PER_MS)

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
    pthread_mutex_t mutex; /* guards all below */
    struct pool_waiter *first;
    struct redis_dial dial;
    int slot_count;
    struct pool_slot slots[];
};

/* One call that wants a connection. */
struct pool_need {
    bool extra; /* beside the pool */
    bool hasty; /* does not wait out the pause that somebody else's failure made */
    int64_t started, deadline;
    struct redis_listener listener;
};

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
    pool->dial = (struct redis_dial){ .address = *address, .settings = settings };
    pool->slot_count = count;
    return pool;
}

const struct redis_address *redis_pool_address(const struct redis_pool *pool)
{
    return &pool->dial.address;
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
    if (!redis_dial_may_begin(&pool->dial, now) || now >= need->deadline)
        return false;
    if (!need->extra) {
        *slot = free_slot(pool);
        if (!*slot)
            return false;
        (*slot)->lent = true;
    }
    redis_dial_begin(&pool->dial);
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
    const struct redis_dial *dial = &pool->dial;
    return dial->last.status != PAWL_OK && clock_mono_ns() < dial->not_before &&
           !awaits_one(pool);
}

static enum pawl_status give_up(const struct redis_pool *pool,
                                const struct pool_need *need,
                                struct pawl_error *err)
{
    const struct redis_dial *dial = &pool->dial;
    char name[REDIS_NAME_SIZE];
    if (dial->last.status != PAWL_OK) {
        if (err)
            *err = dial->last;
        return dial->last.status;
    }
    redis_address_format(&dial->address, name, sizeof name);
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
        int64_t not_before = pool->dial.not_before;
        if (redis_dial_had_enough(&pool->dial, &need->listener) ||
            (need->hasty && only_pauses(pool)) || now >= need->deadline) {
            status = give_up(pool, need, err);
            break;
        }
        if (pool->first == &me && not_before > now && not_before < until)
            until = not_before;
        struct timespec time = clock_timespec(until);
        pthread_cond_timedwait(&me.turn, &pool->mutex, &time);
    }
    line_leave(pool, &me);
    pthread_cond_destroy(&me.turn);
    return status;
}

/* --- connecting --------------------------------------------------------------- */

/* Without the mutex. `slot` is ours, NULL for a connection beside the pool. */
static struct redis_conn *connect_now(struct redis_pool *pool, int64_t deadline,
                                      struct pool_slot *slot)
{
    struct redis_conn *conn = NULL;
    struct pawl_error why = { .status = PAWL_OK };
    bool final = false;
    int64_t started = clock_mono_ns();
    why.status = redis_dial_connect(&pool->dial, deadline, &conn, &final, &why);
    pthread_mutex_lock(&pool->mutex);
    redis_dial_end(&pool->dial, started, &why, final);
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
    need->listener.heard = REDIS_HEARD_NOTHING;
    while (!conn) {
        struct pool_slot *slot = NULL;
        enum pawl_status status = PAWL_OK;
        pthread_mutex_lock(&pool->mutex);
        if (redis_dial_had_enough(&pool->dial, &need->listener))
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
    struct pool_need need = { .deadline = deadline,
                              .listener = { .tries_left = tries_left },
                              .hasty = tries_left && *tries_left == 0 };
    return obtain(pool, &need, out, err);
}

enum pawl_status redis_pool_extra(struct redis_pool *pool, int64_t deadline,
                                  struct redis_conn **out, struct pawl_error *err)
{
    struct pool_need need = { .extra = true, .deadline = deadline };
    return obtain(pool, &need, out, err);
}

void redis_pool_give(struct redis_pool *pool, struct redis_conn *conn,
                     const struct pawl_error *broken)
{
    struct pawl_error out_of_step;
    if (!broken && redis_conn_out_of_step(conn, &out_of_step))
        broken = &out_of_step;
    pthread_mutex_lock(&pool->mutex);
    struct pool_slot *slot = pool->slots;
    while (slot->conn != conn) {
        slot++;
        assert(slot < pool->slots + pool->slot_count);
    }
    if (broken) {
        redis_dial_broke(&pool->dial, !slot->served, broken);
        for (int i = 0; i < pool->slot_count; i++)
            pool->slots[i].seen = 0;
    } else {
        redis_dial_served(&pool->dial);
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
