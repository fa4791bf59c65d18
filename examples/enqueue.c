/* enqueue.c - the smallest program: put one job into a queue.
 *
 * Run it, then see the job with `pawl list -q mail`. $PAWL_URL says where jobs
 * are kept; without it, in the default file.
 */
#include <pawl.h>
#include <stdio.h>

int main(void)
{
    struct pawl_error err = {0};
    struct pawl *pawl = NULL;
    if (pawl_open(NULL, NULL, &pawl, &err) != PAWL_OK)
        return fprintf(stderr, "%s\n", err.message), 1;
    struct pawl_new_job job = {
        .queue = "mail", .payload = "hello", .payload_size = 5};
    enum pawl_status status = pawl_enqueue(pawl, &job, NULL, &err);
    pawl_close(pawl);
    if (status < 0) // PAWL_SPOOLED, while a Redis is away, is stored too
        return fprintf(stderr, "%s\n", err.message), 1;
    return 0;
}
