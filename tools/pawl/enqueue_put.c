/* enqueue_put.c - see enqueue_put.h. */
#include "enqueue_put.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "json.h"

#define ENQUEUE_TRIES 5

static int enqueue_print(struct cli *cli, const char *key,
                         const struct pawl_put_result *result)
{
    char id[PAWL_ID_TEXT];
    pawl_id_format(result->id, id);
    if (result->status == PAWL_KEY_TAKEN)
        cli_note(cli, "key '%.200s' is held by job %s, nothing was added",
                 key ? key : "", id);
    if (!cli->json) {
        puts(id);
        return CLI_DONE;
    }
    return cli_json(cli, json_pack("{s:s, s:s}", "id", id, "status",
                                   pawl_status_name(result->status)));
}

static void enqueue_pause(int tries)
{
    long ms = 50L << tries;
    struct timespec time = {.tv_sec = ms / 1000,
                            .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* Jobs that were sent and perhaps stored keep the ids they were sent with. */
static void enqueue_keep_ids(struct pawl_new_job *jobs,
                             const struct pawl_put_result *results, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!pawl_id_is_zero(results[i].id))
            jobs[i].id = results[i].id;
}

int enqueue_put_many(struct cli *cli, struct pawl_new_job *jobs, size_t count,
                     struct pawl_put_result *results)
{
    struct pawl_error err = {0};
    enum pawl_status status = PAWL_EUNKNOWN;
    int code = CLI_DONE;
    memset(results, 0, count * sizeof *results);
    for (int tries = 0; status == PAWL_EUNKNOWN && tries < ENQUEUE_TRIES; tries++) {
        if (tries > 0)
            enqueue_pause(tries);
        status = pawl_enqueue_many(cli->pawl, jobs, count, results, &err);
        if (status == PAWL_EUNKNOWN)
            enqueue_keep_ids(jobs, results, count);
    }
    if (status < 0) {
        if (status == PAWL_EUNKNOWN)
            cli_note(cli, "it is not known whether the jobs were stored");
        return cli_error(cli, status, &err);
    }
    for (size_t i = 0; i < count && code == CLI_DONE; i++)
        code = results[i].status < 0
                   ? cli_error(cli, results[i].status, NULL)
                   : enqueue_print(cli, jobs[i].key, &results[i]);
    return code;
}

int enqueue_put_one(struct cli *cli, const struct pawl_new_job *like,
                    const void *payload, size_t size)
{
    struct pawl_new_job job = *like;
    struct pawl_put_result result = {.status = PAWL_EUNKNOWN};
    struct pawl_error err = {0};
    job.payload = payload;
    job.payload_size = size;
    for (int tries = 0; tries < ENQUEUE_TRIES; tries++) {
        if (tries > 0)
            enqueue_pause(tries);
        result.status = pawl_enqueue(cli->pawl, &job, &result.id, &err);
        if (result.status != PAWL_EUNKNOWN)
            break;
        job.id = result.id;
    }
    if (result.status == PAWL_EUNKNOWN) {
        char id[PAWL_ID_TEXT];
        pawl_id_format(result.id, id);
        return cli_failed(cli, "job %s may or may not have been stored: %s",
                          id, err.message);
    }
    return result.status < 0 ? cli_error(cli, result.status, &err)
                             : enqueue_print(cli, job.key, &result);
}
