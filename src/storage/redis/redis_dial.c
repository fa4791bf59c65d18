/* redis_dial.c - see redis_dial.h. */
#include "storage/redis/redis_dial.h"

#include "storage/redis/redis_socket.h"
#include "util/clock.h"
#include "util/random.h"

#define NS_PER_MS   1000000
#define PAUSE_FIRST (INT64_C(50) * NS_PER_MS)
#define PAUSE_MOST  (INT64_C(5000) * NS_PER_MS)
/* With full jitter some pauses are next to nothing. From the second failure in a
 * row on, attempts begin at least this far apart: ten a second. */
#define PAUSE_LEAST (INT64_C(100) * NS_PER_MS)

bool redis_dial_may_begin(const struct redis_dial *dial, int64_t now)
{
    return (dial->trying == 0 || dial->proven) && now >= dial->not_before;
}

bool redis_dial_had_enough(const struct redis_dial *dial,
                           struct redis_listener *listener)
{
    int *tries_left = listener->tries_left;
    bool first = listener->heard == REDIS_HEARD_NOTHING;
    uint64_t news = first ? 0 : dial->failed_total - listener->heard;
    listener->heard = dial->failed_total;
    if (news == 0 || dial->last.status == PAWL_OK)
        return false;
    if (dial->last_final)
        return true;
    if (!tries_left || *tries_left < 0)
        return false;
    bool enough = news > (uint64_t)*tries_left;
    *tries_left = enough ? 0 : *tries_left - (int)news;
    return enough;
}

/* --- one attempt ---------------------------------------------------------------- */

void redis_dial_begin(struct redis_dial *dial)
{
    dial->trying++;
}

enum pawl_status redis_dial_connect(const struct redis_dial *dial, int64_t deadline,
                                    struct redis_conn **out, bool *final,
                                    struct pawl_error *err)
{
    const struct redis_settings *settings = dial->settings;
    char name[REDIS_NAME_SIZE];
    enum pawl_status status =
        redis_conn_open(&dial->address, settings, &settings->login, settings->db,
                        deadline, out, err);
    *final = status != PAWL_EUNREACHABLE && status != PAWL_ETIMEOUT;
    if (status != PAWL_OK || !redis_conn_server(*out)->is_replica)
        return status;
    redis_conn_close(*out);
    *out = NULL;
    *final = true;
    redis_address_format(&dial->address, name, sizeof name);
    return pawl_error_set(err, PAWL_EUNREACHABLE,
                          "redis at %s is a replica; its master is needed", name);
}

static void note_failure(struct redis_dial *dial, int64_t started,
                         const struct pawl_error *why, bool final)
{
    dial->proven = false;
    dial->failed_total++;
    dial->last = *why;
    dial->last_final = final;
    if (started < dial->failed_at)
        return;
    int64_t now = clock_mono_ns(), most = PAUSE_FIRST;
    for (int i = 0; i < dial->failures && most < PAUSE_MOST; i++)
        most *= 2;
    if (most > PAUSE_MOST)
        most = PAUSE_MOST;
    dial->not_before = now + (int64_t)(random_u64() % (uint64_t)most);
    if (dial->failures > 0 && dial->not_before < started + PAUSE_LEAST)
        dial->not_before = started + PAUSE_LEAST;
    dial->failed_at = now;
    if (most < PAUSE_MOST)
        dial->failures++;
}

void redis_dial_end(struct redis_dial *dial, int64_t started,
                    const struct pawl_error *why, bool final)
{
    dial->trying--;
    if (why->status != PAWL_OK) {
        note_failure(dial, started, why, final);
        return;
    }
    dial->proven = true;
    dial->last.status = PAWL_OK;
}

/* --- what becomes of connections -------------------------------------------------- */

void redis_dial_served(struct redis_dial *dial)
{
    dial->failures = 0;
}

void redis_dial_broke(struct redis_dial *dial, bool at_first_use,
                      const struct pawl_error *why)
{
    dial->proven = false;
    if (at_first_use)
        note_failure(dial, clock_mono_ns(), why, false);
}
