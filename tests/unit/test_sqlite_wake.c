/* test_sqlite_wake.c - wake-ups and signs of life between processes. */
#include <pthread.h>

#include "sqlite_fixture.h"

#define MS INT64_C(1000000)

static const char *const mail[] = { "mail" };
static const char *const both[] = { "mail", "video" };

/* --- the actors ------------------------------------------------------------------ */

static int act_wait(struct sqlite_wake *wake)
{
    struct pawl_wait in = { .queues = mail, .queue_count = 1 };
    wake_wait(wake, &in, &fixture_clock); /* registers, and returns at once */
    printf("ready\n");
    fflush(stdout);
    in.until = clock_boot_ms() + 20000;
    wake_wait(wake, &in, &fixture_clock);
    printf("woken\n");
    return 0;
}

/* Print a byte held; then fork a child that lives on, print its number, and wait
 * to be killed. */
static int act_live(struct sqlite_live *live)
{
    struct pawl_error err = { 0 };
    struct fork_guard watched = { .fds = { &live->holder, &live->prober } };
    uint32_t byte = 0;
    if (!fork_watch(&watched) || live_acquire(live, &byte, &err) != PAWL_OK)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        bool right = fork_crossed(&watched) && live->holder == -1;
        sleep(right ? 20 : 0);
        _exit(0);
    }
    printf("%u\n%d\n", byte, (int)child);
    fflush(stdout);
    sleep(20);
    return 0;
}

static int act(char **argv)
{
    struct pawl_error err = { 0 };
    struct sqlite_wake wake = { 0 };
    struct sqlite_live live;
    if (strcmp(argv[1], "wait") == 0)
        return wake_open(&wake, argv[2], &err) == PAWL_OK ? act_wait(&wake) : 1;
    return live_open(&live, argv[2], &err) == PAWL_OK ? act_live(&live) : 1;
}

/* --- waking ------------------------------------------------------------------------ */

struct sleeper {
    struct sqlite_wake wake;
    pthread_t thread;
    struct pawl_wait in;
    _Atomic int64_t took; /* ms, of the wait that was started; -1: in it */
};

static void *sleep_now(void *arg)
{
    struct sleeper *s = arg;
    int64_t begin = clock_boot_ms();
    s->in.until = begin + 20000;
    wake_wait(&s->wake, &s->in, &fixture_clock);
    s->took = clock_boot_ms() - begin;
    return NULL;
}

/* An instance that has waited for these queues before: the first wait, and any
 * for more queues, returns at once. */
static void sleeper_open(struct sleeper *s, const char *const *queues, size_t count)
{
    struct pawl_error err = { 0 };
    memset(s, 0, sizeof *s);
    ck_assert_int_eq(wake_open(&s->wake, fixture_file, &err), PAWL_OK);
    s->in = (struct pawl_wait){ .queues = queues, .queue_count = count };
    sleep_now(s);
    ck_assert_int_lt(s->took, 10000);
}

static void sleeper_start(struct sleeper *s)
{
    s->took = -1;
    ck_assert_int_eq(pthread_create(&s->thread, NULL, sleep_now, s), 0);
    usleep(30000);
}

static void sleeper_join(struct sleeper *s)
{
    pthread_join(s->thread, NULL);
    ck_assert_int_lt(s->took, 10000);
}

/* A signal wakes who waits for that queue, and nobody else; a kick its own. */
START_TEST(signal_and_kick)
{
    struct sleeper a, b;
    struct sqlite_wake producer = { 0 };
    struct pawl_error err = { 0 };
    ck_assert_int_eq(wake_open(&producer, fixture_file, &err), PAWL_OK);
    sleeper_open(&a, both, 2);
    sleeper_open(&b, mail, 1);
    ck_assert((pawl_queue_hash("mail") & 31) != (pawl_queue_hash("video") & 31));
    sleeper_start(&a);
    sleeper_start(&b);
    wake_signal(&producer, "video", 5);
    sleeper_join(&a);
    usleep(20000);
    ck_assert_int_eq(b.took, -1);
    sleeper_start(&a);
    wake_kick(&b.wake);
    sleeper_join(&b);
    ck_assert_int_eq(a.took, -1);
    wake_signal(&producer, "mail", 1);
    sleeper_join(&a);
    wake_close(&a.wake);
    wake_close(&b.wake);
    wake_close(&producer);
}
END_TEST

/* Names of other queues that look like "mail" to a glance at their hash. */
static void fill_look_alikes(char names[][24], const char **list, int count)
{
    for (int i = 0, n = 0; n < count; i++) {
        snprintf(names[n], sizeof names[n], "other-%d", i);
        list[n] = names[n];
        n += (pawl_queue_hash(names[n]) & 31) == (pawl_queue_hash("mail") & 31);
    }
}

/* A signal is not spent on a sleeper of another queue, whatever its name is and
 * however many it waits for: who waits for this one is woken, whoever is first. */
START_TEST(look_alikes)
{
    struct sleeper one, many, right;
    struct sqlite_wake producer = { 0 };
    struct pawl_error err = { 0 };
    char names[20][24];
    const char *list[20];
    fill_look_alikes(names, list, 20);
    ck_assert_int_eq(wake_open(&producer, fixture_file, &err), PAWL_OK);
    sleeper_open(&one, list, 1);
    sleeper_open(&many, list, 20);
    sleeper_open(&right, mail, 1);
    for (int turn = 0; turn < 6; turn++) {
        sleeper_start(&one);
        sleeper_start(&many);
        sleeper_start(&right);
        wake_signal(&producer, "mail", 1);
        sleeper_join(&right);
        if (one.took < 0)
            wake_kick(&one.wake);
        if (many.took < 0)
            wake_kick(&many.wake);
        sleeper_join(&one);
        sleeper_join(&many);
    }
    wake_close(&one.wake);
    wake_close(&many.wake);
    wake_close(&right.wake);
    wake_close(&producer);
}
END_TEST

/* What comes between two waits ends the second at once: nothing is missed. */
START_TEST(nothing_is_missed)
{
    struct sleeper a;
    struct sqlite_wake producer = { 0 };
    struct pawl_error err = { 0 };
    ck_assert_int_eq(wake_open(&producer, fixture_file, &err), PAWL_OK);
    sleeper_open(&a, mail, 1);
    wake_signal(&producer, "mail", 1);
    sleep_now(&a);
    ck_assert_int_lt(a.took, 10000);
    wake_kick(&a.wake);
    sleep_now(&a);
    ck_assert_int_lt(a.took, 10000);

    struct pawl_wait in = { .queues = mail, .queue_count = 1 };
    int64_t begin = clock_boot_ms();
    in.until = begin + 60;
    wake_wait(&a.wake, &in, &fixture_clock);
    ck_assert_int_ge(clock_boot_ms() - begin, 60);
    wake_close(&a.wake);
    wake_close(&producer);
}
END_TEST

/* As many sleepers are woken as there are jobs, also in other processes; a dead
 * sleeper is passed over and its slot used again. */
START_TEST(between_processes)
{
    struct sqlite_wake producer = { 0 };
    struct pawl_error err = { 0 };
    FILE *outs[3];
    pid_t pids[3];
    ck_assert_int_eq(wake_open(&producer, fixture_file, &err), PAWL_OK);
    for (int i = 0; i < 3; i++) {
        pids[i] = fixture_start(&outs[i], "wait", fixture_file, NULL);
        ck_assert_str_eq(fixture_line(outs[i]), "ready");
    }
    usleep(50000);
    kill(pids[0], SIGKILL);
    fixture_end(pids[0], outs[0]);
    wake_signal(&producer, "mail", 2);
    for (int i = 1; i < 3; i++) {
        ck_assert_str_eq(fixture_line(outs[i]), "woken");
        ck_assert_int_eq(fixture_end(pids[i], outs[i]), 0);
    }
    struct sleeper a;
    sleeper_open(&a, mail, 1);
    ck_assert_int_eq(atomic_load(&a.wake.slot), 0);
    wake_close(&a.wake);
    wake_close(&producer);
}
END_TEST

/* --- liveness ----------------------------------------------------------------------- */

START_TEST(bytes)
{
    struct sqlite_live a, b;
    struct pawl_error err = { 0 };
    uint32_t n = 0, m = 0;
    uint8_t boot[16], again[16], zero[16] = { 0 };
    ck_assert_int_eq(live_open(&a, fixture_file, &err), PAWL_OK);
    ck_assert_int_eq(live_open(&b, fixture_file, &err), PAWL_OK);
    ck_assert_int_eq(live_acquire(&a, &n, &err), PAWL_OK);
    ck_assert_int_eq(live_acquire(&a, &m, &err), PAWL_OK);
    ck_assert(n > 0 && m > 0 && n != m);
    ck_assert(live_is_held(&a, n) && live_is_held(&b, n) && live_is_held(&b, m));
    live_release(&a, m);
    ck_assert(live_is_held(&a, n) && !live_is_held(&a, m));
    live_boot_id(&a, boot);
    live_boot_id(&b, again);
    ck_assert_mem_eq(boot, again, 16);
    ck_assert_mem_ne(boot, zero, 16);
    live_close(&a);
    ck_assert(!live_is_held(&b, n));
    live_close(&b);
}
END_TEST

/* Killed with SIGKILL, and though a child it forked lives on. */
START_TEST(death_is_seen)
{
    struct sqlite_live live;
    struct pawl_error err = { 0 };
    FILE *out;
    pid_t pid = fixture_start(&out, "live", fixture_file, NULL);
    uint32_t byte = (uint32_t)strtoul(fixture_line(out), NULL, 10);
    pid_t child = (pid_t)strtol(fixture_line(out), NULL, 10);
    ck_assert(byte > 0 && child > 0);
    ck_assert_int_eq(live_open(&live, fixture_file, &err), PAWL_OK);
    ck_assert(live_is_held(&live, byte));
    kill(pid, SIGSTOP);
    ck_assert(live_is_held(&live, byte));
    kill(pid, SIGKILL);
    fixture_end(pid, out);
    ck_assert_int_eq(kill(child, 0), 0);
    /* The child may not have got round yet to letting go of what it inherited. */
    for (int i = 0; i < 1000 && live_is_held(&live, byte); i++)
        usleep(10000);
    ck_assert(!live_is_held(&live, byte));
    kill(child, SIGKILL);
    live_close(&live);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 2)
        return act(argv);
    Suite *suite = suite_create("sqlite_wake");
    TCase *t = tcase_create("sqlite_wake");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
    tcase_add_test(t, signal_and_kick);
    tcase_add_test(t, look_alikes);
    tcase_add_test(t, nothing_is_missed);
    tcase_add_test(t, between_processes);
    tcase_add_test(t, bytes);
    tcase_add_test(t, death_is_seen);
    suite_add_tcase(suite, t);
    return fixture_run(suite);
}
