/* test_sqlite_fault.c - what is answered when the disk fails.
 *
 * A shim under SQLite fails the syncs or the writes of chosen files on command,
 * as a broken or a full disk would. It passes everything else on. */
#include <sys/stat.h>

#include "sqlite_fixture.h"
#include "storage/sqlite/sqlite_ballast.h"

static struct sqlite_storage store;
static struct pawl_error error;

/* --- the shim ----------------------------------------------------------------- */

static struct {
    const char *suffix; /* of the files that fail; NULL: none */
    int sync_result;    /* SQLITE_OK: works */
    int write_result;
    int failures; /* so far */
} fault;

static sqlite3_vfs shim, *real;

struct shim_file {
    sqlite3_file base;
    const char *name;
    sqlite3_file *below; /* right behind this struct */
};

static sqlite3_file *below(sqlite3_file *file)
{
    return ((struct shim_file *)file)->below;
}

static bool failing(sqlite3_file *file, int result)
{
    const char *name = ((struct shim_file *)file)->name;
    if (result == SQLITE_OK || !fault.suffix || !name)
        return false;
    size_t n = strlen(name), m = strlen(fault.suffix);
    bool hit = n >= m && strcmp(name + n - m, fault.suffix) == 0;
    fault.failures += hit;
    return hit;
}

static int shim_sync(sqlite3_file *f, int flags)
{
    return failing(f, fault.sync_result) ? fault.sync_result
                                         : below(f)->pMethods->xSync(below(f), flags);
}

static int shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    return failing(f, fault.write_result)
               ? fault.write_result
               : below(f)->pMethods->xWrite(below(f), p, n, at);
}

static int shim_close(sqlite3_file *f)
{
    return below(f)->pMethods->xClose(below(f));
}

static int shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return below(f)->pMethods->xRead(below(f), p, n, at);
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return below(f)->pMethods->xTruncate(below(f), size);
}

static int shim_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return below(f)->pMethods->xFileSize(below(f), size);
}

static int shim_lock(sqlite3_file *f, int level)
{
    return below(f)->pMethods->xLock(below(f), level);
}

static int shim_unlock(sqlite3_file *f, int level)
{
    return below(f)->pMethods->xUnlock(below(f), level);
}

static int shim_reserved(sqlite3_file *f, int *out)
{
    return below(f)->pMethods->xCheckReservedLock(below(f), out);
}

static int shim_control(sqlite3_file *f, int op, void *arg)
{
    return below(f)->pMethods->xFileControl(below(f), op, arg);
}

static int shim_sector(sqlite3_file *f)
{
    return below(f)->pMethods->xSectorSize(below(f));
}

static int shim_device(sqlite3_file *f)
{
    return below(f)->pMethods->xDeviceCharacteristics(below(f));
}

static int shim_map(sqlite3_file *f, int page, int size, int extend,
                    void volatile **out)
{
    return below(f)->pMethods->xShmMap(below(f), page, size, extend, out);
}

static int shim_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return below(f)->pMethods->xShmLock(below(f), offset, n, flags);
}

static void shim_barrier(sqlite3_file *f)
{
    below(f)->pMethods->xShmBarrier(below(f));
}

static int shim_unmap(sqlite3_file *f, int delete)
{
    return below(f)->pMethods->xShmUnmap(below(f), delete);
}

static const sqlite3_io_methods shim_methods = {
    .iVersion = 2,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_reserved,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector,
    .xDeviceCharacteristics = shim_device,
    .xShmMap = shim_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_barrier,
    .xShmUnmap = shim_unmap,
};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
                     int flags, int *out_flags)
{
    struct shim_file *f = (struct shim_file *)file;
    (void)vfs;
    f->name = name;
    f->below = (sqlite3_file *)(f + 1);
    int rc = real->xOpen(real, name, f->below, flags, out_flags);
    f->base.pMethods = f->below->pMethods ? &shim_methods : NULL;
    return rc;
}

static void shim_install(void)
{
    real = sqlite3_vfs_find(NULL);
    shim = *real;
    shim.zName = "shim";
    shim.szOsFile = real->szOsFile + (int)sizeof(struct shim_file);
    shim.xOpen = shim_open;
    ck_assert_int_eq(sqlite3_vfs_register(&shim, 1), SQLITE_OK);
}

/* --- helpers --------------------------------------------------------------------- */

static enum pawl_status insert(int value, enum sqlite_sync sync)
{
    char text[64];
    snprintf(text, sizeof text, "INSERT INTO t VALUES(%d)", value);
    enum pawl_status status = sqlite_write_begin(&store, sync, &error);
    if (status < 0)
        return status;
    status = db_exec(&store.writer, text, "insert", &error);
    return sqlite_write_end(&store, status, &error);
}

/* What a reader of this instance sees. */
static int64_t rows(void)
{
    int64_t count = -1;
    ck_assert_msg(sqlite_read_begin(&store, &error) == PAWL_OK, "%s", error.message);
    ck_assert_int_eq(db_number(&store.reader, "SELECT count(*) FROM t", &count,
                               &error), PAWL_OK);
    sqlite_read_end(&store, PAWL_OK, &error);
    return count;
}

static void setup(void)
{
    fixture_setup();
    memset(&fault, 0, sizeof fault);
    shim_install();
    ck_assert_msg(fixture_open(&store, fixture_file, "", 3000, &error) == PAWL_OK,
                  "%s", error.message);
    ck_assert_int_eq(sqlite_write_begin(&store, SYNC_FULL, &error), PAWL_OK);
    ck_assert_int_eq(db_exec(&store.writer, "CREATE TABLE t(a)", "make", &error),
                     PAWL_OK);
    ck_assert_int_eq(sqlite_write_end(&store, PAWL_OK, &error), PAWL_OK);
    ck_assert_int_eq(insert(1, SYNC_FULL), PAWL_OK);
}

static void teardown(void)
{
    fixture_close(&store);
    fixture_teardown();
}

/* --- fsync fails --------------------------------------------------------------------- */

/* Neither done nor refused: unknown. Then nothing is accepted until a checkpoint
 * has succeeded, and after that all is well, without opening anew. */
START_TEST(fsync_fails_in_commit)
{
    fault.suffix = "-wal";
    fault.sync_result = SQLITE_IOERR_FSYNC;
    ck_assert_int_eq(insert(2, SYNC_FULL), PAWL_EUNKNOWN);
    ck_assert_int_eq(error.native, SQLITE_IOERR_FSYNC);
    ck_assert_int_gt(fault.failures, 0);
    ck_assert(gate_noted(&store.gate, GATE_SYNC_FAILED));

    /* It was certainly not begun, so this is no unknown any more. */
    ck_assert_int_eq(insert(3, SYNC_FULL), PAWL_EIO);
    ck_assert_int_eq(insert(3, SYNC_NORMAL), PAWL_EIO);
    ck_assert(strstr(error.message, "checkpoint after a failed write"));

    fault.suffix = NULL;
    ck_assert_int_eq(insert(4, SYNC_NORMAL), PAWL_OK);
    ck_assert(!gate_noted(&store.gate, GATE_SYNC_FAILED));
    int64_t count = rows();
    ck_assert_msg(count == 2 || count == 3, "%d", (int)count);
}
END_TEST

/* Another process notices, too. */
START_TEST(fsync_failure_is_shared)
{
    struct sqlite_storage other;
    ck_assert_int_eq(fixture_open(&other, fixture_file, "", 3000, &error), PAWL_OK);
    fault.suffix = "-wal";
    fault.sync_result = SQLITE_IOERR_FSYNC;
    ck_assert_int_eq(insert(2, SYNC_FULL), PAWL_EUNKNOWN);
    ck_assert_int_eq(sqlite_write_begin(&other, SYNC_NORMAL, &error), PAWL_EIO);
    fault.suffix = NULL;
    ck_assert_int_eq(sqlite_write_begin(&other, SYNC_NORMAL, &error), PAWL_OK);
    ck_assert_int_eq(sqlite_write_end(&other, PAWL_OK, &error), PAWL_OK);
    fixture_close(&other);
    ck_assert_int_eq(insert(3, SYNC_FULL), PAWL_OK);
}
END_TEST

/* NORMAL commits do not sync, so they do not notice; the class is what is said. */
START_TEST(normal_does_not_sync)
{
    fault.suffix = "-wal";
    fault.sync_result = SQLITE_IOERR_FSYNC;
    ck_assert_int_eq(insert(2, SYNC_NORMAL), PAWL_OK);
    ck_assert_int_eq(fault.failures, 0);
    ck_assert_int_eq(rows(), 2);
}
END_TEST

/* A checkpoint that fails does not make a lie of the commit before it. */
START_TEST(fsync_fails_in_checkpoint)
{
    fault.suffix = "x.db";
    fault.sync_result = SQLITE_IOERR_FSYNC;
    store.checkpoint_at = 1;
    store.writer.frames = 0;
    for (int i = 0; fault.failures == 0; i++) {
        ck_assert_int_lt(i, 3000);
        ck_assert_int_eq(insert(i, SYNC_NORMAL), PAWL_OK);
    }
    ck_assert(gate_noted(&store.gate, GATE_SYNC_FAILED));
    ck_assert_int_eq(insert(-1, SYNC_NORMAL), PAWL_EIO);
    fault.suffix = NULL;
    ck_assert_int_eq(insert(-1, SYNC_NORMAL), PAWL_OK);
}
END_TEST

/* --- opening ------------------------------------------------------------------------ */

/* A file in the first format, with jobs in it. */
static char *older_file(void)
{
    static char text[65536];
    char *path = fixture_path("older.db");
    FILE *f = fopen(PAWL_TEST_DATA "/format-1.sql", "r");
    sqlite3 *handle = NULL;
    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    ck_assert_int_eq(sqlite3_open(path, &handle), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(handle, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
    return path;
}

/* Opening fails with the sync. Whoever opens it afterwards writes nothing before he
 * has made sure of the disk. */
static void opening_is_noted(char *path, const char *suffix)
{
    struct sqlite_storage other;
    fault.suffix = suffix;
    fault.sync_result = SQLITE_IOERR_FSYNC;
    ck_assert_int_eq(fixture_open(&other, path, "", 3000, &error), PAWL_EIO);
    ck_assert_int_eq(error.native, SQLITE_IOERR_FSYNC);
    fixture_close(&other);

    fault.suffix = NULL;
    ck_assert_msg(fixture_open(&other, path, "", 3000, &error) == PAWL_OK, "%s",
                  error.message);
    ck_assert(gate_noted(&other.gate, GATE_SYNC_FAILED));
    fault.suffix = "-wal";
    ck_assert_int_eq(sqlite_write_begin(&other, SYNC_NORMAL, &error), PAWL_EIO);
    ck_assert(strstr(error.message, "checkpoint after a failed write"));
    fault.suffix = NULL;
    ck_assert_int_eq(sqlite_write_begin(&other, SYNC_NORMAL, &error), PAWL_OK);
    ck_assert_int_eq(sqlite_write_end(&other, PAWL_OK, &error), PAWL_OK);
    ck_assert(!gate_noted(&other.gate, GATE_SYNC_FAILED));
    fixture_close(&other);
}

START_TEST(fsync_fails_in_upgrade)
{
    opening_is_noted(older_file(), "-wal");
}
END_TEST

START_TEST(fsync_fails_in_making)
{
    opening_is_noted(fixture_path("new.db"), "new.db");
}
END_TEST

/* --- writes fail ---------------------------------------------------------------------- */

START_TEST(write_fails_in_commit)
{
    fault.suffix = "-wal";
    fault.write_result = SQLITE_IOERR_WRITE;
    ck_assert_int_eq(insert(2, SYNC_NORMAL), PAWL_EUNKNOWN);
    fault.suffix = NULL;
    ck_assert_int_eq(insert(3, SYNC_FULL), PAWL_OK);
    int64_t count = rows();
    ck_assert_msg(count == 2 || count == 3, "%d", (int)count);
}
END_TEST

/* A full disk is certain: nothing was stored, and nothing needs to be healed. */
START_TEST(disk_full)
{
    fault.suffix = "-wal";
    fault.write_result = SQLITE_FULL;
    ck_assert_int_eq(insert(2, SYNC_FULL), PAWL_EFULL);
    ck_assert(strstr(error.message, "disk full, make room"));
    ck_assert_int_eq(error.native, SQLITE_FULL);
    ck_assert(!gate_noted(&store.gate, GATE_SYNC_FAILED));
    ck_assert_int_eq(rows(), 1);
    fault.suffix = NULL;
    ck_assert_int_eq(insert(2, SYNC_FULL), PAWL_OK);
    ck_assert_int_eq(rows(), 2);
}
END_TEST

/* The ballast is given back once, and made again before new work is taken. */
START_TEST(ballast)
{
    struct stat st;
    char *file = fixture_path("x.db.ballast");
    ck_assert_int_eq(stat(file, &st), 0);
    ck_assert_int_ge(st.st_blocks * 512, 1 << 20);
    ck_assert(sqlite_make_room(&store));
    ck_assert_int_ne(stat(file, &st), 0);
    ck_assert(gate_noted(&store.gate, GATE_SPACE_LOW));
    ck_assert_int_eq(insert(2, SYNC_NORMAL), PAWL_OK);
    ck_assert_int_ne(stat(file, &st), 0);
    ck_assert_int_eq(insert(3, SYNC_ADDS), PAWL_OK);
    ck_assert_int_eq(stat(file, &st), 0);
    ck_assert(!gate_noted(&store.gate, GATE_SPACE_LOW));

    /* A folder in its place stands for a disk that stays full. */
    ck_assert(sqlite_make_room(&store));
    ck_assert_int_eq(mkdir(file, 0700), 0);
    ck_assert_int_eq(insert(4, SYNC_ADDS), PAWL_EFULL);
    ck_assert(strstr(error.message, "is full: make room"));
    ck_assert_int_eq(insert(4, SYNC_NORMAL), PAWL_OK);
    ck_assert_int_eq(insert(6, SYNC_FULL), PAWL_OK);
    rmdir(file);
    ck_assert_int_eq(insert(5, SYNC_ADDS), PAWL_OK);
}
END_TEST

/* --- files go away ----------------------------------------------------------------------- */

/* Nothing is accepted for a file that nobody will find. */
START_TEST(moved_or_deleted)
{
    usleep(110000);
    ck_assert_int_eq(rename(fixture_file, fixture_path("y.db")), 0);
    ck_assert_int_eq(insert(2, SYNC_FULL), PAWL_EDENIED);
    ck_assert(strstr(error.message, "x.db' was moved or deleted while in use"));
    ck_assert_int_eq(rename(fixture_path("y.db"), fixture_file), 0);
    ck_assert_int_eq(insert(2, SYNC_FULL), PAWL_OK);
    usleep(110000);
    ck_assert_int_eq(rename(fixture_path("x.db.live"), fixture_path("y.live")), 0);
    ck_assert_int_eq(insert(3, SYNC_FULL), PAWL_OK);
    unlink(fixture_path("y.live"));
    usleep(110000);
    ck_assert_int_eq(insert(4, SYNC_FULL), PAWL_EDENIED);
    ck_assert(strstr(error.message, "x.db.live' was deleted while in use"));
    unlink(fixture_path("x.db.gate"));
    ck_assert_int_eq(insert(3, SYNC_FULL), PAWL_EDENIED);
    ck_assert(strstr(error.message, "x.db.gate' was deleted while in use"));
}
END_TEST

/* The codes and the classes they belong to. */
START_TEST(codes)
{
    static const struct {
        int rc;
        enum pawl_status status;
        bool suspect;
    } cases[] = {
        { SQLITE_BUSY, PAWL_ETIMEOUT, false },
        { SQLITE_BUSY_RECOVERY, PAWL_ETIMEOUT, false },
        { SQLITE_PROTOCOL, PAWL_ETIMEOUT, false },
        { SQLITE_FULL, PAWL_EFULL, false },
        { SQLITE_IOERR_READ, PAWL_EIO, true },
        { SQLITE_IOERR_FSYNC, PAWL_EIO, true },
        { SQLITE_IOERR_NOMEM, PAWL_ENOMEM, false },
        { SQLITE_CORRUPT, PAWL_ECORRUPT, true },
        { SQLITE_CORRUPT_INDEX, PAWL_ECORRUPT, true },
        { SQLITE_NOTADB, PAWL_ECORRUPT, true },
        { SQLITE_READONLY, PAWL_EDENIED, true },
        { SQLITE_READONLY_DBMOVED, PAWL_EDENIED, true },
        { SQLITE_CANTOPEN, PAWL_EDENIED, true },
        { SQLITE_PERM, PAWL_EDENIED, false },
        { SQLITE_NOMEM, PAWL_ENOMEM, false },
        { SQLITE_LOCKED, PAWL_EINTERNAL, false },
        { SQLITE_CONSTRAINT_UNIQUE, PAWL_EINTERNAL, false },
        { SQLITE_ERROR, PAWL_EINTERNAL, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sqlite_db none = { 0 };
        ck_assert_int_eq(sqlite_failure(&none, cases[i].rc, "test", &error),
                         cases[i].status);
        ck_assert_int_eq(error.native, cases[i].rc);
        ck_assert_int_eq(none.suspect, cases[i].suspect);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sqlite_fault");
    TCase *t = tcase_create("sqlite_fault");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, fsync_fails_in_commit);
    tcase_add_test(t, fsync_failure_is_shared);
    tcase_add_test(t, normal_does_not_sync);
    tcase_add_test(t, fsync_fails_in_checkpoint);
    tcase_add_test(t, fsync_fails_in_upgrade);
    tcase_add_test(t, fsync_fails_in_making);
    tcase_add_test(t, write_fails_in_commit);
    tcase_add_test(t, disk_full);
    tcase_add_test(t, ballast);
    tcase_add_test(t, moved_or_deleted);
    tcase_add_test(t, codes);
    suite_add_tcase(suite, t);
    return fixture_run(suite);
}
