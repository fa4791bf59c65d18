/* program.h - a suite of Check as a program. */
#ifndef PAWL_TEST_PROGRAM_H
#define PAWL_TEST_PROGRAM_H

#include <check.h>

/* Run it, as TAP on standard output. Returns the program's exit status. */
int program_run(Suite *suite);

#endif
