/* cmd_bench.c - pawl bench: how fast is this machine, this storage, this level?
 *
 * Prints one line: the settings that count, and what was measured. Compare only
 * lines whose settings are the same.
 */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "bench.h"
#include "parse.h"

enum { DURABILITY = 256, PRODUCERS, IN_FLIGHT, BACKLOG, PAYLOAD, PACE, SECONDS };

static const struct args_option bench_options[] = {
    {"jobs", 'n', "N", "how many jobs are measured"},
    {"payload", PAYLOAD, "BYTES", "of each job; default 100"},
    {"producers", PRODUCERS, "P", "threads that enqueue; default 1"},
    {"in-flight", IN_FLIGHT, "F", "or one thread with F enqueues in flight"},
    {"batch", 'b', "B", "jobs of one bulk call; bulk: 1000"},
    {"concurrency", 'c', "C", "handlers at once; default 10"},
    {"backlog", BACKLOG, "N", "other jobs that wait all the while"},
    {"pace", PACE, "D", "one job each D; latency: 5ms"},
    {"seconds", SECONDS, "S", "length of each part of side; default 3"},
    {"durability", DURABILITY, "LEVEL", "of the temporary store: full, normal"},
};

static const struct args_spec bench_spec = {
    .usage = "bench MODE [OPTION]...",
    .about =
        "Measure, on a temporary store or on the empty one that --url names.\n\n"
        "modes:\n"
        "  enqueue  jobs in, each call waiting until its job is durable\n"
        "  bulk     jobs in, in batches\n"
        "  work     jobs out: one worker process, handlers that do nothing\n"
        "  cycle    a producer and a worker process, first enqueue to last\n"
        "           completion\n"
        "  latency  the same, one job at a time: enqueue call to handler start\n"
        "  side     a producer and a worker process: each alone, then at once\n"
        "  memory   size of the store per waiting job\n",
    .options = bench_options,
    .option_count = sizeof bench_options / sizeof *bench_options,
    .more =
        "examples:\n"
        "  pawl bench enqueue --in-flight 50\n"
        "  pawl bench work --jobs 200000 --durability normal --json\n\n"
        "exit: 0 done, 1 failed, 2 usage, 69 storage unreachable\n",
};

/* --- modes ---------------------------------------------------------------------- */

struct mode {
    const char *name;
    int (*run)(struct bench *bench);
    const char *uses; /* p producers, f in flight, b batch, c concurrency,
                         w backlog of waiting jobs, a pace, s seconds */
    long jobs, batch, pace_ms, seconds; /* defaults */
    bool processes;                     /* starts some */
};

static const struct mode modes[] = {
    {"enqueue", bench_enqueue, "pfw", 20000, 1, 0, 0, false},
    {"bulk", bench_bulk, "pbw", 200000, 1000, 0, 0, false},
    {"work", bench_work, "cw", 100000, 1, 0, 0, false},
    {"cycle", bench_cycle, "pfbcw", 20000, 1, 0, 0, true},
    {"latency", bench_latency, "cwa", 400, 1, 5, 0, true},
    {"side", bench_side, "pfbcs", 1000000, 1, 0, 3, true},
    {"memory", bench_memory, "", 100000, 1, 0, 0, false},
    {"@produce", bench_role_produce, "pfbcas", 1, 1, 0, 0, false},
    {"@work", bench_role_work, "pfbcas", 1, 1, 0, 0, false},
    {"@measure", bench_role_measure, "pfbcas", 1, 1, 0, 0, false},
};

static const struct mode *mode_find(const char *name)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, name) == 0)
            return &modes[i];
    return NULL;
}

static bool mode_is_role(const struct mode *mode)
{
    return mode->name[0] == '@';
}

/* --- options --------------------------------------------------------------------- */

struct option {
    int key;
    const char *name;
    char use; /* as in struct mode; 0: every mode */
    long min, max;
    size_t offset;
};
#define SETTING(field) offsetof(struct bench_settings, field)

static const struct option options[] = {
    {'n', "jobs", 0, 1, BENCH_JOBS_MAX, SETTING(jobs)},
    {PAYLOAD, "payload", 0, 0, PAWL_PAYLOAD_MAX, SETTING(payload)},
    {PRODUCERS, "producers", 'p', 1, 256, SETTING(producers)},
    {IN_FLIGHT, "in-flight", 'f', 1, 65536, SETTING(in_flight)},
    {'b', "batch", 'b', 1, 100000, SETTING(batch)},
    {'c', "concurrency", 'c', 1, 1024, SETTING(concurrency)},
    {BACKLOG, "backlog", 'w', 0, BENCH_JOBS_MAX, SETTING(backlog)},
    {PACE, "pace", 'a', 0, 60000, SETTING(pace_ms)},
    {SECONDS, "seconds", 's', 0, 3600, SETTING(seconds)},
};

struct request {
    struct cli *cli;
    const char *durability;
    const char *values[sizeof options / sizeof *options]; /* as given */
};

static long *setting(struct bench_settings *set, const struct option *option)
{
    return (long *)((char *)set + option->offset);
}

static int request_option(struct request *request, int key, const char *value)
{
    if (key == DURABILITY) {
        request->durability = value;
        return strcmp(value, "full") == 0 || strcmp(value, "normal") == 0
                   ? CLI_DONE
                   : cli_usage(request->cli,
                               "durability '%.100s' is not full or normal", value);
    }
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].key == key)
            request->values[i] = value;
    return CLI_DONE;
}

/* One option of the mode: its value, once it is known to be right. */
static int request_value(const struct request *request, const struct mode *mode,
                         size_t i, struct bench_settings *set)
{
    const struct option *option = &options[i];
    const char *text = request->values[i], *why = NULL;
    long number = 0;
    pawl_duration pace = 0;
    if (!text)
        return CLI_DONE;
    if (option->use && !strchr(mode->uses, option->use))
        return cli_usage(request->cli, "'%s' does not use --%s", mode->name,
                         option->name);
    if (option->key == PACE && !mode_is_role(mode)) {
        if (!parse_duration(text, &pace, &why))
            return cli_usage(request->cli, "pace '%.100s' %s", text, why);
        number = pace > option->max ? option->max : (long)pace;
    } else if (!parse_number(text, option->min, option->max, &number)) {
        return cli_usage(request->cli, "%s '%.100s' is not a number of %ld to %ld",
                         option->name, text, option->min, option->max);
    }
    *setting(set, option) = number;
    return CLI_DONE;
}

static int request_settings(const struct request *request, const struct mode *mode,
                            struct bench_settings *set)
{
    *set = (struct bench_settings){.jobs = mode->jobs,
                                   .payload = 100,
                                   .producers = 1,
                                   .in_flight = 1,
                                   .concurrency = 10,
                                   .batch = mode->batch,
                                   .seconds = mode->seconds,
                                   .pace_ms = mode->pace_ms};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        int code = request_value(request, mode, i, set);
        if (code != CLI_DONE)
            return code;
    }
    if (set->in_flight > 1 && (set->producers > 1 || set->batch > 1))
        return cli_usage(request->cli, "--in-flight excludes --producers and "
                                       "--batch");
    if (strcmp(mode->name, "latency") == 0 && set->payload < BENCH_PAYLOAD_MIN)
        return cli_usage(request->cli, "latency needs a payload of %d bytes or "
                                       "more, to carry its time",
                         BENCH_PAYLOAD_MIN);
    return CLI_DONE;
}

/* --- the run --------------------------------------------------------------------- */

static void describe(struct bench *bench, const struct mode *mode,
                     const struct pawl_health *health)
{
    json_object_set_new(bench->out, "mode", json_string(mode->name));
    json_object_set_new(bench->out, "storage", json_string(health->storage));
    json_object_set_new(bench->out, "durability", json_string(health->durability));
    json_object_set_new(bench->out, "engine", json_string(health->engine));
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const struct option *option = &options[i];
        char name[24];
        snprintf(name, sizeof name, "%s", option->name);
        for (char *c = name; *c; c++)
            *c = *c == '-' ? '_' : *c;
        if (!option->use || strchr(mode->uses, option->use))
            json_object_set_new(bench->out, name,
                                json_integer(*setting(&bench->set, option)));
    }
}

/* For a person: the same line, as words. */
static void print_plain(const json_t *line)
{
    const char *key, *space = "";
    json_t *value;
    json_object_foreach((json_t *)line, key, value)
    {
        if (json_is_string(value))
            printf("%s%s=%s", space, key, json_string_value(value));
        else
            printf("%s%s=%lld", space, key, (long long)json_integer_value(value));
        space = "  ";
    }
    putchar('\n');
}

static int measure(struct bench *bench, const struct mode *mode)
{
    struct pawl_health health;
    struct pawl_error err = {0};
    bench->cli->lasting = true;
    int code = cli_open(bench->cli);
    if (code != CLI_DONE || mode_is_role(mode))
        return code != CLI_DONE ? code : mode->run(bench);
    enum pawl_status status = pawl_health(bench->cli->pawl, &health, &err);
    if (status != PAWL_OK)
        return cli_error(bench->cli, status, &err);
    if (mode->processes && strcmp(health.storage, "memory") == 0)
        return cli_failed(bench->cli, "'%s' is for two processes, which cannot "
                                      "share jobs in memory", mode->name);
    code = bench_store_empty(bench->cli);
    if (code != CLI_DONE)
        return code;
    describe(bench, mode, &health);
    return mode->run(bench);
}

static int run(struct bench *bench, const struct mode *mode,
               const char *durability)
{
    char url[BENCH_URL_MAX];
    struct cli *cli = bench->cli;
    bool own = cli->url == NULL && !mode_is_role(mode); /* a role has PAWL_URL */
    int code = own ? bench_store_make(cli, durability, url) : CLI_DONE;
    if (code != CLI_DONE)
        return code;
    if (own)
        cli->url = url;
    code = measure(bench, mode);
    if (code == CLI_DONE && !own && !mode_is_role(mode))
        code = bench_store_clean(cli);
    pawl_close(cli->pawl);
    cli->pawl = NULL;
    if (own) {
        cli->url = NULL;
        bench_store_remove();
    }
    if (code != CLI_DONE)
        return code;
    if (cli->json || mode_is_role(mode))
        return cli_json(cli, json_incref(bench->out));
    print_plain(bench->out);
    return CLI_DONE;
}

int cmd_bench(struct cli *cli, int argc, char **argv)
{
    struct request request = {.cli = cli};
    struct bench bench = {.cli = cli};
    struct args args;
    int key, code;
    args_begin(&args, cli, &bench_spec, argc, argv);
    while ((key = args_next(&args)) > 0) {
        code = request_option(&request, key, args.value);
        if (code != CLI_DONE)
            return code;
    }
    if (key < 0)
        return args.exit_code;
    if (args.operand_count != 1)
        return cli_usage(cli, "name one mode: enqueue, bulk, work, cycle, "
                              "latency, side or memory");
    const struct mode *mode = mode_find(args.operands[0]);
    if (!mode)
        return cli_usage(cli, "unknown mode '%.100s' (see 'pawl bench --help')",
                         args.operands[0]);
    if (request.durability && cli->url)
        return cli_usage(cli, "--durability is for the temporary store; with "
                              "--url write '?durability=%s' behind it",
                         request.durability);
    code = request_settings(&request, mode, &bench.set);
    if (code != CLI_DONE)
        return code;
    bench.out = json_object();
    code = bench.out ? run(&bench, mode, request.durability)
                     : cli_failed(cli, "out of memory");
    json_decref(bench.out);
    return code;
}
