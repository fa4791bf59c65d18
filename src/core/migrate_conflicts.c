/* migrate_conflicts.c - ids and unique keys that are on both sides.
 *
 * Looked for only where the target has jobs in the queue: of at most MOST of them a
 * hash of the id and of the key is remembered, and the source is gone through. Two
 * different ones with one hash of 64 bits would be counted wrongly, and only that.
 */
#include "core/migrate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MOST 200000
#define PAGE 500

struct seen {
    uint64_t *hashes;
    size_t count, room;
};

static uint64_t hash(const void *bytes, size_t size, uint64_t seed)
{
    const uint8_t *at = bytes;
    uint64_t h = 14695981039346656037u ^ seed;
    size_t i;

    for (i = 0; i < size; i++)
        h = (h ^ at[i]) * 1099511628211u;
    return h;
}

static uint64_t id_hash(const struct pawl_job *job)
{
    return hash(job->id.b, sizeof job->id.b, 1);
}

static uint64_t key_hash(const struct pawl_job *job)
{
    return hash(job->key, strlen(job->key), 2);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Would it hold its key now? A throttle that has long ended is told, too. */
static bool holds_key(const struct pawl_job *job)
{
    return job->key[0] && (job->key_mode == PAWL_KEY_THROTTLE ||
                           job->state <= PAWL_FAILED);
}

static bool remember(struct seen *seen, uint64_t number)
{
    uint64_t *more;

    if (seen->count == seen->room) {
        size_t room = seen->room ? 2 * seen->room : 1024;
        more = realloc(seen->hashes, room * sizeof *more);
        if (!more)
            return false;
        seen->hashes = more;
        seen->room = room;
    }
    seen->hashes[seen->count++] = number;
    return true;
}

static bool is_seen(const struct seen *seen, uint64_t number)
{
    return seen->count > 0 && bsearch(&number, seen->hashes, seen->count,
                                      sizeof number, by_value) != NULL;
}

/* --- going through ------------------------------------------------------------------ */

static enum pawl_status walk_all(struct storage_walk *walk, unsigned states,
                                 struct pawl_error *err)
{
    enum pawl_status status = PAWL_OK;
    int state;

    for (state = PAWL_STATE_FIRST; state <= PAWL_STATE_LAST; state++)
        if ((states & PAWL_STATE_BIT(state)) && status == PAWL_OK)
            status = storage_walk(walk, (enum pawl_state)state, err);
    return status;
}

static bool note_theirs(void *context, const struct pawl_job *job)
{
    struct seen *seen = context;

    return seen->count < MOST && remember(seen, id_hash(job)) &&
           (!holds_key(job) || remember(seen, key_hash(job)));
}

struct both {
    struct seen seen;
    uint64_t ids, keys;
    char key[64]; /* the first */
};

static bool compare_ours(void *context, const struct pawl_job *job)
{
    struct both *both = context;

    if (is_seen(&both->seen, id_hash(job))) {
        both->ids++;
    } else if (holds_key(job) && is_seen(&both->seen, key_hash(job))) {
        if (both->keys++ == 0)
            strncpy(both->key, job->key, sizeof both->key - 1);
    }
    return true;
}

static void tell(struct pawl_migration *m, const char *queue, const struct both *both)
{
    if (both->seen.count >= MOST)
        migrate_problem(m, false,
                        "queue '%s' has so many jobs at the target that not all were "
                        "compared", queue);
    if (both->ids > 0)
        migrate_problem(m, false,
                        "%" PRIu64 " jobs of '%s' are at the target already: theirs "
                        "stay, ours are dropped", both->ids, queue);
    if (both->keys > 0)
        migrate_problem(m, false,
                        "%" PRIu64 " unique keys of '%s' are held on both sides, as "
                        "'%s': their holders stay, our jobs arrive as cancelled",
                        both->keys, queue, both->key);
}

enum pawl_status migrate_conflicts_find(struct pawl_migration *m,
                                        const struct pawl_migrate_queue *queue,
                                        struct pawl_error *err)
{
    struct both both = { .ids = 0 };
    struct storage_walk theirs = { .storage = m->to, .queue = queue->name, .page = PAGE,
                                   .visit = note_theirs, .context = &both.seen };
    struct storage_walk ours = { .storage = m->from, .queue = queue->name, .page = PAGE,
                                 .visit = compare_ours, .context = &both };
    enum pawl_status status = walk_all(&theirs, ~0u, err);

    if (status == PAWL_OK && both.seen.count > 0) {
        qsort(both.seen.hashes, both.seen.count, sizeof *both.seen.hashes, by_value);
        status = walk_all(&ours, m->options.states, err);
    }
    if (status == PAWL_OK)
        tell(m, queue->name, &both);
    free(both.seen.hashes);
    return status;
}
