/* sqlite_fixture.h - what the tests of the SQLite storage's inside share: an
 * instance on a file, and other processes that run this same program. */
#ifndef PAWL_TEST_SQLITE_FIXTURE_H
#define PAWL_TEST_SQLITE_FIXTURE_H

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"
#include "storage/sqlite/sqlite_storage.h"
#include "temp_dir.h"
#include "util/clock.h"

static inline pawl_time fixture_now(void *context)
{
    (void)context;
    return clock_wall_ms();
}

static inline pawl_time fixture_steady(void *context)
{
    (void)context;
    return clock_boot_ms();
}

static const struct pawl_clock fixture_clock = { fixture_now, fixture_steady,
                                                 NULL };

/* Open an instance; what sqlite_storage_ops.open answers. Zeroes it first. */
static inline enum pawl_status
fixture_open(struct sqlite_storage *s, const char *location, const char *options,
             pawl_duration deadline, struct pawl_error *err)
{
    struct pawl_storage_config config = { .url = "sqlite:",
                                          .location = location,
                                          .options = options,
                                          .clock = fixture_clock,
                                          .deadline = deadline };
    memset(s, 0, sizeof *s);
    s->base.ops = &sqlite_storage_ops;
    return s->base.ops->open(&s->base, &config, err);
}

static inline void fixture_close(struct sqlite_storage *s)
{
    s->base.ops->close(&s->base);
}

/* Another process. Run this program with the given words; its output can be read
 * from *out. A fork of a test would share what it has open. */
static inline pid_t fixture_start(FILE **out, const char *role, const char *a,
                                  const char *b)
{
    extern char **environ;
    char self[4096]; /* read here: in the child of a debugger it is another's */
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    int ends[2];
    pid_t pid = 0;
    ck_assert_int_gt(size, 0);
    self[size] = '\0';
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    char *argv[] = { (char *)"actor", (char *)role, (char *)a, (char *)b, NULL };
    ck_assert_int_eq(
        posix_spawn(&pid, self, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *out = fdopen(ends[0], "r");
    ck_assert_ptr_nonnull(*out);
    return pid;
}

/* For actors and threads, where Check's assertions cannot be used. */
static inline void must(bool ok)
{
    if (!ok)
        abort();
}

/* The next line it prints, or "" at the end. */
static inline const char *fixture_line(FILE *out)
{
    static char line[512];
    if (!fgets(line, sizeof line, out))
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static inline int fixture_end(pid_t pid, FILE *out)
{
    int status = 0;
    fclose(out);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

/* Run a suite of one case with a temporary folder around each test. */
static inline int fixture_run(Suite *suite)
{
    return program_run(suite);
}

static struct temp_dir fixture_dir;
static char fixture_file[300]; /* of the database, in that folder */

static inline void fixture_setup(void)
{
    temp_dir_make(&fixture_dir);
    snprintf(fixture_file, sizeof fixture_file, "%s/x.db", fixture_dir.path);
}

static inline void fixture_teardown(void)
{
    temp_dir_remove(&fixture_dir);
}

/* A path in the folder; valid until the fourth call after. */
static inline char *fixture_path(const char *name)
{
    static char paths[4][400];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", fixture_dir.path, name);
    return path;
}

#endif
