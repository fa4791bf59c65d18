/* redis_caller.c - see redis_caller.h. */
#include "redis_caller.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define IN_SCRIPT " script: 2f232303b1039e54b1f901a1d262474a7d94c790, on @user_script:1."
const struct redis_row redis_rows[] = {
    { "LOADING Redis is loading the dataset in memory", REDIS_LATER, PAWL_EUNREACHABLE,
      "still loads its data" },
    { "BUSY Redis is busy running a script.", REDIS_LATER, PAWL_EUNREACHABLE,
      "slow script" },
    { "TRYAGAIN Multiple keys request during rehashing of slot", REDIS_SLOT_LATER,
      PAWL_EUNREACHABLE, "another node" },
    { "CLUSTERDOWN The cluster is down", REDIS_SLOT_LATER, PAWL_EUNREACHABLE,
      "CLUSTER INFO" },
    { "MASTERDOWN Link with MASTER is down", REDIS_LATER, PAWL_EUNREACHABLE,
      "lost its master" },
    { "NOREPLICAS Not enough good replicas to write.", REDIS_LATER, PAWL_EUNREACHABLE,
      "min-replicas-to-write" },
    { "ERR max number of clients reached", REDIS_LATER, PAWL_EUNREACHABLE, "maxclients" },
    { "READONLY You can't write against a read only replica.", REDIS_RESOLVE,
      PAWL_EUNREACHABLE, "is a replica" },
    { "UNBLOCKED force unblock from blocking operation, instance state changed",
      REDIS_RESOLVE, PAWL_EUNREACHABLE, "became a replica" },
    { "OOM command not allowed when used memory > 'maxmemory'.", REDIS_REFUSED,
      PAWL_EFULL, "is at maxmemory" },
    { "OOM command not allowed when used memory > 'maxmemory'." IN_SCRIPT, REDIS_REFUSED,
      PAWL_EFULL, "is at maxmemory" },
    { "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to",
      REDIS_REFUSED, PAWL_EIO, "cannot write to its disk" },
    { "NOAUTH Authentication required.", REDIS_REFUSED, PAWL_EDENIED, "wants a password" },
    { "WRONGPASS invalid username-password pair or user is disabled.", REDIS_REFUSED,
      PAWL_EDENIED, "refuses user or password" },
    { "NOPERM this user has no permissions to run the 'evalsha' command", REDIS_REFUSED,
      PAWL_EDENIED, "doctor --acl" },
    { "DENIED Redis is running in protected mode", REDIS_REFUSED, PAWL_EDENIED,
      "protected mode" },
    { "NOPROTO unsupported protocol version", REDIS_REFUSED, PAWL_EFORMAT, "protocol" },
    { "ERR unknown command 'EVALSHA', with args beginning with: 's3cret' ",
      REDIS_REFUSED, PAWL_EFORMAT, "unknown command 'EVALSHA')" },
    { "CROSSSLOT Keys in request don't hash to the same slot", REDIS_REFUSED,
      PAWL_EFORMAT, "two slots" },
    { "WRONGTYPE Operation against a key holding the wrong kind of value" IN_SCRIPT,
      REDIS_DAMAGED, PAWL_EUNKNOWN, "overwritten" },
    { "ERR user_script:7: attempt to index local 'x' (a nil value)" IN_SCRIPT,
      REDIS_DAMAGED, PAWL_EUNKNOWN, "a script failed" },
    { "ERR The user executing the script can't run this command or subcommand" IN_SCRIPT,
      REDIS_BROKEN, PAWL_EUNKNOWN, "doctor --acl" },
};
const int redis_row_count = (int)(sizeof redis_rows / sizeof *redis_rows);

/* --- the fake, and a client of it ------------------------------------------------ */

static const struct redis_script script = { .name = "test", .text = "return 1", .size = 8,
    .sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db" };

static enum fake_next plan_answer(void *context, const struct fake_request *request,
                                  struct buf *reply)
{
    struct plan *plan = context;
    bool greeting;

    if (!request->name[0]) {
        if (plan->at_once && plan->times != 0)
            buf_printf(reply, "-%s\r\n", plan->at_once);
        else
            return FAKE_GO_ON;
        plan->times -= plan->times > 0;
        return FAKE_CUT;
    }
    greeting = fake_redis_greet(request, reply);
    if ((greeting && !plan->at_connect) || plan->times == 0 ||
        (!greeting && (plan->at_connect || !plan->name ||
                       strcasecmp(request->name, plan->name) != 0))) {
        if (!greeting)
            buf_str(reply, "+OK\r\n");
        return FAKE_GO_ON;
    }
    buf_clear(reply);
    /* A whole connection's beginning is one time. */
    if (!plan->at_connect || strcasecmp(request->name, "ROLE") == 0)
        plan->times -= plan->times > 0;
    if (plan->reply)
        buf_printf(reply, "%s%s\r\n", plan->reply[0] == ':' ? "" : "-", plan->reply);
    return plan->cut ? FAKE_CUT : FAKE_GO_ON;
}

void caller_connect(struct caller *caller, const char *url, pawl_duration deadline)
{
    struct redis_client *client = &caller->client;
    char scheme[32], location[256];
    struct pawl_storage_config config = { .url = url, .location = location,
                                          .options = "", .deadline = deadline };
    size_t size = strcspn(url, ":");

    snprintf(scheme, sizeof scheme, "%.*s", (int)size, url);
    snprintf(location, sizeof location, "%s", url + size + 1);
    *client = (struct redis_client){ .deadline = deadline };
    ck_assert_msg(redis_settings_parse(scheme, &config, &client->settings,
                                       &caller->err) == PAWL_OK,
                  "%s", caller->err.message);
    client->route = redis_route_new(&client->settings);
    ck_assert_ptr_nonnull(client->route);
    caller->call = (struct redis_call){ .script = &script, .key_count = 1,
                                        .repeatable = true };
    redis_args_text(&caller->call.args, "key");
}

void caller_open(struct caller *caller, struct plan plan, pawl_duration deadline)
{
    *caller = (struct caller){ .plan = plan };
    fake_redis_start(&caller->fake, plan_answer, &caller->plan);
    caller_connect(caller, caller->fake.url, deadline);
}

enum pawl_status caller_call(struct caller *caller)
{
    enum pawl_status status;

    freeReplyObject(caller->reply);
    caller->reply = NULL;
    caller->call.maybe = false; /* each is one of its own */
    status = redis_call(&caller->client, &caller->call, &caller->reply, &caller->err);
    ck_assert_int_eq(status == PAWL_OK, caller->reply != NULL);
    return status;
}

void caller_replan(struct caller *caller, int times)
{
    fake_redis_lock(&caller->fake);
    caller->plan.times = times;
    fake_redis_unlock(&caller->fake);
}

void caller_close(struct caller *caller)
{
    freeReplyObject(caller->reply);
    redis_args_clear(&caller->call.args);
    redis_route_free(caller->client.route);
    redis_settings_clear(&caller->client.settings);
    fake_redis_stop(&caller->fake);
}

void caller_says(const struct caller *caller, const char *text)
{
    const char *message = caller->err.message;

    ck_assert_msg(strstr(message, text) != NULL, "%s", message);
    ck_assert_msg(strstr(message, "s3cret") == NULL, "%s", message);
}

int caller_sent(struct caller *caller, const char *name)
{
    return fake_redis_count(&caller->fake, name, 0);
}
