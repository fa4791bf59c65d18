/* table.c - see table.h. Everything is kept until it is printed, since the
 * widths are known only then. */
#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

#define TABLE_CELL_MAX 8192

/* --- colour ------------------------------------------------------------------ */

bool table_is_colourful(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(no_color && *no_color) && term &&
           strcmp(term, "dumb") != 0;
}

const char *table_colour_on(enum table_colour colour)
{
    static const char *const codes[] = {
        [TABLE_PLAIN] = "",           [TABLE_BOLD] = "\x1b[1m",
        [TABLE_DIM] = "\x1b[2m",      [TABLE_RED] = "\x1b[31m",
        [TABLE_GREEN] = "\x1b[32m",   [TABLE_YELLOW] = "\x1b[33m",
    };
    return table_is_colourful() ? codes[colour] : "";
}

const char *table_colour_off(enum table_colour colour)
{
    return colour != TABLE_PLAIN && table_is_colourful() ? "\x1b[0m" : "";
}

enum table_colour table_state_colour(enum pawl_state state)
{
    switch (state) {
    case PAWL_COMPLETED: return TABLE_GREEN;
    case PAWL_DEAD: return TABLE_RED;
    case PAWL_FAILED:
    case PAWL_HELD: return TABLE_YELLOW;
    case PAWL_PROCESSING: return TABLE_BOLD;
    case PAWL_CANCELLED: return TABLE_DIM;
    default: return TABLE_PLAIN;
    }
}

/* --- cells --------------------------------------------------------------------- */

/* Takes `text`, which may be NULL when memory is out. */
static void table_take(struct table *table, enum table_colour colour, char *text)
{
    if (table->count == table->cap) {
        size_t cap = table->cap ? table->cap * 2 : 64;
        struct table_cell *cells =
            realloc(table->cells, cap * sizeof *cells);
        if (!cells) {
            table->failed = true;
            free(text);
            return;
        }
        table->cells = cells;
        table->cap = cap;
    }
    table->failed = table->failed || !text;
    table->cells[table->count].text = text;
    table->cells[table->count++].colour = colour;
}

void table_init(struct table *table, const char *titles)
{
    memset(table, 0, sizeof *table);
    while (*titles) {
        bool right = *titles == '>';
        size_t n;
        titles += right;
        n = strcspn(titles, " ");
        table->right[table->columns++] = right;
        table_take(table, TABLE_DIM, strndup(titles, n));
        titles += n;
        titles += strspn(titles, " ");
    }
}

void table_add(struct table *table, enum table_colour colour,
               const char *format, ...)
{
    char text[1024];
    struct buf out;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_init(&out, TABLE_CELL_MAX);
    buf_add(&out, "", 0);
    text_escape(&out, text, strlen(text));
    table_take(table, colour, out.data);
}

/* At most `width` characters, the last of which tells by a "…" of more. */
static void table_cut(struct buf *text, size_t width)
{
    char *p = text->data;
    if (text_width(p) <= width)
        return;
    for (size_t seen = 0; *p; p++) {
        seen += ((unsigned char)*p & 0xc0) != 0x80;
        if (seen == width)
            break;
    }
    text->len = (size_t)(p - text->data);
    buf_str(text, "…");
}

void table_add_bytes(struct table *table, const void *bytes, size_t n,
                     size_t width)
{
    struct buf out;
    buf_init(&out, TABLE_CELL_MAX);
    buf_add(&out, "", 0);
    text_escape(&out, bytes, n > TABLE_CELL_MAX / 8 ? TABLE_CELL_MAX / 8 : n);
    if (out.data)
        table_cut(&out, width);
    table_take(table, TABLE_PLAIN, out.data);
}

/* --- printing ------------------------------------------------------------------- */

static void table_print_cell(const struct table *table, size_t i, size_t width)
{
    const struct table_cell *cell = &table->cells[i];
    size_t column = i % table->columns;
    bool last = column + 1 == table->columns;
    int pad = (int)(width - text_width(cell->text));
    printf("%*s%s%s%s", table->right[column] ? pad : 0, "",
           table_colour_on(cell->colour), cell->text,
           table_colour_off(cell->colour));
    if (last)
        putchar('\n');
    else
        printf("%*s  ", table->right[column] ? 0 : pad, "");
}

bool table_print(const struct table *table, bool with_titles)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    if (table->failed)
        return false;
    for (size_t i = 0; i < table->count; i++) {
        size_t width = text_width(table->cells[i].text);
        if (widths[i % table->columns] < width)
            widths[i % table->columns] = width;
    }
    for (size_t i = with_titles ? 0 : table->columns; i < table->count; i++)
        table_print_cell(table, i, widths[i % table->columns]);
    return true;
}

void table_clear(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].text);
    free(table->cells);
    memset(table, 0, sizeof *table);
}
