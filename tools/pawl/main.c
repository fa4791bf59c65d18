/* main.c - the pawl command: finds the verb and lets it run.
 *
 * A new verb is a file cmd_NAME.c, a line in cmd.h and a line in the table
 * below; the help, the completion and the manual are checked against the table
 * by the tests.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cmd.h"

static cli_verb_fn main_help, main_version;

static const struct main_verb {
    const char *name;
    cli_verb_fn *run;
    const char *summary;
} main_verbs[] = {
    {"enqueue", cmd_enqueue, "add a job, or one per line of input"},
    {"work", cmd_work, "run a command for every job"},
    {"list", cmd_list, "list the jobs of a queue"},
    {"show", cmd_show, "print everything about jobs"},
    {"stats", cmd_stats, "count the jobs of every queue by state"},
    {"queues", cmd_queues, "print the names of the queues"},
    {"health", cmd_health, "where the jobs are, and how the storage is"},
    {"doctor", cmd_doctor, "what needs attention"},
    {"retry", cmd_retry, "run failed, dead or cancelled jobs again"},
    {"cancel", cmd_cancel, "cancel jobs, also running ones"},
    {"remove", cmd_remove, "delete jobs"},
    {"promote", cmd_promote, "run scheduled or failed jobs now"},
    {"pause", cmd_pause, "claim nothing more from a queue"},
    {"resume", cmd_resume, "let a paused queue go on"},
    {"clean", cmd_clean, "delete finished jobs"},
    {"drain", cmd_drain, "give the primary what was spooled"},
    {"migrate", cmd_migrate, "move all jobs to another storage"},
    {"export", cmd_export, "print jobs whole, for a backup"},
    {"import", cmd_import, "store jobs that were exported"},
    {"bench", cmd_bench, "measure a storage"},
    {"help", main_help, "print this text, or a verb's: pawl help VERB"},
    {"version", main_version, "print the version"},
};
#define MAIN_VERBS (sizeof main_verbs / sizeof *main_verbs)

static const struct args_option main_options[] = {
    {"version", 'V', NULL, "print the version"},
};

/* --- the verbs of this file --------------------------------------------------------- */

static void main_list(void)
{
    printf("\nverbs:\n");
    for (size_t i = 0; i < MAIN_VERBS; i++)
        printf("  %-10s %s\n", main_verbs[i].name, main_verbs[i].summary);
}

static const struct args_spec main_spec = {
    .usage = "[--url URL] [--json] VERB ...",
    .about = "Background jobs.\n",
    .list = main_list,
    .options = main_options,
    .option_count = 1,
    .more = "exit: 0 done, 1 failed, 2 usage, 3 not found, 69 storage unreachable\n",
    .command = true,
};

static int main_run_verb(struct cli *cli, int argc, char **argv)
{
    for (size_t i = 0; i < MAIN_VERBS; i++) {
        if (strcmp(main_verbs[i].name, argv[0]) == 0) {
            cli->verb = argv[0];
            return main_verbs[i].run(cli, argc, argv);
        }
    }
    cli->verb = NULL;
    return cli_usage(cli, "unknown verb '%.100s' (see 'pawl --help')", argv[0]);
}

static int main_help(struct cli *cli, int argc, char **argv)
{
    char help[] = "--help", pawl[] = "pawl";
    struct args args;
    if (argc > 1 && argv[1][0] != '-' && strcmp(argv[1], "help") != 0)
        return main_run_verb(cli, 2, (char *[]){argv[1], help, NULL});
    args_begin(&args, cli, &main_spec, 2, (char *[]){pawl, help, NULL});
    args_next(&args);
    return args.exit_code;
}

static int main_print_version(const struct cli *cli)
{
    if (cli->json)
        return cli_json(cli, json_pack("{s:s}", "version", pawl_version()));
    printf("pawl %s\n", pawl_version());
    return CLI_DONE;
}

static int main_version(struct cli *cli, int argc, char **argv)
{
    static const struct args_spec spec = {
        .usage = "version",
        .about = "Print the version.\n",
    };
    struct args args;
    args_begin(&args, cli, &spec, argc, argv);
    if (args_next(&args) < 0)
        return args.exit_code;
    if (args.operand_count > 0)
        return cli_usage(cli, "unexpected '%.100s'", args.operands[0]);
    return main_print_version(cli);
}

/* --- the command --------------------------------------------------------------------- */

/* Whoever starts us with a standard descriptor closed must not find a database
 * or a pipe in its place. What takes the place of standard input cannot be
 * read: a payload that was never given is a failure, not an empty job. */
static void main_open_standard(void)
{
    int fd = 0;
    do {
        fd = open("/dev/null", O_WRONLY);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

static int main_run(struct cli *cli, int argc, char **argv)
{
    struct args args;
    int key;
    args_begin(&args, cli, &main_spec, argc, argv);
    while ((key = args_next(&args)) > 0)
        if (key == 'V')
            return main_print_version(cli);
    if (key < 0)
        return args.exit_code;
    if (args.operand_count == 0)
        return cli_usage(cli, "no verb (see 'pawl --help')");
    return main_run_verb(cli, (int)args.operand_count, args.operands);
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    main_open_standard();
    int code = main_run(&cli, argc, argv);
    pawl_close(cli.pawl);
    code = code == CLI_HELPED ? CLI_DONE : code;
    if (cli_flush(&cli) != CLI_DONE && code == CLI_DONE)
        code = CLI_FAILED;
    return code;
}
