/* args.c - see args.h. Written out rather than left to getopt_long, whose state
 * is global, whose messages cannot be changed, and which takes "--pri" for
 * "--priority". */
#include "args.h"

#include <stdio.h>
#include <string.h>

enum { ARGS_URL = 0x10000, ARGS_JSON };

static const struct args_option args_globals[] = {
    {"url", ARGS_URL, "URL", "where the jobs are; default $PAWL_URL, or a file"},
    {"json", ARGS_JSON, NULL, "one JSON object, or one per line"},
    {"help", 'h', NULL, "this text"},
};
#define ARGS_GLOBALS (sizeof args_globals / sizeof *args_globals)

void args_begin(struct args *args, struct cli *cli, const struct args_spec *spec,
                int argc, char **argv)
{
    memset(args, 0, sizeof *args);
    args->cli = cli;
    args->spec = spec;
    args->argv = argv;
    args->argc = argc;
    args->next = 1;
    args->operands = argv + 1;
}

/* --- help ---------------------------------------------------------------------- */

static void args_print_option(const struct args_option *option)
{
    char left[64];
    bool letter = option->key < 256;
    snprintf(left, sizeof left, "  %c%c%s --%s%s%s", letter ? '-' : ' ',
             letter ? option->key : ' ', letter ? "," : " ", option->name,
             option->value ? " " : "", option->value ? option->value : "");
    printf("%-26s %s\n", left, option->help);
}

static void args_print_help(const struct args_spec *spec)
{
    printf("usage: pawl %s\n\n%s", spec->usage, spec->about);
    if (spec->list)
        spec->list();
    printf("\noptions:\n");
    for (size_t i = 0; i < spec->option_count; i++)
        args_print_option(&spec->options[i]);
    for (size_t i = 0; i < ARGS_GLOBALS; i++)
        args_print_option(&args_globals[i]);
    if (spec->more)
        printf("\n%s", spec->more);
}

/* --- finding an option ------------------------------------------------------------ */

static const struct args_option *args_long(const struct args *args,
                                           const char *name, size_t n)
{
    for (size_t i = 0; i < args->spec->option_count + ARGS_GLOBALS; i++) {
        const struct args_option *option =
            i < ARGS_GLOBALS ? &args_globals[i]
                             : &args->spec->options[i - ARGS_GLOBALS];
        if (strlen(option->name) == n && memcmp(option->name, name, n) == 0)
            return option;
    }
    return NULL;
}

static const struct args_option *args_short(const struct args *args, char letter)
{
    for (size_t i = 0; i < args->spec->option_count + ARGS_GLOBALS; i++) {
        const struct args_option *option =
            i < ARGS_GLOBALS ? &args_globals[i]
                             : &args->spec->options[i - ARGS_GLOBALS];
        if (option->key == (unsigned char)letter)
            return option;
    }
    return NULL;
}

static int args_exit(struct args *args, int exit_code)
{
    args->exit_code = exit_code;
    return ARGS_EXIT;
}

/* "see 'pawl VERB --help'" */
static int args_wrong(struct args *args, const char *what, int n,
                      const char *name)
{
    const char *verb = args->cli->verb;
    return args_exit(args, cli_usage(args->cli,
                                     "%s '%.*s' (see 'pawl %s%s--help')", what,
                                     n, name, verb ? verb : "",
                                     verb ? " " : ""));
}

static int args_no_value(struct args *args, const struct args_option *option)
{
    return args_exit(args, cli_usage(args->cli, "option '--%s' needs a value: %s",
                                     option->name, option->value));
}

/* The verbs' common options end here; the verb's own go to the verb. */
static int args_take(struct args *args, const struct args_option *option)
{
    switch (option->key) {
    case ARGS_URL: args->cli->url = args->value; return args_next(args);
    case ARGS_JSON: args->cli->json = true; return args_next(args);
    case 'h':
        args_print_help(args->spec);
        return args_exit(args, CLI_HELPED);
    default: return option->key;
    }
}

/* --- one argument ------------------------------------------------------------------ */

static int args_next_long(struct args *args, char *text)
{
    size_t n = strcspn(text, "=");
    const struct args_option *option = args_long(args, text, n);
    if (!option)
        return args_wrong(args, "unknown option", (int)(n + 2), text - 2);
    args->value = NULL;
    if (!option->value && text[n] == '=')
        return args_wrong(args, "no value belongs to option", (int)(n + 2),
                          text - 2);
    if (option->value && text[n] == '=')
        args->value = text + n + 1;
    else if (option->value && args->next < args->argc)
        args->value = args->argv[args->next++];
    else if (option->value)
        return args_no_value(args, option);
    return args_take(args, option);
}

/* The first letter of a cluster "vq": a value is what follows it, or the next
 * argument. */
static int args_next_short(struct args *args)
{
    char letter[3] = {'-', *args->cluster++, '\0'};
    const struct args_option *option = args_short(args, letter[1]);
    if (!option)
        return args_wrong(args, "unknown option", 2, letter);
    args->value = NULL;
    if (option->value && *args->cluster)
        args->value = args->cluster;
    else if (option->value && args->next < args->argc)
        args->value = args->argv[args->next++];
    else if (option->value)
        return args_no_value(args, option);
    if (option->value || !*args->cluster)
        args->cluster = NULL;
    return args_take(args, option);
}

int args_next(struct args *args)
{
    if (args->cluster)
        return args_next_short(args);
    while (args->next < args->argc) {
        char *text = args->argv[args->next++];
        if (!args->ended && strcmp(text, "--") == 0) {
            args->ended = true;
        } else if (!args->ended && text[0] == '-' && text[1] == '-') {
            return args_next_long(args, text + 2);
        } else if (!args->ended && text[0] == '-' && text[1]) {
            args->cluster = text + 1;
            return args_next_short(args);
        } else {
            args->operands[args->operand_count++] = text;
            args->ended = args->ended || args->spec->command;
        }
    }
    args->operands[args->operand_count] = NULL;
    return ARGS_END;
}
