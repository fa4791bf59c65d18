/* relay_turns.c - see relay_turns.h. */
#include "storage/relay_turns.h"

void relay_turns_init(struct relay_turns *turns)
{
    *turns = (struct relay_turns){ .given = 0 };
    pthread_mutex_init(&turns->holding, NULL);
    pthread_mutex_init(&turns->mutex, NULL);
    pthread_cond_init(&turns->changed, NULL);
}

void relay_turns_clear(struct relay_turns *turns)
{
    pthread_cond_destroy(&turns->changed);
    pthread_mutex_destroy(&turns->mutex);
    pthread_mutex_destroy(&turns->holding);
}

void relay_turns_lock(struct relay_turns *turns)
{
    if (turns)
        pthread_mutex_lock(&turns->holding);
}

uint64_t relay_turns_unlock(struct relay_turns *turns, bool held)
{
    uint64_t turn = 0;

    if (!turns)
        return turn;
    if (held)
        turn = turns->given++;
    pthread_mutex_unlock(&turns->holding);
    return turn;
}

enum pawl_status relay_turns_begin(struct relay_turns *turns, uint64_t turn,
                                   struct pawl_error *err)
{
    bool failed;

    if (!turns)
        return PAWL_OK;
    pthread_mutex_lock(&turns->mutex);
    while (turns->served != turn)
        pthread_cond_wait(&turns->changed, &turns->mutex);
    failed = turns->failed;
    pthread_mutex_unlock(&turns->mutex);
    return failed ? pawl_error_set(err, PAWL_ECLOSED, "the batch before it failed")
                  : PAWL_OK;
}

void relay_turns_end(struct relay_turns *turns, enum pawl_status status)
{
    if (!turns)
        return;
    pthread_mutex_lock(&turns->mutex);
    turns->served++;
    turns->failed = turns->failed || status < 0;
    pthread_cond_broadcast(&turns->changed);
    pthread_mutex_unlock(&turns->mutex);
}
