/* children.c - forks, children that outlive their parents, and descriptors.
 *
 * A child must not use its parent's handle, nor keep its parent's jobs from
 * coming back. And nobody but SQLite may close a descriptor of the database or
 * its index: that would drop the locks SQLite holds for the whole process.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store.h"

#define BACK_MS 2000 /* the target: a dead worker's jobs run again */

START_TEST(a_child_is_refused_and_its_parent_unaffected)
{
    struct actor actor;
    store_actor(&store_under_test, &actor, "fork", NULL);
    actor_expect(&actor, "fine");
    ck_assert_int_eq(actor_wait(&actor, ACTOR_PATIENCE), 0);
    struct pawl *pawl = store_open(&store_under_test, 0);
    ck_assert_uint_eq(store_count(pawl, PAWL_PENDING), 4);
    pawl_close(pawl);
    store_must_be_sound(store_under_test.file);
}
END_TEST

static void outlived_by_a_child(const char *how)
{
    struct actor parent, other;
    char line[64];
    int child = 0;
    struct pawl *pawl = store_open(&store_under_test, 0);
    struct pawl_id id = store_enqueue(pawl);
    struct pawl_job *job = NULL;
    pawl_close(pawl);
    store_actor(&store_under_test, &parent, "parent", how, NULL);
    ck_assert(actor_line(&parent, line, sizeof line));
    ck_assert_int_eq(sscanf(line, "child %d", &child), 1);
    store_actor(&store_under_test, &other, "work", NULL);
    actor_expect(&other, "ready");
    int64_t died = now_us();
    actor_kill(&parent);
    store_await(&store_under_test, PAWL_COMPLETED, 1);
    int64_t took = (now_us() - died) / 1000;
    ck_assert_msg(kill(child, 0) == 0, "the child is gone: nothing was shown");
    kill(child, SIGKILL);
    say("%s: the job ran again %lld ms after the worker died (target %d)", how,
        (long long)took, BACK_MS);
    ck_assert_int_le(took, 10 * BACK_MS);
    actor_signal(&other, SIGTERM);
    ck_assert_int_eq(actor_wait(&other, ACTOR_PATIENCE), 0);
    pawl = store_open(&store_under_test, 0);
    ck_assert_int_eq(pawl_get(pawl, id, &job, NULL), PAWL_OK);
    ck_assert_int_eq(job->crashes, 1);
    ck_assert_uint_eq(job->epoch, 2);
    pawl_job_free(job);
    pawl_close(pawl);
}

START_TEST(a_forked_child_does_not_keep_the_job)
{
    outlived_by_a_child("exec=0");
}
END_TEST

START_TEST(a_program_started_does_not_keep_the_job)
{
    outlived_by_a_child("exec=1");
}
END_TEST

/* --- descriptors ----------------------------------------------------------------- */

/* Does this line of the trace open or close the database or its index? */
static bool is_about(const char *line, const char *call)
{
    char name[340];
    const char *at = strstr(line, call);
    if (!at)
        return false;
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s%s", store_under_test.file, i ? "-shm" : "");
        const char *found = strstr(at, name);
        char after = found ? found[strlen(name)] : '\0';
        if (after == '"' || after == '>')
            return true;
    }
    return false;
}

/* What happened between the marks of the actor. */
static void check_trace(const char *path)
{
    char line[2000];
    int alone = 0, opens = 0, closes = 0, marks = 0;
    bool between = false, beside = false;
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file)) {
        bool mark = strstr(line, "/nowhere/mark-") != NULL;
        marks += mark;
        if (mark) {
            between = strstr(line, "mark-begin") != NULL;
            beside = strstr(line, "mark-beside") != NULL;
        }
        bool opened = is_about(line, "open"), closed = is_about(line, "close(");
        if (between && (opened || closed)) {
            say("%.300s", line);
            alone++;
        }
        opens += beside && opened;
        if (beside && closed) {
            say("%.300s", line);
            closes++;
        }
    }
    fclose(file);
    ck_assert_int_eq(marks, 3);
    ck_assert_msg(alone == 0, "%d opened or closed during plain use", alone);
    ck_assert_msg(closes == 0, "%d closed beside a living handle", closes);
    say("no close of the database beside a living handle; %d opens by others",
        opens);
}

START_TEST(nobody_closes_the_database_beside_a_living_handle)
{
    const char *actor = getenv("PAWL_ACTOR");
    struct actor traced;
    char trace[340], url[sizeof store_under_test.url + 8];
    ck_assert_ptr_nonnull(actor);
    snprintf(trace, sizeof trace, "%s/trace", store_under_test.folder.path);
    snprintf(url, sizeof url, "url=%s", store_under_test.url);
    const char *words[] = { "/usr/bin/strace", "-f", "-y", "-o", trace, "-e",
                            "trace=open,openat,close", actor, "tidy", url, NULL };
    actor_start(&traced, words);
    int answer = actor_wait(&traced, 3 * ACTOR_PATIENCE);
    if (answer == 0) {
        check_trace(trace);
        return;
    }
    say("strace cannot trace here (status %d): descriptors are counted instead",
        answer);
    store_actor(&store_under_test, &traced, "tidy", NULL);
    ck_assert_int_eq(actor_wait(&traced, 3 * ACTOR_PATIENCE), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_child_is_refused_and_its_parent_unaffected,
        a_forked_child_does_not_keep_the_job,
        a_program_started_does_not_keep_the_job,
        nobody_closes_the_database_beside_a_living_handle,
    };
    return store_run("children", tests, 4, 240);
}
