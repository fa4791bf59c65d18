/* lanes.h - a program's tests, several at the same time.
 *
 * For tests that mostly wait: for a deadline, a lease, a server that is stopped. Each
 * lane is a process that takes the next test when it is done with one; each test is
 * forked, timed out and told as TAP by Check as ever. They must share nothing: what
 * they need is made in `begin`, and gone in `end`.
 *
 * With CK_FORK=no, for a debugger, all run one after the other in this process.
 */
#ifndef PAWL_TEST_LANES_H
#define PAWL_TEST_LANES_H

#include <check.h>

struct lane_test {
    const TTest *test;
    int count; /* of a loop: run with _i from 0 on; 0: it is none */
    SFun begin, end; /* a checked fixture of its own; NULL: the program's */
};

/* `begin` and `end` are the checked fixture of those that have none; NULL: none.
 * `seconds` is what one may take. Returns the program's exit status. */
int lanes_run(const char *name, const struct lane_test *tests, size_t test_count,
              int lane_count, double seconds, SFun begin, SFun end);

#endif
