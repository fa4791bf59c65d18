/* stopped.c - SIGSTOP at the worst moments.
 *
 * A process stopped inside the gate keeps everybody out: they must say so within
 * their deadline, name it, and go on when it goes on or dies. A worker stopped
 * past its lease must find out, and its late answer must change nothing.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "store.h"

#define DEADLINE 400 /* ms */

/* A process inside the gate, stopped. */
static void hold_the_gate(struct actor *holder)
{
    pawl_close(store_open(&store_under_test, 0));
    store_actor(&store_under_test, holder, "hold", NULL);
    actor_expect(holder, "ready");
    actor_await_stop(holder);
}

/* With ids of their own, so that they can be looked for. */
static enum pawl_status try_enqueue(struct pawl *pawl, struct pawl_id *id,
                                    struct pawl_error *err)
{
    struct pawl_new_job job = { .queue = STORE_QUEUE };
    *id = (struct pawl_id){ { 0 } };
    return pawl_enqueue(pawl, &job, id, err);
}

static void must_time_out(struct pawl *pawl, const struct actor *holder)
{
    struct pawl_error err = { 0 };
    struct pawl_id id;
    char name[40];
    int64_t began = now_us();
    enum pawl_status status = try_enqueue(pawl, &id, &err);
    int64_t took = (now_us() - began) / 1000;
    ck_assert_msg(status == PAWL_ETIMEOUT, "%s: %s", pawl_status_name(status),
                  err.message);
    snprintf(name, sizeof name, "process %d", (int)holder->pid);
    ck_assert_msg(strstr(err.message, name), "'%s' names not %s", err.message,
                  name);
    ck_assert_msg(strstr(err.message, "stopped"), "'%s' hides that it is stopped",
                  err.message);
    ck_assert_int_ge(took, DEADLINE - 50);
    ck_assert_int_le(took, DEADLINE * 10);
    say("after %lld ms: %s", (long long)took, err.message);
}

START_TEST(the_gate_is_free_when_its_holder_goes_on)
{
    struct actor holder;
    hold_the_gate(&holder);
    struct pawl *pawl = store_open(&store_under_test, DEADLINE);
    must_time_out(pawl, &holder);
    must_time_out(pawl, &holder);
    /* Looking is not writing: nobody keeps it out. */
    ck_assert_uint_eq(store_count(pawl, PAWL_PENDING), 0);
    actor_signal(&holder, SIGCONT);
    actor_expect(&holder, "out");
    ck_assert_int_eq(actor_wait(&holder, ACTOR_PATIENCE), 0);
    store_enqueue(pawl);
    ck_assert_uint_eq(store_count(pawl, PAWL_PENDING), 1);
    pawl_close(pawl);
}
END_TEST

START_TEST(the_gate_is_free_when_its_holder_dies)
{
    struct actor holder;
    hold_the_gate(&holder);
    struct pawl *pawl = store_open(&store_under_test, DEADLINE);
    must_time_out(pawl, &holder);
    actor_kill(&holder);
    int64_t began = now_us();
    store_enqueue(pawl);
    say("%lld us after the holder's death", (long long)(now_us() - began));
    ck_assert_uint_eq(store_count(pawl, PAWL_PENDING), 1);
    pawl_close(pawl);
    store_must_be_sound(store_under_test.file);
}
END_TEST

static void *go_on_later(void *context)
{
    sleep_ms(300);
    actor_signal(context, SIGCONT);
    return NULL;
}

START_TEST(who_waits_gets_in_when_the_holder_goes_on)
{
    struct actor holder;
    pthread_t thread;
    hold_the_gate(&holder);
    struct pawl *pawl = store_open(&store_under_test, 20000);
    int64_t began = now_us();
    pthread_create(&thread, NULL, go_on_later, &holder);
    store_enqueue(pawl);
    int64_t took = (now_us() - began) / 1000;
    ck_assert_int_ge(took, 290);
    ck_assert_int_le(took, 10000);
    pthread_join(thread, NULL);
    ck_assert_int_eq(actor_wait(&holder, ACTOR_PATIENCE), 0);
    pawl_close(pawl);
}
END_TEST

/* One job, in the hands of a worker that is stopped. */
static struct pawl_id make_zombie(struct actor *zombie, const char *look)
{
    struct pawl *pawl = store_open(&store_under_test, 0);
    struct pawl_id id = store_enqueue(pawl);
    pawl_close(pawl);
    store_actor(&store_under_test, zombie, "zombie", look, NULL);
    actor_expect(zombie, "ready");
    actor_await_stop(zombie);
    return id;
}

static void check_job(struct pawl_id id, const char *when)
{
    struct pawl_error err = { 0 };
    struct pawl_job *job = NULL;
    struct pawl *pawl = store_open(&store_under_test, 0);
    ck_assert_msg(pawl_get(pawl, id, &job, &err) == PAWL_OK, "%s: %s", when,
                  err.message);
    ck_assert_msg(job->state == PAWL_COMPLETED, "%s it is %s", when,
                  pawl_state_name(job->state));
    ck_assert_uint_eq(job->epoch, 2);
    ck_assert_int_eq(job->crashes, 1);
    ck_assert_int_eq(job->attempt, 1);
    ck_assert_msg(job->result_size == 0, "%s its result is '%.*s'", when,
                  (int)job->result_size, (const char *)job->result);
    ck_assert_uint_eq(store_totals(pawl).completed_total, 1);
    pawl_job_free(job);
    pawl_close(pawl);
}

static void outlive_the_lease(const char *look)
{
    struct actor zombie, other;
    int64_t began = now_us();
    struct pawl_id id = make_zombie(&zombie, look);
    store_actor(&store_under_test, &other, "work", NULL);
    store_await(&store_under_test, PAWL_COMPLETED, 1);
    say("run by another after %lld ms; the lease was 1000",
        (long long)(now_us() - began) / 1000);
    check_job(id, "before the zombie goes on");
    actor_signal(&zombie, SIGCONT);
    actor_expect(&zombie, "counts lost=1 completed=0");
    check_job(id, "after the zombie's answer");
    actor_signal(&zombie, SIGTERM);
    actor_signal(&other, SIGTERM);
    ck_assert_int_eq(actor_wait(&zombie, ACTOR_PATIENCE), 0);
    ck_assert_int_eq(actor_wait(&other, ACTOR_PATIENCE), 0);
}

START_TEST(a_zombie_is_told)
{
    struct history history;
    outlive_the_lease("look=1");
    history_read(store_under_test.history, &history);
    ck_assert_uint_eq(history_count(&history, "run"), 2);
    ck_assert_uint_eq(history_count(&history, "lost"), 1);
    history_clear(&history);
}
END_TEST

START_TEST(a_zombies_late_answer_changes_nothing)
{
    outlive_the_lease("look=0");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_gate_is_free_when_its_holder_goes_on,
        the_gate_is_free_when_its_holder_dies,
        who_waits_gets_in_when_the_holder_goes_on,
        a_zombie_is_told,
        a_zombies_late_answer_changes_nothing,
    };
    return store_run("stopped", tests, 5, 180);
}
