/* vfs_record.h - a disk that remembers, forgets and fails.
 *
 * A shim over SQLite's own VFS. It notes every write, truncation and sync of one
 * database and the files SQLite keeps beside it, from which any state that a
 * power cut could leave on a disk can be made (power_image.h). It can also let
 * syncs fail, or let the disk be full.
 *
 * What it syncs is nowhere but in the notes: tests are quick, and only the
 * notes tell what a power cut leaves.
 */
#ifndef PAWL_TEST_VFS_RECORD_H
#define PAWL_TEST_VFS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum disk_file { DISK_DATABASE, DISK_WAL, DISK_JOURNAL, DISK_FILES };
extern const char *const disk_suffixes[DISK_FILES]; /* "", "-wal", "-journal" */

enum disk_kind {
    DISK_WRITE,
    DISK_TRUNCATE,   /* to `offset`; a deletion is one to 0 */
    DISK_SYNC,       /* what this file was told before is on the disk */
    DISK_SYNC_FAILED /* it may never get there, whatever succeeds later */
};
struct disk_event {
    enum disk_kind kind;
    enum disk_file file;
    int64_t offset;
    size_t size;
    unsigned char *bytes;
};

/* Become the VFS of everything opened from now on. Once per process. */
void disk_install(void);
/* Note what happens to the database at this path, from its making on; forget
 * what was noted before. */
void disk_record(const char *path);
void disk_record_end(void);
/* How much was noted by now. */
size_t disk_event_count(void);
const struct disk_event *disk_events(void);

/* Of the next syncs of that file, fail `count` (-1: all from now on). */
void disk_fail_syncs(enum disk_file file, int count);
/* Fail each sync with this chance in a thousand. */
void disk_fail_some(unsigned per_mille, uint64_t seed);
size_t disk_failed_syncs(void);
/* The folder is a disk of so many bytes, all its files together; -1: enough. */
void disk_room(const char *folder, int64_t bytes);

#endif
