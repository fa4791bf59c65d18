/* redis_resolve.c - see redis_resolve.h.
 *
 * getaddrinfo() takes as long as it likes: half a minute where the name servers do
 * not answer. So a name is looked up by a thread of its own, which is left behind
 * when it takes too long and then frees what it has. An IP address needs none of
 * that. Connecting is rare and takes longer than starting a thread.
 */
#include "storage/redis/redis_resolve.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/thread.h"

struct lookup {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool done, abandoned;
    int result;
    struct addrinfo *found;
    char port[16];
    char host[];
};

static int look_up(const char *host, const char *port, int flags,
                   struct addrinfo **out)
{
    struct addrinfo hints = { .ai_flags = flags | AI_NUMERICSERV,
                              .ai_socktype = SOCK_STREAM };
    return getaddrinfo(host, port, &hints, out);
}

static void lookup_free(struct lookup *self)
{
    if (self->found)
        freeaddrinfo(self->found);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}

static void *lookup_run(void *arg)
{
    struct lookup *self = arg;
    struct addrinfo *found = NULL;
    int result = look_up(self->host, self->port, 0, &found);
    pthread_mutex_lock(&self->mutex);
    self->done = true;
    self->result = result;
    self->found = result == 0 ? found : NULL;
    bool abandoned = self->abandoned;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->mutex);
    if (abandoned)
        lookup_free(self);
    return NULL;
}

static struct lookup *lookup_new(const char *host, const char *port)
{
    size_t size = strlen(host) + 1;
    struct lookup *self = calloc(1, sizeof *self + size);
    if (!self)
        return NULL;
    memcpy(self->host, host, size);
    snprintf(self->port, sizeof self->port, "%s", port);
    pthread_mutex_init(&self->mutex, NULL);
    if (thread_cond_init(&self->changed) == 0)
        return self;
    pthread_mutex_destroy(&self->mutex);
    free(self);
    return NULL;
}

/* True when it is done; else the thread has it from now on. */
static bool lookup_await(struct lookup *self, int64_t deadline)
{
    struct timespec until = clock_timespec(deadline);
    int rc = 0;
    pthread_mutex_lock(&self->mutex);
    while (!self->done && rc == 0)
        rc = pthread_cond_timedwait(&self->changed, &self->mutex, &until);
    bool done = self->done;
    self->abandoned = !done;
    pthread_mutex_unlock(&self->mutex);
    return done;
}

int redis_resolve(const char *host, int port, int64_t deadline,
                  struct addrinfo **out)
{
    char number[16];
    pthread_t thread;
    snprintf(number, sizeof number, "%d", port);
    if (look_up(host, number, AI_NUMERICHOST, out) == 0)
        return 0;
    struct lookup *self = lookup_new(host, number);
    if (!self)
        return EAI_MEMORY;
    if (thread_start(&thread, lookup_run, self, "pawl-resolve") != 0) {
        lookup_free(self);
        return EAI_AGAIN;
    }
    if (!lookup_await(self, deadline)) {
        pthread_detach(thread);
        return REDIS_RESOLVE_LATE;
    }
    pthread_join(thread, NULL);
    int result = self->result;
    *out = self->found;
    self->found = NULL;
    lookup_free(self);
    return result;
}
