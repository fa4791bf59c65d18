/* power_image.c - see power_image.h.
 *
 * Per file: a base, which is on the disk for sure, and after it the events that
 * are not all certain, in order. A certain one behind one in doubt must wait its
 * turn: applied to the base at once, it would be overwritten by an older one.
 */
#include "power_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor.h"

#define SECTOR 512

struct bytes {
    unsigned char *data;
    size_t size, room;
};

enum fate { PENDING, IN_LIMBO, CERTAIN };

struct entry {
    const struct disk_event *event;
    enum fate fate;
};

struct entries {
    struct entry *list;
    size_t count, room;
};

struct power_image {
    size_t cut;
    struct bytes base[DISK_FILES];
    struct entries since[DISK_FILES];
};

struct power_image *power_image_new(void)
{
    struct power_image *image = calloc(1, sizeof *image);
    if (!image)
        give_up("out of memory");
    return image;
}

void power_image_free(struct power_image *image)
{
    for (int i = 0; i < DISK_FILES; i++) {
        free(image->base[i].data);
        free(image->since[i].list);
    }
    free(image);
}

static void resize(struct bytes *b, size_t size)
{
    if (size > b->room) {
        b->room = size * 2;
        b->data = realloc(b->data, b->room);
        if (!b->data)
            give_up("out of memory");
    }
    if (size > b->size)
        memset(b->data + b->size, 0, size - b->size);
    b->size = size;
}

static void apply_part(struct bytes *b, const struct disk_event *event,
                       size_t from, size_t to)
{
    size_t end = (size_t)event->offset + to;
    if (end > b->size)
        resize(b, end);
    memcpy(b->data + (size_t)event->offset + from, event->bytes + from, to - from);
}

static void apply(struct bytes *b, const struct disk_event *event)
{
    if (event->kind == DISK_TRUNCATE)
        resize(b, (size_t)event->offset);
    else if (event->size > 0)
        apply_part(b, event, 0, event->size);
}

static void drop_first(struct entries *e, size_t n)
{
    e->count -= n;
    memmove(e->list, e->list + n, e->count * sizeof *e->list);
}

/* Move into the base what nothing older can change any more. */
static void fold(struct bytes *base, struct entries *e)
{
    /* A certain truncation to nothing makes all before it moot. */
    for (size_t i = e->count; i-- > 0;) {
        const struct disk_event *event = e->list[i].event;
        if (e->list[i].fate == CERTAIN && event->kind == DISK_TRUNCATE &&
            event->offset == 0) {
            drop_first(e, i);
            break;
        }
    }
    size_t n = 0;
    while (n < e->count && e->list[n].fate == CERTAIN)
        apply(base, e->list[n++].event);
    drop_first(e, n);
}

static void add(struct entries *e, const struct disk_event *event)
{
    if (e->count == e->room) {
        e->room = e->room ? e->room * 2 : 256;
        e->list = realloc(e->list, e->room * sizeof *e->list);
        if (!e->list)
            give_up("out of memory");
    }
    e->list[e->count++] = (struct entry){ event, PENDING };
}

static void settle(struct entries *e, enum fate fate)
{
    for (size_t i = 0; i < e->count; i++) {
        if (e->list[i].fate == PENDING)
            e->list[i].fate = fate;
    }
}

void power_image_advance(struct power_image *image, size_t cut)
{
    for (; image->cut < cut; image->cut++) {
        const struct disk_event *event = &disk_events()[image->cut];
        struct entries *e = &image->since[event->file];
        if (event->kind == DISK_WRITE || event->kind == DISK_TRUNCATE) {
            add(e, event);
            continue;
        }
        settle(e, event->kind == DISK_SYNC ? CERTAIN : IN_LIMBO);
        fold(&image->base[event->file], e);
    }
}

bool power_image_in_doubt(const struct power_image *image)
{
    for (int i = 0; i < DISK_FILES; i++) {
        if (image->since[i].count > 0)
            return true;
    }
    return false;
}

static void apply_sectors(struct bytes *b, const struct disk_event *event,
                          uint64_t *random)
{
    for (size_t from = 0; from < event->size;) {
        /* Sectors are the disk's, not the write's. */
        size_t left = SECTOR - ((size_t)event->offset + from) % SECTOR;
        size_t to = from + left < event->size ? from + left : event->size;
        if (seeded(random) & 1)
            apply_part(b, event, from, to);
        from = to;
    }
}

/* One event whose fate a coin decides. */
static void apply_in_doubt(struct bytes *b, const struct disk_event *event,
                           enum power_loss loss, uint64_t *random)
{
    if (loss == POWER_SOME_SECTORS && event->kind == DISK_WRITE)
        apply_sectors(b, event, random);
    else if (loss == POWER_ALL || (loss != POWER_NOTHING && (seeded(random) & 1)))
        apply(b, event);
}

static void build(const struct power_image *image, int file, enum power_loss loss,
                  uint64_t *random, struct bytes *out)
{
    const struct bytes *base = &image->base[file];
    const struct entries *e = &image->since[file];
    size_t torn = e->count ? (size_t)(seeded(random) % e->count) : 0;
    resize(out, 0);
    resize(out, base->size);
    if (base->size > 0)
        memcpy(out->data, base->data, base->size);
    for (size_t i = 0; i < e->count; i++) {
        const struct disk_event *event = e->list[i].event;
        if (e->list[i].fate == CERTAIN)
            apply(out, event);
        else if (loss != POWER_PREFIX)
            apply_in_doubt(out, event, loss, random);
        else if (i < torn)
            apply(out, event);
        else if (i == torn)
            apply_in_doubt(out, event, POWER_SOME_SECTORS, random);
    }
}

static void write_file(const char *path, const char *suffix, const struct bytes *b)
{
    char name[600];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, b->data, b->size) != (ssize_t)b->size)
        give_up("cannot write '%s': %s", name, strerror(errno));
    close(fd);
}

void power_image_write(const struct power_image *image, enum power_loss loss,
                       uint64_t *random, const char *path)
{
    struct bytes content = { 0 };
    for (int i = 0; i < DISK_FILES; i++) {
        build(image, i, loss, random, &content);
        /* An empty database is one that was just made. */
        if (content.size > 0 || i == DISK_DATABASE)
            write_file(path, disk_suffixes[i], &content);
    }
    free(content.data);
}
