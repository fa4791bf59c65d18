/* test_sql_plans.c - SQL is tested as data: every statement of statements.sql
 * prepares on the schema, and finds its rows by an index or by place. A statement
 * that would read a whole table, or sort, is slow only when there are many jobs,
 * which no other test has. */
#include <check.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "sqlite_sql.h"

/* What may be read from end to end: tables with few rows. */
static const struct {
    enum sqlite_sql id;
    const char *step;
} scans[] = {
    { SQL_QUEUE_LIST, "SCAN queue USING INDEX" },
};

static sqlite3 *db;

static void set_up(void)
{
    char *message = NULL;

    ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    for (int i = 0; i < sqlite_schema_count; i++) {
        int rc = sqlite3_exec(db, sqlite_schema[i], NULL, NULL, &message);
        ck_assert_msg(rc == SQLITE_OK, "schema %d: %s", i + 1, message);
    }
}

static void tear_down(void)
{
    sqlite3_close(db);
    db = NULL;
}

static bool is_allowed(enum sqlite_sql id, const char *step)
{
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++) {
        if (scans[i].id == id &&
            strncmp(step, scans[i].step, strlen(scans[i].step)) == 0)
            return true;
    }
    return false;
}

static bool is_slow(const char *step)
{
    return strncmp(step, "SCAN", 4) == 0 || strstr(step, "TEMP B-TREE") ||
           strstr(step, "AUTOMATIC");
}

/* Call `look` with each step of each plan. */
static void each_step(void (*look)(enum sqlite_sql id, const char *step))
{
    for (int id = 0; id < SQL_COUNT; id++) {
        char *text = sqlite3_mprintf("EXPLAIN QUERY PLAN %s",
                                     sqlite_sql_text[id]);
        sqlite3_stmt *stmt = NULL;
        int rc = sqlite3_prepare_v2(db, text, -1, &stmt, NULL);
        ck_assert_msg(rc == SQLITE_OK, "%s: %s", sqlite_sql_names[id],
                      sqlite3_errmsg(db));
        while (sqlite3_step(stmt) == SQLITE_ROW)
            look((enum sqlite_sql)id,
                 (const char *)sqlite3_column_text(stmt, 3));
        sqlite3_finalize(stmt);
        sqlite3_free(text);
    }
}

static void must_not_scan(enum sqlite_sql id, const char *step)
{
    ck_assert_msg(!is_slow(step) || is_allowed(id, step), "%s: %s",
                  sqlite_sql_names[id], step);
}

/* No statement reads a table from end to end, sorts, or makes an index of its
 * own, but for the few listed above. */
START_TEST(finds_by_index)
{
    each_step(must_not_scan);
}
END_TEST

static size_t used[sizeof scans / sizeof *scans];

static void count_allowed(enum sqlite_sql id, const char *step)
{
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++)
        used[i] += scans[i].id == id && is_slow(step);
}

/* The list of exceptions has none that is no longer needed. */
START_TEST(exceptions_are_needed)
{
    memset(used, 0, sizeof used);
    each_step(count_allowed);
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++)
        ck_assert_msg(used[i] > 0, "%s", sqlite_sql_names[scans[i].id]);
}
END_TEST

/* What is asked about jobs in an order goes to job_order, and what is asked
 * about one job to its place: there is no other index on the table. */
START_TEST(jobs_have_one_index)
{
    static const char ask[] = "SELECT count(*) FROM pragma_index_list('job') "
                              "WHERE name = 'job_order'";
    static const char all[] = "SELECT count(*) FROM pragma_index_list('job')";
    const char *const questions[] = { ask, all };

    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *stmt = NULL;
        ck_assert_int_eq(sqlite3_prepare_v2(db, questions[i], -1, &stmt, NULL),
                         SQLITE_OK);
        ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
        ck_assert_int_eq(sqlite3_column_int(stmt, 0), 1);
        sqlite3_finalize(stmt);
    }
}
END_TEST

/* Running every schema step leaves the version that is the number of steps. */
START_TEST(schema_sets_the_version)
{
    sqlite3_stmt *stmt = NULL;

    ck_assert_int_eq(
        sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL),
        SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    ck_assert_int_eq(sqlite3_column_int(stmt, 0), sqlite_schema_count);
    sqlite3_finalize(stmt);
}
END_TEST

/* Every statement has a name and a text. */
START_TEST(none_is_missing)
{
    for (int id = 0; id < SQL_COUNT; id++) {
        ck_assert_ptr_nonnull(sqlite_sql_text[id]);
        ck_assert_ptr_nonnull(sqlite_sql_names[id]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sql_plans");
    TCase *tests = tcase_create("sql_plans");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, finds_by_index);
    tcase_add_test(tests, exceptions_are_needed);
    tcase_add_test(tests, jobs_have_one_index);
    tcase_add_test(tests, schema_sets_the_version);
    tcase_add_test(tests, none_is_missing);
    suite_add_tcase(suite, tests);
    return program_run(suite);
}
