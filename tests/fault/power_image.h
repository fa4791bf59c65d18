/* power_image.h - what a power cut leaves of the recorded files.
 *
 * What was synced is there. What was written since the last sync of a file may
 * be there or not: all, none, some writes, or some sectors of them, as disks and
 * kernels choose. What was pending when a sync failed stays in doubt even after
 * later syncs.
 */
#ifndef PAWL_TEST_POWER_IMAGE_H
#define PAWL_TEST_POWER_IMAGE_H

#include <stdbool.h>

#include "vfs_record.h"

/* What of the unsynced writes survives. */
enum power_loss {
    POWER_NOTHING,
    POWER_ALL,
    POWER_SOME_WRITES,
    POWER_SOME_SECTORS,
    POWER_PREFIX, /* up to one that is torn */
    POWER_LOSSES
};

struct power_image;

/* The disk before the first event. */
struct power_image *power_image_new(void);
void power_image_free(struct power_image *image);
/* Let all of the first `cut` events happen; never goes back. */
void power_image_advance(struct power_image *image, size_t cut);
/* Are there writes in doubt? If not, all losses are the same. */
bool power_image_in_doubt(const struct power_image *image);
/* Write the files as a cut leaves them, at the path of the database. */
void power_image_write(const struct power_image *image, enum power_loss loss,
                       uint64_t *random, const char *path);

#endif
