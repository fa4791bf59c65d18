/* test_redis_settings.c - which URLs and variables name a Redis, what they mean, and
 * what is said about the others: exactly, so that no message can grow a password. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"
#include "storage/redis/redis_env.h"
#include "storage/redis/redis_options.h"
#include "storage/registry.h"
#include "storage/storage.h"
#include "temp_dir.h"

static struct redis_settings got;
static struct temp_dir dir;

/* Parse "scheme:location?options". */
static enum pawl_status parse(const char *url, struct pawl_error *err)
{
    char *text = strdup(url), *colon = strchr(text, ':');
    char *mark = strchr(text, '?');
    struct pawl_storage_config config = { .url = url };
    enum pawl_status status;

    *colon = '\0';
    if (mark)
        *mark = '\0';
    config.location = colon + 1;
    config.options = mark ? mark + 1 : "";
    memset(err, 0, sizeof *err);
    memset(&got, 0x55, sizeof got);
    status = redis_settings_parse(text, &config, &got, err);
    free(text);
    return status;
}

static void taken(const char *url)
{
    struct pawl_error err;

    ck_assert_msg(parse(url, &err) == PAWL_OK, "%s: %s", url, err.message);
}

static void refused(const char *url, const char *message)
{
    struct pawl_error err;

    ck_assert_msg(parse(url, &err) == PAWL_EINVAL, "%s is taken", url);
    ck_assert_str_eq(err.message, message);
}

static void address_is(int i, const char *host, int port)
{
    ck_assert_str_eq(got.hosts[i].host, host);
    ck_assert_int_eq(got.hosts[i].port, port);
}

static const char *file_of(const char *name, const char *text, mode_t mode)
{
    static char path[512];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", dir.path, name);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(chmod(path, mode), 0);
    return path;
}

/* --- URLs --------------------------------------------------------------------- */

START_TEST(defaults)
{
    taken("redis://host");
    ck_assert_int_eq(got.kind, REDIS_SINGLE);
    ck_assert_int_eq(got.host_count, 1);
    address_is(0, "host", 6379);
    ck_assert_str_eq(got.login.user, "");
    ck_assert_str_eq(got.login.password, "");
    ck_assert_int_eq(got.db, 0);
    ck_assert_str_eq(got.prefix, "pawl:");
    ck_assert_int_eq(got.pool_size, 10);
    ck_assert_int_eq(got.max_retries, -1);
    ck_assert_int_eq(got.connect_timeout, 1000);
    ck_assert_int_eq(got.reply_timeout, 2000);
    ck_assert(!got.tls.on && !got.tls.insecure && !got.caller_clock);
    ck_assert_str_eq(got.where, "redis://host:6379/0");
}
END_TEST

/* `where` is another one for another store. */
START_TEST(prefix_is_a_place)
{
    taken("redis://host?prefix=app:");
    ck_assert_str_eq(got.where, "redis://host:6379/0, prefix app:");
    taken("redis+unix:///run/redis.sock?db=4&prefix=app:");
    ck_assert_str_eq(got.where, "redis+unix:///run/redis.sock, database 4, prefix app:");
    taken("redis-cluster://a,b?prefix=app:");
    ck_assert_str_eq(got.where, "redis-cluster://a:6379,b:6379, prefix app:");
}
END_TEST

START_TEST(places)
{
    taken("redis://me:s3cret@10.0.0.1:7000/3");
    address_is(0, "10.0.0.1", 7000);
    ck_assert_str_eq(got.login.user, "me");
    ck_assert_str_eq(got.login.password, "s3cret");
    ck_assert_int_eq(got.db, 3);
    ck_assert_str_eq(got.where, "redis://10.0.0.1:7000/3");
    taken("redis://[::1]:7000/");
    address_is(0, "::1", 7000);
    ck_assert_str_eq(got.where, "redis://[::1]:7000/0");
    taken("redis://:only@[fe80::1%25eth0]");
    address_is(0, "fe80::1%25eth0", 6379);
    taken("rediss://host");
    ck_assert(got.tls.on);
    ck_assert_str_eq(got.where, "rediss://host:6379/0");
    taken("redis+unix:///run/my%20redis.sock");
    address_is(0, "/run/my redis.sock", 0);
    ck_assert_str_eq(got.where, "redis+unix:///run/my redis.sock");
    taken("redis+unix:/run/redis%401.sock?db=4&user=me");
    ck_assert_int_eq(got.db, 4);
    ck_assert_str_eq(got.login.user, "me");
    ck_assert_str_eq(got.where, "redis+unix:///run/redis@1.sock, database 4");
    taken("redis+unix://me:s3c%2Fret@/run/redis.sock");
    ck_assert_str_eq(got.login.password, "s3c/ret");
    ck_assert_str_eq(got.where, "redis+unix:///run/redis.sock");
}
END_TEST

START_TEST(many_hosts)
{
    taken("redis-sentinel://u:p@a,b:5,[::2]/my%20master");
    ck_assert_int_eq(got.kind, REDIS_SENTINEL);
    ck_assert_int_eq(got.host_count, 3);
    address_is(0, "a", 26379);
    address_is(1, "b", 5);
    address_is(2, "::2", 26379);
    ck_assert_str_eq(got.master, "my master");
    ck_assert_str_eq(got.login.password, "p");
    ck_assert_str_eq(got.sentinel_login.password, "");
    ck_assert_str_eq(got.where, "redis-sentinel://a:26379,b:5,[::2]:26379/my master");
    taken("redis-sentinel://a/m?db=2&sentinel-user=s&sentinel-password=x%26y&tls=yes");
    ck_assert_str_eq(got.sentinel_login.user, "s");
    ck_assert_str_eq(got.sentinel_login.password, "x&y");
    ck_assert(got.tls.on);
    ck_assert_str_eq(got.where, "redis-sentinel://a:26379/m, database 2");
    taken("redis-cluster://a,b/");
    ck_assert_int_eq(got.kind, REDIS_CLUSTER);
    address_is(1, "b", 6379);
    ck_assert_str_eq(got.where, "redis-cluster://a:6379,b:6379");
    taken("redis-cluster://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16");
    ck_assert_int_eq(got.host_count, REDIS_HOSTS_MOST);
    refused("redis-cluster://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
            "more than 16 hosts");
}
END_TEST

/* However long the hosts are, `where` ends with what counts, whole. */
START_TEST(long_where)
{
    char url[8192] = "redis-sentinel://", host[256];

    memset(host, 'h', sizeof host);
    host[255] = '\0';
    for (int i = 0; i < REDIS_HOSTS_MOST; i++)
        snprintf(url + strlen(url), sizeof url - strlen(url), "%s%s", i ? "," : "", host);
    snprintf(url + strlen(url), sizeof url - strlen(url), "/%s?db=7", host);
    taken(url);
    ck_assert_int_eq(got.host_count, REDIS_HOSTS_MOST);
    ck_assert_uint_lt(strlen(got.where), sizeof got.where);
    ck_assert_str_eq(got.where + strlen(got.where) - 13, "h, database 7");
}
END_TEST

START_TEST(logins)
{
    taken("redis://u%3As%40r:%2f%3F%25%20@%C3%A4@host");
    ck_assert_str_eq(got.login.user, "u:s@r");
    ck_assert_str_eq(got.login.password, "/?% @\xC3\xA4");
    taken("redis://:a:b:c@host");
    ck_assert_str_eq(got.login.password, "a:b:c");
    taken("redis://me:@host");
    ck_assert_str_eq(got.login.user, "me");
    ck_assert_str_eq(got.where, "redis://host:6379/0");
    taken("redis://:%ff%01@host"); /* any bytes */
    ck_assert_str_eq(got.login.password, "\xff\x01");
}
END_TEST

/* What is wrong is named; what could be a password is not. */
START_TEST(places_refused)
{
    static const char form[] =
        "a URL of this storage is redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]";

    refused("redis:", form);
    refused("redis:host:6379", form);
    refused("redis://", "a host is missing");
    refused("redis://:6379", "a host is missing");
    refused("redis://user:secret", "the port of host 'user' is no number 1..65535");
    refused("redis://host:0", "the port of host 'host' is no number 1..65535");
    refused("redis://host:65536", "the port of host 'host' is no number 1..65535");
    refused("redis://host:", "the port of host 'host' is no number 1..65535");
    refused("redis://host:99999999999999999999",
            "the port of host 'host' is no number 1..65535");
    refused("redis://[::1]x", "the port of host '::1' is no number 1..65535");
    refused("redis://[::1", "a host begins with '[' and has no ']'");
    refused("redis://::1", "a host is missing");
    refused("redis://fe80::1", "a host has two colons: an IPv6 address stands in "
                               "brackets, [::1]:6379");
    refused("redis://ho st", "a host has a character that no host has, or is too long");
    refused("redis://h\r\nx", "a host has a character that no host has, or is too long");
    refused("redis://a,b", form);
    refused("redis://secret@host",
            "what stands before '@' is not USER:PASSWORD or :PASSWORD");
    refused("redis://:pa/ss@host", "there is an '@' behind the host: a '/' in a "
                                   "password is written %2F");
    refused("redis://:pa?ss@host", "a host is missing");
    refused("redis://me:pa?ss@host", "the port of host 'me' is no number 1..65535");
    refused("redis://:a%0@host", "the password has a '%' without two hex digits behind "
                                 "it: '%' itself is written %25");
    refused("redis://:secret%@host", "the password has a '%' without two hex digits "
                                     "behind it: '%' itself is written %25");
    refused("redis://:secret%00@host", "the password has a NUL byte");
    refused("redis://a%0Ab:c@host", "the user is not text without control characters");
    refused("redis://host/x", "the database behind the host is no number 0..1000000");
    refused("redis://host/-1", "the database behind the host is no number 0..1000000");
    refused("redis://host/0/", "the database behind the host is no number 0..1000000");
    refused("redis://host/1000001",
            "the database behind the host is no number 0..1000000");
    refused("redis-cluster://a/1",
            "a cluster has no databases: nothing follows the hosts");
    refused("redis-cluster://a?db=1", "a cluster has no database but 0");
    refused("redis-cluster://a,", "a host is missing");
    refused("redis-sentinel://a",
            "a URL of this storage is "
            "redis-sentinel://[[USER]:PASSWORD@]HOST[:PORT][,HOST...]/MASTER");
    refused("redis-sentinel://a/m/0",
            "a URL of this storage is "
            "redis-sentinel://[[USER]:PASSWORD@]HOST[:PORT][,HOST...]/MASTER");
    refused("redis-sentinel://a/m%00", "the master's name has a NUL byte");
    refused("redis-sentinel://a/m%0A",
            "the master's name is not text without control characters");
    refused("redis+unix://run/redis.sock",
            "a URL of this storage is redis+unix://[[USER]:PASSWORD@]/PATH/TO/SOCKET");
    refused("redis+unix:///",
            "a URL of this storage is redis+unix://[[USER]:PASSWORD@]/PATH/TO/SOCKET");
    refused("redis+unix://secret@/a",
            "what stands before '@' is not USER:PASSWORD or :PASSWORD");
    refused("redis+unix:/me:secret@/a", "the path of the socket has an '@': it is "
                                        "written %40");
    refused("redis+unix:///a%00b", "the path of the socket has a NUL byte");
}
END_TEST

START_TEST(too_long)
{
    char long_text[300], url[1024];

    memset(long_text, 'x', sizeof long_text);
    long_text[255] = '\0';
    snprintf(url, sizeof url, "redis://%s:%s@%s", long_text, long_text, long_text);
    taken(url);
    ck_assert_uint_eq(strlen(got.login.password), 255);
    long_text[255] = 'x';
    long_text[256] = '\0';
    snprintf(url, sizeof url, "redis://:%s@h", long_text);
    refused(url, "the password is longer than 255 bytes");
    snprintf(url, sizeof url, "redis://%s:x@h", long_text);
    refused(url, "the user is longer than 255 bytes");
    snprintf(url, sizeof url, "redis://%s", long_text);
    refused(url, "a host has a character that no host has, or is too long");
    snprintf(url, sizeof url, "redis+unix:///%s", long_text);
    refused(url, "the path of the socket is longer than 107 bytes");
    snprintf(url, sizeof url, "redis://h?ca=%s", long_text);
    refused(url, "ca is longer than 255 bytes");
}
END_TEST

/* --- options --------------------------------------------------------------------- */

START_TEST(options)
{
    taken("redis://h?prefix=my%3Aapp/&pool=3&retries=0&connect-timeout=1m&timeout=1500ms"
          "&clock=caller");
    ck_assert_str_eq(got.prefix, "my:app/");
    ck_assert_int_eq(got.pool_size, 3);
    ck_assert_int_eq(got.max_retries, 0);
    ck_assert_int_eq(got.replicas, 0);
    ck_assert_int_eq(got.connect_timeout, 60000);
    ck_assert_int_eq(got.reply_timeout, 1500);
    ck_assert(got.caller_clock);
    taken("rediss://h?ca=/c%20a.pem&cert=c.pem&key=k.pem&tls-name=other&insecure=yes"
          "&tls=yes");
    ck_assert_str_eq(got.tls.ca_file, "/c a.pem");
    ck_assert_str_eq(got.tls.cert_file, "c.pem");
    ck_assert_str_eq(got.tls.key_file, "k.pem");
    ck_assert_str_eq(got.tls.name, "other");
    ck_assert(got.tls.insecure);
    taken("redis-sentinel://h/m?replicas=2");
    ck_assert_int_eq(got.replicas, 2);
    refused("redis://h?replicas=101", "replicas is a number 0..100");
    taken("redis://h?tls=yes&");
    ck_assert(got.tls.on);
}
END_TEST

START_TEST(options_refused)
{
    char url[128] = "redis://h?prefix=";

    refused("redis://h?colour=red", "unknown option 'colour'");
    refused("redis://h?pool=1&Pool=1", "what follows '?' is not NAME=VALUE (a '?' in a "
                                       "password is written %3F)");
    refused("redis://h?s3cret@host", "what follows '?' is not NAME=VALUE (a '?' in a "
                                     "password is written %3F)");
    refused("redis://h?password=secret", "password is no option: use password-file, or "
                                         "write it before the host");
    refused("redis://h?pool", "pool has no value");
    refused("redis://h?pool=", "pool has no value");
    refused("redis://h?=1", "what follows '?' is not NAME=VALUE (a '?' in a password is "
                            "written %3F)");
    refused("redis://h?pool=2&pool=2", "pool is given twice");
    refused("redis://h?pool=0", "pool is a number 1..1000");
    refused("redis://h?pool=1001", "pool is a number 1..1000");
    refused("redis://h?pool=3x", "pool is a number 1..1000");
    refused("redis://h?retries=-1", "retries is a number 0..1000");
    refused("redis://h?timeout=5", "timeout is a length of time like 500ms or 2s, up to 1h");
    refused("redis://h?timeout=0s",
            "timeout is a length of time like 500ms or 2s, up to 1h");
    refused("redis://h?timeout=2h",
            "timeout is a length of time like 500ms or 2s, up to 1h");
    refused("redis://h?connect-timeout=s",
            "connect-timeout is a length of time like 500ms or 2s, up to 1h");
    refused("redis://h?tls=maybe", "tls is yes or no");
    refused("redis://h?clock=mine", "clock is caller or server");
    refused("redis://h/1?db=1", "the db is given twice");
    refused("redis://h?db=x", "db is a number 0..1000000");
    refused("redis://me:x@h?user=you", "the user is given twice");
    refused("redis://h?prefix=a{b", "a prefix has no braces");
    refused("redis://h?prefix=a%0a", "a prefix is text without control characters");
    refused("redis://h?prefix=%ff", "a prefix is text without control characters");
    refused("redis://h?prefix=a%00b", "prefix has a NUL byte");
    memset(url + strlen(url), 'p', 63);
    taken(url);
    url[strlen(url)] = 'p';
    refused(url, "a prefix has 1 to 63 bytes");
    refused("redis://h?ca=x", "ca is given, but not TLS: use rediss:// or tls=yes");
    refused("redis://h?insecure=yes",
            "insecure is given, but not TLS: use rediss:// or tls=yes");
    refused("rediss://h?cert=x", "cert and key need each other");
    refused("rediss://h?key=x", "cert and key need each other");
    refused("rediss://h?tls=no", "rediss: is TLS, and tls=no says the opposite");
    refused("redis+unix:///s?tls=yes", "there is no TLS over a unix socket");
    refused("redis://h?sentinel-user=x",
            "sentinel-user and sentinel-password are for redis-sentinel: only");
    refused("redis-sentinel://h/m?sentinel-password=a&sentinel-password-file=b",
            "the password is given twice");
}
END_TEST

/* --- a password in a file ----------------------------------------------------------- */

static void file_refused(const char *path, const char *before, const char *after)
{
    char url[1024], message[1024];

    snprintf(url, sizeof url, "redis://me:@h?password-file=%s", path);
    snprintf(message, sizeof message, "password-file: %s'%s'%s", before, path, after);
    refused(url, message);
}

START_TEST(password_file)
{
    char url[1024], text[300];

    snprintf(url, sizeof url, "redis://h?password-file=%s&user=me",
             file_of("good", "s3cret \xff\r\nmore\n", 0600));
    taken(url);
    ck_assert_str_eq(got.login.password, "s3cret \xff");
    ck_assert_str_eq(got.login.user, "me");
    memset(text, 'x', sizeof text);
    text[255] = '\0';
    snprintf(url, sizeof url, "redis-sentinel://h/m?sentinel-password-file=%s",
             file_of("good", text, 0400));
    taken(url);
    ck_assert_str_eq(got.sentinel_login.password, text);
    ck_assert_str_eq(got.login.password, "");

    snprintf(url, sizeof url, "redis://:x@h?password-file=%s", file_of("good", "y", 0600));
    refused(url, "the password is given twice");
    file_refused(file_of("group", "secret", 0640), "",
                 " is open to other users: use chmod 600");
    file_refused(file_of("world", "secret", 0604), "",
                 " is open to other users: use chmod 600");
    file_refused(file_of("empty", "", 0600), "", " has no line of 1 to 255 bytes");
    file_refused(file_of("line", "\nsecret\n", 0600), "", " has no line of 1 to 255 bytes");
    text[255] = 'x';
    text[299] = '\0';
    file_refused(file_of("long", text, 0600), "", " has no line of 1 to 255 bytes");
    file_refused("/nowhere/at/all", "cannot open ", ": No such file or directory");
    file_refused(dir.path, "", " is not a file");
    file_refused("/dev/null", "", " is not a file");
}
END_TEST

/* --- the environment ------------------------------------------------------------------ */

static const char *const variables[] = {
    "JOB_QUEUE_STORAGE", "REDIS_HOST", "REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD",
    "REDIS_DB", "REDIS_QUEUE_DB", "REDIS_KEY_PREFIX", "REDIS_TLS",
    "REDIS_CONNECTION_POOL_SIZE", "REDIS_MAX_RETRIES", "REDIS_ENABLE_CLUSTER"
};

/* "NAME=VALUE" each, up to NULL; nothing else is set. */
static void environment(const char *const *settings)
{
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    for (; *settings; settings++) {
        char *text = strdup(*settings), *equals = strchr(text, '=');
        *equals = '\0';
        setenv(text, equals + 1, 1);
        free(text);
    }
}

static void env_is(const char *const *settings, const char *url)
{
    char text[REGISTRY_URL_MAX];
    struct pawl_error err = { 0 };
    enum pawl_status status;

    environment(settings);
    status = registry_default_url(text, sizeof text, &err);
    ck_assert_msg(status == PAWL_OK, "%s: %s", url, err.message);
    ck_assert_str_eq(text, url);
    if (strncmp(url, "redis", 5) == 0)
        taken(text);
}

static void env_refused(const char *const *settings, const char *message)
{
    char text[REGISTRY_URL_MAX];
    struct pawl_error err = { 0 };

    environment(settings);
    ck_assert_int_eq(registry_default_url(text, sizeof text, &err), PAWL_EINVAL);
    ck_assert_str_eq(err.message, message);
}

#define SET(...) (const char *const[]){ __VA_ARGS__, NULL }
#define ON "JOB_QUEUE_STORAGE=redis"

START_TEST(env)
{
    env_is(SET("REDIS_HOST=there", "REDIS_PORT=x"), "sqlite:"); /* nobody asked */
    env_is(SET("JOB_QUEUE_STORAGE="), "sqlite:");
    env_is(SET("JOB_QUEUE_STORAGE=sqlite", "REDIS_HOST=there"), "sqlite:");
    env_is(SET(ON), "redis://127.0.0.1?tls=no");
    ck_assert_str_eq(got.where, "redis://127.0.0.1:6379/0");
    env_is(SET(ON, "REDIS_HOST=", "REDIS_PORT=", "REDIS_TLS=", "REDIS_DB="),
           "redis://127.0.0.1?tls=no");
    env_is(SET(ON, "REDIS_HOST=there", "REDIS_PORT=7000"), "redis://there:7000?tls=no");
    env_is(SET(ON, "REDIS_HOST=there:7001", "REDIS_PORT=7000"),
           "redis://there:7001?tls=no");
    env_is(SET(ON, "REDIS_HOST=::1", "REDIS_PORT=7000"), "redis://[::1]:7000?tls=no");
    env_is(SET(ON, "REDIS_HOST=[::1]:7001"), "redis://[::1]:7001?tls=no");
    env_is(SET(ON, "REDIS_DB=2"), "redis://127.0.0.1/2?tls=no");
    env_is(SET(ON, "REDIS_DB=2", "REDIS_QUEUE_DB=3"), "redis://127.0.0.1/3?tls=no");
    env_is(SET(ON, "REDIS_DB=2", "REDIS_QUEUE_DB=0"), "redis://127.0.0.1/0?tls=no");
    env_is(SET(ON, "REDIS_KEY_PREFIX=my app:&?/"),
           "redis://127.0.0.1?tls=no&prefix=my%20app%3A%26%3F%2F");
    ck_assert_str_eq(got.prefix, "my app:&?/");
    env_is(SET(ON, "REDIS_CONNECTION_POOL_SIZE=4", "REDIS_MAX_RETRIES=2"),
           "redis://127.0.0.1?tls=no&pool=4&retries=2");
    env_is(SET(ON, "REDIS_ENABLE_CLUSTER=1", "REDIS_HOST=a,b:7001,::1", "REDIS_PORT=7000",
               "REDIS_DB=0"),
           "redis-cluster://a:7000,b:7001,[::1]:7000?tls=no");
    env_is(SET(ON, "REDIS_ENABLE_CLUSTER=false", "REDIS_TLS=off"),
           "redis://127.0.0.1?tls=no");
    env_is(SET(ON, "REDIS_TLS=True"), "redis://127.0.0.1?tls=yes");
    env_is(SET(ON, "REDIS_TLS=yes"), "redis://127.0.0.1?tls=yes");
}
END_TEST

START_TEST(env_passwords)
{
    env_is(SET(ON, "REDIS_PASSWORD=p@ss/w?rd:%"),
           "redis://:p%40ss%2Fw%3Frd%3A%25@127.0.0.1?tls=no");
    ck_assert_str_eq(got.login.password, "p@ss/w?rd:%");
    env_is(SET(ON, "REDIS_USERNAME=me", "REDIS_PASSWORD=\xff x"),
           "redis://me:%FF%20x@127.0.0.1?tls=no");
    ck_assert_str_eq(got.login.user, "me");
    ck_assert_str_eq(got.login.password, "\xff x");
    ck_assert_ptr_null(strstr(got.where, "me"));
}
END_TEST

START_TEST(env_wrong)
{
    char text[400] = "REDIS_PASSWORD=";

    memset(text + strlen(text), 's', 256);
    env_refused(SET("JOB_QUEUE_STORAGE=postgres"),
                "JOB_QUEUE_STORAGE is 'postgres': it may be 'sqlite' or 'redis'");
    env_refused(SET(ON, "REDIS_PORT=abc"),
                "REDIS_PORT is 'abc', which is no port 1..65535");
    env_refused(SET(ON, "REDIS_PORT=0"), "REDIS_PORT is '0', which is no port 1..65535");
    env_refused(SET(ON, "REDIS_DB=-1"), "REDIS_DB is '-1', which is no number 0..1000000");
    env_refused(SET(ON, "REDIS_DB=1", "REDIS_QUEUE_DB=x"),
                "REDIS_QUEUE_DB is 'x', which is no number 0..1000000");
    env_refused(SET(ON, "REDIS_TLS=maybe"),
                "REDIS_TLS is 'maybe', which is neither true nor false");
    env_refused(SET(ON, "REDIS_ENABLE_CLUSTER=2"),
                "REDIS_ENABLE_CLUSTER is '2', which is neither true nor false");
    env_refused(SET(ON, "REDIS_CONNECTION_POOL_SIZE=0"),
                "REDIS_CONNECTION_POOL_SIZE is '0', which is no number 1..1000");
    env_refused(SET(ON, "REDIS_MAX_RETRIES=many"),
                "REDIS_MAX_RETRIES is 'many', which is no number 0..1000");
    env_refused(SET(ON, "REDIS_KEY_PREFIX={x}"),
                "REDIS_KEY_PREFIX: a prefix has no braces");
    env_refused(SET(ON, text), "REDIS_PASSWORD is longer than 255 bytes");
    env_refused(SET(ON, "REDIS_HOST=a,b"),
                "REDIS_HOST is a list, which is for clusters: set "
                "REDIS_ENABLE_CLUSTER=true");
    env_refused(SET(ON, "REDIS_HOST=redis://:secret@host"),
                "REDIS_HOST is a name or an address, no URL: use PAWL_URL for that");
    env_refused(SET(ON, "REDIS_HOST=ho st"), "REDIS_HOST: a host has a character that no "
                                             "host has, or is too long");
    env_refused(SET(ON, "REDIS_HOST=host:x"),
                "REDIS_HOST: the port of host 'host' is no number 1..65535");
    env_refused(SET(ON, "REDIS_ENABLE_CLUSTER=yes", "REDIS_HOST=a,,b"),
                "REDIS_HOST: a host is missing");
    env_refused(SET(ON, "REDIS_ENABLE_CLUSTER=yes", "REDIS_DB=2"),
                "REDIS_DB is '2', but a cluster has no database but 0");
}
END_TEST

/* --- nothing is shown ------------------------------------------------------------------- */

START_TEST(mistyped_scheme)
{
    static const char *const urls[] = { "reds://user:secret@host", "user:secret@host",
                                        "secret@host", "trace+reds://:secret@host",
                                        "redis://:secret@ho st", "redis:secret@host",
                                        "redis://u:secret", "redis://:x?secret@h",
                                        "redis-sentinel://:secret@h",
                                        "redis://:secret%zz@h" };
    const struct pawl_storage_config config = { .deadline = 1 };

    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct pawl_storage *storage = NULL;
        struct pawl_error err = { 0 };
        ck_assert_int_eq(storage_open(urls[i], &config, NULL, &storage, &err),
                         PAWL_EINVAL);
        ck_assert_msg(!strstr(err.message, "secret"), "%s", err.message);
    }
}
END_TEST

START_TEST(cleared)
{
    static const char nothing[sizeof got.login];

    taken("redis-sentinel://user:secret@h/m?sentinel-password=secret");
    redis_settings_clear(&got);
    ck_assert_mem_eq(&got.login, nothing, sizeof got.login);
    ck_assert_mem_eq(&got.sentinel_login, nothing, sizeof got.login);
    redis_settings_clear(NULL);
    refused("redis://user:secret@host?colour=red", "unknown option 'colour'");
    ck_assert_mem_eq(&got.login, nothing, sizeof got.login);
}
END_TEST

START_TEST(addresses)
{
    const struct redis_address name = { "host", 1 }, six = { "::1", 2 },
                               path = { "/run/x", 0 };
    char text[64];

    redis_address_format(&name, text, sizeof text);
    ck_assert_str_eq(text, "host:1");
    redis_address_format(&six, text, sizeof text);
    ck_assert_str_eq(text, "[::1]:2");
    redis_address_format(&path, text, sizeof text);
    ck_assert_str_eq(text, "/run/x");
}
END_TEST

static void make_dir(void)
{
    temp_dir_make(&dir);
}

static void remove_dir(void)
{
    temp_dir_remove(&dir);
}

int main(void)
{
    Suite *suite = suite_create("redis_settings");
    TCase *t = tcase_create("redis_settings");

    tcase_add_checked_fixture(t, make_dir, remove_dir);
    tcase_add_test(t, defaults);
    tcase_add_test(t, prefix_is_a_place);
    tcase_add_test(t, places);
    tcase_add_test(t, many_hosts);
    tcase_add_test(t, long_where);
    tcase_add_test(t, logins);
    tcase_add_test(t, places_refused);
    tcase_add_test(t, too_long);
    tcase_add_test(t, options);
    tcase_add_test(t, options_refused);
    tcase_add_test(t, password_file);
    tcase_add_test(t, env);
    tcase_add_test(t, env_passwords);
    tcase_add_test(t, env_wrong);
    tcase_add_test(t, mistyped_scheme);
    tcase_add_test(t, cleared);
    tcase_add_test(t, addresses);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
