/* test_sqlite_db.c - opening a file: what is made, what is refused and left
 * alone, how several openers meet; and what transactions promise while nothing
 * is broken (test_sqlite_fault.c breaks things). */
#include <sys/stat.h>

#include "sqlite_fixture.h"
#include "storage/sqlite/sqlite_schema.h"

static struct sqlite_storage store;
static struct pawl_error error;

static void open_store(void)
{
    ck_assert_msg(fixture_open(&store, fixture_file, "", 5000, &error) == PAWL_OK,
                  "%s", error.message);
}

/* Opening is refused with this text about the file, which stays as it is. */
static void refused(enum pawl_status status, const char *text)
{
    char want[500];
    struct stat before, after;
    snprintf(want, sizeof want, "'%s' %s", fixture_file, text);
    ck_assert_int_eq(stat(fixture_file, &before), 0);
    ck_assert_int_eq(fixture_open(&store, fixture_file, "", 5000, &error), status);
    ck_assert_str_eq(error.message, want);
    fixture_close(&store);
    ck_assert_int_eq(stat(fixture_file, &after), 0);
    ck_assert_int_eq(before.st_size, after.st_size);
    ck_assert_int_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    ck_assert_int_ne(access(fixture_path("x.db.gate"), F_OK), 0);
}

/* Run SQL on the file as any other program would. */
static void foreign(const char *text)
{
    sqlite3 *handle = NULL;
    ck_assert_int_eq(sqlite3_open(fixture_file, &handle), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(handle, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
}

static int64_t number(struct sqlite_db *db, const char *text)
{
    int64_t value = -1;
    ck_assert_int_eq(db_number(db, text, &value, &error), PAWL_OK);
    return value;
}

static enum pawl_status write_sql(const char *text, enum sqlite_sync sync)
{
    enum pawl_status status = sqlite_write_begin(&store, sync, &error);
    if (status < 0)
        return status;
    status = db_exec(&store.writer, text, "test", &error);
    return sqlite_write_end(&store, status, &error);
}

/* --- opening ------------------------------------------------------------------- */

START_TEST(fresh_file)
{
    static const char *const names[] = { "x.db", "x.db.gate", "x.db.live",
                                         "x.db.wake", "x.db.ballast", "x.db-wal" };
    umask(0);
    open_store();
    struct sqlite_db *db = &store.writer;
    ck_assert_int_eq(number(db, "PRAGMA application_id"), SQLITE_APPLICATION_ID);
    ck_assert_int_eq(number(db, "PRAGMA user_version"), sqlite_schema_count);
    ck_assert_int_eq(number(db, "PRAGMA page_size"), 2048);
    ck_assert_int_eq(number(db, "PRAGMA auto_vacuum"), 2);
    ck_assert_int_eq(number(db, "PRAGMA wal_autocheckpoint"), 0);
    ck_assert_int_eq(number(db, "PRAGMA trusted_schema"), 0);
    ck_assert_int_eq(number(db, "PRAGMA mmap_size"), 0);
    ck_assert_int_eq(number(db, "PRAGMA cell_size_check"), 1);
    ck_assert_int_eq(number(db, "PRAGMA foreign_keys"), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct stat st;
        ck_assert_msg(stat(fixture_path(names[i]), &st) == 0, "%s", names[i]);
        ck_assert_uint_eq(st.st_mode & 0777, 0600);
    }
    fixture_close(&store);
    fixture_close(&store);
    /* The second time nothing is left to do. */
    open_store();
    bool ready = false;
    ck_assert_int_eq(schema_inspect(&store.writer, store.path, &ready, &error),
                     PAWL_OK);
    ck_assert(ready);
    fixture_close(&store);
}
END_TEST

START_TEST(foreign_files_refused)
{
    FILE *f = fopen(fixture_file, "w");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < 200; i++)
        fprintf(f, "this is a diary and no database\n");
    fclose(f);
    refused(PAWL_EFORMAT, "is not a database: name another file");
    unlink(fixture_file);
    foreign("CREATE TABLE diary(day)");
    refused(PAWL_EFORMAT,
            "is not a pawl database: it belongs to another program");
    unlink(fixture_file);
    foreign("PRAGMA application_id = 7");
    refused(PAWL_EFORMAT,
            "is not a pawl database: it belongs to another program");
    unlink(fixture_file);
    foreign("PRAGMA journal_mode = WAL; CREATE TABLE diary(day)");
    refused(PAWL_EFORMAT,
            "is not a pawl database: it belongs to another program");
}
END_TEST

START_TEST(newer_format_refused)
{
    char text[200];
    open_store();
    ck_assert_int_eq(write_sql("PRAGMA user_version = 7", SYNC_FULL), PAWL_OK);
    fixture_close(&store);
    unlink(fixture_path("x.db.gate"));
    snprintf(text, sizeof text, "has format 7, which is newer than this pawl knows "
                                "(%d): upgrade pawl", sqlite_schema_count);
    refused(PAWL_EFORMAT, text);
}
END_TEST

static char *read_all(const char *path)
{
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s", path);
    char *text = calloc(1, 65536);
    ck_assert_uint_lt(fread(text, 1, 65535, f), 65535);
    fclose(f);
    return text;
}

/* A file of an earlier format is brought up to date, with all that is in it. */
START_TEST(older_format)
{
    char *text = read_all(PAWL_TEST_DATA "/format-1.sql");
    struct pawl_stats *stats = NULL;
    struct pawl_tally tally = { 0 };
    foreign(text);
    free(text);
    open_store();
    struct pawl_storage *storage = &store.base;
    ck_assert_int_eq(number(&store.writer, "PRAGMA user_version"),
                     sqlite_schema_count);
    ck_assert_int_eq(sqlite_stats(storage, NULL, &stats, &error), PAWL_OK);
    ck_assert_uint_eq(stats->queue_count, 2);
    ck_assert_uint_eq(stats->queues[0].jobs[PAWL_DEAD], 1);
    ck_assert(stats->queues[1].paused);
    ck_assert_uint_eq(stats->queues[1].jobs[PAWL_PENDING], 1);
    ck_assert_uint_eq(stats->queues[1].jobs[PAWL_SCHEDULED], 1);
    pawl_stats_free(stats);
    ck_assert_int_eq(sqlite_tally(storage, "mail", (struct pawl_session){ { 1 } },
                                  true, &tally, &error), PAWL_OK);
    fixture_close(&store);
}
END_TEST

/* An empty file, and one whose maker died after switching it to WAL, are ours to
 * finish. */
START_TEST(half_made_files)
{
    foreign("PRAGMA page_size = 2048; PRAGMA auto_vacuum = 2;"
            "PRAGMA journal_mode = WAL");
    open_store();
    ck_assert_int_eq(number(&store.writer, "PRAGMA user_version"),
                     sqlite_schema_count);
    fixture_close(&store);
}
END_TEST

START_TEST(bad_options)
{
    ck_assert_int_eq(fixture_open(&store, fixture_file, "x=1", 5000, &error),
                     PAWL_EINVAL);
    ck_assert_str_eq(error.message, "unknown option 'x': sqlite has durability");
    fixture_close(&store);
    ck_assert_int_ne(access(fixture_file, F_OK), 0);
}
END_TEST

/* Many processes open a file that is not there: one makes it, nobody fails. */
START_TEST(opened_by_many_at_once)
{
    pid_t pids[6];
    FILE *outs[6];
    for (int i = 0; i < 6; i++)
        pids[i] = fixture_start(&outs[i], "open", fixture_file, NULL);
    for (int i = 0; i < 6; i++) {
        ck_assert_str_eq(fixture_line(outs[i]), "PAWL_OK");
        ck_assert_int_eq(fixture_end(pids[i], outs[i]), 0);
    }
    open_store();
    ck_assert_int_eq(number(&store.writer, "SELECT count(*) FROM t"), 6 * 50);
    fixture_close(&store);
}
END_TEST

static int act_open(const char *file)
{
    snprintf(fixture_file, sizeof fixture_file, "%s", file);
    enum pawl_status status = fixture_open(&store, file, "", 10000, &error);
    if (status == PAWL_OK)
        status = write_sql("CREATE TABLE IF NOT EXISTS t(a)", SYNC_NORMAL);
    for (int i = 0; i < 50 && status == PAWL_OK; i++)
        status = write_sql("INSERT INTO t VALUES(1)", SYNC_NORMAL);
    printf("%s\n", status == PAWL_OK ? "PAWL_OK" : error.message);
    fixture_close(&store);
    return 0;
}

/* --- transactions --------------------------------------------------------------- */

/* FULL and NORMAL on one connection; with durability=normal always NORMAL. */
START_TEST(two_classes)
{
    open_store();
    static const enum sqlite_sync order[] = { SYNC_FULL, SYNC_NORMAL, SYNC_NORMAL,
                                              SYNC_FULL };
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(sqlite_write_begin(&store, order[i], &error), PAWL_OK);
        ck_assert_int_eq(number(&store.writer, "PRAGMA synchronous"),
                         order[i] == SYNC_FULL ? 2 : 1);
        ck_assert_int_eq(sqlite_write_end(&store, PAWL_OK, &error), PAWL_OK);
    }
    fixture_close(&store);
    ck_assert_int_eq(fixture_open(&store, fixture_file, "durability=normal", 5000,
                                  &error), PAWL_OK);
    ck_assert_int_eq(sqlite_write_begin(&store, SYNC_FULL, &error), PAWL_OK);
    ck_assert_int_eq(number(&store.writer, "PRAGMA synchronous"), 1);
    ck_assert_int_eq(sqlite_write_end(&store, PAWL_OK, &error), PAWL_OK);
    fixture_close(&store);
}
END_TEST

/* A failing step leaves nothing; a reader sees one snapshot beside a writer. */
START_TEST(rollback_and_snapshot)
{
    open_store();
    ck_assert_int_eq(write_sql("CREATE TABLE t(a)", SYNC_FULL), PAWL_OK);
    ck_assert_int_eq(sqlite_write_begin(&store, SYNC_FULL, &error), PAWL_OK);
    ck_assert_int_eq(db_exec(&store.writer, "INSERT INTO t VALUES(1)", "test",
                             &error), PAWL_OK);
    ck_assert_int_eq(sqlite_write_end(&store, PAWL_EINVAL, &error), PAWL_EINVAL);
    ck_assert_int_eq(sqlite_read_begin(&store, &error), PAWL_OK);
    ck_assert_int_eq(number(&store.reader, "SELECT count(*) FROM t"), 0);
    ck_assert_int_eq(write_sql("INSERT INTO t VALUES(1)", SYNC_FULL), PAWL_OK);
    ck_assert_int_eq(number(&store.reader, "SELECT count(*) FROM t"), 0);
    ck_assert_int_eq(sqlite_read_end(&store, PAWL_OK, &error), PAWL_OK);
    ck_assert_int_eq(sqlite_read_begin(&store, &error), PAWL_OK);
    ck_assert_int_eq(number(&store.reader, "SELECT count(*) FROM t"), 1);
    ck_assert_int_eq(sqlite_read_end(&store, PAWL_NOT_FOUND, &error),
                     PAWL_NOT_FOUND);
    fixture_close(&store);
}
END_TEST

/* A statement left in the middle does not hold its snapshot after the end. */
START_TEST(statements_are_settled)
{
    bool row = false;
    open_store();
    ck_assert_int_eq(write_sql("INSERT INTO queue(name, hash) VALUES('a', 1)",
                               SYNC_FULL), PAWL_OK);
    ck_assert_int_eq(sqlite_read_begin(&store, &error), PAWL_OK);
    sqlite3_stmt *stmt = sql(&store.reader, SQL_QUEUE_LIST);
    ck_assert_int_eq(sql_next(&store.reader, stmt, &row, &error), PAWL_OK);
    ck_assert(row && sqlite3_stmt_busy(stmt));
    sqlite_read_end(&store, PAWL_OK, &error);
    ck_assert(!sqlite3_stmt_busy(stmt));
    ck_assert_int_eq(sqlite3_txn_state(store.reader.handle, "main"),
                     SQLITE_TXN_NONE);
    fixture_close(&store);
}
END_TEST

/* A statement that cannot be prepared is NULL, and running it tells why. */
START_TEST(unprepared_statement)
{
    open_store();
    ck_assert_int_eq(sqlite_write_begin(&store, SYNC_FULL, &error), PAWL_OK);
    ck_assert_int_eq(db_exec(&store.writer, "DROP TABLE queue", "test", &error),
                     PAWL_OK);
    ck_assert_ptr_null(sql(&store.writer, SQL_QUEUE_FIND));
    ck_assert_int_eq(sql_run(&store.writer, NULL, &error), PAWL_EINTERNAL);
    ck_assert_int_eq(error.native, SQLITE_ERROR);
    ck_assert(strstr(error.message, "no such table: queue"));
    sqlite_write_end(&store, PAWL_EINTERNAL, &error);
    fixture_close(&store);
}
END_TEST

/* The WAL stays small under a long run of commits, without any automatic
 * checkpoint of SQLite's. */
START_TEST(wal_is_checkpointed)
{
    struct stat st;
    open_store();
    ck_assert_int_eq(write_sql("CREATE TABLE t(a)", SYNC_NORMAL), PAWL_OK);
    for (int i = 0; i < 3000; i++)
        ck_assert_int_eq(write_sql("INSERT INTO t VALUES(randomblob(2000))",
                                   SYNC_NORMAL), PAWL_OK);
    ck_assert_int_eq(stat(fixture_path("x.db-wal"), &st), 0);
    ck_assert_int_gt(st.st_size, 2000 * 2072);
    ck_assert_int_lt(st.st_size, 2100 * 2072);
    fixture_close(&store);
}
END_TEST

/* Another program's lock: a timeout that says so, and the gate is left. */
START_TEST(foreign_lock)
{
    sqlite3 *handle = NULL;
    ck_assert_int_eq(fixture_open(&store, fixture_file, "", 150, &error), PAWL_OK);
    ck_assert_int_eq(sqlite3_open(fixture_file, &handle), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                     SQLITE_OK);
    int64_t begin = clock_boot_ms();
    ck_assert_int_eq(write_sql("CREATE TABLE t(a)", SYNC_FULL), PAWL_ETIMEOUT);
    ck_assert_int_ge(clock_boot_ms() - begin, 100);
    ck_assert(strstr(error.message, ": another program has it locked"));
    sqlite3_close(handle);
    ck_assert_int_eq(write_sql("CREATE TABLE t(a)", SYNC_FULL), PAWL_OK);
    fixture_close(&store);
}
END_TEST

/* Time does not go back in the eyes of one instance. */
static pawl_time told;

static pawl_time tell(void *context)
{
    (void)context;
    return told;
}

START_TEST(now_never_falls)
{
    open_store();
    store.clock.now = tell;
    told = 1000;
    ck_assert_int_eq(sqlite_now(&store), 1000);
    told = 900;
    ck_assert_int_eq(sqlite_now(&store), 1000);
    told = 1001;
    ck_assert_int_eq(sqlite_now(&store), 1001);
    fixture_close(&store);
}
END_TEST

START_TEST(health_tells)
{
    struct pawl_health health;
    open_store();
    ck_assert_int_eq(sqlite_health(&store.base, &health, &error), PAWL_OK);
    ck_assert_str_eq(health.storage, "sqlite");
    ck_assert_str_eq(health.where, store.path);
    ck_assert_str_eq(health.durability, "full");
    ck_assert_ptr_eq(strstr(health.engine, "sqlite 3."), health.engine);
    ck_assert_int_gt(health.size_bytes, 10000);
    gate_set(&store.gate, GATE_SPACE_LOW, true);
    int before = health.warning_count;
    ck_assert_int_eq(sqlite_health(&store.base, &health, &error), PAWL_OK);
    ck_assert_int_eq(health.warning_count, before + 1);
    fixture_close(&store);
}
END_TEST

/* Commands in a shell, one after the other: each reads through the WAL when it opens the
 * file, so that must stay short. */
START_TEST(lone_commits_keep_the_wal_short)
{
    int most = 0;
    for (int i = 0; i < 200; i++) {
        struct pawl_new_job job = { .queue = "q", .type = "", .priority = 5,
                                    .max_attempts = 1,
                                    .id = pawl_id_new("q", clock_wall_ms()) };
        struct pawl_put in = { .queue = "q", .session = { { 1 } },
                               .seq = (uint64_t)i + 1, .jobs = &job, .job_count = 1 };
        struct pawl_put_result result;
        ck_assert_int_eq(fixture_open(&store, fixture_file, "", 5000, &error), PAWL_OK);
        ck_assert_int_eq(sqlite_put(&store.base, &in, &result, &error), PAWL_OK);
        if (store.writer.frames > most)
            most = store.writer.frames;
        fixture_close(&store);
    }
    ck_assert_int_gt(most, 70); /* it does grow */
    ck_assert_int_lt(most, 120);
}
END_TEST

/* --- forks ------------------------------------------------------------------------ */

START_TEST(child_is_refused)
{
    struct pawl_wait in = { .until = 0 };
    int status = 0;
    open_store();
    pid_t pid = fork();
    if (pid == 0) {
        struct sqlite_storage own;
        const struct pawl_storage_ops *ops = store.base.ops;
        must(sqlite_write_begin(&store, SYNC_FULL, &error) == PAWL_EFORKED);
        must(sqlite_read_begin(&store, &error) == PAWL_EFORKED);
        must(ops->wait(&store.base, &in, &error) == PAWL_EFORKED);
        must(store.gate.fd == -1 && store.live.holder == -1);
        ops->kick(&store.base);
        fixture_close(&store);
        must(fixture_open(&own, fixture_path("y.db"), "", 5000, &error) == PAWL_OK);
        fixture_close(&own);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(write_sql("CREATE TABLE t(a)", SYNC_FULL), PAWL_OK);
    fixture_close(&store);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 2)
        return act_open(argv[2]);
    Suite *suite = suite_create("sqlite_db");
    TCase *t = tcase_create("sqlite_db");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
    tcase_add_test(t, fresh_file);
    tcase_add_test(t, foreign_files_refused);
    tcase_add_test(t, newer_format_refused);
    tcase_add_test(t, older_format);
    tcase_add_test(t, half_made_files);
    tcase_add_test(t, bad_options);
    tcase_add_test(t, opened_by_many_at_once);
    tcase_add_test(t, two_classes);
    tcase_add_test(t, rollback_and_snapshot);
    tcase_add_test(t, statements_are_settled);
    tcase_add_test(t, unprepared_statement);
    tcase_add_test(t, wal_is_checkpointed);
    tcase_add_test(t, foreign_lock);
    tcase_add_test(t, now_never_falls);
    tcase_add_test(t, health_tells);
    tcase_add_test(t, lone_commits_keep_the_wal_short);
    tcase_add_test(t, child_is_refused);
    suite_add_tcase(suite, t);
    return fixture_run(suite);
}
