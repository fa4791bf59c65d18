/* migrate_note.c - see migrate_note.h. */
#include "core/migrate_note.h"

#include <stdio.h>
#include <string.h>

#include "util/random.h"

#define NOTE_QUEUE "\1migrate"
#define NOTE_KEY   "note"
#define BACK_KEY   "back" /* which is all that it says */
#define MARK_HEX   (2 * (int)sizeof(struct pawl_session))

static const char digits[] = "0123456789abcdef";

/* MARK MODE TO, a blank between them; TO is the rest. */
static void print_note(const struct migrate_note *note, char *text, size_t size)
{
    char mark[MARK_HEX + 1] = "";
    size_t i;

    for (i = 0; i < sizeof note->mover.b; i++) {
        mark[2 * i] = digits[note->mover.b[i] >> 4];
        mark[2 * i + 1] = digits[note->mover.b[i] & 15];
    }
    snprintf(text, size, "%s %s %s", mark, note->copy ? "copy" : "move", note->to);
}

static bool read_hex(const char *text, struct pawl_session *mover)
{
    int i;

    memset(mover, 0, sizeof *mover);
    for (i = 0; i < MARK_HEX; i++) {
        const char *at = strchr(digits, text[i]);
        if (!text[i] || !at)
            return false;
        mover->b[i / 2] = (uint8_t)(mover->b[i / 2] << 4 | (at - digits));
    }
    return text[MARK_HEX] == ' ';
}

static bool parse_note(const struct pawl_job *job, struct migrate_note *note)
{
    char text[sizeof note->to + 64];
    const char *rest = text + MARK_HEX + 1;

    if (job->payload_size >= sizeof text)
        return false;
    memcpy(text, job->payload, job->payload_size);
    text[job->payload_size] = '\0';
    if (strcmp(text, BACK_KEY) == 0) {
        note->ids[1] = job->id;
        note->back = true;
        return true;
    }
    if (!read_hex(text, &note->mover) ||
        (strncmp(rest, "copy ", 5) != 0 && strncmp(rest, "move ", 5) != 0))
        return false;
    note->ids[0] = job->id;
    note->copy = rest[0] == 'c';
    snprintf(note->to, sizeof note->to, "%.*s", (int)sizeof note->to - 1, rest + 5);
    return true;
}

enum pawl_status migrate_note_read(struct pawl_storage *storage,
                                   struct migrate_note *note, struct pawl_error *err)
{
    struct pawl_job *jobs[2] = { NULL };
    struct pawl_list in = { .queue = NOTE_QUEUE, .state = PAWL_PENDING, .limit = 2 };
    struct pawl_list_reply out = { .jobs = jobs };
    enum pawl_status status = storage_list(storage, &in, &out, err);
    bool fine = true;
    size_t i;

    if (status < 0)
        return status;
    *note = (struct migrate_note){ .copy = false };
    for (i = 0; i < out.job_count; i++) {
        fine = fine && parse_note(jobs[i], note);
        pawl_job_free(jobs[i]);
    }
    if (out.job_count == 0)
        return PAWL_NOT_FOUND;
    if (!fine || !note->to[0])
        return pawl_error_set(err, PAWL_EFORMAT,
                              "'%s' keeps the note of a migration that this pawl "
                              "cannot read: upgrade pawl", storage->where);
    return PAWL_OK;
}

/* Under a key, so that there is one. */
static enum pawl_status put_note(struct pawl_storage *storage,
                                 const struct pawl_clock *clock, const char *key,
                                 const char *text, struct pawl_id *id,
                                 struct pawl_error *err)
{
    struct pawl_put_result result;
    struct pawl_new_job job = {
        .payload = text, .payload_size = strlen(text), .priority = 5,
        .max_attempts = 1, .key = key,
        .id = pawl_id_new(NOTE_QUEUE, clock->now(clock->context)),
    };
    struct pawl_put put = { .queue = NOTE_QUEUE, .seq = 1, .jobs = &job,
                            .job_count = 1 };
    enum pawl_status status;

    random_bytes(put.session.b, sizeof put.session.b);
    status = storage_put(storage, &put, &result, err);
    *id = job.id;
    return status < 0 ? status : result.status;
}

enum pawl_status migrate_note_write(struct pawl_storage *storage,
                                    const struct pawl_clock *clock,
                                    struct migrate_note *note, struct pawl_error *err)
{
    char text[sizeof note->to + 64];
    enum pawl_status status;

    random_bytes(note->mover.b, sizeof note->mover.b);
    print_note(note, text, sizeof text);
    status = put_note(storage, clock, NOTE_KEY, text, &note->ids[0], err);
    if (status == PAWL_KEY_TAKEN)
        return pawl_error_set(err, PAWL_EDENIED,
                              "another migration of '%s' has begun: run it again",
                              storage->where);
    return status < 0 ? status : PAWL_OK;
}

enum pawl_status migrate_note_turn_back(struct pawl_storage *storage,
                                        const struct pawl_clock *clock,
                                        struct migrate_note *note,
                                        struct pawl_error *err)
{
    enum pawl_status status;

    if (note->back)
        return PAWL_OK;
    status = put_note(storage, clock, BACK_KEY, BACK_KEY, &note->ids[1], err);
    note->back = status >= 0;
    return status < 0 ? status : PAWL_OK;
}

enum pawl_status migrate_note_remove(struct pawl_storage *storage,
                                     const struct migrate_note *note,
                                     struct pawl_error *err)
{
    enum pawl_status results[2];
    struct pawl_alter in = { .queue = NOTE_QUEUE, .kind = PAWL_ALTER_REMOVE,
                             .from_states = ~0u, .ids = note->ids,
                             .id_count = note->back ? 2 : 1 };
    struct pawl_alter_reply out = { .results = results };
    enum pawl_status status = storage_alter(storage, &in, &out, err);

    return status < 0 ? status : PAWL_OK;
}
