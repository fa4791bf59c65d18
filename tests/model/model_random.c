/* model_random.c - random steps on the memory storage and on another one, reply
 * by reply the same.
 *
 *   PAWL_TEST_STORAGE  the other storage; "sqlite" if not set
 *   PAWL_SEED          where to begin; a new one each time if not set
 *   PAWL_MODEL_OPS     how many steps; 100000 if not set
 *
 * On a difference it prints the seed and the step, and running it again with
 * that seed makes the same steps up to there. */
#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/random.h"

#define START INT64_C(1700000000000)
#define DUMP_EVERY 200
#define CROWDED 400 /* jobs: then more goes out than comes in */

/* --- chance ----------------------------------------------------------------------- */

/* splitmix64: any seed will do, and every step of it can be repeated. */
uint64_t chance_next(struct model *m)
{
    uint64_t z = m->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t chance(struct model *m, size_t below)
{
    return (size_t)(chance_next(m) % below);
}

bool chance_of(struct model *m, unsigned percent)
{
    return chance(m, 100) < percent;
}

/* --- the two sides ------------------------------------------------------------------- */

static void new_owners(struct model *m, size_t instance)
{
    for (int i = 0; i < OWNERS; i++) {
        struct pawl_owner *owner = &m->owner[instance][i];
        memset(owner, 0, sizeof *owner);
        owner->b[0] = (uint8_t)(1 + instance);
        m->owners_made++;
        memcpy(owner->b + 8, &m->owners_made, sizeof m->owners_made);
    }
}

static void open_instance(struct model *m, size_t instance)
{
    for (int s = 0; s < SIDES; s++) {
        struct pawl_error err = { 0 };
        struct pawl_storage_config config = {
            .clock = fake_clock_as_clock(&m->clock), .deadline = 60000
        };
        enum pawl_status status =
            storage_open(m->side[s].url, &config, NULL,
                         &m->side[s].instance[instance], &err);
        if (status == PAWL_OK)
            continue;
        printf("Bail out! cannot open '%s': %s\n", m->side[s].url, err.message);
        exit(1);
    }
    new_owners(m, instance);
}

static void close_instance(struct model *m, size_t instance)
{
    for (int s = 0; s < SIDES; s++) {
        storage_close(m->side[s].instance[instance]);
        m->side[s].instance[instance] = NULL;
    }
}

static void name_sides(struct model *m)
{
    const char *other = getenv("PAWL_TEST_STORAGE");
    if (other == NULL || *other == '\0')
        other = "sqlite";
    m->side[0].name = "memory";
    m->side[1].name = other;
    snprintf(m->side[0].url, sizeof m->side[0].url, "memory:model");
    if (strcmp(other, "sqlite") == 0)
        snprintf(m->side[1].url, sizeof m->side[1].url, "sqlite:%s/model.db",
                 m->folder.path);
    else
        snprintf(m->side[1].url, sizeof m->side[1].url, "%s:model-other", other);
}

/* One instance goes, with its owners, and comes back with others. */
void op_reopen(struct model *m)
{
    size_t instance = chance(m, INSTANCES);
    close_instance(m, instance);
    open_instance(m, instance);
}

void op_time(struct model *m)
{
    static const pawl_duration most[] = { 3, 3, 50, 500, 500, 5000, 40000 };
    pawl_duration time = (pawl_duration)chance(
        m, (size_t)most[chance(m, sizeof most / sizeof *most)]);
    fake_clock_pass(&m->clock, time);
    if (chance_of(m, 3)) /* somebody set the wall clock on */
        atomic_fetch_add(&m->clock.now, (pawl_time)chance(m, 10000));
}

/* --- steps ---------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(struct model *m);
    unsigned weight, crowded_weight; /* of 1000 */
} ops[] = {
    { "put", op_put, 180, 20 },
    { "resend", op_resend, 40, 40 },
    { "take out", op_take_out, 50, 65 },
    { "bring in", op_bring_in, 30, 5 },
    { "exchange", op_exchange, 310, 410 },
    { "renew", op_renew, 70, 70 },
    { "sweep", op_sweep, 80, 120 },
    { "alter named", op_alter_named, 60, 80 },
    { "alter matching", op_alter_matching, 15, 25 },
    { "alter queue", op_alter_queue, 15, 15 },
    { "get", op_get, 40, 40 },
    { "list", op_list, 15, 15 },
    { "time", op_time, 90, 90 },
    { "reopen", op_reopen, 5, 5 },
};

static void step(struct model *m)
{
    bool crowded = m->job_count > CROWDED;
    size_t at = chance(m, 1000), i = 0;
    for (;; i++) {
        unsigned weight = crowded ? ops[i].crowded_weight : ops[i].weight;
        if (at < weight || i + 1 == sizeof ops / sizeof *ops)
            break;
        at -= weight;
    }
    m->op = ops[i].name;
    ops[i].run(m);
    if (m->step % DUMP_EVERY != 0)
        return;
    m->op = "dump";
    op_dump(m);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL || *text == '\0' ? otherwise : strtoull(text, NULL, 10);
}

int main(void)
{
    struct model *m = calloc(1, sizeof *m);
    size_t steps = (size_t)number_of("PAWL_MODEL_OPS", 100000);
    if (m == NULL)
        return 1;
    m->seed = number_of("PAWL_SEED", random_u64() % 1000000000);
    m->random = m->seed;
    fake_clock_init(&m->clock, START);
    temp_dir_make(&m->folder);
    name_sides(m);
    for (size_t i = 0; i < INSTANCES; i++)
        open_instance(m, i);

    printf("1..1\n# PAWL_SEED=%" PRIu64 "\n", m->seed);
    fflush(stdout);
    int64_t begin = clock_mono_ns();
    for (m->step = 1; m->step <= steps; m->step++)
        step(m);
    double seconds = (double)(clock_mono_ns() - begin) / 1e9;
    for (size_t i = 0; i < INSTANCES; i++)
        close_instance(m, i);
    temp_dir_remove(&m->folder);
    printf("# %zu steps in %.1f s: %.0f steps/s\n", steps, seconds,
           (double)steps / seconds);
    printf("ok 1 - model: %s and %s agree\n", m->side[0].name, m->side[1].name);
    free(m);
    return 0;
}
