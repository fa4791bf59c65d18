/* test_sqlite_gate.c - the gate between processes and the line between threads:
 * exclusive, fair, with a deadline, and freed by death. Bounds on time are wide:
 * they tell a broken gate from a working one, not a fast machine from a slow. */
#include <limits.h>
#include <pthread.h>
#include <unistd.h>

#include "sqlite_fixture.h"
#include "storage/sqlite/sqlite_gate.h"
#include "storage/sqlite/sqlite_line.h"
#include "util/side_file.h"

#define MS INT64_C(1000000)

static void spin(int64_t ns)
{
    int64_t end = clock_mono_ns() + ns;
    while (clock_mono_ns() < end)
        continue;
}

static void open_gate(struct sqlite_gate *gate)
{
    struct pawl_error err = { 0 };
    must(gate_open(gate, fixture_file, &err) == PAWL_OK);
}

static void enter(struct sqlite_gate *gate)
{
    struct pawl_error err = { 0 };
    int64_t deadline = clock_mono_ns() + 20000 * MS;
    must(gate_enter(gate, deadline, &err) == PAWL_OK);
}

/* --- the actors: argv[1] is what to do, argv[2] the database ------------------- */

/* Go in and out for half a second; print how often. */
static void act_hammer(struct sqlite_gate *gate)
{
    int64_t end = clock_mono_ns() + 700 * MS, from = end - 500 * MS;
    long turns = 0;
    while (clock_mono_ns() < end) {
        enter(gate);
        spin(20000);
        gate_leave(gate);
        turns += clock_mono_ns() >= from;
    }
    printf("%ld\n", turns);
}

/* Add 1 to the number in the file, 2000 times. */
static void act_count(struct sqlite_gate *gate, const char *file)
{
    int fd = open(file, O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 2000; i++) {
        int n = 0;
        enter(gate);
        must(pread(fd, &n, sizeof n, 0) >= 0);
        n++;
        must(pwrite(fd, &n, sizeof n, 0) == sizeof n);
        gate_leave(gate);
    }
    close(fd);
}

/* Hold it; with "die", for 200 ms, then die of a signal. */
static void act_hold(struct sqlite_gate *gate, bool die)
{
    enter(gate);
    printf("in\n");
    fflush(stdout);
    usleep(die ? 200000 : 60000000);
    raise(SIGKILL);
}

static int act(char **argv)
{
    struct sqlite_gate gate;
    snprintf(fixture_file, sizeof fixture_file, "%s", argv[2]);
    open_gate(&gate);
    if (strcmp(argv[1], "hammer") == 0)
        act_hammer(&gate);
    else if (strcmp(argv[1], "count") == 0)
        act_count(&gate, argv[2]);
    else
        act_hold(&gate, strcmp(argv[1], "die") == 0);
    gate_close(&gate);
    return 0;
}

/* --- between processes ------------------------------------------------------------ */

/* How often each of `count` went in: the least and the most. */
static void compete(int count, long *least, long *most)
{
    pid_t pids[4];
    FILE *outs[4];
    *least = LONG_MAX;
    *most = 0;
    for (int i = 0; i < count; i++)
        pids[i] = fixture_start(&outs[i], "hammer", fixture_file, NULL);
    for (int i = 0; i < count; i++) {
        long turns = strtol(fixture_line(outs[i]), NULL, 10);
        ck_assert_int_eq(fixture_end(pids[i], outs[i]), 0);
        *least = turns < *least ? turns : *least;
        *most = turns > *most ? turns : *most;
    }
}

/* Nobody gets less than a quarter of what another one gets. One may be without a CPU
 * for a while, on a machine that is busy with other things, but not each time. */
START_TEST(fair)
{
    long least = 0, most = 1;
    for (int i = 0; i < 8 && (least == 0 || least * 4 < most); i++)
        compete(2 + _i, &least, &most);
    ck_assert_msg(least > 0 && least * 4 >= most, "least %ld, most %ld", least, most);
}
END_TEST

START_TEST(exclusive)
{
    pid_t pids[3];
    FILE *outs[3];
    int n = 0, fd = open(fixture_file, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    for (int i = 0; i < 3; i++)
        pids[i] = fixture_start(&outs[i], "count", fixture_file, NULL);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(fixture_end(pids[i], outs[i]), 0);
    ck_assert_int_eq(pread(fd, &n, sizeof n, 0), sizeof n);
    ck_assert_int_eq(n, 6000);
    close(fd);
}
END_TEST

/* Who holds it too long is named, and that it is stopped. */
START_TEST(stopped_holder_is_named)
{
    struct sqlite_gate gate;
    struct pawl_error err = { 0 };
    FILE *out;
    char name[100];
    pid_t pid = fixture_start(&out, "hold", fixture_file, NULL);
    ck_assert_str_eq(fixture_line(out), "in");
    kill(pid, SIGSTOP);
    siginfo_t info;
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WSTOPPED), 0);
    open_gate(&gate);
    int64_t begin = clock_mono_ns();
    ck_assert_int_eq(gate_enter(&gate, begin + 100 * MS, &err), PAWL_ETIMEOUT);
    ck_assert_int_ge(clock_mono_ns() - begin, 100 * MS);
    snprintf(name, sizeof name, "the write gate is held by process %d (", (int)pid);
    ck_assert_ptr_eq(strstr(err.message, name), err.message);
    ck_assert_msg(strstr(err.message, "s; it is stopped: continue it or end it") !=
                      NULL, "%s", err.message);
    kill(pid, SIGKILL);
    fixture_end(pid, out);
    enter(&gate);
    gate_leave(&gate);
    gate_close(&gate);
}
END_TEST

/* A holder dies while somebody waits: the kernel opens the gate. */
START_TEST(killed_holder_frees)
{
    struct sqlite_gate gate;
    FILE *out;
    pid_t pid = fixture_start(&out, "die", fixture_file, NULL);
    ck_assert_str_eq(fixture_line(out), "in");
    open_gate(&gate);
    int64_t begin = clock_mono_ns();
    enter(&gate);
    ck_assert_int_lt(clock_mono_ns() - begin, 5000 * MS);
    gate_leave(&gate);
    fixture_end(pid, out);
    gate_close(&gate);
}
END_TEST

/* A waiter dies in its sleep: what it announced costs little, and once. */
START_TEST(killed_waiter_costs_little)
{
    struct sqlite_gate gate;
    FILE *out;
    open_gate(&gate);
    enter(&gate);
    pid_t pid = fixture_start(&out, "hold", fixture_file, NULL);
    usleep(100000);
    kill(pid, SIGKILL);
    fixture_end(pid, out);
    gate_leave(&gate);
    int64_t begin = clock_mono_ns();
    for (int i = 0; i < 1000; i++) {
        enter(&gate);
        gate_leave(&gate);
    }
    ck_assert_int_lt(clock_mono_ns() - begin, 500 * MS);
    gate_close(&gate);
}
END_TEST

/* What another boot left in the page is far ahead of this boot's clock. */
START_TEST(rubbish_keeps_nobody_out)
{
    char rubbish[512];
    struct sqlite_gate gate;
    struct pawl_error err = { 0 };
    int fd;
    open_gate(&gate);
    fd = open(fixture_path("x.db.gate"), O_RDWR | O_CLOEXEC);
    memset(rubbish, 0x71, sizeof rubbish);
    ck_assert_int_eq(pwrite(fd, rubbish, sizeof rubbish, 24), sizeof rubbish);
    close(fd);
    ck_assert_int_eq(gate_enter(&gate, clock_mono_ns() + 1000 * MS, &err),
                     PAWL_OK);
    gate_leave(&gate);
    gate_close(&gate);
}
END_TEST

/* Two instances of one process keep each other out; notes are seen by both. */
START_TEST(two_in_one_process)
{
    struct sqlite_gate a, b;
    struct pawl_error err = { 0 };
    open_gate(&a);
    open_gate(&b);
    enter(&a);
    ck_assert_int_eq(gate_enter(&b, clock_mono_ns() + MS, &err), PAWL_ETIMEOUT);
    ck_assert(!gate_noted(&b, GATE_SYNC_FAILED));
    gate_set(&a, GATE_SYNC_FAILED, true);
    ck_assert(gate_noted(&b, GATE_SYNC_FAILED));
    ck_assert(!gate_noted(&b, GATE_SPACE_LOW));
    gate_leave(&a);
    enter(&b);
    gate_leave(&b);
    ck_assert(!side_file_is_gone(a.fd));
    unlink(fixture_path("x.db.gate"));
    ck_assert(side_file_is_gone(a.fd));
    gate_close(&a);
    gate_close(&b);
    gate_close(&b);
}
END_TEST

/* --- between threads ---------------------------------------------------------- */

#define THREADS 4

#define RACE_TURNS 8000

struct racer {
    struct sqlite_line *line;
    int *shared;
    pthread_barrier_t *all_there;
    long turns;
};

/* From when all are there until so many turns were taken, however long that is. */
static void *race(void *arg)
{
    struct racer *r = arg;
    bool over = false;
    pthread_barrier_wait(r->all_there);
    while (!over && line_enter(r->line, clock_mono_ns() + 10000 * MS)) {
        over = *r->shared >= RACE_TURNS;
        if (!over) {
            int seen = ++*r->shared;
            spin(15000);
            must(*r->shared == seen);
            r->turns++;
        }
        line_leave(r->line);
    }
    return NULL;
}

/* The fewest and the most turns that one of them had. */
static void race_once(struct sqlite_line *line, long *least, long *most)
{
    struct racer racers[THREADS];
    pthread_t threads[THREADS];
    int shared = 0;
    long sum = 0;
    pthread_barrier_t all_there;
    pthread_barrier_init(&all_there, NULL, THREADS);
    *least = LONG_MAX, *most = 0;
    for (int i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){ line, &shared, &all_there, 0 };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += racers[i].turns;
        *least = racers[i].turns < *least ? racers[i].turns : *least;
        *most = racers[i].turns > *most ? racers[i].turns : *most;
    }
    pthread_barrier_destroy(&all_there);
    ck_assert_int_eq(sum, shared);
}

/* A busy machine may keep one of them from running at all for a whole race; a line that
 * is not fair shows in every one. */
START_TEST(line_is_fair)
{
    struct sqlite_line line;
    long least = 0, most = 1;
    ck_assert(line_open(&line));
    for (int races = 0; races < 8 && least * 6 < most; races++)
        race_once(&line, &least, &most);
    ck_assert_msg(least * 6 >= most, "least %ld, most %ld", least, most);
    line_close(&line);
}
END_TEST

START_TEST(line_has_a_deadline)
{
    struct sqlite_line line;
    ck_assert(line_open(&line));
    ck_assert(line_enter(&line, clock_mono_ns()));
    int64_t begin = clock_mono_ns();
    ck_assert(!line_enter(&line, begin + 50 * MS));
    ck_assert_int_ge(clock_mono_ns() - begin, 50 * MS);
    line_leave(&line);
    ck_assert(line_enter(&line, clock_mono_ns()));
    line_leave(&line);
    line_close(&line);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 2)
        return act(argv);
    Suite *suite = suite_create("sqlite_gate");
    TCase *t = tcase_create("sqlite_gate");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
    tcase_add_loop_test(t, fair, 0, 3);
    tcase_add_test(t, exclusive);
    tcase_add_test(t, stopped_holder_is_named);
    tcase_add_test(t, killed_holder_frees);
    tcase_add_test(t, killed_waiter_costs_little);
    tcase_add_test(t, rubbish_keeps_nobody_out);
    tcase_add_test(t, two_in_one_process);
    tcase_add_test(t, line_is_fair);
    tcase_add_test(t, line_has_a_deadline);
    suite_add_tcase(suite, t);
    return fixture_run(suite);
}
