/* migrate_who.c - see migrate_who.h. */
#include "core/migrate_who.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The process ids that we see, and until when they mean what they mean. */
static void read_world(char *text, size_t size)
{
    char boot[64] = "", space[64] = "";
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    ssize_t n = readlink("/proc/self/ns/pid", space, sizeof space - 1);

    if (f) {
        if (fscanf(f, "%63s", boot) != 1)
            boot[0] = '\0';
        fclose(f);
    }
    space[n < 0 ? 0 : n] = '\0';
    snprintf(text, size, "%s,%s", boot, space);
}

void migrate_who_write(char who[MIGRATE_WHO_MAX], pawl_time now)
{
    char host[80] = "", world[150];

    gethostname(host, sizeof host - 1);
    read_world(world, sizeof world);
    snprintf(who, MIGRATE_WHO_MAX, "%s\n%ld\n%" PRId64 "\n%s\n", host, (long)getpid(), now,
             world);
}

bool migrate_who_read(const struct pawl_job *job, struct migrate_who *who)
{
    char text[MIGRATE_WHO_MAX + 1];
    size_t n = job->payload_size < MIGRATE_WHO_MAX ? job->payload_size : MIGRATE_WHO_MAX;

    memcpy(text, job->payload, n);
    text[n] = '\0';
    return sscanf(text, "%79[^\n]\n%ld\n%" SCNd64 "\n%149[^\n]", who->host, &who->pid,
                  &who->since, who->world) == 4;
}

bool migrate_who_is_near(const struct migrate_who *who)
{
    char world[150];

    read_world(world, sizeof world);
    return strcmp(world, who->world) == 0 && who->pid > 0;
}

bool migrate_who_is_dead(const struct migrate_who *who)
{
    return kill((pid_t)who->pid, 0) != 0 && errno == ESRCH;
}
