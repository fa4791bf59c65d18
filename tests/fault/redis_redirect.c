/* redis_redirect.c - nodes of a Cluster that send us elsewhere: believed, followed for
 * once, and no busy loop however they lead. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lanes.h"
#include "redis_caller.h"
#include "util/clock.h"

/* --- redirections --------------------------------------------------------------------- */

/* Two nodes of a Cluster. The first has all slots by the map; what it answers to
 * EVALSHA is `tell`, with the port of the second. */
struct nodes {
    struct fake_redis fake[2];
    const char *tell;
    int times;       /* the second sends back to the first so often */
    bool wants_asking, asked;
    int refused;     /* by the second: not asked properly */
};

static void map_reply(const struct nodes *nodes, struct buf *reply)
{
    buf_printf(reply, "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n",
               nodes->fake[0].port);
}

static enum fake_next first_node(void *context, const struct fake_request *request,
                                 struct buf *reply)
{
    struct nodes *nodes = context;

    if (!request->name[0] || fake_redis_greet(request, reply))
        return FAKE_GO_ON;
    if (strcasecmp(request->name, "CLUSTER") == 0)
        map_reply(nodes, reply);
    else
        buf_printf(reply, nodes->tell, nodes->fake[1].port);
    return FAKE_GO_ON;
}

static enum fake_next second_node(void *context, const struct fake_request *request,
                                  struct buf *reply)
{
    struct nodes *nodes = context;

    if (!request->name[0] || fake_redis_greet(request, reply))
        return FAKE_GO_ON;
    if (strcasecmp(request->name, "CLUSTER") == 0) {
        map_reply(nodes, reply);
    } else if (strcasecmp(request->name, "ASKING") == 0) {
        nodes->asked = true;
        buf_str(reply, "+OK\r\n");
    } else if (nodes->wants_asking && !nodes->asked) {
        nodes->refused++;
        buf_printf(reply, "-MOVED 7 127.0.0.1:%d\r\n", nodes->fake[0].port);
    } else if (nodes->times > 0) {
        nodes->times--;
        nodes->asked = false;
        buf_printf(reply, strcasecmp(request->name, "EVALSHA") == 0 && nodes->wants_asking
                              ? "-NOSCRIPT x\r\n" : "-MOVED 7 127.0.0.1:%d\r\n",
                   nodes->fake[0].port);
    } else {
        nodes->asked = false;
        buf_str(reply, "+OK\r\n");
    }
    return FAKE_GO_ON;
}

static void nodes_open(struct nodes *nodes, struct caller *caller, pawl_duration deadline)
{
    char url[64];

    fake_redis_start(&nodes->fake[0], first_node, nodes);
    fake_redis_start(&nodes->fake[1], second_node, nodes);
    *caller = (struct caller){ 0 };
    snprintf(url, sizeof url, "redis-cluster://127.0.0.1:%d", nodes->fake[0].port);
    caller_connect(caller, url, deadline);
    caller->call.slot = 7;
}

static void nodes_close(struct nodes *nodes, struct caller *caller)
{
    caller_close(caller);
    fake_redis_stop(&nodes->fake[0]);
    fake_redis_stop(&nodes->fake[1]);
}

/* MOVED is followed and believed; an empty host is that of who said it. */
START_TEST(moved)
{
    struct nodes nodes = { .tell = _i ? "-MOVED 7 :%d\r\n" : "-MOVED 7 127.0.0.1:%d\r\n" };
    struct caller caller;

    nodes_open(&nodes, &caller, LONG_DEADLINE);
    ck_assert_int_eq(caller_call(&caller), PAWL_OK);
    ck_assert_int_eq(fake_redis_count(&nodes.fake[0], "EVALSHA", 0), 1);
    ck_assert_int_eq(fake_redis_count(&nodes.fake[1], "EVALSHA", 0), 1);
    ck_assert_int_eq(caller_call(&caller), PAWL_OK);
    ck_assert_int_eq(fake_redis_count(&nodes.fake[0], "EVALSHA", 0), 1);
    ck_assert_int_eq(fake_redis_count(&nodes.fake[1], "EVALSHA", 0), 2);
    nodes_close(&nodes, &caller);
}
END_TEST

/* ASK is for one try: ASKING goes before it, and again before the script's text; the
 * next call begins where it did before. */
START_TEST(asked)
{
    struct nodes nodes = { .tell = "-ASK 7 127.0.0.1:%d\r\n", .wants_asking = true,
                           .times = _i };
    struct caller caller;

    nodes_open(&nodes, &caller, LONG_DEADLINE);
    ck_assert_int_eq(caller_call(&caller), PAWL_OK);
    ck_assert_int_eq(fake_redis_count(&nodes.fake[1], "ASKING", 0), 1 + _i);
    ck_assert_int_eq(fake_redis_count(&nodes.fake[1], "EVAL", 0), _i);
    ck_assert_int_eq(nodes.refused, 0);
    ck_assert_int_eq(caller_call(&caller), PAWL_OK);
    ck_assert_int_eq(fake_redis_count(&nodes.fake[0], "EVALSHA", 0), 2);
    ck_assert_int_eq(nodes.refused, 0);
    nodes_close(&nodes, &caller);
}
END_TEST

/* Nodes that send us to and fro: five times, then a pause; and the map is not fetched
 * more than twice a second. A redirection that leads nowhere is no loop either. */
START_TEST(to_and_fro)
{
    static const char *const tells[] = { "-MOVED 7 127.0.0.1:%d\r\n", "-MOVED 7 ?:%d\r\n",
                                         "-MOVED 7\r\n", "-ASK 7 127.0.0.1:%d\r\n" };
    struct nodes nodes = { .tell = tells[_i], .times = 1000000 };
    struct caller caller;
    int64_t start = clock_mono_ns();
    int requests, maps;

    nodes_open(&nodes, &caller, 2000);
    ck_assert_int_eq(caller_call(&caller), PAWL_EUNREACHABLE);
    caller_says(&caller, "tried for");
    requests = fake_redis_count(&nodes.fake[0], "EVALSHA", start) +
               fake_redis_count(&nodes.fake[1], "EVALSHA", start);
    maps = fake_redis_count(&nodes.fake[0], "CLUSTER", start) +
           fake_redis_count(&nodes.fake[1], "CLUSTER", start);
    ck_assert_int_le(requests, 6 * 20);
    ck_assert_int_ge(maps, 1);
    ck_assert_int_le(maps, 5);
    nodes_close(&nodes, &caller);
}
END_TEST

int main(void)
{
    const struct lane_test tests[] = { { moved, 2 }, { asked, 2 }, { to_and_fro, 4 } };
    return lanes_run("redis_redirect", tests, 3, 4, 120, NULL, NULL);
}
