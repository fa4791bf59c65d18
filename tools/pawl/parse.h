/* parse.h - values as people type them on the command line.
 *
 * Every function answers true and fills *out, or answers false, leaves *out
 * alone and points *why at what is wrong (static text that reads on after the
 * value in quotes: "'5' has no unit: write 5s, 5m or 500ms").
 */
#ifndef PAWL_PARSE_H
#define PAWL_PARSE_H

#include <stdbool.h>

#include "pawl/job.h"

/* Whole numbers with a unit, added up: 500ms, 10s, 1h30m, 7d, 2w. Only 0 needs
 * no unit. At most ten years. */
bool parse_duration(const char *text, pawl_duration *out, const char **why);

/* RFC 3339, with Z or an offset (2026-11-21T10:00:00Z), or @SECONDS since 1970.
 * Either may have a fraction of a second. */
bool parse_instant(const char *text, pawl_time *out, const char **why);

/* A whole number, without sign or space, of min..max. */
bool parse_number(const char *text, long min, long max, long *out);

/* KIND[:DELAY[,DELAY]…][,cap=D][,jitter=N], KIND of exponential, fixed, linear,
 * poly4 and list. Only list takes several delays; poly4 takes none. */
bool parse_backoff(const char *text, struct pawl_backoff *out, const char **why);

/* reject, throttle, debounce or latest. */
bool parse_key_mode(const char *text, enum pawl_key_mode *out);

#endif
