/* actor.h - other processes, started, watched and killed by a test.
 *
 * An actor is an exec'd program, never a mere fork: a test must be able to kill
 * it at any moment without anything of its own being shared with it. Actors are
 * started while the test holds no handle of pawl, and die with the test.
 *
 * Whatever goes wrong here ends the test with a message: there is nothing a
 * caller could do about it.
 */
#ifndef PAWL_TEST_ACTOR_H
#define PAWL_TEST_ACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ACTOR_PATIENCE 60000 /* ms until a test gives up on an actor */
#define ACTOR_TIMED_OUT (-1)

struct actor {
    pid_t pid;      /* 0: none, or over */
    int out;        /* what it prints; -1: closed */
    char text[512]; /* of it, what actor_line has not handed out yet */
    size_t length;
};

/* Run argv[0] (a path) with the test's environment; its standard output comes
 * to actor_line, its errors to the test's. */
void actor_start(struct actor *actor, const char *const *argv);
/* The next line it prints, without the newline; false at the end. */
bool actor_line(struct actor *actor, char *line, size_t size);
/* The next line must begin with `text`. */
void actor_expect(struct actor *actor, const char *text);
/* Is it still there? Stopped counts. */
bool actor_alive(const struct actor *actor);
void actor_signal(const struct actor *actor, int number);
/* Wait until it has stopped itself or was stopped. */
void actor_await_stop(const struct actor *actor);
/* Wait for its end, at most `ms`: its exit status, 128 + the signal that ended
 * it, or ACTOR_TIMED_OUT. Reads what it still prints and forgets it. */
int actor_wait(struct actor *actor, int ms);
/* SIGKILL, and wait. Nothing if it is over already. */
void actor_kill(struct actor *actor);

/* us on the monotonic clock, which all processes of a machine share. */
int64_t now_us(void);
void sleep_ms(long ms);
/* A number from the environment; `usual`, or `thorough` in a --long run, when
 * it is not set. */
uint64_t env_number(const char *name, uint64_t usual, uint64_t thorough);
/* $PAWL_SEED, or a new one; printed, so that a failure can be repeated. */
uint64_t test_seed(void);
/* A small generator of our own: the same numbers everywhere. */
uint64_t seeded(uint64_t *state);
/* A line of TAP commentary, in one write. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* End the test. */
_Noreturn void give_up(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
