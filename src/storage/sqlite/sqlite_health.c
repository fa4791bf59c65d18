/* sqlite_health.c - how the file and its disk are. */
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "sqlite_path.h"
#include "sqlite_queue.h"
#include "sqlite_storage.h"
#include "util/clock.h"
#include "util/side_file.h"

#define HEALTH_WAL_LARGE (INT64_C(64) << 20)
#define HEALTH_LOW_PERCENT 5
#define MIB (1 << 20)
#define DAY INT64_C(86400000) /* ms */

PAWL_PRINTF(2, 3)
static void health_warn(struct pawl_health *out, const char *format, ...)
{
    if (out->warning_count >= PAWL_HEALTH_WARNINGS)
        return;
    struct pawl_health_warning *warning = &out->warnings[out->warning_count++];
    va_list args;
    va_start(args, format);
    vsnprintf(warning->text, sizeof warning->text, format, args);
    va_end(args);
}

static int64_t health_size(const char *path, const char *suffix)
{
    char name[PATH_MAX];
    struct stat st;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* A commit that overlaps a checkpoint could be lost; fixed in 3.51.3 and in two
 * older lines. Our gate keeps the two apart, other programs do not know it. */
static bool health_engine_is_safe(int version)
{
    return version >= 3051003 || (version >= 3050007 && version < 3051000) ||
           (version >= 3044006 && version < 3045000);
}

static void health_look_at_disk(const char *path, struct pawl_health *out)
{
    struct statvfs fs;
    if (statvfs(path, &fs) != 0 || fs.f_blocks == 0)
        return;
    uint64_t percent = (uint64_t)fs.f_bavail * 100 / fs.f_blocks;
    if (percent < HEALTH_LOW_PERCENT)
        health_warn(out,
                    "the disk is nearly full: %" PRIu64 " MiB (%" PRIu64
                    "%%) are free", (uint64_t)fs.f_bavail * fs.f_frsize / MIB,
                    percent);
}

static void health_look(struct sqlite_storage *s, int64_t wal,
                        struct pawl_health *out)
{
    if (!health_engine_is_safe(sqlite3_libversion_number())) {
        health_warn(out,
                    "sqlite %s can lose commits when other programs write to this "
                    "file; pawl's own writes are protected", sqlite3_libversion());
        out->warnings[0].standing = true;
    }
    if (gate_noted(&s->gate, GATE_SYNC_FAILED))
        health_warn(out, "a write did not reach the disk: nothing is accepted "
                         "until a checkpoint succeeds");
    if (gate_noted(&s->gate, GATE_SPACE_LOW))
        health_warn(out, "the disk was full: no new jobs are accepted until there "
                         "is room");
    if (wal > HEALTH_WAL_LARGE)
        health_warn(out,
                    "the write-ahead log is %" PRId64 " MiB: some program reads "
                    "the file without an end", wal / MIB);
    if (side_file_is_gone(s->gate.fd) || side_file_is_gone(s->live.holder) ||
        health_size(s->path, "") == 0)
        health_warn(out, "the file, its .gate or its .live was deleted: start again");
    health_look_at_disk(s->path, out);
}

static enum pawl_status health_finished(struct sqlite_db *db, int64_t *finished,
                                        struct pawl_error *err)
{
    struct sqlite_queue *queues = NULL;
    size_t count = 0;
    enum pawl_status status = queue_all(db, &queues, &count, err);
    *finished = 0;
    for (size_t i = 0; status == PAWL_OK && i < count; i++)
        *finished += queues[i].entered[PAWL_COMPLETED] + queues[i].entered[PAWL_DEAD] +
                     queues[i].entered[PAWL_CANCELLED];
    free(queues);
    return status;
}

static enum pawl_status health_pace(struct sqlite_storage *s, int64_t *jobs_a_day,
                                    struct pawl_error *err)
{
    sqlite3_stmt *stmt = sql(&s->reader, SQL_STORE);
    int64_t now = s->clock.now(s->clock.context), age, finished = 0, before = 0;
    bool found = false;
    enum pawl_status status = sql_next(&s->reader, stmt, &found, err);
    age = found ? now - sqlite3_column_int64(stmt, 0) : 0;
    before = found ? sqlite3_column_int64(stmt, 1) : 0;
    sqlite3_reset(stmt);
    if (status == PAWL_OK)
        status = health_finished(&s->reader, &finished, err);
    *jobs_a_day = age > DAY ? (finished - before) / (age / DAY) : finished - before;
    return status;
}

enum pawl_status sqlite_health(struct pawl_storage *self, struct pawl_health *out,
                               struct pawl_error *err)
{
    struct sqlite_storage *s = (struct sqlite_storage *)self;
    int64_t pages = 0, unused = 0, page_size = 0, jobs_a_day = 0, began = clock_mono_ns();
    enum pawl_status status = sqlite_read_begin(s, err);
    if (status < 0)
        return status;
    status = db_number(&s->reader, "PRAGMA page_count", &pages, err);
    if (status == PAWL_OK)
        status = db_number(&s->reader, "PRAGMA freelist_count", &unused, err);
    if (status == PAWL_OK)
        status = db_number(&s->reader, "PRAGMA page_size", &page_size, err);
    if (status == PAWL_OK)
        status = health_pace(s, &jobs_a_day, err);
    status = sqlite_read_end(s, status, err);
    if (status < 0)
        return status;

    int64_t wal = health_size(s->path, "-wal");
    memset(out, 0, sizeof *out);
    out->round_trip_us = (clock_mono_ns() - began) / 1000;
    out->jobs_a_day = jobs_a_day;
    out->size_bytes = pages * page_size + wal;
    out->free_bytes = unused * page_size;
    snprintf(out->storage, sizeof out->storage, "sqlite");
    snprintf(out->where, sizeof out->where, "%s", s->path);
    snprintf(out->engine, sizeof out->engine, "sqlite %s", sqlite3_libversion());
    snprintf(out->durability, sizeof out->durability, "%s",
             s->normal ? "normal" : "full");
    health_look(s, wal, out);
    return PAWL_OK;
}
