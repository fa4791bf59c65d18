/* details.h - what a storage tells of itself beyond what all of them do: "role
 * master". The names and values are the storage's. */
#ifndef PAWL_DETAILS_H
#define PAWL_DETAILS_H

#include <jansson.h>

#include "pawl.h"

/* "label      value", with what a terminal must not see escaped. */
void details_line(const char *label, const char *value);
void details_print(const struct pawl_health *health);
/* An object, name: value. NULL: memory is out. */
json_t *details_json(const struct pawl_health *health);

#endif
