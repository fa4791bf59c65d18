/* spawn.h - starting a command with pipes on its three standard descriptors.
 *
 * The child has a process group of its own, nothing else that its parent had
 * open, no blocked or ignored signals, and is killed when the thread that
 * started it dies.
 */
#ifndef PAWL_CLI_SPAWN_H
#define PAWL_CLI_SPAWN_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

struct spawn_command {
    char *path;          /* what execve gets */
    char *const *argv;   /* NULL-terminated */
    bool restore_nofile; /* the parent raised its limit of descriptors; the
                            child gets the old one */
    struct rlimit nofile;
};

struct spawn_child {
    pid_t pid;
    int pidfd; /* readable when the child has ended; -1 where unavailable */
    int in, out, err; /* our ends, non-blocking */
};

enum spawn_failure {
    SPAWN_OK,
    SPAWN_NO_RESOURCES, /* no process or descriptor to be had; try later */
    SPAWN_NO_COMMAND    /* the command could not be executed */
};

/* Find a command as a shell would: by PATH, unless it has a slash. *path is
 * yours to free(). 0, ENOENT, EACCES (there, but not executable), or ENOMEM. */
int spawn_find(const char *name, char **path);

/* Start it. Waits until the command runs or could not be executed, which is
 * short. *error is an errno when the answer is not SPAWN_OK. */
enum spawn_failure spawn_start(const struct spawn_command *command,
                               char *const *envp, struct spawn_child *out,
                               int *error);
/* Close what is open of the child's descriptors. Does not wait for it. */
void spawn_close(struct spawn_child *child);

#endif
