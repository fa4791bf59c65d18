/* redis_store_fixture.h - a storage on a Redis of its own, with a clock that the test
 * sets, and what lies in it to be looked at past the storage. */
#ifndef REDIS_STORE_FIXTURE_H
#define REDIS_STORE_FIXTURE_H

#include <check.h>
#include <stdio.h>

#include "fake_clock.h"
#include "redis_server.h"
#include "storage/storage.h"

#define START INT64_C(1700000000000)

static const char queue[] = "mail";
static struct redis_server server;
static struct pawl_storage *store;
static struct fake_clock test_clock;

static inline void setup(void)
{
    struct pawl_storage_config config = { .deadline = 20000 };
    struct pawl_error err = { 0 };
    char url[1100];
    fake_clock_init(&test_clock, START);
    config.clock = fake_clock_as_clock(&test_clock);
    redis_server_start(&server, NULL);
    snprintf(url, sizeof url, "%s?clock=caller", server.url);
    enum pawl_status status = storage_open(url, &config, NULL, &store, &err);
    ck_assert_msg(status == PAWL_OK, "cannot open '%s': %s", url, err.message);
}

static inline void teardown(void)
{
    storage_close(store);
    redis_server_stop(&server);
}

static inline void must(enum pawl_status status, const struct pawl_error *err)
{
    ck_assert_msg(status == PAWL_OK, "%s: %s", pawl_status_name(status), err->message);
}

#endif
