/* model_random.c - random steps on the memory storage and on others, reply by
 * reply the same.
 *
 *   PAWL_TEST_STORAGE  the others; "sqlite,redis" if not set
 *   PAWL_SEED          where to begin; a new one each time if not set
 *   PAWL_MODEL_OPS     how many steps; 100000 if not set
 *   PAWL_MODEL_DEEP    thousands of jobs, hundreds in one call
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

/* Deep queues, for what a storage does piece by piece when there is much of it. */
static const struct scale usual = { 400, 40, 7, 256, 64, 1 };
static const struct scale deep = { 6000, BATCH, 25, CLAIMS, HELD, 40 };

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

size_t chance_large(struct model *m, size_t usually)
{
    return chance(m, chance_of(m, m->scale->large) ? m->scale->batch : usually);
}

/* --- the sides ------------------------------------------------------------------- */

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
    for (int s = 0; s < m->sides; s++) {
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
    for (int s = 0; s < m->sides; s++) {
        storage_close(m->side[s].instance[instance]);
        m->side[s].instance[instance] = NULL;
    }
}

static void add_side(struct model *m, const char *name)
{
    if (m->sides == SIDES) {
        printf("Bail out! at most %d storages besides memory\n", SIDES - 1);
        exit(1);
    }
    struct side *side = &m->side[m->sides++];
    side->name = name;
    side->flavour = flavour_find(name);
    flavour_begin(side->flavour);
    flavour_store(side->flavour, "model", side->url, sizeof side->url);
}

/* Memory, and the list, which is cut into its names. */
static void add_sides(struct model *m, char *others)
{
    add_side(m, "memory");
    for (char *name = strtok(others, ","); name != NULL; name = strtok(NULL, ","))
        add_side(m, name);
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
    { "tally", op_tally, 10, 10 },
    { "exchange", op_exchange, 310, 410 },
    { "renew", op_renew, 60, 60 },
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
    bool crowded = m->job_count > m->scale->crowd;
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
    char others[256];
    const char *named = getenv("PAWL_TEST_STORAGE");
    struct model *m = calloc(1, sizeof *m);
    size_t steps = (size_t)number_of("PAWL_MODEL_OPS", 100000);
    if (m == NULL)
        return 1;
    m->seed = number_of("PAWL_SEED", random_u64() % 1000000000);
    m->random = m->seed;
    m->scale = number_of("PAWL_MODEL_DEEP", 0) == 0 ? &usual : &deep;
    fake_clock_init(&m->clock, START);
    snprintf(others, sizeof others, "%s",
             named == NULL || *named == '\0' ? "sqlite,redis" : named);
    add_sides(m, others);
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
    printf("# %zu steps in %.1f s: %.0f steps/s; %zu jobs at the end\n", steps,
           seconds, (double)steps / seconds, m->job_count);
    printf("ok 1 - model: %s", m->side[0].name);
    for (int s = 1; s < m->sides; s++)
        printf(" = %s", m->side[s].name);
    printf("\n");
    for (int s = 0; s < m->sides; s++)
        flavour_end(m->side[s].flavour);
    free(m);
    return 0;
}
