/* redis_env.c - the REDIS_* variables of existing installations, as a URL.
 *
 * They count only where JOB_QUEUE_STORAGE says so and no URL is given: a URL is
 * taken whole and nothing from here is mixed into it, since REDIS_PASSWORD must not
 * be sent to a server that it is not for. An empty variable is as good as none. Each
 * is checked here, so that a message can name it.
 */
#include "storage/redis/redis_env.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "storage/redis/redis_options.h"
#include "util/buf.h"
#include "util/url.h"

struct env {
    bool tls, cluster;
    struct buf url;
};

static const char *env_get(const char *name)
{
    const char *text = getenv(name);

    return text && *text ? text : NULL;
}

/* --- values ------------------------------------------------------------------ */

static enum pawl_status env_flag(const char *name, bool *out, struct pawl_error *err)
{
    static const char *const words[2][4] = { { "0", "false", "no", "off" },
                                             { "1", "true", "yes", "on" } };
    const char *text = env_get(name);

    *out = false;
    if (!text)
        return PAWL_OK;
    for (int i = 0; i < 8; i++)
        if (strcasecmp(words[i / 4][i % 4], text) == 0) {
            *out = i / 4 == 1;
            return PAWL_OK;
        }
    return pawl_error_set(err, PAWL_EINVAL,
                          "%s is '%.40s', which is neither true nor false", name, text);
}

/* `before` and the number, if the variable is there. */
static enum pawl_status env_number(struct env *env, const char *before,
                                   const char *name, const char *what, int64_t min,
                                   int64_t max, struct pawl_error *err)
{
    const char *text = env_get(name);
    int64_t number;

    if (!text)
        return PAWL_OK;
    if (!url_number(text, strlen(text), min, max, &number))
        return pawl_error_set(err, PAWL_EINVAL, "%s is '%.40s', which is no %s %lld..%lld",
                              name, text, what, (long long)min, (long long)max);
    buf_printf(&env->url, "%s%lld", before, (long long)number);
    return PAWL_OK;
}

/* Percent-encoded. */
static void env_text(struct env *env, const char *text)
{
    for (; *text; text++) {
        const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789-._~";
        if (strchr(plain, *text))
            buf_add(&env->url, text, 1);
        else
            buf_printf(&env->url, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

/* --- the parts of the URL ------------------------------------------------------- */

static enum pawl_status env_login(struct env *env, struct pawl_error *err)
{
    static const char *const names[2] = { "REDIS_USERNAME", "REDIS_PASSWORD" };
    const char *user = env_get(names[0]), *password = env_get(names[1]);

    for (int i = 0; i < 2; i++)
        if (env_get(names[i]) && strlen(env_get(names[i])) >= REDIS_TEXT_MAX)
            return pawl_error_set(err, PAWL_EINVAL, "%s is longer than %d bytes",
                                  names[i], REDIS_TEXT_MAX - 1);
    if (!user && !password)
        return PAWL_OK;
    env_text(env, user ? user : "");
    buf_str(&env->url, ":");
    env_text(env, password ? password : "");
    buf_str(&env->url, "@");
    return PAWL_OK;
}

/* One host of n bytes; an IPv6 address may stand without brackets. */
static void env_host(struct env *env, const char *host, size_t n)
{
    const char *port = env_get("REDIS_PORT");
    const char *colon = memchr(host, ':', n);
    const bool bracket = n > 0 && host[0] == '[';
    const bool bare = !bracket && colon && memchr(colon + 1, ':', n - (size_t)(colon + 1 - host));
    const bool has_port = bracket ? host[n - 1] != ']' : colon && !bare;

    if (bare)
        buf_str(&env->url, "[");
    buf_add(&env->url, host, n);
    if (bare)
        buf_str(&env->url, "]");
    if (port && !has_port)
        buf_printf(&env->url, ":%s", port);
}

/* Read what was written from `from` on, so that a message names the variable. */
static enum pawl_status env_check_hosts(const struct env *env, size_t from,
                                        struct pawl_error *err)
{
    struct pawl_storage_config config = { .options = "" };
    struct redis_settings settings;
    struct buf location;
    enum pawl_status status = PAWL_OK;

    buf_init(&location, 8192);
    buf_printf(&location, "//%s", env->url.data + from);
    if (location.failed)
        status = pawl_error_set(err, PAWL_EINVAL, "it is too long");
    config.location = location.data;
    if (status == PAWL_OK)
        status = redis_settings_parse("redis-cluster", &config, &settings, err);
    if (status != PAWL_OK)
        pawl_error_prefix(err, "REDIS_HOST");
    buf_clear(&location);
    return status;
}

static enum pawl_status env_hosts(struct env *env, struct pawl_error *err)
{
    const char *host = env_get("REDIS_HOST");
    size_t from = env->url.len;
    int64_t port;

    if (!host)
        host = "127.0.0.1";
    if (env_get("REDIS_PORT") &&
        !url_number(env_get("REDIS_PORT"), strlen(env_get("REDIS_PORT")), 1, 65535, &port))
        return pawl_error_set(err, PAWL_EINVAL,
                              "REDIS_PORT is '%.40s', which is no port 1..65535",
                              env_get("REDIS_PORT"));
    if (strpbrk(host, "/@"))
        return pawl_error_set(err, PAWL_EINVAL,
                              "REDIS_HOST is a name or an address, no URL: use "
                              "PAWL_URL for that");
    if (strchr(host, ',') && !env->cluster)
        return pawl_error_set(err, PAWL_EINVAL,
                              "REDIS_HOST is a list, which is for clusters: set "
                              "REDIS_ENABLE_CLUSTER=true");
    for (;;) {
        size_t n = strcspn(host, ",");
        env_host(env, host, n);
        if (host[n] == '\0')
            break;
        buf_str(&env->url, ",");
        host += n + 1;
    }
    return env->url.failed ? PAWL_OK : env_check_hosts(env, from, err);
}

static enum pawl_status env_db(struct env *env, struct pawl_error *err)
{
    const char *name = env_get("REDIS_QUEUE_DB") ? "REDIS_QUEUE_DB" : "REDIS_DB";
    const char *text = env_get(name);

    if (!env->cluster)
        return env_number(env, "/", name, "number", 0, REDIS_DB_MAX, err);
    if (text && strcmp(text, "0") != 0)
        return pawl_error_set(err, PAWL_EINVAL,
                              "%s is '%.40s', but a cluster has no database but 0", name,
                              text);
    return PAWL_OK;
}

static enum pawl_status env_options(struct env *env, struct pawl_error *err)
{
    const char *prefix = env_get("REDIS_KEY_PREFIX");
    enum pawl_status status;

    buf_printf(&env->url, "?tls=%s", env->tls ? "yes" : "no");
    if (prefix && redis_prefix_fault(prefix))
        return pawl_error_set(err, PAWL_EINVAL, "REDIS_KEY_PREFIX: a prefix %s",
                              redis_prefix_fault(prefix));
    if (prefix) {
        buf_str(&env->url, "&prefix=");
        env_text(env, prefix);
    }
    status = env_number(env, "&pool=", "REDIS_CONNECTION_POOL_SIZE", "number", 1,
                        REDIS_POOL_MAX, err);
    if (status == PAWL_OK)
        status = env_number(env, "&retries=", "REDIS_MAX_RETRIES", "number", 0,
                            REDIS_RETRIES_MAX, err);
    return status;
}

enum pawl_status redis_env_url(char *url, size_t size, struct pawl_error *err)
{
    struct env env = { 0 };
    enum pawl_status status;

    buf_init(&env.url, size - 1);
    status = env_flag("REDIS_TLS", &env.tls, err);
    if (status == PAWL_OK)
        status = env_flag("REDIS_ENABLE_CLUSTER", &env.cluster, err);
    buf_str(&env.url, env.cluster ? "redis-cluster://" : "redis://");
    if (status == PAWL_OK)
        status = env_login(&env, err);
    if (status == PAWL_OK)
        status = env_hosts(&env, err);
    if (status == PAWL_OK)
        status = env_db(&env, err);
    if (status == PAWL_OK)
        status = env_options(&env, err);
    if (status == PAWL_OK && env.url.failed)
        status = pawl_error_set(err, PAWL_EINVAL, "the REDIS_* variables are too long");
    if (status == PAWL_OK)
        memcpy(url, env.url.data, env.url.len + 1);
    if (env.url.data)
        explicit_bzero(env.url.data, env.url.cap);
    buf_clear(&env.url);
    return status;
}
