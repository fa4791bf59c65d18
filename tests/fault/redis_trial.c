/* redis_trial.c - see redis_trial.h. */
#include "redis_trial.h"

#include <stdlib.h>

#define REPEATS_MOST 100

struct cut {
    enum proxy_side side;
    uint64_t after;
    bool cold;
};

static const char *side_name(enum proxy_side side)
{
    return side == PROXY_REQUEST ? "request" : "reply";
}

/* Until it has an answer. */
static void insist(const struct trial *t, const struct cut *cut)
{
    enum pawl_status status = PAWL_EUNKNOWN;
    struct pawl_error err = { 0 };
    bool unknown = false;
    for (int i = 0; status < 0 && i < REPEATS_MOST; i++) {
        err = (struct pawl_error){ 0 };
        status = t->call(&err);
        ck_assert_msg(status >= 0 || status == PAWL_EUNKNOWN ||
                          status == PAWL_EUNREACHABLE,
                      "%s, cut after byte %llu of the %s: %s: %s", t->name,
                      (unsigned long long)cut->after, side_name(cut->side),
                      pawl_status_name(status), err.message);
        unknown = unknown || status == PAWL_EUNKNOWN;
        if (status < 0 && !unknown && t->check_undone)
            t->check_undone();
    }
    ck_assert_msg(status == PAWL_OK, "%s, cut after byte %llu of the %s: %s: %s",
                  t->name, (unsigned long long)cut->after, side_name(cut->side),
                  pawl_status_name(status), err.message);
}

/* False: the call was over before that byte. */
static bool run(const struct trial *t, const struct cut *cut)
{
    t->prepare();
    rig_warm();
    if (cut->cold)
        redis_server_do(&rig.server, "SCRIPT FLUSH");
    uint64_t before = proxy_cuts(&rig.proxy);
    proxy_arm(&rig.proxy, cut->side, cut->after, cut->after % 2 == 1);
    insist(t, cut);
    bool happened = proxy_cuts(&rig.proxy) != before;
    /* What check() finds wrong is seen with this in mind. */
    if (getenv("PAWL_TEST_VERBOSE"))
        say("%s: cut after byte %llu of the %s", t->name,
            (unsigned long long)cut->after, side_name(cut->side));
    t->check();
    return happened;
}

/* Bytes of one call that is not cut: of the second, which knows the server to have
 * the script, unless `cold`. */
static uint64_t measure(const struct trial *t, enum proxy_side side, bool cold)
{
    struct cut none = { .side = side };
    uint64_t bytes = 0;
    for (int i = 0; i < 2; i++) {
        t->prepare();
        rig_warm();
        if (cold)
            redis_server_do(&rig.server, "SCRIPT FLUSH");
        proxy_count(&rig.proxy);
        insist(t, &none);
        bytes = proxy_bytes(&rig.proxy, side);
        t->check();
    }
    return bytes;
}

void trial_every_cut(const struct trial *t)
{
    uint64_t counts[2];
    int64_t began = now_us();
    for (int side = 0; side < 2; side++) {
        struct cut cut = { .side = (enum proxy_side)side };
        while (run(t, &cut))
            cut.after++;
        counts[side] = cut.after;
    }
    say("%s: cut after each of %llu bytes out and %llu back, in %lld ms", t->name,
        (unsigned long long)counts[PROXY_REQUEST] - 1,
        (unsigned long long)counts[PROXY_REPLY] - 1,
        (long long)(now_us() - began) / 1000);
    ck_assert_uint_gt(counts[PROXY_REQUEST], 100);
    ck_assert_uint_gt(counts[PROXY_REPLY], 5);
}

void trial_some_cuts(const struct trial *t, unsigned count, bool cold)
{
    uint64_t random = test_seed();
    for (int side = 0; side < 2; side++) {
        struct cut cut = { .side = (enum proxy_side)side, .cold = cold };
        uint64_t bytes = measure(t, cut.side, cold);
        uint64_t step = bytes / count + 1;
        unsigned happened = 0;
        for (cut.after = seeded(&random) % step; cut.after <= bytes;
             cut.after += step)
            happened += run(t, &cut);
        /* The last byte of all, too. */
        cut.after = bytes;
        run(t, &cut);
        say("%s%s: %u cuts in %llu bytes of the %s", t->name, cold ? ", cold" : "",
            happened, (unsigned long long)bytes, side_name(cut.side));
        ck_assert_uint_ge(happened, bytes < count ? 1 : count / 2);
    }
}
