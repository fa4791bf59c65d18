/* sqlite_path.c - finding, making and checking files.
 *
 * The folder's real name is found first and everything else is done with that,
 * so that what was checked is what is used and no link leads elsewhere. Folders
 * are made only for the default file: with an explicit path a missing folder is
 * more likely a typing error or a disk that is not mounted.
 */
#include "sqlite_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sqlite_mount.h"
#include "util/side_file.h"

#define PATH_USUAL_NAME "pawl.db"

/* "cannot <what> '<path>': <why>", by errno. */
static enum pawl_status path_errno(const char *what, const char *path, int number,
                                   struct pawl_error *err)
{
    enum pawl_status status = PAWL_EIO;
    if (number == EACCES || number == EPERM || number == EROFS || number == ELOOP)
        status = PAWL_EDENIED;
    else if (number == ENOSPC || number == EDQUOT)
        status = PAWL_EFULL;
    else if (number == ENOMEM)
        status = PAWL_ENOMEM;
    pawl_error_set(err, status, "cannot %s '%s': %s", what, path,
                   strerror(number));
    if (err)
        err->native = number;
    return status;
}

/* A new folder is on the disk only when the one above it is: without this a power
 * cut could take a whole store away with the folder it is in. A file system that
 * cannot sync a folder does not stop us. */
static void path_sync_above(const char *folder)
{
    char above[PATH_MAX + 3];
    snprintf(above, sizeof above, "%s/..", folder);
    int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

/* Make `folder` and what is missing above it, each for this user only. */
static enum pawl_status path_make_folders(char *folder, struct pawl_error *err)
{
    if (access(folder, F_OK) == 0)
        return PAWL_OK;
    for (char *slash = strchr(folder + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        int rc = mkdir(folder, 0700), number = errno;
        if (rc != 0 && number != EEXIST)
            return path_errno("make folder", folder, number, err);
        if (rc == 0)
            path_sync_above(folder);
        if (!slash)
            return PAWL_OK;
        *slash = '/';
    }
}

/* The folder of the default file, without links resolved. */
static enum pawl_status path_default_folder(char folder[PATH_MAX],
                                            struct pawl_error *err)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int n;
    if (state && state[0] == '/') /* a relative one is to be ignored */
        n = snprintf(folder, PATH_MAX, "%s/pawl", state);
    else if (home && home[0] == '/')
        n = snprintf(folder, PATH_MAX, "%s/.local/state/pawl", home);
    else
        return pawl_error_set(err, PAWL_EINVAL,
                              "neither XDG_STATE_HOME nor HOME is set: name a "
                              "file, sqlite:PATH");
    if (n < 0 || n >= PATH_MAX)
        return pawl_error_set(err, PAWL_EINVAL,
                              "the path of the default file is too long");
    return PAWL_OK;
}

static enum pawl_status path_check_folder(const char *folder,
                                          struct pawl_error *err)
{
    struct stat st;
    if (stat(folder, &st) != 0)
        return path_errno("look at folder", folder, errno, err);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return pawl_error_set(err, PAWL_EDENIED,
                              "folder '%s' belongs to another user", folder);
    bool shared = (st.st_mode & S_IWOTH) != 0 ||
                  ((st.st_mode & S_IWGRP) != 0 && st.st_gid != getegid());
    if (shared && (st.st_mode & S_ISVTX) == 0)
        return pawl_error_set(err, PAWL_EDENIED,
                              "folder '%s' can be written by other users: use "
                              "chmod go-w, or another folder", folder);
    return mount_check(folder, err);
}

/* PAWL_NOT_FOUND without a message when there is no such file. */
static enum pawl_status path_check_file(const char *file, struct pawl_error *err)
{
    struct stat st;
    if (lstat(file, &st) != 0)
        return errno == ENOENT ? PAWL_NOT_FOUND
                               : path_errno("look at", file, errno, err);
    if (S_ISLNK(st.st_mode))
        return pawl_error_set(err, PAWL_EDENIED,
                              "'%s' is a symbolic link: name the file itself",
                              file);
    if (S_ISDIR(st.st_mode))
        return pawl_error_set(err, PAWL_EDENIED,
                              "'%s' is a folder: name a file in it", file);
    if (!S_ISREG(st.st_mode))
        return pawl_error_set(err, PAWL_EDENIED, "'%s' is not a plain file", file);
    if (st.st_uid != geteuid())
        return pawl_error_set(err, PAWL_EDENIED, "'%s' belongs to another user",
                              file);
    if (st.st_nlink > 1)
        return pawl_error_set(err, PAWL_EDENIED,
                              "'%s' has a second name (a hard link), which "
                              "SQLite cannot lock safely: copy it instead", file);
    return PAWL_OK;
}

enum pawl_status path_check_files(const char *file, struct pawl_error *err)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char name[PATH_MAX];
        int n = snprintf(name, sizeof name, "%s%s", file, suffixes[i]);
        if (n < 0 || n >= PATH_MAX)
            return pawl_error_set(err, PAWL_EINVAL, "the path is too long");
        enum pawl_status status = path_check_file(name, err);
        if (status < 0)
            return status;
    }
    return PAWL_OK;
}

/* The folder `given`, by its real name. NOT_FOUND without a message. */
static enum pawl_status path_real_folder(const char *given, char real[PATH_MAX],
                                         struct pawl_error *err)
{
    if (!realpath(given, real)) {
        if (errno == ENOENT || errno == ENOTDIR)
            return PAWL_NOT_FOUND;
        return path_errno("look at folder", given, errno, err);
    }
    struct stat st;
    if (stat(real, &st) != 0 || !S_ISDIR(st.st_mode))
        return PAWL_NOT_FOUND;
    return PAWL_OK;
}

/* Split into the folder as given and the file's name in it. */
static enum pawl_status path_split(const char *location, char folder[PATH_MAX],
                                   const char **name, struct pawl_error *err)
{
    const char *slash = strrchr(location, '/');
    size_t n = slash ? (size_t)(slash - location) : 0;
    *name = slash ? slash + 1 : location;
    if (strlen(location) > PATH_MAX - 16) /* room for "-journal" and the like */
        return pawl_error_set(err, PAWL_EINVAL, "the path is too long");
    if (**name == '\0' || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
        return pawl_error_set(err, PAWL_EDENIED,
                              "'%s' is a folder: name a file in it", location);
    if (slash)
        snprintf(folder, PATH_MAX, "%.*s", n ? (int)n : 1, location);
    else
        snprintf(folder, PATH_MAX, ".");
    return PAWL_OK;
}

static enum pawl_status path_not_found(const char *file, struct pawl_error *err)
{
    return pawl_error_set(err, PAWL_NOT_FOUND, "'%s' does not exist", file);
}

enum pawl_status path_usual(char file[PATH_MAX], bool make, struct pawl_error *err)
{
    char folder[PATH_MAX];
    enum pawl_status status = path_default_folder(folder, err);
    if (status == PAWL_OK && make)
        status = path_make_folders(folder, err);
    if (status == PAWL_OK &&
        snprintf(file, PATH_MAX, "%s/" PATH_USUAL_NAME, folder) >= PATH_MAX)
        status = pawl_error_set(err, PAWL_EINVAL, "the path is too long");
    return status;
}

static enum pawl_status path_can_be_made(const char *folder, struct pawl_error *err)
{
    if (access(folder, W_OK | X_OK) == 0)
        return PAWL_OK;
    return path_errno("make a file in", folder, errno, err);
}

enum pawl_status path_resolve(const char *location, enum path_use use,
                              struct sqlite_path *out, struct pawl_error *err)
{
    char given[PATH_MAX], folder[PATH_MAX], file[PATH_MAX];
    const char *name = PATH_USUAL_NAME;
    bool explicit = location[0] != '\0';
    enum pawl_status status = explicit
                                  ? path_split(location, given, &name, err)
                                  : path_default_folder(given, err);
    if (status == PAWL_OK && !explicit && use == PATH_OPEN)
        status = path_make_folders(given, err);
    if (status == PAWL_OK)
        status = path_real_folder(given, folder, err);
    if (status == PAWL_NOT_FOUND &&
        (use == PATH_EXISTING || (use == PATH_LOOK && !explicit)))
        return path_not_found(explicit ? location : given, err);
    if (status == PAWL_NOT_FOUND)
        return pawl_error_set(err, PAWL_EINVAL,
                              "folder '%s' does not exist: make it first", given);
    if (status < 0)
        return status;

    int n = snprintf(file, sizeof file, "%s/%s",
                     strcmp(folder, "/") == 0 ? "" : folder, name);
    if (n < 0 || n > PATH_MAX - 16)
        return pawl_error_set(err, PAWL_EINVAL, "the path is too long");
    status = path_check_file(file, err);
    bool exists = status != PAWL_NOT_FOUND;
    if (!exists && use == PATH_EXISTING)
        return path_not_found(file, err);
    if (status < 0 || (status = path_check_folder(folder, err)) < 0)
        return status;
    if (!exists && use == PATH_LOOK) {
        status = path_can_be_made(folder, err);
        return status < 0 ? status : path_not_found(file, err);
    }
    out->file = strdup(file);
    out->exists = exists;
    return out->file ? PAWL_OK
                     : pawl_error_set(err, PAWL_ENOMEM, "out of memory");
}

enum pawl_status path_create(const char *file, bool *made, struct pawl_error *err)
{
    int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    *made = fd >= 0;
    if (fd < 0)
        return errno == EEXIST ? PAWL_OK : path_errno("make", file, errno, err);
    int rc = fchmod(fd, 0600), number = errno; /* whatever the umask says */
    close(fd);
    return rc == 0 ? PAWL_OK : path_errno("make", file, number, err);
}

enum pawl_status path_open_side(const char *file, const char *suffix, size_t size,
                                int *out, struct pawl_error *err)
{
    char name[PATH_MAX];
    int n = snprintf(name, sizeof name, "%s%s", file, suffix), number;
    if (n < 0 || n >= PATH_MAX)
        return pawl_error_set(err, PAWL_EINVAL, "the path is too long");
    switch (side_file_open(name, size, out, &number)) {
    case SIDE_FILE_OPEN:
        return path_errno("open", name, number, err);
    case SIDE_FILE_PREPARE:
        return path_errno("prepare", name, number, err);
    case SIDE_FILE_NOT_OURS:
        return pawl_error_set(err, PAWL_EDENIED,
                              "'%s' is not a plain file of ours: move it away",
                              name);
    case SIDE_FILE_OK:
        break;
    }
    return PAWL_OK;
}

enum pawl_status path_options(const char *options, bool *normal,
                              struct pawl_error *err)
{
    for (const char *at = options; *at;) {
        size_t n = strcspn(at, "&");
        size_t key = strcspn(at, "=&");
        const char *value = at + key + (at[key] == '=');
        size_t value_size = (size_t)(at + n - value);
        if (key != 10 || strncmp(at, "durability", key) != 0)
            return pawl_error_set(err, PAWL_EINVAL,
                                  "unknown option '%.*s': sqlite has durability",
                                  (int)(key < 60 ? key : 60), at);
        if (value_size == 4 && strncmp(value, "full", 4) == 0)
            *normal = false;
        else if (value_size == 6 && strncmp(value, "normal", 6) == 0)
            *normal = true;
        else
            return pawl_error_set(err, PAWL_EINVAL,
                                  "durability is full or normal, not '%.*s'",
                                  (int)(value_size < 60 ? value_size : 60), value);
        at += n + (at[n] == '&');
    }
    return PAWL_OK;
}
