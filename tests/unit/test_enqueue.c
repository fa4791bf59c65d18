/* test_enqueue.c - combining, submitting, and puts whose outcome is unknown,
 * through the public door, on a storage that loses answers when told to.
 *
 * "lossy:" wraps a memory storage. The next `lose_before` puts fail before they
 * reach it, the next `lose_after` ones after they took effect; both answer
 * PAWL_EUNKNOWN, and the core must not be able to tell them apart.
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/core.h"
#include "program.h"

static atomic_int lose_before, lose_after, put_calls, hold_puts;
static struct pawl_storage_ops lossy_ops;

struct lossy {
    struct pawl_storage base;
    struct pawl_storage *inner;
};

static struct pawl_storage *inner(struct pawl_storage *self)
{
    return ((struct lossy *)self)->inner;
}

static enum pawl_status lossy_open(struct pawl_storage *self,
                                   const struct pawl_storage_config *config,
                                   struct pawl_error *err)
{
    enum pawl_status status = storage_open("memory:lossy", config, NULL,
                                           &((struct lossy *)self)->inner, err);

    if (status == PAWL_OK)
        self->where = inner(self)->where;
    return status;
}

static void lossy_close(struct pawl_storage *self)
{
    storage_close(inner(self));
}

static bool take(atomic_int *count)
{
    if (atomic_load(count) <= 0)
        return false;
    atomic_fetch_sub(count, 1);
    return true;
}

static enum pawl_status lossy_put(struct pawl_storage *self,
                                  const struct pawl_put *in,
                                  struct pawl_put_result *results,
                                  struct pawl_error *err)
{
    enum pawl_status status;

    while (atomic_load(&hold_puts))
        usleep(100);
    atomic_fetch_add(&put_calls, 1);
    if (take(&lose_before))
        return pawl_error_set(err, PAWL_EUNKNOWN, "lost on the way there");
    status = storage_put(inner(self), in, results, err);
    if (status >= 0 && take(&lose_after))
        return pawl_error_set(err, PAWL_EUNKNOWN, "lost on the way back");
    return status;
}

#define PASS(method, ...)                                                      \
    {                                                                          \
        return storage_##method(inner(self), __VA_ARGS__);                     \
    }
static enum pawl_status lossy_exchange(struct pawl_storage *self,
                                       const struct pawl_exchange *in,
                                       struct pawl_exchange_reply *out,
                                       struct pawl_error *err)
    PASS(exchange, in, out, err)
static enum pawl_status lossy_renew(struct pawl_storage *self,
                                    const struct pawl_renew *in,
                                    enum pawl_status *results,
                                    struct pawl_error *err)
    PASS(renew, in, results, err)
static enum pawl_status lossy_sweep(struct pawl_storage *self,
                                    const struct pawl_sweep *in,
                                    struct pawl_sweep_reply *out,
                                    struct pawl_error *err)
    PASS(sweep, in, out, err)
static enum pawl_status lossy_wait(struct pawl_storage *self,
                                   const struct pawl_wait *in,
                                   struct pawl_error *err)
    PASS(wait, in, err)
static void lossy_kick(struct pawl_storage *self)
{
    storage_kick(inner(self));
}
static enum pawl_status lossy_get(struct pawl_storage *self, const char *queue,
                                  struct pawl_id id, struct pawl_job **out,
                                  struct pawl_error *err)
    PASS(get, queue, id, out, err)
static enum pawl_status lossy_list(struct pawl_storage *self,
                                   const struct pawl_list *in,
                                   struct pawl_list_reply *out,
                                   struct pawl_error *err)
    PASS(list, in, out, err)
static enum pawl_status lossy_alter(struct pawl_storage *self,
                                    const struct pawl_alter *in,
                                    struct pawl_alter_reply *out,
                                    struct pawl_error *err)
    PASS(alter, in, out, err)
static enum pawl_status lossy_take_out(struct pawl_storage *self,
                                       const struct pawl_take_out *in,
                                       struct pawl_take_out_reply *out,
                                       struct pawl_error *err)
    PASS(take_out, in, out, err)
static enum pawl_status lossy_tally(struct pawl_storage *self, const char *queue,
                                    struct pawl_session mover, bool forget,
                                    struct pawl_tally *out, struct pawl_error *err)
{
    PASS(tally, queue, mover, forget, out, err)
}
static enum pawl_status lossy_bring_in(struct pawl_storage *self,
                                       const struct pawl_bring_in *in,
                                       struct pawl_put_result *results,
                                       struct pawl_error *err)
    PASS(bring_in, in, results, err)
static enum pawl_status lossy_stats(struct pawl_storage *self, const char *queue,
                                    struct pawl_stats **out,
                                    struct pawl_error *err)
    PASS(stats, queue, out, err)
static enum pawl_status lossy_health(struct pawl_storage *self,
                                     struct pawl_health *out,
                                     struct pawl_error *err)
    PASS(health, out, err)

static struct pawl_storage_ops lossy_ops = {
    .abi = PAWL_STORAGE_ABI, .scheme = "lossy",
    .instance_size = sizeof(struct lossy), .put_max = 1000,
    .exchanges_in_flight = 1, .open = lossy_open, .close = lossy_close,
    .put = lossy_put, .exchange = lossy_exchange, .renew = lossy_renew,
    .sweep = lossy_sweep, .wait = lossy_wait, .kick = lossy_kick,
    .get = lossy_get, .list = lossy_list, .alter = lossy_alter,
    .take_out = lossy_take_out, .bring_in = lossy_bring_in,
    .tally = lossy_tally,
    .stats = lossy_stats, .health = lossy_health,
};

static struct pawl *pawl;

static void setup(void)
{
    struct pawl_options options = PAWL_OPTIONS_INIT;
    struct pawl_error err = { 0 };

    options.deadline = 300;
    atomic_store(&put_calls, 0);
    ck_assert_int_eq(pawl_storage_register(&lossy_ops, &err), PAWL_OK);
    ck_assert_msg(pawl_open("lossy:x", &options, &pawl, &err) == PAWL_OK, "%s",
                  err.message);
}

static void teardown(void)
{
    pawl_close(pawl);
}

static uint64_t pending(const char *queue)
{
    struct pawl_stats *stats = NULL;
    uint64_t n;

    ck_assert_int_eq(pawl_stats(pawl, queue, &stats, NULL), PAWL_OK);
    n = stats->queues[0].jobs[PAWL_PENDING];
    pawl_stats_free(stats);
    return n;
}

/* A put that was lost on either way is sent again by itself: one job. */
START_TEST(lost_once)
{
    struct pawl_new_job job = PAWL_NEW_JOB_INIT;

    atomic_store(_i ? &lose_after : &lose_before, 1);
    ck_assert_int_eq(pawl_enqueue(pawl, &job, NULL, NULL), PAWL_OK);
    ck_assert_uint_eq(pending("default"), 1);
}
END_TEST

/* While nobody can tell, the caller hears EUNKNOWN and the id to repeat with;
 * repeating it, even after the job was worked and removed, makes no second. */
START_TEST(unknown_then_repeated)
{
    struct pawl_new_job job = PAWL_NEW_JOB_INIT;
    struct pawl_error err = { 0 };
    struct pawl_alteration removal = { .action = PAWL_ACTION_REMOVE };
    enum pawl_status result;

    atomic_store(&lose_after, 1000);
    ck_assert_int_eq(pawl_enqueue(pawl, &job, &job.id, &err), PAWL_EUNKNOWN);
    ck_assert_int_eq(err.status, PAWL_EUNKNOWN);
    ck_assert(!pawl_id_is_zero(job.id));
    ck_assert_uint_eq(pending("default"), 1);
    atomic_store(&lose_after, 0);
    ck_assert_int_eq(pawl_alter(pawl, &removal, &job.id, 1, &result, NULL), PAWL_OK);
    ck_assert_int_eq(result, PAWL_OK);
    ck_assert_int_eq(pawl_enqueue(pawl, &job, &job.id, &err), PAWL_OK);
    ck_assert_uint_eq(pending("default"), 0);
    ck_assert_int_eq(pawl_enqueue(pawl, &job, &job.id, &err), PAWL_OK);
    ck_assert_uint_eq(pending("default"), 0);
}
END_TEST

/* Nothing else is sent to the queue before the open put is settled, and what is
 * refused meanwhile is certainly not stored; other queues go on. */
START_TEST(unknown_blocks_its_queue)
{
    struct pawl_new_job job = PAWL_NEW_JOB_INIT, other = PAWL_NEW_JOB_INIT;
    struct pawl_error err = { 0 };
    enum pawl_status status;

    atomic_store(&lose_before, 1000);
    ck_assert_int_eq(pawl_enqueue(pawl, &job, &job.id, &err), PAWL_EUNKNOWN);
    status = pawl_enqueue(pawl, &other, NULL, &err);
    ck_assert_int_eq(pawl_status_class(status), PAWL_CLASS_REJECTED);
    ck_assert_str_eq(err.message,
                     "an earlier enqueue is still uncertain: lost on the way there");
    /* Its own caller is not told that it is not stored, for it may be. */
    ck_assert_int_eq(pawl_enqueue(pawl, &job, NULL, &err), PAWL_EUNKNOWN);
    ck_assert_int_eq(err.status, PAWL_EUNKNOWN);
    atomic_store(&lose_before, 0);
    other.queue = "elsewhere";
    ck_assert_int_eq(pawl_enqueue(pawl, &other, NULL, &err), PAWL_OK);
    other.queue = NULL;
    ck_assert_int_eq(pawl_enqueue(pawl, &other, NULL, &err), PAWL_OK);
    ck_assert_uint_eq(pending("default"), 2);
    ck_assert_int_eq(pawl_enqueue(pawl, &job, NULL, &err), PAWL_OK);
    ck_assert_uint_eq(pending("default"), 2);
}
END_TEST

static void *enqueue_one(void *arg)
{
    struct pawl_new_job job = PAWL_NEW_JOB_INIT;

    (void)arg;
    ck_assert_int_eq(pawl_enqueue(pawl, &job, NULL, NULL), PAWL_OK);
    return NULL;
}

/* Callers that come while a put is under way share the next one. */
START_TEST(callers_share_a_put)
{
    pthread_t threads[20];
    int i;

    atomic_store(&hold_puts, 1);
    for (i = 0; i < 20; i++)
        pthread_create(&threads[i], NULL, enqueue_one, NULL);
    usleep(300000); /* all but the leader are in line by now */
    atomic_store(&hold_puts, 0);
    for (i = 0; i < 20; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(pending("default"), 20);
    ck_assert_int_le(atomic_load(&put_calls), 4);
}
END_TEST

static atomic_int told, told_ok;

static void on_done(void *context, const struct pawl_put_result *result,
                    const struct pawl_error *err)
{
    (void)err;
    atomic_fetch_add(&told, 1);
    if (result->status == PAWL_OK)
        atomic_fetch_add(&told_ok, 1);
    if (context) {
        struct pawl_new_job job = PAWL_NEW_JOB_INIT;
        ck_assert_int_eq(pawl_submit(pawl, &job, on_done, NULL, NULL), PAWL_OK);
    }
}

/* Everything submitted is told of once, also what a callback submits, and flush
 * waits for it; jobs in flight share puts. */
START_TEST(submit_tells_each)
{
    struct pawl_new_job job = PAWL_NEW_JOB_INIT;
    char text[] = "gone after the call";
    int i;

    atomic_store(&told, 0);
    atomic_store(&told_ok, 0);
    atomic_store(&hold_puts, 1);
    job.payload = text;
    job.payload_size = sizeof text;
    for (i = 0; i < 500; i++)
        ck_assert_int_eq(pawl_submit(pawl, &job, on_done, &told, NULL), PAWL_OK);
    memset(text, 'x', sizeof text);
    atomic_store(&hold_puts, 0);
    pawl_flush(pawl);
    pawl_flush(pawl); /* for what the callbacks submitted */
    ck_assert_int_eq(atomic_load(&told), 1000);
    ck_assert_int_eq(atomic_load(&told_ok), 1000);
    ck_assert_uint_eq(pending("default"), 1000);
    ck_assert_int_le(atomic_load(&put_calls), 20);
}
END_TEST

static atomic_int flushed;

static void *flush(void *arg)
{
    (void)arg;
    pawl_flush(pawl);
    atomic_store(&flushed, 1);
    return NULL;
}

static void hold_again(void *context, const struct pawl_put_result *result,
                       const struct pawl_error *err)
{
    (void)context;
    (void)result;
    (void)err;
    atomic_store(&hold_puts, 1);
}

/* A job submitted after the flush began, and stored before one from before it,
 * does not count for that one. */
START_TEST(flush_waits_for_the_earlier)
{
    struct pawl_new_job first = { .queue = "x" }, a = { .queue = "a" };
    struct pawl_new_job b = { .queue = "b" };
    pthread_t thread;

    atomic_store(&flushed, 0);
    atomic_store(&hold_puts, 1);
    ck_assert_int_eq(pawl_submit(pawl, &first, NULL, NULL, NULL), PAWL_OK);
    usleep(100000); /* its put is held: the rest makes the next line */
    ck_assert_int_eq(pawl_submit(pawl, &a, NULL, NULL, NULL), PAWL_OK);
    ck_assert_int_eq(pawl_submit(pawl, &b, NULL, NULL, NULL), PAWL_OK);
    pthread_create(&thread, NULL, flush, NULL);
    usleep(100000);
    ck_assert_int_eq(pawl_submit(pawl, &a, hold_again, NULL, NULL), PAWL_OK);
    atomic_store(&hold_puts, 0);
    while (!atomic_load(&hold_puts))
        usleep(100);
    usleep(200000); /* both of a are stored, b's put is held */
    ck_assert_int_eq(atomic_load(&flushed), 0);
    atomic_store(&hold_puts, 0);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(pending("b"), 1);
}
END_TEST

/* Many jobs of several queues: each gets its own outcome, in place. */
START_TEST(many_of_several_queues)
{
    struct pawl_new_job jobs[30];
    struct pawl_put_result results[30];
    static const char *const queues[] = { "a", "b", "c" };
    int i;

    memset(jobs, 0, sizeof jobs);
    for (i = 0; i < 30; i++) {
        jobs[i].queue = queues[i % 3];
        jobs[i].key = i < 3 || i == 29 ? "one" : NULL;
    }
    ck_assert_int_eq(pawl_enqueue_many(pawl, jobs, 30, results, NULL), PAWL_OK);
    for (i = 0; i < 29; i++)
        ck_assert_int_eq(results[i].status, PAWL_OK);
    ck_assert_int_eq(results[29].status, PAWL_KEY_TAKEN);
    ck_assert_mem_eq(&results[29].id, &results[2].id, sizeof results[2].id);
    ck_assert_uint_eq(pending("a"), 10);
    ck_assert_uint_eq(pending("c"), 9);
}
END_TEST

/* What is too large for one step is stored in two, in order. */
START_TEST(many_large_ones)
{
    enum { COUNT = 70 };
    static char payload[1000000];
    struct pawl_new_job jobs[COUNT];
    struct pawl_put_result results[COUNT];

    for (int i = 0; i < COUNT; i++) {
        jobs[i] = (struct pawl_new_job)PAWL_NEW_JOB_INIT;
        jobs[i].payload = payload;
        jobs[i].payload_size = sizeof payload;
    }
    ck_assert_int_eq(pawl_enqueue_many(pawl, jobs, COUNT, results, NULL), PAWL_OK);
    ck_assert_int_eq(atomic_load(&put_calls), 2);
    ck_assert_uint_eq(pending("default"), COUNT);
    for (int i = 1; i < COUNT; i++)
        ck_assert_int_lt(memcmp(&results[i - 1].id, &results[i].id, 16), 0);
}
END_TEST

/* One wrong job of many: its index is named and nothing is stored. */
START_TEST(many_with_a_wrong_one)
{
    struct pawl_new_job jobs[3] = { { .queue = "a" }, { .queue = "a" },
                                    { .priority = 12 } };
    struct pawl_put_result results[3];
    struct pawl_error err = { 0 };
    struct pawl_stats *stats = NULL;

    ck_assert_int_eq(pawl_enqueue_many(pawl, jobs, 3, results, &err), PAWL_EINVAL);
    ck_assert_str_eq(err.message, "job 2: priority 12 is not between 1 and 10");
    ck_assert_int_eq(pawl_stats(pawl, "a", &stats, NULL), PAWL_NOT_FOUND);
}
END_TEST

/* The child of a fork is refused, and closing there harms nobody. */
START_TEST(forked_child_is_refused)
{
    struct pawl_new_job job = PAWL_NEW_JOB_INIT;
    struct pawl_error err = { 0 };
    int state;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        bool refused = pawl_enqueue(pawl, &job, NULL, &err) == PAWL_EFORKED;
        pawl_close(pawl);
        _exit(refused ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &state, 0), pid);
    ck_assert_int_eq(state, 0);
    ck_assert_int_eq(pawl_enqueue(pawl, &job, NULL, &err), PAWL_OK);
}
END_TEST

/* A URL of no storage is refused by naming those there are. */
START_TEST(unknown_scheme)
{
    struct pawl *other = NULL;
    struct pawl_error err = { 0 };

    ck_assert_int_eq(pawl_open("mysql://x", NULL, &other, &err), PAWL_EINVAL);
    ck_assert_ptr_null(other);
    ck_assert_msg(strncmp(err.message,
                          "'mysql' is not a storage; a URL begins with one of ",
                          51) == 0, "%s", err.message);
    ck_assert_int_eq(pawl_open("/tmp/x.db", NULL, &other, &err), PAWL_EINVAL);
}
END_TEST

/* The library's own queues can be named by nobody, and are not counted. */
START_TEST(reserved_queues_are_hidden)
{
    static const char own[] = { STORAGE_RESERVED, 'x', '\0' };
    struct pawl_new_job job = { .queue = own };
    struct pawl_alter pause = { .queue = own, .kind = PAWL_ALTER_PAUSE };
    struct pawl_alter_reply reply = { .results = NULL };
    struct pawl_stats *stats = NULL;
    struct pawl_error err = { 0 };

    ck_assert_int_eq(pawl_enqueue(pawl, &job, NULL, &err), PAWL_EINVAL);
    ck_assert_int_eq(storage_alter(pawl->storage, &pause, &reply, &err), PAWL_OK);
    ck_assert_int_eq(pawl_pause(pawl, "a", &err), PAWL_OK);
    ck_assert_int_eq(pawl_stats(pawl, NULL, &stats, &err), PAWL_OK);
    ck_assert_uint_eq(stats->queue_count, 1);
    ck_assert_str_eq(stats->queues[0].name, "a");
    pawl_stats_free(stats);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("enqueue");
    TCase *t = tcase_create("enqueue");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, lost_once, 0, 2);
    tcase_add_test(t, unknown_then_repeated);
    tcase_add_test(t, unknown_blocks_its_queue);
    tcase_add_test(t, callers_share_a_put);
    tcase_add_test(t, submit_tells_each);
    tcase_add_test(t, flush_waits_for_the_earlier);
    tcase_add_test(t, many_of_several_queues);
    tcase_add_test(t, many_large_ones);
    tcase_add_test(t, many_with_a_wrong_one);
    tcase_add_test(t, forked_child_is_refused);
    tcase_add_test(t, unknown_scheme);
    tcase_add_test(t, reserved_queues_are_hidden);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
