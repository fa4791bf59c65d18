/* vfs_record.c - see vfs_record.h. */
#include "vfs_record.h"

#include <dirent.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "actor.h"

const char *const disk_suffixes[DISK_FILES] = { "", "-wal", "-journal" };

/* An open file: SQLite's own lies behind ours, in the same block. */
struct shim_file {
    sqlite3_file base;
    int file; /* enum disk_file, or -1: not looked at */
    bool sync_folder; /* its first sync brings its name to the disk */
    sqlite3_file *real;
};

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    pthread_mutex_t lock; /* notes are in the order in which things happened */
    char path[300];
    bool recording;
    struct disk_event *events;
    size_t count, room;
    bool deleted[DISK_FILES]; /* and not made again */
    int fail[DISK_FILES];
    unsigned fail_per_mille;
    uint64_t fail_random;
    size_t failed;
    char folder[300];
    int64_t folder_room;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER, .folder_room = -1 };

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct shim_file *)file)->real;
}

/* --- notes ------------------------------------------------------------------- */

/* Which of the recorded files has this name; -1: none. */
static int file_of(const char *name)
{
    size_t length = strlen(disk.path);
    if (!name || length == 0 || strncmp(name, disk.path, length) != 0)
        return -1;
    for (int i = 0; i < DISK_FILES; i++) {
        if (strcmp(name + length, disk_suffixes[i]) == 0)
            return i;
    }
    return -1;
}

/* Inside the lock. */
static void note(enum disk_kind kind, int file, int64_t offset, const void *bytes,
                 size_t size)
{
    unsigned char *copy = NULL;
    if (!disk.recording || file < 0)
        return;
    if (disk.count == disk.room) {
        disk.room = disk.room ? disk.room * 2 : 4096;
        disk.events = realloc(disk.events, disk.room * sizeof *disk.events);
    }
    if (size > 0)
        copy = malloc(size);
    if (!disk.events || (size > 0 && !copy))
        give_up("out of memory");
    if (size > 0)
        memcpy(copy, bytes, size);
    disk.events[disk.count++] = (struct disk_event){
        .kind = kind, .file = (enum disk_file)file, .offset = offset,
        .size = size, .bytes = copy,
    };
}

/* --- a full disk ---------------------------------------------------------------- */

/* What all files of the folder take together. */
static int64_t folder_used(void)
{
    char path[600];
    struct dirent *entry;
    struct stat st;
    int64_t used = 0;
    DIR *folder = opendir(disk.folder);
    while (folder && (entry = readdir(folder))) {
        snprintf(path, sizeof path, "%s/%s", disk.folder, entry->d_name);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            used += st.st_size;
    }
    if (folder)
        closedir(folder);
    return used;
}

/* Only what makes a file longer needs room. */
static bool has_room(sqlite3_file *file, int64_t end)
{
    sqlite3_int64 size = 0;
    if (disk.folder_room < 0)
        return true;
    real_of(file)->pMethods->xFileSize(real_of(file), &size);
    return end <= size || folder_used() + end - size <= disk.folder_room;
}

/* --- methods that do more than pass on -------------------------------------------- */

static int shim_close(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int shim_write(sqlite3_file *file, const void *bytes, int size,
                      sqlite3_int64 offset)
{
    int rc = SQLITE_FULL, index = ((struct shim_file *)file)->file;
    pthread_mutex_lock(&disk.lock);
    if (has_room(file, offset + size)) {
        rc = real_of(file)->pMethods->xWrite(real_of(file), bytes, size, offset);
        if (rc == SQLITE_OK)
            note(DISK_WRITE, index, offset, bytes, (size_t)size);
        if (index >= 0)
            disk.deleted[index] = false;
    }
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    pthread_mutex_lock(&disk.lock);
    int rc = real_of(file)->pMethods->xTruncate(real_of(file), size);
    if (rc == SQLITE_OK)
        note(DISK_TRUNCATE, ((struct shim_file *)file)->file, size, NULL, 0);
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

/* Inside the lock. */
static bool sync_fails(int file)
{
    bool fails = file >= 0 && disk.fail[file] != 0;
    if (fails && disk.fail[file] > 0)
        disk.fail[file]--;
    if (!fails && file >= 0 && disk.fail_per_mille > 0)
        fails = seeded(&disk.fail_random) % 1000 < disk.fail_per_mille;
    disk.failed += fails;
    return fails;
}

/* The names in the folder, and so what was deleted from it. Inside the lock. */
static void sync_folder(void)
{
    for (int i = 0; i < DISK_FILES; i++) {
        if (disk.deleted[i])
            note(DISK_SYNC, i, 0, NULL, 0);
    }
}

static int shim_sync(sqlite3_file *file, int flags)
{
    struct shim_file *shim = (struct shim_file *)file;
    (void)flags;
    pthread_mutex_lock(&disk.lock);
    bool fails = sync_fails(shim->file);
    note(fails ? DISK_SYNC_FAILED : DISK_SYNC, shim->file, 0, NULL, 0);
    /* As SQLite's own does for a journal or WAL that it may have made. */
    if (!fails && shim->sync_folder) {
        sync_folder();
        shim->sync_folder = false;
    }
    pthread_mutex_unlock(&disk.lock);
    return fails ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int shim_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    pthread_mutex_lock(&disk.lock);
    int rc = disk.real->xDelete(disk.real, name, 0);
    int file = file_of(name);
    if (rc == SQLITE_OK) {
        note(DISK_TRUNCATE, file, 0, NULL, 0);
        if (file >= 0)
            disk.deleted[file] = true;
        if (sync)
            sync_folder();
    }
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

/* --- methods that pass on ------------------------------------------------------------ */

static int shim_read(sqlite3_file *file, void *out, int size, sqlite3_int64 offset)
{
    return real_of(file)->pMethods->xRead(real_of(file), out, size, offset);
}

static int shim_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int shim_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int shim_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int shim_reserved(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int shim_control(sqlite3_file *file, int op, void *arg)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int shim_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int shim_device(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int shim_shm_map(sqlite3_file *file, int page, int size, int extend,
                        void volatile **out)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}

static int shim_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void shim_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shim_shm_unmap(sqlite3_file *file, int delete_it)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), delete_it);
}

/* Version 2: without xFetch, so that nothing goes past xWrite. */
static const sqlite3_io_methods shim_methods = {
    .iVersion = 2,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_reserved,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector,
    .xDeviceCharacteristics = shim_device,
    .xShmMap = shim_shm_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_shm_barrier,
    .xShmUnmap = shim_shm_unmap,
};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
                     int flags, int *flags_out)
{
    struct shim_file *shim = (struct shim_file *)file;
    (void)vfs;
    shim->real = (sqlite3_file *)(shim + 1);
    pthread_mutex_lock(&disk.lock);
    shim->file = file_of(name);
    pthread_mutex_unlock(&disk.lock);
    shim->sync_folder = (flags & SQLITE_OPEN_CREATE) &&
                        (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL));
    int rc = disk.real->xOpen(disk.real, name, shim->real, flags, flags_out);
    /* Without methods SQLite calls no xClose. */
    shim->base.pMethods = shim->real->pMethods ? &shim_methods : NULL;
    return rc;
}

/* --- the switches ---------------------------------------------------------------------- */

void disk_install(void)
{
    disk.real = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.real;
    disk.vfs.zName = "record";
    disk.vfs.szOsFile = (int)sizeof(struct shim_file) + disk.real->szOsFile;
    disk.vfs.xOpen = shim_open;
    disk.vfs.xDelete = shim_delete;
    if (sqlite3_vfs_register(&disk.vfs, 1) != SQLITE_OK)
        give_up("cannot register a VFS");
}

void disk_record(const char *path)
{
    pthread_mutex_lock(&disk.lock);
    for (size_t i = 0; i < disk.count; i++)
        free(disk.events[i].bytes);
    disk.count = disk.failed = 0;
    memset(disk.deleted, 0, sizeof disk.deleted);
    snprintf(disk.path, sizeof disk.path, "%s", path);
    disk.recording = true;
    pthread_mutex_unlock(&disk.lock);
}

void disk_record_end(void)
{
    pthread_mutex_lock(&disk.lock);
    disk.recording = false;
    pthread_mutex_unlock(&disk.lock);
}

size_t disk_event_count(void)
{
    pthread_mutex_lock(&disk.lock);
    size_t count = disk.count;
    pthread_mutex_unlock(&disk.lock);
    return count;
}

const struct disk_event *disk_events(void)
{
    return disk.events;
}

void disk_fail_syncs(enum disk_file file, int count)
{
    pthread_mutex_lock(&disk.lock);
    disk.fail[file] = count;
    pthread_mutex_unlock(&disk.lock);
}

void disk_fail_some(unsigned per_mille, uint64_t seed)
{
    pthread_mutex_lock(&disk.lock);
    disk.fail_per_mille = per_mille;
    disk.fail_random = seed;
    pthread_mutex_unlock(&disk.lock);
}

size_t disk_failed_syncs(void)
{
    return disk.failed;
}

void disk_room(const char *folder, int64_t bytes)
{
    pthread_mutex_lock(&disk.lock);
    snprintf(disk.folder, sizeof disk.folder, "%s", folder);
    disk.folder_room = bytes;
    pthread_mutex_unlock(&disk.lock);
}
