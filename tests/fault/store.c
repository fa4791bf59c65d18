/* store.c - see store.h. */
#include "program.h"
#include "store.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 20

void store_make_at(struct store *store, const char *url)
{
    temp_dir_make(&store->folder);
    store->file[0] = '\0';
    snprintf(store->url, sizeof store->url, "%s", url);
    snprintf(store->history, sizeof store->history, "%s/history",
             store->folder.path);
}

void store_make(struct store *store)
{
    store_make_at(store, "");
    snprintf(store->file, sizeof store->file, "%s/pawl.db", store->folder.path);
    snprintf(store->url, sizeof store->url, "sqlite:%s?durability=full",
             store->file);
}

struct pawl *store_open(const struct store *store, pawl_duration deadline)
{
    struct pawl_error err = { 0 };
    struct pawl *pawl = NULL;
    struct pawl_options options = PAWL_OPTIONS_INIT;
    options.deadline = deadline;
    options.keep = (struct pawl_queue_keep){ -1, -1, -1, -1, -1, -1 };
    enum pawl_status status = pawl_open(store->url, &options, &pawl, &err);
    ck_assert_msg(status == PAWL_OK, "open: %s: %s", pawl_status_name(status),
                  err.message);
    return pawl;
}

static const char *program(const char *name)
{
    const char *path = getenv(name);
    if (!path || !*path)
        give_up("$%s does not say where the program is", name);
    return path;
}

static void collect(const char **words, size_t used, va_list list)
{
    const char *word;
    while ((word = va_arg(list, const char *)) && used < WORDS_MAX)
        words[used++] = word;
    if (word)
        give_up("too many words for an actor");
    words[used] = NULL;
}

void store_actor_with(const struct store *store, struct actor *actor,
                      const char *role, const char *const *more)
{
    const char *words[WORDS_MAX + 1];
    char url[sizeof store->url + 8], history[sizeof store->history + 16];
    size_t used = 4;
    snprintf(url, sizeof url, "url=%s", store->url);
    snprintf(history, sizeof history, "history=%s", store->history);
    words[0] = program("PAWL_ACTOR");
    words[1] = role;
    words[2] = url;
    words[3] = history;
    while (*more && used < WORDS_MAX)
        words[used++] = *more++;
    if (*more)
        give_up("too many words for an actor");
    words[used] = NULL;
    actor_start(actor, words);
}

void store_actor(const struct store *store, struct actor *actor,
                 const char *role, ...)
{
    const char *words[WORDS_MAX + 1];
    va_list list;
    va_start(list, role);
    collect(words, 0, list);
    va_end(list);
    store_actor_with(store, actor, role, words);
}

void store_command(const struct store *store, struct actor *actor, ...)
{
    const char *words[WORDS_MAX + 1];
    va_list list;
    words[0] = program("PAWL");
    words[1] = "--url";
    words[2] = store->url;
    va_start(list, actor);
    collect(words, 3, list);
    va_end(list);
    actor_start(actor, words);
}

void store_drain(const struct store *store)
{
    struct actor worker;
    store_actor(store, &worker, "work", "drain=1", "concurrency=8", NULL);
    int answer = actor_wait(&worker, 300000);
    ck_assert_msg(answer == 0, "draining ended with %d", answer);
}

struct pawl_id store_enqueue(struct pawl *pawl)
{
    struct pawl_error err = { 0 };
    struct pawl_id id = { { 0 } };
    struct pawl_new_job job = { .queue = STORE_QUEUE };
    enum pawl_status status = pawl_enqueue(pawl, &job, &id, &err);
    ck_assert_msg(status == PAWL_OK, "enqueue: %s: %s",
                  pawl_status_name(status), err.message);
    return id;
}

struct pawl_queue_stats store_totals(struct pawl *pawl)
{
    struct pawl_error err = { 0 };
    struct pawl_stats *stats = NULL;
    struct pawl_queue_stats found = { 0 };
    enum pawl_status status = pawl_stats(pawl, STORE_QUEUE, &stats, &err);
    if (status == PAWL_NOT_FOUND)
        return found;
    ck_assert_msg(status == PAWL_OK, "stats: %s", err.message);
    found = stats->queues[0];
    found.name = NULL;
    pawl_stats_free(stats);
    return found;
}

uint64_t store_count(struct pawl *pawl, enum pawl_state state)
{
    return store_totals(pawl).jobs[state];
}

void store_await(const struct store *store, enum pawl_state state,
                 uint64_t count)
{
    int64_t until = now_us() + ACTOR_PATIENCE * INT64_C(1000);
    struct pawl *pawl = store_open(store, 0);
    uint64_t found = store_count(pawl, state);
    while (found != count && now_us() < until) {
        sleep_ms(2);
        found = store_count(pawl, state);
    }
    pawl_close(pawl);
    ck_assert_msg(found == count, "%llu jobs are %s, not %llu",
                  (unsigned long long)found, pawl_state_name(state),
                  (unsigned long long)count);
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

void store_ids(struct pawl *pawl, enum pawl_state state, struct id_list *out)
{
    struct pawl_error err = { 0 };
    struct pawl_filter filter = { .queue = STORE_QUEUE, .state = state };
    struct pawl_page page = { 0 };
    char after[PAWL_CURSOR_TEXT] = "";
    *out = (struct id_list){ 0 };
    do {
        enum pawl_status status =
            pawl_list(pawl, &filter, 500, *after ? after : NULL, &page, &err);
        ck_assert_msg(status == PAWL_OK, "list: %s", err.message);
        out->ids = realloc(out->ids, (out->count + page.job_count + 1) *
                                         sizeof out->ids[0]);
        ck_assert_ptr_nonnull(out->ids);
        for (size_t i = 0; i < page.job_count; i++)
            pawl_id_format(page.jobs[i]->id, out->ids[out->count++]);
        memcpy(after, page.next, sizeof after);
        pawl_page_clear(&page);
    } while (*after);
    qsort(out->ids, out->count, sizeof out->ids[0], compare_ids);
}

bool id_list_has(const struct id_list *list, const char *id)
{
    return list->count > 0 && bsearch(id, list->ids, list->count,
                                      sizeof list->ids[0], compare_ids);
}

void id_list_clear(struct id_list *list)
{
    free(list->ids);
    *list = (struct id_list){ 0 };
}

void store_must_be_sound(const char *file)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE, NULL);
    ck_assert_msg(rc == SQLITE_OK, "'%s' cannot be opened", file);
    rc = sqlite3_prepare_v2(db, "PRAGMA quick_check", -1, &stmt, NULL);
    ck_assert_msg(rc == SQLITE_OK, "quick_check: %s", sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    ck_assert_str_eq((const char *)sqlite3_column_text(stmt, 0), "ok");
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

struct store store_under_test;

static void fixture_begin(void)
{
    store_make(&store_under_test);
}

/* Not reached by a test that failed: its files stay, to be looked at. */
static void fixture_end(void)
{
    temp_dir_remove(&store_under_test.folder);
}

int store_run(const char *name, const TTest *const *tests, size_t count,
              double seconds)
{
    return store_run_with(name, tests, count, seconds, fixture_begin, fixture_end);
}

int store_run_with(const char *name, const TTest *const *tests, size_t count,
                   double seconds, void (*begin)(void), void (*end)(void))
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, seconds);
    tcase_add_checked_fixture(tcase, begin, end);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return program_run(suite);
}
