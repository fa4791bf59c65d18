/* table.h - aligned columns on standard output, for a person.
 *
 * Cells are escaped when they are added, so nothing in a table can drive the
 * terminal. Colour only on a terminal, and never with NO_COLOR set.
 */
#ifndef PAWL_CLI_TABLE_H
#define PAWL_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "pawl/job.h"

#define TABLE_COLUMNS_MAX 16

enum table_colour { TABLE_PLAIN, TABLE_BOLD, TABLE_DIM, TABLE_RED, TABLE_GREEN,
                    TABLE_YELLOW };

struct table_cell {
    char *text; /* escaped */
    enum table_colour colour;
};

struct table {
    size_t columns;
    bool right[TABLE_COLUMNS_MAX]; /* numbers: aligned to the right */
    struct table_cell *cells;      /* row after row, the titles first */
    size_t count, cap;
    bool failed; /* memory is out */
};

/* `titles` separated by spaces; one that begins with '>' is a column of numbers
 * and written without it. */
void table_init(struct table *table, const char *titles);
/* The next cell, from left to right, row after row. */
void table_add(struct table *table, enum table_colour colour,
               const char *format, ...) PAWL_PRINTF(3, 4);
/* The next cell: at most `width` characters of bytes that may be anything. */
void table_add_bytes(struct table *table, const void *bytes, size_t n,
                     size_t width);
/* False when memory was out: then nothing was printed. */
bool table_print(const struct table *table, bool with_titles);
void table_clear(struct table *table);

/* The colour a state's name has. */
enum table_colour table_state_colour(enum pawl_state state);
/* May colours be used? */
bool table_is_colourful(void);
/* What to print before and after text of that colour; "" without colours. */
const char *table_colour_on(enum table_colour colour);
const char *table_colour_off(enum table_colour colour);

#endif
