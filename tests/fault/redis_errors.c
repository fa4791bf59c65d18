/* redis_errors.c - a server that answers each error there is, at each point: when a
 * connection is made, to a request, and in the midst of many. The action that the
 * table of redis_error.c names must follow, with few requests while it fails. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lanes.h"
#include "redis_caller.h"
#include "util/clock.h"

#define DEADLINE 3000 /* ms of a call that fails */
#define FAILED_INSIDE 4 /* errors of a script in its midst */

/* --- to a request --------------------------------------------------------------- */

/* For ever: what is worth it is asked again until the deadline, ten times a second at
 * most; all else is told at once. Only RESOLVE costs the connection. */
START_TEST(to_each_request)
{
    const struct redis_row *row = &redis_rows[_i];
    bool again = redis_row_waits(row);
    struct caller caller;
    int requests;

    caller_open(&caller, (struct plan){ .name = "EVALSHA", .reply = row->reply, .times = -1 },
               again ? DEADLINE : LONG_DEADLINE);
    ck_assert_int_eq(caller_call(&caller), row->status);
    caller_says(&caller, row->says);
    caller_says(&caller, "127.0.0.1");
    requests = caller_sent(&caller, "EVALSHA");
    if (again) {
        caller_says(&caller, "tried for ");
        ck_assert_int_ge(requests, 3);
        ck_assert_int_le(fake_redis_rate(&caller.fake, "EVALSHA", 0, 1000), RATE_MOST);
    } else {
        ck_assert_int_eq(requests, 1);
    }
    ck_assert_int_eq(caller_sent(&caller, "EVAL"), 0);
    if (row->action != REDIS_RESOLVE)
        ck_assert_int_eq(caller_sent(&caller, NULL), 1);
    else
        ck_assert_int_ge(caller_sent(&caller, NULL), requests);

    /* The next call is as good as any, on the same connection. */
    caller_replan(&caller, 0);
    caller.client.deadline = LONG_DEADLINE;
    ck_assert_int_eq(caller_call(&caller), PAWL_OK);
    if (row->action != REDIS_RESOLVE)
        ck_assert_int_eq(caller_sent(&caller, NULL), 1);
    caller_close(&caller);
}
END_TEST

/* A script fails in its midst: what it wrote before stays. So does, for all we know, what
 * a server did that answers with an error unknown to us. Who only reads has nothing to
 * doubt, nor, where a key is damaged, who looks before it writes. */
START_TEST(failed_inside)
{
    static const struct {
        const char *reply, *says;
        enum pawl_status reading, looking_first;
    } rows[FAILED_INSIDE] = {
        { "ERR The user executing the script can't access at least one of the keys "
          "mentioned in the command script: 2f2323, on @user_script:1.",
          "doctor --acl", PAWL_EDENIED, PAWL_EUNKNOWN },
        { "WRONGTYPE Operation against a key holding the wrong kind of value script: "
          "2f2323, on @user_script:1.", "overwritten by somebody else", PAWL_ECORRUPT,
          PAWL_ECORRUPT },
        { "ERR user_script:7: attempt to index local 'x' (a nil value) script: 2f2323, "
          "on @user_script:7.", "a script failed", PAWL_ECORRUPT, PAWL_ECORRUPT },
        { "STRANGE of a later version", "pawl does not know", PAWL_ECORRUPT,
          PAWL_EUNKNOWN },
    };
    struct caller caller;

    caller_open(&caller, (struct plan){ .name = "EVALSHA", .reply = rows[_i].reply,
                                        .times = 3 }, LONG_DEADLINE);
    ck_assert_int_eq(caller_call(&caller), PAWL_EUNKNOWN);
    caller_says(&caller, "maybe done in part");
    caller_says(&caller, rows[_i].says);
    caller.call.looks_first = true;
    ck_assert_int_eq(caller_call(&caller), rows[_i].looking_first);
    caller_says(&caller, rows[_i].says);
    caller.call.reads = true;
    ck_assert_int_eq(caller_call(&caller), rows[_i].reading);
    caller_says(&caller, rows[_i].says);
    ck_assert_int_eq(caller_sent(&caller, "EVALSHA"), 3);
    caller_close(&caller);
}
END_TEST

/* A right that is missing for the script itself: nothing was done. */
START_TEST(denied_outside)
{
    struct caller caller;

    caller_open(&caller, (struct plan){ .name = "EVALSHA", .times = 1,
                                        .reply = "NOPERM this user has no permissions to "
                                                 "access one of the keys" },
                LONG_DEADLINE);
    ck_assert_int_eq(caller_call(&caller), PAWL_EDENIED);
    caller_close(&caller);
}
END_TEST

/* Twice: then it works, and the caller sees nothing of it. */
START_TEST(to_two_requests)
{
    const struct redis_row *row = &redis_rows[_i];
    bool again = redis_row_waits(row);
    struct caller caller;

    caller_open(&caller, (struct plan){ .name = "EVALSHA", .reply = row->reply, .times = 2 },
               LONG_DEADLINE);
    caller.call.repeatable = false; /* for none of them was it executed */
    ck_assert_int_eq(caller_call(&caller), again ? PAWL_OK : row->status);
    ck_assert_int_eq(caller_sent(&caller, "EVALSHA"), again ? 3 : 1);
    ck_assert_int_eq(caller_sent(&caller, NULL), row->action == REDIS_RESOLVE ? 3 : 1);
    caller_close(&caller);
}
END_TEST

/* That one slot is being moved is no reason to ask the server less often for others;
 * for that one it is. */
START_TEST(other_slots_go_on)
{
    static const char *const says[] = { "TRYAGAIN Multiple keys request during rehashing",
                                        "CLUSTERDOWN Hash slot not served",
                                        "MOVED nowhere" };
    struct redis_call other = { .reads = true, .slot = 1 };
    struct caller caller;
    struct pawl_error err = { 0 };
    redisReply *reply = NULL;

    caller_open(&caller, (struct plan){ .name = "EVALSHA", .reply = says[_i], .times = -1 },
                LONG_DEADLINE);
    caller.client.settings.max_retries = 0; /* where a pace is kept, no turn is waited for */
    redis_args_text(&other.args, "PING");
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(caller_call(&caller), PAWL_EUNREACHABLE);
        ck_assert_msg(redis_call(&caller.client, &other, &reply, &err) == PAWL_OK, "%s",
                      err.message);
        freeReplyObject(reply);
    }
    ck_assert_int_lt(caller_sent(&caller, "EVALSHA"), 10);
    redis_args_clear(&other.args);
    caller_close(&caller);
}
END_TEST

/* The number of repeats is bounded where that is asked for. */
START_TEST(bounded_repeats)
{
    struct caller caller;

    caller_open(&caller, (struct plan){ .name = "EVALSHA", .reply = "LOADING x", .times = -1 },
               LONG_DEADLINE);
    caller.client.settings.max_retries = 2;
    ck_assert_int_eq(caller_call(&caller), PAWL_EUNREACHABLE);
    ck_assert_int_eq(caller_sent(&caller, "EVALSHA"), 3);
    caller.client.settings.max_retries = 0;
    ck_assert_int_eq(caller_call(&caller), PAWL_EUNREACHABLE);
    caller_says(&caller, "still loads its data");
    ck_assert_int_le(caller_sent(&caller, "EVALSHA"), 4);
    caller_close(&caller);
}
END_TEST

/* A script that is not there is sent, on the same connection; a server that never
 * keeps it does not make a busy loop. */
START_TEST(no_script)
{
    struct caller caller;
    struct fake_request eval;

    caller_open(&caller, (struct plan){ .name = "EVALSHA", .reply = "NOSCRIPT No matching "
               "script. Please use EVAL.", .times = 1 }, LONG_DEADLINE);
    ck_assert_int_eq(caller_call(&caller), PAWL_OK);
    ck_assert_int_eq(caller_sent(&caller, "EVALSHA"), 1);
    ck_assert(fake_redis_latest(&caller.fake, "EVAL", &eval));
    ck_assert_int_eq(eval.connection, 1);
    caller_close(&caller);
    caller_open(&caller, (struct plan){ .name = "EVALSHA", .reply = "NOSCRIPT x", .times = 1 },
               DEADLINE);
    caller.plan.name = "EVAL";
    caller.plan.times = -1;
    ck_assert_int_eq(caller_call(&caller), PAWL_OK); /* EVALSHA is answered OK */
    caller_close(&caller);
}
END_TEST

/* --- when a connection is made --------------------------------------------------- */

static void at_connect(const struct redis_row *row, bool at_once)
{
    /* Whoever is told to come later waits; to read or write nothing else helps. */
    bool again = redis_row_waits(row);
    struct plan plan = { .reply = row->reply, .times = -1, .at_connect = !at_once,
                         .at_once = at_once ? row->reply : NULL };
    struct caller caller;
    enum pawl_status status;

    caller_open(&caller, plan, again ? DEADLINE : LONG_DEADLINE);
    status = caller_call(&caller);
    if (again) /* or the last attempt had no time to fail */
        ck_assert(status == PAWL_EUNREACHABLE || status == PAWL_ETIMEOUT);
    else
        ck_assert_int_lt(status, 0);
    caller_says(&caller, "127.0.0.1");
    ck_assert_int_eq(caller_sent(&caller, "EVALSHA"), 0);
    ck_assert_int_le(fake_redis_rate(&caller.fake, NULL, 0, 1000), RATE_MOST);
    if (again)
        ck_assert_int_ge(caller_sent(&caller, NULL), 2);
    else
        ck_assert_int_eq(caller_sent(&caller, NULL), 1);
    caller_replan(&caller, 0);
    caller.client.deadline = LONG_DEADLINE;
    ck_assert_int_eq(caller_call(&caller), PAWL_OK);
    ck_assert_int_eq(caller_sent(&caller, "EVALSHA"), 1);
    caller_close(&caller);
}

START_TEST(to_each_greeting)
{
    at_connect(&redis_rows[_i], false);
}
END_TEST

/* Some servers answer before they are asked, and hang up. */
START_TEST(before_a_greeting)
{
    at_connect(&redis_rows[_i], true);
}
END_TEST

/* While a store is opened, a server that is loading is waited for, and one that is
 * not there is not. */
START_TEST(opening)
{
    struct caller caller;

    caller_open(&caller, (struct plan){ .reply = "LOADING Redis is loading", .times = 3,
                                      .at_connect = true }, LONG_DEADLINE);
    caller.client.opening = true;
    ck_assert_int_eq(caller_call(&caller), PAWL_OK);
    caller_close(&caller);
    caller_open(&caller, (struct plan){ .name = "EVALSHA", .reply = "LOADING Redis is",
                                      .times = 3 }, LONG_DEADLINE);
    caller.client.opening = true;
    ck_assert_int_eq(caller_call(&caller), PAWL_OK);
    ck_assert_int_eq(caller_sent(&caller, NULL), 1);
    caller_close(&caller);
    caller_open(&caller, (struct plan){ .at_connect = true, .cut = true, .times = -1 },
               LONG_DEADLINE);
    caller.client.opening = true;
    ck_assert_int_eq(caller_call(&caller), PAWL_EUNREACHABLE);
    ck_assert_int_eq(caller_sent(&caller, NULL), 1);
    caller_close(&caller);
}
END_TEST

/* --- in the midst of many -------------------------------------------------------- */

#define CALLS 5

/* The third of five gets the error, once. The others are answered and not repeated;
 * the third has what its action brings. */
static void in_midst(const char *reply, bool cut, enum redis_action action,
                     enum pawl_status status)
{
    bool helps = action != REDIS_REFUSED && action != REDIS_DAMAGED &&
                 action != REDIS_BROKEN;
    struct redis_call calls[CALLS];
    redisReply *replies[CALLS];
    enum pawl_status statuses[CALLS], answer;
    struct caller caller;

    caller_open(&caller, (struct plan){ .name = "ECHO", .reply = reply, .cut = cut,
                                      .times = 1 }, LONG_DEADLINE);
    for (int i = 0; i < CALLS; i++) {
        calls[i] = (struct redis_call){ .repeatable = true };
        redis_args_text(&calls[i].args, i == 2 ? "ECHO" : "PING");
    }
    answer = redis_call_all(&caller.client, calls, CALLS, replies, statuses, &caller.err);
    ck_assert_int_eq(answer, helps ? PAWL_OK : status);
    for (int i = 0; i < CALLS; i++) {
        ck_assert_int_eq(statuses[i], i == 2 ? answer : PAWL_OK);
        if (statuses[i] == PAWL_OK)
            ck_assert_str_eq(replies[i]->str, "OK");
        else
            ck_assert_ptr_null(replies[i]);
        freeReplyObject(replies[i]);
        redis_args_clear(&calls[i].args);
    }
    ck_assert_int_eq(caller_sent(&caller, "ECHO"), helps ? 2 : 1);
    /* What came before the cut was answered; what came behind is asked again. */
    ck_assert_int_eq(caller_sent(&caller, "PING"), 4);
    ck_assert_int_eq(caller_sent(&caller, NULL), action == REDIS_RESOLVE || cut ? 2 : 1);
    caller_close(&caller);
}

START_TEST(in_the_midst)
{
    in_midst(redis_rows[_i].reply, false, redis_rows[_i].action, redis_rows[_i].status);
}
END_TEST

START_TEST(no_script_in_the_midst)
{
    in_midst("NOSCRIPT No matching script. Please use EVAL.", false, REDIS_LATER, PAWL_OK);
    in_midst(NULL, true, REDIS_LATER, PAWL_OK);
    in_midst("LOADING x", true, REDIS_LATER, PAWL_OK);
}
END_TEST

/* --- answers that are lost --------------------------------------------------------- */

/* The connection is cut when the request was read. Whether it was done nobody knows:
 * a call that may be repeated is, the others are told so. */
START_TEST(lost_answers)
{
    struct caller caller;
    struct plan plan = { .name = "EVALSHA", .cut = true, .times = 1 };

    caller_open(&caller, plan, LONG_DEADLINE);
    ck_assert_int_eq(caller_call(&caller), PAWL_OK);
    ck_assert_int_eq(caller_sent(&caller, "EVALSHA"), 2);
    caller_close(&caller);

    caller_open(&caller, plan, LONG_DEADLINE);
    caller.call.repeatable = false;
    ck_assert_int_eq(caller_call(&caller), PAWL_EUNKNOWN);
    caller_says(&caller, "maybe done");
    ck_assert_int_eq(caller_sent(&caller, "EVALSHA"), 1);
    ck_assert_int_eq(caller_call(&caller), PAWL_OK);
    caller_close(&caller);

    plan.times = -1;
    caller_open(&caller, plan, DEADLINE);
    ck_assert_int_eq(caller_call(&caller), PAWL_EUNKNOWN);
    ck_assert_int_le(fake_redis_rate(&caller.fake, "EVALSHA", 0, 1000), RATE_MOST);
    caller_close(&caller);

    caller_open(&caller, plan, DEADLINE);
    caller.call.reads = true;
    ck_assert_int_eq(caller_call(&caller), PAWL_EUNREACHABLE);
    ck_assert_int_le(fake_redis_rate(&caller.fake, "EVALSHA", 0, 1000), RATE_MOST);
    caller_close(&caller);
}
END_TEST

/* First the answer is lost, then the repeat is refused: that refusal says nothing of
 * the first. */
static enum fake_next lose_then_refuse(void *context, const struct fake_request *request,
                                       struct buf *reply)
{
    const char **refusal = context;

    if (!request->name[0] || fake_redis_greet(request, reply))
        return FAKE_GO_ON;
    if (request->connection == 1)
        return FAKE_CUT;
    buf_printf(reply, "-%s\r\n", *refusal);
    return FAKE_GO_ON;
}

START_TEST(lost_then_refused)
{
    const char *refusal = redis_rows[_i].reply;
    struct caller caller;

    caller_open(&caller, (struct plan){ .times = 0 }, 500);
    fake_redis_lock(&caller.fake);
    caller.fake.answer = lose_then_refuse;
    caller.fake.context = &refusal;
    fake_redis_unlock(&caller.fake);
    ck_assert_int_eq(caller_call(&caller), PAWL_EUNKNOWN);
    caller_says(&caller, "maybe done");
    caller_close(&caller);
}
END_TEST

/* --- answers that are none ---------------------------------------------------------- */

static enum fake_next garbage_answer(void *context, const struct fake_request *request,
                                     struct buf *reply)
{
    const char *const *garbage = context;

    if (!request->name[0] || fake_redis_greet(request, reply))
        return FAKE_GO_ON;
    buf_str(reply, *garbage);
    return FAKE_GO_ON;
}

/* What is not the protocol, is too large, or ends in the middle: the connection is
 * closed, and nobody takes it for an answer. */
START_TEST(garbage)
{
    static const char *const texts[] = {
        "HTTP/1.1 400 Bad Request\r\n\r\n", "\r\n", "$-7\r\n", "$x\r\n",
        "$99999999999\r\n", "*9999999999\r\n", "*1000001\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
        "$5\r\nab", "*2\r\n:1\r\n", "+O",
    };
    const char *text = texts[_i];
    struct caller caller;

    caller_open(&caller, (struct plan){ .times = 0 }, 600);
    caller.client.settings.reply_timeout = 200;
    fake_redis_lock(&caller.fake);
    caller.fake.answer = garbage_answer;
    caller.fake.context = &text;
    fake_redis_unlock(&caller.fake);
    ck_assert_int_eq(caller_call(&caller), PAWL_EUNKNOWN);
    ck_assert_int_ge(caller_sent(&caller, NULL), caller_sent(&caller, "EVALSHA"));
    ck_assert_int_le(fake_redis_rate(&caller.fake, "EVALSHA", 0, 1000), RATE_MOST);
    caller.call.reads = true;
    ck_assert_int_lt(caller_call(&caller), 0);
    ck_assert_int_ne(caller.err.status, PAWL_EUNKNOWN);
    caller.client.deadline = LONG_DEADLINE;
    fake_redis_lock(&caller.fake);
    text = "+OK\r\n";
    fake_redis_unlock(&caller.fake);
    ck_assert_int_eq(caller_call(&caller), PAWL_OK);
    caller_close(&caller);
}
END_TEST

/* --- many threads -------------------------------------------------------------------- */

#define THREADS 16

static void *call_in_thread(void *arg)
{
    struct caller *caller = arg;
    struct pawl_error err = { 0 };
    redisReply *reply = NULL;

    ck_assert_int_lt(redis_call(&caller->client, &caller->call, &reply, &err), 0);
    ck_assert_msg(strstr(err.message, "still loads its data") != NULL, "%s", err.message);
    return NULL;
}

/* Once it is known to fail, all threads together ask no more often than one. */
START_TEST(many_threads)
{
    pthread_t threads[THREADS];
    struct caller caller;
    int64_t known;

    caller_open(&caller, (struct plan){ .name = "EVALSHA", .reply = "LOADING x",
                                      .times = -1 }, 500);
    caller_call(&caller);
    caller.client.deadline = 2500;
    known = clock_mono_ns();
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call_in_thread, &caller), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_le(fake_redis_rate(&caller.fake, "EVALSHA", known, 1000), RATE_MOST);
    ck_assert_int_ge(fake_redis_count(&caller.fake, "EVALSHA", known), 2);
    caller_close(&caller);
}
END_TEST

/* Nearly all of their time they wait. */
int main(void)
{
    const struct lane_test tests[] = {
        { to_each_request, redis_row_count },
        { to_two_requests, redis_row_count },
        { failed_inside, FAILED_INSIDE },
        { denied_outside },
        { other_slots_go_on, 3 },
        { bounded_repeats },
        { no_script },
        { to_each_greeting, redis_row_count },
        { before_a_greeting, redis_row_count },
        { opening },
        { in_the_midst, redis_row_count },
        { no_script_in_the_midst },
        { lost_answers },
        { lost_then_refused, redis_row_count },
        { garbage, 11 },
        { many_threads },
    };
    return lanes_run("redis_errors", tests, sizeof tests / sizeof *tests, 8, 120, NULL,
                     NULL);
}
