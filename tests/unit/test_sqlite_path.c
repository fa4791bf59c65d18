/* test_sqlite_path.c - which files the SQLite storage agrees to use, and what it
 * says about the others. */
#include <fcntl.h>
#include <sys/stat.h>

#include "sqlite_fixture.h"
#include "storage/sqlite/sqlite_mount.h"
#include "storage/sqlite/sqlite_path.h"

static void write_file(const char *path, mode_t mode)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, mode);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    ck_assert_int_eq(lstat(path, &st), 0);
    return st.st_mode & 07777u;
}

/* Resolve, expecting a refusal with exactly this text ("%s" is the folder). */
static void refused(const char *location, enum path_use use, enum pawl_status status,
                    const char *format)
{
    struct sqlite_path path = { 0 };
    struct pawl_error err = { 0 };
    char text[sizeof err.message];
    char *real = realpath(fixture_dir.path, NULL);
    const char *mark = strstr(format, "%s");
    snprintf(text, sizeof text, "%.*s%s%s", mark ? (int)(mark - format) : 0, format,
             mark ? real : "", mark ? mark + 2 : format);
    free(real);
    ck_assert_int_eq(path_resolve(location, use, &path, &err), status);
    ck_assert_str_eq(err.message, text);
    ck_assert_ptr_null(path.file);
}

/* --- which file --------------------------------------------------------------- */

/* Without a path: below XDG_STATE_HOME, else below HOME, made for us only. */
START_TEST(default_file)
{
    struct sqlite_path path = { 0 };
    struct pawl_error err = { 0 };
    setenv("XDG_STATE_HOME", fixture_path("state/deep"), 1);
    umask(0);
    ck_assert_int_eq(path_resolve("", PATH_OPEN, &path, &err), PAWL_OK);
    ck_assert_str_eq(strrchr(path.file, '/'), "/pawl.db");
    ck_assert(strstr(path.file, "/state/deep/pawl/"));
    ck_assert(!path.exists);
    free(path.file);
    ck_assert_uint_eq(mode_of(fixture_path("state")), 0700);
    ck_assert_uint_eq(mode_of(fixture_path("state/deep/pawl")), 0700);

    setenv("XDG_STATE_HOME", "relative", 1);
    setenv("HOME", fixture_dir.path, 1);
    ck_assert_int_eq(path_resolve("", PATH_OPEN, &path, &err), PAWL_OK);
    ck_assert(strstr(path.file, "/.local/state/pawl/pawl.db"));
    free(path.file);
}
END_TEST

START_TEST(default_file_refused)
{
    setenv("XDG_STATE_HOME", fixture_path("none"), 1);
    refused("", PATH_EXISTING, PAWL_NOT_FOUND, "'%s/none/pawl' does not exist");
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    refused("", PATH_OPEN, PAWL_EINVAL,
            "neither XDG_STATE_HOME nor HOME is set: name a file, sqlite:PATH");
}
END_TEST

/* Could it be made? Nothing is. */
START_TEST(only_looked_at)
{
    char *folder = fixture_path("f"), *file = fixture_path("f/a.db");
    char text[500];
    snprintf(text, sizeof text, "folder '%s' does not exist: make it first", folder);
    refused(file, PATH_LOOK, PAWL_EINVAL, text);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    refused(file, PATH_LOOK, PAWL_NOT_FOUND, "'%s/f/a.db' does not exist");
    setenv("XDG_STATE_HOME", fixture_path("state"), 1);
    refused("", PATH_LOOK, PAWL_NOT_FOUND, "'%s/state/pawl' does not exist");
    ck_assert_int_eq(access(fixture_path("state"), F_OK), -1);
    if (geteuid() == 0)
        return; /* who may write everywhere */
    chmod(folder, 0500);
    refused(file, PATH_LOOK, PAWL_EDENIED, "cannot make a file in '%s/f': Permission denied");
}
END_TEST

/* The folder's links are followed once, here, and then no more. */
START_TEST(real_name)
{
    struct sqlite_path path = { 0 };
    struct pawl_error err = { 0 };
    ck_assert_int_eq(mkdir(fixture_path("real"), 0755), 0);
    ck_assert_int_eq(symlink("real", fixture_path("link")), 0);
    write_file(fixture_path("real/a.db"), 0600);
    ck_assert_int_eq(path_resolve(fixture_path("link/a.db"), PATH_EXISTING, &path, &err),
                     PAWL_OK);
    ck_assert(strstr(path.file, "/real/a.db"));
    ck_assert(path.exists);
    free(path.file);
    ck_assert_int_eq(chdir(fixture_dir.path), 0);
    ck_assert_int_eq(path_resolve("a.db", PATH_OPEN, &path, &err), PAWL_OK);
    ck_assert_int_eq(path.file[0], '/');
    free(path.file);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(files_refused)
{
    char *file = fixture_path("a.db"), *other = fixture_path("b.db");
    write_file(other, 0600);
    ck_assert_int_eq(symlink(other, file), 0);
    refused(file, PATH_OPEN, PAWL_EDENIED,
            "'%s/a.db' is a symbolic link: name the file itself");
    unlink(file);
    ck_assert_int_eq(symlink("/nonexistent", file), 0);
    refused(file, PATH_OPEN, PAWL_EDENIED,
            "'%s/a.db' is a symbolic link: name the file itself");
    unlink(file);
    ck_assert_int_eq(link(other, file), 0);
    refused(file, PATH_OPEN, PAWL_EDENIED,
            "'%s/a.db' has a second name (a hard link), which SQLite cannot lock "
            "safely: copy it instead");
    unlink(file);
    ck_assert_int_eq(mkfifo(file, 0600), 0);
    refused(file, PATH_OPEN, PAWL_EDENIED, "'%s/a.db' is not a plain file");
    unlink(file);
    ck_assert_int_eq(mkdir(file, 0700), 0);
    refused(file, PATH_OPEN, PAWL_EDENIED,
            "'%s/a.db' is a folder: name a file in it");
    rmdir(file);
    refused(file, PATH_EXISTING, PAWL_NOT_FOUND, "'%s/a.db' does not exist");
    refused("/", PATH_OPEN, PAWL_EDENIED, "'/' is a folder: name a file in it");
    if (geteuid() != 0)
        return;
    unlink(other);
    write_file(file, 0600);
    ck_assert_int_eq(chown(file, 12345, 12345), 0);
    refused(file, PATH_OPEN, PAWL_EDENIED, "'%s/a.db' belongs to another user");
}
END_TEST

START_TEST(folders_refused)
{
    char *folder = fixture_path("f"), *file = fixture_path("f/a.db");
    struct sqlite_path path = { 0 };
    struct pawl_error err = { 0 };
    char text[500];
    snprintf(text, sizeof text, "folder '%s' does not exist: make it first", folder);
    refused(file, PATH_OPEN, PAWL_EINVAL, text);

    ck_assert_int_eq(mkdir(folder, 0700), 0);
    chmod(folder, 0777);
    refused(file, PATH_OPEN, PAWL_EDENIED,
            "folder '%s/f' can be written by other users: use chmod go-w, or "
            "another folder");
    chmod(folder, 01777); /* as /tmp */
    ck_assert_int_eq(path_resolve(file, PATH_OPEN, &path, &err), PAWL_OK);
    free(path.file);
    chmod(folder, 0775); /* our own group */
    ck_assert_int_eq(path_resolve(file, PATH_OPEN, &path, &err), PAWL_OK);
    free(path.file);
    path.file = NULL;
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(chown(folder, 0, 12345), 0);
    refused(file, PATH_OPEN, PAWL_EDENIED,
            "folder '%s/f' can be written by other users: use chmod go-w, or "
            "another folder");
    ck_assert_int_eq(chown(folder, 12345, 0), 0);
    refused(file, PATH_OPEN, PAWL_EDENIED,
            "folder '%s/f' belongs to another user");
}
END_TEST

/* What SQLite would open beside the database must be ours as well. */
START_TEST(planted_wal_refused)
{
    struct pawl_error err = { 0 };
    write_file(fixture_file, 0600);
    ck_assert_int_eq(path_check_files(fixture_file, &err), PAWL_OK);
    ck_assert_int_eq(symlink("/etc/passwd", fixture_path("x.db-wal")), 0);
    ck_assert_int_eq(path_check_files(fixture_file, &err), PAWL_EDENIED);
    ck_assert(strstr(err.message, "x.db-wal' is a symbolic link"));
}
END_TEST

/* --- files beside the database ------------------------------------------------ */

START_TEST(side_files)
{
    struct pawl_error err = { 0 };
    struct stat st;
    int fd = -1;
    umask(0);
    write_file(fixture_path("x.db.gate"), 0666);
    close(0);
    ck_assert_int_eq(path_open_side(fixture_file, ".gate", 4096, &fd, &err),
                     PAWL_OK);
    ck_assert_int_gt(fd, 2);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(st.st_size, 4096);
    ck_assert_int_ge(st.st_blocks * 512, 4096);
    ck_assert_uint_eq(mode_of(fixture_path("x.db.gate")), 0600);
    close(fd);

    ck_assert_int_eq(symlink("x.db.gate", fixture_path("x.db.live")), 0);
    ck_assert_int_eq(path_open_side(fixture_file, ".live", 0, &fd, &err),
                     PAWL_EDENIED);
    ck_assert_int_eq(mkfifo(fixture_path("x.db.wake"), 0600), 0);
    ck_assert_int_eq(path_open_side(fixture_file, ".wake", 0, &fd, &err),
                     PAWL_EDENIED);
    ck_assert(strstr(err.message, "x.db.wake' is not a plain file of ours"));
}
END_TEST

START_TEST(create_once)
{
    struct pawl_error err = { 0 };
    bool made = false;
    umask(0077);
    ck_assert_int_eq(path_create(fixture_file, &made, &err), PAWL_OK);
    ck_assert(made);
    ck_assert_uint_eq(mode_of(fixture_file), 0600);
    ck_assert_int_eq(path_create(fixture_file, &made, &err), PAWL_OK);
    ck_assert(!made);
}
END_TEST

/* --- options -------------------------------------------------------------------- */

START_TEST(options)
{
    struct pawl_error err = { 0 };
    bool normal = false;
    ck_assert_int_eq(path_options("", &normal, &err), PAWL_OK);
    ck_assert_int_eq(path_options("durability=normal", &normal, &err), PAWL_OK);
    ck_assert(normal);
    ck_assert_int_eq(path_options("durability=normal&durability=full", &normal,
                                  &err), PAWL_OK);
    ck_assert(!normal);
    ck_assert_int_eq(path_options("durabilty=full", &normal, &err), PAWL_EINVAL);
    ck_assert_str_eq(err.message,
                     "unknown option 'durabilty': sqlite has durability");
    ck_assert_int_eq(path_options("durability=fast&x", &normal, &err), PAWL_EINVAL);
    ck_assert_str_eq(err.message, "durability is full or normal, not 'fast'");
    ck_assert_int_eq(path_options("durability", &normal, &err), PAWL_EINVAL);
    ck_assert_int_eq(path_options("&", &normal, &err), PAWL_EINVAL);
}
END_TEST

/* --- file systems ----------------------------------------------------------------- */

static const char mounts[] =
    "21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
    "22 21 0:5 / /proc rw - proc proc rw\n"
    "30 21 0:40 / /mnt rw shared:7 master:2 - tmpfs tmpfs rw\n"
    "31 30 0:41 / /mnt/my\\040disk rw - nfs4 server:/x rw\n"
    "32 21 0:42 / /mnt/over rw - ext4 /dev/vdb rw\n"
    "33 32 0:43 / /mnt/over rw - fuse.sshfs me@host: rw\n"
    "34 21 0:44 / /srv rw - fuse.fuse-overlayfs fuse-overlayfs rw";

START_TEST(mount_table)
{
    static const struct {
        const char *folder, *type;
        bool refused;
    } cases[] = {
        { "/", "ext4", false },
        { "/home/me", "ext4", false },
        { "/mnt", "tmpfs", false },
        { "/mntx", "ext4", false },
        { "/mnt/my disk/a", "nfs4", true },
        { "/mnt/my disks", "tmpfs", false },
        { "/mnt/over", "fuse.sshfs", true }, /* the later one lies on top */
        { "/srv/x", "fuse.fuse-overlayfs", false },
    };
    char type[MOUNT_TYPE_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert(mount_type(mounts, cases[i].folder, type));
        ck_assert_str_eq(type, cases[i].type);
        ck_assert_int_eq(mount_type_refused(type), cases[i].refused);
    }
    ck_assert(!mount_type("", "/x", type));
    ck_assert(!mount_type("garbage\n \n- - -\n31 1 0:1 / /other", "/x", type));
}
END_TEST

START_TEST(mount_types)
{
    static const char *const bad[] = { "nfs", "cifs", "smb3", "9p", "afs", "ceph",
                                       "lustre", "gfs2", "fuse", "fuse.glusterfs" };
    static const char *const good[] = { "ext4", "xfs", "btrfs", "zfs", "tmpfs",
                                        "overlay", "fuseblk", "virtiofs" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(mount_type_refused(bad[i]), "%s", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(!mount_type_refused(good[i]), "%s", good[i]);
    ck_assert_int_eq(mount_check("/", NULL), PAWL_OK);
    ck_assert_int_eq(mount_check("/proc/self", NULL), PAWL_OK); /* only in the table */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sqlite_path");
    TCase *t = tcase_create("sqlite_path");
    tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
    tcase_add_test(t, default_file);
    tcase_add_test(t, default_file_refused);
    tcase_add_test(t, only_looked_at);
    tcase_add_test(t, real_name);
    tcase_add_test(t, files_refused);
    tcase_add_test(t, folders_refused);
    tcase_add_test(t, planted_wal_refused);
    tcase_add_test(t, side_files);
    tcase_add_test(t, create_once);
    tcase_add_test(t, options);
    tcase_add_test(t, mount_table);
    tcase_add_test(t, mount_types);
    suite_add_tcase(suite, t);
    return fixture_run(suite);
}
