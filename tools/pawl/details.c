/* details.c - see details.h. */
#include "details.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "table.h"
#include "text.h"

void details_line(const char *label, const char *value)
{
    struct buf text;
    buf_init(&text, sizeof(struct pawl_health) * 8);
    text_escape(&text, value, strlen(value));
    printf("%s%-12s%s%s\n", table_colour_on(TABLE_DIM), label,
           table_colour_off(TABLE_DIM), text.data ? text.data : "");
    buf_clear(&text);
}

void details_print(const struct pawl_health *health)
{
    for (int i = 0; i < health->detail_count; i++)
        details_line(health->details[i].name, health->details[i].value);
}

json_t *details_json(const struct pawl_health *health)
{
    json_t *all = json_object();
    for (int i = 0; i < health->detail_count; i++)
        json_object_set_new(all, health->details[i].name,
                            json_text(health->details[i].value));
    return all;
}
