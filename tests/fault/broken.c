/* broken.c - a disk that fails: syncs, and space.
 *
 * A failed sync leaves in doubt whether a commit will survive; the storage says
 * so and the core sends again, so a caller hears OK or UNKNOWN, never an OK that
 * is none, and there is one job in the end. A full disk refuses new jobs by name
 * and lets running ones end, and all goes on by itself when there is room again.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/core.h"
#include "store.h"
#include "util/clock.h"
#include "vfs_record.h"

static void begin(void)
{
    disk_install();
    disk_record(store_under_test.file);
}

/* --- syncs that fail --------------------------------------------------------------- */

/* One job, past the core: its answers are the storage's own. */
static enum pawl_status put_once(struct pawl *pawl, struct pawl_id id, uint64_t seq,
                                 struct pawl_put_result *result,
                                 struct pawl_error *err)
{
    struct pawl_new_job job = {
        .queue = STORE_QUEUE, .type = "", .priority = 5, .max_attempts = 3,
        .backoff = { .delay = 2000, .cap = 86400000 }, .id = id,
    };
    struct pawl_put put = { .queue = STORE_QUEUE, .session = { { 7 } }, .seq = seq,
                            .jobs = &job, .job_count = 1 };
    return storage_put(pawl->storage, &put, result, err);
}

START_TEST(a_failed_sync_is_unknown_to_the_storage)
{
    struct pawl_error err = { 0 };
    struct pawl_put_result result;
    begin();
    struct pawl *pawl = store_open(&store_under_test, 0);
    struct pawl_id first = pawl_id_new(STORE_QUEUE, clock_wall_ms());
    struct pawl_id second = pawl_id_new(STORE_QUEUE, clock_wall_ms());
    ck_assert_int_eq(put_once(pawl, first, 1, &result, &err), PAWL_OK);
    disk_fail_syncs(DISK_WAL, 1);
    enum pawl_status status = put_once(pawl, second, 2, &result, &err);
    ck_assert_msg(status == PAWL_EUNKNOWN, "%s: %s", pawl_status_name(status),
                  err.message);
    say("%s", err.message);
    /* The same call again. */
    for (int i = 0; i < 3; i++) {
        status = put_once(pawl, second, 2, &result, &err);
        ck_assert_msg(status == PAWL_OK, "%s: %s", pawl_status_name(status),
                      err.message);
        ck_assert(result.status == PAWL_OK || result.status == PAWL_DUPLICATE);
        ck_assert_uint_eq(store_count(pawl, PAWL_PENDING), 2);
    }
    pawl_close(pawl);
    pawl = store_open(&store_under_test, 0);
    ck_assert_uint_eq(store_count(pawl, PAWL_PENDING), 2);
    pawl_close(pawl);
    store_must_be_sound(store_under_test.file);
}
END_TEST

START_TEST(a_caller_hears_ok_or_unknown_and_there_is_one_job)
{
    struct pawl_error err = { 0 };
    begin();
    struct pawl *pawl = store_open(&store_under_test, 2000);
    for (uint64_t n = 1; n <= 40; n++) {
        struct pawl_new_job job = { .queue = STORE_QUEUE };
        enum pawl_status status = PAWL_EUNKNOWN;
        job.id = pawl_id_new(STORE_QUEUE, clock_wall_ms());
        disk_fail_syncs(n % 2 ? DISK_WAL : DISK_DATABASE, (int)(n % 4));
        for (int i = 0; i < 100 && status == PAWL_EUNKNOWN; i++)
            status = pawl_enqueue(pawl, &job, NULL, &err);
        ck_assert_msg(status == PAWL_OK || status == PAWL_DUPLICATE, "%s: %s",
                      pawl_status_name(status), err.message);
        ck_assert_uint_eq(store_count(pawl, PAWL_PENDING), n);
    }
    pawl_close(pawl);
    store_must_be_sound(store_under_test.file);
}
END_TEST

START_TEST(without_any_sync_nothing_is_accepted)
{
    struct pawl_error err = { 0 };
    begin();
    struct pawl *pawl = store_open(&store_under_test, 500);
    struct pawl_new_job jobs[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = (struct pawl_new_job){ .queue = STORE_QUEUE };
        jobs[i].id = pawl_id_new(STORE_QUEUE, clock_wall_ms());
    }
    disk_fail_syncs(DISK_WAL, -1);
    for (int i = 0; i < 4; i++) {
        int64_t began = now_us();
        enum pawl_status status = pawl_enqueue(pawl, &jobs[i], NULL, &err);
        ck_assert_msg(status < 0, "%s although nothing reaches the disk",
                      pawl_status_name(status));
        say("%s after %lld ms: %s", pawl_status_name(status),
            (long long)(now_us() - began) / 1000, err.message);
        ck_assert_int_le(now_us() - began, 10 * 500 * INT64_C(1000));
    }
    disk_fail_syncs(DISK_WAL, 0);
    for (int i = 0; i < 4; i++) {
        enum pawl_status status = pawl_enqueue(pawl, &jobs[i], NULL, &err);
        ck_assert_msg(status == PAWL_OK || status == PAWL_DUPLICATE, "%s: %s",
                      pawl_status_name(status), err.message);
    }
    ck_assert_uint_eq(store_count(pawl, PAWL_PENDING), 4);
    pawl_close(pawl);
    pawl = store_open(&store_under_test, 0);
    ck_assert_uint_eq(store_count(pawl, PAWL_PENDING), 4);
    pawl_close(pawl);
    store_must_be_sound(store_under_test.file);
}
END_TEST

/* --- no space ------------------------------------------------------------------------- */

enum { RUNNING = 4, WAITING = 30 };

struct slow {
    atomic_int started, may_end, ended;
};

static struct pawl_verdict wait_for_word(void *context, const struct pawl_job *job,
                                         struct pawl_run *run)
{
    static const char result[200] = "some result";
    struct slow *slow = context;
    (void)job;
    atomic_fetch_add(&slow->started, 1);
    while (!atomic_load(&slow->may_end) && pawl_run_sleep(run, 5) == PAWL_STOP_NONE)
        continue;
    atomic_fetch_add(&slow->ended, 1);
    return (struct pawl_verdict){ .data = result, .size = sizeof result };
}

static struct pawl_worker *start_slow(struct pawl *pawl, struct slow *slow)
{
    static const char *const queues[] = { STORE_QUEUE };
    struct pawl_error err = { 0 };
    struct pawl_worker *worker = NULL;
    struct pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
    options.queues = queues;
    options.queue_count = 1;
    options.concurrency = RUNNING;
    options.handler = wait_for_word;
    options.context = slow;
    ck_assert_msg(pawl_worker_open(pawl, &options, &worker, &err) == PAWL_OK, "%s",
                  err.message);
    int64_t until = now_us() + ACTOR_PATIENCE * INT64_C(1000);
    while (atomic_load(&slow->started) < RUNNING && now_us() < until)
        sleep_ms(1);
    ck_assert_int_eq(atomic_load(&slow->started), RUNNING);
    return worker;
}

/* The rest of the disk's space may be in small pieces: the WAL, say, still takes
 * some jobs where it is. Then it must be refused, and go on being refused. */
static size_t enqueue_until_full(struct pawl *pawl)
{
    static char payload[20000];
    struct pawl_error err = { 0 };
    struct pawl_new_job job = { .queue = STORE_QUEUE, .payload = payload,
                                .payload_size = sizeof payload };
    size_t stored = 0;
    enum pawl_status status = PAWL_OK;
    for (; status == PAWL_OK && stored < 5000; stored++)
        status = pawl_enqueue(pawl, &job, NULL, &err);
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(status == PAWL_EFULL, "%s: %s", pawl_status_name(status),
                      err.message);
        ck_assert_msg(strstr(err.message, "full"), "'%s'", err.message);
        status = pawl_enqueue(pawl, &job, NULL, &err);
    }
    say("after %zu jobs: %s", stored - 1, err.message);
    return stored - 1;
}

static void await_completed(struct pawl *pawl, uint64_t count, const char *when)
{
    int64_t until = now_us() + ACTOR_PATIENCE * INT64_C(1000) / 2;
    uint64_t completed = 0;
    while ((completed = store_count(pawl, PAWL_COMPLETED)) < count &&
           now_us() < until)
        sleep_ms(5);
    ck_assert_msg(completed == count, "%s %llu jobs are completed, not %llu", when,
                  (unsigned long long)completed, (unsigned long long)count);
}

/* Room for new jobs comes back to a queue that worked through a full disk. */
static void await_room(struct pawl *pawl)
{
    struct pawl_error err = { 0 };
    struct pawl_new_job job = { .queue = STORE_QUEUE };
    int64_t until = now_us() + ACTOR_PATIENCE * INT64_C(1000) / 4;
    enum pawl_status status;
    do
        status = pawl_enqueue(pawl, &job, NULL, &err);
    while (status != PAWL_OK && now_us() < until && usleep(5000) == 0);
    ck_assert_msg(status == PAWL_OK, "%s: %s", pawl_status_name(status),
                  err.message);
}

static void fill_and_free(void (*fill)(void), void (*make_room)(void))
{
    struct slow slow = { 0 };
    struct pawl *pawl = store_open(&store_under_test, 0);
    for (int i = 0; i < RUNNING + WAITING; i++)
        store_enqueue(pawl);
    struct pawl_worker *worker = start_slow(pawl, &slow);
    fill();
    size_t more = enqueue_until_full(pawl);
    atomic_store(&slow.may_end, 1);
    await_completed(pawl, RUNNING + WAITING + more, "on the full disk");
    make_room();
    await_room(pawl);
    await_completed(pawl, RUNNING + WAITING + more + 1, "with room again");
    pawl_worker_close(worker);
    pawl_close(pawl);
    store_must_be_sound(store_under_test.file);
}

static void fill_shim(void)
{
    disk_room(store_under_test.folder.path, 1600000);
}

static void free_shim(void)
{
    disk_room(store_under_test.folder.path, -1);
}

START_TEST(a_full_disk_refuses_new_work_and_ends_old_work)
{
    begin();
    disk_record_end();
    fill_and_free(fill_shim, free_shim);
}
END_TEST

/* What is there can be taken elsewhere, as a drain or a migration does, and paused. */
START_TEST(a_full_file_can_be_emptied)
{
    struct pawl_error err = { 0 };
    struct pawl_job *jobs[100];
    struct pawl_id ids[100];
    enum pawl_status results[100];
    size_t taken = 0;
    begin();
    disk_record_end();
    struct pawl *pawl = store_open(&store_under_test, 0);
    fill_shim();
    size_t stored = enqueue_until_full(pawl);
    ck_assert_msg(pawl_pause(pawl, STORE_QUEUE, &err) == PAWL_OK, "%s", err.message);
    struct pawl_storage *storage = pawl->storage;
    for (struct pawl_take_out_reply out = { .job_count = 1 }; out.job_count > 0;) {
        struct pawl_take_out in = { .queue = STORE_QUEUE, .mover = { { 1 } },
                                    .kind = PAWL_TAKE_HOLD, .limit = 100,
                                    .from_states = PAWL_STATE_BIT(PAWL_PENDING) };
        out = (struct pawl_take_out_reply){ .jobs = jobs, .results = results };
        ck_assert_msg(storage_take_out(storage, &in, &out, &err) == PAWL_OK, "hold: %s",
                      err.message);
        for (size_t i = 0; i < out.job_count; i++) {
            ids[i] = jobs[i]->id;
            pawl_job_free(jobs[i]);
        }
        in.kind = PAWL_TAKE_CONFIRM;
        in.ids = ids;
        in.id_count = out.job_count;
        taken += out.job_count;
        ck_assert_msg(in.id_count == 0 ||
                          storage_take_out(storage, &in, &out, &err) == PAWL_OK,
                      "confirm: %s", err.message);
        out.job_count = in.id_count;
    }
    ck_assert_uint_eq(taken, stored);
    pawl_close(pawl);
    store_must_be_sound(store_under_test.file);
}
END_TEST

/* --- a real small disk -------------------------------------------------------------- */

static char disk_folder[280], filler[300];

static void fill_real(void)
{
    static const char block[65536];
    int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    size_t size = sizeof block;
    ck_assert_int_ge(fd, 0);
    while (size > 0) {
        if (write(fd, block, size) < 0)
            size = errno == ENOSPC ? size / 2 : 0;
    }
    close(fd);
}

static void free_real(void)
{
    unlink(filler);
}

/* One that only this process sees. Not everybody may make one. */
static bool mount_disk(void)
{
    snprintf(disk_folder, sizeof disk_folder, "%s/disk",
             store_under_test.folder.path);
    snprintf(filler, sizeof filler, "%s/filler", disk_folder);
    if (mkdir(disk_folder, 0700) < 0 ||
        (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0))
        return false;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", disk_folder, "tmpfs", 0, "size=16m,mode=0700") == 0;
}

START_TEST(a_real_full_disk_does_the_same)
{
    if (!mount_disk()) {
        say("no disk of our own to be had here (%s)", strerror(errno));
        return;
    }
    snprintf(store_under_test.file, sizeof store_under_test.file, "%s/pawl.db",
             disk_folder);
    snprintf(store_under_test.url, sizeof store_under_test.url, "sqlite:%s",
             store_under_test.file);
    fill_and_free(fill_real, free_real);
    umount(disk_folder);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_failed_sync_is_unknown_to_the_storage,
        a_caller_hears_ok_or_unknown_and_there_is_one_job,
        without_any_sync_nothing_is_accepted,
        a_full_disk_refuses_new_work_and_ends_old_work,
        a_full_file_can_be_emptied,
        a_real_full_disk_does_the_same,
    };
    return store_run("broken", tests, 6, 180);
}
