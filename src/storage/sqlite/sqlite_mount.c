/* sqlite_mount.c - asking for the file system's type.
 *
 * statfs knows the usual ones by number, for the price of one system call. What it
 * does not know is looked up by name in the mount table: FUSE above all, which has
 * one number for all that is made with it. There, everything but a few that only wrap
 * a local file system is refused, since FUSE is what most home-made network file
 * systems are. Other unknown types pass.
 */
#include "sqlite_mount.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "util/buf.h"

#define MOUNT_TABLE_MAX (4u << 20)

static const char *const mount_refused[] = {
    "nfs",  "nfs4",   "cifs", "smb3", "smbfs", "9p",   "afs",   "ceph",
    "lustre", "gfs2", "ocfs2", "coda", "ncpfs", "ncp", "glusterfs", "beegfs",
    "gpfs", "orangefs", "pvfs2", "davfs",
};
static const char *const mount_fuse_allowed[] = {
    "fuse.fuse-overlayfs", /* containers without root */
    "fuse.gocryptfs",
    "fuse.encfs",
    "fuse.fuse2fs",
};

bool mount_type_refused(const char *type)
{
    for (size_t i = 0; i < sizeof mount_refused / sizeof *mount_refused; i++)
        if (strcmp(type, mount_refused[i]) == 0)
            return true;
    if (strcmp(type, "fuse") != 0 && strncmp(type, "fuse.", 5) != 0)
        return false;
    size_t n = sizeof mount_fuse_allowed / sizeof *mount_fuse_allowed;
    for (size_t i = 0; i < n; i++)
        if (strcmp(type, mount_fuse_allowed[i]) == 0)
            return false;
    return true;
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* The table writes blanks and the like as \040. Reads one word of `in`, at most
 * `size` - 1 bytes of it, and returns what follows. */
static const char *mount_word(const char *in, const char *end, char *out,
                              size_t size)
{
    size_t n = 0;
    while (in < end && *in != ' ') {
        char c = *in++;
        if (c == '\\' && end - in >= 3 && is_octal(in[0]) && is_octal(in[1]) &&
            is_octal(in[2])) {
            c = (char)((in[0] - '0') * 64 + (in[1] - '0') * 8 + (in[2] - '0'));
            in += 3;
        }
        if (n + 1 < size)
            out[n++] = c;
    }
    out[n] = '\0';
    return in < end ? in + 1 : end;
}

static bool is_under(const char *folder, const char *point)
{
    size_t n = strlen(point);
    if (n > 0 && point[n - 1] == '/') /* the root */
        return strncmp(folder, point, n) == 0;
    return strncmp(folder, point, n) == 0 &&
           (folder[n] == '/' || folder[n] == '\0');
}

bool mount_type(const char *mountinfo, const char *folder,
                char type[MOUNT_TYPE_SIZE])
{
    char point[4096], word[256];
    size_t best = 0;
    for (const char *line = mountinfo; *line;) {
        const char *end = line + strcspn(line, "\n");
        const char *at = line;
        for (int i = 0; i < 4; i++) /* id, parent, device, root */
            at = mount_word(at, end, word, sizeof word);
        at = mount_word(at, end, point, sizeof point);
        /* Options and any number of tags, then a lone dash, then the type. */
        do {
            at = mount_word(at, end, word, sizeof word);
        } while (at < end && strcmp(word, "-") != 0);
        mount_word(at, end, word, sizeof word);
        size_t n = strlen(point);
        if (n > 0 && n >= best && is_under(folder, point)) {
            best = n;
            snprintf(type, MOUNT_TYPE_SIZE, "%.*s", MOUNT_TYPE_SIZE - 1, word);
        }
        line = *end ? end + 1 : end;
    }
    return best > 0;
}

/* The type by statfs; NULL: not one of these. */
static const char *mount_magic(const char *folder)
{
    static const struct {
        uint32_t magic;
        const char *type;
    } magics[] = {
        { 0x0000ef53, "ext4" },  { 0x58465342, "xfs" },  { 0x9123683e, "btrfs" },
        { 0x01021994, "tmpfs" }, { 0xf2f52010, "f2fs" }, { 0x2fc12fc1, "zfs" },
        { 0x794c7630, "overlay" },
        { 0x00006969, "nfs" },   { 0xff534d42, "cifs" }, { 0xfe534d42, "smb3" },
        { 0x0000517b, "smbfs" }, { 0x01021997, "9p" },   { 0x5346414f, "afs" },
        { 0x6b414653, "afs" },   { 0x00c36400, "ceph" }, { 0x0bd00bd0, "lustre" },
        { 0x01161970, "gfs2" },  { 0x7461636f, "ocfs2" }, { 0x73757245, "coda" },
        { 0x0000564c, "ncp" },   { 0x47504653, "gpfs" }, { 0x19830326, "beegfs" },
        { 0x20030528, "orangefs" },
    };
    struct statfs fs;
    if (statfs(folder, &fs) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if ((uint32_t)fs.f_type == magics[i].magic)
            return magics[i].type;
    return NULL;
}

static bool mount_table(struct buf *table)
{
    char piece[8192];
    FILE *f = fopen("/proc/self/mountinfo", "re");
    if (!f)
        return false;
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        buf_add(table, piece, n);
    fclose(f);
    return !table->failed && table->len > 0;
}

enum pawl_status mount_check(const char *folder, struct pawl_error *err)
{
    char named[MOUNT_TYPE_SIZE] = "";
    const char *type = mount_magic(folder);
    struct buf table;
    buf_init(&table, MOUNT_TABLE_MAX);
    if (!type && mount_table(&table) && mount_type(table.data, folder, named))
        type = named;
    buf_clear(&table);
    if (!type || !mount_type_refused(type))
        return PAWL_OK;
    return pawl_error_set(err, PAWL_EDENIED,
                          "folder '%s' is on a file system of type %s, on which "
                          "a SQLite file can be damaged: use a local disk",
                          folder, type);
}
