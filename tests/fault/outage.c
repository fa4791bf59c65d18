/* outage.c - see outage.h. */
#include "outage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct redis_server outage_server;
struct proxy outage_proxy;
struct temp_dir outage_folder;

void outage_begin(void)
{
    const char *const options[] = { "--appendonly", "yes", "--appendfsync", "always",
                                    NULL };
    unsetenv("PAWL_FALLBACK");
    temp_dir_make(&outage_folder);
    redis_server_start(&outage_server, options);
    proxy_start(&outage_proxy, outage_server.port);
}

void outage_end(void)
{
    proxy_stop(&outage_proxy);
    redis_server_stop(&outage_server);
    temp_dir_remove(&outage_folder);
}

void outage_url(char *url, size_t size, bool through, const char *spool,
                const char *more)
{
    snprintf(url, size,
             "redis://127.0.0.1:%d/0?" CREW_OPTIONS "&" OUTAGE_TIMES
             "&fallback=sqlite:%s/%s.db%s%s",
             through ? outage_proxy.port : outage_server.port, outage_folder.path,
             spool, *more ? "&" : "", more);
}

struct pawl *outage_open(const char *url)
{
    struct store store = { .file = "" };
    snprintf(store.url, sizeof store.url, "%s", url);
    return store_open(&store, 2000);
}

enum pawl_mode outage_mode(struct pawl *pawl)
{
    struct pawl_stats *stats = NULL;
    struct pawl_error err = { 0 };
    enum pawl_mode mode = (enum pawl_mode)(-1);
    if (pawl_stats(pawl, NULL, &stats, &err) == PAWL_OK)
        mode = stats->mode;
    pawl_stats_free(stats);
    return mode;
}

void outage_await(struct pawl *pawl, enum pawl_mode mode)
{
    int64_t until = now_us() + ACTOR_PATIENCE * INT64_C(1000);
    while (outage_mode(pawl) != mode && now_us() < until)
        sleep_ms(5);
    ck_assert_str_eq(pawl_mode_name(outage_mode(pawl)), pawl_mode_name(mode));
}

void outage_drained(const char *url)
{
    struct pawl *pawl = outage_open(url);
    outage_await(pawl, PAWL_MODE_PRIMARY);
    pawl_close(pawl);
}
