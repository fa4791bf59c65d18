/* checksum.c - the CRC-32 of each file named on the command line, by jobs.
 *
 *     checksum FILE...
 *
 * Three threads share one handle and enqueue a job per file; one worker, with
 * four handlers at once, computes. A file that cannot be read is a job that
 * fails, runs again, and is dead after its second attempt. Prints a line per
 * file in the order of completion, then what became of them all.
 *
 * Jobs are kept in $PAWL_URL, or in memory: "memory:NAME" is shared by the
 * handles of one process and gone with the last of them.
 */
#include <pawl.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE "checksum"
#define PRODUCERS 3

/* --- the work ------------------------------------------------------------------ */

static uint32_t crc32_of(FILE *file)
{
    unsigned char bytes[65536];
    uint32_t crc = UINT32_MAX;
    size_t n;
    while ((n = fread(bytes, 1, sizeof bytes, file)) > 0)
        for (size_t i = 0; i < n; i++) {
            crc ^= bytes[i];
            for (int bit = 0; bit < 8; bit++)
                crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
        }
    return ~crc;
}

/* One attempt of one job: its payload is a path. Runs on four threads at once. */
static struct pawl_verdict handle(void *context, const struct pawl_job *job,
                                  struct pawl_run *run)
{
    char path[4096];
    FILE *out = context;
    (void)run; /* long work would ask pawl_run_stopped(run) now and then */
    if (job->payload_size >= sizeof path)
        return pawl_dead("the path is too long");
    memcpy(path, job->payload, job->payload_size);
    path[job->payload_size] = '\0';

    FILE *file = fopen(path, "rb");
    if (!file)
        return pawl_failed("cannot read '%s': %s", path, strerror(errno));
    uint32_t crc = crc32_of(file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed)
        return pawl_failed("cannot read '%s'", path);
    fprintf(out, "%08" PRIx32 "  %s\n", crc, path);
    return pawl_done();
}

/* --- the producers --------------------------------------------------------------- */

struct producers {
    struct pawl *pawl;
    char **paths;
    int path_count;
    atomic_int next, failed;
};

static void *produce(void *context)
{
    struct producers *p = context;
    struct pawl_error err = {0};
    int i;
    while ((i = atomic_fetch_add(&p->next, 1)) < p->path_count) {
        struct pawl_new_job job = {
            .queue = QUEUE,
            .payload = p->paths[i],
            .payload_size = strlen(p->paths[i]),
            .max_attempts = 2,
            .backoff = {.kind = PAWL_BACKOFF_FIXED, .delay = 100}};
        if (pawl_enqueue(p->pawl, &job, NULL, &err) < 0) {
            fprintf(stderr, "%s: %s\n", p->paths[i], err.message);
            atomic_fetch_add(&p->failed, 1);
        }
    }
    return NULL;
}

/* How many could not be enqueued. */
static int enqueue_all(struct pawl *pawl, char **paths, int count)
{
    struct producers p = {.pawl = pawl, .paths = paths, .path_count = count};
    pthread_t threads[PRODUCERS];
    int started = 0;
    for (; started < PRODUCERS; started++)
        if (pthread_create(&threads[started], NULL, produce, &p) != 0)
            break;
    if (started == 0)
        produce(&p);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return atomic_load(&p.failed);
}

/* --- the worker ------------------------------------------------------------------- */

/* Run until no job is left. */
static enum pawl_status work(struct pawl *pawl, struct pawl_worker_counts *counts,
                             struct pawl_error *err)
{
    static const char *const queues[] = {QUEUE};
    struct pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
    struct pawl_worker *worker = NULL;
    options.queues = queues;
    options.queue_count = 1;
    options.concurrency = 4;
    options.handler = handle;
    options.context = stdout;
    options.drain = true;
    enum pawl_status status = pawl_worker_open(pawl, &options, &worker, err);
    if (status != PAWL_OK)
        return status;
    status = pawl_worker_wait(worker, err);
    pawl_worker_counts(worker, counts);
    pawl_worker_close(worker);
    return status;
}

int main(int argc, char **argv)
{
    struct pawl_error err = {0};
    struct pawl *pawl = NULL;
    struct pawl_worker_counts counts = {0};
    if (argc < 2)
        return fprintf(stderr, "usage: %s FILE...\n", argv[0]), 2;
    const char *url = getenv("PAWL_URL") ? NULL : "memory:checksum";
    if (pawl_open(url, NULL, &pawl, &err) != PAWL_OK)
        return fprintf(stderr, "%s\n", err.message), 1;
    int refused = enqueue_all(pawl, argv + 1, argc - 1);
    enum pawl_status status = work(pawl, &counts, &err);
    pawl_close(pawl);
    if (status != PAWL_OK)
        return fprintf(stderr, "%s\n", err.message), 1;
    printf("%" PRIu64 " done, %" PRIu64 " dead, %" PRIu64 " attempts\n",
           counts.completed, counts.dead, counts.started);
    return refused > 0 || counts.dead > 0;
}
