/* test_redis_error.c - error replies, worded as real servers word them (7.0.15, and
 * later ones where they differ), and the redirections among them. */
#include "program.h"
#include "storage/redis/redis_error.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

struct said {
    const char *text;
    enum redis_action action;
    enum pawl_status status;
};
#define IN_SCRIPT " script: 2f232303b1039e54b1f901a1d262474a7d94c790, on @user_script:1."

static const struct said said[] = {
    { "LOADING Redis is loading the dataset in memory", REDIS_LATER, PAWL_EUNREACHABLE },
    { "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN "
      "NOSAVE.", REDIS_LATER, PAWL_EUNREACHABLE },
    { "BUSYKEY Target key name already exists.", REDIS_BROKEN, PAWL_ECORRUPT },
    { "TRYAGAIN Multiple keys request during rehashing of slot", REDIS_SLOT_LATER,
      PAWL_EUNREACHABLE },
    { "CLUSTERDOWN Hash slot not served", REDIS_SLOT_LATER, PAWL_EUNREACHABLE },
    { "ERR max number of clients reached", REDIS_LATER, PAWL_EUNREACHABLE },
    { "ERR max number of clients + cluster connections reached", REDIS_LATER,
      PAWL_EUNREACHABLE },
    { "ERR Script killed by user with SCRIPT KILL..." IN_SCRIPT, REDIS_LATER,
      PAWL_EUNREACHABLE },
    { "NOREPLICAS Not enough good replicas to write." IN_SCRIPT, REDIS_LATER,
      PAWL_EUNREACHABLE },
    { "READONLY You can't write against a read only replica." IN_SCRIPT, REDIS_RESOLVE,
      PAWL_EUNREACHABLE },
    { "OOM command not allowed when used memory > 'maxmemory'." IN_SCRIPT, REDIS_REFUSED,
      PAWL_EFULL },
    { "MISCONF Redis is configured to save RDB snapshots, but" IN_SCRIPT, REDIS_REFUSED,
      PAWL_EIO },
    { "WRONGTYPE Operation against a key" IN_SCRIPT, REDIS_DAMAGED, PAWL_ECORRUPT },
    { "ERR user_script:1: attempt to index local 'x' (a nil value)" IN_SCRIPT,
      REDIS_DAMAGED, PAWL_ECORRUPT },
    { "ERR The user executing the script can't run this command or subcommand" IN_SCRIPT,
      REDIS_BROKEN, PAWL_EDENIED },
    { "ERR The user executing the script can't access at least one of the keys" IN_SCRIPT,
      REDIS_BROKEN, PAWL_EDENIED },
    { "ERR ACL failure in script: User bob has no permissions to run 'set'" IN_SCRIPT,
      REDIS_BROKEN, PAWL_EDENIED },
    { "NOPERM this user has no permissions to run the 'set' command", REDIS_REFUSED,
      PAWL_EDENIED },
    { "NOPERM this user has no permissions" IN_SCRIPT, REDIS_BROKEN, PAWL_EDENIED },
    { "NOAUTH Authentication required.", REDIS_REFUSED, PAWL_EDENIED },
    { "ERR unknown command 'FOO', with args beginning with: 'a'", REDIS_REFUSED,
      PAWL_EFORMAT },
    { "CROSSSLOT Keys in request don't hash to the same slot", REDIS_REFUSED,
      PAWL_EFORMAT },
    { "UNKILLABLE Sorry the script already executed write commands", REDIS_BROKEN,
      PAWL_ECORRUPT },
    { "ERR", REDIS_BROKEN, PAWL_ECORRUPT },
    { "", REDIS_BROKEN, PAWL_ECORRUPT },
    { "GARBAGE", REDIS_BROKEN, PAWL_ECORRUPT },
};

static redisReply *error_reply(const char *text)
{
    redisReader *reader = redisReaderCreate();
    char line[512];
    void *reply = NULL;
    int size = snprintf(line, sizeof line, "-%s\r\n", text);

    redisReaderFeed(reader, line, (size_t)size);
    ck_assert_int_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
    ck_assert_ptr_nonnull(reply);
    redisReaderFree(reader);
    return reply;
}

START_TEST(errors_are_known)
{
    const struct redis_address address = { "::1", 6379 };
    const struct said *row = &said[_i];
    redisReply *reply = error_reply(row->text);
    struct pawl_error err = { 0 };
    enum pawl_status status;

    ck_assert_int_eq(redis_error_action(reply, &status), row->action);
    ck_assert_int_eq(status, row->status);
    ck_assert_int_eq(redis_error_say(reply, status, &address, &err), row->status);
    ck_assert_msg(strncmp(err.message, "redis at [::1]:6379: ", 21) == 0, "%s",
                  err.message);
    ck_assert_ptr_null(strchr(err.message, '\n'));
    redis_error_say(reply, status, &address, NULL);
    freeReplyObject(reply);
}
END_TEST

/* A server that has no AUTH repeats the command with its arguments. */
START_TEST(password_is_kept)
{
    const struct redis_address address = { "h", 1 };
    redisReply *reply =
        error_reply("ERR unknown command 'AUTH', with args beginning with: 's3cret' ");
    struct pawl_error err = { 0 };

    redis_error_say(reply, PAWL_EFORMAT, &address, &err);
    ck_assert_ptr_null(strstr(err.message, "s3cret"));
    ck_assert_ptr_nonnull(strstr(err.message, "'AUTH'"));
    freeReplyObject(reply);
}
END_TEST

START_TEST(redirections)
{
    static const struct {
        const char *text, *host; /* NULL: cannot be followed */
        int slot, port;
    } rows[] = {
        { "MOVED 3999 127.0.0.1:6381", "127.0.0.1", 3999, 6381 },
        { "ASK 0 node.example:1", "node.example", 0, 1 },
        { "MOVED 16383 :6381", "same", 16383, 6381 },
        { "MOVED 5 2001:db8::1:7000", "2001:db8::1", 5, 7000 },
        { "MOVED 5 ?:7000", NULL, 0, 0 },
        { "MOVED 16384 h:1", NULL, 0, 0 },
        { "MOVED 99999999999999999999 h:1", NULL, 0, 0 },
        { "MOVED -1 h:1", NULL, 0, 0 },
        { "MOVED 1 h:0", NULL, 0, 0 },
        { "MOVED 1 h:65536", NULL, 0, 0 },
        { "MOVED 1 h:12x", NULL, 0, 0 },
        { "MOVED 1 h", NULL, 0, 0 },
        { "MOVED 1", NULL, 0, 0 },
        { "MOVED", NULL, 0, 0 },
        { "MOVED  h:1", NULL, 0, 0 },
    };
    const struct redis_address same = { "same", 6379 };
    struct redis_address to;
    int slot;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        redisReply *reply = error_reply(rows[i].text);
        bool found = redis_error_redirect(reply, &same, &slot, &to);

        ck_assert_msg(found == (rows[i].host != NULL), "%s", rows[i].text);
        if (found) {
            ck_assert_str_eq(to.host, rows[i].host);
            ck_assert_int_eq(to.port, rows[i].port);
            ck_assert_int_eq(slot, rows[i].slot);
        }
        freeReplyObject(reply);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis_error");
    TCase *t = tcase_create("error");

    tcase_add_loop_test(t, errors_are_known, 0, (int)(sizeof said / sizeof *said));
    tcase_add_test(t, password_is_kept);
    tcase_add_test(t, redirections);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
