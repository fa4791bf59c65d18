/* fork.c - the list of open handles, for the moment of a fork.
 *
 * The handlers are registered once and stay. The list's lock is held across the
 * fork, so the child sees it whole; the child does nothing but close() and plain
 * stores, which is all that is safe there.
 */
#include "util/fork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static pthread_mutex_t fork_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static struct fork_guard *fork_first;
static atomic_uint fork_generation = 1;
static bool fork_ready;

static void fork_before(void)
{
    pthread_mutex_lock(&fork_lock);
}

static void fork_parent(void)
{
    pthread_mutex_unlock(&fork_lock);
}

static void fork_child(void)
{
    for (struct fork_guard *f = fork_first; f; f = f->next) {
        for (int i = 0; i < FORK_DESCRIPTORS; i++) {
            if (f->fds[i] && *f->fds[i] >= 0) {
                close(*f->fds[i]);
                *f->fds[i] = -1;
            }
        }
    }
    /* The handles stay as they are: their memory was never ours to free. */
    fork_first = NULL;
    atomic_fetch_add(&fork_generation, 1);
    pthread_mutex_unlock(&fork_lock);
}

static void fork_register(void)
{
    fork_ready = pthread_atfork(fork_before, fork_parent, fork_child) == 0;
}

bool fork_watch(struct fork_guard *fork)
{
    pthread_once(&fork_once, fork_register);
    if (!fork_ready)
        return false;
    pthread_mutex_lock(&fork_lock);
    fork->generation = atomic_load(&fork_generation);
    fork->next = fork_first;
    fork->link = &fork_first;
    if (fork_first)
        fork_first->link = &fork->next;
    fork_first = fork;
    pthread_mutex_unlock(&fork_lock);
    return true;
}

void fork_unwatch(struct fork_guard *fork)
{
    if (fork->generation == 0)
        return;
    pthread_mutex_lock(&fork_lock); /* a neighbour that goes writes our link */
    *fork->link = fork->next;
    if (fork->next)
        fork->next->link = fork->link;
    fork->generation = 0;
    pthread_mutex_unlock(&fork_lock);
}

bool fork_crossed(const struct fork_guard *fork)
{
    return fork->generation !=
           atomic_load_explicit(&fork_generation, memory_order_relaxed);
}
