/* lanes.c - see lanes.h.
 *
 * A lane runs one test at a time as a suite of its own, which writes its TAP to a
 * file; the line in it is then printed with the next number of the whole program.
 */
#include "lanes.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "temp_dir.h"

/* What all lanes share. */
struct board {
    pthread_mutex_t mutex; /* guards all below, and standard output */
    int next;              /* which test is to be taken next, over all loops */
    int told;              /* lines of TAP */
    int failed;
};

struct program {
    const char *name;
    const struct lane_test *tests;
    size_t test_count;
    double seconds;
    SFun begin, end;
    struct board *board;
    struct temp_dir folder;
};

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(1);
}

static struct board *new_board(void)
{
    pthread_mutexattr_t attr;
    struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        give_up("mmap");
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&board->mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    return board;
}

/* --- one test ------------------------------------------------------------------- */

/* Tell what Check wrote down; "ok 1 - ..." gets another number. */
static void tell(struct board *board, const char *path)
{
    char line[8192];
    FILE *file = fopen(path, "re");
    if (!file)
        give_up(path);
    pthread_mutex_lock(&board->mutex);
    while (fgets(line, sizeof line, file)) {
        bool good = strncmp(line, "ok ", 3) == 0;
        const char *text = strstr(line, " - ");
        if (text && (good || strncmp(line, "not ok ", 7) == 0))
            printf("%s %d%s", good ? "ok" : "not ok", ++board->told, text);
        else if (line[0] != '1') /* the plan, "1..1" */
            fputs(line, stdout);
    }
    fflush(stdout);
    pthread_mutex_unlock(&board->mutex);
    fclose(file);
}

static void run_one(const struct program *program, const struct lane_test *test, int i)
{
    char path[300];
    Suite *suite = suite_create(program->name);
    TCase *tcase = tcase_create(program->name);
    tcase_set_timeout(tcase, program->seconds);
    tcase_add_checked_fixture(tcase, test->begin ? test->begin : program->begin,
                              test->end ? test->end : program->end);
    tcase_add_loop_test(tcase, test->test, i, i + 1);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    snprintf(path, sizeof path, "%s/%d", program->folder.path, (int)getpid());
    srunner_set_tap(runner, path);
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    tell(program->board, path);
    pthread_mutex_lock(&program->board->mutex);
    program->board->failed += failed;
    pthread_mutex_unlock(&program->board->mutex);
}

/* --- a lane --------------------------------------------------------------------- */

/* False: all are taken. */
static bool take_next(const struct program *program, const struct lane_test **test,
                      int *i)
{
    pthread_mutex_lock(&program->board->mutex);
    int number = program->board->next++;
    pthread_mutex_unlock(&program->board->mutex);
    for (size_t t = 0; t < program->test_count; t++) {
        int count = program->tests[t].count > 0 ? program->tests[t].count : 1;
        if (number < count) {
            *test = &program->tests[t];
            *i = number;
            return true;
        }
        number -= count;
    }
    return false;
}

static void run_lane(const struct program *program)
{
    const struct lane_test *test;
    int i;
    while (take_next(program, &test, &i))
        run_one(program, test, i);
}

static pid_t start_lane(const struct program *program)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        give_up("fork");
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* Check then ends its test, too */
    if (getppid() == parent)
        run_lane(program);
    exit(0);
}

/* --- the program ------------------------------------------------------------------ */

int lanes_run(const char *name, const struct lane_test *tests, size_t test_count,
              int lane_count, double seconds, SFun begin, SFun end)
{
    struct program program = { name, tests, test_count, seconds, begin, end,
                               new_board(), { "" } };
    const char *fork_mode = getenv("CK_FORK");
    bool debugging = fork_mode && strcmp(fork_mode, "no") == 0;
    int status, lost = 0;
    temp_dir_make(&program.folder);
    fflush(stdout);
    if (debugging)
        run_lane(&program);
    for (int i = 0; i < lane_count && !debugging; i++)
        start_lane(&program);
    while (wait(&status) > 0)
        lost += status != 0;
    printf("1..%d\n", program.board->told);
    temp_dir_remove(&program.folder);
    return program.board->failed + lost > 0;
}
