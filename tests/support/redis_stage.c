/* redis_stage.c - the servers of redis_server.h for shell scripts, and by hand.
 *
 *   redis_stage plain|tls|acl|sentinel|cluster [--OPTION VALUE...]...
 *
 * starts them, prints the URL for pawl and the unix socket of (the first of) them,
 * a line each, and waits for the end of its standard input: so they are gone with
 * whoever holds the other end. A script does
 *
 *   mkfifo in out
 *   redis_stage plain <in >out & exec 3>in 4<out
 *   read -r url <&4; read -r socket <&4
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "redis_cluster.h"
#include "redis_sentinels.h"
#include "storage/redis/redis_health.h"

static struct redis_server server;
static struct redis_sentinels sentinels;
static struct redis_cluster cluster;

static void wait_for_the_end(const char *url, const struct redis_server *first)
{
    char rest[256];
    printf("%s\n%s\n", url, first->socket);
    fflush(stdout);
    while (read(STDIN_FILENO, rest, sizeof rest) > 0)
        continue;
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    const char *const *options = (const char *const *)argv + 2;
    char rights[2048];
    if (strcmp(kind, "sentinel") == 0) {
        redis_sentinels_start(&sentinels, options);
        wait_for_the_end(sentinels.url, &sentinels.node[0]);
        redis_sentinels_stop(&sentinels);
        return 0;
    }
    if (strcmp(kind, "cluster") == 0) {
        redis_cluster_start(&cluster, options);
        wait_for_the_end(cluster.url, &cluster.node[0]);
        redis_cluster_stop(&cluster);
        return 0;
    }
    if (strcmp(kind, "plain") == 0) {
        redis_server_start(&server, options);
    } else if (strcmp(kind, "tls") == 0) {
        redis_tls_start(&server, false, options);
    } else if (strcmp(kind, "acl") == 0) {
        redis_rights(&(struct redis_settings){ .prefix = "pawl:" }, rights,
                     sizeof rights);
        redis_acl_start(&server, rights, options);
    } else {
        fprintf(stderr, "usage: redis_stage plain|tls|acl|sentinel|cluster "
                        "[--OPTION VALUE...]...\n");
        return 2;
    }
    wait_for_the_end(server.url, &server);
    redis_server_stop(&server);
    return 0;
}
