/* args.h - one verb's options, taken from a table.
 *
 * Options and operands may be mixed; "--" ends the options. Names are never
 * abbreviated, so that an option added later cannot break a script. --url,
 * --json and --help belong to every verb and are dealt with here.
 *
 *     struct args args;
 *     int key;
 *     args_begin(&args, cli, &spec, argc, argv);
 *     while ((key = args_next(&args)) > 0)
 *         switch (key) { case 'q': use(args.value); }
 *     if (key < 0)
 *         return args.exit_code;
 *     use(args.operands, args.operand_count);
 */
#ifndef PAWL_ARGS_H
#define PAWL_ARGS_H

#include <stddef.h>

#include "cli.h"

struct args_option {
    const char *name;  /* long name without the dashes */
    int key;           /* a letter is the short name, too; else 256 and up */
    const char *value; /* what the help calls its value; NULL: it takes none */
    const char *help;  /* one line */
};

struct args_spec {
    const char *usage; /* what follows "pawl " in the help */
    const char *about; /* a sentence or two, lines ended by \n */
    void (*list)(void); /* prints what follows `about`; NULL: nothing does */
    const struct args_option *options;
    size_t option_count;
    const char *more; /* examples and exit codes, lines ended by \n */
    bool command;     /* the first operand ends the options: a command line */
};

struct args {
    struct cli *cli;
    const struct args_spec *spec;
    char **argv;
    int argc;
    int next;          /* index of the argument to look at */
    char *cluster;     /* the rest of "-vq", or NULL */
    bool ended;        /* "--" was seen */
    const char *value; /* of the option just answered */
    char **operands;   /* NULL-terminated; complete when args_next answers 0 */
    size_t operand_count;
    int exit_code; /* not CLI_DONE, when args_next answered ARGS_EXIT */
};

enum { ARGS_END = 0, ARGS_EXIT = -1 };

/* Reorders argv: operands move to its front. */
void args_begin(struct args *args, struct cli *cli, const struct args_spec *spec,
                int argc, char **argv);
/* The next option's key; ARGS_END; or ARGS_EXIT: help or a message was printed. */
int args_next(struct args *args);

#endif
