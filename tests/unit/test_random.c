/* test_random.c - no two draws are the same: not in a child, not in another thread. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"
#include "util/random.h"

#define COUNT 4000 /* some pages of them */
#define THREADS 4

static uint64_t drawn[THREADS + 1][COUNT];

static void draw(uint64_t *out)
{
    for (int i = 0; i < COUNT; i++)
        out[i] = random_u64();
}

static int compare(const void *a, const void *b)
{
    const uint64_t *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

static void all_differ(size_t count)
{
    uint64_t *all = &drawn[0][0];
    qsort(all, count, sizeof *all, compare);
    for (size_t i = 1; i < count; i++)
        ck_assert_uint_ne(all[i - 1], all[i]);
}

static pid_t raw_fork(void)
{
    return (pid_t)syscall(SYS_clone, (long)SIGCHLD, NULL, NULL, NULL, NULL);
}

/* Also where no handler of pthread_atfork() is run. */
START_TEST(a_child_draws_its_own)
{
    int ends[2], status;
    size_t got = 0;
    random_u64(); /* there is something that both could use */
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = _i == 0 ? fork() : raw_fork();
    draw(drawn[0]);
    if (pid == 0)
        _exit(write(ends[1], drawn[0], sizeof drawn[0]) != sizeof drawn[0]);
    close(ends[1]);
    for (ssize_t n = 1; n > 0; got += (size_t)n)
        n = read(ends[0], (char *)drawn[1] + got, sizeof drawn[1] - got);
    ck_assert_uint_eq(got, sizeof drawn[1]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    close(ends[0]);
    all_differ(2 * (size_t)COUNT);
}
END_TEST

static void *draw_in_thread(void *out)
{
    draw(out);
    return NULL;
}

START_TEST(threads_draw_their_own)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, draw_in_thread, drawn[i]), 0);
    draw(drawn[THREADS]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    all_differ((THREADS + 1) * (size_t)COUNT);
}
END_TEST

/* Larger than what is kept at hand, and none at all. */
START_TEST(any_size)
{
    unsigned char bytes[9000] = { 0 };
    size_t zeroes = 0;
    random_bytes(bytes, 0);
    ck_assert_int_eq(bytes[0], 0);
    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        zeroes += bytes[i] == 0;
    ck_assert_uint_lt(zeroes, sizeof bytes / 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("random");
    TCase *t = tcase_create("random");
    tcase_add_loop_test(t, a_child_draws_its_own, 0, 2);
    tcase_add_test(t, threads_draw_their_own);
    tcase_add_test(t, any_size);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
