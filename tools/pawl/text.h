/* text.h - words for a person: harmless text, times, lengths of time.
 *
 * Payloads, names and errors come from anybody. Nothing of them reaches a
 * terminal before text_escape(): an ESC in a payload could otherwise retitle a
 * window, rewrite what was printed, or type into the shell.
 */
#ifndef PAWL_CLI_TEXT_H
#define PAWL_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "pawl/job.h"
#include "util/buf.h"

/* Append bytes as printable UTF-8: control characters, characters that change
 * the direction of text, and what is not UTF-8 become \n, \t, \x1b, \u202e. */
void text_escape(struct buf *out, const void *bytes, size_t n);
/* Put '?' for every byte that is not part of a UTF-8 character, and for NUL. */
void text_make_utf8(char *bytes, size_t n);
/* Characters, for aligning columns. */
size_t text_width(const char *text);

#define TEXT_TIME 40
/* "2026-11-21T10:00:00.250Z"; "-" when unset. Fits any pawl_time. */
void text_instant(char out[TEXT_TIME], pawl_time at);
/* "3m ago", "in 10s", "now"; "-" when unset. */
void text_relative(char out[TEXT_TIME], pawl_time at, pawl_time now);
/* The two largest units: "1h 30m", "250ms". */
void text_duration(char out[TEXT_TIME], pawl_duration time);
/* "1.5 MiB". */
void text_bytes(char out[TEXT_TIME], long long bytes);

#endif
