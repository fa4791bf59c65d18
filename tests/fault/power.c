/* power.c - the power goes at every moment of a busy store's life.
 *
 * Three threads enqueue and a worker runs what they enqueue, on a disk that
 * notes what it is told (vfs_record.h). Then, for many moments, the files are
 * made as a power cut at that moment leaves them, and opened:
 *
 *   full     every enqueue that had returned is there, once
 *   normal   of each thread's enqueues a first part is there, without a gap
 *   failing  as full, though one sync in twelve fails, and what a failed one
 *            was to bring to the disk may never get there
 *
 * and always: it opens by itself, the file is sound, nothing is there that
 * nobody enqueued, and it can be used.
 *
 * $PAWL_POWER_IMAGES: how many in all; 900, or 100,000 in a --long run.
 */
#include <dirent.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/core.h"
#include "power_image.h"
#include "storage/sqlite/sqlite_storage.h"
#include "store.h"
#include "util/clock.h"

enum { THREADS = 3, JOBS = 45, LARGE = 3000 };
#define NEVER SIZE_MAX

/* One enqueue, and how much the disk had been told before and after it. */
struct attempt {
    char id[PAWL_ID_TEXT];
    size_t invoked, accepted;
};

struct life {
    struct pawl *pawl;
    struct attempt attempts[THREADS][JOBS];
    atomic_int threads_left;
    size_t accepted;
};

struct producer {
    struct life *life;
    int number;
    pthread_t thread;
};

/* What is expected of an image. */
enum promise { ALL_ACCEPTED, A_FIRST_PART };

struct trial {
    struct life *life;
    enum promise promise;
    uint64_t random;
    char folder[280], file[300];
    size_t images, lost;
};

/* --- the busy life ---------------------------------------------------------------- */

static void *produce(void *context)
{
    struct producer *p = context;
    static const unsigned char payload[LARGE];
    for (int i = 0; i < JOBS; i++) {
        struct attempt *a = &p->life->attempts[p->number][i];
        struct pawl_error err = { 0 };
        struct pawl_new_job job = {
            .queue = STORE_QUEUE,
            .payload = payload,
            .payload_size = i % 9 == 0 ? LARGE : (size_t)i * 5,
            .id = pawl_id_new(STORE_QUEUE, clock_wall_ms()),
        };
        pawl_id_format(job.id, a->id);
        a->invoked = disk_event_count();
        a->accepted = NEVER;
        enum pawl_status status = pawl_enqueue(p->life->pawl, &job, NULL, &err);
        if (status == PAWL_OK || status == PAWL_DUPLICATE)
            a->accepted = disk_event_count();
    }
    atomic_fetch_sub(&p->life->threads_left, 1);
    return NULL;
}

static struct pawl_verdict handle(void *context, const struct pawl_job *job,
                                  struct pawl_run *run)
{
    (void)context, (void)job, (void)run;
    return pawl_done();
}

/* As if the WAL were long: the next commit checkpoints. A failure is the
 * disk's. */
static void checkpoint(struct pawl *pawl)
{
    struct sqlite_storage *s = (struct sqlite_storage *)pawl->storage;
    if (sqlite_write_begin(s, SYNC_NORMAL, NULL) != PAWL_OK)
        return;
    s->writer.frames = 1000000;
    s->checkpoint_at = 0;
    sqlite_write_end(s, PAWL_OK, NULL);
}

static void be_busy(struct life *life)
{
    static const char *const queues[] = { STORE_QUEUE };
    struct producer producers[THREADS];
    struct pawl_worker *worker = NULL;
    struct pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
    options.queues = queues;
    options.queue_count = 1;
    options.concurrency = 2;
    options.handler = handle;
    ck_assert_int_eq(pawl_worker_open(life->pawl, &options, &worker, NULL), PAWL_OK);
    atomic_store(&life->threads_left, THREADS);
    for (int i = 0; i < THREADS; i++) {
        producers[i] = (struct producer){ .life = life, .number = i };
        pthread_create(&producers[i].thread, NULL, produce, &producers[i]);
    }
    while (atomic_load(&life->threads_left) > 0) {
        sleep_ms(3);
        checkpoint(life->pawl);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(producers[i].thread, NULL);
    pawl_worker_close(worker);
}

static void live(struct life *life, const char *durability, unsigned failing,
                 uint64_t seed)
{
    memset(life, 0, sizeof *life);
    snprintf(store_under_test.url, sizeof store_under_test.url,
             "sqlite:%s?durability=%s", store_under_test.file, durability);
    disk_record(store_under_test.file);
    life->pawl = store_open(&store_under_test, 5000);
    disk_fail_some(failing, seed);
    be_busy(life);
    disk_record_end();
    disk_fail_some(0, 0);
    pawl_close(life->pawl);
    for (int t = 0; t < THREADS; t++) {
        for (int i = 0; i < JOBS; i++)
            life->accepted += life->attempts[t][i].accepted != NEVER;
    }
}

/* --- after the cut ------------------------------------------------------------------ */

static void empty_folder(const char *folder)
{
    char path[700];
    struct dirent *entry;
    DIR *dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    if (dir)
        closedir(dir);
}

static void check_thread(struct trial *t, size_t cut, const struct id_list *there,
                         const struct attempt *attempts)
{
    bool gap = false;
    for (int i = 0; i < JOBS; i++) {
        const struct attempt *a = &attempts[i];
        bool found = id_list_has(there, a->id);
        bool accepted = a->accepted <= cut;
        ck_assert_msg(!found || a->invoked <= cut,
                      "cut %zu: job %s is there before it was enqueued", cut, a->id);
        ck_assert_msg(found || !accepted || t->promise != ALL_ACCEPTED,
                      "cut %zu: job %s, accepted at %zu, is LOST", cut, a->id,
                      a->accepted);
        ck_assert_msg(!found || !gap || t->promise == ALL_ACCEPTED,
                      "cut %zu: job %s is there, one before it is not", cut, a->id);
        gap = gap || (!found && a->accepted != NEVER);
        t->lost += !found && accepted;
    }
}

static size_t known(struct trial *t, const struct id_list *there)
{
    size_t count = 0;
    for (int k = 0; k < THREADS; k++) {
        for (int i = 0; i < JOBS; i++)
            count += id_list_has(there, t->life->attempts[k][i].id);
    }
    return count;
}

static void check_image(struct trial *t, size_t cut)
{
    struct store image = { 0 };
    struct id_list there;
    snprintf(image.url, sizeof image.url, "sqlite:%s", t->file);
    struct pawl *pawl = store_open(&image, 0);
    store_must_be_sound(t->file);
    store_ids(pawl, 0, &there);
    for (int i = 0; i < THREADS; i++)
        check_thread(t, cut, &there, t->life->attempts[i]);
    ck_assert_uint_eq(there.count, known(t, &there));
    if (t->images % 8 == 0) {
        size_t before = store_count(pawl, PAWL_PENDING);
        store_enqueue(pawl);
        ck_assert_uint_eq(store_count(pawl, PAWL_PENDING), before + 1);
    }
    pawl_close(pawl);
    id_list_clear(&there);
    t->images++;
}

/* `images` of them, spread over the whole life. */
static void cut_everywhere(struct trial *t, size_t images)
{
    struct power_image *image = power_image_new();
    size_t cuts = disk_event_count() + 1, last = NEVER;
    snprintf(t->folder, sizeof t->folder, "%s/cut", store_under_test.folder.path);
    snprintf(t->file, sizeof t->file, "%s/pawl.db", t->folder);
    ck_assert_int_eq(mkdir(t->folder, 0700), 0);
    for (size_t i = 0; i < images; i++) {
        size_t cut = i * cuts / images;
        enum power_loss loss = seeded(&t->random) % POWER_LOSSES;
        power_image_advance(image, cut);
        /* Without doubt there is one image only. */
        if (cut == last && !power_image_in_doubt(image))
            continue;
        power_image_write(image, loss, &t->random, t->file);
        check_image(t, cut);
        empty_folder(t->folder);
        last = cut;
    }
    power_image_free(image);
    rmdir(t->folder);
}

/* Each life has moments enough for some thousand images. */
static void live_and_die(const char *durability, enum promise promise,
                         unsigned failing)
{
    static struct life life;
    struct trial t = { .life = &life, .promise = promise, .random = test_seed() };
    size_t images = (size_t)env_number("PAWL_POWER_IMAGES", 900, 110000) / 3;
    size_t lives = images / 3000 + 1, accepted = 0, failed = 0, operations = 0;
    disk_install();
    for (size_t i = 0; i < lives; i++) {
        snprintf(store_under_test.file, sizeof store_under_test.file, "%s/%zu.db",
                 store_under_test.folder.path, i);
        live(&life, durability, failing, seeded(&t.random));
        cut_everywhere(&t, images / lives);
        accepted += life.accepted;
        failed += disk_failed_syncs();
        operations += disk_event_count();
    }
    say("%s%s: %zu images of %zu disk operations, %zu failed syncs; %zu of %zu "
        "enqueues accepted, %zu times lost", durability, failing ? ", failing" : "",
        t.images, operations, failed, accepted, lives * THREADS * JOBS, t.lost);
    if (failing) {
        ck_assert_uint_gt(failed, 0);
        ck_assert_uint_gt(accepted, lives * THREADS * JOBS / 2);
    } else {
        ck_assert_uint_eq(accepted, lives * THREADS * JOBS);
    }
    /* If nothing is lost without syncs, the images show nothing. */
    ck_assert((t.lost > 0) == (promise == A_FIRST_PART));
}

START_TEST(what_returned_survives)
{
    live_and_die("full", ALL_ACCEPTED, 0);
}
END_TEST

START_TEST(without_syncs_a_first_part_survives)
{
    live_and_die("normal", A_FIRST_PART, 0);
}
END_TEST

START_TEST(what_returned_survives_though_syncs_fail)
{
    live_and_die("full", ALL_ACCEPTED, 80);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_returned_survives,
        without_syncs_a_first_part_survives,
        what_returned_survives_though_syncs_fail,
    };
    return store_run("power", tests, 3, 3600);
}
