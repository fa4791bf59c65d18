/* sqlite_heal.c - making sure of the disk after an fsync that failed.
 *
 * When fsync fails, the kernel may mark the pages that it could not write as
 * clean: they can be read until they leave memory, but never get to the disk,
 * however often fsync succeeds afterwards. So a mere checkpoint is not enough:
 *
 *   - It overwrites the database relying on a WAL with holes. A power cut in the
 *     middle leaves a database that is half new and a WAL that cannot finish it.
 *     So first all of the WAL is written again, in place, and synced.
 *   - It skips what an earlier, partial checkpoint has copied, which may be among
 *     the lost pages. So each page of the database that the WAL has a frame of
 *     is written again, too. (Until the WAL is durable, no such page is touched,
 *     and from then on the WAL replaces them all.)
 *
 * Only then the rest is copied and the WAL emptied. Everything goes through
 * SQLite's own descriptors: closing one of ours would drop its locks.
 */
#include "sqlite_heal.h"

#include "sqlite_storage.h"

#define HEAL_CHUNK 65536 /* also the largest page */
#define WAL_HEADER 32
#define WAL_FRAME_HEADER 24

struct heal {
    sqlite3_file *wal, *database;
    sqlite3_int64 wal_size, database_size;
    unsigned char *chunk; /* HEAL_CHUNK bytes */
};

static uint32_t heal_number(const unsigned char b[4])
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int heal_open(struct heal *h, sqlite3 *handle)
{
    int rc = sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER,
                                  &h->database);
    if (rc == SQLITE_OK)
        rc = sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER,
                                  &h->wal);
    if (rc != SQLITE_OK)
        return rc;
    if (!h->database->pMethods || !h->wal->pMethods)
        return SQLITE_CANTOPEN;
    h->chunk = sqlite3_malloc(HEAL_CHUNK);
    rc = h->chunk ? SQLITE_OK : SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = h->database->pMethods->xFileSize(h->database, &h->database_size);
    if (rc == SQLITE_OK)
        rc = h->wal->pMethods->xFileSize(h->wal, &h->wal_size);
    return rc;
}

/* Write `size` bytes again as they are. */
static int heal_rewrite(struct heal *h, sqlite3_file *file, int size,
                        sqlite3_int64 at)
{
    int rc = file->pMethods->xRead(file, h->chunk, size, at);
    return rc == SQLITE_OK ? file->pMethods->xWrite(file, h->chunk, size, at) : rc;
}

static int heal_wal(struct heal *h)
{
    int rc = SQLITE_OK;
    for (sqlite3_int64 at = 0; at < h->wal_size && rc == SQLITE_OK;
         at += HEAL_CHUNK) {
        sqlite3_int64 left = h->wal_size - at;
        rc = heal_rewrite(h, h->wal, left < HEAL_CHUNK ? (int)left : HEAL_CHUNK, at);
    }
    return rc == SQLITE_OK ? h->wal->pMethods->xSync(h->wal, SQLITE_SYNC_NORMAL)
                           : rc;
}

/* Frames of earlier rounds behind the valid ones do no harm: their pages are
 * written again for nothing. */
static int heal_database(struct heal *h)
{
    unsigned char number[4] = { 0 };
    if (h->wal_size < WAL_HEADER)
        return SQLITE_OK;
    int rc = h->wal->pMethods->xRead(h->wal, number, 4, 8);
    int page = (int)heal_number(number);
    if (rc != SQLITE_OK || page < 512 || page > HEAL_CHUNK)
        return rc;
    sqlite3_int64 frame = page + WAL_FRAME_HEADER;
    for (sqlite3_int64 at = WAL_HEADER; at + frame <= h->wal_size && rc == SQLITE_OK;
         at += frame) {
        rc = h->wal->pMethods->xRead(h->wal, number, 4, at);
        sqlite3_int64 place = ((sqlite3_int64)heal_number(number) - 1) * page;
        if (rc == SQLITE_OK && place >= 0 && place + page <= h->database_size)
            rc = heal_rewrite(h, h->database, page, place);
    }
    return rc == SQLITE_OK
               ? h->database->pMethods->xSync(h->database, SQLITE_SYNC_NORMAL)
               : rc;
}

enum pawl_status sqlite_heal(struct sqlite_storage *s, struct pawl_error *err)
{
    struct heal h = { 0 };
    int rc = heal_open(&h, s->writer.handle);
    if (rc == SQLITE_OK)
        rc = heal_wal(&h);
    if (rc == SQLITE_OK)
        rc = heal_database(&h);
    sqlite3_free(h.chunk);
    if (rc == SQLITE_OK)
        rc = sqlite3_wal_checkpoint_v2(s->writer.handle, NULL,
                                       SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc != SQLITE_OK)
        return sqlite_failure(&s->writer, rc, "checkpoint after a failed write",
                              err);
    gate_set(&s->gate, GATE_SYNC_FAILED, false);
    return PAWL_OK;
}
