/* sqlite_checkpoint.c - when the WAL is emptied, and how.
 *
 * PASSIVE does what can be done beside readers and waits for nobody. The next
 * commit begins the WAL anew, in place, if it was copied whole and no reader is
 * left in it. Only a file that grew very large behind a long reader is cut.
 */
#include "sqlite_checkpoint.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "sqlite_ballast.h"
#include "sqlite_storage.h"

#define CHECKPOINT_FRAMES 2000
/* At an instance's first commit. Who opens a file that nobody has open reads through
 * its WAL, and commands in a shell do so each time: with 256 frames here that was 13 %
 * of a lone enqueue, of which each adds six or seven. It is cut then: that it was copied
 * is known only while somebody has it open. */
#define CHECKPOINT_FIRST 96
#define CHECKPOINT_AGAIN 1000 /* more, while readers hold on to the WAL */
#define CHECKPOINT_WAL_LARGE (32 << 20)
#define CHECKPOINT_TRUNCATE_WAIT_MS 50

static bool wal_is_large(const struct sqlite_storage *s)
{
    char name[PATH_MAX];
    struct stat st;
    snprintf(name, sizeof name, "%s-wal", s->path);
    return stat(name, &st) == 0 && st.st_size > CHECKPOINT_WAL_LARGE;
}

static void checkpoint(struct sqlite_storage *s, bool cut)
{
    struct sqlite_db *db = &s->writer;
    int frames = 0, copied = 0;
    int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE,
                                       &frames, &copied);
    if (rc == SQLITE_OK && copied >= frames && (cut || wal_is_large(s))) {
        sqlite3_busy_timeout(db->handle, CHECKPOINT_TRUNCATE_WAIT_MS);
        rc = sqlite3_wal_checkpoint_v2(db->handle, NULL,
                                       SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    if (rc != SQLITE_OK && sqlite_failure(db, rc, "checkpoint", NULL) == PAWL_EIO)
        sqlite_distrust(s, rc);
}

void checkpoint_now(struct sqlite_storage *s)
{
    checkpoint(s, false);
}

void checkpoint_if_due(struct sqlite_storage *s)
{
    int frames = s->writer.frames;
    if (s->checkpoint_at == 0 && frames >= CHECKPOINT_FIRST) {
        checkpoint(s, true);
        s->checkpoint_at = CHECKPOINT_FRAMES;
    } else if (frames < CHECKPOINT_FRAMES) {
        s->checkpoint_at = CHECKPOINT_FRAMES; /* the WAL began anew */
    } else if (frames >= s->checkpoint_at) {
        checkpoint_now(s);
        s->checkpoint_at = frames + CHECKPOINT_AGAIN;
        ballast_keep(s->path);
    }
}
