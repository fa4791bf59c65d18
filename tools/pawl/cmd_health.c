/* cmd_health.c - pawl health: which storage, where, and how it is. */
#include "cmd.h"

#include <stdio.h>

#include "args.h"
#include "details.h"
#include "json.h"
#include "text.h"

static const struct args_spec health_spec = {
    .usage = "health",
    .about = "Ask the storage how it is, and print where the jobs are.\n",
    .more = "Warnings do not change the exit code; pawl doctor's does.\n"
            "With --json one object: storage, where, engine, durability, mode,\n"
            "round_trip_us, size_bytes, free_bytes, details, warnings.\n\n"
            "exit: 0 reachable, 1 failed, 2 usage, 69 storage unreachable\n",
};

static json_t *health_warnings(const struct pawl_health *health)
{
    json_t *warnings = json_array();
    for (int i = 0; i < health->warning_count; i++)
        json_array_append_new(warnings, json_text(health->warnings[i].text));
    return warnings;
}

static void health_print(const struct pawl_health *health)
{
    char text[TEXT_TIME];
    details_line("storage", health->storage);
    details_line("where", health->where);
    details_line("engine", health->engine);
    details_line("durability", health->durability);
    snprintf(text, sizeof text, "%lld us", (long long)health->round_trip_us);
    details_line("round trip", text);
    text_bytes(text, health->size_bytes);
    details_line("size", text);
    details_print(health);
    for (int i = 0; i < health->warning_count; i++)
        details_line("warning", health->warnings[i].text);
}

int cmd_health(struct cli *cli, int argc, char **argv)
{
    struct args args;
    struct pawl_health health = {0};
    struct pawl_error err = {0};
    args_begin(&args, cli, &health_spec, argc, argv);
    if (args_next(&args) < 0)
        return args.exit_code;
    if (args.operand_count > 0)
        return cli_usage(cli, "unexpected '%.100s'", args.operands[0]);
    int code = cli_open(cli);
    if (code != CLI_DONE)
        return code;
    enum pawl_status status = pawl_health(cli->pawl, &health, &err);
    if (status != PAWL_OK)
        return cli_error(cli, status, &err);
    if (!cli->json) {
        health_print(&health);
        return CLI_DONE;
    }
    return cli_json(
        cli, json_pack("{s:s, s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o}", "storage",
                       health.storage, "where", json_text(health.where),
                       "engine", health.engine, "durability", health.durability,
                       "mode", pawl_mode_name(health.mode), "round_trip_us",
                       (json_int_t)health.round_trip_us, "size_bytes",
                       (json_int_t)health.size_bytes, "free_bytes",
                       (json_int_t)health.free_bytes, "details",
                       details_json(&health), "warnings",
                       health_warnings(&health)));
}
