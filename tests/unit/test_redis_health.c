/* test_redis_health.c - what health makes of a server's account of itself, and the
 * rights that it asks for. What real servers can be made to say is tested on them
 * (tests/cli/test_redis_health.sh); the rest is said here by a fake one. */
#include "storage/redis/redis_health.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "fake_redis.h"
#include "program.h"
#include "storage/storage.h"

#define VALKEY "server_name:valkey\r\nvalkey_version:8.0.1\r\n"
#define GOOD "redis_version:7.2.4\r\nrun_id:abc\r\nrole:master\r\nused_memory:3145728\r\n" \
             "maxmemory:0\r\nmaxmemory_policy:noeviction\r\nconnected_clients:5\r\n" \
             "maxclients:100\r\nuptime_in_seconds:7384\r\naof_enabled:1\r\n" \
             "aof_last_write_status:ok\r\nrdb_last_bgsave_status:ok\r\nrdb_saves:0\r\n"

static struct fake_redis fake;
static const char *info_text;    /* what INFO says */
static const char *config_reply; /* to CONFIG GET */
static const char *probe_reply;

static void add_bulk(struct buf *reply, const char *text)
{
    buf_printf(reply, "$%zu\r\n%s\r\n", strlen(text), text);
}

static const char *more_options = ""; /* of the URL */

static enum fake_next answer(void *context, const struct fake_request *request,
                             struct buf *reply)
{
    (void)context;
    if (strcmp(request->name, "INFO") == 0 && request->argc == 1)
        add_bulk(reply, info_text);
    else if (fake_redis_greet(request, reply))
        return FAKE_GO_ON;
    else if (strcmp(request->name, "CONFIG") == 0)
        buf_str(reply, config_reply);
    else if (strcmp(request->name, "PING") == 0)
        buf_str(reply, "+PONG\r\n");
    else if (request->argc > 1 && strncmp(request->argv[1], redis_script_open.sha,
                                          request->sizes[1]) == 0)
        buf_str(reply, "*2\r\n$1\r\n1\r\n$16\r\n0123456789abcdef\r\n");
    else if (request->argc > 1 && strncmp(request->argv[1], redis_script_probe.sha,
                                          request->sizes[1]) == 0)
        buf_str(reply, probe_reply);
    return FAKE_GO_ON;
}

static enum pawl_status health(const char *info, struct pawl_health *out,
                               struct pawl_error *err)
{
    const struct pawl_storage_config config = { .deadline = 5000 };
    struct pawl_storage *storage = NULL;
    enum pawl_status status;
    char url[1100];

    info_text = info;
    fake_redis_start(&fake, answer, NULL);
    snprintf(url, sizeof url, "%s%c%s", fake.url, strchr(fake.url, '?') ? '&' : '?',
             more_options);
    status = storage_open(url, &config, NULL, &storage, err);
    ck_assert_msg(status == PAWL_OK, "%s", err->message);
    status = storage_health(storage, out, err);
    storage_close(storage);
    fake_redis_stop(&fake);
    return status;
}

/* With these warnings, "! " before those that something happened for. */
static void warned(const char *info, const char *warnings)
{
    struct pawl_health out;
    struct pawl_error err = { 0 };
    char text[2048] = "";

    ck_assert_msg(health(info, &out, &err) == PAWL_OK, "%s", err.message);
    for (int i = 0; i < out.warning_count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s\n",
                 out.warnings[i].standing ? "" : "! ", out.warnings[i].text);
    ck_assert_str_eq(text, warnings);
}

static const char *detail(const struct pawl_health *out, const char *name)
{
    for (int i = 0; i < out->detail_count; i++)
        if (strcmp(out->details[i].name, name) == 0)
            return out->details[i].value;
    return "(none)";
}

static void usual(void)
{
    config_reply = "-NOPERM this user has no permissions to run the 'config|get' "
                   "command\r\n";
    probe_reply = "*0\r\n";
}

/* A Valkey is one, whatever Redis it says that it is compatible with. */
START_TEST(valkey)
{
    struct pawl_health out;
    struct pawl_error err = { 0 };

    ck_assert_int_eq(health(VALKEY GOOD, &out, &err), PAWL_OK);
    ck_assert_str_eq(out.storage, "redis");
    ck_assert_ptr_eq(strstr(out.where, "redis://127.0.0.1:"), out.where);
    ck_assert_str_eq(out.engine, "valkey 8.0.1");
    ck_assert_str_eq(out.durability, "aof"); /* it does not let us see which */
    ck_assert_int_eq(out.size_bytes, 3145728);
    ck_assert_int_gt(out.round_trip_us, 0);
    ck_assert_int_eq(out.warning_count, 0);
    ck_assert_str_eq(detail(&out, "role"), "master");
    ck_assert_str_eq(detail(&out, "memory"), "3.0 MiB, no limit");
    ck_assert_str_eq(detail(&out, "clients"), "5 of 100");
    ck_assert_str_eq(detail(&out, "uptime"), "2 h 3 min");
    ck_assert_str_eq(detail(&out, "run id"), "abc");
    ck_assert_str_eq(detail(&out, "persistence"), "append-only file");
    ck_assert_str_eq(detail(&out, "self-test"), "passed");
    ck_assert_int_le(out.detail_count, PAWL_HEALTH_DETAILS);
}
END_TEST

START_TEST(levels)
{
    struct pawl_health out;
    struct pawl_error err = { 0 };

    config_reply = "*4\r\n$11\r\nappendfsync\r\n$6\r\nalways\r\n$4\r\nsave\r\n$0\r\n\r\n";
    health(GOOD, &out, &err);
    ck_assert_str_eq(out.durability, "always");
    ck_assert_str_eq(out.engine, "redis 7.2.4");
    config_reply = "*4\r\n$4\r\nsave\r\n$6\r\n3600 1\r\n$11\r\nappendfsync\r\n$8\r\n"
                   "everysec\r\n";
    health(GOOD, &out, &err);
    ck_assert_str_eq(out.durability, "everysec");
    ck_assert_str_eq(detail(&out, "persistence"), "append-only file and snapshots");
    config_reply = "*1\r\n$11\r\nappendfsync\r\n"; /* nonsense */
    health(GOOD, &out, &err);
    ck_assert_str_eq(out.durability, "aof");
}
END_TEST

START_TEST(warnings)
{
    warned(GOOD "role:slave\r\n", ""); /* the first line counts */
    warned("redis_version:7.0.15\r\nrole:slave\r\naof_enabled:1\r\n",
           "! the server is a replica: it takes no jobs\n");
    warned("redis_version:6.2.1\r\nrole:master\r\naof_enabled:1\r\n",
           "old version: redis 6.2.1; pawl is made for 7.0 or later\n");
    warned("redis_version:7.0.15\r\nrole:master\r\naof_enabled:1\r\n"
           "aof_last_write_status:err\r\n",
           "! the server's last write of its append-only file or snapshot failed: see "
           "its log and disk\n");
    warned("redis_version:7.0.15\r\nrole:master\r\naof_enabled:1\r\n"
           "rdb_last_bgsave_status:err\r\nmaxmemory:10485760\r\nused_memory:9437200\r\n"
           "maxmemory_policy:volatile-lru\r\n",
           "! the server's last write of its append-only file or snapshot failed: see "
           "its log and disk\n"
           "! 9.0 MiB of 10.0 MiB of memory are used: at the limit no new jobs are "
           "accepted\n"
           "eviction policy volatile-lru: a full server deletes jobs; set "
           "maxmemory-policy noeviction\n");
    warned("redis_version:7.0.15\r\nrole:master\r\naof_enabled:0\r\nrdb_saves:3\r\n"
           "maxmemory:10485760\r\nused_memory:9000000\r\nmaxmemory_policy:noeviction\r\n",
           "persistence: snapshots, so jobs are lost when the server dies; appendonly "
           "yes keeps them\n");
    warned("redis_version:7.0.15\r\nrole:master\r\naof_enabled:0\r\n",
           "persistence: no append-only file, so jobs are lost when the server dies; "
           "appendonly yes keeps them\n");
    warned("connected_slaves:1\r\n" GOOD,
           "a failover loses what no replica has yet; replicas=1 in the URL waits for "
           "one\n");
    more_options = "replicas=1";
    warned("connected_slaves:1\r\n" GOOD, "");
    warned(GOOD, "! replicas=1, and 0 are connected: no change is answered\n");
    more_options = "";
}
END_TEST

START_TEST(self_test)
{
    probe_reply = "*2\r\n$4\r\nxadd\r\n$4\r\nzadd\r\n";
    warned(GOOD, "! ACL rights missing: xadd, zadd; see pawl doctor --acl\n");
    probe_reply = "+what\r\n";
    warned(GOOD, "! the self-test failed: the self-test has a strange answer\n");
}
END_TEST

/* An INFO that is empty, cut or none at all is no harm. */
START_TEST(strange_info)
{
    struct pawl_health out;
    struct pawl_error err = { 0 };

    ck_assert_int_eq(health("", &out, &err), PAWL_OK);
    ck_assert_str_eq(out.engine, "redis ");
    ck_assert_int_eq(health("used_memory:99999999999999999999999\r\nrole", &out, &err),
                     PAWL_OK);
    ck_assert_int_ge(out.size_bytes, 0);
}
END_TEST

START_TEST(rights)
{
    struct redis_settings settings = { .prefix = "a b*[\xC3\xA4'\"\\~" };
    char text[1536], line[1536];

    redis_rights(&settings, text, sizeof text);
    ck_assert_ptr_eq(strstr(text, "resetchannels ~a?b????????* -@all "), text);
    settings = (struct redis_settings){ .prefix = "pawl:" };
    redis_rights(&settings, text, sizeof text);
    ck_assert_ptr_eq(strstr(text, "resetchannels ~pawl:* -@all +evalsha +eval "), text);
    ck_assert_ptr_null(strstr(text, "+cluster"));
    ck_assert_ptr_null(strstr(text, "+select"));
    settings.kind = REDIS_CLUSTER;
    redis_rights(&settings, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, " +cluster|slots +asking"));
    settings.kind = REDIS_SINGLE;
    settings.db = 2;
    redis_rights(&settings, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, " +select"));
    ck_assert_ptr_null(strstr(text, "+wait"));
    settings.replicas = 1;
    redis_rights(&settings, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, " +wait"));
    /* The whole line is these rules, and whoever asks is not to be made small by it. */
    snprintf(settings.login.user, sizeof settings.login.user, "admin");
    redis_rights_line(&settings, line, sizeof line);
    ck_assert_ptr_eq(strstr(line, "ACL SETUSER pawl reset on >PASSWORD resetchannels "),
                     line);
    ck_assert_str_eq(line + strlen("ACL SETUSER pawl reset on >PASSWORD "), text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_health");
    TCase *t = tcase_create("redis_health");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, usual, NULL);
    tcase_add_test(t, valkey);
    tcase_add_test(t, levels);
    tcase_add_test(t, warnings);
    tcase_add_test(t, self_test);
    tcase_add_test(t, strange_info);
    tcase_add_test(t, rights);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
